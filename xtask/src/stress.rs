//! `cargo xtask stress`: the stress tests for a while, then all tests again and again.
//!
//! Both parts take the time asked for. Every second round crowds more tests together than there are
//! processors, so that threads are taken off them at other places. A failure does not end the command:
//! how often something fails is worth knowing too. Its output is kept in a file.

#![allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]

use crate::Failure;
use crate::flags::{Flags, Grammar};
use crate::line;
use crate::sanitizer;
use crate::step::Runner;
use crate::suite::{self, Binary, Profile};
use crate::tally::Tally;
use crate::trial::{Plan, Trial};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SECONDS: u64 = 60;

/// The tests that go on as long as they are told to.
const STRESS: &[&str] = &["gorge-channel select_stress", "gorge-runtime stress"];

/// How many tests a crowded round runs at a time.
const CROWD: usize = 16;

/// What failed so far, and where that is kept.
#[derive(Debug)]
struct Failures {
    folder: PathBuf,
    count: usize,
}

/// Runs the stress that `arguments` ask for.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let flags = parse(root, arguments)?;
    let seconds = flags.seconds.unwrap_or(SECONDS);
    let runner = Runner::new(flags.time_limit, false)?;
    if let Some(sanitizer) = flags.sanitizer {
        print!("{}", sanitizer::left_out(sanitizer));
    }
    let profile = Profile {
        release: true,
        sanitizer: flags.sanitizer,
    };
    let mut binaries = suite::build(root, &runner, &flags, profile)?;
    binaries.retain(|binary| !sanitizer::excludes(flags.sanitizer, binary));
    let mut failures = Failures {
        folder: root.join("target/stress"),
        count: 0,
    };
    let plan = Plan {
        root,
        sanitizer: flags.sanitizer,
        stress_seconds: None,
        test_threads: None,
        limit: flags.time_limit,
    };
    let long = Plan {
        stress_seconds: Some(seconds),
        limit: flags.time_limit + Duration::from_secs(seconds),
        ..plan.clone()
    };
    for binary in binaries
        .iter()
        .filter(|binary| STRESS.contains(&&*binary.name()))
    {
        let trial = long.run(&runner, binary)?;
        let note = trial.tests.to_string();
        print_line(&binary.name(), &trial.label(), trial.time, &note);
        failures.note(&long, binary, &trial, 0)?;
    }
    let rounds = run_rounds(&plan, &runner, &binaries, seconds, &mut failures)?;
    println!("{rounds} rounds, {} failures", failures.count);
    match failures.count {
        0 => Ok(()),
        _ => Err(Failure::Reported),
    }
}

fn parse(root: &Path, arguments: &[String]) -> Result<Flags, Failure> {
    let libraries = suite::libraries(root)?;
    let names: Vec<_> = libraries.iter().map(|package| &*package.name).collect();
    let grammar = Grammar {
        command: "stress",
        flags: &["--only", "--seconds", "--sanitizer", "--time-limit"],
        noun: "crate",
        names: &names,
    };
    grammar.parse(arguments).map_err(Failure::Usage)
}

/// Runs all binaries in rounds until the time is over; returns the number of rounds begun.
fn run_rounds(
    plan: &Plan<'_>,
    runner: &Runner,
    binaries: &[Binary],
    seconds: u64,
    failures: &mut Failures,
) -> Result<usize, Failure> {
    let start = Instant::now();
    let is_over = || start.elapsed() >= Duration::from_secs(seconds);
    let mut round = 0;
    while !is_over() && !binaries.is_empty() {
        round += 1;
        let begun = Instant::now();
        let failed_before = failures.count;
        let plan = Plan {
            test_threads: is_crowded(round).then_some(CROWD),
            ..plan.clone()
        };
        let mut tests = Tally::default();
        for binary in binaries.iter().take_while(|_| !is_over()) {
            let trial = plan.run(runner, binary)?;
            tests += trial.tests;
            failures.note(&plan, binary, &trial, round)?;
        }
        let label = if failures.count == failed_before {
            "ok"
        } else {
            "FAILED"
        };
        let crowded = if is_crowded(round) { ", crowded" } else { "" };
        let note = format!("{tests}{crowded}");
        print_line(&format!("round {round}"), label, begun.elapsed(), &note);
    }
    Ok(round)
}

