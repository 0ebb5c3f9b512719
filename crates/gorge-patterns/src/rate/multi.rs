//! `MultiLimiter`: several limits as one, all or nothing.
//!
//! **Problem.** So many a second, but not more than so many an hour; and so many at a time.
//! Who asks one limit after the other has used up the first when the second one says no.
//!
//! ```text
//!              ┌── per second ──┐
//!   event ──►──┼── per minute ──┼──►  when all have admitted it
//!              └── at a time  ──┘
//! ```
//!
//! **Who closes what.** Nothing is closed, no goroutine runs. **Cancelled** are waits, by their
//! context or with their goroutine: what was taken of any limit and is not due is given back.

use super::reservation::{Claim, Reservation, wait_error};
use super::{Permit, RateLimiter, Refused, WaitError};
use gorge_channel::context::Context;
use gorge_runtime::primitive::clock;
use gorge_runtime::time;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Several limits as one: an event is admitted when all admit it, and counted by all or none.
///
/// What it reserves comes when the slowest of them admits it. Limits may be in several of
/// them, so that tiers share what is common.
///
/// **What is guaranteed**: what each of the limits guarantees, of the times at which that one
/// admits. An event that waits for another limit takes place later, and so may come nearer to
/// the next one than this limit alone would let it. With `try_acquire` no event does.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Limit, Limiter, MultiLimiter, RateLimiter};
///
/// let hourly = Limiter::new(Limit::per_hour(100.0), 3);
/// let both = MultiLimiter::new()
///     .and(Limiter::new(Limit::per_second(1000.0), 10))
///     .and(hourly.clone());
/// assert!(both.try_acquire(2).is_ok());
/// // The first one would admit them, and has lost nothing.
/// assert!(both.try_acquire(2).is_err());
/// assert!(hourly.allow() && !hourly.allow());
/// ```
#[derive(Clone, Default)]
pub struct MultiLimiter {
    limiters: Vec<Arc<dyn RateLimiter>>,
}

impl MultiLimiter {
    /// One that admits everything, until limits are [added](MultiLimiter::and).
    #[must_use]
    pub fn new() -> MultiLimiter {
        MultiLimiter::default()
    }

    /// This one with one limit more. Limits of concurrency are waited for in the order in which
    /// they were added, so add them in the same order everywhere.
    #[must_use]
    pub fn and(mut self, limiter: impl RateLimiter + 'static) -> MultiLimiter {
        self.limiters.push(Arc::new(limiter));
        self
    }

    /// Whether all admit an event now; if so, it is counted.
    pub fn allow(&self) -> bool {
        self.allow_n(1)
    }

    /// Whether all admit `n` events now; if so, they are counted. Limits of concurrency count
    /// them as over at once: [`try_acquire`](RateLimiter::try_acquire) returns what lasts.
    pub fn allow_n(&self, n: usize) -> bool {
        self.try_acquire(n).is_ok()
    }

    /// Takes one of each, which may be to come: [`Reservation::delay`] says when the last of
    /// them is.
    pub fn reserve(&self) -> Reservation {
        self.reserve_n(1)
    }

    /// Waits until all have admitted an event.
    ///
    /// # Errors
    ///
    /// If one of them never does; if the context is done first, or would be. None has counted it
    /// then.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine. What was taken is given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::rate::{Limit, Limiter, MultiLimiter};
    ///
    /// let both = MultiLimiter::from(vec![
    ///     Limiter::new(Limit::per_second(1000), 5),
    ///     Limiter::new(Limit::per_minute(6000), 100),
    /// ]);
    /// both.wait(&context::background())?;
    /// assert!(both.allow());
    /// assert!(both.reserve().delay().is_zero());
    /// # Ok::<(), gorge_patterns::rate::WaitError>(())
    /// ```
    pub fn wait(&self, context: &Context) -> Result<(), WaitError> {
        self.wait_n(context, 1)
    }

    /// As [`wait`](MultiLimiter::wait), for `n` events. Limits of concurrency count them as over
    /// at once: [`acquire`](RateLimiter::acquire) returns what lasts.
    ///
    /// # Errors
    ///
    /// As of that.
    ///
    /// # Cancellation
    ///
    /// As of that.
    pub fn wait_n(&self, context: &Context, n: usize) -> Result<(), WaitError> {
        self.acquire(context, n).map(drop)
    }

    /// How many limits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiters.len()
    }

    /// Whether there is none, so that it admits everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limiters.is_empty()
    }
}

impl<L: RateLimiter + 'static> FromIterator<L> for MultiLimiter {
    fn from_iter<I: IntoIterator<Item = L>>(limiters: I) -> MultiLimiter {
        limiters
            .into_iter()
            .fold(MultiLimiter::new(), MultiLimiter::and)
    }
}

