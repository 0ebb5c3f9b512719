//! An item in use, which goes back to its pool when it is dropped.

use super::idle::Idle;
use gorge_runtime::preempt;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

/// An item of a [`Pool`](super::Pool), which is given back when this is dropped.
///
/// It may be sent elsewhere, and be given back there. [`PoolGuard::into_inner`]
/// keeps the item.
#[must_use = "an item that is dropped is given back at once"]
pub struct PoolGuard<'a, T> {
    idle: &'a Idle<T>,
    /// Taken out by `drop` and `into_inner`, one of which runs.
    item: ManuallyDrop<T>,
}

impl<'a, T> PoolGuard<'a, T> {
    #[inline]
    pub(super) fn new(idle: &'a Idle<T>, item: T) -> PoolGuard<'a, T> {
        PoolGuard {
            idle,
            item: ManuallyDrop::new(item),
        }
    }

    /// The item, which the pool does not get back.
    ///
    /// ```
    /// let pool = gorge_sync::Pool::new(String::new);
    /// let mut line = pool.get();
    /// line.push_str("kept");
    /// let line: String = gorge_sync::PoolGuard::into_inner(line);
    /// assert_eq!((line.as_str(), pool.idle()), ("kept", 0));
    /// ```
    #[must_use = "an item that is not to be kept is given back by dropping its guard"]
    pub fn into_inner(guard: PoolGuard<'a, T>) -> T {
        let mut guard = ManuallyDrop::new(guard);
        // SAFETY: the guard is not used again, and not dropped.
        unsafe { ManuallyDrop::take(&mut guard.item) }
    }
}

impl<T> Drop for PoolGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        preempt::point_at_without_cancel("give to a pool");
        // SAFETY: the guard is not used again.
        self.idle.put(unsafe { ManuallyDrop::take(&mut self.item) });
    }
}

impl<T> Deref for PoolGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for PoolGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for PoolGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
