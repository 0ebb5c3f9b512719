//! One attempt to send or to receive, which does what can be done at once.
//!
//! Attempts take the lock's guard, and release it before a value is dropped, a block freed
//! or a party woken.

use super::{Chan, Locked};
use crate::buffer::{PushError, Slots};
use crate::error::TryRecvError;
use crate::place;
use crate::waiter::{Claimed, ClaimedAll, Message};
use gorge_runtime::park::Refused;

/// How often a receive that does not wait begins again, because a sender that it could
/// have met was behind a future.
const TRIES: usize = 16;

/// Why an attempt did not send.
pub(crate) enum SendStop<'a, T> {
    /// There is no room and no receiver: the sender may wait.
    Full(Locked<'a, T>, T),
    Closed(T),
    /// Try again [with a new block](Chan::send_with_block) of so many slots.
    NeedsBlock(T, Slots),
}

/// Why an attempt received nothing.
pub(crate) enum ReceiveStop<'a, T> {
    /// There is no value and no sender: the receiver may wait.
    Empty(Locked<'a, T>),
    /// The first sender makes its value when it is chosen, which it now is: the
    /// receiver [meets](Locked::meet) it, unless it is a future: then it is
    /// [told to look](ReceiveStop::past).
    Promised(Locked<'a, T>, Claimed),
    Closed,
}

/// Whom a receive passes over of those that make their values later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Futures.
    Futures,
    /// Futures, and whoever waits behind one.
    All,
}

impl<'a, T> ReceiveStop<'a, T> {
    /// Goes on past senders that make their values later: they are claimed, and told to
    /// look again. They have to be woken when the lock is free; if the receiver waits, it
    /// links itself before that, so that they find it.
    ///
    /// A future is never met, since it makes its value when it is polled, for which nobody
    /// may wait. While one is claimed nobody else is met either, as its waker is anybody's
    /// code, which must not run while somebody waits for what the caller does next.
    #[inline]
    pub(crate) fn past(self, whom: Past, told: &mut ClaimedAll) -> Result<T, ReceiveStop<'a, T>> {
        match self {
            ReceiveStop::Promised(locked, sender) => locked.receive_past(sender, whom, told),
            stop => Err(stop),
        }
    }
}

impl<'a, T> Locked<'a, T> {
    #[cold]
    #[inline(never)]
    fn receive_past(
        mut self,
        mut sender: Claimed,
        whom: Past,
        told: &mut ClaimedAll,
    ) -> Result<T, ReceiveStop<'a, T>> {
        while sender.is_future() || (whom == Past::All && !told.is_empty()) {
            sender.tell_to_look(told);
            match self.receive() {
                Ok(value) => return Ok(value),
                Err(ReceiveStop::Promised(locked, next)) => (self, sender) = (locked, next),
                Err(stop) => return Err(stop),
            }
        }
        Err(ReceiveStop::Promised(self, sender))
    }
}

