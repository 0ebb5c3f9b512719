//! Who runs next in a simulation: at random, or by priorities that change now and then.
//!
//! *Uniform*: each of those that could run is as likely as the others, at every choice. It
//! finds what goes wrong where goroutines take turns often.
//!
//! *PCT*, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and
//! Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
//! ASPLOS 2010): each goroutine has a random priority, and the one with the highest runs
//! for as long as it can. At `depth - 1` steps of the execution, chosen at random, whoever
//! runs falls to one of the lowest priorities. It finds what goes wrong where one goroutine
//! stands still for long while others go on: a bug that takes `depth` ordered events, in an
//! execution of `k` steps with `n` goroutines, with a probability of at least
//! `1 / (n * k^(depth - 1))`.
//!
//! The paper measures `k` in other executions. Here the seed alone decides, so it draws a
//! power of two. And the paper's programs do not wait by looking again and again: who
//! yields falls behind all others, and so does who has run for very long.

use crate::goroutine::GRef;
use crate::scheduler::Random;
use crate::timer::Due;
use std::collections::{HashMap, VecDeque};

/// How the scheduler of a simulation chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Even seeds choose uniformly, odd ones by priorities, with a depth from two to four.
    #[default]
    Alternate,
    /// Each of those that could run is as likely as the others, at every choice.
    Uniform,
    /// By random priorities, of which some change on the way: probabilistic concurrency
    /// testing.
    Pct {
        /// How many events have to come in a certain order for the bug to show: one more
        /// than how often a priority changes.
        depth: u32,
    },
}

/// The executions that PCT expects have so many steps, in powers of two: the first one and
/// the last.
const LENGTH_MIN: u32 = 3;
const LENGTH_MAX: u32 = 16;

/// So many steps in a row a goroutine runs at most while others could.
const STREAK_MAX: u32 = 1000;

/// What happens next: by its place among those that could run, or the waits that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Runs(usize),
    Expires(usize),
}

/// See the module's description.
pub(super) enum Chooser {
    Uniform,
    Pct(Pct),
}

/// Priorities: higher ones run first. Those that goroutines start with are above zero,
/// and so are, below them, those of the changes; who yields falls below zero.
pub(super) struct Pct {
    salt: u64,
    /// The steps at which a priority changes, the last one first, and to what.
    changes: Vec<(u64, i64)>,
    /// Where a priority is not the one that the goroutine started with.
    changed: HashMap<u64, i64>,
    lowest: i64,
    streak: u32,
}

/// Below all priorities to start with, above those after a change.
const FIRST: i64 = 1 << 32;

impl Strategy {
    /// What the seed makes of it.
    pub(super) fn settled(self, seed: u64, random: &mut Random) -> Strategy {
        match self {
            Strategy::Alternate if seed.is_multiple_of(2) => Strategy::Uniform,
            Strategy::Alternate => Strategy::Pct {
                depth: 2 + random.below(3) as u32,
            },
            settled => settled,
        }
    }

    /// For a settled one.
    pub(super) fn chooser(self, random: &mut Random) -> Chooser {
        let Strategy::Pct { depth } = self else {
            return Chooser::Uniform;
        };
        let powers = 1 + LENGTH_MAX - LENGTH_MIN;
        let length = 1usize << (LENGTH_MIN + random.below(powers as usize) as u32);
        let change = |place| (1 + random.below(length) as u64, i64::from(place));
        let mut changes: Vec<_> = (1..depth).map(change).collect();
        changes.sort_unstable_by(|a, b| b.cmp(a));
        Chooser::Pct(Pct {
            salt: random.bits(),
            changes,
            changed: HashMap::new(),
            lowest: 0,
            streak: 0,
        })
    }
}

impl Chooser {
    /// Chooses among those that could run and the waits that are due, some of which may have
    /// ended otherwise.
    #[inline]
    pub(super) fn choose(
        &self,
        queue: &VecDeque<GRef>,
        due: &mut Vec<Due>,
        random: &mut Random,
    ) -> Option<Choice> {
        let place = match (queue.len() + due.len(), self) {
            (0, _) => return None,
            (1, _) => 0,
            (len, Chooser::Uniform) => random.below(len),
            (_, Chooser::Pct(pct)) => {
                due.retain(Due::is_waiting);
                return pct.first_of(queue, due);
            }
        };
        Some(match place.checked_sub(queue.len()) {
            None => Choice::Runs(place),
            Some(place) => Choice::Expires(place),
        })
    }

    /// Step `number` is this goroutine's, or (zero) the scheduler's.
    pub(super) fn stepped(&mut self, goroutine: u64, number: u64) {
        let Chooser::Pct(pct) = self else { return };
        if goroutine == 0 {
            return;
        }
        while let Some(&(step, priority)) = pct.changes.last()
            && step <= number
        {
            pct.changes.pop();
            pct.changed.insert(goroutine, priority);
        }
        pct.streak += 1;
        if pct.streak > STREAK_MAX {
            self.yielded(goroutine);
        }
    }

