//! `cargo xtask ci`: everything that must hold before a change goes in, one line per step.
//!
//! The steps run in order and the first that fails ends the run: its output is shown, and the command
//! that repeats it. All cargo steps share one target folder and the same `RUSTFLAGS`, so nothing is
//! built twice. The last line of a run that passed is `N passed, 0 failed`, the sum over its test steps.
//!
//! Benches are built and linted by the clippy step only: as tests they would measure nothing. Examples
//! are built as tests, so an example's own tests run. The release build leaves out our tools, which are
//! no different in it.

#![allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]

use crate::finding::Verdict;
use crate::flags::{Flags, Grammar};
use crate::line;
use crate::step::{Ending, Runner};
use crate::tally::{self, Tally};
use crate::{Failure, instructions, layers, tidy, workspace};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

/// A step: its name for `--only`, and what it does.
struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    /// A check of our own, run in this process; it is also the command `cargo xtask NAME`.
    Check(fn(&Path) -> io::Result<Verdict>),
    /// Cargo with these arguments.
    Cargo(&'static str),
    /// `cargo test` with these arguments; its tests are counted.
    Test(&'static str),
    /// `cargo doc` with these arguments, where a warning is a failure.
    Doc(&'static str),
}

/// The tests of a debug build, which one step builds and the next runs.
macro_rules! debug_tests {
    () => {
        "test --workspace --lib --bins --examples --tests --locked"
    };
}

/// As [`debug_tests`], of a release build.
macro_rules! release_tests {
    () => {
        "test --workspace --exclude benches --exclude xtask --lib --bins --examples --tests --locked --release"
    };
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        work: Work::Cargo("fmt --all --check"),
    },
    Step {
        name: "tidy",
        work: Work::Check(tidy::check),
    },
    Step {
        name: "layers",
        work: Work::Check(layers::check),
    },
    Step {
        name: "clippy",
        work: Work::Cargo("clippy --workspace --all-targets --locked -- -D warnings"),
    },
    // Built beforehand: a build takes as long as the machine is slow, tests that hang for ever.
    Step {
        name: "build-debug",
        work: Work::Cargo(concat!(debug_tests!(), " --no-run")),
    },
    Step {
        name: "test-debug",
        work: Work::Test(concat!(debug_tests!(), " --no-fail-fast")),
    },
    Step {
        name: "build-release",
        work: Work::Cargo(concat!(release_tests!(), " --no-run")),
    },
    Step {
        name: "test-release",
        work: Work::Test(concat!(release_tests!(), " --no-fail-fast")),
    },
    Step {
        name: "instructions",
        work: Work::Check(instructions::check),
    },
    Step {
        name: "no-unwinding",
        work: Work::Cargo("run --profile abort --package gorge --example no_unwinding --locked"),
    },
    Step {
        name: "doctest",
        work: Work::Test("test --workspace --doc --locked --no-fail-fast"),
    },
    Step {
        name: "docs",
        work: Work::Doc("doc --workspace --no-deps --locked"),
    },
];

/// How wide the names of steps are in our output.
const WIDTH: usize = 16;

/// What the documentation step adds to the environment.
const RUSTDOC_FLAGS: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");

/// How a step ended.
struct Outcome {
    ending: Result<(), Failure>,
    /// `ok` or what happened instead.
    label: String,
    /// What the step covered, such as `312 passed`.
    note: String,
    /// What it printed.
    output: String,
    tests: Tally,
}

/// Runs the steps that `arguments` ask for.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    let grammar = Grammar {
        command: "ci",
        flags: &["--only", "--list", "--verbose", "--time-limit"],
        noun: "step",
        names: &names,
    };
    let flags = grammar.parse(arguments).map_err(Failure::Usage)?;
    if flags.list {
        print!("{}", list());
        return Ok(());
    }
    let runner = Runner::new(flags.time_limit, flags.verbose)?;
    let start = Instant::now();
    let mut tests: Option<Tally> = None;
    for step in STEPS.iter().filter(|step| flags.wants(step.name)) {
        let outcome = run_step(step, root, &runner, &flags)?;
        if matches!(step.work, Work::Test(_)) {
            *tests.get_or_insert_default() += outcome.tests;
        }
    }
    println!(
        "{}{}",
        line::dotted("total", WIDTH),
        line::result("ok", start.elapsed(), "")
    );
    if let Some(tests) = tests {
        println!("{tests}");
    }
    Ok(())
}

