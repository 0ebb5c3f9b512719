//! Who waits for a notification, and how one reaches them through the mutex.
//!
//! # The protocol
//!
//! A waiter queues here under the lock, parks, and once it is off its stack
//! unlocks and releases the mutex. So it is queued before anybody else can have
//! the mutex, and its place says when it began to wait, not when it slept.
//!
//! A notifier wakes nobody by itself. It takes the oldest waiters out and passes
//! them on to the queue of the mutex, in their order: the mutex's release wakes
//! them one by one, when each has a chance to get it. Nobody is woken in order to
//! find the mutex taken. Only if the mutex is free, and no waiter of its own is
//! on the way to it, is there no release to come: then the first of them is woken
//! at once, as by a release. See the argument of [`crate::mutex`].
//!
//! # The lost notification to fear
//!
//! 1. *Between the look and the sleep.* A waiter sees that what it waits for is
//!    not so, while a notifier makes it so, and finds nobody to notify. The waiter
//!    looks under the mutex, and is queued before it lets go. A notifier that
//!    changes anything under the mutex does so before the look, or finds the
//!    waiter.
//! 2. *To somebody who does not wait any more.* A waiter's wait may end by its
//!    deadline or by a cancel at any time, here and in the mutex's queue, because
//!    passing on does not claim it. What counts is the moment at which the
//!    notifier, under the lock, looks at it: if its wait was over, it is left
//!    out, and the next one is notified in its place. Otherwise it *is* notified,
//!    for good: it finds the mark when its wait ends in whatever way, takes itself
//!    out of the mutex's queue, locks the mutex as a newcomer does, and returns as
//!    notified. A cancel stays pending.
//! 3. *To somebody who came later.* The queue is first in, first out, and a wait
//!    that ends takes nobody else's place.
//!
//! Not claiming has a second use. A waiter that was passed on may wait long for
//! the mutex, and it is seen to wait, in dumps and by the detection of deadlocks,
//! which take a claimed waiter for a runnable one.
//!
//! **Two locks.** A waiter that is passed on goes from one queue to the other
//! under both locks, this one first: so its node is always in one, and whoever
//! holds the lock here knows in which. Nobody who has locked the mutex's queue
//! locks this one.
//!
//! **Whose mutex it is** is remembered while anybody is queued here. The mutex is
//! alive that long: it is lent to every waiter, and none can leave without the
//! lock, until it was passed on. A notifier uses the mutex under the lock only.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use crate::guarded::{Guarded, Locked};
use crate::mutex::RawMutex;
use crate::queue::{Node, Queue};
use gorge_runtime::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use gorge_runtime::primitive::atomic::{AtomicPtr, Ordering};
use gorge_runtime::profile;
use std::ptr;
use std::time::Instant;

/// See the module's description.
pub(super) struct Core {
    /// With which mutex those in the queue wait; null when it is empty. Changed
    /// under the lock only.
    mutex: AtomicPtr<RawMutex>,
    queue: Guarded<Queue>,
}

/// How a wait ended. The caller has the mutex, in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Ended {
    Notified,
    TimedOut,
    /// By a cancel, which has to be delivered; or it did not begin.
    Cancelled,
}

impl Core {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> Core {
        Core {
            mutex: AtomicPtr::new(ptr::null_mut()),
            queue: Guarded::new(Queue::new()),
        }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new() -> Core {
        Core {
            mutex: AtomicPtr::new(ptr::null_mut()),
            queue: Guarded::new(Queue::new()),
        }
    }

    /// Releases the mutex, which the caller holds, waits, and acquires it again.
    #[track_caller]
    pub(super) fn wait(&self, mutex: &RawMutex, deadline: Option<Instant>) -> Ended {
        // Not under the lock: to take notes may allocate, and locks one of its own.
        mutex.tracked().lets_go();
        let locked = self.queue.lock();
        if !self.admits(&locked, mutex) {
            drop(locked);
            mutex.tracked().has();
            panic!("Condvar: attempted to use a condition variable with more than one mutex");
        }
        let began = profile::wait_begins();
        let ended = self.wait_admitted(locked, mutex, deadline);
        mutex.tracked().has();
        profile::wait_ended(began, WaitReason::Condvar, ptr::from_ref(self).addr());
        ended
    }

