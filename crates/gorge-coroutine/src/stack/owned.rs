//! One stack, one mapping: for a coroutine that stands alone.

use super::guard::Method;
use super::mapping::{Mapping, page_size};
use super::{Stack, StackError, rounded_reserve};
use crate::valgrind::Registration;
use std::ptr::NonNull;

/// A stack in a mapping of its own, unmapped on drop.
///
/// Costs three system calls and a fault per use. [`StackPool`](super::StackPool)
/// makes many cheaper.
pub struct OwnedStack {
    /// Dropped before the mapping.
    _registration: Registration,
    mapping: Mapping,
}

impl OwnedStack {
    /// Maps a stack with `reserve` bytes of address space, its guard page
    /// included. Small values are raised to [`MIN_RESERVE`](super::MIN_RESERVE).
    ///
    /// # Errors
    ///
    /// If the reserve is above 1 GiB, or the system refuses.
    pub fn new(reserve: usize) -> Result<OwnedStack, StackError> {
        let mapping = Mapping::reserve(rounded_reserve(reserve)?)?;
        let page = mapping.start();
        if Method::detect(page) == Method::Protect {
            Method::Protect.install(&[page])?;
        }
        // SAFETY: a mapping holds more than one page, and ends where it ends.
        let (limit, top) = unsafe { (page.add(page_size()), page.add(mapping.bytes())) };
        Ok(OwnedStack {
            _registration: Registration::new(limit, top),
            mapping,
        })
    }

    /// Bytes of address space, the guard page included.
    #[inline]
    pub fn reserve(&self) -> usize {
        self.mapping.bytes()
    }
}

// SAFETY: the mapping is private to this value and stays mapped until its drop;
// its lowest page is a guard.
unsafe impl Stack for OwnedStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        // SAFETY: one past the end of the mapping.
        unsafe { self.mapping.start().add(self.mapping.bytes()) }
    }

    #[inline]
    fn limit(&self) -> NonNull<u8> {
        // SAFETY: a mapping holds more than one page.
        unsafe { self.mapping.start().add(page_size()) }
    }
}
