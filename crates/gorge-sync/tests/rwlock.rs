//! What a read-write lock does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::{Party, Setting, for_each_setting};
use gorge_runtime::time;
use gorge_sync::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard, WaitGroup};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(600);

static STATIC: RwLock<u32> = RwLock::new(7);

#[test]
fn it_takes_two_words_and_lives_in_a_static() {
    assert!(size_of::<RwLock<()>>() <= 16);
    assert_eq!(*STATIC.read(), 7);
}

#[test]
fn the_forms_of_locking_agree_on_what_goes_together() {
    let lock = RwLock::new(1);
    let free = |read, upgradable, write| {
        assert_eq!(lock.try_read().is_some(), read);
        assert_eq!(lock.try_read_recursive().is_some(), read);
        assert_eq!(lock.try_upgradable_read().is_some(), upgradable);
        assert_eq!(lock.try_write().is_some(), write);
        assert_eq!(lock.try_write_for(Duration::ZERO).is_some(), write);
        assert_eq!(lock.is_locked(), !write);
        assert_eq!(lock.is_locked_exclusive(), !read);
    };
    free(true, true, true);
    let reader = lock.read();
    free(true, true, false);
    let second = lock.read();
    drop(reader);
    free(true, true, false);
    let upgradable = lock.upgradable_read();
    free(true, false, false);
    let upgradable =
        RwLockUpgradableReadGuard::try_upgrade(upgradable).expect_err("somebody else reads");
    drop(second);
    free(true, false, false);
    let writer = RwLockUpgradableReadGuard::try_upgrade(upgradable).expect("nobody else reads");
    free(false, false, false);
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writer);
    free(true, false, false);
    let reader = RwLockUpgradableReadGuard::downgrade(upgradable);
    free(true, true, false);
    drop(reader);
    free(true, true, true);
    let reader = RwLockWriteGuard::downgrade(lock.write());
    free(true, true, false);
    drop(reader);
    free(true, true, true);
}

#[test]
fn readers_read_at_the_same_time() {
    for_each_setting(|setting| {
        for readers in [1, 3, 10] {
            let lock = Arc::new(RwLock::new(()));
            let all_are_in = WaitGroup::new();
            all_are_in.add(readers);
            setting.run_all(readers, move |reader| {
                if reader == 1 {
                    let _guard = lock.upgradable_read();
                    all_are_in.done();
                    all_are_in.wait();
                } else {
                    let _guard = lock.read();
                    all_are_in.done();
                    all_are_in.wait();
                }
            });
        }
    });
}

/// Go's HammerRWMutex: readers count one each, a writer ten thousand, and neither
/// sees the other.
fn hammer(setting: Setting, readers: usize) {
    const ROUNDS: usize = 100;
    let lock = Arc::new(RwLock::new(()));
    let inside = Arc::new(AtomicUsize::new(0));
    setting.run_all(readers + 2, move |party| {
        for round in 0..ROUNDS {
            // One party in the crowd writes, and then another.
            let writes = (round / 20) % 2 == party % 2 && party < 2;
            let (_reading, _writing) = match writes {
                true => (None, Some(lock.write())),
                false => (Some(lock.read()), None),
            };
            let one = if writes { 10_000 } else { 1 };
            let seen = inside.fetch_add(one, Ordering::Relaxed) + one;
            match writes {
                true => assert_eq!(seen, 10_000, "a writer is alone"),
                false => assert!((1..10_000).contains(&seen), "readers are among themselves"),
            }
            if round % 20 == 0 {
                setting.pause();
            }
            inside.fetch_sub(one, Ordering::Relaxed);
        }
    });
}

#[test]
fn readers_and_writers_never_mix() {
    for_each_setting(|setting| {
        for readers in [1, 3, 5, 10] {
            hammer(setting, readers);
        }
    });
}

#[test]
fn every_form_of_locking_excludes_writers() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new((0u64, 0u64)));
        let written = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&lock), Arc::clone(&written));
        setting.run_all(8, move |party| {
            for round in 0..150 {
                let form = (party * 5 + round) % 10;
                let pause = || {
                    if round % 10 == 0 {
                        setting.pause();
                    }
                };
                count.fetch_add(any_form(&shared, form, pause), Ordering::Relaxed);
            }
        });
        let written = written.load(Ordering::Relaxed) as u64;
        let end = *lock.try_write().expect("nobody holds it any more");
        assert_eq!(end, (written, written));
    });
}

fn look(pair: &(u64, u64), pause: impl Fn()) {
    let before = *pair;
    pause();
    assert_eq!(*pair, before);
    assert_eq!(pair.0, pair.1);
}

fn write(pair: &mut (u64, u64), pause: impl Fn()) {
    pair.0 += 1;
    pause();
    pair.1 += 1;
    assert_eq!(pair.0, pair.1);
}

