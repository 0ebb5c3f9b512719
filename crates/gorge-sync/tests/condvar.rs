//! What a condition variable does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::{Party, Setting, for_each_setting};
use gorge_sync::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

static STATIC: Condvar = Condvar::new();

type Pair<T> = Arc<(Mutex<T>, Condvar)>;

fn pair<T>(value: T) -> Pair<T> {
    Arc::new((Mutex::new(value), Condvar::new()))
}

#[test]
fn it_is_send_sync_unwind_safe_and_lives_in_a_static() {
    fn is<T: Send + Sync + UnwindSafe + RefUnwindSafe>(_: &T) {}
    is(&STATIC);
    assert_eq!(format!("{STATIC:?}"), "Condvar { .. }");
    assert!(!Condvar::default().notify_one());
}

#[test]
fn a_notification_without_a_waiter_is_not_kept() {
    assert!(!STATIC.notify_one());
    assert_eq!(STATIC.notify_all(), 0);
    let mutex = Mutex::new(());
    let mut guard = mutex.lock();
    let limit = Duration::from_millis(1);
    assert!(STATIC.wait_for(&mut guard, limit).timed_out());
}

/// Starts parties that wait, and say when they do, and when they were notified.
fn start_counted(setting: Setting, shared: &Pair<[usize; 2]>, n: usize) -> Vec<Party<()>> {
    (0..n)
        .map(|_| {
            let shared = shared.clone();
            setting.start(move || {
                let (mutex, condvar) = &*shared;
                let mut counts = mutex.lock();
                counts[0] += 1;
                condvar.wait(&mut counts);
                counts[1] += 1;
            })
        })
        .collect()
}

#[test]
fn each_notify_one_ends_exactly_one_wait() {
    for_each_setting(|setting| {
        let shared = pair([0, 0]);
        let (mutex, condvar) = &*shared;
        let parties = start_counted(setting, &shared, 10);
        setting.until("all wait", || mutex.lock()[0] == 10);
        for notified in 1..=10 {
            assert!(condvar.notify_one());
            setting.until("one has returned", || mutex.lock()[1] >= notified);
            (0..3).for_each(|_| setting.pause());
            assert_eq!(mutex.lock()[1], notified);
        }
        assert!(!condvar.notify_one());
        parties.into_iter().for_each(Party::join);
    });
}

#[test]
fn notify_all_ends_every_wait_and_says_how_many() {
    for_each_setting(|setting| {
        for under_the_lock in [false, true] {
            let shared = pair([0, 0]);
            let (mutex, condvar) = &*shared;
            let parties = start_counted(setting, &shared, 10);
            setting.until("all wait", || mutex.lock()[0] == 10);
            let counts = under_the_lock.then(|| mutex.lock());
            assert_eq!(condvar.notify_all(), 10);
            assert!(counts.is_none_or(|counts| counts[1] == 0));
            parties.into_iter().for_each(Party::join);
            assert_eq!(*mutex.lock(), [10, 10]);
            assert_eq!(condvar.notify_all(), 0);
        }
    });
}

#[test]
fn no_wait_ends_without_a_notification() {
    for_each_setting(|setting| {
        let shared = pair([0, 0]);
        let (mutex, condvar) = &*shared;
        let parties = start_counted(setting, &shared, 8);
        setting.until("all wait", || mutex.lock()[0] == 8);
        // They sleep through locks, unlocks and others' timeouts.
        for _ in 0..50 {
            let mut counts = mutex.lock();
            let limit = Duration::from_micros(100);
            assert!(condvar.wait_for(&mut counts, limit).timed_out());
            assert_eq!(counts[1], 0);
        }
        assert_eq!(condvar.notify_all(), 8);
        parties.into_iter().for_each(Party::join);
    });
}

