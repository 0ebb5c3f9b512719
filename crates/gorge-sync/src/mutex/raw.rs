//! Acquiring and releasing: the fast paths, and what happens when they fail.

use super::turn;
use super::word::Word;
use crate::queue::{Node, Queue};
use crate::track::Lock;
use gorge_runtime::cancel;
use gorge_runtime::park::{self, CancelMode, Claim, Outcome, Wait, WaitReason};
#[cfg(not(gorge_loom))]
use gorge_runtime::preempt;
use gorge_runtime::primitive::{may_spin, spin_hint};
use gorge_runtime::profile;
use gorge_runtime::time;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Before it queues, a party looks this often, pausing twice as long each time:
/// 63 pauses, one or two microseconds in all, which is what a park costs.
const SPIN_ROUNDS: u32 = 6;

/// What the waker tells a waiter: go and compete.
const MAY_COMPETE: u16 = 0;
/// What the waker tells a waiter: the mutex is yours.
const HANDED_OVER: u16 = 1;

/// The lock below [`Mutex`](super::Mutex): one word, without data.
///
/// For `lock_api`, and for locks built on it.
pub struct RawMutex {
    word: Word,
}

impl RawMutex {
    #[cfg(not(gorge_loom))]
    const fn new() -> RawMutex {
        RawMutex { word: Word::new() }
    }

    #[cfg(gorge_loom)]
    pub(crate) fn new() -> RawMutex {
        RawMutex { word: Word::new() }
    }

    /// Takes the mutex, waiting for it as long as it takes.
    #[inline]
    pub(crate) fn acquire(&self) {
        if !self.word.try_acquire() {
            let acquired = self.acquire_slow(None);
            debug_assert!(acquired, "without a deadline there is no timing out");
        }
    }

    /// Takes the mutex if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        self.word.try_acquire()
    }

    /// Takes the mutex, waiting for it until `deadline` at most; `None` is one
    /// beyond the end of time. False if it passed.
    #[inline]
    pub(super) fn acquire_until(&self, deadline: impl FnOnce() -> Option<Instant>) -> bool {
        self.word.try_acquire() || self.acquire_slow(deadline())
    }

    /// Lets the mutex go, which the caller holds. Whoever is first may take it.
    #[inline]
    pub(crate) fn release(&self) {
        if !self.word.release_plain() {
            self.release_slow(false);
        }
    }

    /// Hands the mutex, which the caller holds, to the first in the queue.
    #[inline]
    pub(super) fn release_fair(&self) {
        if !self.word.release_plain() {
            self.release_slow(true);
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, deadline: Option<Instant>) -> bool {
        let began = profile::wait_begins();
        let acquired = self.spin() || self.acquire_queueing(&Node::new(), deadline, false);
        let object = std::ptr::from_ref(self).addr();
        profile::wait_ended(began, WaitReason::MutexLock, object);
        acquired
    }

    /// Takes the mutex, queueing for it. With `woken`, the caller is a waiter that
    /// was woken to compete.
    fn acquire_queueing(&self, node: &Node, deadline: Option<Instant>, mut woken: bool) -> bool {
        let wait = Wait {
            reason: WaitReason::MutexLock,
            object: std::ptr::from_ref(self).addr(),
            deadline,
            cancel: CancelMode::Withhold,
        };
        // A waiter that competes and loses again, this long after it first did, gets the
        // mutex handed over by the next unlock.
        let patience = turn::some_time();
        let mut first_lost = None;
        let mut starving = false;
        loop {
            let Some(held) = self.word.acquire_or_queue(woken) else {
                if woken {
                    turn::begins();
                }
                return true;
            };
            let publish = |waiter| {
                // SAFETY: each wait ends with the node out of the queue: it was
                // claimed, or `leave` takes it back. So it is in none before the
                // next one, and until then the frame that lent it stays.
                held.edit(|queue| unsafe {
                    match woken {
                        false => queue.push_back(node, waiter),
                        true => queue.push_front(node, waiter, starving),
                    }
                });
            };
            // SAFETY: the waiter is taken back as said above. `unlock` of the
            // queue, the only lock held, neither panics nor parks.
            let outcome = unsafe { park::park(wait, publish, || held.unlock()) };
            match outcome {
                Ok(Outcome::Woken(HANDED_OVER)) => {
                    turn::begins();
                    return true;
                }
                Ok(Outcome::Woken(_)) => woken = true,
                Ok(Outcome::TimedOut) => {
                    self.leave(node);
                    return false;
                }
                Err(park::Refused) => {
                    // Where it must not wait, a goroutine is refused at its
                    // first attempt: it is not queued, and was not woken.
                    held.unlock();
                    cancel::deliver();
                }
                Ok(Outcome::Cancelled | Outcome::Closed) => {
                    unreachable!("a mutex withholds cancels and is never closed")
                }
            }
            let now = time::now();
            let since = *first_lost.get_or_insert(now);
            starving = now.saturating_duration_since(since) >= patience;
        }
    }

    /// Looks for a moment whether the holder, if it runs, is about to let go.
    fn spin(&self) -> bool {
        if !may_spin() {
            return false;
        }
        for round in 0..SPIN_ROUNDS {
            if self.word.try_acquire() {
                return true;
            }
            // Others wait already: they come first.
            if self.word.has_queue() {
                return false;
            }
            for _ in 0..1 << round {
                spin_hint();
            }
        }
        false
    }

    /// A waiter that timed out takes itself back.
    ///
    /// If a waker took it out first, that waker failed to claim it, because the
    /// deadline had, and went on to the next: no wake-up is lost here.
    #[cold]
    fn leave(&self, node: &Node) {
        let held = self.word.lock_queue();
        // SAFETY: the node was queued here, and its wait is over.
        held.edit(|queue| unsafe { queue.remove(node) });
    }

    /// Releases the mutex while somebody waits, or is about to.
    #[cold]
    #[inline(never)]
    fn release_slow(&self, hand_over: bool) {
        let hand_over = hand_over || turn::is_over();
        let Some(held) = self.word.release_or_queue(hand_over) else {
            return;
        };
        let claimed = held.edit(|queue| {
            queue.claim_first(|starving| {
                let hand_over = hand_over || starving;
                Outcome::Woken(if hand_over { HANDED_OVER } else { MAY_COMPETE })
            })
        });
        // Once the mutex is let go, or its new holder is awake, it may be gone:
        // nothing below touches it after that.
        match claimed {
            None => held.release(),
            Some((claim, Outcome::Woken(HANDED_OVER))) => {
                held.unlock();
                claim.wake();
            }
            Some((claim, _)) => {
                held.release_to_woken();
                claim.wake();
            }
        }
    }

    #[inline]
    pub(crate) fn tracked(&self) -> Lock {
        Lock::exclusive(self, "Mutex")
    }

    /// Lets waiters of a condition variable wait for the mutex: behind all others,
    /// in their order.
    ///
    /// If nobody holds the mutex, nor is on the way to it, the first of them has
    /// to be woken: the caller does that, once it has released its locks. Each is
    /// woken with a code for [`acquire_passed_on`](RawMutex::acquire_passed_on).
    /// When one of them is awake, which may be before this returns, the mutex may
    /// be gone.
    pub(crate) fn pass_on(&self, waiters: Queue) -> Option<Claim> {
        let (held, attended) = self.word.lock_queue_to_append();
        held.edit(|queue| queue.append(waiters));
        if attended {
            held.unlock();
            return None;
        }
        let first = held.edit(|queue| queue.claim_first(|_| Outcome::Woken(MAY_COMPETE)));
        match first {
            None => {
                held.unlock();
                None
            }
            Some((claim, _)) => {
                held.unlock_to_woken();
                Some(claim)
            }
        }
    }

    /// Takes the mutex as a waiter that was [passed on](RawMutex::pass_on) to its
    /// queue, and woken from there with the code `told`.
    pub(crate) fn acquire_passed_on(&self, node: &Node, told: u16) {
        if told != HANDED_OVER {
            let acquired = self.acquire_queueing(node, None, true);
            debug_assert!(acquired, "without a deadline there is no timing out");
        }
    }

    /// As [`acquire_passed_on`](RawMutex::acquire_passed_on), for a waiter whose
    /// wait was ended otherwise.
    pub(crate) fn acquire_after_leaving(&self, node: &Node) {
        self.leave(node);
        self.acquire();
    }

    /// How many are queued, for tests that must know that somebody is.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.word.lock_queue().edit(|queue| queue.len())
    }
}

