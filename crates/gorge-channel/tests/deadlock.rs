//! Deadlocks on channels: found, and told with what each goroutine waits for.
#![cfg(not(gorge_loom))]

mod common;

use gorge_channel::{bounded, unbounded};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    DeadlockDetection, DeadlockReport, GoroutineState, RunError, Runtime, go, goroutine,
};
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn runtime(migrating: bool) -> Runtime {
    let builder = Runtime::builder().max_procs(2);
    common::build(
        builder.deadlock_detection(DeadlockDetection::Always),
        migrating,
    )
}

fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        body(&runtime(migrating));
    }
}

#[track_caller]
fn report_of<T>(result: Result<T, RunError>) -> DeadlockReport {
    match result {
        Err(RunError::Deadlock(report)) => report,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it returned"),
    }
}

#[test]
fn a_receive_that_nobody_answers() {
    in_each_placement(|runtime| {
        let (sender, receiver) = bounded::<u32>(0);
        let report = report_of(runtime.try_run(|| receiver.recv()));
        let goroutines = report.dump().goroutines();
        let state = GoroutineState::Waiting(WaitReason::ChannelReceive);
        assert_eq!(goroutines[0].state, state);
        assert_ne!(goroutines[0].object, 0);
        let text = report.to_string();
        assert!(text.contains(" [chan receive]:\n"), "{text}");
        assert!(
            text.contains(&format!("{:#x}", goroutines[0].object)),
            "{text}"
        );
        drop(sender);
    });
}

#[test]
fn goroutines_that_wait_at_the_same_channel_are_named() {
    in_each_placement(|runtime| {
        let (sender, receiver) = bounded::<u32>(0);
        let report = report_of(runtime.try_run(|| {
            goroutine::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| receiver.recv().is_ok());
                }
            });
        }));
        let ids: Vec<_> = report.dump().goroutines().iter().map(|it| it.id).collect();
        let object = report.dump().goroutines()[1].object;
        assert_eq!(report.waiters(object), &ids[1..]);
        let text = report.to_string();
        assert!(
            text.contains(&format!(", as goroutine {} does\n", ids[2])),
            "{text}"
        );
        drop(sender);
    });
}

#[test]
fn a_chain_of_goroutines_whose_head_has_no_input() {
    in_each_placement(|runtime| {
        let report = report_of(runtime.try_run(|| {
            let (_keep, mut input) = unbounded::<u32>();
            for _ in 0..10 {
                let (sender, receiver) = bounded(1);
                go(move || input.iter().try_for_each(|value| sender.send(value)));
                input = receiver;
            }
            input.recv()
        }));
        assert_eq!(report.dump().goroutines().len(), 11);
    });
}

#[test]
fn a_destructor_that_sends_and_receives_during_the_unwind() {
    struct Goodbye<F: Fn()>(F);
    impl<F: Fn()> Drop for Goodbye<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    in_each_placement(|runtime| {
        let answers = Arc::new(AtomicUsize::new(0));
        report_of(runtime.try_run(|| {
            let (ask, asked) = bounded::<usize>(0);
            let (answer, answered) = bounded::<usize>(0);
            go(move || asked.iter().try_for_each(|value| answer.send(value * 2)));
            let _goodbye = Goodbye(|| {
                ask.send(21).expect("it listens");
                let value = answered.recv().expect("it answers");
                answers.store(value, Ordering::SeqCst);
            });
            answered.recv()
        }));
        assert_eq!(answers.load(Ordering::SeqCst), 42);
    });
}

#[test]
fn messages_in_turn_are_no_deadlock_and_their_end_is_one() {
    in_each_placement(|runtime| {
        for _ in 0..100 {
            let (there, here) = bounded::<u32>(0);
            let (back, returned) = bounded::<u32>(0);
            report_of(runtime.try_run(|| {
                goroutine::scope(|scope| {
                    scope.spawn(|| here.iter().try_for_each(|value| back.send(value)));
                    for value in 0..50 {
                        there.send(value).expect("it listens");
                        assert_eq!(returned.recv(), Ok(value));
                    }
                    returned.recv()
                })
            }));
        }
    });
}

const CASE: &str = "GORGE_CHANNEL_DEADLOCK";

#[test]
fn a_process_whose_main_receives_what_nobody_sends_ends_with_the_report() {
    for placement in ["homed", "migrating"] {
        let output = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "the_child", "--nocapture"])
            .env(CASE, placement)
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr);
        // That of a process whose main thread has panicked.
        assert_eq!(output.status.code(), Some(101), "{text}");
        let report = "fatal error: all goroutines are asleep - deadlock!\n\n\
                      goroutine 1 [chan receive]:\n";
        let Some((_, calls)) = text.split_once(report) else {
            panic!("no report: {text}");
        };
        // How a function is called in full depends on the compiler and the profile.
        let calls: Vec<_> = calls.lines().step_by(2).take(2).collect();
        assert!(calls[0].contains("recv"), "{text}");
        assert!(calls[1].ends_with("receives_in_vain"), "{text}");
    }
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(placement) = env::var(CASE) else {
        return;
    };
    runtime(placement == "migrating").run(receives_in_vain);
}

#[inline(never)]
fn receives_in_vain() {
    let (_sender, receiver) = bounded::<i32>(0);
    let _ = receiver.recv();
}
