//! Code that is generic over the raw locks, as libraries are.

use super::Lines;
use super::locks::lock_api::{self, RawMutexFair, RawMutexTimed, RawRwLockFair, RawRwLockTimed};
use super::locks::lock_api::{
    RawRwLockDowngrade, RawRwLockRecursive, RawRwLockRecursiveTimed, RawRwLockUpgrade,
    RawRwLockUpgradeDowngrade, RawRwLockUpgradeFair, RawRwLockUpgradeTimed,
};
use super::locks::{
    Condvar, Mutex, MutexGuard, Once, OnceState, RawMutex, RawRwLock, RwLock, WaitTimeoutResult,
};
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// A counter with a lock of any kind.
struct Counter<R: lock_api::RawMutex>(lock_api::Mutex<R, u32>);

impl<R: lock_api::RawMutex> Counter<R> {
    fn new() -> Counter<R> {
        Counter(lock_api::Mutex::from_raw(R::INIT, 0))
    }

    fn next(&self) -> u32 {
        let mut count = self.0.lock();
        *count += 1;
        *count
    }
}

fn timed_mutex<R>(raw: &R) -> [bool; 3]
where
    R: RawMutexFair + RawMutexTimed<Duration = Duration, Instant = Instant>,
{
    raw.lock();
    let refused = raw.try_lock_for(Duration::from_millis(1));
    // SAFETY: locked above.
    unsafe { raw.bump() };
    let locked = raw.is_locked();
    // SAFETY: locked above.
    unsafe { raw.unlock_fair() };
    [refused, locked, raw.is_locked()]
}

fn timed_rwlock<R>(raw: &R) -> [bool; 8]
where
    R: RawRwLockFair
        + RawRwLockDowngrade
        + RawRwLockTimed<Duration = Duration, Instant = Instant>
        + RawRwLockRecursive
        + RawRwLockRecursiveTimed
        + RawRwLockUpgrade
        + RawRwLockUpgradeDowngrade
        + RawRwLockUpgradeFair
        + RawRwLockUpgradeTimed,
{
    let moment = Duration::from_millis(1);
    raw.lock_exclusive();
    let refused = raw.try_lock_shared_for(moment) || raw.try_lock_shared_recursive_for(moment);
    // SAFETY: each unlock, upgrade and downgrade is of what was locked just before.
    unsafe {
        raw.downgrade_to_upgradable();
        let upgraded = raw.try_upgrade() && raw.is_locked_exclusive();
        raw.downgrade();
        raw.lock_shared_recursive();
        let shared = raw.is_locked() && !raw.is_locked_exclusive();
        raw.unlock_shared();
        raw.unlock_shared_fair();
        raw.lock_upgradable();
        let second = raw.try_lock_upgradable_for(moment);
        raw.bump_upgradable();
        raw.downgrade_upgradable();
        let writer = raw.try_lock_exclusive_for(moment);
        raw.bump_shared();
        raw.unlock_shared();
        let again = raw.try_lock_exclusive_until(Instant::now() + Duration::from_secs(600));
        raw.bump_exclusive();
        raw.unlock_exclusive_fair();
        let free = !raw.is_locked();
        let upgradable = raw.try_lock_upgradable();
        raw.unlock_upgradable_fair();
        [
            refused, upgraded, shared, second, writer, again, free, upgradable,
        ]
    }
}

fn is_send_and_sync<T: Send + Sync>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn is_plain<T: Copy + Eq + Debug + Send + Sync>() {}

/// What compiles is enough.
fn bounds() {
    is_send_and_sync::<(Mutex<u8>, RwLock<u8>, Condvar, Once)>();
    is_send_and_sync::<Mutex<std::cell::Cell<u8>>>();
    is_unwind_safe::<(Condvar, Once, RawMutex, RawRwLock)>();
    fn is_movable<T: UnwindSafe>() {}
    is_movable::<(Mutex<u8>, RwLock<u8>)>();
    is_plain::<(OnceState, WaitTimeoutResult)>();
    // Guards of what may be shared may be shared.
    fn is_sync<T: Sync>() {}
    is_sync::<MutexGuard<'_, u8>>();
}

pub(super) fn run(lines: &mut Lines) {
    bounds();
    let counter = Counter::<RawMutex>::new();
    lines.say("counter", [counter.next(), counter.next()]);
    let mutex = Mutex::new(());
    // SAFETY: what is locked through it is unlocked, and nothing else.
    lines.say("raw mutex", timed_mutex(unsafe { mutex.raw() }));
    let raw = <RawRwLock as lock_api::RawRwLock>::INIT;
    lines.say("raw lock", timed_rwlock(&raw));
    let same: &lock_api::Mutex<RawMutex, ()> = &mutex;
    let lock: lock_api::RwLock<RawRwLock, u8> = RwLock::new(1);
    lines.say("same types", (same, lock));
}
