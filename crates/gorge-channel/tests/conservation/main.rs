//! Whatever goroutines do with what they share, and whenever they are cancelled at
//! it, nothing is lost: every value is received, returned to its sender or dropped,
//! once; every lock is free in the end, every permit back, every group at zero, every join told a value
//! or a cancel, every goroutine gone.
//!
//! `PROPTEST_CASES` says how many programs are tried in each setting. With
//! `GORGE_SHOW_PROGRAMS` each is printed first, to find one that hangs.
#![cfg(not(gorge_loom))]

mod ledger;
mod program;
mod world;

use gorge_runtime::{Runtime, yield_now};
use program::{Program, program};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::env;
use std::sync::Arc;
use world::World;

/// How many programs, where nobody asks for more.
const CASES: u32 = 300;

fn runtime(migrating: bool, procs: usize) -> Runtime {
    let builder = Runtime::builder().max_procs(procs);
    let builder = if migrating {
        // SAFETY: the goroutines hold no reference into a thread-local and no
        // thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

/// Runs a program as a goroutine of the runtime; returns what was wrong.
fn carry_out(runtime: &Runtime, program: &Program) -> Vec<String> {
    runtime.run(|| {
        let world = Arc::new(World::new(program));
        world.carry_out(program);
        while runtime.num_goroutines() > 1 {
            yield_now();
        }
        let world = Arc::try_unwrap(world).map_err(|world| Arc::strong_count(&world));
        world.map_or_else(
            |owners| {
                vec![format!(
                    "{owners} goroutines have gone and keep their captures"
                )]
            },
            World::audit,
        )
    })
}

fn nothing_is_lost(migrating: bool, procs: usize) {
    let runtime = runtime(migrating, procs);
    let cases = env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: cases.map_or(CASES, |text| text.parse().expect("a number")),
        failure_persistence: None,
        // The schedule differs from run to run: a smaller program may pass.
        max_shrink_iters: 200,
        ..Config::default()
    };
    let shows = env::var_os("GORGE_SHOW_PROGRAMS").is_some();
    let result = TestRunner::new(config).run(&program(), |program| {
        if shows {
            eprintln!("{program:?}");
        }
        let complaints = carry_out(&runtime, &program);
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(TestCaseError::fail(complaints.join("; ")))
        }
    });
    if let Err(failure) = result {
        panic!("migrating: {migrating}, procs: {procs}\n{failure}");
    }
}

#[test]
fn nothing_is_lost_by_homed_goroutines_on_one_processor() {
    nothing_is_lost(false, 1);
}

#[test]
fn nothing_is_lost_by_homed_goroutines_on_two_processors() {
    nothing_is_lost(false, 2);
}

#[test]
fn nothing_is_lost_by_migrating_goroutines_on_one_processor() {
    nothing_is_lost(true, 1);
}

#[test]
fn nothing_is_lost_by_migrating_goroutines_on_two_processors() {
    nothing_is_lost(true, 2);
}
