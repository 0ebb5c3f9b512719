//! One case of a select, without the type of its channel's values.
//!
//! A case names a channel and a direction; what can be done with it is in a
//! [table](super::table).

use super::table::{NEVER, Operations, Party, Table, Won};
use crate::channel::{Chan, Head, Traits};
use crate::promise::Promise;
use crate::waiter::Node;
use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Instant;

#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    /// Of the operations' type, and kept by the handle. Dangling, if the case is never ready:
    /// the operations of that ask for no channel. So it is what they ask for.
    chan: NonNull<()>,
    operations: &'static Operations,
    /// What the program knows it by, and in the lowest bits [`SENDS`] or [`IS_NEVER`].
    key: usize,
    /// The handle that keeps the channel alive.
    handle: PhantomData<&'a ()>,
}

/// In a case's key: it sends.
const SENDS: usize = 1;
/// In a case's key: it has no channel, and is never ready.
const IS_NEVER: usize = 2;
/// How many lower bits of a key are not what the program knows the case by.
const KEY_SHIFT: u32 = 2;

// SAFETY: through a case a value may get to a thread on which it must not be used, as its
// bytes in a slot. It is used only by who has the handle there, too, which says that it
// may; else it stays where it is, and is not dropped either.
unsafe impl Send for Case<'_> {}
// SAFETY: as above.
unsafe impl Sync for Case<'_> {}

/// The case that a select has chosen.
pub(super) struct Choice {
    /// Its place in the list.
    pub(super) number: usize,
    pub(super) won: Won,
}

impl<'a> Case<'a> {
    #[inline]
    pub(super) fn receive<T>(chan: &'a Chan<T>, index: usize) -> Case<'a> {
        Case {
            chan: NonNull::from(chan).cast(),
            operations: &Table::<T>::RECEIVE,
            key: index << KEY_SHIFT,
            handle: PhantomData,
        }
    }

    /// A receive of what never comes.
    pub(super) fn never(index: usize) -> Case<'a> {
        Case {
            chan: NonNull::dangling(),
            operations: &NEVER,
            key: index << KEY_SHIFT | IS_NEVER,
            handle: PhantomData,
        }
    }

    #[inline]
    pub(super) fn send<T>(chan: &'a Chan<T>, index: usize) -> Case<'a> {
        Case {
            chan: NonNull::from(chan).cast(),
            operations: &Table::<T>::SEND,
            key: index << KEY_SHIFT | SENDS,
            handle: PhantomData,
        }
    }

    /// What the program knows it by.
    #[inline]
    pub(super) fn index(&self) -> usize {
        self.key >> KEY_SHIFT
    }

    #[inline]
    pub(super) fn sends(&self) -> bool {
        self.key & SENDS != 0
    }

    pub(super) fn is_of<T>(&self, chan: &Chan<T>) -> bool {
        self.chan == NonNull::from(chan).cast()
    }

    /// Whether it may get a value.
    #[cfg(gorge_loom)]
    pub(super) fn may_receive(&self) -> bool {
        self.key & (SENDS | IS_NEVER) == 0
    }

    #[inline]
    pub(super) fn layout(&self) -> Layout {
        self.operations.layout
    }

    /// Where the channel stands when several are locked: no two channels have the same.
    pub(super) fn order(&self) -> usize {
        // SAFETY: the channel is as the operations ask.
        unsafe { (self.operations.order)(self.chan) }
    }

    /// Takes the channel's lock, until [`unlock`](Case::unlock).
    pub(super) fn lock(&self) {
        // SAFETY: the channel is as the operations ask.
        unsafe { (self.operations.lock)(self.chan) };
    }

    /// Releases the channel's lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, from [`lock`](Case::lock).
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: the channel is as the operations ask; the rest is the caller's contract.
        unsafe { (self.operations.unlock)(self.chan) };
    }

    /// Whether it is worth while to [start](Case::start): false if it could not be done a
    /// moment ago.
    #[inline]
    pub(super) fn may_start(&self) -> bool {
        match self.key & (SENDS | IS_NEVER) {
            // SAFETY: such a case has a channel.
            0 => unsafe { self.head_of_channel() }.may_receive(),
            // SAFETY: as above.
            SENDS => unsafe { self.head_of_channel() }.may_send(),
            _ => false,
        }
    }

    /// What its channel is like.
    #[inline]
    pub(super) fn traits(&self) -> Traits {
        match self.key & IS_NEVER {
            // SAFETY: such a case has a channel.
            0 => unsafe { self.head_of_channel() }.traits(),
            _ => Traits::NONE,
        }
    }

    /// # Safety
    ///
    /// The case has a channel.
    #[inline]
    unsafe fn head_of_channel(&self) -> &Head {
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
        // SAFETY: the channel is as the operations ask, and the room is the caller's contract.
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
        // SAFETY: the channel is as the operations ask; the rest is the caller's contract.
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
        // SAFETY: the channel is as the operations ask; the rest is the caller's contract.
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
            // SAFETY: the channel is as the operations ask.
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
        // SAFETY: the channel is as the operations ask.
        unsafe { (self.operations.break_promise)(self.chan, promise) };
    }
}
