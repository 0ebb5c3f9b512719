//! Looking whether a value or room comes, before beginning to wait for it.
//!
//! A party that waits is handed its value, or gives it, one by one: its counterpart has
//! to win it and to wake it for each. Where both run, on threads of their own, the faster
//! one would always wait. So it stays away for a moment, in which the other one fills or
//! empties the buffer undisturbed: each look is a pause longer than the one before.
//!
//! Who looks is in no list: whoever waits already comes first, and who looks waits
//! behind him after some microseconds.

use super::Head;
use gorge_runtime::primitive::{may_linger, spin_hint};

/// The pauses are one, two, four and so on of the processor's, up to this.
const LONGEST_PAUSE: u32 = 128;

/// How often a party looks: for some ten microseconds, what it costs to fall asleep and
/// to be woken.
const LOOKS: u32 = 50;

impl Head {
    /// Whether to linger makes sense: the channel has a buffer, and it keeps nobody from
    /// running.
    #[inline]
    pub(super) fn may_linger(&self) -> bool {
        self.has_buffer() && may_linger()
    }

    /// Looks until `has_come` for some microseconds.
    #[cold]
    #[inline(never)]
    pub(super) fn linger(&self, has_come: fn(&Head) -> bool) {
        look(|| has_come(self));
    }
}

/// As [`Head::linger`], for several channels, if it keeps nobody from running. True if it
/// has come.
#[cold]
#[inline(never)]
pub(crate) fn linger(has_come: impl Fn() -> bool) -> bool {
    may_linger() && look(has_come)
}

fn look(has_come: impl Fn() -> bool) -> bool {
    let mut pause = 1;
    (0..LOOKS).any(|_| {
        (0..pause).for_each(|_| spin_hint());
        pause = (2 * pause).min(LONGEST_PAUSE);
        has_come()
    })
}
