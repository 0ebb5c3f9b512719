//! Waits for a condition variable that end by a cancel, or never.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

#[path = "common/cancels.rs"]
mod cancels;

use cancels::{expect_cancelled, in_each_placement, pause_in, wait_for, wait_until_parked};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    DeadlockDetection, GoroutineState, JoinHandle, RunError, Runtime, checkpoint, go, goroutine,
    shield,
};
use gorge_sync::{Condvar, Mutex, MutexGuard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

type Pair<T> = Arc<(Mutex<T>, Condvar)>;

fn pair<T>(value: T) -> Pair<T> {
    Arc::new((Mutex::new(value), Condvar::new()))
}

type Waits = fn(&Condvar, &mut MutexGuard<'_, u32>);

/// Counts, when it is dropped, under the lock whose guard it has.
struct CountsWhenDropped<'a>(MutexGuard<'a, u32>);

impl Drop for CountsWhenDropped<'_> {
    fn drop(&mut self) {
        let before = *self.0;
        (0..100).for_each(|_| std::hint::black_box(()));
        *self.0 = before + 1;
    }
}

#[test]
fn a_cancel_ends_every_form_of_waiting_with_the_lock_held_in_the_unwinding() {
    in_each_placement(|runtime| {
        let waits: [Waits; 4] = [
            |condvar, guard| condvar.wait(guard),
            |condvar, guard| assert!(!condvar.wait_for(guard, AGES).timed_out()),
            |condvar, guard| condvar.wait_while(guard, |_| true),
            |condvar, guard| {
                let result = condvar.wait_while_for(guard, |_| true, AGES);
                assert!(!result.timed_out());
            },
        ];
        for wait in waits {
            let shared = pair(0);
            let theirs = shared.clone();
            let waiter = runtime.go(move || {
                let mut held = CountsWhenDropped(theirs.0.lock());
                *held.0 += 10;
                wait(&theirs.1, &mut held.0);
                unreachable!("it is told when it has the lock");
            });
            wait_until_parked(runtime, &waiter, WaitReason::Condvar);
            let mut held = shared.0.lock();
            waiter.cancel();
            // It needs the lock before it can be told.
            wait_until_parked(runtime, &waiter, WaitReason::MutexLock);
            waiter.cancel();
            wait_until_parked(runtime, &waiter, WaitReason::MutexLock);
            *held += 100;
            drop(held);
            expect_cancelled(waiter);
            assert_eq!(*shared.0.try_lock().expect("it unlocked"), 111);
            assert!(!shared.1.notify_one());
        }
    });
}

#[test]
fn a_cancel_that_is_pending_is_told_before_the_wait_and_the_lock_is_not_let_go() {
    in_each_placement(|runtime| {
        let shared = pair(0);
        let theirs = shared.clone();
        let waiter = runtime.go(move || {
            let told = catch_unwind(AssertUnwindSafe(|| goroutine::park_forever()));
            assert!(told.is_err());
            let mut held = CountsWhenDropped(theirs.0.lock());
            theirs.1.wait(&mut held.0);
            unreachable!("it is told at once");
        });
        wait_until_parked(runtime, &waiter, WaitReason::Forever);
        waiter.cancel();
        expect_cancelled(waiter);
        assert_eq!(*shared.0.try_lock().expect("it unlocked"), 1);
    });
}

#[test]
fn a_shielded_wait_waits_for_its_notification() {
    in_each_placement(|runtime| {
        let shared = pair(0);
        let theirs = shared.clone();
        let waiter = runtime.go(move || {
            let mut value = theirs.0.lock();
            shield(|| theirs.1.wait(&mut value));
            *value += 1;
            drop(value);
            checkpoint();
        });
        wait_until_parked(runtime, &waiter, WaitReason::Condvar);
        waiter.cancel();
        wait_until_parked(runtime, &waiter, WaitReason::Condvar);
        assert!(shared.1.notify_one());
        expect_cancelled(waiter);
        assert_eq!(*shared.0.lock(), 1);
    });
}

