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

use super::shared::Shared;
use super::slot::Slot;
use std::time::Duration;

/// The time between two looks. A goroutine that is left alone for so long has
/// waited some ten times as long as a wake-up would have taken.
pub(super) const NAP: Duration = Duration::from_micros(100);

/// The pace of a processor is known after so long.
const KNOWN_AFTER_NS: u64 = 2_500;

/// A processor whose goroutines run for less than this, one by one, is worth watching.
const LIVELY_NS: u64 = 2_500;

/// To run a goroutine elsewhere costs about this. Those that run for less had better
/// stay where they are, if they come to run soon.
const SHORT_NS: u64 = 500;

/// Within a time that is no longer than it takes to wake another machine and move
/// half of them.
const SOON_NS: u64 = 20_000;

/// A queue of so many is too long, where goroutines are not that short: its owner will
/// not get to the last of them soon.
const BACKED_UP: usize = 3;

/// How many goroutines a processor ran, one after another, in how long.
#[derive(Clone, Copy)]
struct Pace {
    runs: u64,
    elapsed_ns: u64,
}

impl Pace {
    fn is_lively(self) -> bool {
        self.runs * LIVELY_NS >= self.elapsed_ns
    }

    /// How many may wait in the processor's queue and still had better be left to it.
    fn patience(self) -> usize {
        if self.elapsed_ns == 0 || self.runs * SHORT_NS < self.elapsed_ns {
            return BACKED_UP - 1;
        }
        usize::try_from(self.runs * SOON_NS / self.elapsed_ns).unwrap_or(usize::MAX)
    }
}

/// How far everybody was at some time, and which processors a machine watches.
#[derive(Default)]
pub(super) struct Watch {
    since_ns: u64,
    ticks: Vec<u32>,
    /// Their numbers.
    watched: Vec<u32>,
}

impl Watch {
    /// Notes how far everybody is.
    pub(super) fn note(&mut self, shared: &Shared) {
        self.since_ns = shared.clock.now();
        self.ticks.clear();
        let ticks = shared.slots.iter().map(|slot| slot.processor.tick());
        self.ticks.extend(ticks);
    }

    /// Whether a processor with so many in its queue has more than it will come to
    /// soon, as far as is known.
    pub(super) fn is_backed_up(&self, shared: &Shared, slot: &Slot, queued: usize) -> bool {
        if queued < BACKED_UP {
            return false;
        }
        let pace = self.pace_of(slot, shared.clock.now());
        pace.elapsed_ns >= KNOWN_AFTER_NS && queued > pace.patience()
    }

    /// Begins to watch those that made progress, and that nobody watches. True if there
    /// are any.
    pub(super) fn begin(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now();
        for slot in shared.slots.iter() {
            let pace = self.pace_of(slot, now);
            if pace.is_lively() && slot.processor.begin_watch(pace.patience()) {
                self.watched.push(slot.number);
            }
        }
        !self.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// After a nap: whether all of those that are watched make progress, and nobody
    /// has more to do than he will come to soon.
    pub(super) fn goes_on(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now();
        let goes_on = shared.slots.iter().all(|slot| {
            let processor = &slot.processor;
            if !self.watched.contains(&slot.number) {
                return !processor.has_work();
            }
            let pace = self.pace_of(slot, now);
            processor.set_patience(pace.patience());
            pace.is_lively() && processor.stealer().len() <= pace.patience()
        });
        self.note(shared);
        goes_on
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
        let seen = self.ticks.get(slot.number as usize - 1);
        let tick = slot.processor.tick();
        let runs = seen.map_or(0, |seen| tick.wrapping_sub(*seen));
        Pace {
            runs: u64::from(runs),
            elapsed_ns: now.saturating_sub(self.since_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BACKED_UP, Pace, SHORT_NS, SOON_NS};

    fn pace(runs: u64, elapsed_ns: u64) -> Pace {
        Pace { runs, elapsed_ns }
    }

    #[test]
    fn goroutines_that_run_for_long_are_shared_as_soon_as_some_wait() {
        assert_eq!(pace(0, 20_000).patience(), BACKED_UP - 1);
        assert_eq!(pace(1, 20_000).patience(), BACKED_UP - 1);
        assert_eq!(pace(20, 20_000).patience(), BACKED_UP - 1);
    }

    #[test]
    fn of_short_ones_as_many_may_wait_as_are_run_soon() {
        let hundred = pace(100, 100 * SHORT_NS / 5);
        assert_eq!(hundred.patience() as u64, SOON_NS / (SHORT_NS / 5));
    }

    #[test]
    fn a_processor_without_progress_is_not_lively() {
        assert!(!pace(0, 20_000).is_lively());
        assert!(!pace(7, 20_000).is_lively());
        assert!(pace(8, 20_000).is_lively());
    }
}
