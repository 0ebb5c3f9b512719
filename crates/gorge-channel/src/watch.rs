//! Parties that wait until they could receive, or send, without doing so:
//! [`Select::ready`](crate::Select::ready).
//!
//! What they wait for comes with a change of the channel: a value is buffered or a sender
//! begins to wait; room is made or a receiver begins to wait; a close. Each change tells
//! all who watch for it, since none of them takes what the others were told of. Where
//! nobody watches that costs a look at one flag.

use crate::channel::Locked;
use crate::waiter::{ClaimedAll, Node, WaitList};
use gorge_runtime::park::Waiter;
use std::ptr::NonNull;

/// Parties that want to know when they could receive, or send, and do not yet do so:
/// [`Select::ready`](crate::Select::ready).
#[derive(Default)]
pub(crate) struct Watchers {
    pub(crate) of_values: WaitList,
    pub(crate) of_room: WaitList,
}

impl<T> Locked<'_, T> {
    /// Whether a receiver other than one in the wait `own` would find something.
    pub(crate) fn has_values(&self, own: Option<Waiter>) -> bool {
        let is_there = self.has_ended() || self.has_returned || self.buffer.len() > 0;
        // SAFETY: the lock that guards the list is held.
        is_there || unsafe { self.senders.has_other(own) }
    }

    /// Whether a sender other than one in the wait `own` need not wait.
    pub(crate) fn has_room(&self, own: Option<Waiter>) -> bool {
        // SAFETY: the lock that guards the list is held.
        self.closed || !self.buffer.is_full() || unsafe { self.receivers.has_other(own) }
    }

    /// Links a party that wants to be told of values, or of room.
    ///
    /// # Safety
    ///
    /// As for [`WaitList::push_back`].
    pub(crate) unsafe fn watch(&mut self, of_values: bool, node: NonNull<Node>, waiter: Waiter) {
        let Watchers {
            of_values: values,
            of_room: room,
        } = &mut self.watchers;
        // SAFETY: the caller's contract; the lock is held.
        unsafe { if of_values { values } else { room }.push_back(node, waiter) };
        self.watched = true;
    }

    /// Takes such a party out.
    ///
    /// # Safety
    ///
    /// As for [`WaitList::remove`].
    pub(crate) unsafe fn unwatch(&mut self, of_values: bool, node: NonNull<Node>) {
        let Watchers {
            of_values: values,
            of_room: room,
        } = &mut self.watchers;
        // SAFETY: the caller's contract; the lock is held.
        unsafe { if of_values { &mut *values } else { &mut *room }.remove(node) };
        self.watched = !(values.is_empty() && room.is_empty());
    }

    /// Unlocks, and wakes those that watch for this.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_watchers(self, of: fn(&mut Watchers) -> &mut WaitList) {
        let mut woken = ClaimedAll::default();
        self.claim_watchers(of, &mut woken);
        woken.wake();
    }

    /// Unlocks, with those claimed that watch for this.
    fn claim_watchers(mut self, of: fn(&mut Watchers) -> &mut WaitList, woken: &mut ClaimedAll) {
        // SAFETY: the lock that guards the list is held.
        unsafe { of(&mut self.watchers).claim_watchers(woken) };
        self.watched = !(self.watchers.of_values.is_empty() && self.watchers.of_room.is_empty());
    }

    /// A party begins to wait, which makes others ready: claims those that watch.
    #[inline]
    pub(crate) fn someone_waits(&mut self, sends: bool, woken: &mut ClaimedAll) {
        match sends {
            true => self.something_came(),
            false => self.room_came(),
        }
        if self.watched {
            let list = match sends {
                true => &mut self.watchers.of_values,
                false => &mut self.watchers.of_room,
            };
            // SAFETY: the lock that guards the list is held.
            unsafe { list.claim_watchers(woken) };
        }
    }
}
