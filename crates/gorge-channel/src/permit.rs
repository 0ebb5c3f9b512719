//! Room for one value, kept for its sender.

use crate::channel::Chan;
use crate::error::SendError;
use crate::promise::Promise;
use gorge_runtime::preempt;
use std::fmt;

/// The right to send one value without waiting, from [`Sender::reserve`]. Dropped, it
/// gives the room back.
///
/// On a channel of capacity zero it is a receiver, which waits for the value meanwhile;
/// forgotten ([`std::mem::forget`]), it makes that wait for ever.
///
/// [`Sender::reserve`]: crate::Sender::reserve
#[must_use = "a permit that is dropped gives its room back"]
pub struct Permit<'a, T> {
    chan: &'a Chan<T>,
    /// Taken by `send`. None if the channel is closed.
    promise: Option<Promise>,
}

// SAFETY: a permit moves values between threads, as the sender that it borrows does.
unsafe impl<T: Send> Send for Permit<'_, T> {}
// SAFETY: a shared permit can do nothing.
unsafe impl<T: Send> Sync for Permit<'_, T> {}

impl<'a, T> Permit<'a, T> {
    pub(crate) fn new(chan: &'a Chan<T>, promise: Option<Promise>) -> Permit<'a, T> {
        Permit { chan, promise }
    }

    /// None if the channel was closed when this was made.
    pub(crate) fn unless_closed(self) -> Option<Permit<'a, T>> {
        self.promise.is_some().then_some(self)
    }

    /// Sends the value, at once.
    ///
    /// # Errors
    ///
    /// If the channel was closed meanwhile, with the value.
    pub fn send(mut self, value: T) -> Result<(), SendError<T>> {
        preempt::point_at_without_cancel("send what was reserved");
        match self.promise.take() {
            Some(promise) => self.chan.keep_promise(promise, value),
            None => Err(SendError(value)),
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            preempt::point_at_without_cancel("give up what was reserved");
            self.chan.break_promise(promise);
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Permit { .. }")
    }
}
