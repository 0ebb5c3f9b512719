//! One cache: a short stack of idle items, under a lock of its own.
//!
//! The lock is held for a few dozen instructions: items are moved in and out under
//! it, and never made or dropped, and nothing is allocated. So no code of a user
//! runs with it.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_runtime::primitive::{RawLock, UnsafeCell};
use std::mem;

/// See the module's description.
pub(super) struct Cache<T> {
    lock: RawLock,
    /// How many items there are, for those who look without the lock.
    len: AtomicUsize,
    /// Under the lock.
    items: UnsafeCell<Items<T>>,
}

struct Items<T> {
    /// Never grows beyond the capacity it was made with.
    stack: Vec<T>,
    /// How many, from the bottom, nobody has taken since the last `shrink`.
    untouched: usize,
}

// SAFETY: the items are touched under the lock only, by one thread at a time; so
// sharing the cache sends items.
unsafe impl<T: Send> Sync for Cache<T> {}

/// Why an item was not taken in, with the item.
pub(super) enum Refused<T> {
    Full(T),
    /// Somebody else has the lock.
    Busy(T),
}

impl<T> Cache<T> {
    pub(super) fn new(capacity: usize) -> Cache<T> {
        Cache {
            lock: RawLock::new(),
            len: AtomicUsize::new(0),
            items: UnsafeCell::new(Items {
                stack: Vec::with_capacity(capacity),
                untouched: 0,
            }),
        }
    }

    /// About how many items there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// The item that was put last, unless somebody else has the lock.
    #[inline]
    pub(super) fn try_pop(&self) -> Option<T> {
        if self.len() == 0 || !self.lock.try_lock() {
            return None;
        }
        // SAFETY: locked above.
        unsafe {
            self.edit_and_unlock(|items| {
                let item = items.stack.pop();
                items.untouched = items.untouched.min(items.stack.len());
                item
            })
        }
    }

    /// Takes an item in, unless `capacity` are there or somebody else has the lock.
    #[inline]
    pub(super) fn try_push(&self, item: T, capacity: usize) -> Result<(), Refused<T>> {
        if !self.lock.try_lock() {
            return Err(Refused::Busy(item));
        }
        // SAFETY: locked above.
        unsafe { self.push_and_unlock(item, capacity) }.map_err(Refused::Full)
    }

    /// As [`try_push`](Cache::try_push), but waits for the lock.
    #[cold]
    pub(super) fn push(&self, item: T, capacity: usize) -> Result<(), T> {
        self.lock.lock();
        // SAFETY: locked above.
        unsafe { self.push_and_unlock(item, capacity) }
    }

    /// All items.
    pub(super) fn take_all(&self, capacity: usize) -> Vec<T> {
        let empty = Vec::with_capacity(capacity);
        self.lock.lock();
        // SAFETY: locked above.
        unsafe {
            self.edit_and_unlock(|items| {
                items.untouched = 0;
                mem::replace(&mut items.stack, empty)
            })
        }
    }

    /// The items that nobody has taken since the last call of this.
    pub(super) fn take_untouched(&self, capacity: usize) -> Vec<T> {
        let mut untouched = Vec::with_capacity(capacity);
        self.lock.lock();
        // SAFETY: locked above. There is room for all items: nothing is allocated.
        unsafe {
            self.edit_and_unlock(|items| {
                untouched.extend(items.stack.drain(..items.untouched));
                items.untouched = items.stack.len();
            });
        }
        untouched
    }

    /// # Safety
    ///
    /// The caller has the lock, which is released.
    #[inline]
    unsafe fn push_and_unlock(&self, item: T, capacity: usize) -> Result<(), T> {
        // SAFETY: the caller's contract.
        unsafe {
            self.edit_and_unlock(|items| {
                if items.stack.len() == capacity {
                    return Err(item);
                }
                items.stack.push(item);
                Ok(())
            })
        }
    }

    /// # Safety
    ///
    /// The caller has the lock, which is released. `f` does not panic.
    #[inline]
    unsafe fn edit_and_unlock<R>(&self, f: impl FnOnce(&mut Items<T>) -> R) -> R {
        let result = self.items.with_mut(|items| {
            // SAFETY: the lock is held, by this party only.
            let items = unsafe { &mut *items };
            let result = f(items);
            self.len.store(items.stack.len(), Ordering::Relaxed);
            result
        });
        // SAFETY: held, by this contract; the caller borrows the cache.
        unsafe { self.lock.unlock() };
        result
    }
}
