//! A machine's inbox: goroutines homed to it that others made runnable, and
//! whether it sleeps. One word, so that delivering and waking cannot miss
//! each other.
//!
//! | word | meaning |
//! | --- | --- |
//! | null | empty, the machine is awake |
//! | SLEEPING | empty, the machine sleeps or is about to |
//! | a G | newest of a list through `next` that ends in null |
//!
//! Whoever replaces SLEEPING wakes the machine: a sleeping machine gets one
//! wake-up, and a list in the word never meets a machine that sleeps on it.

use crate::goroutine::{G, GRef};
use crate::primitive::atomic::{AtomicPtr, Ordering};
use std::collections::VecDeque;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

const SLEEPING: *mut G = without_provenance_mut(1);

/// See the module's description.
pub(super) struct Inbox {
    word: AtomicPtr<G>,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox {
            word: AtomicPtr::new(null_mut()),
        }
    }

    /// Delivers a goroutine. True when the caller must wake the machine.
    #[must_use]
    pub(super) fn push(&self, g: GRef) -> bool {
        let mut head = self.word.load(Ordering::Relaxed);
        loop {
            let next = if head == SLEEPING { null_mut() } else { head };
            // SAFETY: a goroutine that is being made runnable is alive.
            unsafe { g.as_ref() }.next.store(next, Ordering::Relaxed);
            // AcqRel: the owner acquires the goroutine's state with the list.
            let swap = self.word.compare_exchange_weak(
                head,
                g.as_ptr(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return head == SLEEPING,
                Err(changed) => head = changed,
            }
        }
    }

    /// Owner: announces sleep. False when there is something in the inbox.
    #[must_use]
    pub(super) fn begin_sleep(&self) -> bool {
        self.word
            .compare_exchange(null_mut(), SLEEPING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Owner: whether anything was delivered, or sleep announced.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.word.load(Ordering::Relaxed).is_null()
    }

    /// Whether a goroutine was delivered that the owner has not seen.
    pub(super) fn has_delivery(&self) -> bool {
        goroutine(self.word.load(Ordering::Relaxed)).is_some()
    }

    /// Owner, awake: moves what was delivered to the queue, oldest first, and
    /// ends an announced sleep.
    #[cold]
    pub(super) fn drain(&self, queue: &mut VecDeque<GRef>) {
        // Acquire: pairs with the Release of the pushes.
        let mut word = self.word.swap(null_mut(), Ordering::Acquire);
        let first = queue.len();
        while let Some(g) = goroutine(word) {
            queue.push_back(g);
            // SAFETY: queued goroutines are alive; the link was written before
            // the push that this swap acquired.
            word = unsafe { g.as_ref() }.next.load(Ordering::Relaxed);
        }
        // The list is newest first.
        let end = queue.len();
        queue.make_contiguous()[first..end].reverse();
    }
}

fn goroutine(word: *mut G) -> Option<GRef> {
    if word == SLEEPING {
        None
    } else {
        NonNull::new(word)
    }
}
