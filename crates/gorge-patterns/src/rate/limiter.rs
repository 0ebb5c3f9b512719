//! `Limiter`: a token bucket, with all that x/time/rate's has.
//!
//! **Problem.** Something must not happen more often than so many times a second, on average,
//! and a little more often for a moment is fine.
//!
//! ```text
//!   limit tokens a second ──► [ bucket: burst at most ] ──► one for each event
//! ```
//!
//! Who finds too few may go away (`allow`), learn how long it would take (`reserve`), or wait
//! (`wait`). The latter two take their tokens at once, from those to come: that is the queue,
//! and it is first come, first served.
//!
//! **Who closes what.** Nothing is closed: clones share the bucket, and the last one drops it.
//! No goroutine runs for it. **Cancelled** are waits, by their context or with their goroutine:
//! they give back what they took.

use super::bucket::{Patience, Short, When};
use super::reservation::Reservation;
use super::shared::Shared;
use super::sleep;
use super::{Limit, Permit, RateLimiter, Refused, WaitError};
use gorge_channel::context::Context;
use gorge_runtime::primitive::clock;
use gorge_runtime::{checkpoint, preempt};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Admits so many events a second, and a burst of so many at once: a token bucket.
///
/// It starts full, with as many tokens as the burst, and is refilled with `limit` tokens a
/// second. An event takes one, or, in the forms with `_n`, as many as are asked for.
///
/// | | if there are too few |
/// | --- | --- |
/// | [`allow`](Limiter::allow) | says no, and takes none |
/// | [`reserve`](Limiter::reserve) | takes those to come, and says how long to wait |
/// | [`wait`](Limiter::wait) | takes those to come, and waits |
///
/// # What is guaranteed
///
/// In any time `t`, however chosen, not more than `burst + limit * t` events are admitted, to
/// the nanosecond, which is all that the clock tells.
/// Intervals that are no whole number of nanoseconds are rounded up, by less than a
/// ten-millionth where events are more than a few nanoseconds apart.
///
/// Waits and reservations are served in the order in which they came, and nobody who waits is
/// admitted without tokens of its own. When limit or burst change, whoever waits is admitted
/// sooner or later accordingly, from that moment on, and so are reservations.
///
/// # Clones and clocks
///
/// Clones share the bucket, so one limit can hold for many users: give each a clone. It works
/// alike on goroutines and OS threads.
///
/// The forms with `_at` take the time from their caller. If it is before what an earlier call
/// said, then tokens are counted on from there as if the clock had been set back (as Go's do),
/// and the guarantee holds from that moment on. The others ask the runtime's clock, which in
/// a simulation is the virtual one, and never go back.
///
/// [`allow`](Limiter::allow) takes one atomic instruction and a look at the clock; or a lock, where
/// it takes more than nine hours to fill the bucket, or the limit is zero.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::rate::{Limit, Limiter, WaitError};
///
/// let limiter = Limiter::new(Limit::per_second(1000.0), 2);
/// assert!(limiter.allow());
/// assert!(limiter.allow());
/// assert!(!limiter.allow_n(2), "the burst is used up");
///
/// let ctx = context::background();
/// limiter.wait(&ctx)?; // a millisecond later
/// let error = limiter.wait_n(&ctx, 3).unwrap_err();
/// assert!(matches!(error, WaitError::ExceedsBurst { n: 3, burst: 2 }));
/// # Ok::<(), WaitError>(())
/// ```
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

impl Limiter {
    /// One that is full. With a burst of zero it admits nothing, unless the limit is
    /// [`Limit::INF`].
    #[must_use]
    pub fn new(limit: impl Into<Limit>, burst: usize) -> Limiter {
        Limiter {
            shared: Arc::new(Shared::new(limit.into(), burst)),
        }
    }

    /// Whether an event may happen now; if so, it is counted.
    #[inline]
    pub fn allow(&self) -> bool {
        self.allow_n(1)
    }

    /// As [`allow`](Limiter::allow), as of `t`.
    pub fn allow_at(&self, t: Instant) -> bool {
        self.allow_n_at(t, 1)
    }

    /// Whether `n` events may happen now; if so, they are counted.
    #[inline]
    pub fn allow_n(&self, n: usize) -> bool {
        preempt::point_at_without_cancel("ask a rate limiter");
        self.shared.is_open() || self.count(n)
    }

