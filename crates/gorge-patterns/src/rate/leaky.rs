//! Leaky buckets: the queue, which makes a steady stream of a bursty one, and the meter, which
//! turns away what would overflow.
//!
//! **Problem.** Somebody further on bears only so much at a time.
//!
//! ```text
//!   queue:  xx  xxx      ──► [ | | | ] ──►  x  x  x  x  x      evenly, later
//!   meter:  xx  xxx      ──► [ ~~~~~ ] ──►  xx  x              at once, or not at all
//! ```
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine.

use super::engine::{Engine, Plan, limiter};
use super::pace::Pace;
use super::{Limit, Refused};

/// Lets events through one at a time, evenly, and lets some wait: a leaky bucket as a queue.
/// Clones share it.
///
/// **What is guaranteed**: from one event to the next there is at least the limit's interval,
/// and `n` intervals after `n` events that were asked for together. So in any time `t` there are
/// not more than `1 + limit * t` events, if they are asked for one by one.
///
/// Those who wait hold their place; if more than `capacity` would, newcomers are turned away
/// with [`Refused::Full`]. A place in the midst that is given up stays empty.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::rate::{LeakyBucket, Limit, RateLimiter, WaitError};
/// use gorge_runtime::time;
/// use std::time::Duration;
///
/// let outflow = LeakyBucket::new(Limit::every(Duration::from_millis(1)), 100);
/// let start = time::now();
/// for _ in 0..5 {
///     let _permit = outflow.acquire(&context::background(), 1)?;
/// }
/// assert!(time::now() - start >= Duration::from_millis(4));
/// # Ok::<(), WaitError>(())
/// ```
#[derive(Clone)]
pub struct LeakyBucket {
    engine: Engine<Queue>,
}

struct Queue {
    limit: Limit,
    capacity: usize,
    pace: Pace,
    /// When the next one may be, in units.
    next: i128,
}

/// Lets events through at once as long as the bucket, which drains evenly, does not overflow: a
/// leaky bucket as a meter. Clones share it.
///
/// **What is guaranteed**: in any time `t`, not more than `capacity + limit * t` events. It is
/// the same as of a token bucket, seen from below: this one begins empty, and events fill it.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{LeakyMeter, Limit, RateLimiter};
///
/// let meter = LeakyMeter::new(Limit::per_hour(1.0), 3);
/// assert!(meter.try_acquire(2).is_ok());
/// assert!(meter.try_acquire(2).is_err());
/// assert!(meter.try_acquire(1).is_ok());
/// ```
#[derive(Clone)]
pub struct LeakyMeter {
    engine: Engine<Meter>,
}

struct Meter {
    limit: Limit,
    capacity: usize,
    pace: Pace,
    /// When it is empty, in units.
    empty: i128,
}

impl LeakyBucket {
    /// One that lets `limit` a second through, and `capacity` wait for it.
    ///
    /// # Panics
    ///
    /// If the limit is zero or infinite.
    #[track_caller]
    #[must_use]
    pub fn new(limit: impl Into<Limit>, capacity: usize) -> LeakyBucket {
        let limit = finite(limit.into());
        let pace = Pace::new(limit, capacity.saturating_add(1));
        let plan = Queue {
            limit,
            capacity,
            pace,
            next: i128::MIN / 4,
        };
        LeakyBucket {
            engine: Engine::new(plan),
        }
    }
}

impl LeakyMeter {
    /// One that drains at `limit` a second, and holds `capacity`.
    ///
    /// # Panics
    ///
    /// If the limit is zero or infinite, or the capacity is zero.
    #[track_caller]
    #[must_use]
    pub fn new(limit: impl Into<Limit>, capacity: usize) -> LeakyMeter {
        let limit = finite(limit.into());
        assert!(
            capacity > 0,
            "rate::LeakyMeter: a capacity of zero admits nothing: give one or more"
        );
        let pace = Pace::new(limit, capacity);
        let plan = Meter {
            limit,
            capacity,
            pace,
            empty: i128::MIN / 4,
        };
        LeakyMeter {
            engine: Engine::new(plan),
        }
    }
}

#[track_caller]
pub(super) fn finite(limit: Limit) -> Limit {
    assert!(
        !limit.is_inf() && !limit.is_zero(),
        "rate: a limit of {limit}: give one above zero that is not infinite"
    );
    limit
}

/// What is beyond the clock never is.
fn nanos(pace: &Pace, units: i128) -> Result<u64, Refused> {
    let never = Refused::TooSoon {
        wait: std::time::Duration::MAX,
    };
    pace.nanos(units).ok_or(never)
}

impl Plan for Queue {
    fn most(&self) -> usize {
        self.capacity.saturating_add(1)
    }

    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused> {
        let start = self.pace.units(now);
        // Who comes now has these in front, and takes `n - 1` more places itself.
        let ahead = self.next - start + self.pace.cost(n.saturating_sub(1));
        if ahead > self.pace.cost(self.capacity) {
            return Err(Refused::Full);
        }
        nanos(&self.pace, self.next.max(start))
    }

    fn record(&mut self, now: u64, _due: u64, n: usize) {
        self.next = self.next.max(self.pace.units(now)) + self.pace.cost(n);
    }

    fn forget(&mut self, due: u64, n: usize) {
        let before = self.next - self.pace.cost(n);
        if self.pace.nanos(before) == Some(due) {
            self.next = before;
        }
    }
}

impl Plan for Meter {
    fn most(&self) -> usize {
        self.capacity
    }

    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused> {
        let now = self.pace.units(now);
        let full = self.empty.max(now) + self.pace.cost(n);
        nanos(&self.pace, (full - self.pace.span).max(now))
    }

    fn record(&mut self, now: u64, _due: u64, n: usize) {
        self.empty = self.empty.max(self.pace.units(now)) + self.pace.cost(n);
    }

    fn forget(&mut self, _due: u64, n: usize) {
        self.empty -= self.pace.cost(n);
    }
}

limiter!(LeakyBucket {
    "limit": |plan: &Queue| plan.limit,
    "capacity": |plan: &Queue| plan.capacity,
});
limiter!(LeakyMeter {
    "limit": |plan: &Meter| plan.limit,
    "capacity": |plan: &Meter| plan.capacity,
});
