//! Watching a processor whose goroutines are short, instead of robbing it.
//!
//! Goroutines that talk to each other run for a fraction of a microsecond and wake
//! each other all the time. To run one of them elsewhere costs more than it could
//! ever save: the thief's wake-up, the lines that go back and forth, and the next
//! wake-up when it has run out of work at once. So a machine that found nothing to
//! do, and saw many goroutines run on some processor meanwhile, *watches* that:
//! it naps, and looks now and then whether anything waits there for long. In return
//! the watched processor wakes nobody for what it will come to soon.
//!
//! What is posted quietly must not be forgotten: see `README.md`, (j).

use super::processor::Processor;
use super::shared::Shared;
use super::slot::Slot;
use crate::goroutine::G;
use crate::primitive::spin_hint;
use std::time::Duration;

/// The time between two looks. A goroutine that is left alone for so long has
/// waited some ten times as long as a wake-up would have taken.
pub(super) const NAP: Duration = Duration::from_micros(100);

/// A processor whose goroutines run for less than this, one by one, is worth watching.
const LIVELY_NS: u64 = 2_500;

/// The pace of a processor counts when it is known for so long.
const KNOWN_NS: u64 = 15_000;

/// What is short may wait for so long: several times what it takes to wake another machine.
const SOON_NS: u64 = 100_000;

/// For so long, starts that were short are taken as an example.
const TRUST_NS: u64 = 5_000_000;

/// Two looks so far apart show whether one goroutine runs for long.
const LOOKS_ON: u32 = 300;

/// A queue of so many is too long, where goroutines are not short: its owner will not get
/// to the last of them soon.
const BACKED_UP: usize = 2;

/// What is not taken at sight, and for how long a thief looks on.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// Goroutines that run for less than this had better stay where they are, if they
    /// come to run soon.
    short_ns: u64,
    /// A processor is stuck when it has not moved for so many rounds of a search.
    pub(super) rounds: u32,
    /// Whether one may conclude from starts that were short that others will be.
    trusts_starts: bool,
}

impl Manners {
    /// To run a goroutine elsewhere costs half a microsecond. One that is homed stays for
    /// life where it runs first, perhaps away from whom it talks to; and what it does before it
    /// waits for the first time says little about that life.
    pub(super) fn of(migrating: bool) -> Manners {
        match migrating {
            true => Manners {
                short_ns: 500,
                rounds: 8,
                trusts_starts: true,
            },
            false => Manners {
                short_ns: LIVELY_NS,
                rounds: 48,
                trusts_starts: false,
            },
        }
    }
}

/// How many goroutines a processor ran in how long, one after another, and how many of
/// them came out of its queues. By how many its starts have grown counts too, where the last
/// ones that were taken turned out to be short: it will be quick with these.
#[derive(Clone, Copy)]
struct Pace {
    runs: u64,
    turns: u64,
    elapsed_ns: u64,
}

impl Pace {
    fn is_lively(self) -> bool {
        self.runs > 0 && self.runs * LIVELY_NS >= self.elapsed_ns
    }

    /// How many may wait in the processor's queue and still had better be left to it.
    fn patience(self, short_ns: u64) -> usize {
        if self.runs * short_ns <= self.elapsed_ns {
            return BACKED_UP - 1;
        }
        let soon = self.turns * SOON_NS / self.elapsed_ns.max(1);
        usize::try_from(soon)
            .unwrap_or(usize::MAX)
            .max(BACKED_UP - 1)
    }
}

/// How far a processor was at some time.
#[derive(Clone, Copy)]
struct Seen {
    tick: u32,
    turns: u32,
    /// The end of its starts.
    end: u32,
}

impl Seen {
    fn of(processor: &Processor) -> Seen {
        Seen {
            tick: processor.tick(),
            turns: processor.turns(),
            end: processor.starts().end(),
        }
    }
}

/// What changes when a processor runs something, or its goroutine starts something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    tick: u32,
    next: *mut G,
    end: u32,
}

impl Look {
    pub(super) fn at(processor: &Processor) -> Look {
        Look {
            tick: processor.tick(),
            next: processor.peek_next(),
            end: processor.starts().end(),
        }
    }
}

/// How far everybody was at some time, and which processors a machine watches.
pub(super) struct Watch {
    pub(super) manners: Manners,
    since_ns: u64,
    seen: Vec<Seen>,
    /// The machine's own turns when it last took starts, and the time.
    took: Option<(u32, u64)>,
    /// Until when it takes those that a goroutine starts for short.
    starts_are_short_until: u64,
    /// Their numbers.
    watched: Vec<u32>,
}

impl Watch {
    pub(super) fn new(migrating: bool) -> Watch {
        Watch {
            manners: Manners::of(migrating),
            since_ns: 0,
            seen: Vec::new(),
            took: None,
            starts_are_short_until: 0,
            watched: Vec::new(),
        }
    }

    /// Notes how far everybody is.
    pub(super) fn note(&mut self, shared: &Shared) {
        self.since_ns = shared.clock.now();
        self.seen.clear();
        let processors = shared.slots.iter().map(|slot| &slot.processor);
        self.seen.extend(processors.map(Seen::of));
    }

    /// The machine has taken starts of another one.
    pub(super) fn took_starts(&mut self, own: &Processor, now: u64) {
        self.took = Some((own.turns(), now));
    }

