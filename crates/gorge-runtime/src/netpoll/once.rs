//! A place that is filled once, and read without a lock from then on.
//!
//! As `std::sync::OnceLock`, for a caller that has a lock for the filling; made
//! of our own atomics, which ThreadSanitizer sees.

use crate::primitive::atomic::{AtomicPtr, Ordering};
use std::marker::PhantomData;
use std::ptr::null_mut;

/// See the module's description.
pub(super) struct Once<T> {
    /// Null, or from `Box::into_raw`.
    value: AtomicPtr<T>,
    owns: PhantomData<T>,
}

// SAFETY: the place owns its value and gives shared references to it. For
// `Sync`, the value also moves in through one: hence `T: Send`.
unsafe impl<T: Send> Send for Once<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once {
            value: AtomicPtr::new(null_mut()),
            owns: PhantomData,
        }
    }
}

impl<T> Once<T> {
    /// The value, if there is one.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        // Acquire: pairs with the Release in `fill`.
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: null, or a value that stays until this is dropped.
        unsafe { value.as_ref() }
    }

    /// Puts a value in, unless there is one, and returns what is there then.
    pub(super) fn fill(&self, value: T) -> &T {
        let new = Box::into_raw(Box::new(value));
        // Release: who gets the value sees what was written into it. Acquire:
        // as in `get`.
        let filled =
            self.value
                .compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        match filled {
            // SAFETY: it stays until this is dropped.
            Ok(_) => unsafe { &*new },
            Err(old) => {
                // SAFETY: nobody else has seen the new one. The old one is not
                // null, and stays.
                unsafe {
                    drop(Box::from_raw(new));
                    &*old
                }
            }
        }
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        let value = self.value.load(Ordering::Relaxed);
        if !value.is_null() {
            // SAFETY: it came from a box, and nobody refers to it any more.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}
