//! Send and receive on a channel with room for one value.
//!
//! One side waits for the other at each value, so whoever fills or empties the place unsets the
//! [flag](super::Head) of those that would do the same: who finds that it may not do what it
//! wants looks around before it takes the lock, which the other one needs to change that.

use super::Chan;
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
        self.send_buffered::<true>(value, deadline)
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
        self.receive_buffered::<true>(deadline)
    }
}