    fn count(&self, n: usize) -> bool {
        match self.shared.take_now(n) {
            Some(is_taken) => is_taken,
            None => self
                .take(When::Now(clock::nanos()), n, Patience::UpTo(0))
                .is_ok(),
        }
    }

    /// As [`allow_n`](Limiter::allow_n), as of `t`.
    pub fn allow_n_at(&self, t: Instant, n: usize) -> bool {
        self.take(at(t), n, Patience::UpTo(0)).is_ok()
    }

    fn take(&self, when: When, n: usize, patience: Patience) -> Result<i128, Short> {
        self.shared.lock().take(when, n, patience)
    }

    /// Takes a token, which may be one to come: [`Reservation::delay`] says when.
    ///
    /// To act earlier breaks the limit. Dropped before its time, the reservation gives the token
    /// back. Use this to be told how long to wait, [`wait`](Limiter::wait) to wait, and
    /// [`allow`](Limiter::allow) to do without.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::rate::{Limit, Limiter};
    /// use gorge_runtime::time;
    /// use std::time::Duration;
    ///
    /// let limiter = Limiter::new(Limit::every(Duration::from_millis(2)), 1);
    /// limiter.reserve().commit()?;
    /// let next = limiter.reserve();
    /// assert!(next.delay() <= Duration::from_millis(2));
    /// time::sleep(next.delay());
    /// next.commit()?; // and act
    /// # Ok::<(), gorge_patterns::rate::Refused>(())
    /// ```
    pub fn reserve(&self) -> Reservation {
        self.reserve_n(1)
    }

    /// As [`reserve`](Limiter::reserve), as of `t`.
    pub fn reserve_at(&self, t: Instant) -> Reservation {
        self.reserve_n_at(t, 1)
    }

    /// Takes `n` tokens, which may be some to come. The reservation is not
    /// [`ok`](Reservation::ok) if that is more than the burst, or with a limit of zero; it then
    /// took none.
    pub fn reserve_n(&self, n: usize) -> Reservation {
        preempt::point_at_without_cancel("reserve of a rate limiter");
        self.reserve_when(When::Now(clock::nanos()), n, Patience::Finite)
    }

