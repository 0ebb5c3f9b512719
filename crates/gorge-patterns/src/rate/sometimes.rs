//! `Sometimes`: some of many calls.
//!
//! **Problem.** A log line in a loop: the first few times, then now and then.
//!
//! ```text
//!   calls  x x x x x x x x x x x x
//!   runs   x x       x       x        the first two, and every fourth
//! ```
//!
//! **Who closes what, how it is cancelled.** There is nothing to close and nothing that waits.

use gorge_runtime::primitive::clock;
use gorge_sync::Mutex;
use std::fmt;
use std::time::Duration;

/// Runs a function at some of the times that it is asked to: when the first, *or* the every,
/// *or* the interval says so. With none of the three, only the first time, which always is one.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::Sometimes;
///
/// let sometimes = Sometimes::new().first(2).every(4);
/// let mut runs = Vec::new();
/// for call in 0..12 {
///     sometimes.run(|| runs.push(call));
/// }
/// assert_eq!(runs, [0, 1, 4, 8]);
/// ```
#[derive(Default)]
pub struct Sometimes {
    first: u64,
    every: u64,
    interval: Option<Duration>,
    past: Mutex<Past>,
}

#[derive(Default)]
struct Past {
    calls: u64,
    /// Nanoseconds.
    last_run: u64,
}

impl Sometimes {
    /// One that runs its function once, until told more.
    #[must_use]
    pub fn new() -> Sometimes {
        Sometimes::default()
    }

    /// Also the first so many times.
    #[must_use]
    pub fn first(mut self, calls: u64) -> Sometimes {
        self.first = calls;
        self
    }

    /// Also every so many times, beginning with the first. Zero: not by number.
    #[must_use]
    pub fn every(mut self, calls: u64) -> Sometimes {
        self.every = calls;
        self
    }

    /// Also when it did not run for so long.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Sometimes {
        self.interval = Some(interval);
        self
    }

    /// Runs the function, if it is time, and returns what it does. It may take long and ask again:
    /// nothing is locked meanwhile.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        self.is_time().then(f)
    }

    fn is_time(&self) -> bool {
        let mut past = self.past.lock();
        let is_it = past.calls == 0
            || past.calls < self.first
            || (self.every > 0 && past.calls.is_multiple_of(self.every))
            || self.interval.is_some_and(|interval| {
                u128::from(clock::nanos().saturating_sub(past.last_run)) >= interval.as_nanos()
            });
        past.calls += 1;
        if is_it && self.interval.is_some() {
            past.last_run = clock::nanos();
        }
        is_it
    }
}

impl fmt::Debug for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sometimes")
            .field("first", &self.first)
            .field("every", &self.every)
            .field("interval", &self.interval)
            .finish()
    }
}