/// Locks by the form with this number; how often it wrote.
fn any_form(lock: &RwLock<(u64, u64)>, form: usize, pause: impl Fn() + Copy) -> usize {
    let patience = Duration::from_micros(30);
    match form {
        0 => look(&lock.read(), pause),
        1 => look(&lock.read_recursive(), pause),
        2 => {
            if let Some(mut guard) = lock.try_read_for(patience) {
                look(&guard, pause);
                RwLockReadGuard::bump(&mut guard);
                look(&guard, pause);
                RwLockReadGuard::unlock_fair(guard);
            }
        }
        3 => {
            if let Some(mut guard) = lock.try_write_until(time::now() + patience) {
                write(&mut guard, pause);
                RwLockWriteGuard::bump(&mut guard);
                write(&mut guard, pause);
                RwLockWriteGuard::unlock_fair(guard);
                return 2;
            }
        }
        4 => {
            let mut guard = lock.write();
            write(&mut guard, pause);
            look(&RwLockWriteGuard::downgrade(guard), pause);
            return 1;
        }
        5 => return upgraded(lock, pause),
        6 => return upgraded_in_time(lock, patience, pause),
        _ => {
            write(&mut lock.write(), pause);
            return 1;
        }
    }
    0
}

fn upgraded(lock: &RwLock<(u64, u64)>, pause: impl Fn() + Copy) -> usize {
    let guard = lock.upgradable_read();
    let before = *guard;
    let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
    assert_eq!(*guard, before, "nobody wrote since");
    write(&mut guard, pause);
    let guard = RwLockWriteGuard::downgrade_to_upgradable(guard);
    look(&guard, pause);
    look(&RwLockUpgradableReadGuard::downgrade(guard), pause);
    1
}

fn upgraded_in_time(
    lock: &RwLock<(u64, u64)>,
    patience: Duration,
    pause: impl Fn() + Copy,
) -> usize {
    let Some(guard) = lock.try_upgradable_read_for(patience) else {
        return 0;
    };
    match RwLockUpgradableReadGuard::try_upgrade_for(guard, patience) {
        Ok(mut guard) => {
            write(&mut guard, pause);
            1
        }
        Err(mut guard) => {
            look(&guard, pause);
            RwLockUpgradableReadGuard::bump(&mut guard);
            look(&guard, pause);
            RwLockUpgradableReadGuard::unlock_fair(guard);
            0
        }
    }
}

#[test]
fn a_timed_lock_gives_up_while_it_is_held_and_gets_it_when_it_is_let_go() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.write();
        let begun = time::now();
        let moment = Duration::from_millis(2);
        assert!(lock.try_read_for(moment).is_none());
        assert!(lock.try_write_for(moment).is_none());
        assert!(lock.try_upgradable_read_for(moment).is_none());
        assert!(lock.try_read_recursive_for(moment).is_none());
        assert!(begun.elapsed() >= 4 * moment);
        assert!(lock.try_write_until(begun).is_none(), "in the past");
        let waiters = [0, 1, 2].map(|form| {
            let shared = Arc::clone(&lock);
            setting.start(move || match form {
                0 => shared.try_read_for(AGES).is_some(),
                1 => shared.try_write_for(AGES).is_some(),
                _ => shared.try_upgradable_read_for(AGES).is_some(),
            })
        });
        setting.pause();
        drop(guard);
        assert!(waiters.into_iter().all(Party::join));
        assert!(lock.try_write_for(Duration::MAX).is_some());
    });
}

#[test]
fn a_reader_waits_while_a_writer_does_but_not_a_recursive_one() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let first = lock.read();
        let shared = Arc::clone(&lock);
        let writer = setting.start(move || *shared.write() = 1);
        setting.until("the writer waits", || lock.is_locked_exclusive());
        assert!(lock.try_read().is_none());
        assert!(lock.try_read_for(Duration::from_millis(1)).is_none());
        assert!(lock.try_upgradable_read().is_none());
        let shared = Arc::clone(&lock);
        let behind = setting.start(move || *shared.read());
        let second = lock.read_recursive();
        assert!(lock.try_read_recursive().is_some());
        assert!(lock.try_read_recursive_for(AGES).is_some());
        drop(first);
        assert_eq!(*second, 0, "the writer still waits");
        assert!(!behind.is_finished());
        drop(second);
        writer.join();
        assert_eq!(behind.join(), 1, "the writer was first");
    });
}

