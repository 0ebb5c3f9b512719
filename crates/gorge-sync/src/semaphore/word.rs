//! The one word of a semaphore: its bits, and every transition.
//!
//! ```text
//!  63                                4    3       2      1        0
//!  +-----------------------------------+--------+------+-------+------+
//!  |              permits              |SLEEPERS|LOCKED|WAITING|CLOSED|
//!  +-----------------------------------+--------+------+-------+------+
//! ```
//!
//! * CLOSED: no permit is given out any more.
//! * WAITING: somebody is queued, or about to be, with the lock.
//! * LOCKED: somebody holds the queue, for a few dozen instructions.
//! * SLEEPERS: an OS thread sleeps until the queue is unlocked. It happens when
//!   the kernel takes the processor from whoever holds the queue.
//!
//! With WAITING, only the holder of the queue changes the permits, or any flag
//! but SLEEPERS. Without, nobody is queued, and permits come and go in one step.
//!
//! | transition | from → to | by |
//! | --- | --- | --- |
//! | [`try_take`](Word::try_take) | n, … → n − k, … without WAITING, CLOSED | newcomer |
//! | [`take_or_queue`](Word::take_or_queue) | the same | newcomer |
//! |  | … → …+LOCKED+WAITING | the same, to wait |
//! | [`put_or_lock`](Word::put_or_lock) | n, … → n + k, … without WAITING | who gives back |
//! |  | …+WAITING → …+WAITING+LOCKED | the same, to serve waiters |
//! | [`remove_or_lock`](Word::remove_or_lock) | as `put_or_lock`, n − k | who forgets permits |
//! | [`lock`](Word::lock) | … → …+LOCKED | a waiter that leaves, who closes |
//! | [`Locked::unlock`] | …+LOCKED → … | holder of the queue |
//!
//! The module above argues why no wake-up is lost.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use super::core::{AcquireFailure, check_sum};
use crate::bit_lock::Looks;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_runtime::primitive::sleep;
use std::cell::Cell;
use std::ptr;

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
const LOCKED: usize = 1 << 2;
const SLEEPERS: usize = 1 << 3;
const SHIFT: u32 = 4;

/// As many permits as the word has room for.
pub(super) const MAX_PERMITS: usize = usize::MAX >> SHIFT;

/// The state word.
pub(super) struct Word(AtomicUsize);

/// What the word said at one moment.
#[derive(Clone, Copy)]
pub(super) struct Snapshot(usize);

impl Snapshot {
    fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }
    fn with(self, flags: usize) -> Snapshot {
        Snapshot(self.0 | flags)
    }
    fn with_permits(self, permits: usize) -> Snapshot {
        Snapshot((permits << SHIFT) | (self.0 & !(MAX_PERMITS << SHIFT)))
    }
    pub(super) fn permits(self) -> usize {
        self.0 >> SHIFT
    }
    pub(super) fn is_closed(self) -> bool {
        self.has(CLOSED)
    }
    pub(super) fn has_waiters(self) -> bool {
        self.has(WAITING)
    }

    /// The word without `n` of its permits, if a newcomer may have them.
    #[inline(always)]
    fn taking(self, n: usize) -> Result<Snapshot, AcquireFailure> {
        if self.has(CLOSED) {
            Err(AcquireFailure::Closed)
        } else if (self.has(WAITING) && n != 0) || self.permits() < n {
            Err(AcquireFailure::NoPermits)
        } else {
            Ok(Snapshot(self.0 - (n << SHIFT)))
        }
    }
}

impl Word {
    /// `permits` is not more than [`MAX_PERMITS`].
    #[cfg(not(gorge_loom))]
    pub(super) const fn new(permits: usize) -> Word {
        Word(AtomicUsize::new(permits << SHIFT))
    }

    /// `permits` is not more than [`MAX_PERMITS`].
    #[cfg(gorge_loom)]
    pub(super) fn new(permits: usize) -> Word {
        Word(AtomicUsize::new(permits << SHIFT))
    }

    /// What it says now. Of a closed one, what happened before it was closed
    /// is visible.
    pub(super) fn look(&self) -> Snapshot {
        // Acquire: pairs with the Release of the `unlock` that closes.
        Snapshot(self.0.load(Ordering::Acquire))
    }

    fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Relaxed))
    }

    /// Takes `n` permits, unless others wait for some.
    #[inline]
    pub(super) fn try_take(&self, n: usize) -> Result<(), AcquireFailure> {
        let mut word = self.load();
        loop {
            // Acquire: pairs with the Release of those who gave these permits
            // back, so that what they did with them is seen. A chain of
            // read-modify-writes leads from there to here.
            match self.replace(word, word.taking(n)?, Ordering::Acquire) {
                Ok(()) => return Ok(()),
                Err(changed) => word = changed,
            }
        }
    }

    /// Takes `n` permits; or else locks the queue, to wait in it.
    pub(super) fn take_or_queue(&self, n: usize) -> Result<Option<Locked<'_>>, AcquireFailure> {
        let locked = self.lock_unless(WAITING, |word| match word.taking(n) {
            Ok(taken) => Shortcut::To(taken),
            Err(AcquireFailure::Closed) => Shortcut::Stay,
            Err(AcquireFailure::NoPermits) => Shortcut::None,
        });
        match locked {
            Ended::Locked(locked) => Ok(Some(locked)),
            Ended::Changed => Ok(None),
            Ended::Stayed => Err(AcquireFailure::Closed),
        }
    }

    /// Gives `n` permits to whoever comes next; or locks the queue, if somebody
    /// waits for them.
    #[inline]
    #[track_caller]
    pub(super) fn put_or_lock(&self, n: usize) -> Option<Locked<'_>> {
        let mut word = self.load();
        loop {
            check_sum(word.permits(), n);
            if word.has(WAITING) {
                return self.lock_if_waiting(|word| {
                    check_sum(word.permits(), n);
                    Snapshot(word.0 + (n << SHIFT))
                });
            }
            // Release: pairs with the Acquire of whoever takes these permits.
            match self.replace(word, Snapshot(word.0 + (n << SHIFT)), Ordering::Release) {
                Ok(()) => return None,
                Err(changed) => word = changed,
            }
        }
    }

    /// Takes up to `n` permits away, and says how many; or locks the queue, if
    /// somebody waits.
    pub(super) fn remove_or_lock(&self, n: usize) -> Result<usize, Locked<'_>> {
        let removed = Cell::new(0);
        let locked = self.lock_if_waiting(|word| {
            removed.set(word.permits().min(n));
            Snapshot(word.0 - (removed.get() << SHIFT))
        });
        locked.map_or(Ok(removed.get()), Err)
    }

    /// Locks the queue.
    pub(super) fn lock(&self) -> Locked<'_> {
        match self.lock_unless(0, |_| Shortcut::None) {
            Ended::Locked(locked) => locked,
            Ended::Changed | Ended::Stayed => unreachable!("there is no other way"),
        }
    }

    /// Locks the queue if anybody waits, or else goes to the word of `shortcut`.
    #[cold]
    #[inline(never)]
    fn lock_if_waiting(&self, shortcut: impl Fn(Snapshot) -> Snapshot) -> Option<Locked<'_>> {
        let locked = self.lock_unless(0, |word| match word.has(WAITING) {
            true => Shortcut::None,
            false => Shortcut::To(shortcut(word)),
        });
        match locked {
            Ended::Locked(locked) => Some(locked),
            Ended::Changed | Ended::Stayed => None,
        }
    }

    /// Locks the queue and sets `flags`, unless `shortcut` knows better.
    fn lock_unless(&self, flags: usize, shortcut: impl Fn(Snapshot) -> Shortcut) -> Ended<'_> {
        let mut looks = Looks::default();
        let mut word = self.load();
        loop {
            let (next, ended) = match shortcut(word) {
                Shortcut::Stay => return Ended::Stayed,
                Shortcut::To(next) => (next, None),
                Shortcut::None if word.has(LOCKED) => {
                    self.await_unlock(&mut looks);
                    word = self.load();
                    continue;
                }
                Shortcut::None => (word.with(LOCKED | flags), Some(())),
            };
            // Acquire: pairs with the Release of the last holder of the queue
            // (its nodes, and what happened before the permits it left), and of
            // those who gave permits back. Release: pairs with the Acquire of
            // whoever takes the permits of a shortcut.
            match self.replace(word, next, Ordering::AcqRel) {
                Ok(()) if ended.is_none() => return Ended::Changed,
                Ok(()) => return Ended::Locked(Locked::new(self)),
                Err(changed) => word = changed,
            }
        }
    }

    /// Waits a bit for the queue: first looking, then asleep.
    #[cold]
    fn await_unlock(&self, looks: &mut Looks) {
        let announce = || {
            let word = self.load();
            // Relaxed: the flag carries no data.
            word.has(LOCKED)
                && self
                    .replace(word, word.with(SLEEPERS), Ordering::Relaxed)
                    .is_ok()
        };
        let is_announced = || {
            let word = self.load();
            word.has(LOCKED) && word.has(SLEEPERS)
        };
        looks.wait(self.address(), announce, is_announced);
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    #[inline]
    fn replace(&self, old: Snapshot, new: Snapshot, order: Ordering) -> Result<(), Snapshot> {
        match self
            .0
            .compare_exchange_weak(old.0, new.0, order, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            Err(changed) => Err(Snapshot(changed)),
        }
    }
}

/// What can be done instead of locking the queue.
enum Shortcut {
    /// To go to this word.
    To(Snapshot),
    /// To leave the word as it is.
    Stay,
    /// Nothing.
    None,
}

enum Ended<'a> {
    Locked(Locked<'a>),
    /// By a shortcut.
    Changed,
    Stayed,
}

/// The right to touch the queue.
///
/// A party that parks unlocks from the commit callback, which runs while the
/// party is off its stack: hence the shared references.
#[must_use = "whoever has locked the queue unlocks it"]
pub(super) struct Locked<'a> {
    word: &'a Word,
}

impl<'a> Locked<'a> {
    fn new(word: &'a Word) -> Locked<'a> {
        Locked { word }
    }

    /// The permits, which stay as they are while somebody waits.
    pub(super) fn permits(&self) -> usize {
        self.word.load().permits()
    }

    /// Unlocks the queue, in one step with all else: says whether anybody is
    /// still queued, sets the permits if it is told to, and closes.
    ///
    /// The semaphore may be gone when this returns. Called once.
    pub(super) fn unlock(&self, waiting: bool, permits: Option<usize>, close: bool) {
        let address = self.word.address();
        let mut word = self.word.load();
        loop {
            let kept = word.with_permits(permits.unwrap_or(word.permits()));
            let mut next = Snapshot(kept.0 & !(LOCKED | SLEEPERS | WAITING));
            next.0 |= if waiting { WAITING } else { 0 };
            next.0 |= if close { CLOSED } else { 0 };
            // Release: pairs with the Acquire of the next holder of the queue,
            // and of whoever takes the permits that are left.
            match self.word.replace(word, next, Ordering::Release) {
                Ok(()) => break,
                Err(changed) => word = changed,
            }
        }
        if word.has(SLEEPERS) {
            // SAFETY: the address is, or was, that of a word.
            unsafe { sleep::wake_all(address) };
        }
    }
}
