//! Loom models: every interleaving of two or three parties, within loom's
//! memory model. A lost wake-up shows as a deadlock, a lost exclusion or a
//! missing ordering as concurrent access to the cell.

use super::raw::RawMutex;
use gorge_runtime::time;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    mutex: RawMutex,
    value: UnsafeCell<u32>,
}

// SAFETY: the models touch the cell under the mutex only, which loom checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            mutex: RawMutex::new(),
            value: UnsafeCell::new(0),
        })
    }

    fn count(&self) {
        // SAFETY: the caller holds the mutex, and loom checks that.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn locked_count(&self) {
        self.mutex.acquire();
        self.count();
        self.mutex.release();
    }

    fn timed_count(&self) -> u32 {
        if !self.mutex.acquire_until(|| Some(time::now())) {
            return 0;
        }
        self.count();
        self.mutex.release();
        1
    }

    /// The mutex is free, nobody is queued, and it was held this often.
    fn assert_over(&self, times: u32) {
        assert_eq!(self.mutex.queued(), 0);
        assert!(self.mutex.try_acquire());
        // SAFETY: under the mutex.
        self.value
            .with(|value| assert_eq!(unsafe { *value }, times));
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn(shared: &Arc<Shared>, f: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

#[test]
fn two_parties_exclude_each_other_and_both_get_it() {
    check(4, || {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::locked_count);
        shared.locked_count();
        other.join().unwrap();
        shared.assert_over(2);
    });
}

#[test]
fn a_party_that_locks_again_and_again_leaves_nobody_asleep() {
    check(3, || {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::locked_count);
        shared.locked_count();
        shared.locked_count();
        shared.locked_count();
        other.join().unwrap();
        shared.assert_over(4);
    });
}

#[test]
fn three_parties_exclude_each_other_and_all_get_it() {
    check(2, || {
        let shared = Shared::new();
        let second = spawn(&shared, Shared::locked_count);
        let third = spawn(&shared, Shared::locked_count);
        shared.locked_count();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(3);
    });
}

#[test]
fn a_fair_unlock_hands_over_and_loses_nobody() {
    check(2, || {
        let shared = Shared::new();
        shared.mutex.acquire();
        let second = spawn(&shared, Shared::locked_count);
        let third = spawn(&shared, Shared::locked_count);
        shared.count();
        shared.mutex.release_fair();
        shared.mutex.acquire();
        shared.count();
        shared.mutex.release_fair();
        second.join().unwrap();
        third.join().unwrap();
        shared.assert_over(4);
    });
}

#[test]
fn a_timed_lock_that_meets_an_unlock_ends_one_way_or_the_other() {
    check(4, || {
        let shared = Shared::new();
        shared.mutex.acquire();
        let times = Arc::new(UnsafeCell::new(0));
        let counted = Arc::clone(&times);
        let timed = spawn(&shared, move |shared| {
            let got = shared.timed_count();
            // SAFETY: read after the join.
            counted.with_mut(|times| unsafe { *times = got });
        });
        shared.count();
        shared.mutex.release();
        timed.join().unwrap();
        // SAFETY: the other thread was joined.
        let got = times.with(|times| unsafe { *times });
        shared.assert_over(1 + got);
    });
}

#[test]
fn a_waiter_that_times_out_takes_no_wake_up_from_another() {
    check(2, || {
        let shared = Shared::new();
        shared.mutex.acquire();
        let timed = spawn(&shared, |shared| {
            shared.timed_count();
        });
        let patient = spawn(&shared, Shared::locked_count);
        shared.mutex.release();
        timed.join().unwrap();
        patient.join().unwrap();
        assert_eq!(shared.mutex.queued(), 0);
        assert!(shared.mutex.try_acquire());
    });
}

#[test]
fn a_mutex_may_be_freed_by_the_next_holder() {
    check(3, || {
        let shared = Shared::new();
        let other = spawn(&shared, |shared| shared.locked_count());
        shared.mutex.acquire();
        shared.count();
        shared.mutex.release();
        drop(shared);
        other.join().unwrap();
    });
}
