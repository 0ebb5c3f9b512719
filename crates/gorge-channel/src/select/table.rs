//! What can be done with a case of a select, one table of functions for each type of value
//! and direction.

use crate::channel::{Chan, Locked};
use crate::error::TryRecvError;
use crate::place;
#[cfg(gorge_loom)]
use crate::place::Place;
use crate::promise::{Promise, PromiseStop};
use crate::waiter::{Claimed, ClaimedAll, Message, Node};
use gorge_runtime::park::Waiter;
use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Instant;

/// What a case has got. It is small, so that what moves it need not touch memory; the
/// rest lies in the select's room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Won {
    /// Receive: a value, which lies in the room.
    Value,
    /// Send: a receiver to take the value, who is [`Claimed`] and lies in the room.
    Partner,
    /// Send: room in the buffer.
    Room,
    /// Send: the channel takes any number of values.
    Unbounded,
    /// Either: the channel is closed.
    Closed,
}

impl Won {
    /// What a send has got, unless its channel is closed.
    ///
    /// # Safety
    ///
    /// `room` has what the case has got, and this is called once.
    #[inline]
    pub(super) unsafe fn promise(self, room: NonNull<()>) -> Option<Promise> {
        match self {
            // SAFETY: the caller's contract.
            Won::Partner => Some(Promise::Partner(unsafe { room.cast().read() })),
            Won::Room => Some(Promise::Room),
            Won::Unbounded => Some(Promise::Unbounded),
            Won::Value | Won::Closed => None,
        }
    }
}

/// Who waits for a case, or watches it.
pub(super) struct Party<'t> {
    pub(super) waiter: Waiter,
    /// Where a value goes; none of a party that watches.
    pub(super) place: Option<NonNull<()>>,
    /// When it looks by itself.
    pub(super) until: Option<Instant>,
    /// Those to be woken when the party waits: who watches for that, and futures that are to
    /// look whether they find it.
    pub(super) told: &'t mut ClaimedAll,
}

