//! `lock_api`'s traits: which operation of the raw lock each method is.

use super::raw::RawRwLock;
use super::word::{UPGRADABLE, WAITING, WRITER, Want};
use crate::track::Lock;
use gorge_runtime::preempt;
use gorge_runtime::time;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

impl RawRwLock {
    #[inline]
    fn shared(&self) -> Lock {
        Lock::shared(self, "RwLock")
    }

    #[inline]
    fn exclusive(&self) -> Lock {
        Lock::exclusive(self, "RwLock")
    }

    fn acquire_upgradable(&self) {
        let acquired = self.acquire_until(Want::Upgradable, || None);
        debug_assert!(acquired, "without a deadline there is no timing out");
    }
}

impl UnwindSafe for RawRwLock {}
// Its queues are whole whenever they are unlocked.
impl RefUnwindSafe for RawRwLock {}

impl Drop for RawRwLock {
    #[inline]
    fn drop(&mut self) {
        self.exclusive().is_gone();
    }
}

// SAFETY: a reader is counted in a step that finds no WRITER, or others that
// read; whoever has WRITER, which is one party at a time, writes when it finds
// no reader. See the module's description.
unsafe impl lock_api::RawRwLock for RawRwLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "the trait asks for it"
    )]
    const INIT: RawRwLock = RawRwLock::new();

    /// Nothing of the holder's thread or goroutine is remembered, so any other
    /// may unlock.
    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock_shared(&self) {
        preempt::point_at_without_cancel("read lock");
        self.shared().acquire(|| self.acquire_read(Want::Read));
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.shared().try_acquire(|| self.word.try_take(Want::Read))
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.shared().lets_go();
        self.release_read();
    }

    #[inline]
    fn lock_exclusive(&self) {
        preempt::point_at_without_cancel("write lock");
        self.exclusive().acquire(|| self.acquire_write());
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.exclusive().try_acquire(|| self.word.try_write())
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.exclusive().lets_go();
        self.release_write(false);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        preempt::point_at_without_cancel("look at a lock");
        let state = self.word.load();
        state.has(WRITER | UPGRADABLE) || state.readers() > 0
    }

    #[inline]
    fn is_locked_exclusive(&self) -> bool {
        preempt::point_at_without_cancel("look at a lock");
        self.word.load().has(WRITER)
    }
}

// SAFETY: as for `RawRwLock`; a token is handed to one waiter.
unsafe impl lock_api::RawRwLockFair for RawRwLock {
    /// Whoever waits for a reader to leave is told at once, in any case.
    #[inline]
    unsafe fn unlock_shared_fair(&self) {
        self.shared().lets_go();
        self.release_read();
    }

    #[inline]
    unsafe fn unlock_exclusive_fair(&self) {
        self.exclusive().lets_go();
        self.release_write(true);
    }

    #[inline]
    unsafe fn bump_shared(&self) {
        if self.word.load().has(WRITER) {
            self.shared().lets_go();
            self.release_read();
            self.shared().acquire(|| self.acquire_read(Want::Read));
        }
    }

    #[inline]
    unsafe fn bump_exclusive(&self) {
        if self.word.load().has(WAITING) {
            self.exclusive().lets_go();
            self.release_write(true);
            self.exclusive().acquire(|| self.acquire_write());
        }
    }
}

// SAFETY: as for `RawRwLock`; the reader is counted in the step that gives up
// WRITER.
unsafe impl lock_api::RawRwLockDowngrade for RawRwLock {
    #[inline]
    unsafe fn downgrade(&self) {
        preempt::point_at_without_cancel("downgrade");
        self.downgrade(WRITER);
    }
}

// SAFETY: as for `RawRwLock`; a timed form that fails leaves the lock as it was.
unsafe impl lock_api::RawRwLockTimed for RawRwLock {
    type Duration = Duration;
    type Instant = Instant;

    #[inline]
    fn try_lock_shared_for(&self, timeout: Duration) -> bool {
        let deadline = || time::now().checked_add(timeout);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::Read, deadline))
    }

    #[inline]
    fn try_lock_shared_until(&self, deadline: Instant) -> bool {
        let deadline = || Some(deadline);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::Read, deadline))
    }

    #[inline]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> bool {
        let deadline = || time::now().checked_add(timeout);
        self.exclusive()
            .try_acquire(|| self.acquire_until(Want::Write, deadline))
    }

    #[inline]
    fn try_lock_exclusive_until(&self, deadline: Instant) -> bool {
        let deadline = || Some(deadline);
        self.exclusive()
            .try_acquire(|| self.acquire_until(Want::Write, deadline))
    }
}

