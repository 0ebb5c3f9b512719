//! The core of a channel: one lock, one buffer, two lists of waiting parties.
//!
//! * [`head`]: the lock and hints, which do not depend on the values' type.
//! * [`attempt`]: one attempt, which does what can be done at once.
//! * [`Chan::send`], [`Chan::receive`]: attempts that wait when they have to;
//!   the waiting is in [`blocking`](crate::blocking). They are in [`buffered`], or
//!   in [`slot`] where there is room for one value, in [`rendezvous`] where there
//!   is none. [`many`] receives what there is.
//! * [`end`]: the end of a channel.
//!
//! Invariants, whenever the lock is free. "Waiting" means linked and not yet
//! claimed by anybody, a timer or a canceller included:
//!
//! * a receiver waits only while the buffer is empty and no sender waits;
//! * a sender waits only while the buffer is full;
//! * nobody waits on a closed channel.
//!
//! Why no value and no wake-up is lost is argued in `PROTOCOL.md` beside this
//! file.

mod attempt;
mod buffered;
mod clock;
mod end;
mod head;
mod many;
mod rendezvous;
mod slot;

pub(crate) use attempt::{Past, ReceiveStop, SendStop};
pub(crate) use head::{Head, Traits};

use crate::buffer::{Blocks, Buffer, Ring};
use crate::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::futures::Returned;
use crate::panicked::SharedPanic;
use crate::waiter::WaitList;
use crate::watch::Watchers;
use gorge_runtime::preempt;
use gorge_runtime::primitive::atomic::Ordering;
use std::cell::UnsafeCell;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

/// A channel. It starts a cache line, with what every operation reads first and none writes.
/// What they write lies in the two lines behind that, but for the value's own.
#[repr(C, align(64))]
pub(crate) struct Chan<T> {
    head: Head,
    state: UnsafeCell<State<T>>,
    capacity: Option<usize>,
    kind: Kind,
    #[cfg(gorge_loom)]
    number: usize,
}

/// What values come of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Senders, or whoever owns the channel closes it.
    Senders,
    /// The clock.
    Timer,
}

/// What the lock guards. What sends and receives touch comes first.
#[repr(C)]
pub(crate) struct State<T> {
    pub(crate) closed: bool,
    /// Somebody is in `watchers`.
    pub(crate) watched: bool,
    /// There is something in `returned`.
    pub(crate) has_returned: bool,
    pub(crate) receivers: WaitList,
    pub(crate) senders: WaitList,
    pub(crate) buffer: Buffer<T>,
    pub(crate) watchers: Watchers,
    /// Values that futures were handed and did not want. They come before the buffer's.
    pub(crate) returned: Returned<T>,
    /// Futures that were handed a value and were not polled since.
    pub(crate) served: WaitList,
    /// How many those are.
    pub(crate) served_len: usize,
    /// With what the sending side ended, if it panicked.
    pub(crate) panic: Option<SharedPanic>,
    /// That is kept for who asks for it, and receivers do not go on with it.
    pub(crate) keeps_panic: bool,
}

/// The lock of a channel, held, and the access to what it guards. Dropping it
/// releases the lock.
pub(crate) struct Locked<'a, T> {
    chan: &'a Chan<T>,
}

impl<T> Chan<T> {
    /// A channel of this capacity; without bound if it is `None`.
    pub(crate) fn new(capacity: Option<usize>) -> Chan<T> {
        let buffer = match capacity {
            Some(capacity) => Buffer::Ring(Ring::new(capacity)),
            None => Buffer::Blocks(Blocks::new()),
        };
        Chan::with_buffer(buffer, capacity, Kind::Senders)
    }

    fn with_buffer(buffer: Buffer<T>, capacity: Option<usize>, kind: Kind) -> Chan<T> {
        Chan {
            head: Head::new(kind, capacity, buffer.places()),
            state: UnsafeCell::new(State {
                closed: false,
                watched: false,
                has_returned: false,
                receivers: WaitList::new(),
                senders: WaitList::new(),
                buffer,
                watchers: Watchers::default(),
                returned: Returned::default(),
                served: WaitList::new(),
                served_len: 0,
                panic: None,
                keeps_panic: false,
            }),
            capacity,
            kind,
            #[cfg(gorge_loom)]
            number: loom_number(),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        self.head.lock.lock();
        Locked { chan: self }
    }

    /// The guard of a lock that is held.
    ///
    /// # Safety
    ///
    /// The caller has the lock from [`Locked::keep`], and gives it up to the guard.
    #[inline]
    pub(crate) unsafe fn locked(&self) -> Locked<'_, T> {
        Locked { chan: self }
    }

