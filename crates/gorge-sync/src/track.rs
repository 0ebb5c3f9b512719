//! Tells the runtime who holds which lock, where that is asked for
//! (`gorge_runtime::locks`), and a simulation where others may run: one relaxed load and a
//! branch where neither is.

use gorge_runtime::locks::{self, Mode};

/// Names a lock, and the way in which it is to be held.
#[derive(Clone, Copy)]
pub(crate) struct Lock {
    address: usize,
    kind: &'static str,
    mode: Mode,
}

impl Lock {
    #[inline]
    pub(crate) fn exclusive<T>(lock: &T, kind: &'static str) -> Lock {
        Lock {
            address: std::ptr::from_ref(lock).addr(),
            kind,
            mode: Mode::Exclusive,
        }
    }

    #[inline]
    pub(crate) fn shared<T>(lock: &T, kind: &'static str) -> Lock {
        Lock {
            mode: Mode::Shared,
            ..Lock::exclusive(lock, kind)
        }
    }

    /// The caller has acquired it.
    #[inline]
    pub(crate) fn has(self) {
        if locks::are_told() {
            locks::has(self.address, self.mode);
        }
    }

    /// Acquires it by `acquire`, which waits as long as it takes.
    #[inline]
    pub(crate) fn acquire(self, acquire: impl FnOnce()) {
        if locks::are_told() {
            return self.acquire_tracked(acquire);
        }
        acquire();
    }

    #[cold]
    #[inline(never)]
    fn acquire_tracked(self, acquire: impl FnOnce()) {
        locks::wants(self.address, self.kind, self.mode);
        acquire();
        locks::has(self.address, self.mode);
    }

    /// Acquires it by `acquire`, which may give up: so it ends a wait for ever, and
    /// takes no part in one.
    #[inline]
    pub(crate) fn try_acquire(self, acquire: impl FnOnce() -> bool) -> bool {
        if locks::are_told() {
            return self.try_acquire_tracked(acquire);
        }
        acquire()
    }

    #[cold]
    #[inline(never)]
    fn try_acquire_tracked(self, acquire: impl FnOnce() -> bool) -> bool {
        locks::tries();
        let acquired = acquire();
        if acquired {
            locks::has(self.address, self.mode);
        }
        acquired
    }

    /// Call it before the lock is released.
    #[inline]
    pub(crate) fn lets_go(self) {
        if locks::are_told() {
            locks::lets_go(self.address);
        }
    }

    /// Call it when the lock is dropped.
    #[inline]
    pub(crate) fn is_gone(self) {
        if locks::are_told() {
            locks::is_gone(self.address);
        }
    }
}
