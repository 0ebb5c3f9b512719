//! Looking whether a value or room comes, before beginning to wait for it.
//!
//! A party that waits is handed its value, or gives it, one by one: its counterpart has
//! to win it and to wake it for each. Where both run, on threads of their own, the faster
//! one would always wait. So it stays away for a moment, in which the other one fills or
//! empties the buffer undisturbed: each look is a pause longer than the one before.
//!
//! Who looks is in no list: whoever waits already comes first, and who looks waits
//! behind him after some microseconds.

use super::{Chan, Kind};
use gorge_runtime::primitive::{may_linger, spin_hint};

/// The pauses are one, two, four and so on of the processor's, up to this.
const LONGEST_PAUSE: u32 = 128;

/// How often a party looks: for some ten microseconds, what it costs to fall asleep and
/// to be woken.
const LOOKS: u32 = 14;

impl<T> Chan<T> {
    /// Looks until `has_come` for some microseconds, if that keeps nobody from running
    /// and the channel has a buffer.
    #[cold]
    #[inline(never)]
    pub(super) fn linger(&self, has_come: impl Fn() -> bool) -> bool {
        let has_buffer = self.capacity.is_none_or(|capacity| capacity > 1);
        if !has_buffer || self.kind != Kind::Senders || !may_linger() {
            return false;
        }
        (0..LOOKS).any(|look| {
            for _ in 0..(1 << look).min(LONGEST_PAUSE) {
                spin_hint();
            }
            has_come()
        })
    }
}
