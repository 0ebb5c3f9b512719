//! Waiting under a context: as a future, for a time, for a function.

use super::{Context, ContextError};
use crate::futures::RecvFuture;
use std::fmt;
use std::pin::Pin;
use std::task::{self, Poll};
#[cfg(not(gorge_loom))]
use {
    crate::RecvTimeoutError,
    crate::time::{Outcome, run_until},
    gorge_runtime::time,
    std::time::{Duration, Instant},
};

/// Is ready when a context is done; made by [`Context::cancelled`].
///
/// It may be dropped at any time, and polled again after it was ready.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Cancelled<'a> {
    context: &'a Context,
    done: RecvFuture<'a, ()>,
}

impl Context {
    /// Waits until the context is done, and says why: for code that is written with `async`.
    ///
    /// It may be awaited on any executor, and dropped and made anew, in a select say:
    /// nothing is lost. A context with a deadline needs a goroutine for it while it waits,
    /// and starts the default runtime if it is awaited outside one.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context::{self, ContextError};
    /// use gorge_runtime::{block_on, go};
    ///
    /// let (context, guard) = context::background().with_cancel();
    /// drop(go(move || guard.cancel()));
    /// assert_eq!(block_on(context.cancelled()), ContextError::Canceled);
    /// ```
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled {
            context: self,
            done: self.done().recv_async(),
        }
    }
}

impl Future for Cancelled<'_> {
    type Output = ContextError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<ContextError> {
        // Its time may have passed between two looks at the clock.
        if let Some(reason) = self.context.err() {
            return Poll::Ready(reason);
        }
        let polled = Pin::new(&mut self.done).poll(cx);
        polled.map(|_| self.context.err().expect("the channel is closed"))
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Cancelled { .. }")
    }
}

#[cfg(not(gorge_loom))]
impl Context {
    /// Waits for `duration`, or until the context is done.
    ///
    /// # Errors
    ///
    /// Why the context is done, if it is before the time is over, or when this is called.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context::{self, ContextError};
    /// use std::time::Duration;
    ///
    /// let (context, guard) = context::background().with_timeout(Duration::from_millis(2));
    /// assert_eq!(context.sleep(Duration::from_millis(1)), Ok(()));
    /// let error = context.sleep(Duration::from_secs(3600)).unwrap_err();
    /// assert_eq!(error, ContextError::DeadlineExceeded);
    /// # drop(guard);
    /// ```
    pub fn sleep(&self, duration: Duration) -> Result<(), ContextError> {
        self.sleep_to(time::deadline(duration))
    }

    /// Waits until `instant`, or until the context is done.
    ///
    /// # Errors
    ///
    /// As for [`sleep`](Context::sleep).
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine.
    pub fn sleep_until(&self, instant: Instant) -> Result<(), ContextError> {
        self.sleep_to(Some(instant))
    }

    fn sleep_to(&self, until: Option<Instant>) -> Result<(), ContextError> {
        let ended = match until {
            Some(until) => self.done().recv_deadline(until),
            None => Err(self.done().recv().map_or_else(Into::into, |()| {
                unreachable!("the channel carries no values")
            })),
        };
        match ended {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(self.err().expect("the channel is closed")),
        }
    }

    /// Runs a function on a goroutine of its own, which is cancelled when the context is
    /// done, and waits for it to end. The function may borrow.
    ///
    /// So code that knows nothing of contexts ends with one: whatever it waits for, as
    /// long as that delivers cancels.
    ///
    /// # Errors
    ///
    /// Why the context is done, if it is before the function has ended. The function is not
    /// called if it is when this is called. What it returns all the same, because it came to
    /// no operation that delivers a cancel, is dropped.
    ///
    /// # Panics
    ///
    /// If the function panics, its panic continues here.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine: that of the function is cancelled, too,
    /// and waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::{bounded, context};
    /// use std::time::Duration;
    ///
    /// let (context, _guard) = context::background().with_timeout(Duration::from_millis(1));
    /// let (_sender, receiver) = bounded::<u8>(0);
    /// let error = context.run(|| receiver.recv()).unwrap_err();
    /// assert!(error.is_timeout());
    /// ```
    pub fn run<F, T>(&self, f: F) -> Result<T, ContextError>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        if let Some(reason) = self.err() {
            return Err(reason);
        }
        match run_until(self.done(), f) {
            Outcome::Ended(value) => Ok(value),
            Outcome::CutShort => Err(self.err().unwrap_or(ContextError::Canceled)),
        }
    }
}
