//! Runs a test body in every setting, and waits for conditions.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use gorge_channel::context::{CancelGuard, Context, background};
use gorge_runtime::{Runtime, num_goroutines, yield_now};

/// Runs `body` as the main goroutine of runtimes with one processor and more, whose goroutines
/// stay on their threads or migrate, and checks that it leaves no other goroutine behind.
pub fn everywhere(body: impl Fn() + Send + Sync) {
    for (procs, migrating) in [(1, false), (2, false), (4, false), (2, true), (4, true)] {
        eprintln!("{procs} processors, migrating: {migrating}");
        let mut builder = Runtime::builder().max_procs(procs);
        if migrating {
            // SAFETY: the bodies keep no reference to a thread-local, and nothing that is bound
            // to a thread, over a wait.
            builder = unsafe { builder.migrating() };
        }
        builder.build().expect("a runtime").run(|| {
            body();
            wait_for(|| num_goroutines() == 1);
        });
    }
}

/// Calls `body` with a context that can be cancelled and one that cannot.
pub fn with_each_context(body: impl Fn(&Context) + Send + Sync) {
    everywhere(|| {
        body(&background());
        let (context, _guard) = background().with_cancel();
        body(&context);
        wait_for(|| num_goroutines() == 1);
    });
}

/// A context, and what cancels it.
pub fn cancellable() -> (Context, CancelGuard) {
    background().with_cancel()
}

/// Yields until `condition` holds. A hang is ended by the test runner's limit.
pub fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now();
    }
}

/// Gives every goroutine the chance to come to its next wait. What a test
/// asserts holds whether or not they have.
pub fn settle() {
    for _ in 0..100 {
        yield_now();
    }
}

/// Sorts what came in any order.
pub fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}