    fn wait_admitted(
        &self,
        locked: Locked<'_, Queue>,
        mutex: &RawMutex,
        deadline: Option<Instant>,
    ) -> Ended {
        let wait = Wait {
            reason: WaitReason::Condvar,
            object: ptr::from_ref(self).addr(),
            deadline,
            cancel: CancelMode::Deliver,
        };
        let node = Node::new();
        let publish = |waiter: Waiter| {
            // Relaxed: see `notify`.
            self.mutex
                .store(ptr::from_ref(mutex).cast_mut(), Ordering::Relaxed);
            // SAFETY: the node is new, and stays in this frame until the mutex's
            // release has woken its waiter, or it was taken back below.
            locked.edit(|queue| unsafe { queue.push_back(&node, waiter) });
        };
        let commit = || {
            locked.unlock();
            mutex.release();
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // lock under which `publish` ran, and then a mutex; neither panics, as the
        // caller holds the mutex, or parks.
        let ended = match unsafe { park::park(wait, publish, commit) } {
            Ok(Outcome::Woken(told)) => {
                mutex.acquire_passed_on(&node, told);
                return Ended::Notified;
            }
            // Nothing was published, and the mutex not released.
            Err(Refused) => return Ended::Cancelled,
            Ok(Outcome::TimedOut) => Ended::TimedOut,
            Ok(Outcome::Cancelled) => Ended::Cancelled,
            Ok(Outcome::Closed) => unreachable!("a condition variable is never closed"),
        };
        if self.leave(&node) {
            mutex.acquire();
            ended
        } else {
            mutex.acquire_after_leaving(&node);
            Ended::Notified
        }
    }

    /// Notifies the oldest waiters, so many at most. Returns how many.
    #[inline]
    pub(super) fn notify(&self, most: usize) -> usize {
        // Relaxed: it matters to a notifier that has had the mutex after the
        // waiter, and the mutex orders the waiter's store before this.
        if self.mutex.load(Ordering::Relaxed).is_null() {
            return 0;
        }
        self.notify_slow(most)
    }

    #[cold]
    fn notify_slow(&self, most: usize) -> usize {
        let locked = self.queue.lock();
        // Relaxed: stored under the lock.
        let mutex = self.mutex.load(Ordering::Relaxed);
        let (waiters, count) = locked.edit(|queue| queue.take_waiting(most));
        self.forget_mutex_if_empty(&locked);
        let first = if count > 0 {
            // SAFETY: it is alive, because there was a waiter to whom it is lent
            // until that one leaves here, which takes the lock, or is woken from
            // the mutex's queue, where it is not yet.
            unsafe { &*mutex }.pass_on(waiters)
        } else {
            None
        };
        drop(locked);
        if let Some(first) = first {
            first.wake();
        }
        count
    }

    /// A waiter whose wait was ended by its deadline or a cancel takes itself
    /// back. False if it was notified before, and is the mutex's.
    #[cold]
    fn leave(&self, node: &Node) -> bool {
        let locked = self.queue.lock();
        if node.is_passed_on() {
            return false;
        }
        // SAFETY: the node was queued here, and not passed on; its wait is over.
        locked.edit(|queue| unsafe { queue.remove(node) });
        self.forget_mutex_if_empty(&locked);
        true
    }

    /// Whether somebody may wait with this mutex: nobody does with another.
    fn admits(&self, _: &Locked<'_, Queue>, mutex: &RawMutex) -> bool {
        // Relaxed: stored under the lock.
        let known = self.mutex.load(Ordering::Relaxed);
        known.is_null() || ptr::eq(known, mutex)
    }

    fn forget_mutex_if_empty(&self, locked: &Locked<'_, Queue>) {
        if locked.edit(|queue| queue.is_empty()) {
            // Relaxed: as in `notify`.
            self.mutex.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }

    /// How many wait here, not counting those who were notified.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queue.lock().edit(|queue| queue.len())
    }
}