#[test]
fn a_writer_that_gives_up_lets_in_the_readers_behind_it() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let held = lock.read();
        for _ in 0..5 {
            let shared = Arc::clone(&lock);
            let writer =
                setting.start(move || shared.try_write_for(Duration::from_millis(5)).is_some());
            setting.until("the writer waits", || {
                lock.is_locked_exclusive() || writer.is_finished()
            });
            let behind = [(); 4].map(|()| {
                let shared = Arc::clone(&lock);
                setting.start(move || *shared.read())
            });
            assert!(!writer.join());
            behind.into_iter().for_each(|reader| {
                reader.join();
            });
        }
        drop(held);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn an_upgrade_that_gives_up_lets_in_the_readers_behind_it_and_stays_upgradable() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let held = lock.read();
        let shared = Arc::clone(&lock);
        let (upgraded, over) = (Arc::new(AtomicBool::new(false)), WaitGroup::new());
        over.add(1);
        let (gave_up, end) = (Arc::clone(&upgraded), over.clone());
        let party = setting.start(move || {
            let guard = shared.upgradable_read();
            let millis = Duration::from_millis(5);
            let guard = RwLockUpgradableReadGuard::try_upgrade_for(guard, millis)
                .expect_err("somebody reads");
            gave_up.store(true, Ordering::Relaxed);
            end.wait();
            *RwLockUpgradableReadGuard::upgrade(guard) += 1;
        });
        setting.until("it waits, or did", || {
            lock.is_locked_exclusive() || upgraded.load(Ordering::Relaxed)
        });
        assert_eq!(*lock.read(), 0);
        setting.until("it gave up", || upgraded.load(Ordering::Relaxed));
        assert!(lock.try_upgradable_read().is_none());
        assert!(lock.try_read().is_some());
        over.done();
        setting.until("it waits again", || lock.is_locked_exclusive());
        drop(held);
        party.join();
        assert_eq!(*lock.read(), 1);
    });
}

#[test]
fn a_writer_is_not_starved_by_readers() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let readers = [(); 3].map(|()| {
            let (lock, over) = (Arc::clone(&lock), Arc::clone(&over));
            setting.start(move || {
                while !over.load(Ordering::Relaxed) {
                    let _guard = lock.read();
                    setting.pause();
                }
            })
        });
        for round in 0..10 {
            setting.pause();
            match round % 2 {
                0 => *lock.write() += 1,
                _ => *RwLockUpgradableReadGuard::upgrade(lock.upgradable_read()) += 1,
            }
        }
        over.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(Party::join);
        assert_eq!(*lock.read(), 10);
    });
}

#[test]
fn a_reader_is_not_starved_by_writers() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let writers = [1, 2, 3].map(|times| {
            let (lock, over) = (Arc::clone(&lock), Arc::clone(&over));
            setting.start(move || {
                while !over.load(Ordering::Relaxed) {
                    // Let go and taken again, without a pause between.
                    for _ in 1..times {
                        *lock.write() += 1;
                    }
                    let _guard = lock.write();
                    setting.pause();
                }
            })
        });
        for round in 0..10 {
            setting.pause();
            match round % 2 {
                0 => drop(lock.read()),
                _ => drop(lock.upgradable_read()),
            }
        }
        over.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(Party::join);
    });
}

#[test]
fn a_downgraded_writer_reads_what_it_wrote() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let shared = Arc::clone(&lock);
        setting.run_all(8, move |_| {
            for round in 0..100 {
                let mut guard = shared.write();
                *guard += 1;
                let mine = *guard;
                let guard = RwLockWriteGuard::downgrade(guard);
                if round % 25 == 0 {
                    setting.pause();
                }
                assert_eq!(*guard, mine);
            }
        });
        assert_eq!(*lock.read(), 800);
    });
}

#[test]
fn a_downgrade_lets_in_the_readers_who_wait() {
    for_each_setting(|setting| {
        for to_upgradable in [false, true] {
            let lock = Arc::new(RwLock::new(0));
            let mut guard = lock.write();
            let readers = [(); 3].map(|()| {
                let shared = Arc::clone(&lock);
                setting.start(move || *shared.read())
            });
            setting.pause();
            *guard = 1;
            let mine = if to_upgradable {
                (None, Some(RwLockWriteGuard::downgrade_to_upgradable(guard)))
            } else {
                (Some(RwLockWriteGuard::downgrade(guard)), None)
            };
            for reader in readers {
                assert_eq!(reader.join(), 1);
            }
            drop(mine);
        }
    });
}

#[test]
fn upgradable_readers_change_what_they_read() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0i32));
        let shared = Arc::clone(&lock);
        setting.run_all(8, move |party| {
            for _ in 0..15 {
                if party >= 6 {
                    assert!(*shared.read() >= 0);
                    continue;
                }
                let guard = shared.upgradable_read();
                let before = *guard;
                assert!(before >= 0);
                let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
                assert_eq!(*guard, before);
                *guard = -1;
                setting.pause();
                *guard = before + 1;
            }
        });
        assert_eq!(*lock.read(), 6 * 15);
    });
}
