//! A pool of equal stacks: taken, given back, trimmed, and cooled.
//!
//! ```text
//!             take                 give back
//!   warm ────────────► in use ─────────────────► dirty
//!    ▲ │                                            │ trim, in batches
//!    │ │ cool                                       │ of 64
//!    │ ▼                                            ▼
//!   (cold: no page of memory)  ◄───────────────── warm
//! ```
//!
//! * *dirty*: as it was left, perhaps with many pages touched. The most recently
//!   returned are the next to be taken: their top pages are still in the cache.
//! * *warm*: keeps the pages near its top that nearly every use needs.
//! * *cold*: keeps none. [`StackPool::cool`] makes warm stacks cold that were
//!   not needed since the last call.
//!
//! Invariant: a slot is in exactly one place: one of these three lists, a batch that
//! is being trimmed, or one [`Lease`]. Slabs are unmapped only when the pool and all its stacks
//! are gone, so a leaked stack stays mapped for ever.

use super::advise::{BATCH, Range, advise};
use super::mapping::page_size;
use super::slab::{Slabs, Slot};
use super::{Stack, StackError, rounded_reserve};
use crate::valgrind::Registration;
use parking_lot::Mutex;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes below its top that a warm stack keeps, unless the pool says otherwise.
const KEEP_BYTES: usize = 16 * 1024;

/// A source of stacks with one reserve. Clones share it.
#[derive(Clone)]
pub struct StackPool {
    shared: Arc<Shared>,
}

struct Shared {
    reserve: usize,
    slots: Mutex<Slots>,
}

struct Slots {
    slabs: Slabs,
    dirty: Vec<Slot>,
    warm: Vec<Slot>,
    cold: Vec<Slot>,
    /// Slots on their way from dirty to warm, outside of the lock.
    in_transit: usize,
    /// The fewest idle stacks that were not cold since the last cooling: so many
    /// were not needed.
    spare: usize,
    keep_bytes: usize,
    trims: u64,
}

/// A pool's counters. Stacks are counted in one of the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// Handed out and not yet given back.
    pub live: usize,
    /// Given back, with memory.
    pub pooled: usize,
    /// Ready to be taken, without memory.
    pub cold: usize,
    /// Address space of all slabs, in bytes.
    pub mapped_bytes: usize,
    /// Stacks whose deep pages were given back to the system so far.
    pub trims: u64,
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
        let slots = Mutex::new(Slots {
            slabs: Slabs::new(reserve, force_protect),
            dirty: Vec::new(),
            warm: Vec::new(),
            cold: Vec::new(),
            in_transit: 0,
            spare: 0,
            keep_bytes: KEEP_BYTES,
            trims: 0,
        });
        Ok(StackPool {
            shared: Arc::new(Shared { reserve, slots }),
        })
    }

    /// Bytes of address space per stack.
    pub fn reserve(&self) -> usize {
        self.shared.reserve
    }

    /// Sets how many bytes below its top a stack keeps when it is trimmed; the
    /// default is 16 KiB.
    pub fn set_keep_bytes(&self, bytes: usize) {
        self.shared.slots.lock().keep_bytes = bytes;
    }

    /// Takes a stack: the one returned last, or a new one.
    ///
    /// # Errors
    ///
    /// If there is none to reuse and the system refuses to map more.
    pub fn take(&self) -> Result<PooledStack, StackError> {
        Ok(PooledStack {
            lease: ManuallyDrop::new(self.lease()?),
            pool: Arc::clone(&self.shared),
        })
    }

    /// Takes a stack, for somebody who keeps the pool and [ends](StackPool::end) the lease.
    pub(super) fn lease(&self) -> Result<Lease, StackError> {
        let slot = self.shared.slots.lock().take()?;
        Ok(Lease {
            _registration: Registration::new(slot.limit, slot.top(self.shared.reserve)),
            slot,
        })
    }

    /// Takes a stack of this pool back.
    pub(super) fn end(&self, lease: Lease) {
        self.shared.end(lease);
    }

    /// Gives the deep pages of all idle stacks back to the system.
    pub fn trim(&self) {
        while self.shared.trim_batch(1) {}
    }

    /// Takes the memory of idle stacks that were not needed since the last
    /// call: half of them, rounded up, so that a pool that is left alone cools
    /// down and one that is used keeps what it needs. Trims the others.
    ///
    /// Returns how many stacks with memory are left.
    pub fn cool(&self) -> usize {
        self.trim();
        self.shared.cool()
    }

    /// Bytes of this pool's slabs that are in memory. Asks the system about
    /// every page: slow where there are many stacks.
    pub fn resident_bytes(&self) -> usize {
        self.shared.slots.lock().slabs.resident_bytes()
    }

    /// Counters of this pool.
    pub fn statistics(&self) -> PoolStatistics {
        let slots = self.shared.slots.lock();
        let pooled = slots.dirty.len() + slots.warm.len() + slots.in_transit;
        PoolStatistics {
            live: slots.slabs.carved() - pooled - slots.cold.len(),
            pooled,
            cold: slots.cold.len(),
            mapped_bytes: slots.slabs.mapped_bytes(),
            trims: slots.trims,
        }
    }
}

