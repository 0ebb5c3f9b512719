//! Values on the way to a future's poll.
//!
//! A value is handed to a waiting future under the channel's lock, and only while the
//! channel is open. It then lies in the future's slot, which is in the list `served`, and
//! is that of whoever takes the node out of the list, under the lock:
//!
//! | who | when | and then |
//! | --- | --- | --- |
//! | the future | it is polled | returns the value |
//! | the future | it is dropped | puts the value back: it is the next one to be received |
//! | another receiver | the channel is closed, and nothing else is in it | returns the value; the future looks again |
//! | the last receiver to go | the future was forgotten | drops the value |
//!
//! So a receiver finds that the channel is disconnected only when there is no value that
//! could come back: none is lost because the others have left before that.

use super::party::Party;
use super::returned::{Returned, Value};
use crate::channel::{Chan, Locked};
use crate::error::SendError;
use crate::place;
use crate::waiter::{Claimed, Message, Node, WaitList};
use std::iter;
use std::mem;
use std::sync::Arc;

impl<T> Locked<'_, T> {
    /// Hands a claimed future a value, and wakes it. The channel is not closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn serve(mut self, receiver: Claimed, value: T) {
        let place = receiver.place().expect("a receiver waits with a place");
        // SAFETY: receivers wait with an empty place of their channel's type. This one is
        // claimed and not yet woken, the node of a future, in no list, and stays there for
        // the list's reference.
        unsafe {
            place::give(place, value);
            Party::<T>::keep_alive(receiver.node());
            self.served.keep(receiver.node());
        }
        self.served_len += 1;
        drop(self);
        receiver.wake();
    }

    fn is_served(&self, party: &Party<T>) -> bool {
        // SAFETY: the lock is held. The node of a party that does not wait is in the list of
        // those served, or in none.
        unsafe { Node::is_linked(party.node()) }
    }

    /// The value that a party was handed, unless another receiver has taken it. The party
    /// does not wait any more.
    pub(super) fn take_from(&mut self, party: &Arc<Party<T>>) -> Option<T> {
        if !self.is_served(party) {
            return None;
        }
        self.served_len -= 1;
        // SAFETY: the lock is held, and the node is in this list. What is in the slot is that
        // of who takes it out of there, and so is the list's reference.
        unsafe {
            self.served.remove(party.node());
            let value = party.take();
            Arc::decrement_strong_count(Arc::as_ptr(party));
            Some(value)
        }
    }

    /// The first value that was handed to a future and not yet returned by it. Unlocks.
    #[inline]
    pub(crate) fn take_served(self) -> Option<T> {
        if self.served_len == 0 {
            return None;
        }
        self.take_first_served()
    }

    #[cold]
    #[inline(never)]
    fn take_first_served(mut self) -> Option<T> {
        // SAFETY: this is the list, and the lock is held.
        let (value, party) = unsafe { take_first::<T>(&mut self.served) }?;
        self.served_len -= 1;
        drop(self);
        drop(party);
        Some(value)
    }

    /// All of these, of a channel that nobody receives from any more: there is no future
    /// left that would look for its value. What is not taken of them leaks.
    pub(crate) fn take_all_served(&mut self) -> impl Iterator<Item = T> + use<T> {
        let mut served = mem::take(&mut self.served);
        self.served_len = 0;
        // SAFETY: this is what was the list, and nobody else has it.
        iter::from_fn(move || unsafe { take_first::<T>(&mut served) }.map(|(value, _)| value))
    }

    /// The first value that was put back, of at least one. Unlocks.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_returned(mut self) -> T {
        let (first, room) = self.returned.take_first();
        self.has_returned = self.returned.len() > 0;
        drop(self);
        drop(room);
        first
    }

    /// Puts a value back that a future does not want: the next one to be received. It must
    /// be under the lock under which it was taken, or a receiver might find the channel
    /// disconnected meanwhile. Unlocks.
    fn put_back(mut self, value: T, room: Box<Value<T>>) {
        // SAFETY: the lock that guards the list is held.
        match unsafe { self.receivers.claim_first() } {
            Some(receiver) if receiver.is_future() => self.serve(receiver, value),
            Some(receiver) => {
                drop(self);
                receiver.complete(value);
            }
            None => {
                self.returned.append(room, value);
                self.has_returned = true;
                self.something_came();
                if self.watched {
                    self.tell_watchers(|watchers| &mut watchers.of_values);
                }
            }
        }
    }
}

/// Takes a value out of the list of those served, and the list's reference to its party.
///
/// # Safety
///
/// It is the list of a channel of this type, and the caller holds its lock.
unsafe fn take_first<T>(served: &mut WaitList) -> Option<(T, Arc<Party<T>>)> {
    let node = served.first()?;
    // SAFETY: the node is in this list, which has a reference to the party. What is in the
    // slot is that of whoever takes it out.
    unsafe {
        served.remove(node);
        let party = Party::<T>::let_go(node);
        Some((party.take(), party))
    }
}

impl<T> Chan<T> {
    /// The future of this party goes: a value that it was handed is put back.
    pub(super) fn put_back_served(&self, party: &Arc<Party<T>>) {
        if !self.lock().is_served(party) {
            return;
        }
        let room = Returned::room();
        let mut locked = self.lock();
        if let Some(value) = locked.take_from(party) {
            locked.put_back(value, room);
        }
    }

    /// Sends a value to a future that a sender without one has met before.
    #[cold]
    #[inline(never)]
    pub(crate) fn keep_promise_to_future(
        &self,
        mut receiver: Claimed,
        value: T,
    ) -> Result<(), SendError<T>> {
        let mut room = None;
        loop {
            let locked = self.lock();
            if locked.closed {
                // Others may have found the channel disconnected already.
                drop(locked);
                receiver.tell(Message::Abandoned);
                receiver.wake();
                return Err(SendError(value));
            }
            // SAFETY: claimed and not yet woken, so the node of a future is there.
            if !unsafe { Party::<T>::is_abandoned(receiver.node()) } {
                locked.serve(receiver, value);
                return Ok(());
            }
            if let Some(room) = room {
                locked.put_back(value, room);
                receiver.wake();
                return Ok(());
            }
            // Made without the lock; it stays abandoned, but may be closed meanwhile.
            drop(locked);
            room = Some(Returned::room());
        }
    }
}
