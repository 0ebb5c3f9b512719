//! `within`: a call that is told how long it may take.
//!
//! **Problem.** A call must not take longer than so much. Code that blocks cannot be stopped
//! from outside at just any point, so it has to be told: it gets a context with a deadline, and
//! passes that on to whatever it waits with.
//!
//! ```text
//!   context ──► child context with the deadline ──► f
//! ```
//!
//! **Who closes what.** The child context is cancelled when `f` has returned, and with it what
//! `f` derived from it. **Cancelled** by the outer context. Code that does not know contexts is
//! cut short by [`timeout`](gorge_channel::time::timeout), on a goroutine of its own.

use gorge_channel::context::{Context, ContextError};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a call [`within`] a time failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithinError<E> {
    /// It failed, in time.
    Failed(E),
    /// It failed when its time was over, most likely for that.
    TimedOut(E),
    /// It failed when the outer context was done, most likely for that.
    Cancelled(ContextError, E),
}

impl<E> WithinError<E> {
    /// What the call itself said.
    pub fn into_inner(self) -> E {
        match self {
            WithinError::Failed(error)
            | WithinError::TimedOut(error)
            | WithinError::Cancelled(_, error) => error,
        }
    }

    /// Whether its time, or that of the outer context, was over.
    pub fn is_timeout(&self) -> bool {
        match self {
            WithinError::TimedOut(_) => true,
            WithinError::Cancelled(reason, _) => reason.is_timeout(),
            WithinError::Failed(_) => false,
        }
    }
}

impl<E: fmt::Display> fmt::Display for WithinError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WithinError::Failed(error) => error.fmt(f),
            WithinError::TimedOut(error) => write!(f, "the time is over: {error}"),
            WithinError::Cancelled(reason, error) => write!(f, "{reason}: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for WithinError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WithinError::Failed(error) => error.source(),
            WithinError::TimedOut(error) | WithinError::Cancelled(_, error) => Some(error),
        }
    }
}

/// Calls `f` with a context whose deadline is in `duration`, and says whether that was why it
/// failed.
///
/// `f` runs on the calling goroutine, and is waited for: it ends in time if it waits with the
/// context that it is given. What it returns late, but successfully, is returned.
///
/// # Errors
///
/// What `f` fails with, and whether time was over then.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::within;
/// use std::time::Duration;
///
/// let ctx = context::background();
/// let error = within(&ctx, Duration::from_millis(1), |ctx| {
///     ctx.sleep(Duration::from_secs(60))
/// });
/// assert!(error.unwrap_err().is_timeout());
/// assert_eq!(within(&ctx, Duration::from_secs(60), |_| Ok::<_, ()>(42)), Ok(42));
/// ```
pub fn within<T, E>(
    context: &Context,
    duration: Duration,
    f: impl FnOnce(&Context) -> Result<T, E>,
) -> Result<T, WithinError<E>> {
    let (child, _guard) = context.with_timeout(duration);
    f(&child).map_err(|error| match (context.err(), child.err()) {
        (Some(reason), _) => WithinError::Cancelled(reason, error),
        (None, Some(_)) => WithinError::TimedOut(error),
        (None, None) => WithinError::Failed(error),
    })
}
