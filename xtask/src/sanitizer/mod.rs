//! `cargo xtask tsan` and `cargo xtask asan`: the libraries' tests under ThreadSanitizer and
//! AddressSanitizer, on a stable toolchain.
//!
//! [`kinds`] knows how to build with each and which options it runs with, [`exclusions`] which tests
//! cannot run under it. Every test binary runs, also after one has failed; a report fails the command.
//!
//! The standard library is not instrumented, so ThreadSanitizer does not see what synchronises inside
//! it: `tsan.supp` lists what it wrongly reports. AddressSanitizer looks for uses of a stack after its
//! function has returned, which takes the fibre hooks of gorge-coroutine, and for leaks: a runtime frees
//! its goroutines when it is dropped, so only leaks that tests provoke are suppressed, in `asan.supp`.

mod exclusions;
mod kinds;

pub(crate) use exclusions::{excludes, table as left_out};
pub(crate) use kinds::Sanitizer;

use crate::Failure;
use crate::flags::{Flags, Grammar};
use crate::line;
use crate::step::Runner;
use crate::suite::{self, Binary, Profile};
use crate::tally::Tally;
use crate::trial::Plan;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// Runs the tests under `sanitizer` as `arguments` ask for.
pub(crate) fn run(root: &Path, sanitizer: Sanitizer, arguments: &[String]) -> Result<(), Failure> {
    let flags = parse(root, sanitizer, arguments)?;
    let runner = Runner::new(flags.time_limit, false)?;
    print!("{}", left_out(sanitizer));
    let profile = Profile {
        release: false,
        sanitizer: Some(sanitizer),
    };
    let binaries = suite::build(root, &runner, &flags, profile)?;
    let plan = Plan {
        root,
        sanitizer: Some(sanitizer),
        stress_seconds: flags.seconds,
        test_threads: None,
        limit: flags.time_limit + Duration::from_secs(flags.seconds.unwrap_or(0)),
    };
    run_all(&plan, &runner, &binaries)
}

fn parse(root: &Path, sanitizer: Sanitizer, arguments: &[String]) -> Result<Flags, Failure> {
    let libraries = suite::libraries(root)?;
    let names: Vec<_> = libraries.iter().map(|package| &*package.name).collect();
    let grammar = Grammar {
        command: sanitizer.command(),
        flags: &["--only", "--seconds", "--time-limit"],
        noun: "crate",
        names: &names,
    };
    grammar.parse(arguments).map_err(Failure::Usage)
}

fn run_all(plan: &Plan<'_>, runner: &Runner, binaries: &[Binary]) -> Result<(), Failure> {
    let mut time = Duration::ZERO;
    let mut tests = Tally::default();
    let mut failed = Vec::new();
    for binary in binaries.iter().filter(|it| !excludes(plan.sanitizer, it)) {
        print!("{}", line::dotted(&binary.name(), suite::WIDTH));
        io::stdout().flush()?;
        let trial = plan.run(runner, binary);
        // An error goes on a line of its own.
        let trial = trial.inspect_err(|_| println!())?;
        println!(
            "{}",
            line::result(&trial.label(), trial.time, &trial.tests.to_string())
        );
        if !trial.passed() {
            println!(
                "\n{}\nrepeat it with: {}\n",
                trial.excerpt(),
                plan.repeat(binary)
            );
            failed.push(binary.name());
        }
        time += trial.time;
        tests += trial.tests;
    }
    let label = if failed.is_empty() { "ok" } else { "FAILED" };
    let total = line::result(label, time, &tests.to_string());
    println!("{}{total}", line::dotted("total", suite::WIDTH));
    match failed.is_empty() {
        true => Ok(()),
        false => {
            println!("failed: {}", failed.join(", "));
            Err(Failure::Reported)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn only_names_library_crates() {
        let root = workspace::root();
        let arguments = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let flags = parse(
            &root,
            Sanitizer::Thread,
            &arguments("--only gorge-sync --seconds 3"),
        );
        let flags = flags.ok().unwrap();
        assert!(flags.wants("gorge-sync") && !flags.wants("gorge-channel"));
        assert_eq!(flags.seconds, Some(3));
        let wrong = parse(&root, Sanitizer::Address, &arguments("--only xtask"));
        let Err(Failure::Usage(message)) = wrong else {
            panic!("it is not understood");
        };
        assert!(
            message.starts_with("--only: there is no crate `xtask`"),
            "{message}"
        );
    }
}