// SAFETY: as for `RawRwLock`: while others read, nobody writes.
unsafe impl lock_api::RawRwLockRecursive for RawRwLock {
    #[inline]
    fn lock_shared_recursive(&self) {
        preempt::point_at_without_cancel("read lock");
        self.shared()
            .acquire(|| self.acquire_read(Want::ReadRecursive));
    }

    #[inline]
    fn try_lock_shared_recursive(&self) -> bool {
        self.shared()
            .try_acquire(|| self.word.try_take(Want::ReadRecursive))
    }
}

// SAFETY: as for the recursive and the timed forms.
unsafe impl lock_api::RawRwLockRecursiveTimed for RawRwLock {
    #[inline]
    fn try_lock_shared_recursive_for(&self, timeout: Duration) -> bool {
        let deadline = || time::now().checked_add(timeout);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::ReadRecursive, deadline))
    }

    #[inline]
    fn try_lock_shared_recursive_until(&self, deadline: Instant) -> bool {
        let deadline = || Some(deadline);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::ReadRecursive, deadline))
    }
}

// SAFETY: UPGRADABLE is a token that keeps WRITER from all but its owner, who
// changes one for the other in one step, and then waits for the readers.
unsafe impl lock_api::RawRwLockUpgrade for RawRwLock {
    #[inline]
    fn lock_upgradable(&self) {
        preempt::point_at_without_cancel("upgradable lock");
        self.shared().acquire(|| self.acquire_upgradable());
    }

    #[inline]
    fn try_lock_upgradable(&self) -> bool {
        self.shared()
            .try_acquire(|| self.word.try_take(Want::Upgradable))
    }

    #[inline]
    unsafe fn unlock_upgradable(&self) {
        self.shared().lets_go();
        self.release_upgradable(false);
    }

    #[inline]
    unsafe fn upgrade(&self) {
        preempt::point_at_without_cancel("upgrade");
        let upgraded = self.upgrade_until(|| None);
        debug_assert!(upgraded, "without a deadline there is no timing out");
    }

    #[inline]
    unsafe fn try_upgrade(&self) -> bool {
        preempt::point_at_without_cancel("try to upgrade");
        self.word.upgrade(true)
    }
}

// SAFETY: as for the upgradable and the fair forms.
unsafe impl lock_api::RawRwLockUpgradeFair for RawRwLock {
    #[inline]
    unsafe fn unlock_upgradable_fair(&self) {
        self.shared().lets_go();
        self.release_upgradable(true);
    }

    #[inline]
    unsafe fn bump_upgradable(&self) {
        if self.word.load().has(WAITING) {
            self.shared().lets_go();
            self.release_upgradable(true);
            self.shared().acquire(|| self.acquire_upgradable());
        }
    }
}

// SAFETY: as for `RawRwLock`; each is one step from the one to the other.
unsafe impl lock_api::RawRwLockUpgradeDowngrade for RawRwLock {
    #[inline]
    unsafe fn downgrade_upgradable(&self) {
        preempt::point_at_without_cancel("downgrade");
        self.downgrade(UPGRADABLE);
    }

    #[inline]
    unsafe fn downgrade_to_upgradable(&self) {
        preempt::point_at_without_cancel("downgrade");
        self.downgrade_to_upgradable();
    }
}

// SAFETY: as for the upgradable and the timed forms; an upgrade that fails
// leaves UPGRADABLE with its owner.
unsafe impl lock_api::RawRwLockUpgradeTimed for RawRwLock {
    #[inline]
    fn try_lock_upgradable_for(&self, timeout: Duration) -> bool {
        let deadline = || time::now().checked_add(timeout);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::Upgradable, deadline))
    }

    #[inline]
    fn try_lock_upgradable_until(&self, deadline: Instant) -> bool {
        let deadline = || Some(deadline);
        self.shared()
            .try_acquire(|| self.acquire_until(Want::Upgradable, deadline))
    }

    #[inline]
    unsafe fn try_upgrade_for(&self, timeout: Duration) -> bool {
        preempt::point_at_without_cancel("try to upgrade");
        self.upgrade_until(|| time::now().checked_add(timeout))
    }

    #[inline]
    unsafe fn try_upgrade_until(&self, deadline: Instant) -> bool {
        preempt::point_at_without_cancel("try to upgrade");
        self.upgrade_until(|| Some(deadline))
    }
}