/// The steps and the commands that run them alone.
pub(crate) fn list() -> String {
    let mut list = String::new();
    for step in STEPS {
        let _ = writeln!(list, "  {:<14}{}", step.name, step.command());
    }
    list
}

/// Runs one step and prints its line; on failure also its output and how to repeat it.
fn run_step(step: &Step, root: &Path, runner: &Runner, flags: &Flags) -> Result<Outcome, Failure> {
    let name = step.name;
    if flags.verbose {
        println!("{name}: {}", step.command());
    } else {
        // The rest of the line follows when the step has ended.
        print!("{}", line::dotted(name, WIDTH));
        io::stdout().flush()?;
    }
    let start = Instant::now();
    let outcome = step.work.run(root, runner, flags);
    // An error goes on a line of its own.
    let outcome = outcome.inspect_err(|_| println!())?;
    if flags.verbose {
        print!("{}", line::dotted(name, WIDTH));
    }
    println!(
        "{}",
        line::result(&outcome.label, start.elapsed(), &outcome.note)
    );
    let Err(failure) = outcome.ending else {
        return Ok(outcome);
    };
    if !flags.verbose {
        println!("\n{}\n", outcome.output.trim_end());
    }
    println!("repeat it with: {}", step.command());
    Err(failure)
}

impl Step {
    /// What to type to run this step alone.
    fn command(&self) -> String {
        match self.work {
            Work::Check(_) => format!("cargo xtask {}", self.name),
            Work::Cargo(arguments) | Work::Test(arguments) => format!("cargo {arguments}"),
            Work::Doc(arguments) => {
                let (variable, value) = RUSTDOC_FLAGS;
                format!("{variable}=\"{value}\" cargo {arguments}")
            }
        }
    }
}

impl Work {
    fn run(&self, root: &Path, runner: &Runner, flags: &Flags) -> io::Result<Outcome> {
        let arguments = match self {
            Work::Check(check) => return Ok(judged(check(root)?, flags)),
            Work::Cargo(arguments) | Work::Test(arguments) | Work::Doc(arguments) => arguments,
        };
        let mut cargo = workspace::cargo(root);
        cargo.args(arguments.split(' '));
        if let Work::Doc(_) = self {
            cargo.env(RUSTDOC_FLAGS.0, RUSTDOC_FLAGS.1);
        }
        let (ending, output) = runner.run(cargo)?;
        Ok(self.ended(ending, output, flags))
    }

    /// The outcome of a step in a child process.
    fn ended(&self, ending: Ending, output: String, flags: &Flags) -> Outcome {
        let tests = Tally::of(&output);
        let note = match (self, ending) {
            (_, Ending::TimedOut) => {
                let limit = flags.time_limit.as_secs();
                format!("killed because it did not end within {limit} s")
            }
            (Work::Test(_), ending) if ending.passed() => format!("{} passed", tests.passed),
            (Work::Test(_), _) => tests.to_string(),
            _ => String::new(),
        };
        let output = match (self, ending) {
            (Work::Test(_), Ending::Exited(_)) => tally::without_passed_tests(&output),
            _ => output,
        };
        Outcome {
            ending: match ending {
                ending if ending.passed() => Ok(()),
                Ending::Interrupted => Err(Failure::Interrupted),
                _ => Err(Failure::Reported),
            },
            label: ending.to_string(),
            note,
            output,
            tests,
        }
    }
}

