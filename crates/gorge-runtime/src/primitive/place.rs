//! Where the caller runs, as a small number: for structures with a part per
//! worker.

use crate::scheduler::current;
use std::cell::Cell;

thread_local! {
    /// Only its address is used: every thread has another one. Without a
    /// destructor, so that those of other thread-locals may ask.
    static HERE: Cell<u8> = const { Cell::new(0) };
}

/// The worker's number on a worker, which are counted from one in each runtime; on
/// another OS thread a hash of the thread.
///
/// A hint: different places may have the same number, and a migrating goroutine
/// may run elsewhere by the time it has it.
#[inline]
pub fn place() -> usize {
    current::machine().map_or_else(thread_hash, |machine| machine.number() as usize)
}

/// Not inlined: the address of a thread-local must not be kept by a caller that
/// parks and goes on elsewhere.
#[inline(never)]
fn thread_hash() -> usize {
    let address = HERE.with(|here| std::ptr::from_ref(here).addr());
    // Fibonacci hashing; the upper half of the product is the good one.
    ((address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}
