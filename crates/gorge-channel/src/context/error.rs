//! Why a context is done.

use std::error::Error;
use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Why a [`Context`](super::Context) is done. The texts are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ContextError {
    /// It was cancelled.
    #[error("context canceled")]
    Canceled,
    /// Its deadline passed.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
}

impl ContextError {
    /// Whether time ran out: then to try again may help.
    pub fn is_timeout(self) -> bool {
        self == ContextError::DeadlineExceeded
    }
}

/// A deadline becomes [`io::ErrorKind::TimedOut`], so that code which speaks of I/O alone
/// treats it as it would any other timeout.
impl From<ContextError> for io::Error {
    fn from(error: ContextError) -> io::Error {
        let kind = match error {
            ContextError::DeadlineExceeded => io::ErrorKind::TimedOut,
            ContextError::Canceled => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// What made a context end, in the words of whoever ended it.
pub(super) type Cause = Arc<dyn Error + Send + Sync>;

/// Makes a cause of an error, of a text, or of what is one already.
pub(super) fn cause(error: Box<dyn Error + Send + Sync>) -> Cause {
    match error.downcast::<Cause>() {
        Ok(cause) => *cause,
        Err(error) => Arc::from(error),
    }
}

/// Why a node ends: the reason, and the cause if there is another one than that.
#[derive(Clone)]
pub(super) struct Ending {
    pub(super) reason: ContextError,
    pub(super) cause: Option<Cause>,
}
