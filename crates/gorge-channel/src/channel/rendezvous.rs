//! Send and receive on a channel without room for values: one of the two waits, and the
//! other one moves the value from stack to stack.
//!
//! They do what [`attempt`](super::attempt) and a wait would do, one after the other, in
//! one function each: a switch of stacks costs so little that saving registers for several
//! calls, and passing on what is known anyway, would cost as much again.

use super::{Chan, ReceiveStop};
use crate::error::{RecvTimeoutError, SendTimeoutError};
use crate::place;
use crate::waiter::ClaimedAll;
use std::time::Instant;

impl<T> Chan<T> {
    /// Gives the value to the first receiver that waits, or waits for one.
    #[inline(never)]
    pub(super) fn hand_over(
        &self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        let mut locked = self.lock();
        if locked.closed {
            return Err(SendTimeoutError::Disconnected(value));
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(receiver) = unsafe { locked.receivers.claim_first() } {
            if receiver.is_future() {
                locked.serve(receiver, value);
                return Ok(());
            }
            drop(locked);
            receiver.complete(value);
            return Ok(());
        }
        locked.wait_to_send(value, deadline)
    }

    /// Takes the value of the first sender that waits, or waits for one.
    #[inline(never)]
    pub(super) fn take_over(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut locked = self.lock();
        if locked.has_returned || locked.closed {
            return self.receive_slow(locked.receive(), deadline);
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(sender) = unsafe { locked.senders.claim_first() } {
            let Some(place) = sender.place() else {
                return self.receive_slow(Err(ReceiveStop::Promised(locked, sender)), deadline);
            };
            if locked.senders.is_empty() {
                locked.values_went();
            }
            drop(locked);
            // SAFETY: this sender waits with a full place of this channel's type, and
            // is claimed and not yet woken.
            let value = unsafe { place::take(place) };
            sender.wake();
            return Ok(value);
        }
        locked.values_went();
        match locked.wait_to_receive(deadline, ClaimedAll::default())? {
            Some(value) => Ok(value),
            None => self.receive_slow(self.lock().receive(), deadline),
        }
    }
}
