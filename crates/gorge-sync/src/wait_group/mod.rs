//! Waiting until a number of things are done.
//!
//! * [`core`]: the counter, its waiters, and the protocol between them.
//! * `go`: goroutines that a group counts.

mod core;
#[cfg(not(gorge_loom))]
mod go;
#[cfg(all(test, gorge_loom))]
mod loom;
#[cfg(all(test, not(gorge_loom)))]
mod tests;

use self::core::{Cancelled, Core};
use gorge_runtime::{cancel, preempt, time};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts what is under way, and lets others wait until nothing is.
///
/// [`add`](WaitGroup::add) counts up before something starts, and
/// [`done`](WaitGroup::done) counts down when it ends, on whichever goroutine or
/// thread. [`wait`](WaitGroup::wait) returns when the counter is zero. To start
/// goroutines and wait for them, [`go`](WaitGroup::go) does both.
///
/// Clones share one counter. A group whose counter reached zero may be used
/// again at once: those who wait for an earlier zero return, and a later wait
/// waits for the next one. This is Go's `sync.WaitGroup`, without its rule that
/// all waits must have returned first.
///
/// All that happened before a `done` is visible to who returns from the wait
/// that it ended.
///
/// # Examples
///
/// ```
/// use gorge_sync::WaitGroup;
/// use std::thread;
///
/// let group = WaitGroup::new();
/// group.add(3);
/// for i in 0..3 {
///     let group = group.clone();
///     thread::spawn(move || {
///         println!("{i} at work");
///         group.done();
///     });
/// }
/// group.wait();
/// println!("all done");
/// ```
#[derive(Clone)]
pub struct WaitGroup {
    core: Arc<Core>,
}

impl UnwindSafe for WaitGroup {}
// What is under its lock is whole whenever the lock is free.
impl RefUnwindSafe for WaitGroup {}

impl WaitGroup {
    /// A group whose counter is zero.
    #[must_use]
    pub fn new() -> WaitGroup {
        WaitGroup {
            core: Arc::new(Core::new()),
        }
    }

    /// Counts `n` more things to wait for.
    ///
    /// Call it before these things start, and before the wait that shall wait
    /// for them: when the counter is zero, a concurrent wait may be over before
    /// the `add`.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = gorge_sync::WaitGroup::new();
    /// group.add(2);
    /// group.done();
    /// group.done();
    /// group.wait();
    /// ```
    ///
    /// # Panics
    ///
    /// If the counter would exceed `i32::MAX`. It then stays as it was.
    #[track_caller]
    pub fn add(&self, n: usize) {
        preempt::point_at_without_cancel("add to a group");
        self.core.add(n);
    }

    /// Counts down: one thing is done.
    ///
    /// # Panics
    ///
    /// If the counter is zero: "WaitGroup: negative counter: done() was called
    /// more often than add() counted". The counter stays zero, so nobody waits
    /// for ever because of it.
    #[inline]
    #[track_caller]
    pub fn done(&self) {
        preempt::point_at_without_cancel("done in a group");
        self.core.done();
    }

    /// Waits until the counter is zero; returns at once if it is.
    ///
    /// Parks the goroutine, or the thread when called on a plain OS thread. Any
    /// number may wait; all of them return.
    ///
    /// # Cancellation
    ///
    /// A cancel of the goroutine is delivered here, unless the counter is zero
    /// already. It does not change the counter.
    pub fn wait(&self) {
        let reached = self.wait_until(None);
        debug_assert!(reached, "without a deadline there is no timing out");
    }

    /// Waits until the counter is zero, for `timeout` at most. Whether it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let group = gorge_sync::WaitGroup::new();
    /// group.add(1);
    /// assert!(!group.wait_timeout(Duration::from_millis(1)));
    /// group.done();
    /// assert!(group.wait_timeout(Duration::ZERO));
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](WaitGroup::wait).
    #[must_use = "it says whether all is done or the time was up"]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // A deadline beyond the end of time is none.
        self.wait_until(time::now().checked_add(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        match self.core.wait(deadline) {
            Ok(reached) => reached,
            Err(Cancelled) => cancel::deliver(),
        }
    }
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("counter", &self.core.counter())
            .finish()
    }
}
