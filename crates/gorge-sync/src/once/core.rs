//! The state of a `Once`, and those who wait for the one that runs it.
//!
//! | transition | from → to | by |
//! | --- | --- | --- |
//! | [`begin`](Core::begin) | NEW, POISONED → RUNNING | the runner to be, under the lock |
//! | [`end`](Core::end) | RUNNING → DONE, NEW, POISONED | the runner, under the lock |
//!
//! The lost wake-up to fear: a party finds the `Once` RUNNING and goes to sleep,
//! while the runner ends and sees nobody waiting. Both act under the lock: the
//! party queues in the section in which it saw RUNNING, the runner changes the
//! state and claims all who are queued in another. Whoever comes second sees the
//! first. Woken parties look again: after a run that failed one of them is the
//! next runner.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use crate::guarded::{Guarded, Locked};
use crate::queue::{Node, Queue};
use gorge_runtime::cancel;
use gorge_runtime::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use gorge_runtime::primitive::atomic::{AtomicU8, Ordering};
use gorge_runtime::profile;
use std::time::Instant;

/// Nobody has run it, or whoever did was cancelled.
pub(super) const NEW: u8 = 0;
/// Somebody runs it.
pub(super) const RUNNING: u8 = 1;
/// It has run.
pub(super) const DONE: u8 = 2;
/// Whoever ran it panicked.
pub(super) const POISONED: u8 = 3;

/// A wait was ended, or not begun, by a cancel, which has to be delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cancelled;

/// See the module's description.
pub(super) struct Core {
    /// Changed under the lock only.
    state: AtomicU8,
    queue: Guarded<Queue>,
}

impl Core {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> Core {
        Core {
            state: AtomicU8::new(NEW),
            queue: Guarded::new(Queue::new()),
        }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new() -> Core {
        Core {
            state: AtomicU8::new(NEW),
            queue: Guarded::new(Queue::new()),
        }
    }

    /// What the state is now. DONE stays, and what the run did is then visible.
    #[inline]
    pub(super) fn state(&self) -> u8 {
        // Acquire: pairs with the Release of `end`.
        self.state.load(Ordering::Acquire)
    }

    /// Makes the caller the runner, who must call [`end`](Core::end); waits while
    /// somebody else is. Returns what the state was: NEW, or POISONED, which
    /// makes a runner only of a caller who takes it; or DONE.
    #[cold]
    pub(super) fn begin(&self, takes_poisoned: bool) -> u8 {
        let node = Node::new();
        let mut began = None;
        let state = loop {
            let locked = self.queue.lock();
            // Relaxed: written under the lock.
            let state = self.state.load(Ordering::Relaxed);
            if state != RUNNING {
                if state == NEW || (state == POISONED && takes_poisoned) {
                    self.state.store(RUNNING, Ordering::Relaxed);
                }
                break state;
            }
            began = began.or_else(profile::wait_begins);
            if self.wait(locked, &node, CancelMode::Withhold) == Err(Cancelled) {
                cancel::deliver();
            }
        };
        self.wait_ended(began);
        state
    }

    /// Waits until it is done, whoever runs it and whenever.
    #[cold]
    pub(super) fn await_done(&self) -> Result<(), Cancelled> {
        let node = Node::new();
        let mut began = None;
        let done = loop {
            let locked = self.queue.lock();
            // Acquire: as in `state`.
            if self.state.load(Ordering::Acquire) == DONE {
                break Ok(());
            }
            began = began.or_else(profile::wait_begins);
            if let Err(cancelled) = self.wait(locked, &node, CancelMode::Deliver) {
                break Err(cancelled);
            }
        };
        self.wait_ended(began);
        done
    }

    fn wait_ended(&self, began: Option<Instant>) {
        profile::wait_ended(began, WaitReason::Once, std::ptr::from_ref(self).addr());
    }

    /// Waits for the end of the run, or of the next one. A cancel that ends the
    /// wait, or forbids it, is for the caller to deliver.
    fn wait(
        &self,
        locked: Locked<'_, Queue>,
        node: &Node,
        cancel: CancelMode,
    ) -> Result<(), Cancelled> {
        let wait = Wait {
            reason: WaitReason::Once,
            object: std::ptr::from_ref(self).addr(),
            deadline: None,
            cancel,
        };
        let publish = |waiter: Waiter| {
            // SAFETY: the node is in no queue: the runner took it out before it woke
            // the last wait, if there was one; and it stays in its frame until the
            // runner has woken this one, or `leave` has taken it back.
            locked.edit(|queue| unsafe { queue.push_back(node, waiter) });
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // only lock held, and neither panics nor parks.
        match unsafe { park::park(wait, publish, || locked.unlock()) } {
            Ok(Outcome::Woken(_)) => Ok(()),
            Ok(_) => {
                self.leave(node);
                Err(Cancelled)
            }
            // Where it must not wait: nothing was published, and `locked` unlocks.
            Err(Refused) => Err(Cancelled),
        }
    }

    /// A waiter whose wait was ended by a cancel takes itself back. If a runner
    /// took it out first, it failed to claim it, and nothing is owed.
    #[cold]
    fn leave(&self, node: &Node) {
        // SAFETY: the node was queued here, and its wait is over.
        self.queue
            .lock()
            .edit(|queue| unsafe { queue.remove(node) });
    }

    /// Runner: it is over. All who wait look again.
    pub(super) fn end(&self, state: u8) {
        let locked = self.queue.lock();
        // Release: what the runner did is visible to whoever sees the state.
        self.state.store(state, Ordering::Release);
        let claimed = locked.edit(|queue| queue.claim_all(Outcome::Woken(0)));
        drop(locked);
        claimed.wake_all();
    }

    #[cfg(all(test, not(gorge_loom)))]
    pub(super) fn queued(&self) -> usize {
        self.queue.lock().edit(|queue| queue.len())
    }
}
