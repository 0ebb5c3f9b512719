//! Acquiring permits that keep the semaphore alive, through an [`Arc`].

use super::{
    AcquireError, AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, TryAcquireError, time,
};
use std::sync::Arc;
use std::time::Duration;

/// As the forms without `_owned`, but the permit keeps the semaphore alive, and
/// may be given to somebody who outlives the caller.
///
/// # Examples
///
/// ```
/// use gorge_sync::Semaphore;
/// use std::sync::Arc;
///
/// let at_once = Arc::new(Semaphore::new(2));
/// let handles: Vec<_> = (0..5)
///     .map(|i| {
///         // Waits here, before there is a goroutine.
///         let permit = at_once.clone().acquire_owned().expect("it is never closed");
///         gorge_runtime::go(move || {
///             let _permit = permit;
///             i * i
///         })
///     })
///     .collect();
/// let squares: Vec<_> = handles.into_iter().map(|it| it.join().unwrap()).collect();
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// assert_eq!(at_once.available_permits(), 2);
/// ```
impl Semaphore {
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or becomes so.
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or becomes so.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[inline]
    #[track_caller]
    pub fn acquire_many_owned(
        self: Arc<Self>,
        n: usize,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.wait_for(n)?;
        Ok(OwnedSemaphorePermit::new(self, n))
    }

    /// As [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Errors
    ///
    /// If there is no permit, if others wait, or if the semaphore is closed.
    #[inline]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Semaphore::try_acquire_many).
    ///
    /// # Errors
    ///
    /// If there are too few permits, if others wait, or if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[inline]
    #[track_caller]
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: usize,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_for(n)?;
        Ok(OwnedSemaphorePermit::new(self, n))
    }

    /// As [`acquire_timeout`](Semaphore::acquire_timeout).
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    #[inline]
    pub fn acquire_timeout_owned(
        self: Arc<Self>,
        timeout: Duration,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        self.acquire_many_timeout_owned(1, timeout)
    }

    /// As [`acquire_many_timeout`](Semaphore::acquire_many_timeout).
    ///
    /// # Errors
    ///
    /// If the time is up, or if the semaphore is closed, or becomes so.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[inline]
    #[track_caller]
    pub fn acquire_many_timeout_owned(
        self: Arc<Self>,
        n: usize,
        timeout: Duration,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        self.wait_for_until(n, || time::deadline(timeout))?;
        Ok(OwnedSemaphorePermit::new(self, n))
    }
}
