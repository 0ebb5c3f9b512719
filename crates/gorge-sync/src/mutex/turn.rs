//! When a thread that unlocks while others wait has had its turn.
//!
//! The time is the thread's, not the mutex's, which has no room for it; so it is an
//! average over the mutexes that are contended there. parking_lot does likewise, by
//! the address of the mutex.

use std::time::Duration;

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
    let steps = 1 + gorge_runtime::primitive::random_below(STEPS);
    LONGEST * steps as u32 / STEPS as u32
}

/// Whether the turn of this thread is over, and the next one's begins. To be asked at
/// each unlock while somebody waits.
#[cfg(not(gorge_loom))]
pub(super) fn is_over() -> bool {
    use gorge_runtime::time;
    use std::cell::Cell;
    use std::time::Instant;

    /// So often is the clock looked at.
    const UNLOCKS: u32 = 64;

    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
        static END: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    if !count.is_multiple_of(UNLOCKS) {
        return false;
    }
    let now = time::now();
    let is_over = END.get().is_none_or(|end| end <= now);
    if is_over {
        END.set(now.checked_add(some_time()));
    }
    is_over
}

/// The models hand over where they want to.
#[cfg(gorge_loom)]
pub(super) fn is_over() -> bool {
    false
}
