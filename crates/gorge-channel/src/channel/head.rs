//! What a channel is known by without its type: its lock, and hints that may be read
//! without it.

use super::Kind;
use gorge_runtime::park;
use gorge_runtime::primitive::BiasedLock;
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};

/// What is the same whatever the type of the values: it comes first in every channel.
///
/// The flags are changed under the lock, and read without it by who only wants to know
/// whether it is worth while to take the lock.
///
/// They are read `Relaxed` and order nothing: of two parties that each send and then look,
/// both may find the other one's flag unset. So who finds it unset looks under the lock
/// before it says that nothing is there, or waits.
#[repr(C)]
pub(crate) struct Head {
    pub(super) lock: BiasedLock,
    /// A receive may find something. Else one found that there was nothing, and nothing has
    /// come since.
    pub(super) may_receive: AtomicBool,
    /// A promise may be made. Else one found that there was none to make, and no room and
    /// no receiver has come since.
    pub(super) may_send: AtomicBool,
    /// There is room for several values.
    has_buffer: bool,
    /// Values come of the clock.
    is_timer: bool,
}

impl Head {
    pub(super) fn new(kind: Kind, capacity: Option<usize>) -> Head {
        Head {
            lock: BiasedLock::new(),
            may_receive: AtomicBool::new(kind == Kind::Timer),
            may_send: AtomicBool::new(true),
            is_timer: kind == Kind::Timer,
            has_buffer: kind == Kind::Senders && capacity.is_none_or(|capacity| capacity > 1),
        }
    }

    /// Whether it is worth while to try to receive.
    #[inline]
    pub(crate) fn may_receive(&self) -> bool {
        self.may_receive.load(Ordering::Relaxed)
    }

    /// Whether there is room for several values.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.has_buffer
    }

    /// Whether values come of the clock.
    #[inline]
    pub(crate) fn is_timer(&self) -> bool {
        self.is_timer
    }

    /// Whether it is worth while to ask for a promise.
    #[inline]
    pub(crate) fn may_send(&self) -> bool {
        self.may_send.load(Ordering::Relaxed)
    }

    /// Whether to linger makes sense: the channel has a buffer, and it keeps nobody from
    /// running.
    #[inline]
    pub(super) fn may_linger(&self) -> bool {
        self.has_buffer() && park::may_linger()
    }

    /// Looks until `has_come` for some microseconds, before beginning to wait. Whoever
    /// waits already comes first.
    #[cold]
    #[inline(never)]
    pub(super) fn linger(&self, has_come: fn(&Head) -> bool) {
        park::linger(|| has_come(self));
    }
}
