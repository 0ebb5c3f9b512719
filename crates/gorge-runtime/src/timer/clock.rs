//! The clock of a runtime: nanoseconds since its origin.

use super::NEVER;
use crate::time;
use std::time::Instant;

/// A monotonic clock that starts at zero with its runtime.
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            origin: time::now(),
        }
    }

    /// Nanoseconds since the origin.
    pub(crate) fn now(&self) -> u64 {
        self.at(time::now())
    }

    /// An instant on this clock; instants before the origin are zero, and
    /// those beyond five hundred years are never.
    pub(crate) fn at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(NEVER)
    }
}
