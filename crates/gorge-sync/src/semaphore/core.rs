//! Permits and those who wait for them: taking, giving back, and serving waiters.
//!
//! The operations are built from the transitions of [`super::word`]; the module
//! above argues why they lose no wake-up.

use super::word::{Locked, MAX_PERMITS, Word};
use crate::queue::{Claimed, Node, Queue};
use gorge_runtime::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use gorge_runtime::preempt;
use gorge_runtime::primitive::{UnsafeCell, may_spin, spin_hint};
use gorge_runtime::profile;
use std::cell::Cell;
use std::time::Instant;

/// Before it queues, a party looks this often, pausing twice as long each time:
/// 63 pauses, one or two microseconds in all, which is what a park costs.
const SPIN_ROUNDS: u32 = 6;

/// Why permits were not taken without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcquireFailure {
    Closed,
    /// There are too few, or others wait for those that there are.
    NoPermits,
}

/// Why a wait for permits ended without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitFailure {
    Closed,
    TimedOut,
    /// By a cancel, or it was not begun because of one, which has to be delivered.
    Cancelled,
}

/// See the module's description.
pub(super) struct Core {
    word: Word,
    /// Under the word's lock.
    queue: UnsafeCell<Queue>,
}

// SAFETY: the queue is touched under the word's lock only, and may be sent.
unsafe impl Sync for Core {}

impl Core {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new(permits: usize) -> Core {
        Core {
            word: Word::new(permits),
            queue: UnsafeCell::new(Queue::new()),
        }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new(permits: usize) -> Core {
        Core {
            word: Word::new(permits),
            queue: UnsafeCell::new(Queue::new()),
        }
    }

    pub(super) fn permits(&self) -> usize {
        self.word.look().permits()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word.look().is_closed()
    }

    /// Takes `n` permits if they are there and nobody waits.
    #[inline]
    pub(super) fn try_acquire(&self, n: usize) -> Result<(), AcquireFailure> {
        self.word.try_take(n).inspect_err(|_| {
            // What happened before a close is visible to whom it turns away.
            self.word.look();
        })
    }

