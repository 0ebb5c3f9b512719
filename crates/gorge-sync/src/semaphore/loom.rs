//! Loom models: every interleaving of two or three parties, within loom's
//! memory model. A lost wake-up shows as a deadlock, a permit given twice or a
//! missing ordering as concurrent access to a cell.

use super::core::{Core, WaitFailure};
use gorge_runtime::time;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    core: Core,
    value: UnsafeCell<u32>,
}

// SAFETY: the models touch the cell with the only permit, or with all permits,
// and loom checks that this is an order.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new(permits: usize) -> Arc<Shared> {
        Arc::new(Shared {
            core: Core::new(permits),
            value: UnsafeCell::new(0),
        })
    }

    fn count(&self) {
        // SAFETY: see `Sync`.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn acquire(&self, n: usize) -> Result<(), WaitFailure> {
        self.core.acquire(n, || None)
    }

    /// Counts with `n` permits, which exclude all others.
    fn count_with(&self, n: usize) {
        self.acquire(n).expect("it is not closed");
        self.count();
        self.core.release(n);
    }

    /// Tries for `n` permits with a deadline, and counts with them.
    fn timed_count_with(&self, n: usize) -> bool {
        let got = self.core.acquire(n, || Some(time::now()));
        if got.is_ok() {
            self.count();
            self.core.release(n);
        }
        got.is_ok()
    }

    /// Nobody is queued, and these permits are there.
    fn assert_over(&self, permits: usize) {
        assert_eq!(self.core.queued(), 0);
        assert_eq!(self.core.permits(), permits);
        assert_eq!(self.core.try_acquire(permits), Ok(()));
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn<T: 'static>(
    shared: &Arc<Shared>,
    f: impl FnOnce(&Shared) -> T + 'static,
) -> thread::JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

#[test]
fn two_parties_with_one_permit_exclude_each_other_and_both_get_it() {
    check(4, || {
        let shared = Shared::new(1);
        let other = spawn(&shared, |shared| shared.count_with(1));
        shared.count_with(1);
        other.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn two_waiters_get_what_a_third_adds_one_by_one() {
    check(2, || {
        let shared = Shared::new(0);
        let waiters = [1, 1].map(|n| spawn(&shared, move |shared| shared.acquire(n)));
        shared.core.release(1);
        shared.core.release(1);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Ok(()));
        }
        shared.assert_over(0);
    });
}

#[test]
fn three_parties_of_different_weight_lose_no_permit() {
    check(2, || {
        let shared = Shared::new(2);
        let large = spawn(&shared, |shared| shared.count_with(2));
        let small = spawn(&shared, |shared| {
            shared.acquire(1).expect("it is not closed");
            shared.core.release(1);
        });
        shared.count_with(2);
        large.join().unwrap();
        small.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_waiter_that_times_out_lets_the_one_behind_it_have_what_suffices() {
    check(2, || {
        // One permit: too few for the first, enough for the second, whoever comes
        // first. Nothing is ever given back.
        let shared = Shared::new(1);
        let large = spawn(&shared, |shared| {
            let refused = shared.core.acquire(2, || Some(time::now()));
            assert_eq!(refused, Err(WaitFailure::TimedOut));
        });
        assert_eq!(shared.acquire(1), Ok(()));
        large.join().unwrap();
        shared.assert_over(0);
    });
}

#[test]
fn a_timed_acquire_that_meets_a_release_ends_one_way_or_the_other() {
    check(3, || {
        let shared = Shared::new(0);
        let timed = spawn(&shared, |shared| shared.timed_count_with(2));
        shared.core.release(1);
        shared.core.release(1);
        timed.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_waiter_that_times_out_takes_no_permit_from_another() {
    check(2, || {
        let shared = Shared::new(0);
        let timed = spawn(&shared, |shared| {
            shared.timed_count_with(1);
        });
        let patient = spawn(&shared, |shared| shared.count_with(1));
        shared.core.release(1);
        timed.join().unwrap();
        patient.join().unwrap();
        shared.assert_over(1);
    });
}

#[test]
fn a_close_turns_away_who_waits_and_who_comes_later() {
    check(3, || {
        let shared = Shared::new(0);
        let waiter = spawn(&shared, |shared| shared.acquire(1));
        shared.core.close();
        assert_eq!(waiter.join().unwrap(), Err(WaitFailure::Closed));
        assert_eq!(shared.core.queued(), 0);
    });
}

#[test]
fn a_close_that_meets_a_release_and_an_acquire_loses_no_permit() {
    check(2, || {
        let shared = Shared::new(0);
        let waiter = spawn(&shared, |shared| {
            let got = shared.acquire(1).is_ok();
            if got {
                shared.core.release(1);
            }
        });
        let closer = spawn(&shared, |shared| shared.core.close());
        shared.core.release(1);
        waiter.join().unwrap();
        closer.join().unwrap();
        assert_eq!((shared.core.queued(), shared.core.permits()), (0, 1));
    });
}

#[test]
fn a_newcomer_does_not_take_what_the_first_waiter_needs() {
    check(3, || {
        let shared = Shared::new(0);
        let waiter = spawn(&shared, |shared| {
            assert_eq!(shared.acquire(2), Ok(()));
            shared.count();
        });
        // Once it waits, what is added is its own, and trying fails.
        if shared.core.queued() == 1 {
            shared.core.release(1);
            assert!(shared.core.try_acquire(1).is_err());
            shared.core.release(1);
            assert!(shared.core.try_acquire(1).is_err());
        } else {
            shared.core.release(2);
        }
        waiter.join().unwrap();
        shared.count();
        shared.assert_over(0);
    });
}

#[test]
fn forgetting_meets_a_release_and_a_waiter_and_the_sum_is_right() {
    check(2, || {
        let shared = Shared::new(1);
        let waiter = spawn(&shared, |shared| {
            let got = shared.core.acquire(2, || Some(time::now())).is_ok();
            if got {
                shared.core.release(2);
            }
        });
        let forgetter = spawn(&shared, |shared| shared.core.forget(1));
        shared.core.release(1);
        waiter.join().unwrap();
        let forgotten = forgetter.join().unwrap();
        shared.assert_over(2 - forgotten);
    });
}

#[test]
fn a_semaphore_may_be_freed_by_the_last_to_get_a_permit() {
    check(3, || {
        let shared = Shared::new(0);
        let other = spawn(&shared, |shared| shared.core.release(1));
        shared.acquire(1).expect("it is not closed");
        drop(shared);
        other.join().unwrap();
    });
}
