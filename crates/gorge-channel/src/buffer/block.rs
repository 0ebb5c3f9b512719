//! One block of a queue without bound: some slots in one allocation.
//!
//! ```text
//!   header: next, slots │ slot 0 │ slot 1 │ ...
//! ```

use std::alloc::{self, Layout};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many slots the first block of a queue has, unless its values are large.
const FIRST: u32 = 32;
/// How many slots a block has at most.
const MOST: u32 = 256;
/// How many bytes its slots have at most, unless these are [`LEAST`] slots.
const BYTES: usize = 8192;
/// How many slots a block has at least, however large its values are.
const LEAST: u32 = 8;

/// A block that is in no chain. Its slots are not dropped with it.
pub(crate) struct Block<T> {
    header: NonNull<Header<T>>,
}

/// A block that is in a chain, and the chain's alone.
pub(super) struct Link<T> {
    header: NonNull<Header<T>>,
}

#[repr(C)]
struct Header<T> {
    next: Option<Link<T>>,
    slots: u32,
    /// Aligns the header as the slots have to be, so that these begin where it ends.
    _slots: [MaybeUninit<T>; 0],
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Link<T> {
        *self
    }
}

impl<T> Copy for Link<T> {}

/// How many slots a queue's next block should have that has `len` values, and whose last block
/// has `last` slots: twice as many, up to a limit, if the values would fill that one. Most queues
/// stay short; for a long one, each block is a visit to the allocator.
pub(super) fn slots_after<T>(last: u32, len: usize) -> u32 {
    let fit = BYTES / size_of::<T>().max(1);
    let most = u32::try_from(fit).unwrap_or(MOST).clamp(LEAST, MOST);
    let grows = len >= last as usize;
    (last << u32::from(grows)).clamp(FIRST.min(most), most)
}

impl<T> Header<T> {
    fn layout(slots: u32) -> Layout {
        let slots = Layout::array::<MaybeUninit<T>>(slots as usize);
        let whole = slots.and_then(|slots| Layout::new::<Header<T>>().extend(slots));
        let (whole, first) = whole.expect("a block of values fits into memory");
        // A size is a multiple of the alignment, which is at least that of the slots.
        debug_assert_eq!(first, size_of::<Header<T>>());
        whole
    }
}

impl<T> Block<T> {
    /// An empty block. It may be large, and never lies on the stack.
    pub(super) fn allocate(slots: u32) -> Block<T> {
        let layout = Header::<T>::layout(slots);
        // SAFETY: a header is not of size zero.
        let memory = unsafe { alloc::alloc(layout) };
        let Some(header) = NonNull::new(memory.cast::<Header<T>>()) else {
            alloc::handle_alloc_error(layout)
        };
        let empty = Header {
            next: None,
            slots,
            _slots: [],
        };
        // SAFETY: it has just been allocated, large enough and aligned for a header.
        unsafe { header.write(empty) };
        Block { header }
    }

    pub(super) fn slots(&self) -> u32 {
        // SAFETY: the block is ours.
        unsafe { self.header.as_ref().slots }
    }

    /// Puts it into a chain, which has to take it [back](Link::unlink) to free it.
    pub(super) fn link(self) -> Link<T> {
        let header = self.header;
        std::mem::forget(self);
        Link { header }
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        let layout = Header::<T>::layout(self.slots());
        // SAFETY: it was allocated with this layout, and goes.
        unsafe { alloc::dealloc(self.header.as_ptr().cast(), layout) };
    }
}

/// What is done with a block in a chain; the caller of each vouches that it is in the chain.
impl<T> Link<T> {
    /// The place of a slot.
    ///
    /// # Safety
    ///
    /// The block is in a chain, which is the caller's alone, and has more slots than `index`.
    #[inline]
    pub(super) unsafe fn slot(self, index: u32) -> NonNull<T> {
        // SAFETY: the caller's contract. The slots follow the header, in the same allocation.
        unsafe { self.header.add(1).cast::<T>().add(index as usize) }
    }

    /// # Safety
    ///
    /// The block is in a chain, which is the caller's alone.
    pub(super) unsafe fn slots(self) -> u32 {
        // SAFETY: the caller's contract.
        unsafe { (*self.header.as_ptr()).slots }
    }

    /// # Safety
    ///
    /// As for [`slots`](Link::slots).
    pub(super) unsafe fn set_next(self, next: Link<T>) {
        // SAFETY: the caller's contract.
        unsafe { (*self.header.as_ptr()).next = Some(next) };
    }

    /// Takes the block out of its chain, and tells the one after it.
    ///
    /// # Safety
    ///
    /// As for [`slots`](Link::slots); nobody uses this link any more.
    pub(super) unsafe fn unlink(self) -> (Block<T>, Option<Link<T>>) {
        // SAFETY: the caller's contract.
        let next = unsafe { (*self.header.as_ptr()).next.take() };
        let block = Block {
            header: self.header,
        };
        (block, next)
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_up_to_a_limit_in_slots_and_in_bytes() {
        fn lengths<T>(len: usize) -> [u32; 5] {
            let mut last = 0;
            [(); 5].map(|()| {
                last = slots_after::<T>(last, len);
                last
            })
        }
        assert_eq!(lengths::<()>(1000), [32, 64, 128, 256, 256]);
        assert_eq!(lengths::<[usize; 4]>(1000), [32, 64, 128, 256, 256]);
        assert_eq!(lengths::<[u8; 100]>(1000), [32, 64, 81, 81, 81]);
        assert_eq!(lengths::<[u8; 1 << 20]>(1000), [8; 5]);
        assert_eq!(lengths::<usize>(31), [32; 5]);
        assert_eq!(lengths::<usize>(100), [32, 64, 128, 128, 128]);
    }

    /// The first and the last slot of a block of so many.
    fn ends_lie_in_the_block<T>(slots: u32) {
        let start = Block::<T>::allocate(slots);
        let base = start.header.addr().get();
        let end = base + Header::<T>::layout(slots).size();
        let chain = start.link();
        for index in [0, slots - 1] {
            // SAFETY: the chain is this test's, and the block has so many slots.
            let slot = unsafe { chain.slot(index) };
            assert!(slot.is_aligned());
            let first = slot.addr().get();
            assert!(first >= base + size_of::<usize>() + size_of::<u32>());
            assert!(first + size_of::<T>() <= end);
        }
        // SAFETY: nobody uses the link after this.
        let (block, next) = unsafe { chain.unlink() };
        assert_eq!(block.slots(), slots);
        assert!(next.is_none());
    }

    #[test]
    fn every_slot_is_aligned_and_lies_in_the_block() {
        #[repr(align(128))]
        struct Aligned(#[allow(dead_code, reason = "it has a size")] [u8; 200]);
        #[repr(align(64))]
        struct Nothing;
        ends_lie_in_the_block::<()>(256);
        ends_lie_in_the_block::<u8>(256);
        ends_lie_in_the_block::<[u16; 3]>(33);
        ends_lie_in_the_block::<u128>(32);
        ends_lie_in_the_block::<Nothing>(32);
        ends_lie_in_the_block::<Aligned>(8);
    }
}