/// Everybody in rounds: each broadcast must end each wait, once.
#[test]
fn broadcasts_in_rounds_reach_everybody_each_time() {
    let (n, rounds) = if cfg!(debug_assertions) {
        (40, 40)
    } else {
        (200, 200)
    };
    for_each_setting(move |setting| {
        // Who waits, and the round that was begun.
        let shared = pair((0, 0));
        let parties: Vec<_> = (0..n)
            .map(|_| {
                let shared = shared.clone();
                setting.start(move || {
                    let (mutex, condvar) = &*shared;
                    let mut state = mutex.lock();
                    for round in 1..=rounds {
                        state.0 += 1;
                        condvar.wait(&mut state);
                        assert_eq!(state.1, round);
                    }
                })
            })
            .collect();
        let (mutex, condvar) = &*shared;
        for round in 1..=rounds {
            setting.until("all wait", || mutex.lock().0 == n);
            let mut state = mutex.lock();
            *state = (0, round);
            if round % 2 == 0 {
                drop(state);
            }
            assert_eq!(condvar.notify_all(), n);
        }
        parties.into_iter().for_each(Party::join);
    });
}

/// Go's `TestRace`: three parties that hand a number on.
#[test]
fn three_parties_hand_a_number_on() {
    for_each_setting(|setting| {
        for _ in 0..100 {
            let shared = pair(0);
            let step = |from: u32, to: u32, notifies: bool| {
                let shared = shared.clone();
                setting.start(move || {
                    let (mutex, condvar) = &*shared;
                    let mut x = mutex.lock();
                    condvar.wait_while(&mut x, |x| *x != from);
                    *x = to;
                    if notifies {
                        condvar.notify_all();
                    }
                })
            };
            let parties = [step(2, 4, false), step(1, 2, true), step(0, 1, true)];
            parties.into_iter().for_each(Party::join);
            assert_eq!(*shared.0.lock(), 4);
        }
    });
}

/// Go's `TestCondSignalStealing`: who waits for certain is not overtaken by one
/// who is about to wait when the notification comes.
#[test]
fn a_newcomer_does_not_steal_a_notification() {
    for_each_setting(|setting| {
        for _ in 0..200 {
            let shared = pair(false);
            let (waits, got) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let (theirs, says, gets) = (shared.clone(), waits.clone(), got.clone());
            let first = setting.start(move || {
                let mut done = theirs.0.lock();
                says.store(true, Ordering::SeqCst);
                theirs.1.wait(&mut done);
                gets.store(true, Ordering::SeqCst);
            });
            setting.until("it has the lock", || waits.load(Ordering::SeqCst));
            // Having had the lock, too, the first one waits for certain.
            drop(shared.0.lock());
            let theirs = shared.clone();
            let newcomer = setting.start(move || {
                let mut done = theirs.0.lock();
                theirs.1.wait_while(&mut done, |done| !*done);
            });
            assert!(shared.1.notify_one());
            setting.until("the first one has it", || got.load(Ordering::SeqCst));
            *shared.0.lock() = true;
            shared.1.notify_all();
            first.join();
            newcomer.join();
        }
    });
}

#[test]
fn a_queue_with_two_conditions_loses_and_invents_nothing() {
    const EACH: usize = 500;
    for_each_setting(|setting| {
        let queue = Arc::new((Mutex::new(Vec::new()), Condvar::new(), Condvar::new()));
        let sum = Arc::new(AtomicUsize::new(0));
        let (shared, added) = (queue.clone(), sum.clone());
        setting.run_all(6, move |party| {
            let (mutex, not_empty, not_full) = &*shared;
            for i in 0..EACH {
                let mut queue = mutex.lock();
                if party % 2 == 0 {
                    not_full.wait_while(&mut queue, |queue| queue.len() == 2);
                    queue.push(i);
                    not_empty.notify_one();
                } else {
                    // Some come back in vain, and must not take a notification along.
                    let limit = Duration::from_micros(50);
                    while i % 3 == 0
                        && not_empty
                            .wait_while_for(&mut queue, |queue| queue.is_empty(), limit)
                            .timed_out()
                    {}
                    not_empty.wait_while(&mut queue, |queue| queue.is_empty());
                    added.fetch_add(queue.pop().expect("not empty"), Ordering::Relaxed);
                    drop(queue);
                    not_full.notify_one();
                }
            }
        });
        assert_eq!(sum.load(Ordering::Relaxed), 3 * EACH * (EACH - 1) / 2);
        assert!(queue.0.lock().is_empty());
    });
}

