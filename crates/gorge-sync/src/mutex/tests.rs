//! What can be seen only by somebody who knows whether others are queued.

use super::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Party, Setting, for_each_setting};

fn until_queued<T>(setting: Setting, mutex: &Mutex<T>, n: usize) {
    // SAFETY: the raw mutex is looked at, not unlocked.
    setting.until("they are queued", || unsafe { mutex.raw() }.queued() == n);
}

#[test]
fn a_fair_unlock_serves_waiters_in_the_order_in_which_they_came() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(Vec::new()));
        let guard = mutex.lock();
        let parties: Vec<_> = (0..5)
            .map(|i| {
                let shared = Arc::clone(&mutex);
                let party = setting.start(move || {
                    let mut order = shared.lock();
                    order.push(i);
                    MutexGuard::unlock_fair(order);
                });
                until_queued(setting, &mutex, i + 1);
                party
            })
            .collect();
        MutexGuard::unlock_fair(guard);
        parties.into_iter().for_each(Party::join);
        assert_eq!(*mutex.lock(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_fair_unlock_leaves_no_moment_in_which_the_mutex_is_free() {
    for_each_setting(|setting| {
        for _ in 0..100 {
            let mutex = Arc::new(Mutex::new(false));
            let guard = mutex.lock();
            let shared = Arc::clone(&mutex);
            let waiter = setting.start(move || *shared.lock() = true);
            until_queued(setting, &mutex, 1);
            MutexGuard::unlock_fair(guard);
            assert!(
                mutex.try_lock().is_none_or(|reached| *reached),
                "it was free in between"
            );
            waiter.join();
        }
    });
}

#[test]
fn bump_hands_over_and_comes_back_behind_those_who_waited() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0));
        let mut guard = mutex.lock();
        MutexGuard::bump(&mut guard);
        let parties: Vec<_> = (0..3)
            .map(|i| {
                let shared = Arc::clone(&mutex);
                let party = setting.start(move || {
                    let mut count = shared.lock();
                    *count += 1;
                    MutexGuard::unlock_fair(count);
                });
                until_queued(setting, &mutex, i + 1);
                party
            })
            .collect();
        MutexGuard::bump(&mut guard);
        assert_eq!(*guard, 3);
        drop(guard);
        parties.into_iter().for_each(Party::join);
    });
}

#[test]
fn a_waiter_that_times_out_leaves_the_queue_from_any_place() {
    for_each_setting(|setting| {
        for place in 0..3 {
            let mutex = Arc::new(Mutex::new(0));
            let guard = mutex.lock();
            let start = |patience| {
                let shared = Arc::clone(&mutex);
                setting.start(move || {
                    let guard = shared.try_lock_for(Duration::from_millis(patience));
                    guard.map(|mut count| *count += 1).is_some()
                })
            };
            // SAFETY: the raw mutex is looked at, not unlocked.
            let queued = || unsafe { mutex.raw() }.queued();
            let mut patient = Vec::new();
            for before in 0..place {
                patient.push(start(600_000));
                setting.until("it is queued", || queued() == before + 1);
            }
            let impatient = start(20);
            setting.until("it is queued or gone", || {
                queued() > place || impatient.is_finished()
            });
            for after in place..2 {
                patient.push(start(600_000));
                setting.until("it is queued", || {
                    queued() == after + 2 || (impatient.is_finished() && queued() == after + 1)
                });
            }
            assert!(!impatient.join());
            assert_eq!(queued(), 2);
            drop(guard);
            assert!(patient.into_iter().all(Party::join));
            assert_eq!(*mutex.lock(), 2);
        }
    });
}
