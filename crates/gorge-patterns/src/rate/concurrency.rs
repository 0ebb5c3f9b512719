//! `Concurrency`: so many at the same time, however long they take.
//!
//! **Problem.** What hurts is not how often something begins, but how much of it is going on.
//!
//! ```text
//!   ──► queue ──► [ x x x ] ──►  the next one begins when one is over
//! ```
//!
//! **Who closes what.** Each [`Permit`] gives its place back when it is dropped, on whatever
//! goroutine or thread. **Cancelled** are waits, by their context or with their goroutine. To
//! turn away those for whom the queue is too long, take a [`Bulkhead`](crate::Bulkhead).

use super::reservation::{Claim, Reservation};
use super::slots::{NoSlots, Slots};
use super::{Permit, RateLimiter, Refused, WaitError};
use gorge_channel::context::Context;
use gorge_runtime::{preempt, time};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Admits `max` events at the same time: each lasts until its [`Permit`] is dropped. Clones
/// share it.
///
/// Waits are served in the order in which they came. Nobody knows how long they take, so a
/// reservation is granted only if there is room now.
///
/// **What is guaranteed**: at no moment are there permits for more than `max`.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Concurrency, RateLimiter, Refused};
///
/// let downloads = Concurrency::new(2);
/// let first = downloads.try_acquire(1)?;
/// let second = downloads.try_acquire(1)?;
/// assert_eq!(downloads.try_acquire(1).unwrap_err(), Refused::Busy);
/// drop(first);
/// assert!(downloads.try_acquire(1).is_ok());
/// # drop(second);
/// # Ok::<(), Refused>(())
/// ```
#[derive(Clone)]
pub struct Concurrency {
    slots: Arc<Slots>,
}

impl Concurrency {
    /// One of which nothing is in use.
    ///
    /// # Panics
    ///
    /// If `max` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(max: usize) -> Concurrency {
        assert!(
            max > 0,
            "rate::Concurrency: zero at a time admits nothing: give one or more"
        );
        Concurrency {
            slots: Arc::new(Slots::new(max)),
        }
    }

    /// How many more could be now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.slots.free()
    }
}

impl RateLimiter for Concurrency {
    fn try_acquire_at(&self, _: Instant, n: usize) -> Result<Permit, Refused> {
        preempt::point_at_without_cancel("ask a rate limiter");
        match self.slots.try_take(n) {
            Ok(()) => Ok(Permit::of(Arc::clone(&self.slots), n)),
            Err(NoSlots::TooMany) => Err(Refused::ExceedsBurst {
                n,
                burst: self.slots.max(),
            }),
            Err(_) => Err(Refused::Busy),
        }
    }

    fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        match self.try_acquire_at(t, n) {
            Ok(permit) => Reservation::new(
                n,
                Taken {
                    permit: Some(permit),
                    since: time::now(),
                },
            ),
            Err(refused) => Reservation::refused(n, refused),
        }
    }

    fn acquire(&self, context: &Context, n: usize) -> Result<Permit, WaitError> {
        match self.slots.take(context, n, None, usize::MAX) {
            Ok(()) => Ok(Permit::of(Arc::clone(&self.slots), n)),
            Err(NoSlots::TooMany) => Err(WaitError::ExceedsBurst {
                n,
                burst: self.slots.max(),
            }),
            Err(NoSlots::Done(reason)) => {
                Err(WaitError::of_context(context, reason, Duration::MAX))
            }
            Err(_) => Err(WaitError::Full),
        }
    }

    fn is_scheduled(&self) -> bool {
        false
    }
}

struct Taken {
    permit: Option<Permit>,
    since: Instant,
}

impl Claim for Taken {
    fn due(&self) -> Option<Instant> {
        Some(self.since)
    }

    fn cancel(&mut self, _: Option<Instant>) {
        self.permit = None;
    }

    fn commit(&mut self) -> Permit {
        self.permit.take().unwrap_or_default()
    }
}

impl fmt::Debug for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrency")
            .field("max", &self.slots.max())
            .field("available", &self.slots.free())
            .field("waiting", &self.slots.queued())
            .finish()
    }
}