    /// # Safety
    ///
    /// The caller has the lock from [`Locked::keep`].
    #[inline]
    pub(crate) unsafe fn unlock(&self) {
        // SAFETY: the caller's contract; the channel outlives the operation
        // that holds the lock, which borrows it.
        unsafe { self.head.lock.unlock() };
    }

    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        preempt::point_at_without_cancel("try to send");
        match self.lock().send(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Full(locked, value)) => {
                drop(locked);
                Err(TrySendError::Full(value))
            }
            Err(SendStop::Closed(value)) => Err(TrySendError::Disconnected(value)),
            Err(SendStop::NeedsBlock(value, slots)) => Ok(self.send_with_block(value, slots)?),
        }
    }

    /// Sends, waiting until the deadline, or for ever if there is none.
    #[inline(always)]
    pub(crate) fn send(
        &self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        preempt::point_at("send");
        let traits = self.head.traits();
        if !traits.has(Traits::RENDEZVOUS.and(Traits::SLOT)) {
            return self.send_buffered::<false>(value, deadline);
        }
        match traits.has(Traits::RENDEZVOUS) {
            true => self.hand_over(value, deadline),
            false => self.send_to_slot(value, deadline),
        }
    }

    #[inline]
    pub(crate) fn try_receive(&self) -> Result<T, TryRecvError> {
        preempt::point_at_without_cancel("try to receive");
        self.receive_now::<true>()
    }

    /// Receives, waiting until the deadline, or for ever if there is none.
    #[inline(always)]
    pub(crate) fn receive(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        preempt::point_at("receive");
        let traits = self.head.traits();
        if !traits.has(Traits::RENDEZVOUS.and(Traits::SLOT)) {
            return self.receive_buffered::<false>(deadline);
        }
        match traits.has(Traits::RENDEZVOUS) {
            true => self.take_over(deadline),
            false => self.receive_from_slot(deadline),
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    #[inline]
    pub(crate) fn is_unbounded(&self) -> bool {
        self.head.traits().has(Traits::UNBOUNDED)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().has_ended()
    }

    /// How many values anybody could receive. What a future was handed counts when the
    /// channel is closed, as others may take it from there on.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let locked = self.lock();
        let mut len = locked.buffer.len();
        if locked.has_returned {
            len += locked.returned.len();
        }
        if locked.closed {
            len += locked.served_len;
        }
        len
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| {
            let locked = self.lock();
            locked.buffer.len() + locked.buffer.reserved() == capacity
        })
    }

    #[inline]
    pub(crate) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the channel stands when several are locked.
    pub(crate) fn order(&self) -> usize {
        #[cfg(not(gorge_loom))]
        return self.address();
        // In a model it must be the same each time that the model runs.
        #[cfg(gorge_loom)]
        return self.number;
    }

    /// What a dump names the channel by.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<'a, T> Locked<'a, T> {
    /// The channel whose lock this is.
    #[inline]
    pub(crate) fn chan(&self) -> &'a Chan<T> {
        self.chan
    }

    /// Who waits here to send, or to receive.
    pub(crate) fn list(&mut self, sends: bool) -> &mut WaitList {
        match sends {
            true => &mut self.senders,
            false => &mut self.receivers,
        }
    }

    /// Whether there is room for one value: one that is sent takes it all, one that is
    /// received was all there was.
    #[inline]
    pub(crate) fn is_slot(&self) -> bool {
        self.chan.head.traits().has(Traits::SLOT)
    }

    /// Keeps the lock held, for somebody else to release.
    #[inline]
    pub(crate) fn keep(self) {
        mem::forget(self);
    }

    /// There is something to be received.
    #[inline]
    pub(crate) fn something_came(&self) {
        self.chan.head.may_receive.store(true, Ordering::Relaxed);
    }

    /// There is nothing to be received, but what comes of the clock.
    #[inline]
    pub(crate) fn values_went(&self) {
        let may_receive = self.chan.kind == Kind::Timer;
        let flag = &self.chan.head.may_receive;
        flag.store(may_receive, Ordering::Relaxed);
    }

    /// There is room for a value, or a receiver.
    #[inline]
    pub(crate) fn room_came(&self) {
        self.chan.head.may_send.store(true, Ordering::Relaxed);
    }

    /// There is neither room nor a receiver.
    #[inline]
    pub(crate) fn room_went(&self) {
        self.chan.head.may_send.store(false, Ordering::Relaxed);
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = State<T>;

    #[inline]
    fn deref(&self) -> &State<T> {
        // SAFETY: the lock is held and so is its only guard: shared access to
        // the state comes from a shared borrow of that.
        unsafe { &*self.chan.state.get() }
    }
}

impl<T> DerefMut for Locked<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State<T> {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.chan.state.get() }
    }
}

impl<T> Drop for Locked<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard stands for the held lock, which it gives up here.
        unsafe { self.chan.unlock() };
    }
}

/// Numbers channels in the order in which a model makes them.
#[cfg(gorge_loom)]
fn loom_number() -> usize {
    thread_local! {
        static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }
    MADE.replace(MADE.get() + 1)
}

#[cfg(all(test, not(gorge_loom)))]
#[allow(clippy::disallowed_methods, reason = "tests run on real threads")]
mod tests;
