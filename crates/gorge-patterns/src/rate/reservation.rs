//! Reservations: admission at a time to come, held and perhaps given back.

use super::bucket::{Place, When};
use super::shared::Shared;
use super::{Permit, Refused, WaitError, sleep};
use gorge_channel::context::Context;
use gorge_runtime::primitive::clock;
use gorge_runtime::time;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What stands behind a [`Reservation`]: for limiters of one's own.
pub trait Claim: Send + Sync {
    /// When its time has come; `None`: not as things are now.
    fn due(&self) -> Option<Instant>;

    /// Gives it back, as of `t`, or of now. It is called once at most, and nothing after it.
    fn cancel(&mut self, t: Option<Instant>);

    /// It is made use of. It is called once at most, and nothing after it.
    fn commit(&mut self) -> Permit {
        Permit::none()
    }

    /// Waits until it is due. By default it sleeps until then.
    ///
    /// # Errors
    ///
    /// If the context is done first. What it holds is given back when it is dropped.
    fn wait(&mut self, context: &Context) -> Result<(), WaitError> {
        loop {
            let due = self.due();
            let wait = due.map_or(Duration::MAX, |due| {
                due.saturating_duration_since(time::now())
            });
            if wait.is_zero() {
                return Ok(());
            }
            if let (Some(deadline), None) = (context.deadline(), context.err())
                && due.is_none_or(|due| due > deadline)
            {
                return Err(WaitError::WouldExceedDeadline { wait });
            }
            let slept = context.sleep(wait);
            // Whose time has come is admitted, even if the context is done as well.
            if let (Err(reason), true) = (slept, self.due().is_none_or(|due| due > time::now())) {
                return Err(WaitError::of_context(context, reason, wait));
            }
        }
    }
}

/// Admission at a time to come, from [`Limiter::reserve`](super::Limiter::reserve) and its kin.
///
/// Wait for [`delay`](Reservation::delay), then [`commit`](Reservation::commit) and act; or do
/// both with [`wait`](Reservation::wait). One that is dropped, or
/// [cancelled](Reservation::cancel), before its time gives back what it took, as far as nobody
/// who reserved later has counted on it. One that is dropped after its time counts as used.
///
/// If it is not [`ok`](Reservation::ok), it holds nothing, and its time never comes.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Limit, Limiter};
/// use std::time::Duration;
///
/// let limiter = Limiter::new(Limit::per_minute(1.0), 1);
/// assert!(limiter.allow());
/// let next = limiter.reserve();
/// if next.delay() > Duration::from_secs(1) {
///     drop(next); // too long: the token goes back
/// }
/// assert!(limiter.reserve().delay() <= Duration::from_secs(60));
/// ```
#[must_use = "a reservation that is dropped before its time is given back: keep it, or use `into_delay`"]
pub struct Reservation {
    n: usize,
    kind: Kind,
}

enum Kind {
    Refused(Refused),
    Place {
        shared: Arc<Shared>,
        id: u64,
        /// When it was due when it was made, nanoseconds.
        due: u64,
    },
    Claim(Box<dyn Claim>),
    Over,
}

impl Reservation {
    pub(super) fn place(shared: &Arc<Shared>, id: u64, n: usize, due: u64) -> Reservation {
        Reservation {
            n,
            kind: Kind::Place {
                shared: Arc::clone(shared),
                id,
                due,
            },
        }
    }

    /// One of `n` by a limiter of one's own.
    pub fn new(n: usize, claim: impl Claim + 'static) -> Reservation {
        Reservation {
            n,
            kind: Kind::Claim(Box::new(claim)),
        }
    }

    /// One that is not granted.
    pub fn refused(n: usize, refused: Refused) -> Reservation {
        Reservation {
            n,
            kind: Kind::Refused(refused),
        }
    }

