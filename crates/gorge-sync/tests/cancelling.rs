//! Cancels at locks, initialisers and groups: acquiring keeps a cancel back, waiting
//! for a group does not, and nothing stays locked, running or counted.
#![cfg(not(gorge_loom))]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, checkpoint, goroutine, yield_now};
use gorge_sync::{Mutex, Once, OnceState, WaitGroup};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
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

fn wait_until_parked<T>(runtime: &Runtime, handle: &JoinHandle<T>, reason: WaitReason) {
    let id = handle.goroutine().id();
    let is_parked = || {
        let dump = runtime.dump();
        let mut all = dump.goroutines().iter();
        all.any(|it| it.id == id && it.state == GoroutineState::Waiting(reason))
    };
    wait_for(is_parked);
}

#[track_caller]
fn expect_cancelled<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

#[test]
fn a_cancel_waits_until_a_mutex_is_acquired_and_its_holder_lets_go_when_it_unwinds() {
    in_each_placement(|runtime| {
        let locks: [fn(&Mutex<u32>); 2] = [
            |mutex| {
                let mut held = mutex.lock();
                *held += 1;
                checkpoint();
                unreachable!("the first point with the lock tells it");
            },
            |mutex| {
                let mut held = mutex.try_lock_for(AGES).expect("it is let go");
                *held += 1;
                checkpoint();
                unreachable!("the first point with the lock tells it");
            },
        ];
        for lock in locks {
            let mutex = Arc::new(Mutex::new(0));
            let held = mutex.lock();
            let theirs = mutex.clone();
            let waiting = runtime.go(move || lock(&theirs));
            wait_until_parked(runtime, &waiting, WaitReason::MutexLock);
            waiting.cancel();
            // It is not told: it still waits, however often it is asked.
            waiting.cancel();
            wait_until_parked(runtime, &waiting, WaitReason::MutexLock);
            drop(held);
            expect_cancelled(waiting);
            assert_eq!(
                *mutex.try_lock().expect("it unlocked"),
                1,
                "it had the lock"
            );
        }
    });
}

#[test]
fn goroutines_that_are_cancelled_as_holders_and_as_waiters_leave_a_mutex_free() {
    in_each_placement(|runtime| {
        let mutex = Arc::new(Mutex::new(0u32));
        for round in 0..200u32 {
            let handles: Vec<_> = (0..4u32)
                .map(|party| {
                    let mutex = mutex.clone();
                    runtime.go(move || {
                        for _ in 0..party + 2 {
                            let mut held = mutex.lock();
                            *held += 1;
                            yield_now();
                        }
                    })
                })
                .collect();
            (0..round % 5).for_each(|_| yield_now());
            handles.iter().for_each(JoinHandle::cancel);
            for handle in handles {
                assert!(handle.join().err().is_none_or(|error| error.is_cancelled()));
            }
            assert!(mutex.try_lock().is_some());
        }
    });
}

#[test]
fn a_cancelled_initialiser_leaves_it_to_the_next_who_waits() {
    in_each_placement(|runtime| {
        let (once, runs) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
        let theirs = once.clone();
        let first = runtime.go(move || theirs.call_once(|| goroutine::park_forever()));
        wait_until_parked(runtime, &first, WaitReason::Forever);
        let others: Vec<_> = (0..3)
            .map(|_| {
                let (once, runs) = (once.clone(), runs.clone());
                let other = runtime.go(move || {
                    once.call_once(|| {
                        yield_now();
                        runs.fetch_add(1, Ordering::SeqCst);
                    });
                    // Kept back until it was done.
                    assert_eq!(once.state(), OnceState::Done);
                    goroutine::park_forever();
                });
                wait_until_parked(runtime, &other, WaitReason::Once);
                other
            })
            .collect();
        // The first of them becomes the runner, and then it is told.
        others[1].cancel();
        first.cancel();
        expect_cancelled(first);
        wait_for(|| once.state() == OnceState::Done);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        for other in others {
            other.cancel();
            expect_cancelled(other);
        }
    });
}

#[test]
fn a_cancel_ends_a_wait_for_a_group_and_leaves_its_count() {
    in_each_placement(|runtime| {
        let waits: [fn(&WaitGroup); 2] = [WaitGroup::wait, |group| {
            let _ = group.wait_timeout(AGES);
        }];
        for wait in waits {
            let group = WaitGroup::new();
            group.add(1);
            let theirs = group.clone();
            let handle = runtime.go(move || wait(&theirs));
            wait_until_parked(runtime, &handle, WaitReason::WaitGroup);
            handle.cancel();
            expect_cancelled(handle);
            assert!(!group.wait_timeout(Duration::ZERO));
            group.done();
            assert!(group.wait_timeout(Duration::ZERO));
        }
    });
}

#[test]
fn a_cancelled_goroutine_of_a_group_counts_as_done() {
    in_each_placement(|runtime| {
        let group = WaitGroup::new();
        let handles: Vec<_> = runtime.run(|| {
            let parked = group.go(|| goroutine::park_forever());
            wait_until_parked(runtime, &parked, WaitReason::Forever);
            let queued = group.go(|| goroutine::park_forever());
            parked.cancel();
            queued.cancel();
            vec![parked, queued]
        });
        group.wait();
        for handle in handles {
            let result = handle.join();
            assert!(result.expect_err("cancelled").is_cancelled());
        }
    });
}

#[test]
fn a_cancel_is_told_by_a_wait_for_a_group_that_is_at_zero() {
    in_each_placement(|runtime| {
        let started = Arc::new(AtomicBool::new(false));
        let starts = started.clone();
        let handle = runtime.go(move || {
            let group = WaitGroup::new();
            starts.store(true, Ordering::SeqCst);
            // Far more than it takes: without an end it would hang, and not fail.
            (0..50_000_000).for_each(|_| group.wait());
        });
        wait_for(|| started.load(Ordering::SeqCst));
        handle.cancel();
        expect_cancelled(handle);
    });
}
