//! Runs of stand-ins for the programs: shell scripts that do what the programs do, or fail to.

use super::*;
use crate::bench::peers;
use crate::bench::rows::{Count, TIME};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

fn attempt<'a>(contestant: &'a Contestant, row: &'a Row) -> Attempt<'a> {
    Attempt {
        path: Path::new("/nowhere"),
        contestant,
        row,
        argument: 400,
        limit: Duration::from_secs(7),
    }
}

fn pingpong() -> Row {
    Row::times("pingpong", 400, 4)
}

fn two_workers() -> Contestant {
    let mut all = peers::with_channels().into_iter();
    all.find(|it| it.to_string() == "go, P=2").unwrap()
}

/// What comes of a program that ends with exit code `code`.
fn judged(code: i32, output: &str) -> Result<f64, Outcome> {
    let status = ExitStatus::from_raw(code << 8);
    let outcome = attempt(&two_workers(), &pingpong()).judge(Ending::Exited(status), output);
    outcome.map(|values| values[0])
}

fn failed(reason: &str) -> Result<f64, Outcome> {
    Err(Outcome::Failed(reason.to_owned()))
}

#[test]
fn a_time_is_read_per_message() {
    assert_eq!(judged(0, "pingpong 2 400 -> 10000\n"), Ok(25.0));
    assert_eq!(judged(0, "a warning\npingpong 2 400 -> 10\n"), Ok(0.025));
}

#[test]
fn work_that_was_not_asked_for_is_a_failure() {
    for line in ["mpmc 2 400", "pingpong 1 400", "pingpong 2 396"] {
        let reason = format!("it did `{line}`, not `pingpong 2 400`");
        assert_eq!(judged(0, &format!("{line} -> 100\n")), failed(&reason));
    }
    assert_eq!(judged(0, "done\n"), failed("it did not print a time"));
    let soon = judged(0, "pingpong 2 400 -> soon\n");
    assert_eq!(soon, failed("`soon` is no time"));
}

#[test]
fn a_row_that_a_peer_does_not_do_is_no_failure() {
    let outcome = judged(3, "there is no select\n");
    let reason = "there is no select".to_owned();
    assert_eq!(outcome, Err(Outcome::Unsupported(reason)));
}

#[test]
fn crashes_and_hangs_are_failures_with_a_reason() {
    assert_eq!(
        judged(101, "thread panicked\nmore\n"),
        failed("FAILED (exit status: 101): thread panicked")
    );
    let hung = attempt(&two_workers(), &pingpong()).judge(Ending::TimedOut, "");
    assert_eq!(hung.map(|_| 0.0), failed("did not end within 7 s"));
}

#[test]
fn a_program_gets_row_count_and_setting() {
    let folder = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join("program");
    let text = "#!/bin/sh\necho \"$1 $BENCH_PROCS $2 -> 4000\"\n";
    // Written by a child: a file that this process had open for writing could not be run while
    // another test starts a process.
    let mut write = Command::new("sh");
    write.args([
        "-c",
        "printf '%s' \"$1\" > \"$2\" && chmod +x \"$2\"",
        "sh",
        text,
    ]);
    assert!(write.arg(&script).status().unwrap().success());
    let contestant = two_workers();
    let row = pingpong();
    let attempt = Attempt {
        path: &script,
        ..attempt(&contestant, &row)
    };
    let runner = Runner::new(Duration::from_secs(60), false).unwrap();
    let outcome = attempt.run(&runner, Err("it is not pinned")).ok().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(outcome, Ok(vec![10.0]));
}

#[test]
fn who_cannot_be_pinned_does_not_do_the_row() {
    let contestant = peers::pinned(vec![two_workers()])[0];
    let runner = Runner::new(Duration::from_secs(60), false).unwrap();
    let row = pingpong();
    let outcome = attempt(&contestant, &row).run(&runner, Err("there is no taskset"));
    let reason = "there is no taskset".to_owned();
    assert_eq!(outcome.ok().unwrap(), Err(Outcome::Unsupported(reason)));
}

#[test]
fn a_row_may_have_several_figures() {
    const PARTS: &[Part] = &[
        Part {
            name: "cpu",
            label: "CPU",
            is_sum: true,
        },
        Part {
            name: "p99",
            label: "late p99",
            is_sum: false,
        },
    ];
    let row = Row::of("sleep", Count::Times(400, 1), PARTS);
    let contestant = two_workers();
    let judge = |output: &str| {
        let status = ExitStatus::from_raw(0);
        attempt(&contestant, &row).judge(Ending::Exited(status), output)
    };
    let output = "sleep 2 400 -> 9\nsleep.p99 2 400 -> 77\nsleep.cpu 2 400 -> 800\n";
    assert_eq!(judge(output), Ok(vec![2.0, 77.0]));
    let reason = "it did `sleep 2 400`, not `sleep.cpu 2 400`".to_owned();
    assert_eq!(judge("sleep 2 400 -> 9\n"), Err(Outcome::Failed(reason)));
}

#[test]
fn a_row_without_programs_is_missing_all_over() {
    let contestants = peers::with_channels();
    let runner = Runner::new(Duration::from_secs(60), false).unwrap();
    let (programs, flags) = (Programs::default(), Flags::default());
    let figures = run_row(&runner, &programs, &contestants, &pingpong(), &flags);
    let outcomes = &figures.ok().unwrap()[0].outcomes;
    assert!(outcomes.iter().all(|it| *it == Outcome::Missing));
    assert_eq!(outcomes.len(), contestants.len());
}

#[test]
fn the_line_of_a_row_names_who_failed() {
    let contestants = peers::with_channels();
    let mut figures = Figures {
        row: pingpong(),
        part: &TIME,
        count: 400,
        outcomes: vec![Outcome::Times(vec![30.0, 20.0, 90.0]); contestants.len()],
    };
    let second = Duration::from_secs(1);
    let line = figures.line(&contestants, second);
    assert_eq!(line, " ok  1.0 s  gorge, homed, P=1: 30");
    *figures.outcomes.last_mut().unwrap() = Outcome::Failed("it crashed".to_owned());
    let line = figures.line(&contestants, second);
    assert_eq!(
        line,
        " FAILED  1.0 s  gorge, homed, P=1: 30; failed: kanal, threads"
    );
}
