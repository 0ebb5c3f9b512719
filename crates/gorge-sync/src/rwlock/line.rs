//! Those who wait for a read-write lock: two queues, in one word while nobody
//! looks at them.
//!
//! * [`Line`]: the queues, in the hands of whoever holds QUEUE_LOCKED.
//! * [`Packed`]: the same, in the lock. The word points to the first reader, and
//!   that node carries the other queue; without readers, it points to the first
//!   of the others, and says so in its lowest bit.

use crate::queue::{Node, Queue};
use std::ptr;

const _: () = assert!(align_of::<Node>() > ONLY_OTHERS);

/// Set in the word: it points to the queue of those who want a token.
const ONLY_OTHERS: usize = 1;

/// Two queues.
#[derive(Default)]
pub(super) struct Line {
    /// Those who want to read; before them, the party that DRAINING speaks of.
    pub(super) readers: Queue,
    /// Those who want a token.
    pub(super) others: Queue,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty() && self.others.is_empty()
    }

    pub(super) fn pack(mut self) -> Packed {
        if self.readers.is_empty() {
            let first = self.others.into_head();
            return Packed(first.map_addr(|address| address | ONLY_OTHERS));
        }
        self.readers.carry(self.others);
        Packed(self.readers.into_head())
    }
}

/// A [`Line`] in one word.
pub(super) struct Packed(*mut Node);

// SAFETY: a queue may be sent, and this is two of them.
unsafe impl Send for Packed {}

impl Packed {
    /// Two empty queues.
    pub(super) const fn new() -> Packed {
        Packed(ptr::null_mut())
    }

    /// The queues, once: until others are packed, this stands for empty ones.
    pub(super) fn unpack(&mut self) -> Line {
        let first = std::mem::replace(self, Packed::new()).0;
        let is_others = first.addr() & ONLY_OTHERS != 0;
        let head = first.map_addr(|address| address & !ONLY_OTHERS);
        // SAFETY: the pointer came from `into_head`, in `pack`, and was replaced.
        let mut queue = unsafe { Queue::from_head(head) };
        if is_others {
            return Line {
                readers: Queue::new(),
                others: queue,
            };
        }
        let others = queue.put_down();
        Line {
            readers: queue,
            others,
        }
    }
}
