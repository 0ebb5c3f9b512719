//! Calling a waker, which may run anything.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Calls a waker to its end. A panic of it ends here: the caller may have others to wake.
/// So does no cancel of the goroutine that calls it, which stays pending: the task that
/// is woken is not that goroutine's.
pub(super) fn call(waker: Waker) {
    let woken = shield(|| catch_unwind(AssertUnwindSafe(|| waker.wake())));
    // What was thrown is forgotten, since dropping it might panic too.
    woken.unwrap_or_else(mem::forget);
}

#[cfg(not(gorge_loom))]
use gorge_runtime::shield;

/// Nobody is cancelled in loom's models.
#[cfg(gorge_loom)]
fn shield<R>(f: impl FnOnce() -> R) -> R {
    f()
}
