//! `Backoff`: how long to wait before each further attempt, as an iterator.

use gorge_runtime::primitive::random_below;
use std::time::Duration;

/// How long to wait before each further attempt: an iterator, which ends when there is to be
/// none.
///
/// Its numbers come from the runtime, so in a simulation the seed decides them. Clone it to
/// begin again.
///
/// # Examples
///
/// ```
/// use gorge_patterns::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let seconds = |backoff: Backoff| backoff.map(|wait| wait.as_secs()).collect::<Vec<_>>();
/// let second = Duration::from_secs(1);
///
/// let doubling = Backoff::exponential(second).jitter(Jitter::None).max(5 * second);
/// assert_eq!(seconds(doubling.max_attempts(6)), [1, 2, 4, 5, 5]);
/// let fibonacci = Backoff::fibonacci(second).jitter(Jitter::None);
/// assert_eq!(seconds(fibonacci.max_attempts(7)), [1, 1, 2, 3, 5, 8]);
/// assert_eq!(seconds(Backoff::constant(second).max_attempts(3)), [1, 1]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Backoff {
    shape: Shape,
    jitter: Jitter,
    first: Duration,
    max: Duration,
    /// How many more there are.
    left: Option<u32>,
    /// The next one without jitter, and the one after it (of Fibonacci's numbers).
    next: Duration,
    after: Duration,
    /// The last one that was given out.
    last: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Constant,
    Exponential(f64),
    Fibonacci,
}

/// What chance adds, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Nothing.
    None,
    /// Anything from zero to the wait: the least load on what failed.
    Full,
    /// Half of the wait, and anything up to the other half.
    Equal,
    /// Anything from the first wait to three times the last one, in place of the shape.
    Decorrelated,
}

impl Backoff {
    /// Waits that double, from `first` to a minute at most, with [`Jitter::Full`].
    pub fn exponential(first: Duration) -> Backoff {
        Backoff::of(Shape::Exponential(2.0), first, Jitter::Full)
    }

    /// Waits of equal length, without jitter.
    pub fn constant(wait: Duration) -> Backoff {
        Backoff {
            max: Duration::MAX,
            ..Backoff::of(Shape::Constant, wait, Jitter::None)
        }
    }

    /// Waits that are the sum of the two before, from `first` to a minute at most, with
    /// [`Jitter::Full`].
    pub fn fibonacci(first: Duration) -> Backoff {
        Backoff::of(Shape::Fibonacci, first, Jitter::Full)
    }

    fn of(shape: Shape, first: Duration, jitter: Jitter) -> Backoff {
        let max = Duration::from_secs(60).max(first);
        Backoff {
            shape,
            jitter,
            first,
            max,
            left: None,
            next: first,
            after: first,
            last: first,
        }
    }

    /// What exponential waits grow by.
    ///
    /// # Panics
    ///
    /// If it is less than one, or not a number; if the waits are not exponential.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Backoff {
        assert!(
            factor >= 1.0,
            "Backoff: a factor of {factor}: give one that is not below 1"
        );
        assert!(
            matches!(self.shape, Shape::Exponential(_)),
            "Backoff: only exponential waits have a factor"
        );
        self.shape = Shape::Exponential(factor);
        self
    }

    /// No wait is longer than this.
    pub fn max(mut self, max: Duration) -> Backoff {
        self.max = max;
        self
    }

    /// What chance adds.
    pub fn jitter(mut self, jitter: Jitter) -> Backoff {
        self.jitter = jitter;
        self
    }

    /// After so many attempts, the first one included, there are no more. Without, there is no
    /// end.
    ///
    /// # Panics
    ///
    /// If it is zero: the first attempt always is.
    #[track_caller]
    pub fn max_attempts(mut self, attempts: u32) -> Backoff {
        assert!(
            attempts > 0,
            "Backoff: zero attempts: the first one always is, so give one or more"
        );
        self.left = Some(attempts - 1);
        self
    }

    /// The next wait without jitter.
    fn step(&mut self) -> Duration {
        let wait = self.next.min(self.max);
        match self.shape {
            Shape::Constant => {}
            Shape::Exponential(factor) => {
                let grown = Duration::try_from_secs_f64(self.next.as_secs_f64() * factor);
                self.next = if factor == 2.0 {
                    self.next.saturating_mul(2)
                } else {
                    grown.unwrap_or(Duration::MAX)
                };
                self.next = self.next.min(self.max);
            }
            Shape::Fibonacci => {
                let sum = self.next.saturating_add(self.after);
                self.next = std::mem::replace(&mut self.after, sum);
            }
        }
        wait
    }
}

impl Default for Backoff {
    /// Waits that double from 100 ms on, with [`Jitter::Full`], for five attempts.
    fn default() -> Backoff {
        Backoff::exponential(Duration::from_millis(100)).max_attempts(5)
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let wait = self.step();
        self.last = match self.jitter {
            Jitter::None => wait,
            Jitter::Full => between(Duration::ZERO, wait),
            Jitter::Equal => between(wait / 2, wait),
            Jitter::Decorrelated => between(self.first, self.last.saturating_mul(3)).min(self.max),
        };
        Some(self.last)
    }
}

/// Any duration from `low` to `high`.
fn between(low: Duration, high: Duration) -> Duration {
    /// The parts that chance tells apart.
    const PARTS: usize = 1 << 30;
    let range = high.saturating_sub(low);
    let part = random_below(PARTS + 1);
    #[allow(
        clippy::cast_precision_loss,
        reason = "they are few enough to be exact"
    )]
    let share = part as f64 / PARTS as f64;
    let added = Duration::try_from_secs_f64(range.as_secs_f64() * share);
    low.saturating_add(added.unwrap_or(range).min(range))
}
