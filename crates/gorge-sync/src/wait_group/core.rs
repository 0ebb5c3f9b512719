//! The counter, and those who wait for it to reach zero.
//!
//! ```text
//!  63        32 31         0
//!  +-----------+-----------+
//!  |  counter  |  waiters  |
//!  +-----------+-----------+
//! ```
//!
//! * [`add`](Core::add), [`done`](Core::done): one compare-and-swap of the word.
//! * [`wait`](Core::wait): one load, if the counter is zero.
//! * Everything else happens under the lock: a waiter counts itself and queues,
//!   or takes itself back; and so does the step to zero when anybody waits.
//!
//! The lost wake-up to fear: a waiter sees the counter above zero and goes to
//! sleep, while the last `done` sees nobody waiting and leaves. Both look and
//! act in one step on one word, so one comes first: either the waiter counts
//! itself before the step to zero, which then does not happen without the lock
//! and finds the waiter in the queue; or it comes later and sees zero.
//!
//! The other one to fear is a wake-up too early: the counter reaches zero,
//! somebody adds for the next round and waits, and the late waker of the first
//! round wakes it too. (Go panics when it notices: "WaitGroup is reused before
//! previous Wait has returned".) Here the counter leaves one for zero under the
//! lock when anybody waits, and those who wait are claimed before the lock is
//! free again. So a group may be used again at once.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use crate::guarded::{Guarded, Locked};
use crate::queue::{Claimed, Node, Queue};
use gorge_runtime::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use gorge_runtime::preempt;
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_runtime::profile;
use std::time::Instant;

const ONE: u64 = 1 << 32;
const ONE_WAITER: u64 = 1;
/// As in Go, where the counter is a signed number of this size.
const MOST: u64 = i32::MAX as u64;

fn counter_of(state: u64) -> u64 {
    state >> 32
}

fn waiters_of(state: u64) -> u64 {
    state & (ONE - 1)
}

/// A wait was ended, or not begun, by a cancel, which has to be delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cancelled;

/// What the clones of a wait group share.
pub(super) struct Core {
    state: AtomicU64,
    queue: Guarded<Queue>,
}

impl Core {
    pub(super) fn new() -> Core {
        Core {
            state: AtomicU64::new(0),
            queue: Guarded::new(Queue::default()),
        }
    }

    pub(super) fn counter(&self) -> u64 {
        counter_of(self.state.load(Ordering::Relaxed))
    }

