//! What all limiters but the token bucket have in common: a plan, which is a sequential
//! algorithm on whole nanoseconds, under a lock.
//!
//! A plan says when `n` more could be, behind all that were recorded. Whoever reserves records
//! that time, and owns it; so a wait is a reservation and a sleep, waits are served in the order
//! in which they came, and nobody is admitted without having been counted.

use super::reservation::{Claim, Reservation};
use super::{Permit, Refused};
use gorge_runtime::primitive::clock;
use gorge_runtime::{preempt, time};
use gorge_sync::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A way to admit events. Times are nanoseconds.
pub(super) trait Plan: Send + 'static {
    /// As many as may be at once.
    fn most(&self) -> usize;

    /// When `n` can be at the earliest, `now` or later, and not before what was recorded.
    /// It may forget what is over.
    fn due(&mut self, now: u64, n: usize) -> Result<u64, Refused>;

    /// `n` will be at `due`, which is what [`due`](Plan::due) has just said.
    fn record(&mut self, now: u64, due: u64, n: usize);

    /// What was recorded will not be. Nobody who was recorded later may be harmed, so it may do
    /// nothing.
    fn forget(&mut self, due: u64, n: usize);
}

pub(super) struct Engine<P> {
    state: Arc<Mutex<State<P>>>,
}

struct State<P> {
    plan: P,
    /// The latest time that anybody had. Threads read the clock out of order.
    now: u64,
}

impl<P> Clone for Engine<P> {
    fn clone(&self) -> Self {
        Engine {
            state: Arc::clone(&self.state),
        }
    }
}

impl<P: Plan> State<P> {
    fn due(&mut self, t: Instant, n: usize) -> Result<u64, Refused> {
        self.now = self.now.max(clock::nanos_of(t));
        let burst = self.plan.most();
        if n > burst {
            return Err(Refused::ExceedsBurst { n, burst });
        }
        self.plan.due(self.now, n)
    }

    fn record(&mut self, due: u64, n: usize) {
        self.plan.record(self.now, due, n);
    }
}

impl<P: Plan> Engine<P> {
    pub(super) fn new(plan: P) -> Engine<P> {
        Engine {
            state: Arc::new(Mutex::new(State { plan, now: 0 })),
        }
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.state.lock().plan)
    }

    pub(super) fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused> {
        preempt::point_at_without_cancel("ask a rate limiter");
        let mut state = self.state.lock();
        let due = state.due(t, n)?;
        let wait = due.saturating_sub(state.now);
        if wait > 0 {
            return Err(Refused::TooSoon {
                wait: Duration::from_nanos(wait),
            });
        }
        state.record(due, n);
        Ok(Permit::none())
    }

    pub(super) fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        preempt::point_at_without_cancel("reserve of a rate limiter");
        let mut state = self.state.lock();
        match state.due(t, n) {
            Err(refused) => Reservation::refused(n, refused),
            Ok(due) => {
                state.record(due, n);
                drop(state);
                Reservation::new(
                    n,
                    Recorded {
                        engine: self.clone(),
                        due,
                        n,
                    },
                )
            }
        }
    }
}

/// What was recorded for a reservation.
struct Recorded<P> {
    engine: Engine<P>,
    due: u64,
    n: usize,
}

impl<P: Plan> Claim for Recorded<P> {
    fn due(&self) -> Option<Instant> {
        clock::instant_of(self.due)
    }

    fn cancel(&mut self, t: Option<Instant>) {
        if self.due >= t.map_or_else(clock::nanos, clock::nanos_of) {
            self.engine.state.lock().plan.forget(self.due, self.n);
        }
    }
}

/// A time by now, for those who begin with it.
pub(super) fn now() -> u64 {
    clock::nanos_of(time::now())
}

/// A length in nanoseconds, which is not zero.
#[track_caller]
pub(super) fn window_nanos(window: Duration) -> u64 {
    assert!(
        !window.is_zero(),
        "rate: a window of no length: give it some time"
    );
    // As long as that is for ever.
    u64::try_from(window.as_nanos())
        .unwrap_or(u64::MAX)
        .min(1 << 62)
}

/// Gives a type with a field `engine` the trait, `Clone` and `Debug`.
macro_rules! limiter {
    ($name:ident { $($field:literal: $value:expr),* $(,)? }) => {
        impl super::RateLimiter for $name {
            fn try_acquire_at(
                &self,
                t: std::time::Instant,
                n: usize,
            ) -> Result<super::Permit, super::Refused> {
                self.engine.try_acquire_at(t, n)
            }

            fn reserve_n_at(&self, t: std::time::Instant, n: usize) -> super::Reservation {
                self.engine.reserve_n_at(t, n)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.engine.with(|plan| {
                    f.debug_struct(stringify!($name))
                        $(.field($field, &$value(plan)))*
                        .finish()
                })
            }
        }
    };
}
pub(super) use limiter;