    /// Another goroutine runs now.
    pub(super) fn switched(&mut self) {
        if let Chooser::Pct(pct) = self {
            pct.streak = 0;
        }
    }

    /// The running goroutine wants others to run.
    pub(super) fn yielded(&mut self, goroutine: u64) {
        if let Chooser::Pct(pct) = self {
            pct.lowest -= 1;
            pct.changed.insert(goroutine, pct.lowest);
            pct.streak = 0;
        }
    }

    /// The goroutine has ended.
    pub(super) fn ended(&mut self, goroutine: u64) {
        if let Chooser::Pct(pct) = self {
            pct.changed.remove(&goroutine);
        }
    }
}

impl Pct {
    fn first_of(&self, queue: &VecDeque<GRef>, due: &[Due]) -> Option<Choice> {
        let runs = queue.iter().enumerate().map(|(place, g)| {
            // SAFETY: a queued goroutine is alive.
            let id = unsafe { g.as_ref() }.id().as_u64();
            (self.priority(id), id, Choice::Runs(place))
        });
        let expires = due.iter().enumerate().map(|(place, due)| {
            let id = due.id().as_u64();
            (self.priority_of_timer(id), id, Choice::Expires(place))
        });
        let first = runs
            .chain(expires)
            .max_by_key(|&(priority, id, _)| (priority, id));
        first.map(|(_, _, choice)| choice)
    }

    /// A timer is a party of its own, whatever its goroutine's priority is.
    fn priority_of_timer(&self, goroutine: u64) -> i64 {
        self.drawn(!goroutine)
    }

    fn priority(&self, goroutine: u64) -> i64 {
        if let Some(&changed) = self.changed.get(&goroutine) {
            return changed;
        }
        self.drawn(goroutine)
    }

    /// Random, but the same whenever it is asked for.
    fn drawn(&self, party: u64) -> i64 {
        FIRST + (Random::new(self.salt, party).bits() >> 2) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_what_alternates() {
        let settled = |seed| Strategy::Alternate.settled(seed, &mut Random::new(seed, 0));
        assert!((0..100).all(|seed| settled(2 * seed) == Strategy::Uniform));
        let depths: Vec<_> = (0..100).map(|seed| settled(2 * seed + 1)).collect();
        for depth in 2..5 {
            assert!(depths.contains(&Strategy::Pct { depth }));
        }
        assert!(!depths.contains(&Strategy::Uniform));
    }

    #[test]
    fn changes_come_as_late_as_in_the_longest_execution_that_is_expected() {
        let latest = (0..1000).map(|seed| {
            let chooser = (Strategy::Pct { depth: 4 }).chooser(&mut Random::new(seed, 0));
            match chooser {
                Chooser::Pct(pct) => pct.changes[0].0,
                Chooser::Uniform => unreachable!("that is not what was asked for"),
            }
        });
        let latest: Vec<_> = latest.collect();
        assert!(latest.iter().all(|&step| step <= 1 << LENGTH_MAX));
        for power in LENGTH_MIN..LENGTH_MAX {
            let beyond = latest.iter().filter(|&&step| step > 1 << power).count();
            assert!(beyond > 20, "only {beyond} beyond 2^{power}");
        }
    }

    #[test]
    fn a_priority_stays_until_it_is_changed() {
        let mut random = Random::new(1, 0);
        let Chooser::Pct(mut pct) = (Strategy::Pct { depth: 3 }).chooser(&mut random) else {
            unreachable!("that is what was asked for");
        };
        assert_eq!(pct.changes.len(), 2);
        let first: Vec<_> = (1..100).map(|id| pct.priority(id)).collect();
        assert!(first.iter().all(|priority| *priority >= FIRST));
        pct.changes = vec![(9, 1), (4, 2)];
        let mut chooser = Chooser::Pct(pct);
        chooser.stepped(7, 3);
        chooser.stepped(8, 4);
        chooser.yielded(9);
        chooser.yielded(10);
        let Chooser::Pct(pct) = chooser else {
            unreachable!("as before")
        };
        let changed = [7, 8, 9, 10].map(|id| pct.priority(id));
        assert_eq!(changed[1..], [2, -1, -2]);
        assert_eq!(changed[0], first[6]);
    }

    #[test]
    fn who_runs_for_very_long_falls_behind() {
        let mut random = Random::new(1, 0);
        let mut chooser = (Strategy::Pct { depth: 1 }).chooser(&mut random);
        for number in 1..=u64::from(STREAK_MAX) {
            chooser.stepped(7, number);
        }
        let Chooser::Pct(pct) = &chooser else {
            unreachable!("as asked for")
        };
        assert!(pct.priority(7) >= FIRST);
        chooser.stepped(7, 5000);
        let Chooser::Pct(pct) = &chooser else {
            unreachable!("as before")
        };
        assert_eq!(pct.priority(7), -1);
    }
}
