//! Stealing: what a machine without work may take from other processors.
//!
//! Half of a queue, or of the starts, at a time, but not at sight: only from a processor that is
//! *backed up* (see `watch`), or *stuck*: two looks a while apart found the same
//! number of goroutines run there, and none started. Partners that talk to each other had better share a
//! processor, and whoever runs a homed goroutine first is its home for life.
//! CPU-bound work spreads; a parent that is about to wait for its child keeps it.
//!
//! Victims come in an order that is random but for one thing: the heaviest queue
//! is first. A continuation of a parent that started its child first is taken
//! from the oldest end, one at a time, when the run queue has nothing; what a
//! processor would run next, only when it is stuck.

use super::machine::Machine;
use super::processor::{Processor, Queued};
use super::slot::Slot;
use super::watch::Look;
use crate::goroutine::GRef;
use crate::primitive::atomic::Ordering;
use crate::primitive::spin_hint;
use crate::trace::{self, Event};
use crossbeam_deque::Steal;

/// What a thief saw at its last look at each processor.
#[derive(Default)]
pub(super) struct Looks {
    seen: Vec<Option<Seen>>,
    left_work: bool,
}

/// A look, and the round in which it was first seen.
#[derive(Clone, Copy)]
struct Seen {
    look: Look,
    round: u32,
}

impl Looks {
    /// Forgets what was seen, for a new search among so many processors.
    pub(super) fn forget(&mut self, processors: usize) {
        self.seen.clear();
        self.seen.resize(processors, None);
        self.left_work = false;
    }

    /// Whether work was seen and not taken.
    pub(super) fn left_work(&self) -> bool {
        self.left_work
    }

    /// Whether a processor had something to take.
    pub(super) fn saw_work(&self, number: u32) -> bool {
        let seen = self.seen.get(number as usize - 1);
        seen.is_some_and(Option::is_some)
    }

    /// Enough others search: what there is, is theirs.
    pub(super) fn not_allowed(&mut self) {
        self.left_work = true;
    }

    /// Compares a processor with the last look at it. True when it has not
    /// moved for some rounds.
    fn is_stuck(&mut self, victim: &Processor, round: u32, rounds: u32) -> bool {
        // A processor that is new since the search began counts next time.
        let Some(seen) = self.seen.get_mut(victim.number - 1) else {
            return false;
        };
        let look = Look::at(victim);
        match *seen {
            Some(seen) if seen.look == look => round - seen.round >= rounds,
            _ => {
                *seen = Some(Seen { look, round });
                false
            }
        }
    }
}

impl Machine {
    /// One look at every other processor: the heaviest, then the rest in random
    /// order.
    pub(super) fn steal(&self, looks: &mut Looks, round: u32) -> Option<GRef> {
        let slots = &self.shared().slots;
        let count = slots.len();
        looks.left_work = false;
        let mut others = Victims::new(count, |bound| self.processor().random_below(bound))
            .map(|index| slots.get(index as u32 + 1))
            .filter(|slot| slot.number != self.number());
        let weighty = others
            .clone()
            .map(|slot| (slot.processor.weight(), slot))
            .reduce(|heaviest, next| if next.0 > heaviest.0 { next } else { heaviest });
        if let Some((weight, heaviest)) = weighty
            && weight > 0
            && let Some(g) = self.steal_from(heaviest, looks, round)
        {
            return Some(g);
        }
        others.find_map(|slot| self.steal_from(slot, looks, round))
    }

    fn steal_from(&self, slot: &Slot, looks: &mut Looks, round: u32) -> Option<GRef> {
        let victim = &slot.processor;
        if !victim.has_work() {
            return None;
        }
        let rounds = self.watch.borrow().manners.rounds;
        let stuck = looks.is_stuck(victim, round, rounds) || slot.has_lost_permit();
        let queued = victim.waiting();
        let is_backed_up = || {
            let watch = self.watch.borrow();
            watch.is_backed_up(self.shared(), slot, queued)
        };
        let may_take = stuck || is_backed_up();
        let taken = if may_take && queued > 0 {
            self.steal_half(victim)
        } else {
            let oldest = || settle(|| victim.oldest().steal()).map(|Queued(g)| g);
            oldest().or_else(|| if may_take { take_one(victim) } else { None })
        };
        match taken {
            Some(g) => {
                // SAFETY: taken, so ours.
                let id = unsafe { g.as_ref() }.id();
                trace::emit(self, || Event::Steal(id, slot.number));
                super::processor::bump(&self.processor().stolen);
            }
            None => looks.left_work = true,
        }
        taken
    }

    /// From the run queue, or else from the starts, the oldest.
    fn steal_half(&self, victim: &Processor) -> Option<GRef> {
        let own = self.processor();
        let queue = victim.stealer();
        own.with_queue(|own| settle(|| queue.steal_batch_and_pop(own)))
            .map(|Queued(g)| g)
            .or_else(|| {
                let start = victim.starts().steal_half(own.starts())?;
                let now = self.shared().clock.now();
                self.watch.borrow_mut().took_starts(own, now);
                Some(start)
            })
    }
}

/// What a processor would run next.
fn take_one(victim: &Processor) -> Option<GRef> {
    victim.take_next().or_else(|| victim.starts().steal())
}

impl Slot {
    /// Whether the machine's permit was taken away, and it has not come back.
    fn has_lost_permit(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == super::permits::LOST
    }
}

/// Every number below a count, once each, in random order: a random start, and
/// steps of a random size that shares no factor with the count.
#[derive(Clone)]
struct Victims {
    count: usize,
    position: usize,
    step: usize,
    left: usize,
}

impl Victims {
    fn new(count: usize, random_below: impl Fn(usize) -> usize) -> Victims {
        let position = random_below(count);
        let coprime = |step: &usize| greatest_common_divisor(*step, count) == 1;
        let first = random_below(count) + 1;
        let step = (first..first + count).find(coprime).unwrap_or(1);
        Victims {
            count,
            position,
            step,
            left: count,
        }
    }
}

impl Iterator for Victims {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let victim = self.position;
        self.position = (self.position + self.step) % self.count;
        Some(victim)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
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

#[cfg(test)]
mod tests {
    use super::Victims;

    #[test]
    fn every_victim_is_visited_once_from_every_start() {
        for count in 1..=64 {
            for (start, step) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
                let draws = std::cell::Cell::new([start, step].into_iter());
                let draw = |_| {
                    let mut rest = draws.take();
                    let number = rest.next().expect("two draws");
                    draws.set(rest);
                    number
                };
                let mut seen: Vec<_> = Victims::new(count, draw).collect();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..count));
            }
        }
    }
}