    /// It has come to the end of them: whether they were worth the taking.
    pub(super) fn judge(&mut self, own: &Processor, now: u64) {
        if let Some((turns, since_ns)) = self.took.take() {
            let count = u64::from(own.turns().wrapping_sub(turns)).max(1);
            let is_short = now.saturating_sub(since_ns) < count * self.manners.short_ns;
            if is_short && self.manners.trusts_starts {
                self.starts_are_short_until = now + TRUST_NS;
            }
        }
    }

    /// Whether a processor with so many in its queue has more than it will come to
    /// soon, and that has been known for a while.
    pub(super) fn is_backed_up(&self, shared: &Shared, slot: &Slot, queued: usize) -> bool {
        if queued < BACKED_UP {
            return false;
        }
        let pace = self.pace_of(slot, shared.clock.now());
        let patience = pace.patience(self.manners.short_ns);
        pace.elapsed_ns >= KNOWN_NS && queued > patience
    }

    /// Begins to watch those that made progress in the search that has just ended, that
    /// had something to take, and that nobody watches.
    pub(super) fn begin(&mut self, shared: &Shared, had_work: impl Fn(u32) -> bool) {
        let now = shared.clock.now();
        let since = now.saturating_sub(self.since_ns);
        if !(KNOWN_NS..20 * SOON_NS).contains(&since) || shared.config.is_simulated() {
            return;
        }
        for slot in shared.slots.iter() {
            let pace = self.pace_of(slot, now);
            if pace.is_lively()
                && had_work(slot.number)
                && slot
                    .processor
                    .begin_watch(pace.patience(self.manners.short_ns))
            {
                self.watched.push(slot.number);
            }
        }
        self.note(shared);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// After a nap: whether there is nothing that this machine had better do. All of
    /// those that it watches make progress, and have no more than they will come to soon;
    /// and others have nothing, or are watched by somebody else.
    pub(super) fn goes_on(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now();
        let goes_on = shared.slots.iter().all(|slot| {
            let processor = &slot.processor;
            if !self.watched.contains(&slot.number) {
                return !processor.has_work() || processor.has_watcher();
            }
            let pace = self.pace_of(slot, now);
            let patience = pace.patience(self.manners.short_ns);
            processor.set_patience(patience);
            let queued = processor.waiting();
            pace.is_lively() && queued <= patience && !keeps_waiting(slot)
        });
        self.note(shared);
        goes_on
    }

    /// Whether there is something on processors that this machine does not watch.
    pub(super) fn is_work_elsewhere(&self, shared: &Shared) -> bool {
        let others = |slot: &&Slot| !self.watched.contains(&slot.number);
        let mut slots = shared.slots.iter().filter(others);
        slots.any(|slot| slot.processor.has_work())
    }

    /// Watches nobody any more. True if it did.
    pub(super) fn end(&mut self, shared: &Shared) -> bool {
        let any = !self.is_empty();
        for number in self.watched.drain(..) {
            shared.slots.get(number).processor.end_watch();
        }
        any
    }

    /// Since the last note. One that is new since then has none.
    fn pace_of(&self, slot: &Slot, now: u64) -> Pace {
        let processor = &slot.processor;
        let is = Seen::of(processor);
        let was = self.seen.get(slot.number as usize - 1).copied();
        let was = was.unwrap_or(is);
        let started = if now < self.starts_are_short_until {
            (is.end.wrapping_sub(was.end) as i32).max(0) as u64
        } else {
            0
        };
        Pace {
            runs: started + u64::from(is.tick.wrapping_sub(was.tick)),
            turns: started + u64::from(is.turns.wrapping_sub(was.turns)),
            elapsed_ns: now.saturating_sub(self.since_ns),
        }
    }
}

/// Whether something waits there behind a goroutine that runs for long: the mean of many
/// would not show it.
fn keeps_waiting(slot: &Slot) -> bool {
    let processor = &slot.processor;
    let look = Look::at(processor);
    for _ in 0..LOOKS_ON {
        if !processor.has_work() || Look::at(processor) != look {
            return false;
        }
        spin_hint();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{BACKED_UP, Pace, SOON_NS};

    const SHORT_NS: u64 = 500;

    fn pace(runs: u64, elapsed_ns: u64) -> Pace {
        Pace {
            runs,
            turns: runs,
            elapsed_ns,
        }
    }

    #[test]
    fn goroutines_that_run_for_long_are_shared_as_soon_as_some_wait() {
        assert_eq!(pace(0, 20_000).patience(SHORT_NS), BACKED_UP - 1);
        assert_eq!(pace(1, 20_000).patience(SHORT_NS), BACKED_UP - 1);
        assert_eq!(pace(20, 20_000).patience(SHORT_NS), BACKED_UP - 1);
    }

    #[test]
    fn of_short_ones_as_many_may_wait_as_are_run_soon() {
        let hundred = pace(100, 100 * SHORT_NS / 5);
        assert_eq!(hundred.patience(SHORT_NS) as u64, SOON_NS / (SHORT_NS / 5));
    }

    #[test]
    fn where_partners_wake_each_other_few_may_wait_in_the_queue() {
        let partners = Pace {
            turns: 1,
            ..pace(128, 20_000)
        };
        // As many as are taken from there, not as many as run.
        assert_eq!(partners.patience(SHORT_NS) as u64, SOON_NS / 20_000);
    }

    #[test]
    fn a_processor_without_progress_is_not_lively() {
        assert!(!pace(0, 20_000).is_lively());
        assert!(!pace(0, 0).is_lively());
        assert!(!pace(7, 20_000).is_lively());
        assert!(pace(8, 20_000).is_lively());
    }
}