impl Slots {
    fn take(&mut self) -> Result<Slot, StackError> {
        let slot = self.dirty.pop().or_else(|| self.warm.pop());
        if let Some(slot) = slot {
            self.spare = self.spare.min(self.idle());
            return Ok(slot);
        }
        self.spare = 0;
        if self.cold.is_empty() {
            self.slabs.carve(&mut self.cold)?;
        }
        match self.cold.pop() {
            Some(slot) => Ok(slot),
            None => unreachable!("carving adds a slot"),
        }
    }

    fn idle(&self) -> usize {
        self.dirty.len() + self.warm.len()
    }

    /// Takes dirty slots out to be trimmed: the coldest, from `least` on.
    fn begin_trim(&mut self, least: usize) -> Vec<Slot> {
        if self.dirty.len() < least {
            return Vec::new();
        }
        let batch = self.dirty.len().min(BATCH);
        self.in_transit += batch;
        self.dirty.drain(..batch).collect()
    }
}

impl Shared {
    fn end(&self, lease: Lease) {
        // The lease is over first: the slot may be another thread's at once.
        let slot = lease.into_slot();
        let mut slots = self.slots.lock();
        slots.dirty.push(slot);
        // Twice a batch: the recently returned half stays as it is.
        if slots.dirty.len() >= 2 * BATCH {
            drop(slots);
            self.trim_batch(2 * BATCH);
        }
    }

    /// Trims a batch of the coldest dirty stacks if there are at least `least`.
    /// The system calls run outside of the lock.
    fn trim_batch(&self, least: usize) -> bool {
        let (batch, keep) = {
            let mut slots = self.slots.lock();
            (slots.begin_trim(least), slots.keep_bytes)
        };
        if batch.is_empty() {
            return false;
        }
        // SAFETY: the slots are in no list and in no use.
        unsafe { discard(&batch, self.reserve, keep) };
        let mut slots = self.slots.lock();
        slots.in_transit -= batch.len();
        slots.trims += batch.len() as u64;
        slots.warm.extend(batch);
        true
    }

    fn cool(&self) -> usize {
        let batch: Vec<_> = {
            let mut slots = self.slots.lock();
            let cooled = slots.spare.div_ceil(2).min(slots.warm.len());
            slots.in_transit += cooled;
            slots.warm.drain(..cooled).collect()
        };
        // SAFETY: the slots are in no list and in no use.
        unsafe { discard(&batch, self.reserve, 0) };
        let mut slots = self.slots.lock();
        slots.in_transit -= batch.len();
        slots.cold.extend(batch);
        slots.spare = slots.idle();
        slots.spare
    }
}

/// Gives the pages of idle stacks back, but for `keep` bytes below their tops.
/// A refusal leaves them resident, which is harmless.
///
/// # Safety
///
/// Nobody uses the slots, and what is on them is not needed.
unsafe fn discard(slots: &[Slot], reserve: usize, keep: usize) {
    let page = page_size();
    let ranges: Vec<_> = slots
        .iter()
        .filter_map(|slot| {
            let limit = slot.limit.as_ptr() as usize;
            let slot_end = slot.end(reserve).as_ptr() as usize;
            let end = slot_end.saturating_sub(keep) / page * page;
            (end > limit).then(|| Range {
                start: slot.limit,
                bytes: end - limit,
            })
        })
        .collect();
    // SAFETY: whole pages of slots that nobody uses.
    let _ = unsafe { advise(&ranges, libc::MADV_DONTNEED) };
}

/// A slot that is taken out of the pool. Whoever drops it elsewhere than in [`Shared::end`]
/// leaks the slot.
pub(super) struct Lease {
    _registration: Registration,
    slot: Slot,
}

impl Lease {
    #[inline]
    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    fn into_slot(self) -> Slot {
        self.slot
    }
}

/// A stack of a [`StackPool`]; goes back to it on drop.
pub struct PooledStack {
    lease: ManuallyDrop<Lease>,
    pool: Arc<Shared>,
}

impl PooledStack {
    /// Bytes of address space, the guard page included.
    #[inline]
    pub fn reserve(&self) -> usize {
        self.pool.reserve
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        // SAFETY: taken once, as the last use.
        let lease = unsafe { ManuallyDrop::take(&mut self.lease) };
        self.pool.end(lease);
    }
}

// SAFETY: the slot belongs to this value alone and its slab stays mapped while
// `pool` is referenced; the page below `limit` is a guard.
unsafe impl Stack for PooledStack {
    #[inline]
    fn top(&self) -> NonNull<u8> {
        self.lease.slot.top(self.pool.reserve)
    }

    #[inline]
    fn limit(&self) -> NonNull<u8> {
        self.lease.slot.limit
    }
}
