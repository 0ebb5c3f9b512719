//! What a condition variable does with time limits.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::{Party, for_each_setting};
use gorge_runtime::time;
use gorge_sync::{Condvar, Mutex, WaitGroup};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

type Pair<T> = Arc<(Mutex<T>, Condvar)>;

fn pair<T>(value: T) -> Pair<T> {
    Arc::new((Mutex::new(value), Condvar::new()))
}

#[test]
fn a_timed_wait_ends_without_a_notification_and_has_the_lock() {
    for_each_setting(|_| {
        let (mutex, condvar) = (Mutex::new(1), Condvar::new());
        let mut guard = mutex.lock();
        let limit = Duration::from_millis(2);
        let deadline = time::now() + limit;
        assert!(condvar.wait_until(&mut guard, deadline).timed_out());
        assert!(time::now() >= deadline);
        assert!(mutex.is_locked());
        // A time that has passed, and none at all.
        assert!(condvar.wait_until(&mut guard, deadline).timed_out());
        assert!(condvar.wait_for(&mut guard, Duration::ZERO).timed_out());
        assert_eq!(*guard, 1);
        drop(guard);
        assert!(!mutex.is_locked());
    });
}

#[test]
fn a_timed_wait_that_is_notified_has_not_timed_out() {
    for_each_setting(|setting| {
        // Beyond the end of time there is no deadline.
        for limit in [AGES, Duration::MAX] {
            let shared = pair(false);
            let theirs = shared.clone();
            let party = setting.start(move || {
                let mut waits = theirs.0.lock();
                *waits = true;
                theirs.1.wait_for(&mut waits, limit).timed_out()
            });
            setting.until("it waits", || *shared.0.lock());
            assert!(shared.1.notify_one());
            assert!(!party.join());
        }
    });
}

#[test]
fn waits_that_race_with_their_deadlines_return_notified_as_often_as_they_were() {
    for_each_setting(|setting| {
        let shared = pair(0u32);
        let (notified, returned) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let ended = WaitGroup::new();
        ended.add(4);
        let (counted, counts, theirs, over) = (
            notified.clone(),
            returned.clone(),
            shared.clone(),
            ended.clone(),
        );
        let waiters: Vec<_> = (0..4)
            .map(|party| {
                let (shared, returned, ended) = (theirs.clone(), counts.clone(), over.clone());
                setting.start(move || {
                    for round in 0..300 {
                        let mut value = shared.0.lock();
                        *value += 1;
                        let limit = Duration::from_micros((party * 31 + round) % 120);
                        if !shared.1.wait_for(&mut value, limit).timed_out() {
                            returned.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    ended.done();
                })
            })
            .collect();
        let mut round = 0u32;
        while !ended.wait_timeout(Duration::from_micros(20)) {
            round += 1;
            let held = round.is_multiple_of(3).then(|| shared.0.lock());
            let count = match round % 2 {
                0 => shared.1.notify_all(),
                _ => usize::from(shared.1.notify_one()),
            };
            counted.fetch_add(count, Ordering::Relaxed);
            drop(held);
        }
        waiters.into_iter().for_each(Party::join);
        assert_eq!(
            returned.load(Ordering::Relaxed),
            notified.load(Ordering::Relaxed)
        );
        assert_eq!(*shared.0.lock(), 1200);
    });
}

#[test]
fn the_timed_forms_of_wait_while_end_by_time_or_by_the_condition() {
    for_each_setting(|setting| {
        let shared = pair(0);
        let (mutex, condvar) = &*shared;
        let soon = || time::now() + Duration::from_millis(2);
        let mut value = mutex.lock();
        let limit = Duration::from_millis(2);
        let forever = |_: &mut u32| true;
        assert!(
            condvar
                .wait_while_for(&mut value, forever, limit)
                .timed_out()
        );
        assert!(
            condvar
                .wait_while_until(&mut value, forever, soon())
                .timed_out()
        );
        let never = |_: &mut u32| false;
        assert!(!condvar.wait_while_for(&mut value, never, limit).timed_out());
        assert!(
            !condvar
                .wait_while_until(&mut value, never, soon())
                .timed_out()
        );
        drop(value);
        let theirs = shared.clone();
        let party = setting.start(move || {
            let mut value = theirs.0.lock();
            let first = theirs
                .1
                .wait_while_for(&mut value, |value| *value < 1, AGES);
            *value += 10;
            let later = time::now() + AGES;
            let second = theirs
                .1
                .wait_while_until(&mut value, |value| *value < 12, later);
            (first.timed_out(), second.timed_out(), *value)
        });
        for _ in 0..2 {
            *mutex.lock() += 1;
            condvar.notify_one();
            setting.until("it was there", || *mutex.lock() != 1);
        }
        assert_eq!(party.join(), (false, false, 12));
    });
}
