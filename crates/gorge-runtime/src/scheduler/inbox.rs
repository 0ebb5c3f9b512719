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

use crate::primitive::atomic::{AtomicPtr, Ordering};
use std::collections::VecDeque;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

/// What goes into an inbox: a goroutine, or a model's stand-in for one.
pub(crate) trait Linked: Sized {
    /// The link of the queue that it is in.
    fn next(&self) -> &AtomicPtr<Self>;
}

/// See the module's description.
pub(crate) struct Inbox<T> {
    word: AtomicPtr<T>,
}

impl<T: Linked> Inbox<T> {
    const SLEEPING: *mut T = without_provenance_mut(1);

    pub(crate) fn new() -> Inbox<T> {
        Inbox {
            word: AtomicPtr::new(null_mut()),
        }
    }

    /// Delivers a goroutine. True when the caller must wake the machine.
    #[must_use]
    pub(crate) fn push(&self, g: NonNull<T>) -> bool {
        let mut head = self.word.load(Ordering::Relaxed);
        loop {
            let next = if head == Self::SLEEPING {
                null_mut()
            } else {
                head
            };
            // SAFETY: a goroutine that is being made runnable is alive.
            unsafe { g.as_ref() }.next().store(next, Ordering::Relaxed);
            // AcqRel: the owner acquires the goroutine's state with the list.
            let swap = self.word.compare_exchange_weak(
                head,
                g.as_ptr(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return head == Self::SLEEPING,
                Err(changed) => head = changed,
            }
        }
    }

    /// Owner: announces sleep. False when there is something in the inbox.
    #[must_use]
    pub(crate) fn begin_sleep(&self) -> bool {
        self.word
            .compare_exchange(
                null_mut(),
                Self::SLEEPING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Owner: whether anything was delivered, or sleep announced.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.word.load(Ordering::Relaxed).is_null()
    }

    /// Whether a goroutine was delivered that the owner has not seen.
    pub(crate) fn has_delivery(&self) -> bool {
        Self::delivered(self.word.load(Ordering::Relaxed)).is_some()
    }

    /// Owner, awake: moves what was delivered to the queue, oldest first, and
    /// ends an announced sleep.
    #[cold]
    pub(crate) fn drain(&self, queue: &mut VecDeque<NonNull<T>>) {
        // Acquire: pairs with the Release of the pushes.
        let mut word = self.word.swap(null_mut(), Ordering::Acquire);
        let first = queue.len();
        while let Some(g) = Self::delivered(word) {
            queue.push_back(g);
            // SAFETY: queued goroutines are alive; the link was written before
            // the push that this swap acquired.
            word = unsafe { g.as_ref() }.next().load(Ordering::Relaxed);
        }
        // The list is newest first.
        let end = queue.len();
        queue.make_contiguous()[first..end].reverse();
    }

    fn delivered(word: *mut T) -> Option<NonNull<T>> {
        if word == Self::SLEEPING {
            None
        } else {
            NonNull::new(word)
        }
    }
}
