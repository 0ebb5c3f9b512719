//! Putting the OS thread to sleep on an address, for locks of a few bits.
//!
//! The thread that changes what sleepers wait for changes it first, then calls
//! [`wake_all`] with the address. [`sleep_while`] checks the condition and
//! falls asleep in one step as seen from there, so no wake-up falls between.
//! The address is a mere name: `wake_all` may come after its memory is gone.

/// Sleeps while `condition` holds, or until a wake-up. May return early.
///
/// # Safety
///
/// Nobody uses `address` to sleep on in another sense: it lies in an object of
/// the caller's own. `condition` neither panics nor sleeps.
#[cfg(not(gorge_loom))]
pub unsafe fn sleep_while(address: usize, condition: impl Fn() -> bool) {
    // SAFETY: the caller owns the key; the callbacks neither panic nor call the
    // parking lot.
    unsafe {
        parking_lot_core::park(
            address,
            condition,
            || {},
            |_, _| {},
            parking_lot_core::DEFAULT_PARK_TOKEN,
            None,
        );
    }
}

/// Wakes all who sleep on `address`.
///
/// # Safety
///
/// As for [`sleep_while`]: `address` is, or was, in an object of the caller's.
#[cfg(not(gorge_loom))]
#[cold]
pub unsafe fn wake_all(address: usize) {
    // SAFETY: a stranger who sleeps on a reused address wakes early and looks
    // again, as `sleep_while` says.
    unsafe {
        parking_lot_core::unpark_all(address, parking_lot_core::DEFAULT_UNPARK_TOKEN);
    }
}

/// Loom's twin: lets the others run, and looks again.
///
/// # Safety
///
/// None.
#[cfg(gorge_loom)]
pub unsafe fn sleep_while(_: usize, _: impl Fn() -> bool) {
    super::spin_hint();
}

/// Loom's twin: nobody really sleeps.
///
/// # Safety
///
/// None.
#[cfg(gorge_loom)]
pub unsafe fn wake_all(_: usize) {}