impl UnwindSafe for RawMutex {}
// Its queue is whole whenever it is unlocked.
impl RefUnwindSafe for RawMutex {}

impl Drop for RawMutex {
    #[inline]
    fn drop(&mut self) {
        self.tracked().is_gone();
    }
}

// SAFETY: LOCKED is set by one party at a time, in one atomic step from unset,
// or handed from holder to holder; so at most one holds the mutex.
#[cfg(not(gorge_loom))]
unsafe impl lock_api::RawMutex for RawMutex {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "the trait asks for it"
    )]
    const INIT: RawMutex = RawMutex::new();

    /// Nothing of the holder's thread or goroutine is remembered, so any other
    /// may unlock.
    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        preempt::point_at_without_cancel("lock");
        self.tracked().acquire(|| self.acquire());
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.tracked().try_acquire(|| self.try_acquire())
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.tracked().lets_go();
        self.release();
    }

    #[inline]
    fn is_locked(&self) -> bool {
        preempt::point_at_without_cancel("look at a lock");
        self.word.is_locked()
    }
}

// SAFETY: as for `RawMutex`; a hand-over goes to one waiter.
#[cfg(not(gorge_loom))]
unsafe impl lock_api::RawMutexFair for RawMutex {
    #[inline]
    unsafe fn unlock_fair(&self) {
        self.tracked().lets_go();
        self.release_fair();
    }

    #[inline]
    unsafe fn bump(&self) {
        if self.word.has_queue() {
            self.tracked().lets_go();
            self.release_fair();
            self.tracked().acquire(|| self.acquire());
        }
    }
}

// SAFETY: as for `RawMutex`; a timed lock that fails leaves LOCKED alone.
#[cfg(not(gorge_loom))]
unsafe impl lock_api::RawMutexTimed for RawMutex {
    type Duration = Duration;
    type Instant = Instant;

    #[inline]
    fn try_lock_for(&self, timeout: Duration) -> bool {
        let deadline = || time::now().checked_add(timeout);
        self.tracked().try_acquire(|| self.acquire_until(deadline))
    }

    #[inline]
    fn try_lock_until(&self, deadline: Instant) -> bool {
        let deadline = || Some(deadline);
        self.tracked().try_acquire(|| self.acquire_until(deadline))
    }
}
