//! Why permits were not given, one type per kind of operation.

use thiserror::Error;

/// The semaphore was closed, and gives out no permits any more. Returned by
/// [`acquire`](super::Semaphore::acquire) and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("acquiring from a closed semaphore: no permits are given out any more")]
pub struct AcquireError(pub(super) ());

/// Why [`try_acquire`](super::Semaphore::try_acquire) gave no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TryAcquireError {
    /// The semaphore was closed.
    #[error("acquiring from a closed semaphore: no permits are given out any more")]
    Closed,
    /// There are too few permits, or others wait for those that there are: try
    /// again later, or wait.
    #[error("too few permits are available now: try again later, or wait with `acquire`")]
    NoPermits,
}

/// Why [`acquire_timeout`](super::Semaphore::acquire_timeout) gave no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AcquireTimeoutError {
    /// It was not the caller's turn in time: try again.
    #[error("timed out waiting for permits: try again, or with a longer timeout")]
    Timeout,
    /// The semaphore was closed.
    #[error("acquiring from a closed semaphore: no permits are given out any more")]
    Closed,
}
