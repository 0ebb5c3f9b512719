//! Send and receive on a channel with room for one value.
//!
//! One side waits for the other at each value, so whoever fills or empties the place unsets the
//! [flag](super::Head) of those that would do the same: who finds that it may not do what it
//! wants looks around before it takes the lock, which the other one needs to change that.

use super::{Chan, SendStop};
use crate::error::{RecvTimeoutError, SendTimeoutError};
use std::time::Instant;

impl<T> Chan<T> {
    /// Fills the place, or hands the value to a receiver that waits.
    #[inline(never)]
    pub(super) fn send_to_slot(
        &self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        if !self.head.may_send() {
            return self.send_looking(value, deadline);
        }
        match self.lock().send(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Full(locked, value)) => self.send_slow(locked, value, deadline),
            Err(SendStop::Closed(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(SendStop::NeedsBlock(_)) => unreachable!("there is a place"),
        }
    }

    /// Empties the place, for a sender that waits, if there is one.
    #[inline(never)]
    pub(super) fn receive_from_slot(
        &self,
        deadline: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        if !self.head.may_receive() {
            return self.receive_looking(deadline);
        }
        match self.lock().receive() {
            Ok(value) => Ok(value),
            stop => self.receive_slow(stop, deadline),
        }
    }
}
