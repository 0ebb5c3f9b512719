//! Waiting until a number of parties have arrived, with std's interface.
//!
//! * [`wait`](Barrier::wait): counts an arrival; the last one of a generation
//!   lets all go, the others queue.
//!
//! Everything happens under one lock: an arrival counts itself and queues, or it
//! completes the generation, sets the count back to zero and claims all who are
//! queued; and so does a cancelled waiter, who takes its arrival back.
//!
//! The lost wake-up to fear: a party finds that others are missing and goes to
//! sleep, while the last one arrives and sees nobody waiting. A party queues in
//! the section in which it is counted, and the last one finds the count complete
//! in another, which comes later: so it finds all of them in the queue.
//!
//! The wake-up too early to fear: a party of the next generation arrives while
//! the last one still wakes those of this generation. Those were taken out of the
//! queue in the section that completed it, so nobody who comes later is among
//! them, and the count begins at zero: the barrier may be used again at once.
//!
//! The arrival to fear for is that of a cancelled waiter: if the cancel ended its
//! wait and the generation is complete before it has taken itself back, it finds
//! that it is not queued any more. Then it was counted, and returns as the others
//! do; otherwise it counts itself back in the section in which it leaves.

#[cfg(all(test, gorge_loom))]
mod loom;

use crate::guarded::{Guarded, Locked};
use crate::queue::{Claimed, Node, Queue};
use gorge_runtime::cancel;
use gorge_runtime::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use gorge_runtime::preempt;
use gorge_runtime::profile;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Lets a number of parties wait for each other, goroutines and OS threads.
///
/// The interface and the behaviour are those of [`std::sync::Barrier`]: each of
/// `n` parties calls [`wait`](Barrier::wait), which returns when all of them have,
/// and says to one of them that it is the leader. Then the barrier may be used
/// again at once, for the next generation. A barrier of zero parties is one of
/// one: nobody waits at it, and everybody is a leader.
///
/// All that happened before any party's `wait` is visible to every party after
/// its own.
///
/// # Examples
///
/// ```
/// use gorge_sync::Barrier;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let (barrier, loaded) = (Barrier::new(4), AtomicUsize::new(0));
/// gorge_runtime::scope(|s| {
///     for _ in 0..4 {
///         s.spawn(|| {
///             loaded.fetch_add(1, Ordering::Relaxed);
///             let leads = barrier.wait().is_leader();
///             assert_eq!(loaded.load(Ordering::Relaxed), 4);
///             if leads {
///                 println!("everybody has loaded");
///             }
///         });
///     }
/// });
/// ```
pub struct Barrier {
    parties: usize,
    generation: Guarded<Generation>,
}

/// Who has arrived since the last completion.
struct Generation {
    arrived: usize,
    queue: Queue,
}

/// What [`Barrier::wait`] returns: whether this party is its generation's leader.
pub struct BarrierWaitResult(bool);

impl UnwindSafe for Barrier {}
// What is under the lock is whole whenever the lock is free.
impl RefUnwindSafe for Barrier {}

/// A wait was ended, or not begun, by a cancel, which has to be delivered.
#[derive(Debug, PartialEq, Eq)]
struct Cancelled;

impl Barrier {
    /// One for this many parties.
    #[cfg(not(gorge_loom))]
    #[must_use]
    pub const fn new(n: usize) -> Barrier {
        Barrier {
            parties: n,
            generation: Guarded::new(Generation::new()),
        }
    }

    /// One for this many parties.
    #[cfg(gorge_loom)]
    #[must_use]
    pub fn new(n: usize) -> Barrier {
        Barrier {
            parties: n,
            generation: Guarded::new(Generation::new()),
        }
    }

    /// Waits until all parties have called this.
    ///
    /// Exactly one party of each generation, the last to arrive, gets a result
    /// that says that it [is the leader](BarrierWaitResult::is_leader).
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = gorge_sync::Barrier::new(1);
    /// assert!(barrier.wait().is_leader());
    /// ```
    ///
    /// # Cancellation
    ///
    /// A cancel of the goroutine is delivered here, and the party counts as not
    /// arrived: the others wait for another one. If all have arrived when the
    /// cancelled party notices, it returns with the others, and the cancel stays
    /// pending.
    pub fn wait(&self) -> BarrierWaitResult {
        preempt::point_at("wait at a barrier");
        match self.arrive() {
            Ok(leads) => BarrierWaitResult(leads),
            Err(Cancelled) => cancel::deliver(),
        }
    }

    /// Waits for the others; returns whether the caller was the last.
    fn arrive(&self) -> Result<bool, Cancelled> {
        let locked = self.generation.lock();
        let last = locked.edit(|generation| generation.arrived + 1 >= self.parties);
        if last {
            let claimed = locked.edit(Generation::complete);
            drop(locked);
            claimed.wake_all();
            return Ok(true);
        }
        let began = profile::wait_begins();
        let waited = self.queue_up(locked);
        let object = std::ptr::from_ref(self).addr();
        profile::wait_ended(began, WaitReason::Barrier, object);
        waited.map(|()| false)
    }

    fn queue_up(&self, locked: Locked<'_, Generation>) -> Result<(), Cancelled> {
        let wait = Wait {
            reason: WaitReason::Barrier,
            object: std::ptr::from_ref(self).addr(),
            deadline: None,
            cancel: CancelMode::Deliver,
        };
        let node = Node::new();
        let publish = |waiter: Waiter| {
            locked.edit(|generation| {
                generation.arrived += 1;
                // SAFETY: the node is new, and stays in this frame until it was
                // claimed and woken or `leave` took it back.
                unsafe { generation.queue.push_back(&node, waiter) };
            });
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // only lock held, and neither panics nor parks.
        let outcome = unsafe { park::park(wait, publish, || locked.unlock()) };
        match outcome {
            Ok(Outcome::Woken(_)) => Ok(()),
            Ok(Outcome::Cancelled) if !self.leave(&node) => Ok(()),
            // Refused, it was neither queued nor counted: `locked` unlocks.
            Ok(Outcome::Cancelled) | Err(Refused) => Err(Cancelled),
            Ok(Outcome::TimedOut | Outcome::Closed) => {
                unreachable!("a barrier has no deadline and is never closed")
            }
        }
    }

    /// A waiter whose wait was ended by a cancel takes its arrival back. False if
    /// the generation was complete before.
    #[cold]
    fn leave(&self, node: &Node) -> bool {
        self.generation.lock().edit(|generation| {
            // SAFETY: the node was queued here, and its wait is over.
            let was_queued = unsafe { generation.queue.remove(node) };
            if was_queued {
                generation.arrived -= 1;
            }
            was_queued
        })
    }
}

impl Generation {
    const fn new() -> Generation {
        Generation {
            arrived: 0,
            queue: Queue::new(),
        }
    }

    /// All have arrived: the next generation begins.
    fn complete(&mut self) -> Claimed {
        self.arrived = 0;
        self.queue.claim_all(Outcome::Woken(0))
    }
}

impl BarrierWaitResult {
    /// Whether this party is the one of its generation that was the last to
    /// arrive.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult")
            .field("is_leader", &self.is_leader())
            .finish()
    }
}
