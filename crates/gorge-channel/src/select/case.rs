//! One case of a select, without the type of its channel's values.
//!
//! A case names a channel and a direction; [`Operations`] are what can be done with it,
//! one table for each type of value and direction.

use crate::channel::{Chan, Head, Locked, Traits};
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

#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    chan: NonNull<()>,
    operations: &'static Operations,
    /// What the program knows it by, and in the lowest bit whether it sends.
    key: usize,
    /// The handle that keeps the channel alive.
    handle: PhantomData<&'a ()>,
}

// SAFETY: through a case a value may get to a thread on which it must not be used, as its
// bytes in a slot. It is used only by who has the handle there, too, which says that it
// may; else it stays where it is, and is not dropped either.
unsafe impl Send for Case<'_> {}
// SAFETY: as above.
unsafe impl Sync for Case<'_> {}

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

/// The case that a select has chosen.
pub(super) struct Choice {
    /// Its place in the list.
    pub(super) number: usize,
    pub(super) won: Won,
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

/// What can be done with a case. The first argument is the channel's address; the
/// functions ask that it is that of a channel of the table's type, which is alive.
struct Operations {
    /// Of what a case may get: a value, or who takes it.
    layout: Layout,
    start: unsafe fn(NonNull<()>, NonNull<()>) -> Option<Won>,
    /// Where its channel stands when several are locked.
    order: unsafe fn(NonNull<()>) -> usize,
    lock: unsafe fn(NonNull<()>),
    unlock: unsafe fn(NonNull<()>),
    /// With the lock held.
    is_ready: unsafe fn(NonNull<()>) -> bool,
    link: unsafe fn(NonNull<()>, NonNull<Node>, usize, &mut Party<'_>) -> bool,
    unlink: unsafe fn(NonNull<()>, NonNull<Node>, bool),
    due: unsafe fn(NonNull<()>) -> Option<Instant>,
    #[cfg(gorge_loom)]
    empty: unsafe fn(NonNull<()>),
    break_promise: unsafe fn(NonNull<()>, Promise),
}

struct Table<T>(PhantomData<T>);

impl<T> Table<T> {
    const RECEIVE: Operations = Operations {
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
    const SEND: Operations = Operations {
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

impl<'a> Case<'a> {
    #[inline]
    pub(super) fn receive<T>(chan: &'a Chan<T>, index: usize) -> Case<'a> {
        Case {
            chan: NonNull::from(chan).cast(),
            operations: &Table::<T>::RECEIVE,
            key: index << 1,
            handle: PhantomData,
        }
    }

    #[inline]
    pub(super) fn send<T>(chan: &'a Chan<T>, index: usize) -> Case<'a> {
        Case {
            chan: NonNull::from(chan).cast(),
            operations: &Table::<T>::SEND,
            key: index << 1 | 1,
            handle: PhantomData,
        }
    }

    /// What the program knows it by.
    #[inline]
    pub(super) fn index(&self) -> usize {
        self.key >> 1
    }

    #[inline]
    pub(super) fn sends(&self) -> bool {
        self.key & 1 != 0
    }

    pub(super) fn is_of<T>(&self, chan: &Chan<T>) -> bool {
        self.chan == NonNull::from(chan).cast()
    }

    #[inline]
    pub(super) fn layout(&self) -> Layout {
        self.operations.layout
    }

    /// Where the channel stands when several are locked: no two have the same.
    pub(super) fn order(&self) -> usize {
        // SAFETY: the handle keeps the channel.
        unsafe { (self.operations.order)(self.chan) }
    }

    /// Takes the channel's lock, until [`unlock`](Case::unlock).
    pub(super) fn lock(&self) {
        // SAFETY: the handle keeps the channel.
        unsafe { (self.operations.lock)(self.chan) };
    }

    /// Releases the channel's lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, from [`lock`](Case::lock).
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: the handle keeps the channel; the rest is the caller's contract.
        unsafe { (self.operations.unlock)(self.chan) };
    }

    /// Whether it is worth while to [start](Case::start): false if it could not be done a
    /// moment ago.
    #[inline]
    pub(super) fn may_start(&self) -> bool {
        let head = self.head();
        match self.sends() {
            true => head.may_send(),
            false => head.may_receive(),
        }
    }

    /// What its channel is like.
    #[inline]
    pub(super) fn traits(&self) -> Traits {
        self.head().traits()
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the handle keeps the channel, whose head comes first.
        unsafe { self.chan.cast::<Head>().as_ref() }
    }

    /// Does what can be done at once. A value that it gets goes to `room`.
    ///
    /// # Safety
    ///
    /// `room` is the caller's, as [`layout`](Case::layout) says, and empty.
    #[inline]
    pub(super) unsafe fn start(&self, room: NonNull<()>) -> Option<Won> {
        // SAFETY: the handle keeps the channel, and the room is the caller's contract.
        unsafe { (self.operations.start)(self.chan, room) }
    }

    /// Whether [`start`](Case::start) would get something.
    pub(super) fn is_ready(&self) -> bool {
        self.lock();
        // SAFETY: the lock is held, and released after the look.
        unsafe {
            let is_ready = self.is_ready_locked();
            self.unlock();
            is_ready
        }
    }

    /// As [`is_ready`](Case::is_ready), under the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, from [`lock`](Case::lock).
    pub(super) unsafe fn is_ready_locked(&self) -> bool {
        // SAFETY: the handle keeps the channel; the rest is the caller's contract.
        unsafe { (self.operations.is_ready)(self.chan) }
    }

    /// Lets a party wait for this case, or watch it, as the case of this number. False: it
    /// is ready now, or somebody else than the party waits whom it could go together with.
    ///
    /// # Safety
    ///
    /// The node may be written, whatever it was before. It stays until it is unlinked or its
    /// claimed party woken; so does the party's place.
    #[inline]
    pub(super) unsafe fn link(
        &self,
        node: NonNull<Node>,
        number: usize,
        party: &mut Party<'_>,
    ) -> bool {
        // SAFETY: the handle keeps the channel; the rest is the caller's contract.
        unsafe { (self.operations.link)(self.chan, node, number, party) }
    }

    /// Takes the party out, if it is still there.
    ///
    /// # Safety
    ///
    /// As for [`WaitList::remove`](crate::waiter::WaitList::remove).
    #[inline]
    pub(super) unsafe fn unlink(&self, node: NonNull<Node>, watches: bool) {
        // SAFETY: as in `link`.
        unsafe { (self.operations.unlink)(self.chan, node, watches) };
    }

    /// When it becomes ready by itself, if it does.
    #[inline]
    pub(super) fn due(&self) -> Option<Instant> {
        match self.traits().has(Traits::TIMER) && !self.sends() {
            // SAFETY: the handle keeps the channel.
            true => unsafe { (self.operations.due)(self.chan) },
            false => None,
        }
    }

    /// Makes room ready to be given a value: outside of loom, it always is.
    ///
    /// # Safety
    ///
    /// `room` is as [`layout`](Case::layout) says.
    #[cfg(gorge_loom)]
    pub(super) unsafe fn empty(&self, room: NonNull<()>) {
        // SAFETY: the caller's contract.
        unsafe { (self.operations.empty)(room) };
    }

    /// Gives back what a send has got.
    pub(super) fn break_promise(&self, promise: Promise) {
        // SAFETY: the handle keeps the channel.
        unsafe { (self.operations.break_promise)(self.chan, promise) };
    }
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
