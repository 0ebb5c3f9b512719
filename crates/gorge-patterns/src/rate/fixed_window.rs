//! `FixedWindow`: so many in each window, counted anew in the next one.
//!
//! **Problem.** A quota per minute or per hour, as those have it who write bills.
//!
//! ```text
//!   │ x x x . . . │ . x x . . x │ . . . . . . │     three in each
//! ```
//!
//! It costs two numbers. Around the border of two windows there may be as many as both have:
//! where that matters, take a [`SlidingLog`](super::SlidingLog).
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine.

use super::Refused;
use super::engine::{Engine, Plan, limiter, now, window_nanos};
use std::time::Duration;

/// Admits `limit` events in each window. Clones share it.
///
/// **What is guaranteed**: in each window not more than `limit` events, where windows follow
/// each other from the moment at which the limiter was made. So in any time of a window's
/// length not more than twice as many.
///
/// A reservation that is given back makes room in its window only if none was made in a later
/// one.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{FixedWindow, RateLimiter};
/// use std::time::Duration;
///
/// let quota = FixedWindow::new(2, Duration::from_secs(3600));
/// assert!(quota.try_acquire(2).is_ok());
/// assert!(quota.try_acquire(1).is_err());
/// ```
#[derive(Clone)]
pub struct FixedWindow {
    engine: Engine<Windows>,
}

struct Windows {
    limit: usize,
    window: u64,
    start: u64,
    /// The window in which there was something last, and how much.
    index: u64,
    count: usize,
}

impl FixedWindow {
    /// One whose first window begins now.
    ///
    /// # Panics
    ///
    /// If `limit` or `window` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(limit: usize, window: Duration) -> FixedWindow {
        assert!(
            limit > 0,
            "rate::FixedWindow: a limit of zero admits nothing: give one or more"
        );
        let window = window_nanos(window);
        let plan = Windows {
            limit,
            window,
            start: now(),
            index: 0,
            count: 0,
        };
        FixedWindow {
            engine: Engine::new(plan),
        }
    }
}

impl Windows {
    fn index_of(&self, time: u64) -> u64 {
        time.saturating_sub(self.start) / self.window
    }

    fn begin_of(&self, index: u64) -> u64 {
        self.start.saturating_add(index.saturating_mul(self.window))
    }
}

impl Plan for Windows {
    fn most(&self) -> usize {
        self.limit
    }

    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused> {
        let current = self.index_of(now);
        if current > self.index {
            (self.index, self.count) = (current, 0);
        }
        let index = self.index + u64::from(self.count + n > self.limit);
        Ok(self.begin_of(index).max(now))
    }

    fn record(&mut self, _now: u64, due: u64, n: usize) {
        let index = self.index_of(due);
        if index > self.index {
            (self.index, self.count) = (index, 0);
        }
        self.count += n;
    }

    fn forget(&mut self, due: u64, n: usize) {
        if self.index_of(due) == self.index {
            self.count = self.count.saturating_sub(n);
        }
    }
}

limiter!(FixedWindow {
    "limit": |plan: &Windows| plan.limit,
    "window": |plan: &Windows| Duration::from_nanos(plan.window),
});
