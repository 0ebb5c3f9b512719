//! The lock's twin for loom: loom's mutex, whose waiters block, where spinning
//! ones could take turns for ever.

use loom::sync::{Mutex, MutexGuard};
use std::cell::UnsafeCell;
use std::mem;

/// A lock without data, as outside of loom.
#[derive(Default)]
pub struct RawLock {
    /// Before the mutex, to be dropped first.
    guard: UnsafeCell<Option<MutexGuard<'static, ()>>>,
    mutex: Mutex<()>,
}

// SAFETY: the guard is touched by the holder of the mutex only.
unsafe impl Send for RawLock {}
// SAFETY: as above.
unsafe impl Sync for RawLock {}

impl RawLock {
    /// A free lock.
    pub fn new() -> RawLock {
        RawLock::default()
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> bool {
        match self.mutex.try_lock() {
            Ok(guard) => self.keep(guard),
            Err(_) => return false,
        }
        true
    }

    /// Takes the lock.
    pub fn lock(&self) {
        self.keep(self.mutex.lock().expect("loom's mutexes are not poisoned"));
    }

    fn keep(&self, guard: MutexGuard<'_, ()>) {
        // SAFETY: the mutex is held, and the guard stays beside it.
        unsafe { *self.guard.get() = Some(mem::transmute::<MutexGuard<'_, ()>, _>(guard)) };
    }

    /// Releases the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, or was given it by the holder.
    pub unsafe fn unlock(&self) {
        // SAFETY: the mutex is held until the guard is dropped.
        let guard = unsafe { (*self.guard.get()).take() };
        drop(guard);
    }
}
