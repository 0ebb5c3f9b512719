//! How often: events per second.

use std::fmt;
use std::time::Duration;

/// How many events a second may see in the long run.
///
/// It need not be whole: [`Limit::every`] five seconds is a fifth. [`Limit::INF`] admits
/// everything, and [`Limit::ZERO`] nothing but the burst that is there at the start.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::Limit;
/// use std::time::Duration;
///
/// assert_eq!(Limit::every(Duration::from_millis(100)), Limit::per_second(10.0));
/// assert_eq!(Limit::per_minute(30.0).events_per_second(), 0.5);
/// assert_eq!(Limit::from(2.5).interval(), Some(Duration::from_millis(400)));
/// ```
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Limit(f64);

impl Limit {
    /// No limit: everything is admitted at once, whatever the burst.
    pub const INF: Limit = Limit(f64::INFINITY);
    /// Nothing is added ever.
    pub const ZERO: Limit = Limit(0.0);

    /// So many events per second: a float, or an integer.
    ///
    /// # Panics
    ///
    /// If it is negative or not a number.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::rate::Limit;
    ///
    /// assert_eq!(Limit::per_second(10), Limit::per_second(10.0));
    /// assert_eq!(Limit::per_minute(30), Limit::per_second(0.5));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn per_second(events: impl Into<f64>) -> Limit {
        Limit::of(events.into())
    }

    #[track_caller]
    fn of(events: f64) -> Limit {
        assert!(
            events >= 0.0,
            "rate::Limit: {events} events per second: give zero or more, or Limit::INF"
        );
        // The sum makes a plain zero of a negative one.
        Limit(events + 0.0)
    }

    /// So many events per minute.
    ///
    /// # Panics
    ///
    /// As for [`per_second`](Limit::per_second).
    #[track_caller]
    #[must_use]
    pub fn per_minute(events: impl Into<f64>) -> Limit {
        Limit::of(events.into() / 60.0)
    }

    /// So many events per hour.
    ///
    /// # Panics
    ///
    /// As for [`per_second`](Limit::per_second).
    #[track_caller]
    #[must_use]
    pub fn per_hour(events: impl Into<f64>) -> Limit {
        Limit::of(events.into() / 3600.0)
    }

    /// One event in each `interval`. With one of zero, [`Limit::INF`].
    #[must_use]
    pub fn every(interval: Duration) -> Limit {
        if interval.is_zero() {
            return Limit::INF;
        }
        Limit(1e9 / nanos(interval))
    }

    /// The number that it is.
    #[must_use]
    pub fn events_per_second(self) -> f64 {
        self.0
    }

    /// How far apart events are in the long run; `None` for [`Limit::ZERO`], or what is near it.
    #[must_use]
    pub fn interval(self) -> Option<Duration> {
        Duration::try_from_secs_f64(1.0 / self.0).ok()
    }

    /// Whether it admits everything.
    #[must_use]
    pub fn is_inf(self) -> bool {
        self.0 == f64::INFINITY
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == 0.0
    }

    /// Nanoseconds between events, as near as the number tells.
    pub(super) fn interval_nanos(self) -> f64 {
        1e9 / self.0
    }
}

/// Nanoseconds, exact where a number can be.
#[allow(clippy::cast_precision_loss, reason = "beyond 104 days")]
fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

impl From<f64> for Limit {
    /// So many per second.
    ///
    /// # Panics
    ///
    /// As [`Limit::per_second`].
    #[track_caller]
    fn from(events: f64) -> Limit {
        Limit::of(events)
    }
}

impl From<u32> for Limit {
    fn from(events: u32) -> Limit {
        Limit(f64::from(events))
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({})", self.0)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_inf() {
            return f.pad("no limit");
        }
        write!(f, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_nothing_is_no_limit() {
        assert_eq!(Limit::every(Duration::ZERO), Limit::INF);
        assert_eq!(Limit::INF.interval(), Some(Duration::ZERO));
        assert_eq!(Limit::ZERO.interval(), None);
    }

    #[test]
    #[should_panic(expected = "give zero or more")]
    fn a_negative_limit_is_refused() {
        let _limit = Limit::per_second(-1.0);
    }

    #[test]
    #[should_panic(expected = "give zero or more")]
    fn a_limit_that_is_no_number_is_refused() {
        let _limit = Limit::from(f64::NAN);
    }

    #[test]
    fn limits_compare_and_show() {
        assert!(Limit::ZERO < Limit::per_hour(1.0) && Limit::from(7u32) < Limit::INF);
        assert_eq!(Limit::from(0.5).to_string(), "0.5/s");
        assert_eq!(Limit::INF.to_string(), "no limit");
        assert_eq!(Limit::per_second(-0.0).to_string(), "0/s");
    }
}
