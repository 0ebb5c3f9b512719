//! A queue without bound: a chain of blocks of slots.
//!
//! ```text
//!   first ──► [..vvvvvv] ──► [vvvvvvvv] ──► [vvv.....] ◄── last
//!                head                           tail            spare: [........]
//! ```
//!
//! A push into a full last block takes the spare one, or asks for one, which is longer than the
//! last if the values would fill that. A pop that empties the first block makes it the spare
//! one, unless blocks have become longer since or there is one as long, and hands out what is
//! left over, to be freed. So a queue that stays as long as it is soon allocates nothing.
//! Blocks become shorter again only with the queue.
//!
//! Invariant: `first` and `last` are both there or both not. Slots of the first
//! block below `head`, and of the last from `tail` on, are empty; all others hold values, `len`
//! of them. The last block is empty only if it is the only one. `head` is below `head_end`,
//! the length of the first block, and `tail` is up to `tail_end`, that of the last one; all
//! four are zero when there is no block.

use super::block::{Block, Link, slots_after};

/// What is seldom needed comes last: the rest shares a cache line with the lists of who
/// waits.
#[repr(C)]
pub(crate) struct Blocks<T> {
    first: Option<Link<T>>,
    last: Option<Link<T>>,
    /// The oldest value's slot in the first block.
    head: u32,
    head_end: u32,
    /// The next value's slot in the last block.
    tail: u32,
    tail_end: u32,
    len: usize,
    spare: Option<Block<T>>,
}

/// How many slots a block should have that a queue asks for.
#[derive(Clone, Copy)]
pub(crate) struct Slots(u32);

impl Slots {
    /// A block of so many, empty.
    pub(crate) fn allocate<T>(self) -> Block<T> {
        Block::allocate(self.0)
    }
}

impl<T> Blocks<T> {
    pub(crate) const fn new() -> Blocks<T> {
        Blocks {
            first: None,
            last: None,
            head: 0,
            head_end: 0,
            tail: 0,
            tail_end: 0,
            len: 0,
            spare: None,
        }
    }