fn is_crowded(round: usize) -> bool {
    round.is_multiple_of(2)
}

fn print_line(name: &str, label: &str, time: Duration, note: &str) {
    let result = line::result(label, time, note);
    println!("{}{result}", line::dotted(name, suite::WIDTH));
}

impl Failures {
    /// Keeps the output of `trial` if it failed, and says how to repeat it.
    fn note(
        &mut self,
        plan: &Plan<'_>,
        binary: &Binary,
        trial: &Trial,
        round: usize,
    ) -> io::Result<()> {
        if trial.passed() {
            return Ok(());
        }
        self.count += 1;
        fs::create_dir_all(&self.folder)?;
        let file = self.folder.join(file_name(binary, round));
        fs::write(&file, trial.full_output())?;
        println!("{}: {}", binary.name(), trial.label());
        println!("{}", trial.excerpt());
        println!("repeat it with: {}", plan.repeat(binary));
        println!("its whole output: {}\n", file.display());
        Ok(())
    }
}

/// Where the output of a failure is kept.
fn file_name(binary: &Binary, round: usize) -> String {
    format!("{}-round-{round}.log", binary.file_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sanitizer::Sanitizer;
    use crate::workspace;

    fn binary(executable: &str) -> Binary {
        Binary {
            package: "gorge".to_owned(),
            target: "scale".to_owned(),
            executable: executable.into(),
            folder: "/tmp".into(),
        }
    }

    #[test]
    fn flags_have_their_own_set() {
        let arguments = ["--seconds", "5", "--sanitizer", "tsan"].map(str::to_owned);
        let flags = parse(&workspace::root(), &arguments).ok().unwrap();
        assert_eq!(
            (flags.seconds, flags.sanitizer),
            (Some(5), Some(Sanitizer::Thread))
        );
        assert!(parse(&workspace::root(), &["--list".to_owned()]).is_err());
    }

    #[test]
    fn the_table_has_every_test_that_asks_how_long_to_go_on() {
        let root = workspace::root();
        let mut asking = Vec::new();
        for library in suite::libraries(&root).unwrap() {
            let files = fs::read_dir(root.join(&library.folder).join("tests"));
            for file in files.into_iter().flatten().flatten() {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                if text.contains("\"GORGE_STRESS_SECONDS\"") {
                    let name = file.path().file_stem().unwrap().display().to_string();
                    asking.push(format!("{} {name}", library.name));
                }
            }
        }
        asking.sort();
        assert_eq!(STRESS, asking, "mend STRESS in xtask/src/stress.rs");
    }

    #[test]
    fn a_failure_is_counted_and_its_output_kept() {
        let root = workspace::root();
        let folder = std::env::temp_dir().join(format!("xtask-stress-{}", std::process::id()));
        let mut failures = Failures {
            folder: folder.clone(),
            count: 0,
        };
        let plan = Plan {
            root: &root,
            sanitizer: None,
            stress_seconds: None,
            test_threads: None,
            limit: Duration::from_secs(60),
        };
        let runner = Runner::new(plan.limit, false).unwrap();
        let rounds = run_rounds(&plan, &runner, &[binary("true")], 1, &mut failures);
        assert!(rounds.ok().unwrap() > 1);
        assert_eq!(failures.count, 0);
        run_rounds(&plan, &runner, &[binary("false")], 1, &mut failures)
            .ok()
            .unwrap();
        let kept = folder.join("gorge-scale-round-1.log").exists();
        fs::remove_dir_all(&folder).unwrap();
        assert!(failures.count > 1 && kept);
    }
}
