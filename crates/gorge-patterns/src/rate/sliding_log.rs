//! `SlidingLog`: so many in any window, exactly.
//!
//! **Problem.** A quota that must hold wherever one begins to count.
//!
//! ```text
//!   x  x     x   .    .
//!      └─────────┘          three in any time of this length
//! ```
//!
//! It remembers the time of each event in a window: where that is too much, take a
//! [`SlidingCounter`](super::SlidingCounter), which is nearly as good.
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine.

use super::Refused;
use super::engine::{Engine, Plan, limiter, window_nanos};
use std::collections::VecDeque;
use std::time::Duration;

/// Admits `limit` events in any window. Clones share it.
///
/// **What is guaranteed**: in any time of the window's length, wherever it begins, not more
/// than `limit` events. (Of two events exactly a window apart, one counts.)
///
/// It takes eight bytes for each event of a window, and for each one that is reserved.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Refused, RateLimiter, SlidingLog};
/// use gorge_runtime::time;
/// use std::time::Duration;
///
/// let log = SlidingLog::new(2, Duration::from_secs(60));
/// let start = time::now();
/// assert!(log.try_acquire_at(start, 1).is_ok());
/// assert!(log.try_acquire_at(start + Duration::from_secs(30), 1).is_ok());
/// let refused = log.try_acquire_at(start + Duration::from_secs(50), 1).unwrap_err();
/// assert_eq!(refused, Refused::TooSoon { wait: Duration::from_secs(10) });
/// ```
#[derive(Clone)]
pub struct SlidingLog {
    engine: Engine<Log>,
}

struct Log {
    limit: usize,
    window: u64,
    /// In order.
    times: VecDeque<u64>,
    /// When the last one was, also if it is forgotten.
    last: u64,
}

impl SlidingLog {
    /// One whose log is empty.
    ///
    /// # Panics
    ///
    /// If `limit` or `window` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(limit: usize, window: Duration) -> SlidingLog {
        assert!(
            limit > 0,
            "rate::SlidingLog: a limit of zero admits nothing: give one or more"
        );
        let window = window_nanos(window);
        let plan = Log {
            limit,
            window,
            times: VecDeque::new(),
            last: 0,
        };
        SlidingLog {
            engine: Engine::new(plan),
        }
    }
}

impl Plan for Log {
    fn most(&self) -> usize {
        self.limit
    }

    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused> {
        while self
            .times
            .front()
            .is_some_and(|first| first.saturating_add(self.window) <= now)
        {
            self.times.pop_front();
        }
        let earliest = self.last.max(now);
        // The one that must have left the window, so that there is room.
        let leaves = (self.times.len() + n).checked_sub(self.limit + 1);
        let leaves = leaves.and_then(|at| self.times.get(at));
        Ok(leaves.map_or(earliest, |time| {
            earliest.max(time.saturating_add(self.window))
        }))
    }

    fn record(&mut self, _now: u64, due: u64, n: usize) {
        self.times.extend(std::iter::repeat_n(due, n));
        self.last = due;
    }

    fn forget(&mut self, due: u64, n: usize) {
        let from = self.times.partition_point(|&time| time < due);
        let to = self.times.partition_point(|&time| time <= due);
        self.times.drain(from..to.min(from + n));
        if self.last == due && from + n >= to {
            self.last = self.times.back().copied().unwrap_or(0);
        }
    }
}

limiter!(SlidingLog {
    "limit": |plan: &Log| plan.limit,
    "window": |plan: &Log| Duration::from_nanos(plan.window),
});
