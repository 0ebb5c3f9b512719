//! Channels do what a queue does.
//!
//! * [`sequence`]: one party carries random [steps](step) out, each of which is compared
//!   with the [queue].
//! * [`world`]: a few parties carry a random [program] out at the same time. What they did
//!   goes into a [history], for which the [checker] finds an order in which a queue
//!   would have done the same. Its [verdicts] are tested themselves.
//!
//! `PROPTEST_CASES` says how many of them are tried in each setting. With
//! `GORGE_SHOW_PROGRAMS` each is printed first, to find one that hangs.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_methods, reason = "deadlines are real time")]

#[path = "../common/mod.rs"]
mod common;

mod checker;
mod history;
mod operate;
mod program;
mod queue;
mod sequence;
mod step;
mod verdicts;
mod world;

use common::Setting;
use gorge_runtime::Runtime;
use history::{Event, What};
use program::{Act, Program};
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestError, TestRunner};
use std::cell::Cell;
use std::env;
use std::fmt::Debug;

const HOMED: Setting = Setting::Goroutines {
    migrating: false,
    procs: 2,
};
const MIGRATING: Setting = Setting::Goroutines {
    migrating: true,
    procs: 2,
};

/// The schedule differs from run to run, so each program runs this often.
const RUNS: usize = 2;
/// So often, if another one that it was made of has failed.
const RUNS_WHILE_SHRINKING: usize = 40;

fn runtime(setting: Setting) -> Option<Runtime> {
    let Setting::Goroutines { migrating, procs } = setting else {
        return None;
    };
    let builder = Runtime::builder().max_procs(procs);
    let builder = match migrating {
        // SAFETY: the goroutines hold no reference into a thread-local and no
        // thread-bound value across a park point.
        true => unsafe { builder.migrating() },
        false => builder,
    };
    Some(builder.build().expect("a runtime"))
}

/// Runs `body` as a party of the setting.
fn within<R: Send>(runtime: Option<&Runtime>, body: impl FnOnce() -> R + Send) -> R {
    match runtime {
        Some(runtime) => runtime.run(body),
        None => body(),
    }
}

fn runner(cases: u32) -> TestRunner {
    let asked = env::var("PROPTEST_CASES").ok();
    TestRunner::new(Config {
        cases: asked.map_or(cases, |text| text.parse().expect("a number")),
        failure_persistence: None,
        max_shrink_iters: 2000,
        max_shrink_time: 30_000,
        ..Config::default()
    })
}

fn show(what: &impl Debug) {
    if env::var_os("GORGE_SHOW_PROGRAMS").is_some() {
        eprintln!("{what:?}");
    }
}

fn every_step_is_a_queues(setting: Setting) {
    let runtime = runtime(setting);
    let result = runner(200).run(&step::sequence(), |sequence| {
        show(&sequence);
        within(runtime.as_ref(), || sequence::carry_out(&sequence))
    });
    if let Err(failure) = result {
        panic!("in setting {setting:?}\n{failure}");
    }
}

/// Runs programs in a setting, and holds their histories against `verdict`.
fn try_programs(
    setting: Setting,
    cases: u32,
    verdict: impl Fn(&Program, &[Event]) -> TestCaseResult,
) -> Result<(), TestError<Program>> {
    let runtime = runtime(setting);
    let runs = Cell::new(RUNS);
    runner(cases).run(&program::program(), |program| {
        show(&program);
        for _ in 0..runs.get() {
            let history = within(runtime.as_ref(), || world::carry_out(&program, setting));
            verdict(&program, &history).inspect_err(|_| runs.set(RUNS_WHILE_SHRINKING))?;
        }
        Ok(())
    })
}

fn histories_are_linearisable(setting: Setting) {
    // Threads take longer to start.
    let cases = match setting {
        Setting::Goroutines { .. } => 400,
        Setting::Threads | Setting::Mixed => 80,
    };
    let result = try_programs(setting, cases, |program, history| {
        checker::check(&program.capacities, history).map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("in setting {setting:?}\n{failure}");
    }
}

#[test]
fn every_step_of_a_thread_is_a_queues() {
    every_step_is_a_queues(Setting::Threads);
}

#[test]
fn every_step_of_a_homed_goroutine_is_a_queues() {
    every_step_is_a_queues(HOMED);
}

#[test]
fn every_step_of_a_migrating_goroutine_is_a_queues() {
    every_step_is_a_queues(MIGRATING);
}

#[test]
fn histories_of_threads_are_linearisable() {
    histories_are_linearisable(Setting::Threads);
}

#[test]
fn histories_of_homed_goroutines_are_linearisable() {
    histories_are_linearisable(HOMED);
}

#[test]
fn histories_of_migrating_goroutines_are_linearisable() {
    histories_are_linearisable(MIGRATING);
}

#[test]
fn histories_of_threads_and_goroutines_are_linearisable() {
    histories_are_linearisable(Setting::Mixed);
}

/// Where every length is told wrongly, whoever asks for one is all that is left.
#[test]
fn a_program_that_goes_wrong_is_made_small() {
    let result = try_programs(HOMED, 200, |program, history| {
        let mut history = history.to_vec();
        for event in &mut history {
            if let What::Len(_, len) = &mut event.what {
                *len += 5;
            }
        }
        checker::check(&program.capacities, &history).map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(reason, smallest)) = result else {
        panic!("nobody asked for a length: {result:?}");
    };
    assert!(reason.message().contains("not linearisable"), "{reason}");
    let acts: Vec<_> = smallest.parties.into_iter().flatten().collect();
    assert_eq!(acts.len(), 2, "one for each party: {acts:?}");
    assert!(acts.iter().any(|act| matches!(act, Act::Len(_))));
}
