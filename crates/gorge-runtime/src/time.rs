//! Time as the rest of gorge sees it: one place to ask for now.
//!
//! All layers read the clock here, so that a virtual clock can take its place.

#[cfg(not(gorge_loom))]
pub use crate::goroutine::sleep;

use std::time::{Duration, Instant, SystemTime};

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

/// The date and time of an instant, for logs: what the system's clock shows then, as far as
/// it is known by now. In a simulation, the virtual clock starts with the year 2000.
#[cfg(not(gorge_loom))]
#[allow(
    clippy::disallowed_methods,
    reason = "this is the seam that replaces it"
)]
pub fn system_time(instant: Instant) -> SystemTime {
    /// Seconds from 1970 to 2000.
    const EPOCH: Duration = Duration::from_secs(946_684_800);
    let origin = crate::scheduler::current::machine()
        .and_then(|machine| machine.shared().clock.virtual_origin());
    let (known, date) = match origin {
        Some(origin) => (origin, SystemTime::UNIX_EPOCH + EPOCH),
        None => (real_now(), SystemTime::now()),
    };
    let shifted = match instant.checked_duration_since(known) {
        Some(ahead) => date.checked_add(ahead),
        None => date.checked_sub(known - instant),
    };
    shifted.unwrap_or(date)
}

/// Loom has no clock.
#[cfg(gorge_loom)]
pub fn system_time(_: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH
}

/// The instant `duration` from now; `None`, which is never, when that is
/// beyond what the clock can tell.
pub fn deadline(duration: Duration) -> Option<Instant> {
    now().checked_add(duration)
}
