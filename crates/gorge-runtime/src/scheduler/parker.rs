//! Puts a machine's OS thread to sleep, and wakes it.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// A thread's sleep. An unpark that comes first is kept.
#[derive(Default)]
pub(crate) struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// False when the time was over first.
    pub(crate) fn park(&self, timeout: Option<Duration>) -> bool {
        let mut unparked = self.unparked.lock();
        while !*unparked {
            match timeout {
                None => self.changed.wait(&mut unparked),
                Some(timeout) => {
                    if self.changed.wait_for(&mut unparked, timeout).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::take(&mut *unparked)
    }

    pub(crate) fn unpark(&self) {
        *self.unparked.lock() = true;
        self.changed.notify_one();
    }
}
