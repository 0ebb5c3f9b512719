//! Watching a processor whose goroutines are short, instead of robbing it.
//!
//! Goroutines that talk to each other run for a fraction of a microsecond and wake
//! each other all the time. To run one of them elsewhere costs more than it could
//! ever save: the thief's wake-up, the lines that go back and forth, and the next
//! wake-up when it has run out of work at once. So a machine that found nothing to
//! do, and saw many goroutines run on some processor meanwhile, *watches* that:
//! it naps, and looks now and then whether anything waits there for long. In return
//! the watched processor wakes nobody for the goroutine that is to run next, or a
//! few in its queue.
//!
//! What is posted quietly must not be forgotten: see `README.md`, (j).

use super::shared::Shared;
use super::slot::Slot;
use std::time::Duration;

/// The time between two looks. A goroutine that is left alone for so long has
/// waited some ten times as long as a wake-up would have taken.
pub(super) const NAP: Duration = Duration::from_micros(100);

/// A processor that runs so many goroutines in a search, some twenty microseconds,
/// is worth watching.
const RUNS_PER_SEARCH: u32 = 8;

/// One that runs so many in a nap still is.
const RUNS_PER_NAP: u32 = 20;

/// Which processors a machine watches, and what it saw of all of them last.
#[derive(Default)]
pub(super) struct Watch {
    ticks: Vec<u32>,
    /// Their numbers.
    watched: Vec<u32>,
}

impl Watch {
    /// Notes how far everybody is, before a search.
    pub(super) fn begin_search(&mut self, shared: &Shared) {
        self.ticks.clear();
        let ticks = shared.slots.iter().map(|slot| slot.processor.tick());
        self.ticks.extend(ticks);
    }

    /// Begins to watch those that made progress since, and that nobody watches. True
    /// if there are any.
    pub(super) fn begin(&mut self, shared: &Shared) -> bool {
        for slot in shared.slots.iter().take(self.ticks.len()) {
            if self.runs_of(slot) >= RUNS_PER_SEARCH && slot.processor.begin_watch() {
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
        let goes_on = shared.slots.iter().all(|slot| {
            let processor = &slot.processor;
            if self.watched.contains(&slot.number) {
                self.runs_of(slot) >= RUNS_PER_NAP && !processor.is_backed_up()
            } else {
                !processor.has_work()
            }
        });
        for &number in &self.watched {
            self.ticks[number as usize - 1] = shared.slots.get(number).processor.tick();
        }
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

    /// How many goroutines were run there since the last look.
    fn runs_of(&self, slot: &Slot) -> u32 {
        let seen = self.ticks[slot.number as usize - 1];
        slot.processor.tick().wrapping_sub(seen)
    }
}
