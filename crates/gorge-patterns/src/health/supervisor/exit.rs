//! How a child ended.

use crate::groups::caught::text_of;
use gorge_sync::Mutex;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An error of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a child is not running any more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// It returned, without being told to.
    Normal,
    /// It was told to stop, and did so in its time.
    Shutdown,
    /// It returned an error.
    Error(Arc<dyn Error + Send + Sync>),
    /// It panicked.
    Panic(PanicReport),
    /// It was unwound: by its supervisor, because it did not stop in time or has missed its
    /// pulses, or by somebody else who cancelled its goroutine.
    Killed,
}

impl Exit {
    /// Whether a [transient](super::Restart::Transient) child is restarted after it.
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Exit::Normal | Exit::Shutdown)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => f.write_str("it returned"),
            Exit::Shutdown => f.write_str("it was shut down"),
            Exit::Error(error) => write!(f, "it failed: {error}"),
            Exit::Panic(panic) => write!(f, "it panicked: {}", panic.message()),
            Exit::Killed => f.write_str("it was killed"),
        }
    }
}

/// The panic of a child.
#[derive(Clone)]
pub struct PanicReport {
    message: Arc<str>,
    payload: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

impl PanicReport {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> PanicReport {
        PanicReport {
            message: text_of(&*payload).into(),
            payload: Arc::new(Mutex::new(Some(payload))),
        }
    }

    /// The panic's message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The payload, for [`std::panic::resume_unwind`]. Whoever asks first gets it.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.payload.lock().take()
    }
}

impl fmt::Debug for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PanicReport({:?})", self.message)
    }
}

/// What the function of a child returns: nothing, or a result.
pub trait ChildResult {
    /// As a result with an error of any type.
    fn into_result(self) -> Result<(), BoxError>;
}

impl ChildResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> ChildResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}