/// The outcome of a check of our own.
fn judged(verdict: Verdict, flags: &Flags) -> Outcome {
    let output = verdict.to_string();
    if flags.verbose {
        println!("{output}");
    }
    let (ending, label) = if verdict.passed() {
        (Ok(()), "ok")
    } else {
        (Err(Failure::Reported), "FAILED")
    };
    Outcome {
        ending,
        label: label.to_owned(),
        note: verdict.scope,
        output,
        tests: Tally::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    const TEST: Work = Work::Test("test");

    fn exited(code: i32) -> Ending {
        Ending::Exited(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn the_list_has_a_command_for_every_step() {
        let list = list();
        assert_eq!(list.lines().count(), STEPS.len());
        assert!(
            list.contains("  tidy          cargo xtask tidy\n"),
            "{list}"
        );
        assert!(
            list.contains("RUSTDOCFLAGS=\"-D warnings\" cargo doc"),
            "{list}"
        );
    }

    #[test]
    fn only_names_the_wanted_steps() {
        let mut flags = Flags::default();
        assert!(STEPS.iter().all(|step| flags.wants(step.name)));
        flags.only = vec!["tidy".to_owned(), "docs".to_owned()];
        let wanted = STEPS.iter().filter(|step| flags.wants(step.name));
        assert!(wanted.map(|step| step.name).eq(["tidy", "docs"]));
    }

    #[test]
    fn test_steps_tell_how_many_tests_ran() {
        let result = "test result: ok. 3 passed; 0 failed; 0 ignored".to_owned();
        let outcome = TEST.ended(exited(0), result, &Flags::default());
        assert!(outcome.ending.is_ok());
        assert_eq!((&*outcome.label, &*outcome.note), ("ok", "3 passed"));
        assert_eq!(outcome.tests.passed, 3);

        let result = "test result: FAILED. 3 passed; 1 failed; 0 ignored".to_owned();
        let outcome = TEST.ended(exited(101), result, &Flags::default());
        assert!(matches!(outcome.ending, Err(Failure::Reported)));
        assert_eq!(outcome.note, "3 passed, 1 failed");
    }

    #[test]
    fn the_output_of_a_failed_test_step_leaves_out_what_passed() {
        let output = "test a ... ok\ntest b ... FAILED\nwhy\ntest c - should panic ... ok\n";
        let outcome = TEST.ended(exited(101), output.to_owned(), &Flags::default());
        assert_eq!(outcome.output, "test b ... FAILED\nwhy\n");
        let outcome = TEST.ended(Ending::TimedOut, output.to_owned(), &Flags::default());
        assert_eq!(outcome.output, output, "what passed shows where it hung");
    }

    #[test]
    fn a_step_that_hangs_fails_and_says_so() {
        let outcome = TEST.ended(Ending::TimedOut, String::new(), &Flags::default());
        assert!(matches!(outcome.ending, Err(Failure::Reported)));
        assert_eq!(outcome.label, "HUNG");
        assert_eq!(outcome.note, "killed because it did not end within 900 s");
    }

    #[test]
    fn an_interrupt_is_not_a_failed_check() {
        let outcome = TEST.ended(Ending::Interrupted, String::new(), &Flags::default());
        assert!(matches!(outcome.ending, Err(Failure::Interrupted)));
    }

    #[test]
    fn findings_fail_a_check() {
        let sound = Verdict::new("1 file".to_owned(), Vec::new());
        assert!(judged(sound, &Flags::default()).ending.is_ok());
        let findings = vec![Finding::new("a.rs", 1, "a tab", "use spaces")];
        let outcome = judged(
            Verdict::new("1 file".to_owned(), findings),
            &Flags::default(),
        );
        assert!(matches!(outcome.ending, Err(Failure::Reported)));
        assert!(outcome.output.contains("a.rs:1: a tab"));
    }
}
