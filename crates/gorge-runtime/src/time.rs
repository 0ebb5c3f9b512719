//! Time as the rest of gorge sees it: one place to ask for now.
//!
//! All layers read the clock here, so that a virtual clock can take its place.

#[cfg(not(gorge_loom))]
pub use crate::goroutine::sleep;

use std::time::{Duration, Instant};

/// The current instant: on a goroutine of a runtime with a virtual clock, that
/// clock's.
#[cfg(not(gorge_loom))]
pub fn now() -> Instant {
    crate::scheduler::current::machine()
        .and_then(|machine| machine.shared().clock.virtual_instant())
        .unwrap_or_else(real_now)
}

/// The current instant of the real clock.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the seam that replaces it"
)]
#[cfg(not(gorge_loom))]
pub(crate) fn real_now() -> Instant {
    Instant::now()
}

/// Loom has no clock: no time passes.
#[cfg(gorge_loom)]
#[allow(
    clippy::disallowed_methods,
    reason = "this is the seam that replaces it"
)]
pub fn now() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Waits until `instant`; returns at once when it has passed.
///
/// # Cancellation
///
/// Delivers a cancel.
#[cfg(not(gorge_loom))]
pub fn sleep_until(instant: Instant) {
    sleep(instant.saturating_duration_since(now()));
}

/// The instant `duration` from now; `None`, which is never, when that is
/// beyond what the clock can tell.
pub fn deadline(duration: Duration) -> Option<Instant> {
    now().checked_add(duration)
}
