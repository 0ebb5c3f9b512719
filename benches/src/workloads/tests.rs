//! Every peer does every row, or says why not.

use super::{Job, gorge, may, nap, tokio, usage};
use crate::SETTINGS;
use crate::program::{Figures, Refusal};
use std::time::Duration;

/// All rows, with small counts.
const ROWS: &[(&str, usize)] = &[
    ("yield", 400),
    ("spawn_seq", 100),
    ("spawn_batch", 2000),
    ("pingpong", 100),
    ("prodcons", 400),
    ("mpmc", 400),
    ("select", 400),
    ("skynet", 100),
    ("fib", 10),
    ("mutex", 800),
    ("sleep", 20),
    ("memory", 1500),
    ("syscall", 100),
    ("syscall_pool", 20),
    ("memory_64", 100),
    ("pairs_1", 100),
    ("pairs_10", 100),
    ("spawn_10", 2000),
    ("sleepers_5", 10),
    ("select_7", 100),
    ("close_100", 100),
    ("wake_0", 2),
    ("timer_50", 2),
    ("poll_100", 2),
];

/// Runs all rows; returns those that are refused.
fn refused(run: impl Fn(Job<'_>) -> Result<Figures, Refusal>) -> Vec<&'static str> {
    let mut refused = Vec::new();
    for &(row, count) in ROWS {
        match run(Job::parse(row, count)) {
            Ok(figures) => assert!(!figures.0.is_empty(), "{row}"),
            Err(Refusal::Unsupported(_)) => refused.push(row),
            Err(wrong) => panic!("{row}: {wrong:?}"),
        }
    }
    refused
}

#[test]
fn a_name_may_end_in_a_size() {
    let parts = |row| {
        let job = Job::parse(row, 1);
        (job.name, job.size)
    };
    assert_eq!(parts("pairs_1000"), ("pairs", 1000));
    assert_eq!(parts("spawn_seq"), ("spawn_seq", 0));
    assert_eq!(parts("yield"), ("yield", 0));
}

#[test]
fn gorge_does_all_rows() {
    for setting in SETTINGS {
        // One that may move stays on its thread; one at home leaves it to others.
        let expected = match setting.migrating {
            true => "syscall_pool",
            false => "syscall",
        };
        let refused = refused(|job| gorge::run(job, setting));
        assert_eq!(refused, [expected], "{setting:?}");
    }
}

#[test]
fn tokio_does_all_rows_without_stacks_and_large_selects() {
    for workers in [1, 2] {
        let refused = refused(|job| match job.name {
            // flume can lose a wake-up there, see its file.
            "mpmc" if workers > 1 => Ok(Figures::of_time(Duration::ZERO)),
            _ => tokio::run(job, workers),
        });
        assert_eq!(refused, ["syscall", "memory_64", "select_7"]);
    }
}

#[test]
fn may_says_what_it_does_not_do() {
    let refused = refused(|job| match job.name {
        "mpmc" | "select" | "syscall" | "syscall_pool" | "wake" | "timer" | "poll" => {
            may::run(job, 1)
        }
        "memory" if job.size > 0 => may::run(job, 1),
        _ => Ok(Figures::of_time(Duration::ZERO)),
    });
    let expected = [
        "mpmc",
        "select",
        "syscall",
        "syscall_pool",
        "memory_64",
        "select_7",
        "wake_0",
        "timer_50",
        "poll_100",
    ];
    assert_eq!(refused, expected);
}

#[test]
fn naps_are_a_millisecond_to_a_hundred() {
    let naps = || (0..100_000).map(nap);
    assert_eq!(naps().min(), Some(Duration::from_millis(1)));
    let longest = naps().max().unwrap();
    assert!(longest < Duration::from_millis(100) && longest > Duration::from_millis(99));
}

#[test]
fn percentiles_are_values_that_were_measured() {
    let figures = usage::with_percentiles(Figures::default(), (0..1000).rev().collect());
    assert_eq!(figures.0, [("p50", 499), ("p99", 989), ("p999", 998)]);
    let figures = usage::with_percentiles(Figures::default(), vec![7]);
    assert_eq!(figures.0, [("p50", 7), ("p99", 7), ("p999", 7)]);
}

#[test]
fn memory_that_is_used_is_seen() {
    let before = usage::memory();
    let used = std::hint::black_box(vec![1_u8; 64 << 20]);
    let after = usage::memory();
    assert!(after - before > 30 << 20, "{before} and {after}");
    drop(used);
    let text = "A: 1 kB\nVmPTE:\t  12 kB\n";
    assert_eq!(usage::kilobytes(text, "VmPTE:"), Some(12));
    assert_eq!(usage::kilobytes(text, "VmRSS:"), None);
}
