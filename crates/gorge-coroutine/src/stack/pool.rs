//! A pool of equal stacks, carved from slabs and recycled last in, first out.
//!
//! ```text
//!   slab (one mapping)
//!   +-------+--------------------+-------+--------------------+----
//!   | guard | slot 0, grows down | guard | slot 1, grows down | ...
//!   +-------+--------------------+-------+--------------------+----
//! ```
//!
//! Slabs grow from 64 slots to 4096, so that few stacks cost little address
//! space and many cost few mappings. The most recently returned stack is the
//! next to be taken: its top pages are still in the cache. Tops are staggered
//! by a few cache lines, because equal page offsets alias in the L1 cache.
//!
//! Invariant: a slot is in exactly one place: not yet carved, in the free
//! list, or in one [`PooledStack`]. Slabs are unmapped only when the pool and
//! all its stacks are gone, so a leaked stack stays mapped for ever.

use super::guard::{Budget, Method};
use super::mapping::{Mapping, page_size};
use super::{Stack, StackError, rounded_reserve};
use parking_lot::Mutex;
use std::ptr::NonNull;
use std::sync::Arc;

const SLAB_SLOTS_MIN: usize = 64;
const SLAB_SLOTS_MAX: usize = 4096;
/// Address space of a slab at most, unless one slot alone is larger.
const SLAB_BYTES_MAX: usize = 1 << 30;
/// Tops are staggered over this many steps of [`COLOUR_BYTES`].
const COLOURS: usize = 16;
const COLOUR_BYTES: usize = 128;

/// A source of stacks with one reserve. Clones share it.
#[derive(Clone)]
pub struct StackPool {
    shared: Arc<Shared>,
}

struct Shared {
    reserve: usize,
    /// Whether guard markers are not even tried.
    force_protect: bool,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    slabs: Vec<Mapping>,
    /// Slots of the newest slab that have been carved.
    carved_of_last: usize,
    carved: usize,
    free: Vec<Slot>,
    guards: Option<(Method, Budget)>,
}

/// One slot: its usable bytes.
#[derive(Clone, Copy)]
struct Slot {
    limit: NonNull<u8>,
    top: NonNull<u8>,
}

// SAFETY: a slot is an address range; ownership of it moves with the value.
unsafe impl Send for Slot {}

/// A pool's counters, in stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// Handed out and not yet given back.
    pub live: usize,
    /// Given back and ready to be taken again.
    pub pooled: usize,
    /// Address space of all slabs, in bytes.
    pub mapped_bytes: usize,
}

impl StackPool {
    /// A pool of stacks with `reserve` bytes of address space each, the guard
    /// page included. Nothing is mapped yet.
    ///
    /// # Errors
    ///
    /// If the reserve is above 1 GiB.
    pub fn new(reserve: usize) -> Result<StackPool, StackError> {
        StackPool::build(reserve, false)
    }

    /// A pool that makes its guard pages by `mprotect` even where the kernel
    /// has guard markers, so that the fallback can be tested anywhere.
    #[doc(hidden)]
    pub fn with_protected_guards(reserve: usize) -> Result<StackPool, StackError> {
        StackPool::build(reserve, true)
    }

    fn build(reserve: usize, force_protect: bool) -> Result<StackPool, StackError> {
        let reserve = rounded_reserve(reserve)?;
        let slots = Mutex::new(Slots::default());
        Ok(StackPool {
            shared: Arc::new(Shared {
                reserve,
                force_protect,
                slots,
            }),
        })
    }

    /// Bytes of address space per stack.
    pub fn reserve(&self) -> usize {
        self.shared.reserve
    }

    /// Takes a stack: the one returned last, or a new one.
    ///
    /// # Errors
    ///
    /// If there is none to reuse and the system refuses to map more.
    pub fn take(&self) -> Result<PooledStack, StackError> {
        let slot = {
            let mut slots = self.shared.slots.lock();
            match slots.free.pop() {
                Some(slot) => slot,
                None => slots.carve(&self.shared)?,
            }
        };
        Ok(PooledStack {
            slot,
            pool: Arc::clone(&self.shared),
        })
    }

