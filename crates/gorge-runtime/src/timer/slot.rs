//! What a G knows of its timer: the deadline of its wait, and which entry in
//! the heaps stands for it.
//!
//! | operation | by | when it happens |
//! | --- | --- | --- |
//! | `arm` | the machine that the goroutine is leaving | its wait has begun |
//! | `disarm` | the goroutine | its wait is over |
//! | `withdraw` | whoever expires the heap with the entry | the entry came up |
//! | `announce` | the same | the entry came up too early |
//!
//! `key` is [`NEVER`], or the time at which an entry of this G comes up (or is
//! about to be pushed by whoever wrote the key). It changes by read-modify-write
//! only, so all its values come one after the other; `README.md` beside this
//! file argues from that why no deadline is missed.

use super::NEVER;
use crate::primitive::atomic::{AtomicU64, Ordering};

/// See the module's description.
pub(crate) struct Slot {
    /// When the wait that goes on gives up; [`NEVER`] if it does not, and
    /// while there is none.
    when: AtomicU64,
    key: AtomicU64,
}

impl Slot {
    pub(crate) fn new() -> Slot {
        Slot {
            when: AtomicU64::new(NEVER),
            key: AtomicU64::new(NEVER),
        }
    }

    /// Owner: the wait that has begun ends at `when`. True when the caller must
    /// push an entry with that key.
    #[inline]
    #[must_use]
    pub(super) fn arm(&self, when: u64) -> bool {
        self.when.store(when, Ordering::Relaxed);
        self.announce(when)
    }

    /// Owner: the wait is over. Its entry stays where it is.
    #[inline]
    pub(crate) fn disarm(&self) {
        // Relaxed: the next wait's beginning releases it.
        self.when.store(NEVER, Ordering::Relaxed);
    }

    /// Makes sure that an entry comes up by `when`: true when the caller must
    /// push it.
    #[inline]
    #[must_use]
    pub(super) fn announce(&self, when: u64) -> bool {
        // Release: pairs with the Acquire in `withdraw`. Whoever withdraws the
        // entry that we rely on, now or later, sees our wait and its deadline.
        self.key.fetch_min(when, Ordering::Release) > when
    }

    /// An entry came up: true when it is the one that stands for the G, which
    /// from now on has none.
    #[must_use]
    pub(super) fn withdraw(&self, key: u64) -> bool {
        // Acquire: pairs with the Release in `announce`, also with earlier ones,
        // since only read-modify-writes follow them.
        self.key
            .compare_exchange(key, NEVER, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether an entry with this key may be the one that stands for the G.
    pub(super) fn may_be(&self, key: u64) -> bool {
        self.key.load(Ordering::Relaxed) == key
    }

    /// When a wait gives up that is no earlier than the one in the state word
    /// that was loaded before.
    pub(crate) fn when(&self) -> u64 {
        self.when.load(Ordering::Relaxed)
    }
}
