//! Stealing: what a machine without work may take from other processors.
//!
//! Migrating goroutines are taken at sight, half of a queue at a time. A homed
//! goroutine that has not started is a different matter: whoever runs it first
//! is its home for life, and partners that talk to each other had better share
//! one. So a thief takes those only from a processor that is *backed up*, or
//! *stuck*: two looks a while apart found the same number of goroutines run
//! there. CPU-bound work spreads; a parent that is about to wait for its child
//! keeps it.

use super::machine::Machine;
use super::processor::{Processor, Queued};
use super::shared::Shared;
use crate::goroutine::{G, GRef};
use crate::primitive::spin_hint;
use crate::trace;
use crossbeam_deque::Steal;

/// A queue of so many is backed up: its owner will not get to the last of them
/// soon.
const BACKED_UP: usize = 3;

/// Two looks that are compared lie so many rounds apart, some microseconds.
const LOOK_INTERVAL: u32 = 8;

/// What a thief saw at its last look at each processor.
pub(super) struct Looks {
    seen: Vec<Option<Seen>>,
    left_work: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    tick: u32,
    next: *mut G,
}

/// A look, and the round in which it was first seen.
#[derive(Clone, Copy)]
struct Seen {
    look: Look,
    round: u32,
}

impl Looks {
    pub(super) fn new(shared: &Shared) -> Looks {
        Looks {
            seen: vec![None; shared.processors.len()],
            left_work: false,
        }
    }

    /// Forgets what was seen, for a new search.
    pub(super) fn forget(&mut self) {
        self.seen.fill(None);
        self.left_work = false;
    }

    /// Whether work was seen and not taken.
    pub(super) fn left_work(&self) -> bool {
        self.left_work
    }

    /// Enough others search: what there is, is theirs.
    pub(super) fn not_allowed(&mut self) {
        self.left_work = true;
    }

    /// Compares a processor with the last look at it. True when it has not
    /// moved for some rounds.
    fn is_stuck(&mut self, victim: &Processor, round: u32) -> bool {
        let seen = &mut self.seen[victim.index];
        let look = Look {
            tick: victim.tick(),
            next: victim.peek_next(),
        };
        match *seen {
            Some(seen) if seen.look == look => round - seen.round >= LOOK_INTERVAL,
            _ => {
                *seen = Some(Seen { look, round });
                false
            }
        }
    }
}

impl Machine {
    /// One look at every other processor, in random order.
    pub(super) fn steal(&self, looks: &mut Looks, round: u32) -> Option<GRef> {
        let processors = &self.shared().processors;
        let start = self.processor().random_below(processors.len());
        looks.left_work = false;
        (0..processors.len())
            .map(|offset| &processors[(start + offset) % processors.len()])
            .filter(|victim| victim.index != self.index())
            .find_map(|victim| self.steal_from(victim, looks, round))
    }

    fn steal_from(&self, victim: &Processor, looks: &mut Looks, round: u32) -> Option<GRef> {
        let queued = victim.stealer().len();
        let has_next = !victim.peek_next().is_null();
        if queued == 0 && !has_next {
            return None;
        }
        let stuck = looks.is_stuck(victim, round);
        let at_sight = queued > 0 && self.shared().config.migrating;
        let taken = if at_sight || queued >= BACKED_UP || (stuck && queued > 0) {
            self.steal_half(victim)
        } else if stuck {
            victim.take_next()
        } else {
            None
        };
        match taken {
            Some(_) => trace::steal(self.index(), victim.index),
            None => looks.left_work = true,
        }
        taken
    }

    fn steal_half(&self, victim: &Processor) -> Option<GRef> {
        let stealer = victim.stealer();
        self.processor()
            .with_queue(|queue| settle(|| stealer.steal_batch_and_pop(queue)))
            .map(|Queued(g)| g)
    }
}

/// Repeats an operation on a concurrent queue until it says what it found.
pub(super) fn settle<T>(mut operation: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match operation() {
            Steal::Success(value) => return Some(value),
            Steal::Empty => return None,
            Steal::Retry => spin_hint(),
        }
    }
}