    /// As [`reserve_n`](Limiter::reserve_n), as of `t`.
    pub fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        self.reserve_when(at(t), n, Patience::Finite)
    }

    /// As [`reserve_n_at`](Limiter::reserve_n_at), if the tokens come within `longest` of `t`.
    /// Otherwise the reservation is not [`ok`](Reservation::ok), and took none.
    pub fn reserve_within_at(&self, t: Instant, n: usize, longest: Duration) -> Reservation {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        self.reserve_when(at(t), n, Patience::UpTo(longest))
    }

    fn reserve_when(&self, when: When, n: usize, patience: Patience) -> Reservation {
        let mut bucket = self.shared.lock();
        match bucket.take(when, n, patience) {
            Ok(due) => {
                let id = bucket.keep_place(n, due, None);
                let due = bucket.due_at(due).unwrap_or(u64::MAX).max(when.nanos());
                drop(bucket);
                Reservation::place(&self.shared, id, n, due)
            }
            Err(short) => Reservation::refused(n, refused(&short, n, bucket.burst)),
        }
    }

    /// Waits until an event may happen.
    ///
    /// # Errors
    ///
    /// As of [`wait_n`](Limiter::wait_n).
    ///
    /// # Cancellation
    ///
    /// As of [`wait_n`](Limiter::wait_n).
    pub fn wait(&self, context: &Context) -> Result<(), WaitError> {
        self.wait_n(context, 1)
    }

    /// Waits until `n` events may happen. Whoever waits is served first come, first served.
    ///
    /// With a limit of zero it waits until another limit is set.
    ///
    /// # Errors
    ///
    /// At once if `n` is more than the burst, if the context is done, or if its deadline is
    /// earlier than the admission would be. While it waits, if the context is cancelled, or a
    /// change of limit or burst leads to one of the other two. No tokens are taken then.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine. The tokens are given back.
    pub fn wait_n(&self, context: &Context, n: usize) -> Result<(), WaitError> {
        checkpoint();
        if context.err().is_none() && self.shared.take_now(n) == Some(true) {
            return Ok(());
        }
        sleep::wait(&self.shared, context, n)
    }

    /// How many tokens there are now. Fewer than zero: so many are promised to those who wait,
    /// and to reservations.
    pub fn tokens(&self) -> f64 {
        self.shared.lock().tokens(When::Now(clock::nanos()))
    }

    /// As [`tokens`](Limiter::tokens), as of `t`.
    pub fn tokens_at(&self, t: Instant) -> f64 {
        self.shared.lock().tokens(at(t))
    }

    /// How many events a second there may be.
    pub fn limit(&self) -> Limit {
        self.shared.lock().limit
    }

    /// How many events there may be at once.
    pub fn burst(&self) -> usize {
        self.shared.lock().burst
    }

    /// Changes how many events a second there may be, from now on. Tokens that are there stay,
    /// and those who wait are admitted accordingly sooner or later.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::rate::{Limit, Limiter};
    ///
    /// let limiter = Limiter::new(Limit::per_hour(1.0), 1);
    /// assert!(limiter.allow());
    /// let waiting = gorge_runtime::go({
    ///     let limiter = limiter.clone();
    ///     move || limiter.wait(&context::background())
    /// });
    /// limiter.set_limit(Limit::per_second(1e6));
    /// waiting.join().unwrap()?; // not in an hour
    /// # Ok::<(), gorge_patterns::rate::WaitError>(())
    /// ```
    pub fn set_limit(&self, limit: impl Into<Limit>) {
        self.set(When::Now(clock::nanos()), |old| (limit.into(), old.1));
    }

    /// As [`set_limit`](Limiter::set_limit), as of `t`.
    pub fn set_limit_at(&self, t: Instant, limit: impl Into<Limit>) {
        self.set(at(t), |old| (limit.into(), old.1));
    }

    /// Changes how many events there may be at once, from now on. Tokens above that are lost,
    /// and waits for more than that end with [`WaitError::ExceedsBurst`].
    pub fn set_burst(&self, burst: usize) {
        self.set(When::Now(clock::nanos()), |old| (old.0, burst));
    }

    /// As [`set_burst`](Limiter::set_burst), as of `t`.
    pub fn set_burst_at(&self, t: Instant, burst: usize) {
        self.set(at(t), |old| (old.0, burst));
    }

    fn set(&self, when: When, new: impl FnOnce((Limit, usize)) -> (Limit, usize)) {
        preempt::point_at_without_cancel("set a rate limit");
        let mut bucket = self.shared.lock();
        let (limit, burst) = new((bucket.limit, bucket.burst));
        bucket.set(when, limit, burst);
        let calls = bucket.callers(true);
        bucket.release(calls);
    }
}

fn at(t: Instant) -> When {
    When::At(clock::nanos_of(t))
}

pub(super) fn refused(short: &Short, n: usize, burst: usize) -> Refused {
    match *short {
        Short::OfBurst => Refused::ExceedsBurst { n, burst },
        Short::OfTime(wait) => Refused::TooSoon { wait },
    }
}

impl RateLimiter for Limiter {
    fn try_acquire_at(&self, t: Instant, n: usize) -> Result<Permit, Refused> {
        let mut bucket = self.shared.lock();
        let taken = bucket.take(at(t), n, Patience::UpTo(0));
        taken
            .map(|_| Permit::none())
            .map_err(|short| refused(&short, n, bucket.burst))
    }

    fn try_acquire(&self, n: usize) -> Result<Permit, Refused> {
        if self.shared.take_now(n) == Some(true) {
            return Ok(Permit::none());
        }
        let mut bucket = self.shared.lock();
        let taken = bucket.take(When::Now(clock::nanos()), n, Patience::UpTo(0));
        taken
            .map(|_| Permit::none())
            .map_err(|short| refused(&short, n, bucket.burst))
    }

    fn reserve_n_at(&self, t: Instant, n: usize) -> Reservation {
        Limiter::reserve_n_at(self, t, n)
    }

    fn reserve_n(&self, n: usize) -> Reservation {
        Limiter::reserve_n(self, n)
    }

    fn acquire(&self, context: &Context, n: usize) -> Result<Permit, WaitError> {
        self.wait_n(context, n).map(|()| Permit::none())
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = self.shared.lock();
        f.debug_struct("Limiter")
            .field("limit", &bucket.limit)
            .field("burst", &bucket.burst)
            .field("tokens", &bucket.tokens(When::Now(clock::nanos())))
            .finish()
    }
}
