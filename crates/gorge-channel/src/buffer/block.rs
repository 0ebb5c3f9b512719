//! One block of a queue without bound: some slots in one allocation.
//!
//! ```text
//!   header: next, slots │ slot 0 │ slot 1 │ ...
//! ```

use std::alloc::{self, Layout};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many slots the first block of a queue has, unless its values are large.
const FIRST: usize = 32;
/// How many slots a block has at most.
const MOST: usize = 256;
/// How many bytes its slots have at most, unless these are [`LEAST`] slots.
const BYTES: usize = 8192;
/// How many slots a block has at least, however large its values are.
const LEAST: usize = 8;

/// A block that is in no chain. Its slots are not dropped with it.
pub(crate) struct Block<T> {
    header: NonNull<Header<T>>,
    _owns: PhantomData<Header<T>>,
}

/// A block that is in a chain, and the chain's alone.
pub(super) struct Link<T> {
    header: NonNull<Header<T>>,
}

struct Header<T> {
    next: Option<Link<T>>,
    slots: usize,
    /// Where the slots begin, and what they have to be aligned to.
    _slots: [MaybeUninit<T>; 0],
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Link<T> {
        *self
    }
}

impl<T> Copy for Link<T> {}

/// How many slots the next block of a queue should have whose last one has this many: twice
/// as many, up to a limit. Most queues stay short; for a long one, each block is a visit to
/// the allocator.
pub(super) fn slots_after<T>(last: usize) -> usize {
    let most = (BYTES / size_of::<T>().max(1)).clamp(LEAST, MOST);
    (2 * last).clamp(FIRST.min(most), most)
}

impl<T> Header<T> {
    fn layout(slots: usize) -> Layout {
        let slots = Layout::array::<MaybeUninit<T>>(slots);
        let whole = slots.and_then(|slots| Layout::new::<Header<T>>().extend(slots));
        whole.expect("a block of values fits into memory").0
    }
}

impl<T> Block<T> {
    /// An empty block. It may be large, and never lies on the stack.
    pub(crate) fn allocate(slots: usize) -> Block<T> {
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
        Block {
            header,
            _owns: PhantomData,
        }
    }

    pub(super) fn slots(&self) -> usize {
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
    pub(super) unsafe fn slot(self, index: usize) -> NonNull<T> {
        // SAFETY: the caller's contract. The slots follow the header, in the same allocation.
        unsafe { self.header.add(1).cast::<T>().add(index) }
    }

    /// # Safety
    ///
    /// The block is in a chain, which is the caller's alone.
    pub(super) unsafe fn slots(self) -> usize {
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
            _owns: PhantomData,
        };
        (block, next)
    }
}

// The slots begin where the header ends, whatever they have to be aligned to.
const _: () = {
    #[repr(align(64))]
    struct Line(#[allow(dead_code, reason = "only its alignment is looked at")] u8);
    assert!(size_of::<Header<Line>>() == 64 && align_of::<Header<Line>>() == 64);
    assert!(size_of::<Header<u8>>() == 16 && size_of::<Header<()>>() == 16);
};

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_up_to_a_limit_in_slots_and_in_bytes() {
        fn lengths<T>() -> [usize; 5] {
            let mut last = 0;
            [(); 5].map(|()| {
                last = slots_after::<T>(last);
                last
            })
        }
        assert_eq!(lengths::<()>(), [32, 64, 128, 256, 256]);
        assert_eq!(lengths::<[usize; 4]>(), [32, 64, 128, 256, 256]);
        assert_eq!(lengths::<[u8; 100]>(), [32, 64, 81, 81, 81]);
        assert_eq!(lengths::<[u8; 1 << 20]>(), [8; 5]);
    }

    #[test]
    fn every_slot_is_aligned_and_lies_in_the_block() {
        #[repr(align(128))]
        struct Aligned([u8; 128]);
        let chain = Block::<Aligned>::allocate(8).link();
        for index in 0..8 {
            // SAFETY: the chain is this test's, and the block has 8 slots.
            unsafe {
                let slot = chain.slot(index);
                slot.write(Aligned([index as u8; 128]));
                assert_eq!(slot.as_ref().0[127], index as u8);
                assert!(slot.is_aligned());
            }
        }
        // SAFETY: nobody uses the link after this.
        let (block, next) = unsafe { chain.unlink() };
        assert_eq!(block.slots(), 8);
        assert!(next.is_none());
    }
}
