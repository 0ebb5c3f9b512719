//! Cancels at semaphores: a wait ends, whoever was served keeps its permits until it
//! unwinds, and whatever happens, all permits are there in the end.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    GoroutineState, JoinHandle, Runtime, checkpoint, goroutine, shield, yield_now,
};
use gorge_sync::{Semaphore, WaitGroup};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

fn in_each_placement(body: impl Fn(&Runtime)) {
    for (migrating, procs) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let builder = Runtime::builder().max_procs(procs);
        let builder = if migrating {
            // SAFETY: the goroutines hold no reference into a thread-local and no
            // thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        body(&builder.build().expect("a runtime"));
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now();
    }
}

fn wait_until_parked<T>(runtime: &Runtime, handle: &JoinHandle<T>) {
    let id = handle.goroutine().id();
    let waits = GoroutineState::Waiting(WaitReason::Semaphore);
    wait_for(|| {
        let dump = runtime.dump();
        let mut all = dump.goroutines().iter();
        all.any(|it| it.id == id && it.state == waits)
    });
}

#[track_caller]
fn expect_cancelled<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

#[test]
fn a_cancel_ends_every_form_of_waiting_and_takes_no_permit() {
    in_each_placement(|runtime| {
        let waits: [fn(Arc<Semaphore>); 4] = [
            |it| drop(it.acquire_many(2)),
            |it| drop(it.acquire_many_timeout(2, AGES)),
            |it| drop(it.acquire_many_owned(2)),
            |it| drop(it.acquire_many_timeout_owned(2, AGES)),
        ];
        for wait in waits {
            let semaphore = Arc::new(Semaphore::new(1));
            let shared = semaphore.clone();
            let waiting = runtime.go(move || wait(shared));
            wait_until_parked(runtime, &waiting);
            waiting.cancel();
            expect_cancelled(waiting);
            assert_eq!(semaphore.try_acquire().map(drop), Ok(()));
            assert_eq!(Arc::strong_count(&semaphore), 1);
        }
    });
}

#[test]
fn when_the_first_waiter_is_cancelled_those_behind_it_get_what_suffices() {
    in_each_placement(|runtime| {
        let semaphore = Arc::new(Semaphore::new(2));
        let start = |n| {
            let shared = semaphore.clone();
            let handle = runtime.go(move || shared.acquire_many(n).unwrap().forget());
            wait_until_parked(runtime, &handle);
            handle
        };
        let large = start(3);
        let small = [start(1), start(1)];
        let last = start(1);
        large.cancel();
        expect_cancelled(large);
        for handle in small {
            handle.join().expect("there was one for it");
        }
        assert_eq!(semaphore.available_permits(), 0);
        last.cancel();
        expect_cancelled(last);
    });
}

#[test]
fn a_waiter_that_was_served_before_its_cancel_has_its_permits_and_is_told_later() {
    in_each_placement(|runtime| {
        runtime.run(|| {
            for _ in 0..50 {
                let semaphore = Arc::new(Semaphore::new(0));
                let served = Arc::new(AtomicBool::new(false));
                let (shared, serves) = (semaphore.clone(), served.clone());
                let handle = gorge_runtime::go(move || {
                    let permit = shared.acquire_many(2).unwrap();
                    assert_eq!(permit.num_permits(), 2);
                    serves.store(true, Ordering::Relaxed);
                    goroutine::park_forever();
                });
                wait_until_parked(runtime, &handle);
                // From here on it has them, whether it runs before the cancel or not.
                semaphore.add_permits(2);
                handle.cancel();
                expect_cancelled(handle);
                assert!(served.load(Ordering::Relaxed));
                assert_eq!(semaphore.available_permits(), 2);
            }
        });
    });
}

