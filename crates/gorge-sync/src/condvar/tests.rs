//! What can be seen only by somebody who knows whether others are queued.

#[path = "../../tests/common/cancels.rs"]
mod cancels;

use super::Condvar;
use crate::common::{Party, Setting, for_each_setting};
use crate::mutex::{Mutex, MutexGuard};
use cancels::{expect_cancelled, in_each_placement, wait_for, wait_until_parked};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{JoinHandle, Runtime, checkpoint, time};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

struct Shared {
    /// Who was there, in which order.
    log: Mutex<Vec<usize>>,
    condvar: Condvar,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            log: Mutex::new(Vec::new()),
            condvar: Condvar::new(),
        })
    }

    fn wait_and_log(&self, who: usize) {
        let mut log = self.log.lock();
        self.condvar.wait(&mut log);
        log.push(who);
    }

    /// How many wait for a notification, and how many for the mutex.
    fn queued(&self) -> (usize, usize) {
        // SAFETY: the raw mutex is looked at, not unlocked.
        let for_mutex = unsafe { self.log.raw() }.queued();
        (self.condvar.queued(), for_mutex)
    }
}

/// Starts as many parties, which wait in the order of their numbers.
fn start_waiters(setting: Setting, shared: &Arc<Shared>, n: usize) -> Vec<Party<()>> {
    (0..n)
        .map(|who| {
            let theirs = Arc::clone(shared);
            let party = setting.start(move || theirs.wait_and_log(who));
            setting.until("it waits", || shared.condvar.queued() == who + 1);
            party
        })
        .collect()
}

#[test]
fn the_one_who_has_waited_longest_is_notified_first() {
    for_each_setting(|setting| {
        let shared = Shared::new();
        let parties = start_waiters(setting, &shared, 100);
        for notified in 1..=100 {
            assert!(shared.condvar.notify_one());
            setting.until("it was there", || shared.log.lock().len() == notified);
            assert_eq!(shared.condvar.queued(), 100 - notified);
        }
        assert!(!shared.condvar.notify_one());
        parties.into_iter().for_each(Party::join);
        assert_eq!(*shared.log.lock(), Vec::from_iter(0..100));
    });
}

#[test]
fn to_notify_all_under_the_lock_wakes_nobody_and_each_unlock_the_next() {
    for_each_setting(|setting| {
        let shared = Shared::new();
        let parties = start_waiters(setting, &shared, 20);
        let log = shared.log.lock();
        assert_eq!(shared.condvar.notify_all(), 20);
        assert_eq!(shared.queued(), (0, 20), "they went over");
        assert_eq!(shared.condvar.notify_all(), 0);
        (0..20).for_each(|_| setting.pause());
        assert_eq!(shared.queued(), (0, 20), "nobody has looked");
        drop(log);
        parties.into_iter().for_each(Party::join);
        assert_eq!(*shared.log.lock(), Vec::from_iter(0..20));
    });
}

#[test]
fn to_notify_all_while_the_mutex_is_free_wakes_one_and_its_unlock_the_next() {
    for_each_setting(|setting| {
        let shared = Shared::new();
        let may_go_on = Arc::new(Mutex::new(()));
        let closed = may_go_on.lock();
        let parties: Vec<_> = (0..8)
            .map(|who| {
                let (theirs, may_go_on) = (Arc::clone(&shared), Arc::clone(&may_go_on));
                let party = setting.start(move || {
                    let mut log = theirs.log.lock();
                    theirs.condvar.wait(&mut log);
                    log.push(who);
                    drop(may_go_on.lock());
                });
                setting.until("it waits", || shared.condvar.queued() == who + 1);
                party
            })
            .collect();
        assert_eq!(shared.condvar.notify_all(), 8);
        setting.until("one has it", || shared.log.is_locked());
        setting.until("the others wait", || shared.queued() == (0, 7));
        drop(closed);
        parties.into_iter().for_each(Party::join);
        assert_eq!(*shared.log.lock(), Vec::from_iter(0..8));
    });
}

#[test]
fn those_who_are_notified_come_after_those_who_wait_for_the_mutex_already() {
    for_each_setting(|setting| {
        let shared = Shared::new();
        let mut parties = start_waiters(setting, &shared, 3);
        let log = shared.log.lock();
        for who in 10..12 {
            let theirs = Arc::clone(&shared);
            parties.push(setting.start(move || theirs.log.lock().push(who)));
            setting.until("it queues", || shared.queued().1 == who - 9);
        }
        assert!(shared.condvar.notify_one());
        assert_eq!(shared.condvar.notify_all(), 2);
        assert_eq!(shared.queued(), (0, 5));
        MutexGuard::unlock_fair(log);
        parties.into_iter().for_each(Party::join);
        assert_eq!(*shared.log.lock(), [10, 11, 0, 1, 2]);
    });
}

#[test]
fn a_fair_unlock_hands_the_mutex_to_one_who_was_notified() {
    for_each_setting(|setting| {
        for _ in 0..50 {
            let shared = Shared::new();
            let parties = start_waiters(setting, &shared, 2);
            let log = shared.log.lock();
            shared.condvar.notify_all();
            MutexGuard::unlock_fair(log);
            let is_free_before = |log: MutexGuard<'_, Vec<usize>>| log.is_empty();
            assert!(!shared.log.try_lock().is_some_and(is_free_before));
            parties.into_iter().for_each(Party::join);
            assert_eq!(*shared.log.lock(), [0, 1]);
        }
    });
}