#[test]
fn a_goroutine_that_unwinds_may_wait_and_is_not_told_again() {
    struct WaitsWhenDropped(Pair<u32>);
    impl Drop for WaitsWhenDropped {
        fn drop(&mut self) {
            let mut value = self.0.0.lock();
            self.0.1.wait_while(&mut value, |value| *value == 0);
            *value += 1;
        }
    }
    in_each_placement(|runtime| {
        let shared = pair(0);
        let waits = WaitsWhenDropped(shared.clone());
        let waiter = runtime.go(move || {
            let _waits = waits;
            goroutine::park_forever();
        });
        wait_until_parked(runtime, &waiter, WaitReason::Forever);
        waiter.cancel();
        wait_until_parked(runtime, &waiter, WaitReason::Condvar);
        waiter.cancel();
        *shared.0.lock() = 1;
        shared.1.notify_all();
        expect_cancelled(waiter);
        assert_eq!(*shared.0.lock(), 2);
    });
}

/// Tokens are put, and each put notifies one; takers are cancelled all the time.
/// If a notification could get lost, a token would be left while a taker sleeps.
#[test]
fn cancels_lose_no_notification_and_no_lock() {
    in_each_placement(|runtime| {
        let shared = pair(0usize);
        let taken = Arc::new(AtomicUsize::new(0));
        let start = || {
            let (shared, taken) = (shared.clone(), taken.clone());
            runtime.go(move || {
                let mut tokens = shared.0.lock();
                shared.1.wait_while(&mut tokens, |tokens| *tokens == 0);
                *tokens -= 1;
                taken.fetch_add(1, Ordering::SeqCst);
            })
        };
        for round in 0..100 {
            let before = taken.load(Ordering::SeqCst);
            let (takers, victims): (Vec<_>, Vec<_>) = (0..3).map(|_| (start(), start())).unzip();
            pause_in(round);
            // One more than there are takers, and every notification may be lost
            // to a victim that does not take its token: it gives it on.
            for i in 0..6 {
                let mut tokens = shared.0.lock();
                *tokens += 1;
                if (i + round) % 2 == 0 {
                    drop(tokens);
                }
                shared.1.notify_one();
                victims[i % 3].cancel();
            }
            for taker in takers {
                taker.join().expect("there are tokens for all");
            }
            let cancelled = victims.into_iter().map(JoinHandle::join);
            let cancelled = cancelled.filter(Result::is_err).count();
            let took = taken.load(Ordering::SeqCst) - before;
            assert_eq!(took, 6 - cancelled);
            let mut tokens = shared.0.try_lock().expect("nobody has it");
            assert_eq!(*tokens, cancelled);
            *tokens = 0;
            drop(tokens);
            assert!(!shared.1.notify_one(), "nobody waits");
        }
    });
}

#[test]
fn waits_without_an_end_are_a_deadlock_that_is_told() {
    let runtime = Runtime::builder()
        .max_procs(2)
        .deadlock_detection(DeadlockDetection::Always)
        .build()
        .expect("a runtime");
    let result = runtime.try_run(|| {
        let shared = pair(());
        let theirs = shared.clone();
        drop(go(move || theirs.1.wait(&mut theirs.0.lock())));
        shared.1.wait(&mut shared.0.lock());
    });
    let Err(RunError::Deadlock(report)) = result else {
        panic!("no deadlock: {result:?}")
    };
    let state = GoroutineState::Waiting(WaitReason::Condvar);
    let goroutines = report.dump().goroutines();
    assert_eq!(goroutines.len(), 2);
    assert!(goroutines.iter().all(|it| it.state == state));
    assert_eq!(report.waiters(goroutines[0].object).len(), 2);
}

/// Waiters that were notified and wait for a mutex that stays locked are seen to
/// wait, and are told as part of the deadlock.
#[test]
fn a_mutex_that_notified_waiters_never_get_is_a_deadlock_that_is_told() {
    let runtime = Runtime::builder()
        .max_procs(2)
        .deadlock_detection(DeadlockDetection::Always)
        .build()
        .expect("a runtime");
    let result = runtime.try_run(|| {
        let (mutex, condvar) = (Mutex::new(0), Condvar::new());
        gorge_runtime::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut waiting = mutex.lock();
                    *waiting += 1;
                    condvar.wait(&mut waiting);
                });
            }
            wait_for(|| *mutex.lock() == 2);
            let _held = mutex.lock();
            assert_eq!(condvar.notify_all(), 2);
            goroutine::park_forever();
        });
    });
    let Err(RunError::Deadlock(report)) = result else {
        panic!("no deadlock: {result:?}")
    };
    let state = GoroutineState::Waiting(WaitReason::Condvar);
    let goroutines = report.dump().goroutines().iter();
    assert_eq!(goroutines.filter(|it| it.state == state).count(), 2);
}
