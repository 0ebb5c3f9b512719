//! Finding goroutines that should have ended, and those that never will.

mod common;

use common::{in_each_placement, wait_for};
use gorge_runtime::park::{CancelMode, Outcome, Wait, WaitReason, Waiter, park};
use gorge_runtime::{Goroutine, JoinHandle, Runtime, go, goroutine, scope, yield_now};
use parking_lot::Mutex;
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

/// Makes a joiner of a goroutine that it leaves a handle to with somebody else, at a
/// moment that a look at many goroutines does not choose.
fn join_what_another_one_can_wake(kept: &Arc<Mutex<Option<Goroutine>>>) {
    let child = go(goroutine::park);
    yield_now();
    let keeper = kept.clone();
    let joiner = go(move || {
        *keeper.lock() = Some(child.goroutine().clone());
        child.join().expect("it was woken");
    });
    drop(joiner);
    // For longer than a look takes.
    goroutine::sleep(Duration::from_millis(20));
    wait_for(|| kept.lock().is_some());
    let child = kept.lock().take();
    child.expect("just seen").unpark();
}

#[test]
fn a_handle_that_is_cloned_during_the_look_counts() {
    const COUNT: usize = if cfg!(gorge_tsan) { 1_000 } else { 5_000 };
    in_each_placement(2, |runtime| {
        // So many objects to look at that it takes a while.
        let many: Vec<_> = (0..COUNT).map(|_| runtime.go(goroutine::park)).collect();
        until_all_parked(runtime, COUNT);
        many.iter().for_each(|it| it.goroutine().unpark());
        many.into_iter()
            .for_each(|it| it.join().expect("it was woken"));
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = |_| {
            let told = stop.clone();
            runtime.go(move || {
                let kept = Arc::default();
                while !told.load(Ordering::Relaxed) {
                    join_what_another_one_can_wake(&kept);
                }
            })
        };
        let rounds: Vec<_> = (0..50).map(rounds).collect();
        for _ in 0..60 {
            assert_eq!(runtime.leak_check().lost().count(), 0);
        }
        stop.store(true, Ordering::Relaxed);
        rounds
            .into_iter()
            .for_each(|it| it.join().expect("it ended"));
    });
}

/// As [`until_parked`], for very many.
fn until_all_parked(runtime: &Runtime, n: usize) {
    wait_for(|| {
        let dump = runtime.dump_states();
        let goroutines = dump.goroutines().iter();
        goroutines.filter(|it| it.state.is_waiting()).count() == n
    });
}

#[test]
fn a_wait_that_a_primitive_of_the_programs_own_ends_is_not_lost() {
    in_each_placement(2, |runtime| {
        let published: Arc<Mutex<Option<Waiter>>> = Arc::default();
        let publisher = published.clone();
        drop(runtime.go(move || {
            let wait = Wait {
                reason: WaitReason::Park,
                object: 0,
                deadline: None,
                cancel: CancelMode::Withhold,
            };
            let publish = |waiter| *publisher.lock() = Some(waiter);
            // SAFETY: the one who claims the waiter has taken it back, and nothing
            // else ends the wait.
            let outcome = unsafe { park(wait, publish, || ()) };
            assert_eq!(outcome, Ok(Outcome::Woken(0)));
        }));
        until_parked(runtime, 1);
        assert_eq!(lost(runtime), [""; 0]);
        let waiter = published.lock().take().expect("it is parked");
        // SAFETY: its wait goes on, as nobody else can end it.
        let claim = unsafe { waiter.claim(Outcome::Woken(0)) };
        claim.expect("it waits").wake();
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

#[test]
fn goroutines_of_another_runtime_do_not_count() {
    let other = Runtime::builder().max_procs(1).build().expect("a runtime");
    in_each_placement(2, |runtime| {
        // Numbers are given by each runtime: somebody here has each of the other's.
        (0..8).for_each(|_| drop(runtime.go(forever)));
        runtime.run(|| goroutine::assert_no_leaks(|| drop(other.go(forever))));
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
