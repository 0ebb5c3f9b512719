//! A panic that was caught where it happened, for whoever collects the result.
//!
//! Goroutines of this crate catch the panics of user functions, and hand them to the one
//! that waits: that one resumes them, or gets them as part of an error. The payload moves;
//! the text can be read by many.

use gorge_runtime::{cancel, catch_panic};
use gorge_sync::Mutex;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic of a function that was called for somebody else. The panic hook has printed it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{Group, OnPanic, TaskError};
///
/// let group = Group::<(), String>::builder()
///     .on_panic(OnPanic::ToError)
///     .build(&context::background());
/// group.go(|| panic!("out of ink")).unwrap();
/// let error = group.wait().unwrap_err().into_first();
/// let TaskError::Panicked(panic) = error else { unreachable!() };
/// assert_eq!(panic.message(), "out of ink");
/// ```
pub struct CaughtPanic {
    message: String,
    /// Behind a lock only because payloads need not be `Sync`.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl CaughtPanic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> CaughtPanic {
        CaughtPanic {
            message: text_of(&*payload).to_owned(),
            payload: Mutex::new(payload),
        }
    }

    /// The text of the panic, or that it had none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the function panicked with.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner()
    }

    /// Continues the panic here. It is not printed again.
    ///
    /// # Panics
    ///
    /// Always: that is what it does.
    pub fn resume(self) -> ! {
        cancel::resume_panic(self.into_payload())
    }
}

impl fmt::Display for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl fmt::Debug for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaughtPanic({:?})", self.message)
    }
}

impl Error for CaughtPanic {}

/// Calls a user function. The cancel of the goroutine passes through.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    catch_panic(AssertUnwindSafe(f)).map_err(CaughtPanic::new)
}

/// Why a function did not return.
pub(crate) enum Unwound {
    Panic(CaughtPanic),
    /// The goroutine is being cancelled: the payload, with which to go on.
    Cancel(Box<dyn Any + Send>),
}

/// As [`catch`], for those who have something to do when they are cancelled.
pub(crate) fn catch_all<T>(f: impl FnOnce() -> T) -> Result<T, Unwound> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| match cancel::is_cancel(&*payload) {
        true => Unwound::Cancel(payload),
        false => Unwound::Panic(CaughtPanic::new(payload)),
    })
}

/// Said of a payload that has none.
pub(crate) const NO_TEXT: &str = "a value that is not a string";

/// The text of a panic's payload.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or(NO_TEXT)
}
