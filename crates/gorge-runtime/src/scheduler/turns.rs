//! Whose turn it is: where a machine takes from several places, each comes first in its turn, so
//! that none keeps another one waiting for ever.
//!
//! The turns are counted here, and not by the loop, whose period a program may share.

use std::cell::Cell;

/// The turns of one machine.
#[derive(Default)]
pub(super) struct Turns {
    queue: Cell<u8>,
    homed: Cell<bool>,
    spent: Cell<bool>,
    start: Cell<bool>,
    queued: Cell<bool>,
}

impl Turns {
    /// Of the machine's queue, the processor's and the starts: which is first.
    #[inline]
    pub(super) fn next_queue(&self) -> u8 {
        let turn = self.queue.get();
        self.queue.set(if turn == 2 { 0 } else { turn + 1 });
        turn
    }

    /// Without starts: whether the machine's queue is first.
    #[inline]
    pub(super) fn homed_first(&self) -> bool {
        toggle(&self.homed)
    }

    /// Whether the goroutines that had their time slice come before the global queue.
    pub(super) fn spent_first(&self) -> bool {
        toggle(&self.spent)
    }

    /// Whether the oldest start comes before those two.
    pub(super) fn start_first(&self) -> bool {
        toggle(&self.start)
    }

    /// When the streak is over: whether the queues come before the continuations.
    pub(super) fn queued_first(&self) -> bool {
        toggle(&self.queued)
    }
}

fn toggle(turn: &Cell<bool>) -> bool {
    let first = !turn.get();
    turn.set(first);
    first
}
