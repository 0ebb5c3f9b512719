//! A queue without bound: a chain of blocks of 32 slots.
//!
//! ```text
//!   first ──► [..vvvvvv] ──► [vvvvvvvv] ──► [vvv.....] ◄── last
//!                head                           tail            spare: [........]
//! ```
//!
//! A push into a full last block takes the spare one, or asks for one. A pop
//! that empties the first block makes it the spare one, or hands it out to be
//! freed. So a queue whose length stays within a block of its average
//! allocates nothing.
//!
//! Invariant: `first` and `last` are both there or both not. Slots of the first
//! block below `head`, and of the last from `tail` on, are empty.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many values a block holds.
const SLOTS: usize = 32;

pub(crate) struct Block<T> {
    next: Option<NonNull<Block<T>>>,
    slots: [MaybeUninit<T>; SLOTS],
}

impl<T> Block<T> {
    /// An empty block. It may be large, and never lies on the stack.
    pub(crate) fn allocate() -> Box<Block<T>> {
        let mut block = Box::<Block<T>>::new_uninit();
        // SAFETY: `next` is written before the block counts as initialised, and
        // the slots may be uninitialised.
        unsafe {
            (&raw mut (*block.as_mut_ptr()).next).write(None);
            block.assume_init()
        }
    }
}

/// What is seldom needed comes last: the rest shares a cache line with the lists of who
/// waits.
#[repr(C)]
pub(crate) struct Blocks<T> {
    first: Option<NonNull<Block<T>>>,
    last: Option<NonNull<Block<T>>>,
    /// The oldest value's slot in the first block.
    head: usize,
    /// The next value's slot in the last block.
    tail: usize,
    len: usize,
    spare: Option<Box<Block<T>>>,
}

impl<T> Blocks<T> {
    pub(crate) const fn new() -> Blocks<T> {
        Blocks {
            first: None,
            last: None,
            head: 0,
            tail: SLOTS,
            len: 0,
            spare: None,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if self.tail == SLOTS && !self.extend() {
            return Err(value);
        }
        let Some(last) = self.last else {
            return Err(value);
        };
        // SAFETY: blocks of the chain are valid and this queue's alone. The
        // slot at the tail is empty.
        unsafe { (&mut (*last.as_ptr()).slots)[self.tail].write(value) };
        self.tail += 1;
        self.len += 1;
        Ok(())
    }

    /// Appends the spare block; false if there is none.
    #[cold]
    fn extend(&mut self) -> bool {
        let Some(spare) = self.spare.take() else {
            return false;
        };
        let block = NonNull::from(Box::leak(spare));
        match self.last {
            // SAFETY: blocks of the chain are valid and this queue's alone.
            Some(last) => unsafe { (*last.as_ptr()).next = Some(block) },
            None => self.first = Some(block),
        }
        self.last = Some(block);
        self.tail = 0;
        true
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(T, Option<Box<Block<T>>>)> {
        if self.len == 0 {
            return None;
        }
        let first = self.first?;
        // SAFETY: blocks of the chain are valid and this queue's alone. There
        // is a value, so the slot at the head holds the oldest. It is read
        // once: the head moves on.
        let value = unsafe { (&(*first.as_ptr()).slots)[self.head].assume_init_read() };
        self.head += 1;
        self.len -= 1;
        if self.len == 0 {
            // Only the last block is left, and it is empty: start it again.
            self.head = 0;
            self.tail = 0;
            return Some((value, None));
        }
        let emptied = if self.head == SLOTS {
            self.advance(first)
        } else {
            None
        };
        Some((value, emptied))
    }

    /// Leaves the first block, whose values are all taken.
    #[cold]
    fn advance(&mut self, first: NonNull<Block<T>>) -> Option<Box<Block<T>>> {
        // SAFETY: the block came from a box and leaves the chain here, as its
        // values have. There are others, so it has a successor.
        let mut emptied = unsafe { Box::from_raw(first.as_ptr()) };
        self.first = emptied.next.take();
        self.head = 0;
        let mut emptied = Some(emptied);
        self.offer(&mut emptied);
        emptied
    }

    pub(crate) fn offer(&mut self, block: &mut Option<Box<Block<T>>>) {
        if self.spare.is_none() {
            self.spare = block.take();
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Blocks<T> {
    /// Drops the values. If one of their destructors panics, the rest leaks.
    fn drop(&mut self) {
        while self.pop().is_some() {}
        if let Some(last) = self.first {
            // SAFETY: the queue is empty, so its first block is its last. It
            // came from a box, and the queue goes.
            drop(unsafe { Box::from_raw(last.as_ptr()) });
        }
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::*;

    fn push<T>(queue: &mut Blocks<T>, value: T) -> usize {
        match queue.push(value) {
            Ok(()) => 0,
            Err(value) => {
                queue.offer(&mut Some(Block::allocate()));
                assert!(queue.push(value).is_ok(), "there is a block now");
                1
            }
        }
    }

    #[test]
    fn values_come_out_in_order_across_blocks() {
        let mut queue = Blocks::new();
        for value in 0..10 * SLOTS {
            push(&mut queue, Box::new(value));
        }
        for value in 0..10 * SLOTS {
            assert_eq!(queue.len(), 10 * SLOTS - value);
            assert_eq!(*queue.pop().expect("a value").0, value);
        }
        assert!(queue.pop().is_none());
    }

    #[test]
    fn a_queue_of_steady_length_allocates_two_blocks() {
        for length in [1, 2, 31, 32, 33] {
            let mut queue = Blocks::new();
            let mut allocated = 0;
            for value in 0..length {
                allocated += push(&mut queue, value);
            }
            for value in 0..10_000 {
                allocated += push(&mut queue, value);
                let (_, freed) = queue.pop().expect("a value");
                assert!(freed.is_none());
            }
            assert!(allocated <= 3, "{allocated} blocks for {length} values");
        }
    }

    #[test]
    fn blocks_beyond_the_spare_one_are_handed_out() {
        let mut queue = Blocks::new();
        for value in 0..4 * SLOTS {
            push(&mut queue, value);
        }
        let freed =
            (0..4 * SLOTS).filter(|_| queue.pop().is_some_and(|(_, block)| block.is_some()));
        assert_eq!(freed.count(), 2);
    }
}
