//! Sends whose value is made when it is known that it will be taken: a select evaluates
//! the value of the case that it chose, a [`Permit`](crate::Permit) is sent through
//! later.
//!
//! * [`Locked::promise`]: takes a waiting receiver, or keeps room in the buffer.
//! * [`Chan::keep_promise`]: sends the value. The sender is never kept waiting.
//! * [`Chan::break_promise`]: nothing was sent. A receiver that was taken looks again,
//!   room goes to the next sender.
//!
//! A sender that waits to be promised something has a node without a place. Whoever
//! comes to it in the list of senders claims it and leaves a message: a receiver that
//! makes room keeps that for it; one that found the buffer empty waits for it alone
//! ([`Locked::meet`]), unless it is a future, which is told to look again
//! ([`ReceiveStop::past`](crate::channel::ReceiveStop::past)).

use crate::channel::{Chan, Locked, SendStop};
use crate::error::SendError;
use crate::place;
use crate::waiter::{Claimed, Message};

/// What a sender that makes its value later has got.
pub(crate) enum Promise {
    /// This receiver, which waits for the value.
    Partner(Claimed),
    /// Room in the buffer, which is kept for it.
    Room,
    /// The channel takes any number of values.
    Unbounded,
}

/// Why a sender that makes its value later got nothing.
pub(crate) enum PromiseStop<'a, T> {
    /// There is no room and no receiver: the sender may wait.
    Full(Locked<'a, T>),
    Closed,
}

impl<'a, T> Locked<'a, T> {
    /// What a sender needs that makes its value when it has it.
    pub(crate) fn promise(mut self) -> Result<Promise, PromiseStop<'a, T>> {
        if self.closed {
            return Err(PromiseStop::Closed);
        }
        if self.chan().capacity().is_none() {
            return Ok(Promise::Unbounded);
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(receiver) = unsafe { self.receivers.claim_first() } {
            return Ok(Promise::Partner(receiver));
        }
        let has_room = self.buffer.reserve();
        if !has_room || self.is_slot() {
            self.room_went();
        }
        match has_room {
            true => Ok(Promise::Room),
            false => Err(PromiseStop::Full(self)),
        }
    }
}

impl<T> Chan<T> {
    /// Completes what was [promised](Locked::promise).
    pub(crate) fn keep_promise(&self, promise: Promise, value: T) -> Result<(), SendError<T>> {
        if let Promise::Partner(receiver) = promise {
            if receiver.is_future() {
                return self.keep_promise_to_future(receiver, value);
            }
            receiver.complete(value);
            return Ok(());
        }
        let mut locked = self.lock();
        if matches!(promise, Promise::Room) {
            locked.buffer.unreserve();
            locked.room_came();
        }
        match locked.send(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Closed(value)) => Err(SendError(value)),
            Err(SendStop::NeedsBlock(value, slots)) => self.send_with_block(value, slots),
            Err(SendStop::Full(..)) => unreachable!("there was room"),
        }
    }

    /// Gives back what was [promised](Locked::promise).
    pub(crate) fn break_promise(&self, promise: Promise) {
        match promise {
            Promise::Partner(mut receiver) => {
                receiver.tell(Message::Abandoned);
                receiver.wake();
            }
            Promise::Room => {
                let mut locked = self.lock();
                locked.buffer.unreserve();
                locked.pass_room_on();
            }
            Promise::Unbounded => {}
        }
    }
}

impl Claimed {
    /// Gives a receiver its value, and wakes it. Not under the channel's lock.
    ///
    /// `T` is the type of the channel on which the receiver waits.
    #[inline(always)]
    pub(crate) fn complete<T>(self, value: T) {
        let place = self.place().expect("a receiver waits with a place");
        // SAFETY: receivers wait with an empty place of their channel's type, and this
        // one is claimed and not yet woken.
        unsafe { place::give(place, value) };
        self.wake();
    }
}