/// What can be done with a case. The first argument is the channel's address; the functions
/// of a [`Table`] ask that it is that of a channel of the table's type, which is alive, those
/// of [`NEVER`] nothing.
pub(super) struct Operations {
    /// Of what a case may get: a value, or who takes it.
    pub(super) layout: Layout,
    pub(super) start: unsafe fn(NonNull<()>, NonNull<()>) -> Option<Won>,
    /// Where its channel stands when several are locked.
    pub(super) order: unsafe fn(NonNull<()>) -> usize,
    pub(super) lock: unsafe fn(NonNull<()>),
    pub(super) unlock: unsafe fn(NonNull<()>),
    /// With the lock held.
    pub(super) is_ready: unsafe fn(NonNull<()>) -> bool,
    pub(super) link: unsafe fn(NonNull<()>, NonNull<Node>, usize, &mut Party<'_>) -> bool,
    pub(super) unlink: unsafe fn(NonNull<()>, NonNull<Node>, bool),
    pub(super) due: unsafe fn(NonNull<()>) -> Option<Instant>,
    #[cfg(gorge_loom)]
    pub(super) empty: unsafe fn(NonNull<()>),
    pub(super) break_promise: unsafe fn(NonNull<()>, Promise),
}

/// Of a case that is never ready.
pub(super) const NEVER: Operations = Operations {
    layout: Layout::new::<()>(),
    start: |_, _| None,
    // Behind all channels; a lock that is taken once is as good as one for each such case.
    order: |_| usize::MAX,
    lock: |_| (),
    unlock: |_| (),
    is_ready: |_| false,
    link: |_, _, _, _| true,
    unlink: |_, _, _| (),
    due: |_| None,
    #[cfg(gorge_loom)]
    empty: |_| (),
    break_promise: |_, _| unreachable!("it has got nothing"),
};

pub(super) struct Table<T>(PhantomData<T>);

impl<T> Table<T> {
    pub(super) const RECEIVE: Operations = Operations {
        layout: Layout::new::<place::Slot<T>>(),
        start: start_receive::<T>,
        order: order::<T>,
        lock: lock::<T>,
        unlock: unlock::<T>,
        is_ready: has_values::<T>,
        link: link::<T, false>,
        unlink: unlink::<T, false>,
        due: due::<T>,
        #[cfg(gorge_loom)]
        empty: empty::<T>,
        break_promise: break_promise::<T>,
    };
    pub(super) const SEND: Operations = Operations {
        layout: Layout::new::<Claimed>(),
        start: start_send::<T>,
        order: order::<T>,
        lock: lock::<T>,
        unlock: unlock::<T>,
        is_ready: has_room::<T>,
        link: link::<T, true>,
        unlink: unlink::<T, true>,
        due: |_| None,
        #[cfg(gorge_loom)]
        empty: |_| (),
        break_promise: break_promise::<T>,
    };
}

/// # Safety
///
/// For all of these: the address is that of a channel of this type, which is alive.
unsafe fn chan<'a, T>(address: NonNull<()>) -> &'a Chan<T> {
    // SAFETY: the caller's contract.
    unsafe { address.cast().as_ref() }
}

unsafe fn order<T>(address: NonNull<()>) -> usize {
    // SAFETY: the caller's contract.
    unsafe { chan::<T>(address) }.order()
}

unsafe fn lock<T>(address: NonNull<()>) {
    // SAFETY: the caller's contract.
    unsafe { chan::<T>(address) }.lock().keep();
}

unsafe fn unlock<T>(address: NonNull<()>) {
    // SAFETY: the caller's contract; it has the lock from `lock`, which keeps it.
    unsafe { chan::<T>(address).unlock() };
}

unsafe fn start_receive<T>(address: NonNull<()>, room: NonNull<()>) -> Option<Won> {
    // SAFETY: the caller's contract.
    match unsafe { chan::<T>(address) }.receive_now::<false>() {
        Ok(value) => {
            // SAFETY: it is large enough and empty, and the caller's.
            unsafe { place::give(room, value) };
            Some(Won::Value)
        }
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(Won::Closed),
    }
}

unsafe fn start_send<T>(address: NonNull<()>, room: NonNull<()>) -> Option<Won> {
    // SAFETY: the caller's contract.
    let chan = unsafe { chan::<T>(address) };
    if chan.is_unbounded() {
        // If it is closed, that is found when the promise is kept.
        return Some(Won::Unbounded);
    }
    match chan.lock().promise() {
        Ok(Promise::Room) => Some(Won::Room),
        Ok(Promise::Unbounded) => Some(Won::Unbounded),
        Ok(Promise::Partner(receiver)) => {
            // SAFETY: it is large enough, and the caller's.
            unsafe { room.cast().write(receiver) };
            Some(Won::Partner)
        }
        Err(PromiseStop::Full(_)) => None,
        Err(PromiseStop::Closed) => Some(Won::Closed),
    }
}

unsafe fn has_values<T>(address: NonNull<()>) -> bool {
    // SAFETY: the caller's contract; it has the lock from `lock`, which keeps it.
    let locked = unsafe { chan::<T>(address).locked() };
    let is_ready = locked.has_values(None);
    locked.keep();
    is_ready
}

unsafe fn has_room<T>(address: NonNull<()>) -> bool {
    // SAFETY: the caller's contract; it has the lock from `lock`, which keeps it.
    let locked = unsafe { chan::<T>(address).locked() };
    let is_ready = locked.has_room(None);
    locked.keep();
    is_ready
}

unsafe fn link<T, const SENDS: bool>(
    address: NonNull<()>,
    node: NonNull<Node>,
    number: usize,
    party: &mut Party<'_>,
) -> bool {
    let Party {
        waiter,
        place,
        until,
        told,
    } = party;
    let (waiter, watches) = (*waiter, place.is_none());
    let written = Node::new(place.filter(|_| !SENDS), number as u16);
    // SAFETY: the caller's contract.
    unsafe { node.write(written) };
    // SAFETY: the caller's contract.
    let mut locked: Locked<'_, T> = unsafe { chan::<T>(address) }.lock();
    let is_ready = match SENDS {
        true => locked.has_room(Some(waiter)),
        // Or its time was set earlier since the party looked at the clock.
        false => locked.has_values(Some(waiter)) || locked.is_due_before(*until),
    };
    if is_ready {
        debug_assert!(
            match SENDS {
                true => locked.chan().head().may_send(),
                false => locked.chan().head().may_receive(),
            },
            "a select that is told to look tries it"
        );
        drop(locked);
        // SAFETY: nobody else knows it.
        unsafe { (*node.as_ptr()).set_message(Message::Look) };
        return false;
    }
    // SAFETY: the lock is held; the rest is the caller's contract.
    unsafe {
        if watches {
            locked.watch(!SENDS, node, waiter);
            return true;
        }
        match SENDS {
            true => locked.senders.push_back(node, waiter),
            false => {
                if !locked.senders.is_empty() {
                    locked.senders.tell_futures_to_look(told);
                }
                locked.receivers.push_back(node, waiter);
            }
        }
    }
    locked.someone_waits(SENDS, told);
    true
}

unsafe fn unlink<T, const SENDS: bool>(address: NonNull<()>, node: NonNull<Node>, watches: bool) {
    // SAFETY: the caller's contract.
    let mut locked: Locked<'_, T> = unsafe { chan::<T>(address) }.lock();
    // SAFETY: the lock is held, and the node went to this list only.
    unsafe {
        match (watches, SENDS) {
            (true, _) => locked.unwatch(!SENDS, node),
            (false, true) => locked.senders.remove(node),
            (false, false) => locked.receivers.remove(node),
        }
    }
}

unsafe fn due<T>(address: NonNull<()>) -> Option<Instant> {
    // SAFETY: the caller's contract.
    unsafe { chan::<T>(address) }.lock().buffer.due()
}

#[cfg(gorge_loom)]
unsafe fn empty<T>(room: NonNull<()>) {
    // SAFETY: the caller's contract: it is room for this.
    unsafe {
        room.cast::<place::Slot<T>>()
            .write(Place::<T>::empty_slot())
    };
}

unsafe fn break_promise<T>(address: NonNull<()>, promise: Promise) {
    // SAFETY: the caller's contract.
    unsafe { chan::<T>(address) }.break_promise(promise);
}
