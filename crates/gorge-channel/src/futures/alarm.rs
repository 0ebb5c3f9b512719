//! Calls a waker when a timer channel has its next value.
//!
//! A blocked party knows itself when it has to look. A future is looked at by its
//! executor, so a goroutine sleeps for it. It is cancelled when nobody waits any more.

use std::task::Waker;
use std::time::Instant;

pub(super) struct Alarm {
    #[cfg(not(gorge_loom))]
    sleeper: gorge_runtime::goroutine::JoinHandle<()>,
}

#[cfg(not(gorge_loom))]
impl Alarm {
    pub(super) fn new(due: Instant, waker: Waker) -> Alarm {
        let sleep = move || {
            gorge_runtime::time::sleep_until(due);
            waker.wake();
        };
        Alarm {
            sleeper: gorge_runtime::go(sleep),
        }
    }
}

#[cfg(not(gorge_loom))]
impl Drop for Alarm {
    fn drop(&mut self) {
        self.sleeper.cancel();
    }
}

/// Loom's models have no clock.
#[cfg(gorge_loom)]
impl Alarm {
    pub(super) fn new(_: Instant, _: Waker) -> Alarm {
        Alarm {}
    }
}
