//! Deadlocks on locks and wait groups: found, told, and left behind without delay.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_methods, reason = "what is tested takes real time")]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    DeadlockDetection, DeadlockReport, GoroutineState, RunError, Runtime, go, goroutine,
};
use gorge_sync::{Mutex, Once, WaitGroup};
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CASE: &str = "GORGE_DEADLOCK_CASE";

fn runtime(migrating: bool) -> Runtime {
    let builder = Runtime::builder().max_procs(2);
    let builder = builder.deadlock_detection(DeadlockDetection::Always);
    let builder = if migrating {
        // SAFETY: the tests' goroutines hold no reference into a thread-local and
        // no thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

#[track_caller]
fn report_of(result: Result<(), RunError>) -> DeadlockReport {
    match result {
        Err(RunError::Deadlock(report)) => report,
        other => panic!("no deadlock: {other:?}"),
    }
}

/// Two goroutines that take two mutexes in opposite order, each after the other
/// has its first one.
fn embrace() -> [gorge_runtime::JoinHandle<()>; 2] {
    let mutexes = Arc::new([Mutex::new(()), Mutex::new(())]);
    let both_have_one = WaitGroup::new();
    both_have_one.add(2);
    [0, 1].map(|first| {
        let (mutexes, both_have_one) = (mutexes.clone(), both_have_one.clone());
        go(move || {
            let _first = mutexes[first].lock();
            both_have_one.done();
            both_have_one.wait();
            let _second = mutexes[1 - first].lock();
        })
    })
}

#[test]
fn a_wait_group_that_never_reaches_zero() {
    for migrating in [false, true] {
        let runtime = runtime(migrating);
        let report = report_of(runtime.try_run(|| {
            let group = WaitGroup::new();
            group.add(2);
            let others = [(); 3].map(|()| {
                let group = group.clone();
                go(move || group.wait())
            });
            group.done();
            group.wait();
            others
                .into_iter()
                .for_each(|it| it.join().expect("it ends"));
        }));
        let goroutines = report.dump().goroutines();
        assert_eq!(goroutines.len(), 4);
        for goroutine in goroutines {
            let state = GoroutineState::Waiting(WaitReason::WaitGroup);
            assert_eq!(goroutine.state, state);
            assert_eq!(report.waiters(goroutine.object).len(), 4);
        }
        let text = report.to_string();
        assert!(text.contains(", as goroutines "), "{text}");
        drop(runtime);
    }
}

#[test]
fn two_mutexes_in_opposite_order() {
    for migrating in [false, true] {
        let runtime = runtime(migrating);
        let report = report_of(runtime.try_run(|| {
            for goroutine in embrace() {
                goroutine.join().expect("it ends");
            }
        }));
        let state = GoroutineState::Waiting(WaitReason::MutexLock);
        let goroutines = report.dump().goroutines().iter();
        let stuck: Vec<_> = goroutines.filter(|it| it.state == state).collect();
        assert_eq!(stuck.len(), 2);
        assert_ne!(stuck[0].object, stuck[1].object);
        // They cannot be cancelled, and nobody can wake them: not waited for.
        let start = Instant::now();
        let error = runtime.shutdown(Duration::from_secs(60));
        let error = error.expect_err("two are left");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(error.is_hopeless());
        assert_eq!(error.goroutines().len(), 2);
        let text = error.to_string();
        assert!(text.starts_with("2 goroutines cannot stop in "), "{text}");
        assert!(text.contains(" [sync.Mutex.Lock]:\n"), "{text}");
    }
}

#[test]
fn a_lock_that_comes_back_in_the_unwinding_lets_the_main_go() {
    for migrating in [false, true] {
        let runtime = runtime(migrating);
        for _ in 0..20 {
            report_of(runtime.try_run(|| {
                let mutex = Mutex::new(());
                goroutine::scope(|scope| {
                    let _guard = mutex.lock();
                    scope.spawn(|| drop(mutex.lock()));
                    goroutine::park_forever();
                });
            }));
        }
        assert!(runtime.shutdown(Duration::from_secs(60)).is_ok());
    }
}

/// How a child with this case ended, and what it wrote to standard error, in both
/// placements.
fn children(case: &'static str) -> impl Iterator<Item = (Option<i32>, String)> {
    ["homed", "migrating"].into_iter().map(move |placement| {
        let output = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "the_child", "--nocapture"])
            .env(CASE, format!("{case} {placement}"))
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    })
}

