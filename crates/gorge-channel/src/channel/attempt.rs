//! One attempt to send or to receive, which does what can be done at once.
//!
//! Attempts take the lock's guard, and release it before a value is dropped, a block freed
//! or a party woken.

#[cfg(doc)]
use super::Chan;
use super::{Kind, Locked};
use crate::buffer::PushError;
use crate::place;
use crate::waiter::{Claimed, Message};
use gorge_runtime::primitive::atomic::Ordering;

/// Why an attempt did not send.
pub(crate) enum SendStop<'a, T> {
    /// There is no room and no receiver: the sender may wait.
    Full(Locked<'a, T>, T),
    Closed(T),
    /// Try again [with a new block](Chan::send_with_block).
    NeedsBlock(T),
}

/// Why an attempt received nothing.
pub(crate) enum ReceiveStop<'a, T> {
    /// There is no value and no sender: the receiver may wait.
    Empty(Locked<'a, T>),
    /// The first sender makes its value when it is chosen, which it now is: the
    /// receiver [meets](Locked::meet) it.
    Promised(Locked<'a, T>, Claimed),
    Closed,
}

impl<'a, T> Locked<'a, T> {
    /// Hands the value to the first waiting receiver, or buffers it.
    #[inline]
    pub(crate) fn send(mut self, value: T) -> Result<(), SendStop<'a, T>> {
        if self.closed {
            return Err(SendStop::Closed(value));
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(receiver) = unsafe { self.receivers.claim_first() } {
            if receiver.is_future() {
                self.serve(receiver, value);
                return Ok(());
            }
            drop(self);
            receiver.complete(value);
            return Ok(());
        }
        match self.buffer.push(value) {
            Ok(()) => {
                self.something_came();
                if self.watched {
                    self.tell_watchers(|watchers| &mut watchers.of_values);
                }
                Ok(())
            }
            Err(PushError::Full(value)) => Err(SendStop::Full(self, value)),
            Err(PushError::NeedsBlock(value)) => Err(SendStop::NeedsBlock(value)),
        }
    }

    /// Takes the oldest value: out of the buffer, else from the first waiting
    /// sender. The room made in the buffer goes to that sender, so that values
    /// come out in the order in which they were sent.
    #[inline]
    pub(crate) fn receive(mut self) -> Result<T, ReceiveStop<'a, T>> {
        if self.has_returned {
            return Ok(self.take_returned());
        }
        if let Some((value, emptied)) = self.buffer.pop() {
            self.pass_room_on();
            drop(emptied);
            return Ok(value);
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(sender) = unsafe { self.senders.claim_first() } {
            let Some(place) = sender.place() else {
                return Err(ReceiveStop::Promised(self, sender));
            };
            drop(self);
            // SAFETY: this sender waits with a full place of this channel's type, and
            // is claimed and not yet woken.
            let value = unsafe { place::take(place) };
            sender.wake();
            return Ok(value);
        }
        if self.closed {
            return self.take_served().ok_or(ReceiveStop::Closed);
        }
        // A timer's value comes by itself.
        let may_receive = self.chan.kind == Kind::Timer;
        let flag = &self.chan.head.may_receive;
        flag.store(may_receive, Ordering::Relaxed);
        Err(ReceiveStop::Empty(self))
    }

    /// Room was made in the buffer: the first waiting sender gets it. Unlocks.
    #[inline]
    pub(crate) fn pass_room_on(mut self) {
        self.room_came();
        // SAFETY: the lock that guards the list is held.
        let Some(mut sender) = (unsafe { self.senders.claim_first() }) else {
            if self.watched {
                self.tell_watchers(|watchers| &mut watchers.of_room);
            }
            return;
        };
        match sender.place() {
            Some(place) => {
                // SAFETY: this sender waits with a full place of this channel's type,
                // and is claimed and not yet woken.
                let next = unsafe { place::take(place) };
                let pushed = self.buffer.push(next);
                debug_assert!(pushed.is_ok(), "there is room");
            }
            None => {
                let reserved = self.buffer.reserve();
                debug_assert!(reserved, "there is room");
                sender.tell(Message::Room);
            }
        }
        drop(self);
        sender.wake();
    }
}
