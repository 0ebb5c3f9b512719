//! When a party that unlocks while others wait has had its turn.
//!
//! A turn [begins](begins) when a party gets a mutex for which it has waited. The time is
//! kept with the thread, not with the mutex, which has no room for it: so a turn is that
//! of whatever the thread runs, in all the mutexes that are contended there. parking_lot
//! keeps it by the address of the mutex.

use gorge_runtime::primitive::random_below;
#[cfg(not(gorge_loom))]
use gorge_runtime::{sim, time};
#[cfg(not(gorge_loom))]
use std::cell::Cell;
use std::time::Duration;
#[cfg(not(gorge_loom))]
use std::time::Instant;

/// How long a turn is at most. Half of it on average: how long is left to chance, so
/// that no rhythm favours one of several parties for long.
#[cfg(not(gorge_loom))]
pub(super) const LONGEST: Duration = Duration::from_millis(1);
/// No time passes under loom: there, a waiter starves when it first loses.
#[cfg(gorge_loom)]
pub(super) const LONGEST: Duration = Duration::ZERO;

/// Some time up to the longest.
pub(super) fn some_time() -> Duration {
    const STEPS: usize = 1024;
    let steps = 1 + random_below(STEPS);
    LONGEST * steps as u32 / STEPS as u32
}

#[cfg(not(gorge_loom))]
thread_local! {
    static UNLOCKS: Cell<u32> = const { Cell::new(0) };
    static END: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A party that waited has got a mutex.
#[cfg(not(gorge_loom))]
pub(super) fn begins() {
    END.set(time::now().checked_add(some_time()));
}

/// Whether the turn of this thread is over, and the next one's begins. To be asked at
/// each unlock while somebody waits.
#[cfg(not(gorge_loom))]
pub(super) fn is_over() -> bool {
    /// So often is the clock looked at.
    const EVERY: u32 = 64;

    if sim::is_simulated() {
        // What a thread has done before is not the seed's to decide.
        return random_below(EVERY as usize) == 0;
    }
    let unlocks = UNLOCKS.get().wrapping_add(1);
    UNLOCKS.set(unlocks);
    if !unlocks.is_multiple_of(EVERY) {
        return false;
    }
    let now = time::now();
    let is_over = END.get().is_none_or(|end| end <= now);
    if is_over {
        END.set(now.checked_add(some_time()));
    }
    is_over
}

/// No time passes in the models.
#[cfg(gorge_loom)]
pub(super) fn begins() {}

/// The models hand over where they want to.
#[cfg(gorge_loom)]
pub(super) fn is_over() -> bool {
    false
}
