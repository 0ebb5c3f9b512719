//! Stacks: what a fiber needs of one, and the two kinds this crate provides.
//!
//! * [`OwnedStack`]: one mapping for one stack.
//! * [`PooledStack`]: a slot of a [`StackPool`]'s slabs, given back on drop;
//!   [`StackClasses`] holds a pool for each size.
//!
//! Address space is reserved, pages are committed when first touched, and the
//! page below every stack is a guard: touching it is a fault, never silent
//! corruption.

mod advise;
mod classes;
mod error;
mod guard;
mod local;
mod mapping;
mod owned;
mod pool;
mod resident;
mod slab;

pub use classes::StackClasses;
pub use error::StackError;
pub use local::{LocalStack, LocalStackPool};
pub use owned::OwnedStack;
pub use pool::{PoolStatistics, PooledStack, StackPool};
pub use resident::{high_water, release_below};

use std::ptr::NonNull;

/// Address space per stack unless the caller says otherwise: 256 KiB.
pub const DEFAULT_RESERVE: usize = 256 * 1024;

/// The smallest reserve: enough for a panic message with a backtrace.
pub const MIN_RESERVE: usize = 16 * 1024;

/// The largest reserve.
pub const MAX_RESERVE: usize = 1 << 30;

/// Bytes of the guard below a stack: at least a page. An access there faults.
pub const GUARD_BYTES: usize = 4096;

/// Memory that a fiber can run on.
///
/// # Safety
///
/// The bytes from `limit` to `top` are writable and used by nobody else while
/// the value lives, *even if it is leaked*: frames on a leaked stack may be
/// pointed to for ever. Both addresses never change. `top` is 16-byte aligned,
/// at least [`MIN_RESERVE`] minus two pages above `limit`, and an access below
/// `limit`, up to a page, faults.
pub unsafe trait Stack {
    /// One past the highest usable byte.
    fn top(&self) -> NonNull<u8>;
    /// The lowest usable byte.
    fn limit(&self) -> NonNull<u8>;
}

/// The caller's stack pointer: what is below it, down to the limit of the stack
/// that it lies on, is free.
#[inline(always)]
pub fn pointer() -> usize {
    crate::arch::stack_pointer()
}

/// Checks a requested reserve and rounds it up to whole pages.
fn rounded_reserve(bytes: usize) -> Result<usize, StackError> {
    if bytes > MAX_RESERVE {
        return Err(StackError::ReserveTooLarge { requested: bytes });
    }
    let page = mapping::page_size();
    // Where pages are large, the guard alone may be the smallest reserve.
    Ok(bytes.max(MIN_RESERVE).max(2 * page).next_multiple_of(page))
}
