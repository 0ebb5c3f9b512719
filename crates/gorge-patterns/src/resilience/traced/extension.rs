//! `.traced("..")` on results and options.

use super::Traced;
use std::error::Error;

/// Makes a [`Traced`] of a result's error.
pub trait TraceResult<T>: Sized {
    /// Adds a sentence for users, and where and when this was.
    ///
    /// # Errors
    ///
    /// If it was an error before.
    #[track_caller]
    fn traced(self, message: impl Into<String>) -> Result<T, Traced>;

    /// As [`traced`](TraceResult::traced), with a sentence that is made only if it is needed.
    ///
    /// # Errors
    ///
    /// If it was an error before.
    #[track_caller]
    fn traced_with(self, message: impl FnOnce() -> String) -> Result<T, Traced>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> TraceResult<T> for Result<T, E> {
    fn traced(self, message: impl Into<String>) -> Result<T, Traced> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Traced::of(message, error)),
        }
    }

    fn traced_with(self, message: impl FnOnce() -> String) -> Result<T, Traced> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Traced::of(message(), error)),
        }
    }
}

/// Makes a [`Traced`] of an option that has nothing.
pub trait TraceOption<T>: Sized {
    /// The value, or an error that begins here.
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::TraceOption;
    ///
    /// let error = None::<u8>.or_traced("There is no such user.").unwrap_err();
    /// assert_eq!(error.message(), "There is no such user.");
    /// ```
    #[track_caller]
    fn or_traced(self, message: impl Into<String>) -> Result<T, Traced>;
}

impl<T> TraceOption<T> for Option<T> {
    fn or_traced(self, message: impl Into<String>) -> Result<T, Traced> {
        match self {
            Some(value) => Ok(value),
            None => Err(Traced::new(message)),
        }
    }
}
