//! Guards of a read-write lock: bumped, mapped, dropped elsewhere or by a panic, not
//! there at all, and the last one, after which the lock is freed.
#![cfg(not(gorge_loom))]

mod common;

use common::for_each_setting;
use gorge_sync::lock_api::RawRwLockUpgrade as _;
use gorge_sync::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use std::sync::Arc;

#[test]
fn mapped_guards_hold_the_lock() {
    let lock = RwLock::new((1, 2));
    let mut second: MappedRwLockWriteGuard<'_, i32> =
        RwLockWriteGuard::map(lock.write(), |pair| &mut pair.1);
    *second = 5;
    assert!(lock.try_read().is_none());
    drop(second);
    let second: MappedRwLockReadGuard<'_, i32> = RwLockReadGuard::map(lock.read(), |pair| &pair.1);
    assert!(lock.try_write().is_none());
    assert_eq!(*second, 5);
    drop(second);
    assert_eq!(lock.into_inner(), (1, 5));
}

#[test]
fn guards_may_be_dropped_by_another_party() {
    for_each_setting(|setting| {
        let lock: &'static RwLock<u32> = Box::leak(Box::new(RwLock::new(0)));
        let mut guard = lock.write();
        *guard = 1;
        setting.start(move || drop(guard)).join();
        let guards = (lock.try_read(), lock.try_upgradable_read());
        assert!(guards.0.is_some() && guards.1.is_some());
        setting.start(move || drop(guards)).join();
        assert_eq!(*lock.try_write().expect("unlocked by the other"), 1);
    });
}

#[test]
fn a_panic_unlocks_and_does_not_poison() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        for form in 0..4 {
            let shared = Arc::clone(&lock);
            let party = setting.start(move || {
                let _guards = match form {
                    0 => (Some(shared.read()), None, None),
                    1 => (None, Some(shared.upgradable_read()), None),
                    2 => (None, None, Some(shared.write())),
                    _ => {
                        let guard = shared.upgradable_read();
                        let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
                        *guard = 3;
                        (None, None, Some(guard))
                    }
                };
                panic!("on purpose");
            });
            assert_eq!(party.panic_message(), "on purpose");
            assert!(lock.try_write().is_some(), "unlocked by the panic");
        }
        assert_eq!(*lock.read(), 3);
    });
}

#[test]
fn bump_lets_those_who_wait_go_first() {
    for_each_setting(|setting| {
        let lock = Arc::new(RwLock::new(0));
        let start = |writes: bool| {
            let shared = Arc::clone(&lock);
            setting.start(move || match writes {
                true => *shared.write() += 1,
                false => drop(shared.read()),
            })
        };
        let (mut guard, reader, writer) = (lock.write(), start(false), start(true));
        while *guard == 0 {
            setting.pause();
            RwLockWriteGuard::bump(&mut guard);
        }
        drop(guard);
        reader.join();
        writer.join();
        let (mut guard, writer) = (lock.read(), start(true));
        while *guard == 1 {
            setting.pause();
            RwLockReadGuard::bump(&mut guard);
        }
        drop(guard);
        writer.join();
        let (mut guard, writer) = (lock.upgradable_read(), start(true));
        while *guard == 2 {
            setting.pause();
            RwLockUpgradableReadGuard::bump(&mut guard);
        }
        drop(guard);
        writer.join();
    });
}

/// The ways to unlock what may not be locked.
#[derive(Clone, Copy)]
enum Unlock {
    Read,
    ReadFair,
    Upgradable,
    Write,
    WriteFair,
}

type Misuse = fn(&RwLock<()>, Unlock);

fn misuse(lock: &RwLock<()>, unlock: Unlock) {
    // SAFETY: against the contract; what is tested is that it is noticed before it
    // harms anybody.
    unsafe {
        match unlock {
            Unlock::Read => lock.force_unlock_read(),
            Unlock::ReadFair => lock.force_unlock_read_fair(),
            Unlock::Upgradable => lock.raw().unlock_upgradable(),
            Unlock::Write => lock.force_unlock_write(),
            Unlock::WriteFair => lock.force_unlock_write_fair(),
        }
    }
}

#[test]
fn unlocking_what_is_not_locked_panics_with_the_rule() {
    use Unlock::{Read, ReadFair, Upgradable, Write, WriteFair};
    let free: Misuse = |lock, unlock| misuse(lock, unlock);
    let cases: [(Misuse, &[Unlock]); 4] = [
        (free, &[Read, ReadFair, Upgradable, Write, WriteFair]),
        (
            |lock, unlock| {
                let _guard = lock.read();
                misuse(lock, unlock);
            },
            &[Upgradable, Write, WriteFair],
        ),
        (
            |lock, unlock| {
                let _guard = lock.upgradable_read();
                misuse(lock, unlock);
            },
            &[Read, ReadFair, Write, WriteFair],
        ),
        (
            |lock, unlock| {
                let _guard = lock.write();
                misuse(lock, unlock);
            },
            &[Read, ReadFair, Upgradable],
        ),
    ];
    for_each_setting(move |setting| {
        for (case, unlocks) in cases {
            for &unlock in unlocks {
                let party = setting.start(move || case(&RwLock::new(()), unlock));
                let who = match unlock {
                    Read | ReadFair => "readers",
                    Upgradable => "upgradable readers",
                    Write | WriteFair => "writers",
                };
                let rule = format!("RwLock: unlocked by {who} more often than locked");
                assert_eq!(party.panic_message(), rule);
            }
        }
    });
}

#[test]
fn the_last_to_lock_may_free_the_lock_at_once() {
    for_each_setting(|setting| {
        for _ in 0..60 {
            // A reference count under the lock itself: whoever takes it to zero
            // frees the lock, while the one before may still be in unlock.
            let shared = Box::into_raw(Box::new(RwLock::new(3u32))).expose_provenance();
            setting.run_all(3, move |party| {
                let pointer = std::ptr::with_exposed_provenance_mut::<RwLock<u32>>(shared);
                // SAFETY: this party's count has not been taken away yet.
                let lock = unsafe { &*pointer };
                if party > 0 {
                    drop(lock.read());
                }
                let mut count = match party {
                    0 => lock.write(),
                    _ => RwLockUpgradableReadGuard::upgrade(lock.upgradable_read()),
                };
                *count -= 1;
                let last = *count == 0;
                drop(count);
                if last {
                    // SAFETY: all others have counted down, and unlocked.
                    drop(unsafe { Box::from_raw(pointer) });
                }
            });
        }
    });
}
