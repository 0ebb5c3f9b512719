//! Errors of the runtime: what failed, and what to do about it.

use crate::deadlock::DeadlockReport;
use crate::goroutine::GoroutineId;
use gorge_coroutine::StackError;
use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a goroutine has no value to give, before it is tied to its name.
pub(crate) enum Failure {
    Panic(Box<dyn Any + Send>),
    Cancelled,
    NotStarted(Box<StackError>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Panic(payload) => write!(f, "panicked: {}", panic_message(&**payload)),
            Failure::Cancelled => f.write_str("was cancelled"),
            Failure::NotStarted(error) => write!(f, "was not started: {error}"),
        }
    }
}

/// Why [`JoinHandle::join`](crate::JoinHandle::join) has no value.
///
/// `Display` names the goroutine and, for a panic, its message.
pub struct JoinError {
    id: GoroutineId,
    name: Option<Arc<str>>,
    failure: Failure,
}

impl JoinError {
    pub(crate) fn new(id: GoroutineId, name: Option<Arc<str>>, failure: Failure) -> JoinError {
        JoinError { id, name, failure }
    }

    /// The goroutine that failed.
    pub fn id(&self) -> GoroutineId {
        self.id
    }

    /// Its name, if it had one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the goroutine panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.failure, Failure::Panic(_))
    }

    /// Whether the goroutine was cancelled, before or after it began to run.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.failure, Failure::Cancelled)
    }

    /// Whether the goroutine never began to run because there was no stack.
    pub fn is_not_started(&self) -> bool {
        matches!(self.failure, Failure::NotStarted(_))
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the goroutine did not panic; see [`is_panic`](JoinError::is_panic).
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.failure {
            Failure::Panic(payload) => payload,
            _ => panic!("JoinError::into_panic on an error that is not a panic: {self}"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, " {}", self.failure)
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.failure {
            Failure::NotStarted(error) => Some(&**error),
            _ => None,
        }
    }
}

// SAFETY: a shared reference gives no access to the payload of a panic, the
// only part that is not `Sync`, except to its type and, for the two string
// types, which are `Sync`, its text.
unsafe impl Sync for JoinError {}

/// The text of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not a string"
    }
}

/// Why [`Runtime::try_run`](crate::Runtime::try_run) has no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The closure panicked, or its goroutine was cancelled or not started.
    #[error(transparent)]
    Panicked(JoinError),
    /// Everybody waited for everybody else. The closure was unwound, unless it
    /// returned all the same.
    #[error(transparent)]
    Deadlock(DeadlockReport),
}

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The environment variable `GORGE_MAXPROCS` is not a positive number.
    #[error("GORGE_MAXPROCS is {value:?}: set it to a whole number from 1 to {max}, or unset it")]
    MaxProcsVariable {
        /// What it is set to.
        value: String,
        /// The largest number of processors.
        max: usize,
    },
    /// [`Builder::max_procs`](crate::Builder::max_procs) is out of range.
    #[error("max_procs is {value}: it must be from 1 to {max}")]
    MaxProcs {
        /// What was asked for.
        value: usize,
        /// The largest number of processors.
        max: usize,
    },
    /// The stack reserve is not possible.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A worker thread could not be started.
    #[error("cannot start a worker thread: {0} (raise the limit on threads, or lower max_procs)")]
    Thread(#[source] io::Error),
}