    /// Appends the value, or gives it back: then a block of so many slots is to be
    /// [offered](Blocks::offer).
    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), (T, Slots)> {
        if self.tail == self.tail_end && !self.extend() {
            return Err((value, Slots(slots_after::<T>(self.tail_end, self.len))));
        }
        let Some(last) = self.last else {
            unreachable!("the tail is in a block")
        };
        // SAFETY: blocks of the chain are valid and this queue's alone. The
        // slot at the tail is there, and empty.
        unsafe { last.slot(self.tail).write(value) };
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
        let slots = spare.slots();
        let block = spare.link();
        match self.last {
            // SAFETY: blocks of the chain are valid and this queue's alone.
            Some(last) => unsafe { last.set_next(block) },
            None => {
                self.first = Some(block);
                self.head_end = slots;
            }
        }
        self.last = Some(block);
        self.tail = 0;
        self.tail_end = slots;
        true
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(T, Option<Block<T>>)> {
        if self.len == 0 {
            return None;
        }
        let first = self.first?;
        // SAFETY: blocks of the chain are valid and this queue's alone. There
        // is a value, so the slot at the head holds the oldest. It is read
        // once: the head moves on.
        let value = unsafe { first.slot(self.head).read() };
        self.head += 1;
        self.len -= 1;
        if self.len == 0 {
            // Only the last block is left, and it is empty: start it again.
            self.head = 0;
            self.tail = 0;
            return Some((value, None));
        }
        let emptied = if self.head == self.head_end {
            self.advance(first)
        } else {
            None
        };
        Some((value, emptied))
    }

    /// Leaves the first block, whose values are all taken.
    #[cold]
    fn advance(&mut self, first: Link<T>) -> Option<Block<T>> {
        let is_as_long_as_last = self.head_end >= self.tail_end;
        // SAFETY: the chain is this queue's alone. Values are left, so they lie in later blocks:
        // the last one is another one, and the chain leaves this one here.
        let (emptied, next) = unsafe { first.unlink() };
        self.first = next;
        self.head = 0;
        // SAFETY: blocks of the chain are valid.
        self.head_end = next.map_or(0, |next| unsafe { next.slots() });
        let is_longer = |spare: &Block<T>| emptied.slots() > spare.slots();
        match is_as_long_as_last && self.spare.as_ref().is_none_or(is_longer) {
            true => self.spare.replace(emptied),
            false => Some(emptied),
        }
    }

    /// Takes the block, unless there is a spare one: then it stays with the caller. There is
    /// a spare one in either case, of whatever length, so that a push finds room.
    pub(crate) fn offer(&mut self, block: &mut Option<Block<T>>) {
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
            // SAFETY: the queue is empty, so its first block is its last, and the queue goes.
            drop(unsafe { last.unlink() });
        }
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::*;

    fn push<T>(queue: &mut Blocks<T>, value: T) -> usize {
        match queue.push(value) {
            Ok(()) => 0,
            Err((value, slots)) => {
                queue.offer(&mut Some(slots.allocate()));
                assert!(queue.push(value).is_ok(), "there is a block now");
                1
            }
        }
    }

    #[test]
    fn values_come_out_in_order_across_blocks() {
        let mut queue = Blocks::new();
        for value in 0..1_000 {
            push(&mut queue, Box::new(value));
        }
        for value in 0..1_000 {
            assert_eq!(queue.len(), 1_000 - value);
            assert_eq!(*queue.pop().expect("a value").0, value);
        }
        assert!(queue.pop().is_none());
    }

    #[test]
    fn what_is_left_in_any_block_is_dropped_with_the_queue() {
        for (pushed, popped) in [(0, 0), (1, 0), (32, 0), (33, 32), (300, 0), (300, 100)] {
            let value = std::sync::Arc::new(());
            let mut queue = Blocks::new();
            for _ in 0..pushed {
                push(&mut queue, value.clone());
            }
            for _ in 0..popped {
                queue.pop().expect("a value");
            }
            assert_eq!(std::sync::Arc::strong_count(&value), 1 + pushed - popped);
            drop(queue);
            assert_eq!(std::sync::Arc::strong_count(&value), 1);
        }
    }

    #[test]
    fn a_queue_of_steady_length_soon_allocates_nothing() {
        for length in [1, 2, 31, 32, 33, 64, 127, 256] {
            let mut queue = Blocks::new();
            let mut allocated = 0;
            for value in 0..length {
                allocated += push(&mut queue, value);
            }
            for value in 0..10_000 {
                allocated += push(&mut queue, value);
                queue.pop().expect("a value");
            }
            assert!(allocated <= 6, "{allocated} blocks for {length} values");
        }
    }

    #[test]
    fn a_queue_of_few_values_keeps_to_short_blocks() {
        // Empty at times, or never.
        for least in [0, 1] {
            let mut queue = Blocks::new();
            let mut allocated = 0;
            for value in 0..least {
                allocated += push(&mut queue, value);
            }
            for round in 0..1_000 {
                for value in 0..round % 30 {
                    allocated += push(&mut queue, value);
                }
                while queue.len() > least {
                    queue.pop().expect("a value");
                }
            }
            assert!(allocated <= 2, "{allocated} blocks");
            assert_eq!(queue.tail_end, 32);
        }
    }

    #[test]
    fn values_without_size_or_with_much_alignment_cross_blocks() {
        #[derive(Debug, PartialEq)]
        #[repr(align(64))]
        struct Aligned(usize);
        let (mut nothing, mut aligned) = (Blocks::new(), Blocks::new());
        for value in 0..500 {
            push(&mut nothing, ());
            push(&mut aligned, Aligned(value));
        }
        for value in 0..500 {
            assert!(nothing.pop().is_some());
            assert_eq!(aligned.pop().expect("a value").0, Aligned(value));
        }
        assert!(nothing.pop().is_none() && aligned.pop().is_none());
    }

    /// Two senders asked for a block, and the queue has grown meanwhile.
    #[test]
    fn a_block_that_comes_late_is_used_and_then_left() {
        let mut queue = Blocks::new();
        let Err((value, slots)) = queue.push(0) else {
            unreachable!("there is no block yet")
        };
        for value in [value].into_iter().chain(1..32 + 64 + 128) {
            push(&mut queue, value);
        }
        let mut late = [slots.allocate(), slots.allocate()].map(Some);
        late.iter_mut().for_each(|block| queue.offer(block));
        assert!(late[0].is_none() && late[1].is_some(), "one is enough");
        for value in 224..1_000 {
            push(&mut queue, value);
        }
        for value in 0..1_000 {
            assert_eq!(queue.pop().expect("a value").0, value);
        }
        let spare = queue.spare.as_ref().map(Block::slots);
        assert_eq!(spare, Some(queue.tail_end), "short ones are not kept");
    }

    #[test]
    fn blocks_beyond_the_spare_one_are_handed_out_and_shorter_ones_too() {
        let mut queue = Blocks::new();
        for value in 0..32 + 64 + 128 + 3 * 256 {
            push(&mut queue, value);
        }
        let freed: Vec<u32> = std::iter::from_fn(|| queue.pop())
            .filter_map(|(_, block)| block.map(|block| block.slots()))
            .collect();
        assert_eq!(freed, [32, 64, 128, 256]);
        assert!(
            queue
                .spare
                .as_ref()
                .is_some_and(|spare| spare.slots() == 256)
        );
    }
}
