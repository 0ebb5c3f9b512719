//! What a channel is known by without its type: its lock, and hints that may be read
//! without it.

use super::Kind;
use gorge_runtime::park;
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};
use gorge_runtime::primitive::{BiasedLock, prefetch_to_write};
use std::mem::MaybeUninit;

/// A cache line, in bytes.
const LINE: usize = 64;

/// What is the same whatever the type of the values: it comes first in every channel.
///
/// The flags are changed under the lock, and read without it by who only wants to know
/// whether it is worth while to take the lock.
///
/// They are read `Relaxed` and order nothing: of two parties that each send and then look,
/// both may find the other one's flag unset. So who finds it unset looks under the lock
/// before it says that nothing is there, or waits.
///
/// Whenever the lock is free, the flag of what could be done is set: a select that finds
/// under the lock that a case is ready tries that one, if its flag says so.
#[repr(C)]
pub(crate) struct Head {
    traits: Traits,
    /// The address of the first place for a value, if there are any that stay where they are.
    places: usize,
    /// What never changes has a cache line of its own: a select looks there at channels that
    /// others are busy with.
    _rest_of_line: [MaybeUninit<u8>; LINE - 2 * size_of::<usize>()],
    pub(super) lock: BiasedLock,
    /// A receive may find something. Else one found that there was nothing, or took the last,
    /// and nothing has come since.
    pub(super) may_receive: AtomicBool,
    /// A promise may be made. Else one found that there was none to make, or the last room was
    /// taken, and no room and no receiver has come since.
    pub(super) may_send: AtomicBool,
    /// It was closed with a panic. Looked at by who has found it closed.
    pub(crate) panicked: AtomicBool,
}

/// What never changes of a channel, or is so of one of several.
#[derive(Clone, Copy)]
pub(crate) struct Traits(u8);

impl Traits {
    pub(crate) const NONE: Traits = Traits(0);
    /// There is room for several values.
    pub(crate) const BUFFER: Traits = Traits(1);
    /// Values come of the clock.
    pub(crate) const TIMER: Traits = Traits(2);
    /// There is no room for values: they go from hand to hand.
    pub(crate) const RENDEZVOUS: Traits = Traits(4);
    /// There is room for any number of values.
    pub(crate) const UNBOUNDED: Traits = Traits(8);
    /// There is room for one value.
    pub(crate) const SLOT: Traits = Traits(16);

    fn of(kind: Kind, capacity: Option<usize>) -> Traits {
        match (kind, capacity) {
            (Kind::Timer, _) => Traits::TIMER,
            (Kind::Senders, Some(0)) => Traits::RENDEZVOUS,
            (Kind::Senders, Some(1)) => Traits::SLOT,
            (Kind::Senders, None) => Traits::BUFFER.and(Traits::UNBOUNDED),
            (Kind::Senders, Some(_)) => Traits::BUFFER,
        }
    }

    #[inline]
    pub(crate) fn has(self, Traits(one): Traits) -> bool {
        self.0 & one != 0
    }

    #[inline]
    pub(crate) fn and(self, Traits(others): Traits) -> Traits {
        Traits(self.0 | others)
    }

    /// Whether to look for a moment is better than to wait at once: it keeps nobody from
    /// running, and values can lie in a channel, so that nobody has to be there for them.
    /// Beside a channel without room, one place is not worth it: who only looks is not met there.
    #[inline]
    pub(crate) fn may_linger(self) -> bool {
        let has_slot = self.has(Traits::SLOT) && !self.has(Traits::RENDEZVOUS);
        (has_slot || self.has(Traits::BUFFER)) && park::may_linger()
    }

    /// Looks until `has_come` for some microseconds, and says whether it has: rarely where
    /// more than one value may come meanwhile, and often where they come one by one.
    pub(crate) fn linger(self, has_come: impl Fn() -> bool) -> bool {
        match self.has(Traits::BUFFER) {
            true => park::linger(has_come),
            false => park::linger_for_one(has_come),
        }
    }
}

// What the lock guards begins in its line, and goes on in the next.
#[cfg(not(gorge_loom))]
const _: () = assert!(std::mem::offset_of!(Head, lock) == LINE && size_of::<Head>() < 2 * LINE);

impl Head {
    pub(super) fn new(kind: Kind, capacity: Option<usize>, places: usize) -> Head {
        Head {
            traits: Traits::of(kind, capacity),
            places,
            _rest_of_line: [MaybeUninit::uninit(); LINE - 2 * size_of::<usize>()],
            lock: BiasedLock::new(),
            may_receive: AtomicBool::new(kind == Kind::Timer),
            may_send: AtomicBool::new(true),
            panicked: AtomicBool::new(false),
        }
    }

    /// Whether it is worth while to try to receive.
    #[inline]
    pub(crate) fn may_receive(&self) -> bool {
        self.may_receive.load(Ordering::Relaxed)
    }

    /// What the channel is like.
    #[inline]
    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    /// Whether it is worth while to ask for a promise.
    #[inline]
    pub(crate) fn may_send(&self) -> bool {
        self.traits.has(Traits::UNBOUNDED) || self.may_send.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn may_linger(&self) -> bool {
        self.traits.may_linger()
    }

    /// Looks until `has_come` for some microseconds, before beginning to wait. Whoever
    /// waits already comes first.
    #[cold]
    #[inline(never)]
    pub(super) fn linger(&self, has_come: fn(&Head) -> bool) {
        if self.traits.linger(|| has_come(self)) {
            self.prefetch();
        }
    }

    /// Asks for the lines that the next operation writes, which another processor has: to
    /// ask for each when it is to be written takes as long again for each. Of several places
    /// it is not known which is the next.
    #[inline]
    fn prefetch(&self) {
        let lock = std::ptr::from_ref(&self.lock).addr();
        prefetch_to_write(lock);
        prefetch_to_write(lock + LINE);
        if self.traits.has(Traits::SLOT) {
            prefetch_to_write(self.places);
        }
    }
}
