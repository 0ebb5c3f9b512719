//! What an attempt fails with, and what all of them together do.

use gorge_channel::context::ContextError;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an attempt fails with, if it knows whether to try again makes sense: for
/// [`Retry::run_marked`](super::Retry::run_marked). Any error becomes a transient one with `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// It may work the next time.
    Transient(E),
    /// It may work the next time, but not before so long.
    RetryAfter(E, Duration),
    /// It will not work the next time either.
    Permanent(E),
}

impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Failure<E> {
        Failure::Transient(error)
    }
}

/// Why there was no further attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GaveUp {
    /// It would not have worked.
    Permanent,
    /// There were as many as there may be.
    Attempts,
    /// It would have begun after the deadline.
    Deadline,
    /// The budget was used up.
    Budget,
    /// The context was cancelled: its cause.
    Cancelled(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GaveUp::Permanent => f.write_str("to try again would not help"),
            GaveUp::Attempts => f.write_str("there were enough attempts"),
            GaveUp::Deadline => f.write_str("the time is over"),
            GaveUp::Budget => f.write_str("the retry budget is used up"),
            GaveUp::Cancelled(cause) => write!(f, "cancelled: {cause}"),
        }
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<E> {
    /// Which one it was, from one.
    pub number: u32,
    /// When it failed, since the first one began.
    pub after: Duration,
    /// What it failed with.
    pub error: E,
}

/// What became of it in the end: why there were no more attempts, and what they failed with.
///
/// Displayed, it says what the last one failed with. Its source is that error's, or what
/// cancelled it.
#[derive(Clone)]
pub struct RetryError<E> {
    pub(super) gave_up: GaveUp,
    pub(super) attempts: u32,
    pub(super) history: Vec<Attempt<E>>,
}

impl<E> RetryError<E> {
    /// Why there was no further attempt.
    pub fn gave_up(&self) -> &GaveUp {
        &self.gave_up
    }

    /// How many attempts there were. None, if the context was done before.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The attempts that failed, in order: the first one, and the latest ones, as many as
    /// [`Retry::keep`](super::Retry::keep) says.
    pub fn history(&self) -> &[Attempt<E>] {
        &self.history
    }

    /// What the last attempt failed with; `None` if there was none.
    pub fn last(&self) -> Option<&E> {
        self.history.last().map(|attempt| &attempt.error)
    }

    /// What the last attempt failed with; `None` if there was none.
    pub fn into_last(mut self) -> Option<E> {
        self.history.pop().map(|attempt| attempt.error)
    }

    /// Whether it was given up for a deadline.
    pub fn is_deadline_exceeded(&self) -> bool {
        matches!(self.gave_up, GaveUp::Deadline)
    }
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "gave up after {} attempts, since {}",
            self.attempts, self.gave_up
        )?;
        match self.last() {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryError")
            .field("gave_up", &self.gave_up)
            .field("attempts", &self.attempts)
            .field("history", &self.history)
            .finish()
    }
}

impl<E: Error + 'static> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.gave_up, self.last()) {
            (_, Some(error)) => Some(error),
            (GaveUp::Cancelled(cause), None) => Some(&**cause),
            (GaveUp::Deadline, None) => Some(&ContextError::DeadlineExceeded),
            _ => None,
        }
    }
}