    /// Takes `n` permits, waiting for them until `deadline` at most; `None` is one
    /// beyond the end of time.
    #[inline]
    pub(super) fn acquire(
        &self,
        n: usize,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<(), WaitFailure> {
        preempt::point_at("acquire permits");
        match self.try_acquire(n) {
            Ok(()) => Ok(()),
            Err(AcquireFailure::Closed) => Err(WaitFailure::Closed),
            Err(AcquireFailure::NoPermits) => self.acquire_slow(n, deadline()),
        }
    }

    /// Gives `n` permits back, or adds them.
    ///
    /// The semaphore may be gone when this returns: somebody who has got them
    /// may free it.
    #[inline]
    #[track_caller]
    pub(super) fn release(&self, n: usize) {
        preempt::point_at_without_cancel("release permits");
        if let Some(locked) = self.word.put_or_lock(n) {
            self.release_slow(locked, n);
        }
    }

    /// Takes up to `n` of the available permits away; says how many.
    pub(super) fn forget(&self, n: usize) -> usize {
        self.word.remove_or_lock(n).unwrap_or_else(|locked| {
            let held = Held::new(self, locked);
            let permits = held.locked.permits();
            let removed = permits.min(n);
            held.end(Some(permits - removed), false);
            removed
        })
    }

    /// Lets nobody have permits any more, and turns those who wait away.
    pub(super) fn close(&self) {
        preempt::point_at_without_cancel("close");
        let held = Held::new(self, self.word.lock());
        let claimed = held.edit(|queue| queue.claim_all(Outcome::Closed));
        held.end(None, true);
        claimed.wake_all();
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, n: usize, deadline: Option<Instant>) -> Result<(), WaitFailure> {
        let began = profile::wait_begins();
        let acquired = if self.spin(n) {
            Ok(())
        } else {
            self.wait(n, deadline)
        };
        let object = std::ptr::from_ref(self).addr();
        profile::wait_ended(began, WaitReason::Semaphore, object);
        acquired
    }

    fn wait(&self, n: usize, deadline: Option<Instant>) -> Result<(), WaitFailure> {
        let held = match self.word.take_or_queue(n) {
            Ok(None) => return Ok(()),
            Ok(Some(locked)) => Held::new(self, locked),
            Err(_) => return Err(WaitFailure::Closed),
        };
        let wait = Wait {
            reason: WaitReason::Semaphore,
            object: std::ptr::from_ref(self).addr(),
            deadline,
            cancel: CancelMode::Deliver,
        };
        let node = Node::needing(n);
        let publish = |waiter: Waiter| {
            // SAFETY: the node is new, and stays in this frame until it was
            // claimed or `leave` took it back.
            held.edit(|queue| unsafe { queue.push_back(&node, waiter) });
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // only lock held, and neither panics nor parks.
        let outcome = unsafe { park::park(wait, publish, || held.unlock()) };
        match outcome {
            Ok(Outcome::Woken(_)) => Ok(()),
            Ok(Outcome::Closed) => Err(WaitFailure::Closed),
            Ok(Outcome::TimedOut) => {
                self.leave(&node);
                Err(WaitFailure::TimedOut)
            }
            Ok(Outcome::Cancelled) => {
                self.leave(&node);
                Err(WaitFailure::Cancelled)
            }
            // The queue is unlocked when `held` is dropped: before anybody
            // unwinds.
            Err(Refused) => Err(WaitFailure::Cancelled),
        }
    }

    /// Looks for a moment whether those who have the permits, if they run, are
    /// about to give them back.
    fn spin(&self, n: usize) -> bool {
        if !may_spin() {
            return false;
        }
        for round in 0..SPIN_ROUNDS {
            match self.word.try_take(n) {
                Ok(()) => return true,
                Err(AcquireFailure::Closed) => return false,
                // Others wait already: they come first.
                Err(AcquireFailure::NoPermits) if self.word.look().has_waiters() => return false,
                Err(AcquireFailure::NoPermits) => {}
            }
            for _ in 0..1 << round {
                spin_hint();
            }
        }
        false
    }

    /// A waiter whose wait was ended by its deadline or a cancel takes itself
    /// back. Those behind it may need less than it did, and be served now.
    #[cold]
    fn leave(&self, node: &Node) {
        let held = Held::new(self, self.word.lock());
        let nobody_waits = held.edit(|queue| {
            // SAFETY: the node was queued here, and its wait is over.
            unsafe { queue.remove(node) };
            queue.is_empty()
        });
        if nobody_waits {
            held.end(None, false);
        } else {
            held.serve(0);
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn release_slow(&self, locked: Locked<'_>, n: usize) {
        let held = Held::new(self, locked);
        check_sum(held.locked.permits(), n);
        held.serve(n);
    }

    /// How many are queued, for tests that must know that somebody is.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        Held::new(self, self.word.lock()).edit(|queue| queue.len())
    }
}

/// There may be as many permits as the word has room for.
#[inline(always)]
#[track_caller]
pub(super) fn check_sum(permits: usize, more: usize) {
    if more > MAX_PERMITS - permits {
        panic_too_many();
    }
}

#[cold]
#[track_caller]
fn panic_too_many() -> ! {
    panic!(
        "Semaphore: too many permits: more were added than Semaphore::MAX_PERMITS, \
         which is {MAX_PERMITS}"
    );
}

/// The queue, locked. Dropping it unlocks.
struct Held<'a> {
    core: &'a Core,
    locked: Locked<'a>,
    ended: Cell<bool>,
}

impl<'a> Held<'a> {
    fn new(core: &'a Core, locked: Locked<'a>) -> Held<'a> {
        Held {
            core,
            locked,
            ended: Cell::new(false),
        }
    }

    /// Changes the queue.
    fn edit<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        // SAFETY: the queue is locked, by this party only, and `f` is not nested.
        self.core.queue.with_mut(|queue| f(unsafe { &mut *queue }))
    }

    /// Gives what there is, and `more`, to the first waiters, who are there;
    /// unlocks, and wakes them.
    fn serve(self, more: usize) {
        let mut permits = self.locked.permits() + more;
        let claimed: Claimed =
            self.edit(|queue| queue.claim_within(&mut permits, Outcome::Woken(0)));
        self.end(Some(permits), false);
        claimed.wake_all();
    }

    /// Unlocks, and sets the permits or leaves them alone. With `close`, closes.
    fn end(self, permits: Option<usize>, close: bool) {
        self.unlock_with(permits, close);
    }

    /// Unlocks; from the commit callback, if the party parks.
    fn unlock(&self) {
        self.unlock_with(None, false);
    }

    fn unlock_with(&self, permits: Option<usize>, close: bool) {
        self.ended.set(true);
        let waiting = self.edit(|queue| !queue.is_empty());
        self.locked.unlock(waiting, permits, close);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.unlock();
        }
    }
}
