//! Loom models: a lost notification or wake-up shows as a deadlock, a lost
//! exclusion or a missing ordering as concurrent access to the cell.
//!
//! A cancel ends a wait in the way in which a deadline does, by the claim of a
//! third party, and the two share their code: the models have deadlines, because
//! a thread cannot be cancelled.

use super::core::{Core, Ended};
use crate::mutex::RawMutex;
use gorge_runtime::time;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    mutex: RawMutex,
    condvar: Core,
    value: UnsafeCell<u32>,
}

// SAFETY: the models touch the cell under the mutex only, which loom checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn value(&self) -> u32 {
        // SAFETY: the caller holds the mutex, and loom checks that.
        self.value.with(|value| unsafe { *value })
    }

    fn add(&self, n: u32) {
        // SAFETY: as above.
        self.value.with_mut(|value| unsafe { *value += n });
    }

    /// Waits until there is a token, and takes it.
    fn take(&self) {
        self.mutex.acquire();
        while self.value() == 0 {
            assert_eq!(self.condvar.wait(&self.mutex, None), Ended::Notified);
        }
        // SAFETY: as above.
        self.value.with_mut(|value| unsafe { *value -= 1 });
        self.mutex.release();
    }

    fn put(&self, n: u32) {
        self.mutex.acquire();
        self.add(n);
        self.mutex.release();
    }

    /// Waits once, for a moment. Whether it was notified.
    fn timed_wait(&self) -> usize {
        self.mutex.acquire();
        let ended = self.condvar.wait(&self.mutex, Some(time::now()));
        self.add(1);
        self.mutex.release();
        usize::from(ended == Ended::Notified)
    }

    /// The mutex is free, nobody is queued anywhere, and this is the value.
    fn assert_over(&self, value: u32) {
        assert_eq!(self.condvar.queued(), 0);
        assert_eq!(self.mutex.queued(), 0);
        assert!(self.mutex.try_acquire());
        assert_eq!(self.value(), value);
    }
}

fn check(preemptions: usize, model: impl Fn(&Arc<Shared>) + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        model(&Arc::new(Shared {
            mutex: RawMutex::new(),
            condvar: Core::new(),
            value: UnsafeCell::new(0),
        }));
    });
}

fn spawn<T: 'static>(
    shared: &Arc<Shared>,
    f: impl FnOnce(&Shared) -> T + 'static,
) -> thread::JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

#[test]
fn a_waiter_is_notified_after_the_unlock() {
    check(4, |shared| {
        let waiter = spawn(shared, Shared::take);
        shared.put(1);
        shared.condvar.notify(1);
        waiter.join().unwrap();
        shared.assert_over(0);
    });
}

#[test]
fn a_waiter_is_notified_under_the_lock() {
    check(4, |shared| {
        let waiter = spawn(shared, Shared::take);
        shared.mutex.acquire();
        shared.add(1);
        shared.condvar.notify(1);
        shared.mutex.release();
        waiter.join().unwrap();
        shared.assert_over(0);
    });
}

#[test]
fn two_waiters_are_notified_together_after_the_unlock() {
    check(2, |shared| {
        let waiters = [spawn(shared, Shared::take), spawn(shared, Shared::take)];
        shared.put(2);
        shared.condvar.notify(usize::MAX);
        waiters.map(|waiter| waiter.join().unwrap());
        shared.assert_over(0);
    });
}

#[test]
fn two_waiters_are_notified_together_under_the_lock() {
    check(2, |shared| {
        let waiters = [spawn(shared, Shared::take), spawn(shared, Shared::take)];
        shared.mutex.acquire();
        shared.add(2);
        shared.condvar.notify(usize::MAX);
        shared.mutex.release();
        waiters.map(|waiter| waiter.join().unwrap());
        shared.assert_over(0);
    });
}

#[test]
fn two_waiters_are_notified_one_by_one() {
    check(2, |shared| {
        let waiters = [spawn(shared, Shared::take), spawn(shared, Shared::take)];
        for _ in 0..2 {
            shared.put(1);
            shared.condvar.notify(1);
        }
        waiters.map(|waiter| waiter.join().unwrap());
        shared.assert_over(0);
    });
}

#[test]
fn a_notified_waiter_and_a_newcomer_both_get_the_mutex() {
    check(2, |shared| {
        let waiter = spawn(shared, Shared::take);
        let newcomer = spawn(shared, |shared| shared.put(2));
        shared.put(1);
        shared.condvar.notify(1);
        newcomer.join().unwrap();
        waiter.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_deadline_and_a_notification_end_a_wait_one_way_or_the_other() {
    check(4, |shared| {
        let waiter = spawn(shared, Shared::timed_wait);
        let notified = shared.condvar.notify(1);
        assert_eq!(waiter.join().unwrap(), notified);
        shared.assert_over(1);
    });
}

#[test]
fn a_deadline_and_a_notification_under_the_lock_end_a_wait_one_way_or_the_other() {
    check(4, |shared| {
        let waiter = spawn(shared, Shared::timed_wait);
        shared.mutex.acquire();
        let notified = shared.condvar.notify(1);
        shared.add(1);
        shared.mutex.release();
        assert_eq!(waiter.join().unwrap(), notified);
        shared.assert_over(2);
    });
}

#[test]
fn of_two_whose_time_is_up_as_many_return_notified_as_were() {
    for most in [1, usize::MAX] {
        check(2, move |shared| {
            let waiters = [(); 2].map(|()| spawn(shared, Shared::timed_wait));
            let notified = shared.condvar.notify(most);
            let returned = waiters.map(|waiter| waiter.join().unwrap());
            assert_eq!(returned.iter().sum::<usize>(), notified);
            shared.assert_over(2);
        });
    }
}

#[test]
fn a_waiter_whose_time_is_up_takes_no_notification_from_another() {
    check(2, |shared| {
        let timed = spawn(shared, |shared| {
            // Whoever has no use for a notification passes it on.
            if shared.timed_wait() == 1 {
                shared.condvar.notify(1);
            }
        });
        let patient = spawn(shared, |shared| {
            shared.mutex.acquire();
            while shared.value() < 5 {
                assert_eq!(shared.condvar.wait(&shared.mutex, None), Ended::Notified);
            }
            shared.mutex.release();
        });
        shared.put(5);
        shared.condvar.notify(1);
        timed.join().unwrap();
        patient.join().unwrap();
        shared.assert_over(6);
    });
}
