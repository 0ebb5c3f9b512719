//! What tests of cancels share: both placements, and waiting until a goroutine
//! is parked for a reason.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, goroutine};
use std::time::Duration;

/// Runs `body` with a runtime of homed goroutines and one of migrating ones.
pub fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = if migrating {
            // SAFETY: the goroutines hold no reference into a thread-local and no
            // thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        body(&builder.build().expect("a runtime"));
    }
}

/// Waits until `condition` holds. It sleeps a little: on a busy machine, a thread
/// that yields waits for everybody else.
pub fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        goroutine::sleep(Duration::from_micros(50));
    }
}

/// Lets others come further, one time more than another.
pub fn pause_in(round: usize) {
    goroutine::sleep(Duration::from_micros(20 * (round as u64 % 5)));
}

/// Waits until the goroutine waits for this reason.
pub fn wait_until_parked<T>(runtime: &Runtime, handle: &JoinHandle<T>, reason: WaitReason) {
    let id = handle.goroutine().id();
    wait_for(|| {
        let dump = runtime.dump();
        let mut all = dump.goroutines().iter();
        all.any(|it| it.id == id && it.state == GoroutineState::Waiting(reason))
    });
}

/// Joins a goroutine that ended because it was cancelled.
#[track_caller]
pub fn expect_cancelled<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}