#[test]
fn wait_while_asks_at_once_and_after_each_notification() {
    for_each_setting(|setting| {
        let shared = pair(3);
        let (mutex, condvar) = &*shared;
        condvar.wait_while(&mut mutex.lock(), |left| *left != 3);
        let asked = Arc::new(AtomicUsize::new(0));
        let (theirs, asks) = (shared.clone(), asked.clone());
        let party = setting.start(move || {
            let mut left = theirs.0.lock();
            theirs.1.wait_while(&mut left, |left| {
                asks.fetch_add(1, Ordering::SeqCst);
                *left > 0
            });
            *left
        });
        for answered in 1..=3 {
            setting.until("it has asked", || asked.load(Ordering::SeqCst) == answered);
            *mutex.lock() -= 1;
            assert!(condvar.notify_one());
        }
        assert_eq!(party.join(), 0);
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn to_wait_with_a_second_mutex_panics_and_unlocks_it_and_the_first_waits_on() {
    for_each_setting(|setting| {
        let shared = pair(false);
        let theirs = shared.clone();
        let waiter = setting.start(move || {
            let mut ready = theirs.0.lock();
            *ready = true;
            theirs.1.wait(&mut ready);
        });
        setting.until("it waits", || *shared.0.lock());
        let other = Arc::new(Mutex::new(()));
        let (theirs, second) = (shared.clone(), other.clone());
        let misuse = setting.start(move || theirs.1.wait(&mut second.lock()));
        assert_eq!(
            misuse.panic_message(),
            "Condvar: attempted to use a condition variable with more than one mutex"
        );
        assert!(!other.is_locked());
        assert!(!waiter.is_finished());
        assert!(shared.1.notify_one());
        waiter.join();
        // With nobody waiting, any mutex will do.
        let limit = Duration::from_micros(100);
        assert!(shared.1.wait_for(&mut other.lock(), limit).timed_out());
        let mut first = shared.0.lock();
        assert!(shared.1.wait_for(&mut first, limit).timed_out());
    });
}

#[test]
fn those_who_were_notified_do_not_keep_another_mutex_out() {
    for_each_setting(|setting| {
        let shared = pair(false);
        let theirs = shared.clone();
        let waiter = setting.start(move || {
            let mut ready = theirs.0.lock();
            *ready = true;
            theirs.1.wait(&mut ready);
        });
        setting.until("it waits", || *shared.0.lock());
        let held = shared.0.lock();
        assert!(shared.1.notify_one());
        let other = Mutex::new(());
        let limit = Duration::from_micros(100);
        assert!(shared.1.wait_for(&mut other.lock(), limit).timed_out());
        drop(held);
        waiter.join();
    });
}

#[test]
fn a_condition_that_panics_unlocks_and_takes_no_notification_along() {
    for_each_setting(|setting| {
        let shared = pair(0);
        let asked = Arc::new(AtomicUsize::new(0));
        let (theirs, asks) = (shared.clone(), asked.clone());
        let panicking = setting.start(move || {
            let mut value = theirs.0.lock();
            theirs.1.wait_while(&mut value, |value| {
                asks.fetch_add(1, Ordering::SeqCst);
                assert!(*value == 0, "what is this");
                true
            });
        });
        setting.until("it waits", || asked.load(Ordering::SeqCst) == 1);
        let theirs = shared.clone();
        let other = setting.start(move || {
            let mut value = theirs.0.lock();
            theirs.1.wait_while(&mut value, |value| *value < 2);
        });
        *shared.0.lock() = 1;
        shared.1.notify_all();
        assert_eq!(panicking.panic_message(), "what is this");
        *shared.0.lock() = 2;
        shared.1.notify_all();
        other.join();
        let at_once = catch_unwind(AssertUnwindSafe(|| {
            shared.1.wait_while(&mut shared.0.lock(), |_| panic!());
        }));
        assert!(at_once.is_err());
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn a_guard_of_something_unsized_will_do() {
    let (mutex, condvar) = (Mutex::new([1, 2, 3]), Condvar::new());
    let unsized_mutex: &Mutex<[i32]> = &mutex;
    let mut guard = unsized_mutex.lock();
    let limit = Duration::from_micros(10);
    let result = condvar.wait_while_for(&mut guard, |values| values.len() == 3, limit);
    assert!(result.timed_out());
}