impl<L: RateLimiter + 'static> From<Vec<L>> for MultiLimiter {
    fn from(limiters: Vec<L>) -> MultiLimiter {
        limiters.into_iter().collect()
    }
}

/// Reserves of all, or none. Those that were granted before one refuses are given back.
fn reserve<'a>(
    limiters: impl Iterator<Item = &'a Arc<dyn RateLimiter>>,
    t: Option<Instant>,
    n: usize,
) -> Result<Vec<Reservation>, Refused> {
    let mut all = Vec::new();
    for limiter in limiters {
        let reservation = match t {
            Some(t) => limiter.reserve_n_at(t, n),
            None => limiter.reserve_n(n),
        };
        if let Some(refused) = reservation.refusal() {
            give_back(all);
            return Err(refused);
        }
        all.push(reservation);
    }
    Ok(all)
}

/// Also what is due: nobody acted on it.
fn give_back(reservations: Vec<Reservation>) {
    reservations.into_iter().rev().for_each(Reservation::undo);
}

/// Makes use of all, if nobody has to wait for any.
fn commit_now(all: Vec<Reservation>, wait: Option<Duration>) -> Result<Permit, Refused> {
    if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
        give_back(all);
        return Err(Refused::TooSoon { wait });
    }
    let mut permits = all.into_iter().map(Reservation::commit);
    permits.try_fold(Permit::none(), |all, permit| Ok(all.and(permit?)))
}

impl MultiLimiter {
    fn reservation(&self, t: Option<Instant>, n: usize) -> Reservation {
        match reserve(self.limiters.iter(), t, n) {
            Ok(all) => Reservation::new(
                n,
                All {
                    all,
                    permit: Permit::none(),
                },
            ),
            Err(refused) => Reservation::refused(n, refused),
        }
    }
}

impl RateLimiter for MultiLimiter {
    fn try_acquire(&self, n: usize) -> Result<Permit, Refused> {
        let all = reserve(self.limiters.iter(), None, n)?;
        let wait = all.iter().map(Reservation::delay).max();
        commit_now(all, wait)
    }

    fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused> {
        let all = reserve(self.limiters.iter(), Some(t), n)?;
        let wait = all.iter().map(|it| it.delay_from(t)).max();
        commit_now(all, wait)
    }

    fn reserve_n(&self, n: usize) -> Reservation {
        self.reservation(None, n)
    }

    fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        self.reservation(Some(t), n)
    }

    fn acquire(&self, context: &Context, n: usize) -> Result<Permit, WaitError> {
        // First what nobody can tell the time of: what is reserved meanwhile would pass by.
        let mut permit = Permit::none();
        for limiter in self
            .limiters
            .iter()
            .filter(|limiter| !limiter.is_scheduled())
        {
            permit = permit.and(limiter.acquire(context, n)?);
        }
        if let Some(reason) = context.err() {
            return Err(WaitError::of_context(context, reason, Duration::ZERO));
        }
        let scheduled = self
            .limiters
            .iter()
            .filter(|limiter| limiter.is_scheduled());
        let all = reserve(scheduled, None, n).map_err(wait_error)?;
        let mut all = All { all, permit };
        all.wait(context)?;
        Ok(all.commit())
    }

    fn is_scheduled(&self) -> bool {
        self.limiters.iter().all(|limiter| limiter.is_scheduled())
    }
}

struct All {
    all: Vec<Reservation>,
    permit: Permit,
}

impl Claim for All {
    fn due(&self) -> Option<Instant> {
        // Of none at all it is the earliest time there is.
        let mut dues = self.all.iter().map(Reservation::due_nanos);
        let last = dues.try_fold(0, |last, due| Some(last.max(due?)))?;
        clock::instant_of(last)
    }

    fn cancel(&mut self, t: Option<Instant>) {
        let t = t.unwrap_or_else(time::now);
        if self.due().is_some_and(|due| due >= t) {
            give_back(std::mem::take(&mut self.all));
        }
    }

    fn commit(&mut self) -> Permit {
        let permit = std::mem::take(&mut self.permit);
        // All of them are granted.
        self.all
            .drain(..)
            .filter_map(|it| it.commit().ok())
            .fold(permit, Permit::and)
    }

    fn wait(&mut self, context: &Context) -> Result<(), WaitError> {
        /// Gives the rest back, also when a cancel unwinds this.
        struct Rest<'a>(&'a mut Vec<Reservation>);

        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                give_back(std::mem::take(self.0));
            }
        }

        let rest = Rest(&mut self.all);
        // The last one first: if it is not to be had in time, the others are given back.
        rest.0.sort_by_key(Reservation::delay);
        while let Some(last) = rest.0.pop() {
            let permit = last.wait(context)?;
            self.permit = std::mem::take(&mut self.permit).and(permit);
        }
        Ok(())
    }
}

impl fmt::Debug for MultiLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiLimiter")
            .field("limits", &self.limiters.len())
            .finish()
    }
}
