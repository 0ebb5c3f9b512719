//! Slabs: large mappings from which stacks are carved in batches.
//!
//! ```text
//!   slab (one mapping)
//!   +-------+--------------------+-------+--------------------+----
//!   | guard | slot 0, grows down | guard | slot 1, grows down | ...
//!   +-------+--------------------+-------+--------------------+----
//! ```
//!
//! Slabs grow from 64 slots to 4096, so that few stacks cost little address
//! space and many cost few mappings. Tops are staggered by a few cache lines,
//! because equal page offsets alias in the L1 cache.
//!
//! Page tables: a stack that is barely used touches its top, and its guard
//! marker needs an entry too. With strides of 2 MiB and more these lie in
//! different page-table pages, 8 KiB per stack. So such slabs begin in the
//! middle of a 2 MiB region: then a guard shares its page-table page with the
//! top of the slot below it.

use super::StackError;
use super::guard::{Budget, Method};
use super::mapping::{Mapping, page_size};
use std::ptr::NonNull;

const SLOTS_MIN: usize = 64;
const SLOTS_MAX: usize = 4096;
/// Address space of a slab at most, unless one slot alone is larger.
const BYTES_MAX: usize = 1 << 30;
/// Stacks carved at once, with one system call for their guards.
const BATCH: usize = 32;
/// Tops are staggered over sixteen steps of this size.
const COLOUR_BYTES: usize = 128;
/// What one page-table page maps.
const REGION: usize = 2 << 20;

/// One slot: its lowest usable byte. The rest follows from the pool's reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) limit: NonNull<u8>,
}

impl Slot {
    /// One past the slot's last byte.
    #[inline]
    pub(super) fn end(self, reserve: usize) -> NonNull<u8> {
        // SAFETY: a slot is `reserve` bytes from its guard page on.
        unsafe { self.limit.add(reserve - page_size()) }
    }

    /// Where the stack begins: the end, less the slot's colour.
    #[inline]
    pub(super) fn top(self, reserve: usize) -> NonNull<u8> {
        // Fibonacci hashing of the address: cheaper than a slot's number, which
        // would take a division. Its four highest bits are the colour.
        let hash = (self.limit.as_ptr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let colour = (hash >> 60) as usize * COLOUR_BYTES;
        // SAFETY: a slot is larger than a page and all colours together.
        unsafe { self.end(reserve).sub(colour) }
    }
}

// SAFETY: a slot is an address range; ownership of it moves with the value.
unsafe impl Send for Slot {}

/// The slabs of one pool, with slots of one size.
pub(super) struct Slabs {
    reserve: usize,
    /// Whether guard markers are not even tried.
    force_protect: bool,
    slabs: Vec<Slab>,
    /// Slots carved from all slabs.
    carved: usize,
    guards: Option<(Method, Budget)>,
}

struct Slab {
    mapping: Mapping,
    /// Offset of the first slot.
    offset: usize,
    slots: usize,
    carved: usize,
}

impl Slabs {
    pub(super) fn new(reserve: usize, force_protect: bool) -> Slabs {
        Slabs {
            reserve,
            force_protect,
            slabs: Vec::new(),
            carved: 0,
            guards: None,
        }
    }

    pub(super) fn carved(&self) -> usize {
        self.carved
    }

    pub(super) fn mapped_bytes(&self) -> usize {
        self.slabs.iter().map(|slab| slab.mapping.bytes()).sum()
    }

    pub(super) fn resident_bytes(&self) -> usize {
        let slabs = self.slabs.iter();
        slabs.map(|slab| slab.mapping.resident_bytes()).sum()
    }

    /// Adds slots that were never used to `free`, at least one.
    pub(super) fn carve(&mut self, free: &mut Vec<Slot>) -> Result<(), StackError> {
        if self
            .slabs
            .last()
            .is_none_or(|slab| slab.carved == slab.slots)
        {
            self.add_slab()?;
        }
        let Some(slab) = self.slabs.last_mut() else {
            unreachable!("a slab was just ensured")
        };
        let page = slab.slot(slab.carved, self.reserve);
        let (method, budget) = *self.guards.get_or_insert_with(|| {
            let method = if self.force_protect {
                Method::Protect
            } else {
                Method::detect(page)
            };
            (method, Budget::read())
        });
        // A lone pool starts small: one stack, two, four.
        let wanted = BATCH.min(self.carved.max(1)).min(slab.slots - slab.carved);
        let batch = match method {
            Method::Marker => wanted,
            Method::Protect => budget.take(wanted)?,
        };
        let pages: Vec<_> = (0..batch)
            .map(|i| slab.slot(slab.carved + i, self.reserve))
            .collect();
        method.install(&pages).inspect_err(|_| {
            if method == Method::Protect {
                Budget::give_back(batch);
            }
        })?;
        for start in pages {
            // SAFETY: a slot is larger than a page.
            let limit = unsafe { start.add(page_size()) };
            free.push(Slot { limit });
            slab.carved += 1;
            self.carved += 1;
        }
        Ok(())
    }

    fn add_slab(&mut self) -> Result<(), StackError> {
        let last = self.slabs.last().map_or(0, |slab| slab.slots);
        let slots = (last * 2)
            .clamp(SLOTS_MIN, SLOTS_MAX)
            .min((BYTES_MAX / self.reserve).max(1));
        let bytes = slots * self.reserve;
        let slack = if self.reserve >= REGION { REGION } else { 0 };
        let mapping = Mapping::reserve(bytes + slack)?;
        let offset = match slack {
            0 => 0,
            _ => {
                let start = mapping.start().as_ptr() as usize;
                // The first address above `start` that is half a region off.
                (REGION + REGION / 2 - start % REGION) % REGION
            }
        };
        self.slabs.push(Slab {
            mapping,
            offset,
            slots,
            carved: 0,
        });
        Ok(())
    }
}

impl Slab {
    /// The lowest address of a slot: its guard page.
    fn slot(&self, index: usize, reserve: usize) -> NonNull<u8> {
        debug_assert!(index < self.slots);
        // SAFETY: slots lie inside the mapping.
        unsafe { self.mapping.start().add(self.offset + index * reserve) }
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        if let Some((Method::Protect, _)) = self.guards {
            Budget::give_back(self.carved);
        }
    }
}
