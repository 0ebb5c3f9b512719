//! What the last calls came to: by number, or by time.

use std::collections::VecDeque;
use std::time::Duration;

/// Which calls count while the circuit is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// All since the circuit was closed, or since the last full interval: with zero, without an
    /// end.
    Interval(Duration),
    /// The last so many.
    Calls(usize),
    /// Those of the last so long, to a tenth of it.
    Time(Duration),
}

/// What calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// How many have ended.
    pub calls: usize,
    /// Of those, how many failed.
    pub failures: usize,
    /// Of those, how many were slow, failed or not.
    pub slow: usize,
    /// How many failed in a row, up to now.
    pub consecutive_failures: usize,
    /// How many succeeded in a row, up to now.
    pub consecutive_successes: usize,
}

impl CallCounts {
    /// The share of failures; zero if there were no calls.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        share(self.failures, self.calls)
    }

    /// The share of slow calls; zero if there were no calls.
    #[must_use]
    pub fn slow_rate(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) is_failure: bool,
    pub(super) is_slow: bool,
}

/// Calls that are forgotten together.
struct Bucket {
    /// Which one: a time, or a number.
    key: u64,
    calls: usize,
    failures: usize,
    slow: usize,
}

/// The calls that count.
pub(super) struct Tally {
    window: Window,
    buckets: VecDeque<Bucket>,
    counts: CallCounts,
}

/// Into so many parts a window of time is divided.
const PARTS: u64 = 10;

impl Tally {
    pub(super) fn new(window: Window) -> Tally {
        Tally {
            window,
            buckets: VecDeque::new(),
            counts: CallCounts::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.buckets.clear();
        self.counts = CallCounts::default();
    }

    pub(super) fn counts(&self) -> CallCounts {
        self.counts
    }

    pub(super) fn record(&mut self, now: u64, outcome: Outcome) {
        self.forget_old(now);
        let (failures, slow) = (
            usize::from(outcome.is_failure),
            usize::from(outcome.is_slow),
        );
        self.counts.calls += 1;
        self.counts.failures += failures;
        self.counts.slow += slow;
        if outcome.is_failure {
            self.counts.consecutive_failures += 1;
            self.counts.consecutive_successes = 0;
        } else {
            self.counts.consecutive_successes += 1;
            self.counts.consecutive_failures = 0;
        }
        let key = match self.window {
            Window::Interval(_) => return,
            Window::Calls(_) => self.buckets.back().map_or(0, |last| last.key + 1),
            Window::Time(length) => now / part(length),
        };
        match self.buckets.back_mut() {
            // A clock that was read out of order counts as the latest one.
            Some(last) if last.key >= key => {
                last.calls += 1;
                last.failures += failures;
                last.slow += slow;
            }
            _ => self.buckets.push_back(Bucket {
                key,
                calls: 1,
                failures,
                slow,
            }),
        }
        if let Window::Calls(most) = self.window
            && self.buckets.len() > most
        {
            self.forget_first();
        }
    }

    /// Forgets what has left a window of time.
    pub(super) fn forget_old(&mut self, now: u64) {
        if let Window::Time(length) = self.window {
            let oldest = (now / part(length)).saturating_sub(PARTS - 1);
            while self.buckets.front().is_some_and(|first| first.key < oldest) {
                self.forget_first();
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.buckets.pop_front() {
            self.counts.calls -= first.calls;
            self.counts.failures -= first.failures;
            self.counts.slow -= first.slow;
        }
    }
}

fn part(length: Duration) -> u64 {
    (nanos(length) / PARTS).max(1)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Outcome = Outcome {
        is_failure: true,
        is_slow: false,
    };
    const GOOD: Outcome = Outcome {
        is_failure: false,
        is_slow: true,
    };

    #[test]
    fn the_last_calls_count() {
        let mut tally = Tally::new(Window::Calls(3));
        for outcome in [BAD, BAD, GOOD, GOOD] {
            tally.record(0, outcome);
        }
        let counts = tally.counts();
        assert_eq!((counts.calls, counts.failures, counts.slow), (3, 1, 2));
        assert_eq!(
            (counts.consecutive_failures, counts.consecutive_successes),
            (0, 2)
        );
    }

    #[test]
    fn the_calls_of_the_last_while_count() {
        let mut tally = Tally::new(Window::Time(Duration::from_nanos(100)));
        for now in [0, 5, 10, 99, 90] {
            tally.record(now, BAD);
        }
        assert_eq!(tally.counts().failures, 5);
        tally.forget_old(100);
        assert_eq!(tally.counts().failures, 3, "the first tenth has left");
        tally.forget_old(1_000);
        assert_eq!(tally.counts().calls, 0);
    }
}
