//! Permits that are given out, waited for and given back.
//!
//! * [`word`]: the state word and its transitions.
//! * [`core`]: acquiring and releasing, built from them.
//! * `permit`, `owned`: what gives permits back; `error`: why there are none.
//! * the queue of waiters: [`crate::queue`].
//!
//! # The protocol
//!
//! While nobody waits, permits are taken and given back by one compare-and-swap
//! each. A party that finds too few locks the queue by a bit of the word, and in
//! the same step says that somebody waits; then it links a node of its own stack
//! into the queue, parks, and unlocks the queue once it is off that stack. From
//! that step on everybody else goes through the lock: newcomers queue behind it,
//! and whoever gives permits back gives them to waiters, in order, for as long
//! as they suffice. A waiter gets all that it needs at once or nothing. It owns
//! its permits from the moment in which it is claimed, so nobody overtakes.
//!
//! **Why nobody overtakes**, unlike at the [`Mutex`](crate::Mutex), where it
//! pays: there, waiters need one and the same thing, and an overtaken one gets it
//! next time. Here one that needs many would starve among others that need few.
//!
//! # The lost wake-up to fear
//!
//! A waiter sleeps, there are enough permits for it and for all before it, and
//! nobody is going to look. It cannot happen, because whenever the queue is
//! unlocked, this holds: either nobody is queued, and the word says so; or the
//! first one in the queue needs more than there is; or its wait was ended by its
//! deadline or a cancel, and it is on its way to the lock. By transition:
//!
//! 1. *A party queues*: in the step in which it locked, there were too few
//!    permits, or others were queued already. It is last. While the word says
//!    WAITING, only the holder of the lock changes the permits.
//! 2. *Permits come*: they come without the lock only in a step that sees that
//!    nobody waits. Otherwise the giver takes waiters out from the front until
//!    the next one needs more than is left, and leaves the rest. It may find one
//!    whose wait is over, cannot claim it, and goes on to the next: no permit goes
//!    to somebody who has gone. If such a one needs too much, it stays, and keeps
//!    others waiting, until:
//! 3. *A waiter leaves*, after its deadline or a cancel has ended its wait. It
//!    locks, takes itself out if it is still there, and does as a giver of zero
//!    permits would: followers that need less than it did get theirs now.
//! 4. *Permits are forgotten*: fewer permits need no wake-up. *A close* claims all
//!    who wait, and in the step that unlocks says CLOSED: later ones do not queue.
//!
//! The second one to fear is that of the lock bit, whose contenders may sleep
//! too: see [`bit_lock`](crate::bit_lock).
//!
//! **Cancels and deadlines** lose no permit: exactly one of giver, deadline and
//! cancel claims a wait. Who was claimed by a giver returns with its permits, and
//! a cancel stays pending until a later operation.
//!
//! **Who may touch the semaphore when.** Whoever gives permits back touches it no
//! more after the step in which somebody can have them: that is the one that
//! unlocks, and those who were claimed before it sleep until they are woken after
//! it. The loom models are in `loom.rs`.

mod core;
mod error;
mod owned;
mod permit;
mod word;

#[cfg(all(test, gorge_loom))]
mod loom;
#[cfg(all(test, not(gorge_loom)))]
mod tests;

pub use error::{AcquireError, AcquireTimeoutError, TryAcquireError};
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};

use self::core::{AcquireFailure, Core, WaitFailure};
use gorge_runtime::{cancel, preempt, time};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Counts permits, which are acquired and given back; who finds too few waits.
///
/// It bounds how many do something at once, or how much of something is in use:
/// [`acquire`](Semaphore::acquire) takes one permit,
/// [`acquire_many`](Semaphore::acquire_many) several at once. The permits are
/// given back when the returned [`SemaphorePermit`] is dropped, on whichever
/// goroutine or thread.
///
/// Waiters are served strictly in the order in which they came, and nobody
/// overtakes: not a newcomer, and not one who needs less than the first in the
/// queue. So one that needs many permits gets them, however busy others are. It
/// also means that those behind it wait, even for permits that are there.
///
/// While it waits, a goroutine is parked, and its thread runs others; an OS
/// thread sleeps. No operation allocates. To acquire and give back what nobody
/// waits for are two atomic instructions.
///
/// All that happened before permits were given back is visible to those who
/// acquire them.
///
/// This is `tokio::sync::Semaphore` with methods that wait, and Go's
/// `golang.org/x/sync/semaphore` with permits that give themselves back.
///
/// # Examples
///
/// At most two at once:
///
/// ```
/// use gorge_sync::Semaphore;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static AT_ONCE: Semaphore = Semaphore::new(2);
/// static INSIDE: AtomicUsize = AtomicUsize::new(0);
///
/// gorge_runtime::scope(|s| {
///     for _ in 0..10 {
///         s.spawn(|| {
///             let _permit = AT_ONCE.acquire().expect("it is never closed");
///             assert!(INSIDE.fetch_add(1, Ordering::Relaxed) < 2);
///             gorge_runtime::yield_now();
///             INSIDE.fetch_sub(1, Ordering::Relaxed);
///         });
///     }
/// });
/// assert_eq!(AT_ONCE.available_permits(), 2);
/// ```
///
/// # Panics
///
/// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS)
/// available permits, and if more than that are asked for. To ask for more than
/// there are is allowed, and waits until some are added.
///
/// # Cancellation
///
/// A wait for permits delivers a cancel, and so may an operation that can wait
/// and turns out not to. It takes no permits then. Who has got them is told by a
/// later operation. The forms with `try_`, and giving back, deliver none.
pub struct Semaphore {
    core: Core,
}

impl UnwindSafe for Semaphore {}
// Its queue is whole whenever it is unlocked.
impl RefUnwindSafe for Semaphore {}