    /// Counters of this pool.
    pub fn statistics(&self) -> PoolStatistics {
        let slots = self.shared.slots.lock();
        PoolStatistics {
            live: slots.carved - slots.free.len(),
            pooled: slots.free.len(),
            mapped_bytes: slots.slabs.iter().map(Mapping::bytes).sum(),
        }
    }
}

impl Slots {
    /// A slot that was never used, from the newest slab or a new one.
    fn carve(&mut self, shared: &Shared) -> Result<Slot, StackError> {
        if let Some((Method::Protect, budget)) = self.guards {
            budget.check(self.carved)?;
        }
        let capacity = self
            .slabs
            .last()
            .map_or(0, |slab| slab.bytes() / shared.reserve);
        if self.carved_of_last == capacity {
            let slots = (capacity * 2).clamp(SLAB_SLOTS_MIN, SLAB_SLOTS_MAX);
            let bytes = (slots * shared.reserve).min(SLAB_BYTES_MAX.max(shared.reserve));
            self.slabs
                .push(Mapping::reserve(bytes / shared.reserve * shared.reserve)?);
            self.carved_of_last = 0;
        }
        let Some(slab) = self.slabs.last() else {
            unreachable!("a slab was just ensured")
        };
        // SAFETY: `carved_of_last` is below the slab's number of slots.
        let start = unsafe { slab.start().add(self.carved_of_last * shared.reserve) };
        self.guard(start, shared.force_protect)?;
        let colour = self.carved % COLOURS * COLOUR_BYTES;
        self.carved_of_last += 1;
        self.carved += 1;
        // SAFETY: both lie inside the slot, which is larger than a page and all colours.
        unsafe {
            Ok(Slot {
                limit: start.add(page_size()),
                top: start.add(shared.reserve - colour),
            })
        }
    }

    /// Makes the page at `start` a guard; the first call finds out how.
    fn guard(&mut self, start: NonNull<u8>, force_protect: bool) -> Result<(), StackError> {
        match self.guards {
            Some((method, _)) => method.install(start),
            None => {
                let method = if force_protect {
                    Method::Protect.install(start).map(|()| Method::Protect)?
                } else {
                    Method::detect(start)?
                };
                self.guards = Some((method, Budget::read()));
                Ok(())
            }
        }
    }
}

/// A stack of a [`StackPool`]; goes back to it on drop.
pub struct PooledStack {
    slot: Slot,
    pool: Arc<Shared>,
}

impl PooledStack {
    /// Bytes of address space, the guard page included.
    pub fn reserve(&self) -> usize {
        self.pool.reserve
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        self.pool.slots.lock().free.push(self.slot);
    }
}

// SAFETY: the slot belongs to this value alone and its slab stays mapped while
// `pool` is referenced; the page below `limit` is a guard.
unsafe impl Stack for PooledStack {
    fn top(&self) -> NonNull<u8> {
        self.slot.top
    }

    fn limit(&self) -> NonNull<u8> {
        self.slot.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(stack: &PooledStack) {
        // SAFETY: the bytes below the top belong to the stack.
        unsafe { stack.top().sub(64).write_bytes(7, 64) }
    }

    #[test]
    fn the_stack_returned_last_is_taken_first() {
        let pool = StackPool::new(64 * 1024).expect("a reserve within bounds");
        let first = pool.take().expect("address space");
        let second = pool.take().expect("address space");
        let top = first.top();
        drop(second);
        drop(first);
        assert_eq!(pool.take().expect("pooled").top(), top);
    }

    #[test]
    fn stacks_do_not_overlap_across_slabs() {
        for pool in [
            StackPool::new(16 * 1024),
            StackPool::with_protected_guards(16 * 1024),
        ] {
            let pool = pool.expect("a reserve within bounds");
            let stacks: Vec<_> = (0..300).map(|_| pool.take().expect("a stack")).collect();
            stacks.iter().for_each(touch);
            let mut ranges: Vec<_> = stacks.iter().map(|s| (s.limit(), s.top())).collect();
            ranges.sort();
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
            assert_eq!(pool.statistics().live, 300);
            drop(stacks);
            let statistics = pool.statistics();
            assert_eq!((statistics.live, statistics.pooled), (0, 300));
        }
    }

    #[test]
    fn a_reserve_above_one_gibibyte_is_refused() {
        let error = StackPool::new(2 << 30).err().expect("too large");
        assert!(error.to_string().contains("1 GiB"), "{error}");
    }
}
