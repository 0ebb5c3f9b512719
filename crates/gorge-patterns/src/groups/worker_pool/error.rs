//! Why a job was not taken.

use std::error::Error;
use std::fmt;

/// Why [`WorkerPool::submit`](super::WorkerPool::submit) did not take a job. The function is
/// handed back.
pub enum SubmitError<F> {
    /// The queue is full, and the pool rejects jobs then: try again later.
    Full(F),
    /// The pool is shut down.
    Closed(F),
    /// The context was done before there was room.
    Cancelled(F),
}

impl<F> SubmitError<F> {
    /// The function that was not taken.
    pub fn into_inner(self) -> F {
        match self {
            SubmitError::Full(f) | SubmitError::Closed(f) | SubmitError::Cancelled(f) => f,
        }
    }

    /// Whether the queue was full.
    pub fn is_full(&self) -> bool {
        matches!(self, SubmitError::Full(_))
    }

    /// Whether the pool is shut down.
    pub fn is_closed(&self) -> bool {
        matches!(self, SubmitError::Closed(_))
    }
}

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SubmitError::Full(_) => "the pool's queue is full",
            SubmitError::Closed(_) => "the pool is shut down",
            SubmitError::Cancelled(_) => "the context was done before there was room in the queue",
        })
    }
}

impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SubmitError::Full(_) => "Full(..)",
            SubmitError::Closed(_) => "Closed(..)",
            SubmitError::Cancelled(_) => "Cancelled(..)",
        })
    }
}

impl<F> Error for SubmitError<F> {}
