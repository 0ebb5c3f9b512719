//! Timers: one heap per processor, run by its worker.
//!
//! A goroutine waits for at most one deadline, so its place in a heap is a
//! field of its G, and taking a timer out is a lookup, not a search: nothing
//! stale ever stays in a heap. Times are nanoseconds since the runtime's
//! origin.
//!
//! A heap holds plain pointers to Gs. They are valid because a goroutine does
//! not leave its wait before it has taken its timer out ([`disarm`]), or the
//! heap has ([`Timers::expire`], which claims the wait under the heap's lock).

mod clock;
mod heap;

pub(crate) use crate::scheduler::NEVER;
pub(crate) use clock::Clock;

use crate::goroutine::{G, GRef};
use crate::park::Outcome;
use crate::primitive::atomic::{AtomicU64, Ordering};
use heap::{Entry, Heap};
use parking_lot::Mutex;
use std::ptr::NonNull;

/// Where a goroutine's timer is: the processor whose heap it went to last, and
/// the position in it, which the heap's lock protects.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) processor: u32,
    position: heap::Position,
}

/// The timers of one processor.
pub(crate) struct Timers {
    heap: Mutex<Heap>,
    /// The heap's earliest time, or [`NEVER`].
    earliest: AtomicU64,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            heap: Mutex::new(Heap::new()),
            earliest: AtomicU64::new(NEVER),
        }
    }

    /// The earliest time, or [`NEVER`].
    pub(crate) fn earliest(&self) -> u64 {
        // Acquire: pairs with the Release in `arm` and `expire`.
        self.earliest.load(Ordering::Acquire)
    }

    /// How many waits it keeps.
    pub(crate) fn len(&self) -> usize {
        self.heap.lock().len()
    }

    /// Ends every wait whose time has come. The caller makes the goroutines
    /// runnable, in this order: that of their deadlines.
    pub(crate) fn expire(&self, now: u64, expired: &mut Vec<GRef>) {
        if self.earliest() > now {
            return;
        }
        let mut heap = self.heap.lock();
        while let Some(entry) = heap.pop_due(now) {
            // SAFETY: an entry's goroutine is in its wait while the entry
            // exists and the lock is held.
            let g = unsafe { entry.g.as_ref() };
            if g.cell.claim(entry.ticket, Outcome::TimedOut.to_token()) {
                expired.push(entry.g);
            }
        }
        self.earliest.store(heap.earliest(), Ordering::Release);
    }
}

/// Arms the timer of a goroutine that is leaving its stack.
///
/// # Safety
///
/// The caller is the machine that the goroutine is leaving: `g`'s run part is
/// its to use, and the wait with `ticket` has begun. `timers` are those of the
/// processor with this index.
pub(crate) unsafe fn arm(timers: &Timers, processor: u32, g: GRef, ticket: u32, when: u64) {
    let mut heap = timers.heap.lock();
    // SAFETY: the caller's contract.
    unsafe { (&raw mut (*g.as_ref().run.get()).timer.processor).write(processor) };
    heap.push(Entry { when, ticket, g });
    timers.earliest.store(heap.earliest(), Ordering::Release);
}

/// Takes the timer of a goroutine that was woken otherwise out of the heap that
/// it went to. Called by the goroutine itself.
pub(crate) fn disarm(timers: &Timers, g: &G) {
    let mut heap = timers.heap.lock();
    if heap.remove(NonNull::from(g)) {
        timers.earliest.store(heap.earliest(), Ordering::Release);
    }
}