impl Semaphore {
    /// As many permits as there may be: `usize::MAX >> 4`.
    pub const MAX_PERMITS: usize = word::MAX_PERMITS;

    /// One with so many permits.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[cfg(not(gorge_loom))]
    #[must_use]
    #[track_caller]
    pub const fn new(permits: usize) -> Semaphore {
        assert!(
            permits <= Semaphore::MAX_PERMITS,
            "Semaphore: too many permits: there may be Semaphore::MAX_PERMITS at most"
        );
        Semaphore {
            core: Core::new(permits),
        }
    }

    /// How many permits can be acquired now. Others may acquire them first.
    pub fn available_permits(&self) -> usize {
        preempt::point_at_without_cancel("look at a semaphore");
        self.core.permits()
    }

    /// Acquires a permit, waiting for it as long as it takes.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or becomes so.
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.wait_for(1)?;
        Ok(SemaphorePermit::new(self, 1))
    }

    /// Acquires `n` permits at once, waiting for them as long as it takes. Zero
    /// are there at once, whoever waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::Semaphore;
    ///
    /// let megabytes = Semaphore::new(100);
    /// let forty = megabytes.acquire_many(40)?;
    /// assert_eq!(megabytes.available_permits(), 60);
    /// drop(forty);
    /// assert_eq!(megabytes.available_permits(), 100);
    /// # Ok::<(), gorge_sync::AcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or becomes so.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.wait_for(n)?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// Acquires a permit if there is one, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// If not, or if the semaphore is closed.
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Acquires `n` permits if there are so many, and nobody waits for them.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(3);
    /// let two = semaphore.try_acquire_many(2)?;
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap_err(), TryAcquireError::NoPermits);
    /// drop(two);
    /// assert!(semaphore.try_acquire_many(2).is_ok());
    /// # Ok::<(), TryAcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If not, or if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        preempt::point_at_without_cancel("try to acquire permits");
        self.try_for(n)?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// Acquires a permit, waiting for it for `timeout` at most.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{AcquireTimeoutError, Semaphore};
    /// use std::time::Duration;
    ///
    /// let semaphore = Semaphore::new(0);
    /// let refused = semaphore.acquire_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(refused, AcquireTimeoutError::Timeout);
    /// semaphore.add_permits(1);
    /// assert!(semaphore.acquire_timeout(Duration::ZERO).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        self.acquire_many_timeout(1, timeout)
    }

    /// Acquires `n` permits at once, waiting for them for `timeout` at most.
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    #[track_caller]
    pub fn acquire_many_timeout(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        self.wait_for_until(n, || time::deadline(timeout))?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// Acquires a permit, waiting for it until `deadline` at most.
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    pub fn acquire_until(
        &self,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        self.acquire_many_until(1, deadline)
    }

    /// Acquires `n` permits at once, waiting for them until `deadline` at most.
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Cancellation
    ///
    /// As the [type](Semaphore) says.
    #[inline]
    #[track_caller]
    pub fn acquire_many_until(
        &self,
        n: usize,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        self.wait_for_until(n, || Some(deadline))?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// Adds `n` permits, which go to those who wait, if anybody does.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS)
    /// available ones. There are then as many as before.
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        if n != 0 {
            self.core.release(n);
        }
    }

    /// Takes up to `n` of the available permits away for good, whoever waits.
    /// Returns how many they were. Permits that are in use are not touched:
    /// [`SemaphorePermit::forget`] takes those away.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = gorge_sync::Semaphore::new(5);
    /// assert_eq!(semaphore.forget_permits(3), 3);
    /// assert_eq!(semaphore.forget_permits(3), 2);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        preempt::point_at_without_cancel("forget permits");
        self.core.forget(n)
    }

    /// Gives out no permits any more: those who wait are turned away with an
    /// error, and so are those who come later.
    ///
    /// Permits in use stay valid and are given back as ever. To close it again
    /// does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.acquire()?;
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// assert!(semaphore.acquire().is_err());
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), gorge_sync::AcquireError>(())
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        preempt::point_at_without_cancel("look at a semaphore");
        self.core.is_closed()
    }

    #[inline]
    #[track_caller]
    fn try_for(&self, n: usize) -> Result<(), TryAcquireError> {
        check_request(n);
        self.core.try_acquire(n).map_err(|failure| match failure {
            AcquireFailure::Closed => TryAcquireError::Closed,
            AcquireFailure::NoPermits => TryAcquireError::NoPermits,
        })
    }

    #[inline]
    #[track_caller]
    fn wait_for(&self, n: usize) -> Result<(), AcquireError> {
        self.wait_for_until(n, || None).map_err(|error| {
            debug_assert_eq!(error, AcquireTimeoutError::Closed, "there is no deadline");
            AcquireError(())
        })
    }

    #[inline]
    #[track_caller]
    fn wait_for_until(
        &self,
        n: usize,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<(), AcquireTimeoutError> {
        check_request(n);
        match self.core.acquire(n, deadline) {
            Ok(()) => Ok(()),
            Err(WaitFailure::Closed) => Err(AcquireTimeoutError::Closed),
            Err(WaitFailure::TimedOut) => Err(AcquireTimeoutError::Timeout),
            Err(WaitFailure::Cancelled) => cancel::deliver(),
        }
    }
}

/// What nobody could ever give is refused at once.
#[inline]
#[track_caller]
fn check_request(n: usize) {
    assert!(
        n <= Semaphore::MAX_PERMITS,
        "Semaphore: {n} permits were asked for: there are never more than Semaphore::MAX_PERMITS"
    );
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.core.permits())
            .field("is_closed", &self.core.is_closed())
            .finish()
    }
}
