//! Finding goroutines that should have ended, and those that never will.

mod common;

use common::{in_each_placement, wait_for};
use gorge_runtime::{JoinHandle, Runtime, go, goroutine, scope, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Waits until so many goroutines are parked.
fn until_parked(runtime: &Runtime, n: usize) {
    wait_for(|| {
        let dump = runtime.dump();
        let goroutines = dump.goroutines().iter();
        goroutines.filter(|it| it.state.is_waiting()).count() == n
    });
}

fn forever() {
    goroutine::park_forever();
}

fn lost(runtime: &Runtime) -> Vec<String> {
    let report = runtime.leak_check();
    let names = report
        .lost()
        .map(|it| it.name.as_deref().unwrap_or("-").to_owned());
    names.collect()
}

fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = goroutine::Builder::new().name(name);
    builder.spawn(f).expect("spawned")
}

#[test]
fn a_check_lists_who_is_left_with_state_and_place() {
    in_each_placement(2, |runtime| {
        assert!(runtime.leak_check().is_empty());
        drop(runtime.go(forever));
        until_parked(runtime, 1);
        let text = runtime.leak_check().to_string();
        for part in [
            "1 goroutines",
            "1 of them for ever",
            "[select (no cases)]",
            "leaks.rs",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        runtime.run(|| assert_eq!(runtime.leak_check().goroutines().len(), 1, "not the caller"));
    });
}

#[test]
fn only_those_whom_nobody_can_wake_are_lost() {
    in_each_placement(2, |runtime| {
        drop(runtime.run(|| named("no handle", goroutine::park)));
        let handle = runtime.run(|| named("a handle", goroutine::park));
        let sleeper = || goroutine::sleep(Duration::from_secs(3600));
        drop(runtime.run(|| named("asleep", sleeper)));
        let timed = || goroutine::park_timeout(Duration::from_secs(3600));
        drop(runtime.run(|| named("timed", timed)));
        until_parked(runtime, 4);
        assert_eq!(lost(runtime), ["no handle"]);
        assert_eq!(runtime.leak_check().goroutines().len(), 4);
        let identity = handle.goroutine().clone();
        drop(handle);
        assert_eq!(lost(runtime), ["no handle"], "still somebody to unpark it");
        drop(identity);
        assert_eq!(lost(runtime), ["no handle", "a handle"]);
    });
}

#[test]
fn who_joins_the_lost_is_lost() {
    in_each_placement(2, |runtime| {
        let keeper = runtime.run(|| {
            drop(named("joins", || {
                drop(named("joined", goroutine::park).join())
            }));
            let kept = named("kept", goroutine::park);
            let identity = kept.goroutine().clone();
            drop(named("joins the kept", || drop(kept.join())));
            identity
        });
        until_parked(runtime, 4);
        let mut names = lost(runtime);
        names.sort();
        assert_eq!(names, ["joined", "joins"]);
        keeper.unpark();
        until_parked(runtime, 2);
    });
}

#[test]
fn goroutines_that_are_woken_all_the_time_are_never_called_lost() {
    in_each_placement(2, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let rounds = runtime.go(move || {
            while !told.load(Ordering::Relaxed) {
                let child = go(goroutine::park);
                yield_now();
                child.goroutine().unpark();
                child.join().expect("it was woken");
            }
        });
        for _ in 0..2_000 {
            assert_eq!(runtime.leak_check().lost().count(), 0);
        }
        stop.store(true, Ordering::Relaxed);
        rounds.join().expect("it ended");
    });
}

#[test]
fn no_leaks_is_true_of_code_that_waits_for_its_own() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            drop(go(forever));
            let sum = goroutine::assert_no_leaks(|| {
                // Ends a moment after its starter.
                drop(go(|| goroutine::sleep(Duration::from_millis(5))));
                scope(|s| s.spawn(|| 3).join().expect("a value"))
            });
            assert_eq!(sum, 3);
        });
    });
}

#[test]
fn a_grandchild_that_stays_is_a_leak_and_others_are_not() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            let others = go(|| {
                for _ in 0..10 {
                    drop(go(forever));
                }
            });
            let panic = catch_unwind(AssertUnwindSafe(|| {
                goroutine::assert_no_leaks(|| drop(go(|| drop(named("left behind", forever)))));
            }));
            let text = panic
                .expect_err("it leaks")
                .downcast::<String>()
                .expect("a text");
            assert!(
                text.contains("1 goroutines have not ended, 1 of them"),
                "{text}"
            );
            assert!(text.contains("left behind"), "{text}");
            others.join().expect("it ended");
            // The tag is gone.
            goroutine::assert_no_leaks(|| ());
        });
    });
}

#[test]
fn a_plain_thread_may_check_what_it_starts() {
    goroutine::assert_no_leaks(|| go(|| ()).join().expect("it ends"));
    let panic = catch_unwind(|| goroutine::assert_no_leaks(|| drop(go(forever))));
    assert!(panic.is_err());
}