    /// Whether it is granted.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.refusal().is_none()
    }

    /// Why it is not granted.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        match self.kind {
            Kind::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// How many it is for.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// How long it is until its time. [`Duration::MAX`] if it never comes, as things are now.
    ///
    /// It changes when the limit does. Keep the reservation meanwhile: `reserve().delay()` drops
    /// it at once, which gives back what it took; that is what
    /// [`into_delay`](Reservation::into_delay) is for.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay_from_nanos(clock::nanos())
    }

    /// How long it is until its time, and makes use of it: what it took is not given back any
    /// more. [`Duration::MAX`] if it was not granted, or its time never comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::rate::{Limit, Limiter};
    /// use std::time::Duration;
    ///
    /// let limiter = Limiter::new(Limit::every(Duration::from_secs(60)), 1);
    /// assert!(limiter.reserve().into_delay().is_zero());
    /// assert!(limiter.reserve().into_delay() <= Duration::from_secs(60));
    /// assert!(limiter.reserve().into_delay() > Duration::from_secs(60));
    /// ```
    #[must_use = "what it took is used up, and is there after this delay"]
    pub fn into_delay(self) -> Duration {
        let delay = self.delay();
        // A permit would be of limits of concurrency, which admit at once or not at all.
        drop(self.commit());
        delay
    }

    /// As [`delay`](Reservation::delay), from `t` on.
    #[must_use]
    pub fn delay_from(&self, t: Instant) -> Duration {
        self.delay_from_nanos(clock::nanos_of(t))
    }

    fn delay_from_nanos(&self, now: u64) -> Duration {
        self.due_nanos().map_or(Duration::MAX, |due| {
            Duration::from_nanos(due.saturating_sub(now))
        })
    }

    /// When its time has come.
    pub(super) fn due_nanos(&self) -> Option<u64> {
        match &self.kind {
            Kind::Refused(_) => None,
            Kind::Over => Some(0),
            Kind::Claim(claim) => claim.due().map(clock::nanos_of),
            Kind::Place { shared, id, due } => {
                let mut bucket = shared.lock();
                match bucket.place(*id).map(|place| place.due) {
                    Some(due) => bucket.due_at(due),
                    None => Some(*due),
                }
            }
        }
    }

    /// It will be, or is, made use of: what it took is not given back any more. To act before
    /// its time breaks the limit.
    ///
    /// # Errors
    ///
    /// If it was not granted.
    pub fn commit(mut self) -> Result<Permit, Refused> {
        self.use_up()
    }

    fn use_up(&mut self) -> Result<Permit, Refused> {
        match std::mem::replace(&mut self.kind, Kind::Over) {
            Kind::Refused(refused) => Err(refused),
            Kind::Place { shared, id, .. } => {
                let mut bucket = shared.lock();
                let _place = bucket.leave(id);
                Ok(Permit::none())
            }
            Kind::Claim(mut claim) => Ok(claim.commit()),
            Kind::Over => Ok(Permit::none()),
        }
    }

    /// Waits until its time, which may change meanwhile, and makes use of it.
    ///
    /// # Errors
    ///
    /// If it was not granted; if the context is done first, or its deadline is earlier. What it
    /// took is then given back.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine. What it took is given back.
    pub fn wait(mut self, context: &Context) -> Result<Permit, WaitError> {
        match &mut self.kind {
            Kind::Refused(refused) => return Err(wait_error(*refused)),
            Kind::Place { shared, id, .. } => {
                let (shared, id) = (Arc::clone(shared), *id);
                // The sleeper has the place from here on.
                self.kind = Kind::Over;
                sleep::wait_for(&shared, context, id)?;
            }
            Kind::Claim(claim) => claim.wait(context)?,
            Kind::Over => {}
        }
        self.use_up().map_err(wait_error)
    }

    /// Gives back what it took, unless its time has passed.
    pub fn cancel(self) {
        self.cancel_nanos(When::Now(clock::nanos()));
    }

    /// As [`cancel`](Reservation::cancel), as of `t`.
    pub fn cancel_at(self, t: Instant) {
        self.cancel_nanos(When::At(clock::nanos_of(t)));
    }

    fn cancel_nanos(mut self, when: When) {
        self.give_back(when);
    }

    /// Gives back what it took, also if its time has passed, since nobody acted on it.
    pub(super) fn undo(mut self) {
        match std::mem::replace(&mut self.kind, Kind::Over) {
            Kind::Place { shared, id, due } => {
                let mut bucket = shared.lock();
                let place = bucket.leave(id).unwrap_or(Place {
                    id,
                    n: self.n,
                    due: bucket.units(due),
                    sleeper: None,
                });
                bucket.give_back(When::Now(clock::nanos()), &place, true);
                let calls = bucket.callers(false);
                bucket.release(calls);
            }
            Kind::Claim(mut claim) => {
                let due = claim.due();
                claim.cancel(due);
            }
            Kind::Refused(_) | Kind::Over => {}
        }
    }

    fn give_back(&mut self, when: When) {
        match std::mem::replace(&mut self.kind, Kind::Over) {
            Kind::Place { shared, id, .. } => {
                let mut bucket = shared.lock();
                if let Some(place) = bucket.leave(id) {
                    bucket.give_back(when, &place, false);
                }
                let calls = bucket.callers(false);
                bucket.release(calls);
            }
            Kind::Claim(mut claim) => claim.cancel(match when {
                When::Now(_) => None,
                When::At(nanos) => clock::instant_of(nanos),
            }),
            Kind::Refused(_) | Kind::Over => {}
        }
    }
}

/// What a wait ends with that was refused at once.
pub(super) fn wait_error(refused: Refused) -> WaitError {
    match refused {
        Refused::ExceedsBurst { n, burst } => WaitError::ExceedsBurst { n, burst },
        Refused::TooSoon { wait } => WaitError::WouldExceedDeadline { wait },
        Refused::Busy | Refused::Full => WaitError::Full,
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        match &self.kind {
            Kind::Refused(_) | Kind::Over => {}
            _ if self.delay().is_zero() => _ = self.use_up().map(drop),
            _ => self.give_back(When::Now(clock::nanos())),
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reservation");
        shown.field("n", &self.n);
        match self.refusal() {
            Some(refused) => shown.field("refused", &refused),
            None => shown.field("delay", &self.delay()),
        };
        shown.finish()
    }
}
