//! Cancels at read-write locks: every form of locking keeps a cancel back, and
//! nothing stays locked, or waited for, when the goroutine unwinds.
#![cfg(not(gorge_loom))]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, checkpoint, goroutine, yield_now};
use gorge_sync::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

/// How it waits, how often it counts, and what it does.
type Form = (WaitReason, u32, fn(&RwLock<u32>));

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

fn wait_until_parked<T>(runtime: &Runtime, handle: &JoinHandle<T>, reason: WaitReason) {
    let id = handle.goroutine().id();
    let is_parked = || {
        let dump = runtime.dump();
        let mut all = dump.goroutines().iter();
        all.any(|it| it.id == id && it.state == GoroutineState::Waiting(reason))
    };
    while !is_parked() {
        yield_now();
    }
}

#[track_caller]
fn expect_cancelled<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

/// Counts, and is told at the first point with the lock.
fn count(mut guard: RwLockWriteGuard<'_, u32>) {
    *guard += 1;
    checkpoint();
    unreachable!("the first point with the lock tells it");
}

fn look(guard: RwLockReadGuard<'_, u32>) {
    assert_eq!(*guard, 0);
    checkpoint();
    unreachable!("the first point with the lock tells it");
}

#[test]
fn a_cancel_waits_until_the_lock_is_acquired_and_its_holder_lets_go_when_it_unwinds() {
    use WaitReason::{RwLockRead, RwLockWrite};
    in_each_placement(|runtime| {
        let forms: [Form; 7] = [
            (RwLockRead, 0, |lock| look(lock.read())),
            (RwLockRead, 0, |lock| look(lock.read_recursive())),
            (RwLockRead, 0, |lock| {
                look(lock.try_read_for(AGES).expect("it is let go"));
            }),
            (RwLockRead, 1, |lock| {
                count(RwLockUpgradableReadGuard::upgrade(lock.upgradable_read()));
            }),
            (RwLockRead, 0, |lock| {
                let guard = lock.try_upgradable_read_for(AGES);
                look(RwLockUpgradableReadGuard::downgrade(
                    guard.expect("it is let go"),
                ));
            }),
            (RwLockWrite, 1, |lock| count(lock.write())),
            (RwLockWrite, 1, |lock| {
                count(lock.try_write_for(AGES).expect("it is let go"));
            }),
        ];
        for (reason, counts, form) in forms {
            let lock = Arc::new(RwLock::new(0));
            let held = lock.write();
            let theirs = lock.clone();
            let waiting = runtime.go(move || form(&theirs));
            wait_until_parked(runtime, &waiting, reason);
            waiting.cancel();
            // It is not told: it still waits, however often it is asked.
            waiting.cancel();
            wait_until_parked(runtime, &waiting, reason);
            drop(held);
            expect_cancelled(waiting);
            assert_eq!(*lock.try_write().expect("it unlocked"), counts);
        }
    });
}

#[test]
fn a_cancel_waits_until_the_readers_have_left() {
    in_each_placement(|runtime| {
        let forms: [fn(&RwLock<u32>); 4] = [
            |lock| count(lock.write()),
            |lock| count(lock.try_write_for(AGES).expect("they leave")),
            |lock| count(RwLockUpgradableReadGuard::upgrade(lock.upgradable_read())),
            |lock| {
                let guard = lock.upgradable_read();
                let guard = RwLockUpgradableReadGuard::try_upgrade_for(guard, AGES);
                count(guard.unwrap_or_else(|_| unreachable!("they leave")));
            },
        ];
        for form in forms {
            let lock = Arc::new(RwLock::new(0));
            let held = lock.read();
            let theirs = lock.clone();
            let waiting = runtime.go(move || form(&theirs));
            wait_until_parked(runtime, &waiting, WaitReason::RwLockWrite);
            waiting.cancel();
            wait_until_parked(runtime, &waiting, WaitReason::RwLockWrite);
            assert!(lock.try_read().is_none(), "it still waits");
            drop(held);
            expect_cancelled(waiting);
            assert_eq!(*lock.try_write().expect("it unlocked"), 1);
        }
    });
}

#[test]
fn goroutines_that_are_cancelled_as_holders_and_as_waiters_leave_a_lock_free() {
    in_each_placement(|runtime| {
        let lock = Arc::new(RwLock::new(0u32));
        for round in 0..60u32 {
            let handles: Vec<_> = (0..6u32)
                .map(|party| {
                    let lock = lock.clone();
                    runtime.go(move || {
                        for _ in 0..party + 2 {
                            match party % 3 {
                                0 => {
                                    let _reading = lock.read();
                                    yield_now();
                                }
                                1 => {
                                    let guard = lock.upgradable_read();
                                    yield_now();
                                    let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
                                    *guard += 1;
                                    let _reading = RwLockWriteGuard::downgrade(guard);
                                    yield_now();
                                }
                                _ => {
                                    let mut guard = lock.write();
                                    *guard += 1;
                                    yield_now();
                                }
                            }
                        }
                    })
                })
                .collect();
            (0..round % 5).for_each(|_| yield_now());
            handles.iter().for_each(JoinHandle::cancel);
            for handle in handles {
                assert!(handle.join().err().is_none_or(|error| error.is_cancelled()));
            }
            assert!(lock.try_write().is_some());
        }
    });
}

#[test]
fn where_a_goroutine_must_not_wait_it_panics_and_leaves_the_lock_as_it_was() {
    in_each_placement(|runtime| {
        let forms: [fn(&RwLock<u32>); 4] = [
            |lock| drop(lock.write()),
            |lock| drop(lock.try_write_for(AGES)),
            |lock| drop(RwLockUpgradableReadGuard::upgrade(lock.upgradable_read())),
            |lock| {
                let guard = lock.upgradable_read();
                drop(RwLockUpgradableReadGuard::try_upgrade_for(guard, AGES));
            },
        ];
        for form in forms {
            let lock = Arc::new(RwLock::new(0));
            let held = lock.read();
            let theirs = lock.clone();
            let refused = runtime.go(move || goroutine::no_park(|| form(&theirs)));
            assert!(refused.join().is_err(), "it would have had to wait");
            assert!(lock.try_upgradable_read().is_some());
            assert!(lock.try_read_for(AGES).is_some());
            drop(held);
            let held = lock.try_write().expect("nobody else holds it");
            let theirs = lock.clone();
            let refused = runtime.go(move || goroutine::no_park(|| drop(theirs.read())));
            assert!(refused.join().is_err(), "it would have had to wait");
            drop(held);
            assert!(lock.try_write().is_some());
        }
    });
}
