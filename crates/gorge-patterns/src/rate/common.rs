//! What all limiters have in common: a trait, and what admission leaves in hand.

use super::reservation::{Reservation, wait_error};
use super::slots::Slots;
use super::{Refused, WaitError};
use gorge_channel::context::Context;
use gorge_runtime::time;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Whatever admits events: each in its own way, and all alike to those who ask.
///
/// [`MultiLimiter`](super::MultiLimiter) makes one of several, and
/// [`Keyed`](super::Keyed) has one for each key. It may be used as `dyn RateLimiter`.
pub trait RateLimiter: Send + Sync {
    /// Admits `n` events as of `t`, or nothing. Nothing is admitted while others wait that came
    /// before.
    ///
    /// # Errors
    ///
    /// Why they are not admitted. Nothing has changed then.
    fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused>;

    /// Takes `n` as of `t`, which may be some to come.
    fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation;

    /// Admits `n` events now, or nothing.
    ///
    /// # Errors
    ///
    /// Why they are not admitted. Nothing has changed then.
    fn try_acquire(&self, n: usize) -> Result<Permit, Refused> {
        self.try_acquire_at(time::now(), n)
    }

    /// Takes `n`, which may be some to come.
    fn reserve_n(&self, n: usize) -> Reservation {
        self.reserve_n_at(time::now(), n)
    }

    /// Waits until `n` events are admitted.
    ///
    /// # Errors
    ///
    /// If that never happens; if the context is done first, or would be.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine. What was taken is given back.
    fn acquire(&self, context: &Context, n: usize) -> Result<Permit, WaitError> {
        if let Some(reason) = context.err() {
            return Err(WaitError::of_context(
                context,
                reason,
                std::time::Duration::ZERO,
            ));
        }
        let reservation = self.reserve_n(n);
        match reservation.refusal() {
            Some(refused) => Err(wait_error(refused)),
            None => reservation.wait(context),
        }
    }

    /// Whether [`reserve_n`](RateLimiter::reserve_n) can tell when there is room: not if that
    /// depends on when others are ready, as with a limit of concurrency.
    fn is_scheduled(&self) -> bool {
        true
    }
}

/// What points to a limiter is one.
macro_rules! points_to_a_limiter {
    ($pointer:ident) => {
        impl<L: RateLimiter + ?Sized> RateLimiter for $pointer<L> {
            fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused> {
                (**self).try_acquire_at(t, n)
            }

            fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
                (**self).reserve_n_at(t, n)
            }

            fn try_acquire(&self, n: usize) -> Result<Permit, Refused> {
                (**self).try_acquire(n)
            }

            fn reserve_n(&self, n: usize) -> Reservation {
                (**self).reserve_n(n)
            }

            fn acquire(&self, context: &Context, n: usize) -> Result<Permit, WaitError> {
                (**self).acquire(context, n)
            }

            fn is_scheduled(&self) -> bool {
                (**self).is_scheduled()
            }
        }
    };
}

points_to_a_limiter!(Arc);
points_to_a_limiter!(Box);

/// Admission. Keep it as long as the event lasts: a limit of concurrency counts it until it is
/// dropped. To others that makes no difference.
#[must_use = "what is in progress is over when this is dropped"]
#[derive(Default)]
pub struct Permit {
    held: Vec<Held>,
}

struct Held {
    slots: Arc<Slots>,
    n: usize,
}

impl Permit {
    /// One that holds nothing, for limits of rates.
    pub fn none() -> Permit {
        Permit::default()
    }

    pub(crate) fn of(slots: Arc<Slots>, n: usize) -> Permit {
        Permit {
            held: vec![Held { slots, n }],
        }
    }

    /// Both.
    pub fn and(mut self, mut other: Permit) -> Permit {
        self.held.append(&mut other.held);
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.slots.release(self.n);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: usize = self.held.iter().map(|held| held.n).sum();
        f.debug_struct("Permit").field("held", &held).finish()
    }
}