impl<T> Chan<T> {
    /// Receives without waiting, but for a sender that has been chosen to make its value.
    /// Where it would say that the channel is disconnected, it goes on with the panic of the
    /// sending side, if `PANICS`.
    #[inline]
    pub(crate) fn receive_now<const PANICS: bool>(&self) -> Result<T, TryRecvError> {
        match self.lock().receive() {
            Ok(value) => Ok(value),
            Err(ReceiveStop::Empty(_)) => Err(TryRecvError::Empty),
            Err(ReceiveStop::Closed) => {
                if PANICS {
                    self.resume_panic();
                }
                Err(TryRecvError::Disconnected)
            }
            Err(stop) => {
                let received = self.receive_promised(stop);
                if PANICS && matches!(received, Err(TryRecvError::Disconnected)) {
                    self.resume_panic();
                }
                received
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn receive_promised<'a>(&'a self, mut stop: ReceiveStop<'a, T>) -> Result<T, TryRecvError> {
        let mut tries = 1;
        loop {
            let mut told = ClaimedAll::default();
            let received = match stop.past(Past::Futures, &mut told) {
                Ok(value) => Ok(Some(value)),
                Err(ReceiveStop::Closed) => Err(TryRecvError::Disconnected),
                Err(ReceiveStop::Empty(locked)) => {
                    drop(locked);
                    Err(TryRecvError::Empty)
                }
                Err(ReceiveStop::Promised(locked, sender)) if told.is_empty() => {
                    locked.meet(sender).map_err(|Refused| TryRecvError::Empty)
                }
                Err(ReceiveStop::Promised(locked, sender)) => {
                    sender.tell_to_look(&mut told);
                    drop(locked);
                    tries += 1;
                    match tries <= TRIES {
                        true => Ok(None),
                        false => Err(TryRecvError::Empty),
                    }
                }
            };
            told.wake();
            if let Some(received) = received.transpose() {
                return received;
            }
            stop = match self.lock().receive() {
                Ok(value) => return Ok(value),
                Err(stop) => stop,
            };
        }
    }
}

impl<'a, T> Locked<'a, T> {
    /// Hands the value to the first waiting receiver, or buffers it.
    #[inline]
    pub(crate) fn send(self, value: T) -> Result<(), SendStop<'a, T>> {
        self.send_if::<true>(value)
    }

    /// As [`send`](Locked::send); the channel is none with room for one value, unless it
    /// `MAY_BE_SLOT`.
    #[inline(always)]
    pub(super) fn send_if<const MAY_BE_SLOT: bool>(
        mut self,
        value: T,
    ) -> Result<(), SendStop<'a, T>> {
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
                if MAY_BE_SLOT && self.is_slot() {
                    self.room_went();
                }
                if self.watched {
                    self.tell_watchers(|watchers| &mut watchers.of_values);
                }
                Ok(())
            }
            Err(PushError::Full(value)) => Err(SendStop::Full(self, value)),
            Err(PushError::NeedsBlock(value, slots)) => Err(SendStop::NeedsBlock(value, slots)),
        }
    }

    /// Takes the oldest value: out of the buffer, else from the first waiting
    /// sender. The room made in the buffer goes to that sender, so that values
    /// come out in the order in which they were sent.
    #[inline]
    pub(crate) fn receive(self) -> Result<T, ReceiveStop<'a, T>> {
        self.receive_if::<true>()
    }

    /// As [`receive`](Locked::receive); the channel is none with room for one value, unless it
    /// `MAY_BE_SLOT`.
    #[inline]
    pub(super) fn receive_if<const MAY_BE_SLOT: bool>(mut self) -> Result<T, ReceiveStop<'a, T>> {
        if self.has_returned {
            return Ok(self.take_returned());
        }
        if let Some((value, emptied)) = self.buffer.pop() {
            if MAY_BE_SLOT && self.is_slot() && self.senders.is_empty() && !self.closed {
                self.values_went();
            }
            self.pass_room_on();
            drop(emptied);
            return Ok(value);
        }
        // SAFETY: the lock that guards the list is held.
        if let Some(sender) = unsafe { self.senders.claim_first() } {
            let Some(place) = sender.place() else {
                return Err(ReceiveStop::Promised(self, sender));
            };
            // The buffer is empty, too: a select need not try again to find that out.
            if self.senders.is_empty() {
                self.values_went();
            }
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
        if self.buffer.has_expired() {
            return Err(ReceiveStop::Closed);
        }
        self.values_went();
        Err(ReceiveStop::Empty(self))
    }

    /// Room was made in the buffer, for one value: the first waiting sender gets it. Unlocks.
    ///
    /// It is full again then, as it was while that sender waited, so nobody is told of room.
    #[inline(always)]
    pub(crate) fn pass_room_on(mut self) {
        // SAFETY: the lock that guards the list is held.
        let Some(mut sender) = (unsafe { self.senders.claim_first() }) else {
            self.room_came();
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
