//! Why something cannot be polled, or is polled no longer.

use std::fmt;
use std::io;

/// What an [`io::Error`] of this module carries, where it is not the system's.
///
/// # Examples
///
/// ```
/// use gorge_runtime::netpoll::{PollError, Pollable};
/// use std::os::unix::net::UnixStream;
///
/// let (ours, _theirs) = UnixStream::pair().unwrap();
/// let ours = Pollable::new(ours).unwrap();
/// ours.close();
/// let error = ours.wait_readable(None).unwrap_err();
/// assert_eq!(PollError::of(&error), Some(PollError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// [`Pollable::close`](super::Pollable::close) was called, before the
    /// operation or while it waited.
    #[error("use of a closed descriptor")]
    Closed,
    /// The runtime with which the descriptor is registered has ended, so nobody
    /// would tell when it becomes ready.
    #[error("the runtime that polled this descriptor has ended: register it with another one")]
    RuntimeEnded,
    /// Readiness means nothing for this type of file, such as a regular one.
    #[error("this type of file cannot be polled: use it inside gorge_runtime::blocking")]
    NotPollable,
    /// The poller has this descriptor already.
    #[error("this descriptor is registered already: share its Pollable, or duplicate it")]
    AlreadyRegistered,
    /// The caller is in a [simulation](crate::sim), where nothing comes from outside.
    #[error(
        "a simulation cannot wait for a descriptor, since a seed does not decide when it becomes \
         ready: put something in its place that the program itself provides"
    )]
    Simulated,
}

impl PollError {
    /// The reason that `error` carries, if it comes from here.
    pub fn of(error: &io::Error) -> Option<PollError> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<PollError> for io::Error {
    fn from(error: PollError) -> io::Error {
        let kind = match error {
            PollError::Closed | PollError::RuntimeEnded => io::ErrorKind::Other,
            PollError::NotPollable | PollError::Simulated => io::ErrorKind::Unsupported,
            PollError::AlreadyRegistered => io::ErrorKind::AlreadyExists,
        };
        io::Error::new(kind, error)
    }
}

/// Why a source could not be registered; hands it back.
pub struct RegisterError<T> {
    source: T,
    error: io::Error,
}

impl<T> RegisterError<T> {
    pub(super) fn new(source: T, error: io::Error) -> RegisterError<T> {
        RegisterError { source, error }
    }

    /// What went wrong.
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// The source, as it was, and what went wrong.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.source, self.error)
    }
}

impl<T> From<RegisterError<T>> for io::Error {
    fn from(error: RegisterError<T>) -> io::Error {
        error.error
    }
}

impl<T> fmt::Display for RegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot register the descriptor: {}", self.error)
    }
}

impl<T> fmt::Debug for RegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegisterError({:?})", self.error)
    }
}

impl<T> std::error::Error for RegisterError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
