//! `Gcra`: the generic cell rate algorithm, in one atomic word.
//!
//! **Problem.** A limit that is asked from all processors at once, and never changes.
//!
//! The word is the *theoretical arrival time* of the next event, if all came as evenly as the
//! limit says. An event may come earlier than that by the burst's length.
//!
//! ```text
//!           earliest                    theoretical arrival
//!   ───────────┼─────────── burst ──────────────┼──────►
//! ```
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine.

use super::leaky::finite;
use super::reservation::{Claim, Reservation};
use super::{Limit, Permit, RateLimiter, Refused};
use gorge_runtime::preempt;
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_runtime::primitive::clock;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Admits `limit` events a second, and a burst of so many at once, without a lock. Clones share
/// it.
///
/// It admits what a [`Limiter`](super::Limiter) does, in whole nanoseconds: an interval that is
/// not is rounded up. Limit and burst cannot be changed, and a reservation that is given back
/// makes room only if it was the last one.
///
/// **What is guaranteed**: in any time `t`, not more than `burst + limit * t` events.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Gcra, Limit, RateLimiter};
///
/// let cells = Gcra::new(Limit::per_minute(1.0), 2);
/// assert!(cells.try_acquire(1).is_ok() && cells.try_acquire(1).is_ok());
/// assert!(cells.try_acquire(1).is_err());
/// ```
#[derive(Clone)]
pub struct Gcra {
    cells: Arc<Cells>,
}

struct Cells {
    /// Nanoseconds.
    arrival: AtomicU64,
    interval: u64,
    burst: usize,
}

/// Times are below this, so that sums do not overflow.
const NEVER: u64 = 1 << 62;

impl Gcra {
    /// One that admits a burst at once.
    ///
    /// # Panics
    ///
    /// If the limit is zero or infinite, or the burst is zero.
    #[track_caller]
    #[must_use]
    pub fn new(limit: impl Into<Limit>, burst: usize) -> Gcra {
        let limit = finite(limit.into());
        assert!(
            burst > 0,
            "rate::Gcra: a burst of zero admits nothing: give one or more"
        );
        let nanos = limit.interval_nanos();
        // What is whole but for the last bits of a quotient is meant to be whole.
        let is_whole = (nanos - nanos.round()).abs() <= nanos * f64::EPSILON;
        let nanos = if is_whole {
            nanos.round()
        } else {
            nanos.ceil()
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates"
        )]
        let interval = (nanos as u64).clamp(1, NEVER);
        Gcra {
            cells: Arc::new(Cells {
                arrival: AtomicU64::new(0),
                interval,
                burst,
            }),
        }
    }

    /// Moves the arrival on for `n` events, if they are due within `patience`. Returns when they
    /// are due, and where the arrival is now.
    fn take(&self, now: u64, n: usize, patience: u64) -> Result<(u64, u64), Refused> {
        let Cells {
            arrival,
            interval,
            burst,
        } = &*self.cells;
        if n > *burst {
            return Err(Refused::ExceedsBurst { n, burst: *burst });
        }
        let cost = interval.saturating_mul(n as u64);
        let span = interval.saturating_mul(*burst as u64);
        let mut seen = arrival.load(Ordering::Relaxed);
        loop {
            let next = seen.max(now).saturating_add(cost);
            let due = next.saturating_sub(span).max(now);
            if due - now > patience || next >= NEVER {
                let wait = if next >= NEVER {
                    Duration::MAX
                } else {
                    Duration::from_nanos(due - now)
                };
                return Err(Refused::TooSoon { wait });
            }
            // AcqRel: what led to an admission comes before what the next one leads to.
            let moved =
                arrival.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed);
            match moved {
                Ok(_) => return Ok((due, next)),
                Err(found) => seen = found,
            }
        }
    }

    fn try_take(&self, now: u64, n: usize) -> Result<Permit, Refused> {
        preempt::point_at_without_cancel("ask a rate limiter");
        self.take(now, n, 0).map(|_| Permit::none())
    }

    fn reserve(&self, now: u64, n: usize) -> Reservation {
        preempt::point_at_without_cancel("reserve of a rate limiter");
        match self.take(now, n, NEVER) {
            Ok((due, arrival)) => Reservation::new(
                n,
                Taken {
                    cells: Arc::clone(&self.cells),
                    due,
                    arrival,
                    n,
                },
            ),
            Err(refused) => Reservation::refused(n, refused),
        }
    }
}

impl RateLimiter for Gcra {
    fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused> {
        self.try_take(clock::nanos_of(t), n)
    }

    fn try_acquire(&self, n: usize) -> Result<Permit, Refused> {
        self.try_take(clock::nanos(), n)
    }

    fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        self.reserve(clock::nanos_of(t), n)
    }
}

struct Taken {
    cells: Arc<Cells>,
    due: u64,
    /// Where it has moved the arrival.
    arrival: u64,
    n: usize,
}

impl Claim for Taken {
    fn due(&self) -> Option<Instant> {
        clock::instant_of(self.due)
    }

    fn cancel(&mut self, t: Option<Instant>) {
        let Cells {
            arrival, interval, ..
        } = &*self.cells;
        let (next, cost) = (self.arrival, interval.saturating_mul(self.n as u64));
        if self.due >= t.map_or_else(clock::nanos, clock::nanos_of) {
            // Relaxed: nothing has happened that others would rely on.
            let _ =
                arrival.compare_exchange(next, next - cost, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Gcra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcra")
            .field("interval", &Duration::from_nanos(self.cells.interval))
            .field("burst", &self.cells.burst)
            .finish()
    }
}
