//! Puts a machine's OS thread to sleep, and wakes it.

use crate::netpoll::Poller;
use crate::park::Claim;
use parking_lot::{Condvar, Mutex};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// A thread's sleep. An unpark that comes first is kept.
#[derive(Default)]
pub(crate) struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
    /// Where the machine blocks instead, when it is its turn to poll.
    polling: Mutex<Option<Arc<Poller>>>,
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
        mem::take(&mut *unparked)
    }

    /// As [`park`](Parker::park), but sleeps in `poller`, if it is free, and may
    /// return early. True if it was unparked.
    pub(super) fn park_polling(
        &self,
        poller: &Arc<Poller>,
        timeout: Option<Duration>,
        claims: &mut Vec<Claim>,
    ) -> bool {
        let Some(mut turn) = poller.try_turn() else {
            // Another thread is just looking: as soon as it is done, again.
            crate::primitive::thread::yield_now();
            return false;
        };
        *self.polling.lock() = Some(Arc::clone(poller));
        // An unpark from here on finds the poller. One that came before is seen.
        if !*self.unparked.lock() {
            turn.poll(timeout, claims);
        }
        *self.polling.lock() = None;
        mem::take(&mut *self.unparked.lock())
    }

    pub(crate) fn unpark(&self) {
        *self.unparked.lock() = true;
        self.changed.notify_one();
        let polling = self.polling.lock().clone();
        if let Some(poller) = polling {
            poller.wake();
        }
    }
}