/// What a child with this case wrote before it ended with exit status 2 and the report
/// of a deadlock.
fn reports_of_children(case: &'static str) -> impl Iterator<Item = String> {
    children(case).map(move |(code, text)| {
        assert_eq!(code, Some(2), "{case}: {text}");
        let headline = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [";
        assert!(text.starts_with(headline), "{text}");
        assert!(text.contains("\ngoroutine 1 cannot be unwound: "), "{text}");
        let is_repeated = text.contains("after the cancel");
        assert!(!is_repeated, "nothing has changed: {text}");
        text
    })
}

#[test]
fn mains_that_can_be_unwound_panic_with_the_report() {
    let cases = [
        (
            "mutexes",
            "\ngoroutine 1 [join]:\n",
            " [sync.Mutex.Lock]:\n",
            2,
        ),
        (
            "group",
            "\ngoroutine 1 [sync.WaitGroup.Wait]:\n",
            " [sync.WaitGroup.Wait]:\n",
            2,
        ),
    ];
    for (case, main, waits, count) in cases {
        for (code, text) in children(case) {
            // That of a process whose main thread has panicked.
            assert_eq!(code, Some(101), "{case}: {text}");
            let headline = "fatal error: all goroutines are asleep - deadlock!\n";
            assert_eq!(text.matches(headline).count(), 1, "{text}");
            assert!(text.contains(main), "{text}");
            // Those who cannot stop are named again when the runtime goes.
            assert!(text.matches(waits).count() >= count, "{text}");
        }
    }
}

#[test]
fn mains_that_cannot_be_unwound_end_the_process() {
    for case in ["main", "scope", "locked"] {
        for text in reports_of_children(case) {
            assert!(text.contains(" [sync.Mutex.Lock]:"), "{text}");
        }
    }
}

#[test]
fn an_initialiser_that_calls_its_own_once_again() {
    for text in reports_of_children("nested") {
        assert!(text.contains("goroutine 1 [sync.Once]:\n"), "{text}");
        assert!(text.contains("calls_itself"), "{text}");
    }
}

#[test]
fn initialisers_that_wait_for_each_others_once() {
    for text in reports_of_children("onces") {
        assert_eq!(text.matches(" [sync.Once]").count(), 2, "{text}");
        for name in ["first", "second"] {
            assert!(
                text.contains(&format!(" [sync.Once] \"{name}\":\n")),
                "{text}"
            );
        }
    }
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(case) = env::var(CASE) else { return };
    let (case, placement) = case.split_once(' ').expect("a case and a placement");
    let runtime = runtime(placement == "migrating");
    match case {
        "main" => runtime.run(|| {
            let mutex = Mutex::new(());
            let _first = mutex.lock();
            let _second = mutex.lock();
        }),
        "scope" => runtime.run(|| {
            let mutex = Mutex::new(());
            let _guard = mutex.lock();
            goroutine::scope(|scope| drop(scope.spawn(|| drop(mutex.lock()))));
        }),
        "locked" => {
            // Nor can it be printed through what a sleeping goroutine has locked.
            runtime.run(|| {
                let _stderr = std::io::stderr().lock();
                let mutex = Mutex::new(());
                let _first = mutex.lock();
                let _second = mutex.lock();
            });
        }
        "mutexes" => runtime.run(|| {
            for goroutine in embrace() {
                goroutine.join().expect("it ends");
            }
        }),
        "group" => runtime.run(|| {
            let group = WaitGroup::new();
            group.add(2);
            let theirs = group.clone();
            let other = go(move || theirs.wait());
            group.done();
            group.wait();
            other.join().expect("it ends");
        }),
        "nested" => runtime.run(calls_itself),
        "onces" => runtime.run(|| {
            let onces = [Once::new(), Once::new()];
            let both_run = WaitGroup::new();
            both_run.add(2);
            goroutine::scope(|scope| {
                for (number, name) in ["first", "second"].into_iter().enumerate() {
                    let (onces, both_run) = (&onces, &both_run);
                    let initialise = move || {
                        onces[number].call_once(|| {
                            both_run.done();
                            both_run.wait();
                            onces[1 - number].call_once(|| ());
                        });
                    };
                    let builder = goroutine::Builder::new().name(name);
                    drop(builder.spawn_scoped(scope, initialise).expect("spawned"));
                }
            });
        }),
        _ => unreachable!("cases are named above"),
    }
}

#[inline(never)]
fn calls_itself() {
    let once = Once::new();
    once.call_once(|| once.call_once(|| ()));
}
