//! A G's second word: how many hold it, and how far its end has come.
//!
//! ```text
//!  63                       8 7    4     3          2         1         0
//!  +-------------------------+------+----------+---------+----------+------+
//!  |       references        |      | EXPECTED | WAITING | DETACHED | DONE |
//!  +-------------------------+------+----------+---------+----------+------+
//! ```
//!
//! References: one of the runtime's store for as long as the runtime exists,
//! one of the goroutine while it is alive, one of each handle. A G with the
//! store's reference alone is free for its next life.
//!
//! The result belongs to the join handle once DONE is set, and to the
//! goroutine before. DONE and DETACHED are set by compare-and-swap against
//! each other, so exactly one side finds that it must drop the result:
//!
//! | first | second | who drops the result |
//! | --- | --- | --- |
//! | DETACHED (handle dropped) | the goroutine ends | the goroutine |
//! | DONE | the handle is dropped or joined | the handle |

use crate::primitive::atomic::{AtomicU64, Ordering};

const DONE: u64 = 1;
const DETACHED: u64 = 1 << 1;
/// A joiner is in the slot, under the join lock.
const WAITING: u64 = 1 << 2;
/// A goroutine of the same runtime waits, without the lock.
const EXPECTED: u64 = 1 << 3;
const REFERENCE: u64 = 1 << 8;

/// See the module's description.
pub(crate) struct Life(AtomicU64);

/// What the goroutine does after it has left its result.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// Nobody will ask for the result: drop it.
    DropResult,
    /// The handle owns the result now.
    Done,
    /// As `Done`, and a goroutine of the same runtime waits.
    WakeExpected,
    /// As `Done`, and somebody may wait in the slot.
    WakeJoiner,
}

impl Life {
    /// A free G: the store's reference alone.
    pub(crate) fn new() -> Life {
        Life(AtomicU64::new(REFERENCE))
    }

    /// Starts a life with a join handle: three references.
    #[inline]
    pub(crate) fn restart(&self) {
        // Relaxed: the G is exclusively the spawner's until it is queued.
        self.0.store(3 * REFERENCE, Ordering::Relaxed);
    }

    /// The goroutine has written its result.
    #[inline]
    pub(crate) fn complete(&self) -> Completion {
        // Acquire: pairs with the handle's Release when it detached.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & DETACHED != 0 {
                return Completion::DropResult;
            }
            // Release: hands the result to the handle. Acquire: sees the
            // joiner's waiter.
            let swap = self.0.compare_exchange_weak(
                word,
                word | DONE,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swap {
                Ok(_) if word & EXPECTED != 0 => return Completion::WakeExpected,
                Ok(_) if word & WAITING != 0 => return Completion::WakeJoiner,
                Ok(_) => return Completion::Done,
                Err(changed) => word = changed,
            }
        }
    }

    /// Whether the result is there for the handle to take.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // Acquire: pairs with the Release of `complete`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Joiner, under the join lock: announces that a waiter will be published.
    /// False when the result is already there.
    #[inline]
    pub(crate) fn announce_joiner(&self) -> bool {
        // AcqRel: acquires the result if DONE; `complete` acquires the rest.
        let word = self.0.fetch_or(WAITING, Ordering::AcqRel);
        assert!(
            word & EXPECTED == 0,
            "the slot has another use in this life"
        );
        word & DONE == 0
    }

    /// Joiner, a goroutine of the same runtime, off its stack: announces that it waits, under
    /// the name that it has left. False when the result is already there.
    #[inline]
    pub(crate) fn expect(&self) -> bool {
        // AcqRel: releases the name to `complete`; acquires the result if DONE.
        self.0.fetch_or(EXPECTED, Ordering::AcqRel) & DONE == 0
    }

    /// The join handle is dropped without taking the result. True when the
    /// caller must drop the result, and then call [`release`](Life::release).
    #[inline]
    pub(crate) fn detach(&self) -> bool {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & DONE != 0 {
                return true;
            }
            // Release: what the handle's owner did comes before the G's reuse.
            let detached = (word | DETACHED) - REFERENCE;
            let swap =
                self.0
                    .compare_exchange_weak(word, detached, Ordering::AcqRel, Ordering::Acquire);
            match swap {
                Ok(_) => return false,
                Err(changed) => word = changed,
            }
        }
    }

    pub(crate) fn acquire(&self) {
        // Relaxed: whoever adds a reference has one.
        self.0.fetch_add(REFERENCE, Ordering::Relaxed);
    }

    /// How many handles there are, while the goroutine is alive.
    pub(crate) fn handles(&self) -> u64 {
        (self.0.load(Ordering::Acquire) / REFERENCE).saturating_sub(2)
    }

    /// Gives a reference up; returns how many remain.
    #[inline]
    pub(crate) fn release(&self) -> u64 {
        // Release: our use comes before the next life; Acquire: so does theirs
        // if we are the last.
        self.0.fetch_sub(REFERENCE, Ordering::AcqRel) / REFERENCE - 1
    }

    /// Gives up the goroutine's own reference at its end, or a handle's, on a thread that
    /// keeps the store: true when only the store's remains.
    #[inline]
    pub(crate) fn release_to_store(&self) -> bool {
        // Acquire: pairs with the Release of whoever released before. Nobody can add a
        // reference when only the store's and ours are left, and the store keeps its own.
        if self.0.load(Ordering::Acquire) / REFERENCE == 2 {
            self.0.store(REFERENCE, Ordering::Relaxed);
            return true;
        }
        self.release() == 1
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_comes_second_drops_the_result() {
        let life = Life::new();
        life.restart();
        assert!(!life.detach(), "the goroutine still runs");
        assert_eq!(life.complete(), Completion::DropResult);
        assert!(life.release_to_store());

        life.restart();
        assert_eq!(life.complete(), Completion::Done);
        assert!(life.detach(), "the handle finds the result");
        assert_eq!(life.release(), 2);
        assert!(life.release_to_store());
    }

    #[test]
    fn a_joiner_that_announced_itself_is_woken() {
        let life = Life::new();
        life.restart();
        assert!(life.announce_joiner());
        assert_eq!(life.complete(), Completion::WakeJoiner);
        assert!(!life.announce_joiner());

        life.restart();
        assert!(life.expect());
        assert_eq!(life.complete(), Completion::WakeExpected);
        assert!(!life.expect());
    }
}