#[test]
fn whose_time_is_up_after_the_notification_has_not_timed_out() {
    for_each_setting(|setting| {
        let shared = Shared::new();
        let deadline = time::now() + Duration::from_millis(50);
        let start = |deadline: Instant| {
            let theirs = Arc::clone(&shared);
            let party = setting.start(move || {
                let mut log = theirs.log.lock();
                let result = theirs.condvar.wait_until(&mut log, deadline);
                log.push(0);
                result.timed_out()
            });
            let waits = || shared.condvar.queued() == 1 || party.is_finished();
            setting.until("it waits or its time is up", waits);
            party
        };
        let party = start(deadline);
        let log = shared.log.lock();
        let notified = shared.condvar.notify_one();
        setting.until("its time is up", || time::now() > deadline);
        setting.until("it waits for the mutex or had it before", || {
            shared.queued().1 == 1 || party.is_finished()
        });
        // Its deadline wakes it, and it queues again: it still was notified.
        (0..20).for_each(|_| setting.pause());
        drop(log);
        assert_eq!(party.join(), !notified);
        assert_eq!(shared.queued(), (0, 0));
        assert_eq!(*shared.log.lock(), [0]);
    });
}

#[test]
fn whoever_times_out_leaves_from_any_place() {
    for_each_setting(|setting| {
        for place in 0..3 {
            let shared = Shared::new();
            let mut patient = Vec::new();
            let mut start_patient = |count: usize| {
                let theirs = Arc::clone(&shared);
                patient.push(setting.start(move || {
                    let mut log = theirs.log.lock();
                    let result = theirs.condvar.wait_for(&mut log, AGES);
                    log.push(count);
                    result.timed_out()
                }));
            };
            for before in 0..place {
                start_patient(before);
                setting.until("it waits", || shared.condvar.queued() == before + 1);
            }
            let theirs = Arc::clone(&shared);
            let impatient = setting.start(move || {
                let mut log = theirs.log.lock();
                let limit = Duration::from_millis(20);
                theirs.condvar.wait_for(&mut log, limit).timed_out()
            });
            setting.until("it waits or is gone", || {
                shared.condvar.queued() > place || impatient.is_finished()
            });
            for after in place..2 {
                start_patient(after);
                setting.until("it waits", || {
                    let queued = shared.condvar.queued();
                    queued == after + 2 || (impatient.is_finished() && queued == after + 1)
                });
            }
            assert!(impatient.join());
            assert_eq!(shared.queued(), (2, 0));
            assert_eq!(shared.condvar.notify_all(), 2);
            assert!(patient.into_iter().all(|party| !party.join()));
            assert_eq!(*shared.log.lock(), [0, 1]);
        }
    });
}

fn go_waiter(runtime: &Runtime, shared: &Arc<Shared>, who: usize) -> JoinHandle<()> {
    let theirs = Arc::clone(shared);
    let before = shared.condvar.queued();
    let handle = runtime.go(move || {
        theirs.wait_and_log(who);
        checkpoint();
    });
    wait_for(|| shared.condvar.queued() == before + 1);
    handle
}

#[test]
fn a_cancel_that_comes_after_the_notification_stays_pending() {
    in_each_placement(|runtime| {
        let shared = Shared::new();
        let first = go_waiter(runtime, &shared, 0);
        let second = go_waiter(runtime, &shared, 1);
        let log = shared.log.lock();
        assert!(shared.condvar.notify_one());
        first.cancel();
        // It leaves the mutex's queue, and comes back by itself.
        wait_until_parked(runtime, &first, WaitReason::MutexLock);
        assert_eq!(shared.queued(), (1, 1));
        drop(log);
        expect_cancelled(first);
        assert_eq!(*shared.log.lock(), [0], "it had returned from its wait");
        assert!(shared.condvar.notify_one());
        second.join().expect("it ends");
        assert_eq!(*shared.log.lock(), [0, 1]);
    });
}

#[test]
fn a_notification_that_comes_after_the_cancel_goes_to_the_next() {
    in_each_placement(|runtime| {
        let shared = Shared::new();
        let handles: Vec<_> = (0..3).map(|who| go_waiter(runtime, &shared, who)).collect();
        let log = shared.log.lock();
        handles[0].cancel();
        // Whether it has left the queue or not.
        assert!(shared.condvar.notify_one());
        handles[2].cancel();
        assert!(!shared.condvar.notify_one());
        wait_until_parked(runtime, &handles[0], WaitReason::MutexLock);
        wait_until_parked(runtime, &handles[2], WaitReason::MutexLock);
        assert_eq!(shared.queued(), (0, 3));
        drop(log);
        for (who, handle) in handles.into_iter().enumerate() {
            let cancelled = handle.join().is_err_and(|error| error.is_cancelled());
            assert_eq!(cancelled, who != 1);
        }
        assert_eq!(*shared.log.lock(), [1]);
        assert_eq!(shared.queued(), (0, 0));
    });
}
