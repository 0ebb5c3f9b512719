//! Deadlines for which nothing runs: that one has passed is found by those who ask.
//!
//! On a real clock nothing happens at the very instant of a deadline. A virtual one stands
//! still there, while others go on, so a deadline may pass before or after what they do at that
//! instant. The seed decides that when it first matters, and from then on it has passed:
//! whoever was told so is not told anything else.

use gorge_runtime::time;
use std::time::Instant;

#[cfg(not(gorge_loom))]
pub(crate) use gorge_runtime::sim::stands_at;

/// Whether a deadline has passed.
#[inline]
pub(crate) fn has_passed(deadline: Instant) -> bool {
    let now = time::now();
    #[cfg(not(gorge_loom))]
    if deadline == now {
        gorge_runtime::sim::deadline_passes();
    }
    deadline <= now
}

/// As [`has_passed`], for whoever does what may come before it.
pub(crate) fn has_passed_before(deadline: Instant) -> bool {
    let now = time::now();
    #[cfg(not(gorge_loom))]
    if deadline == now {
        return !gorge_runtime::sim::precedes_deadline();
    }
    deadline <= now
}

/// Loom's models have no clock.
#[cfg(gorge_loom)]
pub(crate) fn stands_at(_: Instant) -> bool {
    false
}
