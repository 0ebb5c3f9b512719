//! A value that comes by itself, when it is due.
//!
//! Nobody sends it and no timer runs for it: a receiver looks at the clock, and waits
//! until then at most. So nothing is left of it when its receivers have gone.

use gorge_runtime::time;
use std::mem;
use std::time::{Duration, Instant};

pub(crate) struct Timer<T> {
    /// When the next value comes; none if there will be none, or beyond all time.
    due: Option<Instant>,
    /// It has been set, and not stopped, nor received unless there is a next one.
    is_set: bool,
    /// How long after that the one after it does; none if there is one alone.
    period: Option<Duration>,
    /// Makes the value of the time at which it was due.
    make: fn(Instant) -> T,
}

impl<T> Timer<T> {
    /// One value, at `due`, which is never if there is no such instant.
    pub(crate) fn once(due: Option<Instant>, make: fn(Instant) -> T) -> Timer<T> {
        Timer {
            due,
            is_set: true,
            period: None,
            make,
        }
    }

    /// A value now and then, first at `due`.
    pub(crate) fn repeating(
        due: Option<Instant>,
        period: Duration,
        make: fn(Instant) -> T,
    ) -> Timer<T> {
        Timer {
            due,
            is_set: true,
            period: Some(period),
            make,
        }
    }

    /// Sets when the next value comes, and how long after that the one after it does.
    /// Returns whether it had been set before.
    pub(crate) fn set(&mut self, due: Option<Instant>, period: Option<Duration>) -> bool {
        (self.due, self.period) = (due, period);
        mem::replace(&mut self.is_set, true)
    }

    /// There will be no value. Returns whether it had been set.
    pub(crate) fn stop(&mut self) -> bool {
        self.due = None;
        mem::replace(&mut self.is_set, false)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How many values there are: one at most.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.due.is_some_and(|due| due <= time::now()))
    }

    /// The value, if it is due. It says when it was. Those that nobody took in time
    /// are left out, and the next ones stay in phase.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let due = self.due?;
        let now = time::now();
        if now < due {
            return None;
        }
        self.due = self.period.and_then(|period| next(due, period, now));
        self.is_set = self.period.is_some();
        Some((self.make)(due))
    }
}

/// The first instant after `now` that is a number of periods after `due`.
fn next(due: Instant, period: Duration, now: Instant) -> Option<Instant> {
    let nanos = period.as_nanos();
    if nanos == 0 {
        return Some(now);
    }
    let past = now.saturating_duration_since(due).as_nanos();
    let ahead = nanos - past % nanos;
    // Less than a period, which is a duration.
    let ahead = Duration::new(
        (ahead / 1_000_000_000) as u64,
        (ahead % 1_000_000_000) as u32,
    );
    now.checked_add(ahead)
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::next;
    use gorge_runtime::time;
    use std::time::Duration;

    #[test]
    fn ticks_that_were_missed_are_left_out_and_the_phase_is_kept() {
        let start = time::now();
        let at = |millis| start + Duration::from_millis(millis);
        let period = Duration::from_millis(10);
        assert_eq!(next(at(10), period, at(10)), Some(at(20)));
        assert_eq!(next(at(10), period, at(19)), Some(at(20)));
        assert_eq!(next(at(10), period, at(20)), Some(at(30)));
        assert_eq!(next(at(10), period, at(47)), Some(at(50)));
        assert_eq!(next(at(10), Duration::MAX, at(11)), None);
    }
}
