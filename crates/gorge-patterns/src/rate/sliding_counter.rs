//! `SlidingCounter`: about so many in any window, from two counts.
//!
//! **Problem.** A quota without the bursts of fixed windows and without the memory of a log.
//!
//! ```text
//!   │     9 events      │     4     ▲        now, a third of the second window is over:
//!         └─────────────────────────┘        4 + 2/3 of 9 = 10
//! ```
//!
//! It takes the events of the window before to have been spread evenly.
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine.

use super::Refused;
use super::engine::{Engine, Plan, limiter, now, window_nanos};
use std::time::Duration;

/// Admits about `limit` events in any window. Clones share it.
///
/// **What is guaranteed**: at each event, those of the current window, and of those of the
/// window before it the part that the last window's length overlaps, are not more than `limit`.
/// So in each window that follows from when the limiter was made not more than `limit` events,
/// and in any other time of that length less than twice as many: the more evenly they come, the
/// nearer to `limit`.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{RateLimiter, SlidingCounter};
/// use std::time::Duration;
///
/// let counter = SlidingCounter::new(100, Duration::from_secs(60));
/// assert!(counter.try_acquire(100).is_ok());
/// // Of a full window before, a hundredth leaves in a hundredth of the time.
/// let delay = counter.reserve_n(1).delay();
/// assert!(delay > Duration::from_secs(59) && delay <= Duration::from_millis(60_600));
/// ```
#[derive(Clone)]
pub struct SlidingCounter {
    engine: Engine<Counts>,
}

struct Counts {
    limit: usize,
    window: u64,
    start: u64,
    /// The window in which there was something last, how much, and how much in the one before.
    index: u64,
    count: usize,
    before: usize,
    last: u64,
}

impl SlidingCounter {
    /// One whose first window begins now.
    ///
    /// # Panics
    ///
    /// If `limit` or `window` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(limit: usize, window: Duration) -> SlidingCounter {
        assert!(
            limit > 0,
            "rate::SlidingCounter: a limit of zero admits nothing: give one or more"
        );
        let window = window_nanos(window);
        let (start, last) = (now(), 0);
        let plan = Counts {
            limit,
            window,
            start,
            index: 0,
            count: 0,
            before: 0,
            last,
        };
        SlidingCounter {
            engine: Engine::new(plan),
        }
    }
}

impl Counts {
    fn index_of(&self, time: u64) -> u64 {
        time.saturating_sub(self.start) / self.window
    }

    fn move_to(&mut self, index: u64) {
        if index > self.index {
            self.before = if index == self.index + 1 {
                self.count
            } else {
                0
            };
            (self.index, self.count) = (index, 0);
        }
    }

    /// When in a window with these counts there is room for `n`, as time since it began; the
    /// window's length or more if not in it.
    fn room(&self, count: usize, before: usize, n: usize) -> u64 {
        let Some(left) = self.limit.checked_sub(count + n) else {
            return self.window;
        };
        if before <= left {
            return 0;
        }
        // before * (window - since) <= left * window
        let window = u128::from(self.window);
        let over = (before - left) as u128 * window;
        u64::try_from(over.div_ceil(before as u128)).unwrap_or(self.window)
    }
}

impl Plan for Counts {
    fn most(&self) -> usize {
        self.limit
    }

    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused> {
        let earliest = now.max(self.last);
        self.move_to(self.index_of(now));
        let (mut index, mut count, mut before) = (self.index, self.count, self.before);
        // After two windows without any there is room for all, so this ends.
        loop {
            let since = self.room(count, before, n);
            let begin = self.start.saturating_add(index.saturating_mul(self.window));
            let due = begin.saturating_add(since).max(earliest);
            if since < self.window && (self.index_of(due) == index || due == u64::MAX) {
                return Ok(due);
            }
            (index, before, count) = (index + 1, count, 0);
        }
    }

    fn record(&mut self, _now: u64, due: u64, n: usize) {
        self.move_to(self.index_of(due));
        self.count += n;
        self.last = due;
    }

    fn forget(&mut self, due: u64, n: usize) {
        let index = self.index_of(due);
        if index == self.index {
            self.count = self.count.saturating_sub(n);
        } else if index + 1 == self.index {
            self.before = self.before.saturating_sub(n);
        }
    }
}

limiter!(SlidingCounter {
    "limit": |plan: &Counts| plan.limit,
    "window": |plan: &Counts| Duration::from_nanos(plan.window),
});
