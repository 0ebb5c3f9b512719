//! What can be seen only by somebody who knows whether others are queued.

use super::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Party, Setting, for_each_setting};

fn queued<T>(lock: &RwLock<T>) -> usize {
    // SAFETY: the raw lock is looked at, not unlocked.
    unsafe { lock.raw() }.queued()
}

fn until_queued<T>(setting: Setting, lock: &RwLock<T>, n: usize) {
    setting.until("they are queued", || queued(lock) == n);
}

#[test]
fn a_fair_unlock_serves_writers_in_the_order_in_which_they_came() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(Vec::new()));
        let guard = lock.write();
        let parties: Vec<_> = (0..5)
            .map(|i| {
                let shared = Arc::clone(&lock);
                let party = setting.start(move || {
                    let mut order = match i % 2 {
                        0 => shared.write(),
                        _ => RwLockUpgradableReadGuard::upgrade(shared.upgradable_read()),
                    };
                    order.push(i);
                    RwLockWriteGuard::unlock_fair(order);
                });
                until_queued(setting, &lock, i + 1);
                party
            })
            .collect();
        RwLockWriteGuard::unlock_fair(guard);
        parties.into_iter().for_each(Party::join);
        assert_eq!(*lock.read(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn after_a_writer_all_readers_who_wait_read_before_the_next_one_writes() {
    for_each_setting(|setting| {
        for fair in [false, true] {
            let lock = Arc::new(RwLock::new(0));
            let guard = lock.write();
            let (mut readers, mut writers) = (Vec::new(), Vec::new());
            for i in 0..6 {
                let shared = Arc::clone(&lock);
                if i % 2 == 0 {
                    writers.push(setting.start(move || *shared.write() += 1));
                } else {
                    readers.push(setting.start(move || *shared.read()));
                }
                until_queued(setting, &lock, i + 1);
            }
            match fair {
                true => RwLockWriteGuard::unlock_fair(guard),
                false => drop(guard),
            }
            for reader in readers {
                assert_eq!(reader.join(), 0);
            }
            writers.into_iter().for_each(Party::join);
            assert_eq!(*lock.read(), 3);
        }
    });
}

#[test]
fn a_fair_unlock_leaves_no_moment_in_which_the_lock_is_free() {
    for_each_setting(|setting| {
        for _ in 0..40 {
            let lock = Arc::new(RwLock::new(false));
            let guard = lock.write();
            let shared = Arc::clone(&lock);
            let waiter = setting.start(move || *shared.write() = true);
            until_queued(setting, &lock, 1);
            RwLockWriteGuard::unlock_fair(guard);
            assert!(
                lock.try_read().is_none_or(|reached| *reached),
                "it was free in between"
            );
            waiter.join();
        }
    });
}

#[test]
fn readers_come_in_beside_whoever_reads_upgradably_though_writers_wait() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let guard = lock.write();
        let start_writer = || {
            let shared = Arc::clone(&lock);
            setting.start(move || *shared.write() += 1)
        };
        let start_reader = || {
            let shared = Arc::clone(&lock);
            setting.start(move || *shared.read())
        };
        let first_writer = start_writer();
        until_queued(setting, &lock, 1);
        let first_reader = start_reader();
        until_queued(setting, &lock, 2);
        let guard = RwLockWriteGuard::downgrade_to_upgradable(guard);
        assert_eq!(first_reader.join(), 0);
        let second_writer = start_writer();
        until_queued(setting, &lock, 2);
        assert_eq!(start_reader().join(), 0);
        let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
        assert_eq!(*guard, 0, "an upgrade comes before all writers");
        *guard = 10;
        drop(guard);
        first_writer.join();
        second_writer.join();
        assert_eq!(*lock.read(), 12);
    });
}

#[test]
fn an_upgrade_comes_before_a_writer_that_waited_longer() {
    for_each_setting(|setting| {
        let lock: &'static RwLock<_> = Box::leak(Box::new(RwLock::new(Vec::new())));
        let upgradable = lock.upgradable_read();
        let reader = lock.read();
        let writer = setting.start(move || lock.write().push("writer"));
        until_queued(setting, lock, 1);
        let releases = setting.start(move || {
            until_queued(setting, lock, 2);
            drop(reader);
        });
        let mut guard = RwLockUpgradableReadGuard::upgrade(upgradable);
        guard.push("upgrade");
        drop(guard);
        releases.join();
        writer.join();
        assert_eq!(*lock.read(), ["upgrade", "writer"]);
    });
}

#[test]
fn bump_hands_over_and_comes_back_behind_those_who_waited() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let mut guard = lock.write();
        RwLockWriteGuard::bump(&mut guard);
        let parties: Vec<_> = (0..3)
            .map(|i| {
                let shared = Arc::clone(&lock);
                let party = setting.start(move || {
                    let mut count = shared.write();
                    *count += 1;
                    RwLockWriteGuard::unlock_fair(count);
                });
                until_queued(setting, &lock, i + 1);
                party
            })
            .collect();
        RwLockWriteGuard::bump(&mut guard);
        assert_eq!(*guard, 3);
        drop(guard);
        parties.into_iter().for_each(Party::join);
        let mut reader = lock.read();
        RwLockReadGuard::bump(&mut reader);
        let shared = Arc::clone(&lock);
        let writer = setting.start(move || *shared.write() += 1);
        until_queued(setting, &lock, 1);
        RwLockReadGuard::bump(&mut reader);
        assert_eq!(*reader, 4);
        drop(reader);
        writer.join();
    });
}

#[test]
fn a_waiter_that_times_out_leaves_the_queue_from_any_place() {
    for_each_setting(|setting| {
        for place in 0..12 {
            let lock = Arc::new(RwLock::new(0));
            let guard = lock.write();
            let start = |form, patience| {
                let shared = Arc::clone(&lock);
                let patience = Duration::from_millis(patience);
                setting.start(move || match form {
                    0 => shared.try_read_for(patience).is_some(),
                    1 => shared.try_upgradable_read_for(patience).is_some(),
                    _ => shared.try_write_for(patience).is_some(),
                })
            };
            let (form, place) = (place % 3, place / 3);
            let patient: Vec<_> = (0..place)
                .map(|before| {
                    let party = start(before, 600_000);
                    until_queued(setting, &lock, before + 1);
                    party
                })
                .collect();
            let impatient = start(form, 3);
            setting.until("it is queued or gone", || {
                queued(&lock) > place || impatient.is_finished()
            });
            let behind: Vec<_> = (place..3).map(|after| start(after, 600_000)).collect();
            assert!(!impatient.join());
            until_queued(setting, &lock, 3);
            drop(guard);
            assert!(patient.into_iter().chain(behind).all(Party::join));
            assert!(lock.try_write().is_some());
        }
    });
}

#[test]
fn the_last_reader_and_the_deadline_of_a_writer_race_and_one_wins() {
    for_each_setting(|setting| {
        for round in 0..100 {
            let lock = Arc::new(RwLock::new(0));
            let reader = lock.read();
            let shared = Arc::clone(&lock);
            let writer = setting.start(move || {
                let patience = Duration::from_micros(round);
                shared.try_write_for(patience).map(|mut it| *it += 1)
            });
            let shared = Arc::clone(&lock);
            let behind = setting.start(move || *shared.read());
            setting.until("the writer waits or is gone", || {
                lock.is_locked_exclusive() || writer.is_finished()
            });
            drop(reader);
            let written = writer.join().is_some();
            behind.join();
            let end = *lock.try_write().expect("nobody holds it any more");
            assert_eq!(end == 1, written);
            assert_eq!(queued(&lock), 0);
        }
    });
}
