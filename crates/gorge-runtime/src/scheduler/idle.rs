//! Sleeping and waking machines so that no runnable goroutine is left alone.
//!
//! Two counters and every machine's inbox word. The protocol and the argument
//! that no wake-up is lost stand in `README.md`, "Sleeping and waking".

use super::Shared;
use crate::netpoll::Poller;
use crate::park::Claim;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::barrier;
use crossbeam_utils::CachePadded;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// Counts machines that search for work and machines that sleep.
#[derive(Default)]
pub(crate) struct Idle {
    searching: CachePadded<AtomicUsize>,
    sleeping: CachePadded<AtomicUsize>,
}

impl Idle {
    /// New work was queued where any machine may take it. Wakes one to search
    /// for it, unless one is searching already or all are busy.
    #[inline]
    pub(super) fn notify(&self, shared: &Shared) {
        // Pairs with the heavy barrier in `Machine::sleep`.
        barrier::light();
        if self.sleeping.load(Ordering::Relaxed) != 0 && self.searching.load(Ordering::Relaxed) == 0
        {
            self.wake_one(shared);
        }
    }

    #[cold]
    fn wake_one(&self, shared: &Shared) {
        // Twice: others who notify while this counts as a search rely on it.
        for _ in 0..2 {
            let first = self
                .searching
                .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
            if first.is_err() {
                return;
            }
            for remote in &shared.machines {
                if remote.inbox.wake_to_search() {
                    // The woken machine is the searcher that was counted above.
                    return remote.parker.unpark();
                }
            }
            // All woke up meanwhile: they look for themselves before they sleep.
            self.searching.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A machine wants to search: at most half of the busy ones may.
    pub(super) fn try_search(&self, machines: usize) -> bool {
        let busy = machines.saturating_sub(self.sleeping.load(Ordering::Relaxed));
        if 2 * self.searching.load(Ordering::Relaxed) >= busy {
            return false;
        }
        self.searching.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// A machine stops searching. True when it was the last one.
    pub(super) fn stop_search(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn begin_sleep(&self) {
        self.sleeping.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_sleep(&self) {
        self.sleeping.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Puts a machine's OS thread to sleep. An unpark that comes first is kept.
#[derive(Default)]
pub(super) struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
    /// Where the machine blocks instead, when it is its turn to poll.
    polling: Mutex<Option<Arc<Poller>>>,
}

impl Parker {
    /// False when the time was over first.
    pub(super) fn park(&self, timeout: Option<Duration>) -> bool {
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

    /// As [`park`](Parker::park), but sleeps in `poller`, if it is free. False
    /// when nothing ended that before the timeout.
    pub(super) fn park_polling(
        &self,
        poller: &Arc<Poller>,
        timeout: Option<Duration>,
        claims: &mut Vec<Claim>,
    ) -> bool {
        let Some(mut turn) = poller.try_turn() else {
            return self.park(timeout);
        };
        *self.polling.lock() = Some(Arc::clone(poller));
        // An unpark from here on finds the poller. One that came before is seen.
        if !*self.unparked.lock() {
            turn.poll(timeout, claims);
        }
        *self.polling.lock() = None;
        std::mem::take(&mut *self.unparked.lock()) || !claims.is_empty()
    }

    pub(super) fn unpark(&self) {
        *self.unparked.lock() = true;
        self.changed.notify_one();
        let polling = self.polling.lock().clone();
        if let Some(poller) = polling {
            poller.wake();
        }
    }
}
