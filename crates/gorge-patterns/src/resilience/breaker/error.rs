//! Why a call was not made, or what it failed with.

use std::error::Error;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Why a call was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The circuit is open.
    #[error("circuit breaker: open")]
    Open {
        /// When calls may try again: [`Duration::MAX`] if it is held open.
        retry_after: Duration,
    },
    /// The circuit is half open, and as many calls try as may.
    #[error("circuit breaker: half open, and {trying} calls try already")]
    HalfOpen {
        /// So many.
        trying: usize,
    },
}

/// Why a [call](super::CircuitBreaker::call) failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerError<E> {
    /// It was not made.
    Rejected(Rejected),
    /// It was made, and failed.
    Failed(E),
}

impl<E> BreakerError<E> {
    /// Whether the call was not made.
    pub fn is_rejected(&self) -> bool {
        matches!(self, BreakerError::Rejected(_))
    }

    /// What the call failed with, if it was made.
    pub fn into_inner(self) -> Option<E> {
        match self {
            BreakerError::Failed(error) => Some(error),
            BreakerError::Rejected(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for BreakerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BreakerError::Rejected(rejected) => rejected.fmt(f),
            BreakerError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for BreakerError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BreakerError::Rejected(rejected) => Some(rejected),
            BreakerError::Failed(error) => error.source(),
        }
    }
}
