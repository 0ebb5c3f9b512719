//! Why there is no admission.

use gorge_channel::context::{Context, ContextError};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Why something is not admitted now: of [`try_acquire`](super::RateLimiter::try_acquire),
/// and of a [reservation](super::Reservation::refusal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Refused {
    /// So much at once never is: ask for less, or raise the burst.
    #[error("rate: {n} at once exceed the burst of {burst}")]
    ExceedsBurst {
        /// How many were asked for.
        n: usize,
        /// How many there may be at once.
        burst: usize,
    },
    /// It would be in so long: [`Duration::MAX`] if never.
    #[error("rate: over the limit for another {wait:?}")]
    TooSoon {
        /// Until then.
        wait: Duration,
    },
    /// All is in use, and nobody knows how long: a limit of concurrency.
    #[error("rate: all of it is in use")]
    Busy,
    /// As many wait as may.
    #[error("rate: as many wait as may")]
    Full,
}

/// Why a wait for admission ended without.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// So much at once never is: ask for less, or raise the burst. Nothing was waited for.
    ExceedsBurst {
        /// How many were asked for.
        n: usize,
        /// How many there may be at once.
        burst: usize,
    },
    /// The context's deadline is earlier than the admission would be, or has passed. So there
    /// is no sense in waiting, and nothing was waited for (unless a limit was lowered
    /// meanwhile). Its source is [`ContextError::DeadlineExceeded`].
    WouldExceedDeadline {
        /// How long the wait would have been: [`Duration::MAX`] if for ever.
        wait: Duration,
    },
    /// The context was cancelled: its [cause](Context::cause).
    Cancelled(Arc<dyn Error + Send + Sync>),
    /// As many wait as may.
    Full,
    /// The limiter was closed.
    Closed,
}

impl WaitError {
    /// Whether it is for a deadline: then to try again, with more time, may help.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context::{self, ContextError};
    /// use gorge_patterns::rate::{Limit, Limiter};
    /// use std::error::Error;
    /// use std::time::Duration;
    ///
    /// let limiter = Limiter::new(Limit::per_minute(1.0), 1);
    /// let (ctx, _guard) = context::background().with_timeout(Duration::from_secs(5));
    /// limiter.wait(&ctx)?;
    /// let error = limiter.wait(&ctx).unwrap_err(); // at once
    /// assert!(error.is_deadline_exceeded());
    /// let source = error.source().and_then(|source| source.downcast_ref());
    /// assert_eq!(source, Some(&ContextError::DeadlineExceeded));
    /// # Ok::<(), gorge_patterns::rate::WaitError>(())
    /// ```
    #[must_use]
    pub fn is_deadline_exceeded(&self) -> bool {
        matches!(self, WaitError::WouldExceedDeadline { .. })
    }

    /// Whether the context was cancelled, other than by its deadline.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, WaitError::Cancelled(_))
    }

    /// What a wait ends with when its context is done, and it would have taken so long.
    pub(super) fn of_context(context: &Context, reason: ContextError, wait: Duration) -> WaitError {
        match reason {
            ContextError::DeadlineExceeded => WaitError::WouldExceedDeadline { wait },
            ContextError::Canceled => WaitError::Cancelled(
                context
                    .cause()
                    .unwrap_or_else(|| Arc::new(ContextError::Canceled)),
            ),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::ExceedsBurst { n, burst } => {
                write!(
                    f,
                    "rate: a wait for {n} exceeds the limiter's burst of {burst}"
                )
            }
            WaitError::WouldExceedDeadline { wait } if *wait == Duration::MAX => {
                f.write_str("rate: an endless wait would exceed the context's deadline")
            }
            WaitError::WouldExceedDeadline { wait } => {
                write!(
                    f,
                    "rate: a wait of {wait:?} would exceed the context's deadline"
                )
            }
            WaitError::Cancelled(cause) => write!(f, "rate: the wait was cancelled: {cause}"),
            WaitError::Full => f.write_str("rate: as many wait as may"),
            WaitError::Closed => f.write_str("rate: the limiter is closed"),
        }
    }
}

impl Error for WaitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WaitError::WouldExceedDeadline { .. } => Some(&ContextError::DeadlineExceeded),
            WaitError::Cancelled(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// A deadline becomes [`TimedOut`](std::io::ErrorKind::TimedOut), as it does of a context.
impl From<WaitError> for std::io::Error {
    fn from(error: WaitError) -> std::io::Error {
        let kind = match error {
            WaitError::WouldExceedDeadline { .. } => std::io::ErrorKind::TimedOut,
            WaitError::ExceedsBurst { .. } => std::io::ErrorKind::InvalidInput,
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