    #[track_caller]
    pub(super) fn add(&self, n: usize) {
        let n = n as u64;
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            assert!(
                n <= MOST - counter_of(state),
                "WaitGroup: counter overflow: it goes up to {MOST}"
            );
            match self.replace(state, state + n * ONE, Ordering::Relaxed) {
                Ok(()) => return,
                Err(changed) => state = changed,
            }
        }
    }

    #[inline]
    #[track_caller]
    pub(super) fn done(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if counter_of(state) == 0 {
                panic_negative();
            }
            if counter_of(state) == 1 && waiters_of(state) != 0 {
                return self.done_under_lock();
            }
            // Release: pairs with the Acquire of whoever finds the counter at
            // zero, to whom the work that this `done` reports is then visible.
            match self.replace(state, state - ONE, Ordering::Release) {
                Ok(()) => return,
                Err(changed) => state = changed,
            }
        }
    }

    /// Counts down where that seems to reach zero while somebody waits.
    #[cold]
    #[track_caller]
    fn done_under_lock(&self) {
        let locked = self.queue.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        let claimed = loop {
            let last = counter_of(state) == 1;
            if counter_of(state) == 0 {
                drop(locked);
                panic_negative();
            }
            let next = if last { 0 } else { state - ONE };
            // Release: as in `done`. Acquire: pairs with the Release of the
            // others' `done`, whose work this one reports to the waiters.
            match self.replace(state, next, Ordering::AcqRel) {
                Ok(()) if last => {
                    break locked.edit(|queue| queue.claim_all(Outcome::Woken(0)));
                }
                Ok(()) => break Claimed::none(),
                Err(changed) => state = changed,
            }
        };
        drop(locked);
        claimed.wake_all();
    }

    /// Waits for zero: true when it was reached, false when the deadline was
    /// first.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Result<bool, Cancelled> {
        preempt::point_at("wait for a group");
        // Acquire: pairs with the Release of every `done` that led to zero.
        if counter_of(self.state.load(Ordering::Acquire)) == 0 {
            return Ok(true);
        }
        let began = profile::wait_begins();
        let waited = self.wait_slow(deadline);
        let object = std::ptr::from_ref(self).addr();
        profile::wait_ended(began, WaitReason::WaitGroup, object);
        waited
    }

    #[cold]
    fn wait_slow(&self, deadline: Option<Instant>) -> Result<bool, Cancelled> {
        let Some(registration) = self.register() else {
            return Ok(true);
        };
        let wait = Wait {
            reason: WaitReason::WaitGroup,
            object: std::ptr::from_ref(self).addr(),
            deadline,
            cancel: CancelMode::Deliver,
        };
        let node = Node::new();
        let publish = |waiter: Waiter| {
            // SAFETY: the node is new, and stays in this frame until it was
            // claimed or `leave` took it back.
            registration
                .locked
                .edit(|queue| unsafe { queue.push_back(&node, waiter) });
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // only lock held, and neither panics nor parks.
        let outcome = unsafe { park::park(wait, publish, || registration.locked.unlock()) };
        match outcome {
            Ok(Outcome::Woken(_) | Outcome::Closed) => Ok(true),
            Ok(Outcome::TimedOut) => Ok(!self.leave(&node)),
            Ok(Outcome::Cancelled) => {
                self.leave(&node);
                Err(Cancelled)
            }
            // The registration is undone when it is dropped.
            Err(Refused) => Err(Cancelled),
        }
    }

    /// Locks, and counts a waiter; or finds the counter at zero.
    fn register(&self) -> Option<Registration<'_>> {
        let locked = self.queue.lock();
        // Acquire, here and on failure: as in `wait`.
        let mut state = self.state.load(Ordering::Acquire);
        while counter_of(state) != 0 {
            match self.state.compare_exchange_weak(
                state,
                state + ONE_WAITER,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    return Some(Registration { core: self, locked });
                }
                Err(changed) => state = changed,
            }
        }
        None
    }

    /// A waiter whose wait was ended by somebody else than `done` takes itself
    /// back. False if the counter had reached zero before.
    #[cold]
    fn leave(&self, node: &Node) -> bool {
        let locked = self.queue.lock();
        // SAFETY: the node was queued here, and its wait is over.
        let was_queued = locked.edit(|queue| unsafe { queue.remove(node) });
        if was_queued {
            self.state.fetch_sub(ONE_WAITER, Ordering::Relaxed);
        }
        was_queued
    }

    fn replace(&self, old: u64, new: u64, order: Ordering) -> Result<(), u64> {
        self.state
            .compare_exchange_weak(old, new, order, Ordering::Relaxed)
            .map(drop)
    }

    #[cfg(test)]
    pub(super) fn waiters(&self) -> u64 {
        waiters_of(self.state.load(Ordering::Relaxed))
    }
}

#[cold]
#[track_caller]
fn panic_negative() -> ! {
    panic!("WaitGroup: negative counter: done() was called more often than add() counted");
}

/// A waiter that is counted and not yet queued, with the lock held. Dropped
/// before the commit, it undoes both: the park was refused, or panicked.
struct Registration<'a> {
    core: &'a Core,
    locked: Locked<'a, Queue>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if !self.locked.has_ended() {
            self.core.state.fetch_sub(ONE_WAITER, Ordering::Relaxed);
        }
    }
}
