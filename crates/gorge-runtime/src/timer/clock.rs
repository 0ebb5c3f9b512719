//! The clock of a runtime: nanoseconds since its origin.

use super::NEVER;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::time;
use std::time::{Duration, Instant};

/// A monotonic clock that starts at zero with its runtime.
pub(crate) struct Clock {
    origin: Instant,
    /// The time, if it is not the real one.
    virtual_now: Option<AtomicU64>,
}

impl Clock {
    /// A clock that shows real time, or one that stands still until it jumps.
    pub(crate) fn start(is_virtual: bool) -> Clock {
        Clock {
            origin: time::real_now(),
            virtual_now: is_virtual.then(|| AtomicU64::new(0)),
        }
    }

    /// Nanoseconds since the origin.
    pub(crate) fn now(&self) -> u64 {
        match &self.virtual_now {
            None => self.at(time::real_now()),
            Some(now) => now.load(Ordering::Relaxed),
        }
    }

    /// An instant on this clock; instants before the origin are zero, and
    /// those beyond five hundred years are never.
    pub(crate) fn at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(NEVER)
    }

    /// The virtual time as an instant; `None` when time is real.
    pub(crate) fn virtual_instant(&self) -> Option<Instant> {
        let now = self.virtual_now.as_ref()?.load(Ordering::Relaxed);
        self.origin.checked_add(Duration::from_nanos(now))
    }

    /// When a virtual clock started; `None` when time is real.
    pub(crate) fn virtual_origin(&self) -> Option<Instant> {
        self.virtual_now.as_ref().map(|_| self.origin)
    }

    /// Moves a virtual clock forward to `when`. False when time is real.
    pub(crate) fn jump_to(&self, when: u64) -> bool {
        let Some(now) = &self.virtual_now else {
            return false;
        };
        now.fetch_max(when, Ordering::Relaxed);
        true
    }
}