#[test]
fn a_cancel_is_told_by_an_acquire_that_does_not_wait() {
    in_each_placement(|runtime| {
        let started = Arc::new(AtomicBool::new(false));
        let semaphore = Arc::new(Semaphore::new(1));
        let (starts, shared) = (started.clone(), semaphore.clone());
        let handle = runtime.go(move || {
            starts.store(true, Ordering::Relaxed);
            // Far more than it takes: without an end it would hang, and not fail.
            (0..50_000_000).for_each(|_| drop(shared.acquire()));
        });
        wait_for(|| started.load(Ordering::Relaxed));
        handle.cancel();
        expect_cancelled(handle);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_cancel_is_not_told_by_trying_nor_by_giving_back() {
    in_each_placement(|runtime| {
        let semaphore = Arc::new(Semaphore::new(1));
        let (go_on, started, tried) = (
            WaitGroup::new(),
            AtomicBool::new(false),
            AtomicBool::new(false),
        );
        go_on.add(1);
        let shared = Arc::new((started, tried));
        let (waits, flags, semaphores) = (go_on.clone(), shared.clone(), semaphore.clone());
        let handle = runtime.go(move || {
            flags.0.store(true, Ordering::Relaxed);
            shield(|| waits.wait());
            for _ in 0..100 {
                let permit = semaphores.try_acquire().expect("nobody else has it");
                assert!(semaphores.try_acquire().is_err());
                drop(permit);
                assert!(semaphores.clone().try_acquire_owned().is_ok());
            }
            flags.1.store(true, Ordering::Relaxed);
            goroutine::park_forever();
        });
        wait_for(|| shared.0.load(Ordering::Relaxed));
        handle.cancel();
        go_on.done();
        expect_cancelled(handle);
        assert!(shared.1.load(Ordering::Relaxed));
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_shielded_wait_is_not_cancelled() {
    in_each_placement(|runtime| {
        let semaphore = Arc::new(Semaphore::new(0));
        let served = Arc::new(AtomicBool::new(false));
        let (shared, serves) = (semaphore.clone(), served.clone());
        let handle = runtime.go(move || {
            let _permit = shield(|| shared.acquire().unwrap());
            serves.store(true, Ordering::Relaxed);
            goroutine::park_forever();
        });
        wait_until_parked(runtime, &handle);
        handle.cancel();
        wait_until_parked(runtime, &handle);
        semaphore.add_permits(1);
        expect_cancelled(handle);
        assert!(served.load(Ordering::Relaxed));
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn where_it_must_not_park_a_goroutine_may_acquire_what_is_there_and_panics_at_the_rest() {
    in_each_placement(|runtime| {
        let semaphore = Arc::new(Semaphore::new(1));
        let shared = semaphore.clone();
        let handle = runtime.go(move || {
            goroutine::no_park(|| {
                let permit = shared.acquire().unwrap();
                drop(shared.acquire());
                drop(permit);
            });
        });
        assert!(handle.join().expect_err("it panicked").is_panic());
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.acquire().is_ok());
    });
}

/// How many permits the programs share.
const PERMITS: usize = 4;

/// What a goroutine of a program does next.
#[derive(Clone, Debug)]
enum Op {
    /// Acquires so many and keeps them.
    Acquire(usize),
    /// Waits for so many microseconds.
    Timed(usize, u64),
    Try(usize),
    /// Gives back what it acquired first.
    GiveBack,
    /// Merges all it has.
    Merge,
    /// Splits some off.
    Split(usize),
    /// Forgets some, and adds as many.
    Replace,
    Yield,
}

/// Some goroutines, and after how many yields which of them is cancelled.
type Program = (Vec<Vec<Op>>, Vec<(usize, usize)>);

fn program() -> impl Strategy<Value = Program> {
    let op = prop_oneof![
        4 => (0..=PERMITS).prop_map(Op::Acquire),
        2 => (0..=PERMITS, 0u64..40).prop_map(|(n, micros)| Op::Timed(n, micros)),
        2 => (0..=PERMITS).prop_map(Op::Try),
        4 => Just(Op::GiveBack),
        1 => Just(Op::Merge),
        1 => (0..=PERMITS).prop_map(Op::Split),
        1 => Just(Op::Replace),
        3 => Just(Op::Yield),
    ];
    (vec(vec(op, 1..12), 2..7), vec((0usize..7, 0usize..6), 0..6))
}

/// Carries operations out. It gives all back before it would wait for permits, so
/// nobody waits for ever.
fn carry_out(semaphore: &Semaphore, in_use: &AtomicUsize, ops: &[Op]) {
    let mut kept = Vec::new();
    for op in ops {
        match op {
            Op::Acquire(n) => {
                kept.clear();
                kept.push(semaphore.acquire_many(*n).expect("never closed"));
            }
            Op::Timed(n, micros) => {
                let permit = semaphore.acquire_many_timeout(*n, Duration::from_micros(*micros));
                kept.extend(permit);
            }
            Op::Try(n) => kept.extend(semaphore.try_acquire_many(*n)),
            Op::GiveBack if kept.is_empty() => {}
            Op::GiveBack => drop(kept.remove(0)),
            Op::Merge => {
                if let Some(mut all) = kept.pop() {
                    kept.drain(..).for_each(|permit| all.merge(permit));
                    kept.push(all);
                }
            }
            Op::Split(n) => {
                let some = kept.last_mut().and_then(|permit| permit.split(*n));
                kept.extend(some);
            }
            Op::Replace => {
                if let Some(permit) = kept.pop() {
                    let n = permit.num_permits();
                    permit.forget();
                    semaphore.add_permits(n);
                }
            }
            Op::Yield => {
                let n: usize = kept.iter().map(|permit| permit.num_permits()).sum();
                let before = in_use.fetch_add(n, Ordering::Relaxed);
                assert!(before + n <= PERMITS, "{before} and {n} permits in use");
                shield(yield_now);
                in_use.fetch_sub(n, Ordering::Relaxed);
                checkpoint();
            }
        }
    }
}

#[test]
fn whatever_goroutines_do_and_whenever_they_are_cancelled_all_permits_come_back() {
    in_each_placement(|runtime| {
        let config = Config {
            cases: 16,
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&program(), |(goroutines, cancels)| {
            let shared = Arc::new((Semaphore::new(PERMITS), AtomicUsize::new(0)));
            let handles: Vec<_> = goroutines
                .into_iter()
                .map(|ops| {
                    let shared = shared.clone();
                    runtime.go(move || {
                        (0..4).for_each(|_| carry_out(&shared.0, &shared.1, &ops));
                    })
                })
                .collect();
            for (whom, delay) in cancels {
                (0..delay).for_each(|_| yield_now());
                if let Some(handle) = handles.get(whom) {
                    handle.cancel();
                }
            }
            for handle in handles {
                if let Err(error) = handle.join() {
                    prop_assert!(error.is_cancelled(), "{error}");
                }
            }
            prop_assert_eq!(shared.0.available_permits(), PERMITS);
            prop_assert!(shared.0.try_acquire_many(PERMITS).is_ok());
            Ok(())
        });
        if let Err(failure) = result {
            panic!("{failure}");
        }
    });
}
