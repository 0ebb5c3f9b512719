//! Timers: one heap per processor, of entries that say when to look at a
//! goroutine, and in each G what is to be found there.
//!
//! Most deadlines are never reached: the value, lock or reply comes first. So
//! a wait that ended otherwise leaves its entry where it is, and the
//! goroutine's next deadline, which is mostly later, relies on that entry: an
//! entry that comes up before the deadline of its goroutine moves there, and
//! one that finds no wait with a deadline is dropped. Times are nanoseconds
//! since the runtime's origin. The protocol and its races: `README.md` beside
//! this file.
//!
//! Invariant: when a goroutine waits with a deadline, some heap has an entry
//! that comes up by then, or somebody is about to push one.

mod clock;
mod heap;
mod slot;
#[cfg(test)]
mod tests;

pub(crate) use crate::scheduler::NEVER;
pub(crate) use clock::Clock;
pub(crate) use slot::Slot;

use crate::goroutine::{G, GRef, GoroutineId};
use crate::park::{Outcome, PARKED};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use heap::{Entry, Heap};
use parking_lot::Mutex;

/// A heap with fewer entries than this is never swept.
const SWEEP_MIN: usize = 1024;

/// How many entries tell whether a heap is worth sweeping.
const SAMPLES: usize = 64;

/// The timers of one processor. Any thread may use them.
pub(crate) struct Timers {
    queue: Mutex<Queue>,
    /// The heap's earliest key, or [`NEVER`]. Written under the lock. Relaxed
    /// throughout: whoever acts on it takes the lock first.
    earliest: CachePadded<AtomicU64>,
}

struct Queue {
    heap: Heap,
    /// With so many entries, the next push looks for abandoned ones first.
    sweep_at: usize,
}

/// A wait whose time has come, taken out of its heap: nobody else ends it for that.
pub(crate) struct Due {
    g: GRef,
    ticket: u32,
}

/// What an entry that came up is good for.
enum Found {
    /// Its goroutine's wait, with this ticket, ends now.
    Due(u32),
    /// Its goroutine's wait ends later.
    Early(u64),
    /// Its goroutine needs no entry, or has another one.
    Abandoned,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            queue: Mutex::new(Queue {
                heap: Heap::new(),
                sweep_at: SWEEP_MIN,
            }),
            earliest: CachePadded::new(AtomicU64::new(NEVER)),
        }
    }

    /// When to call [`expire`](Timers::expire), or [`NEVER`]: no deadline is
    /// before that.
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::Relaxed)
    }

    /// How many entries it has: at least one for each wait that it keeps.
    pub(crate) fn len(&self) -> usize {
        self.queue.lock().heap.len()
    }

    /// Arms the timer of a goroutine that is leaving its stack.
    ///
    /// # Safety
    ///
    /// The caller is the machine that the goroutine is leaving, after its wait
    /// has begun. `g` belongs to the store of the same runtime.
    #[inline]
    pub(crate) unsafe fn arm(&self, g: GRef, when: u64) {
        // SAFETY: the caller's contract: the goroutine is alive.
        if unsafe { g.as_ref() }.timer.arm(when) {
            self.push(Entry { key: when, g });
        }
    }

    fn push(&self, entry: Entry) {
        let mut queue = self.queue.lock();
        if queue.heap.len() >= queue.sweep_at {
            queue.sweep();
        }
        queue.heap.push(entry);
        self.publish(&queue.heap);
    }

    /// Ends every wait whose time has come. The caller, who keeps the runtime
    /// alive, makes the goroutines runnable, in this order: that of their
    /// deadlines.
    #[inline]
    pub(crate) fn expire(&self, now: u64, expired: &mut Vec<GRef>) {
        self.take_due(now, |due| expired.extend(due.end()));
    }

    /// As [`expire`](Timers::expire), but leaves it to `take`, or to whoever that gives them
    /// to, to end the waits.
    #[inline]
    pub(crate) fn take_due(&self, now: u64, mut take: impl FnMut(Due)) {
        if self.earliest() > now {
            return;
        }
        let mut queue = self.queue.lock();
        let heap = &mut queue.heap;
        while let Some((_, due)) = heap.next_due(now) {
            take(due);
        }
        self.publish(heap);
    }

    /// The wait whose deadline comes first, taken out, and when that is. Entries before it,
    /// which no wait relies on, are dropped.
    pub(crate) fn take_first(&self) -> Option<(u64, Due)> {
        if self.earliest() == NEVER {
            return None;
        }
        let mut queue = self.queue.lock();
        let first = queue.heap.next_due(NEVER);
        self.publish(&queue.heap);
        first
    }

    /// Under the lock: lets others see what is earliest.
    fn publish(&self, heap: &Heap) {
        let earliest = heap.earliest();
        if self.earliest() != earliest {
            self.earliest.store(earliest, Ordering::Relaxed);
        }
    }
}

impl Heap {
    /// Takes out the next wait whose time has come, and when that was.
    #[inline]
    fn next_due(&mut self, now: u64) -> Option<(u64, Due)> {
        loop {
            let Entry { key, g } = self.due(now)?;
            // SAFETY: Gs stay allocated as long as their runtime, which is that
            // of the heaps that they went to, and which the caller keeps.
            match look(unsafe { g.as_ref() }, key) {
                Found::Due(ticket) => {
                    self.remove_first();
                    return Some((key, Due { g, ticket }));
                }
                Found::Early(when) => self.postpone_first(when),
                Found::Abandoned => self.remove_first(),
            }
        }
    }
}

/// For whoever keeps the runtime alive, and with it the Gs.
impl Due {
    fn g(&self) -> &G {
        // SAFETY: said above.
        unsafe { self.g.as_ref() }
    }

    /// The goroutine's number.
    pub(crate) fn id(&self) -> GoroutineId {
        self.g().id()
    }

    /// Whether nobody has ended the wait so far.
    pub(crate) fn is_waiting(&self) -> bool {
        self.g().cell.waits(self.ticket)
    }

    /// Ends the wait, unless somebody has: then the caller makes the goroutine runnable.
    #[inline]
    pub(crate) fn end(&self) -> Option<GRef> {
        let token = Outcome::TimedOut.to_token();
        self.g().cell.claim(self.ticket, token).then_some(self.g)
    }
}

/// Looks for what an entry stands for whose time has come.
///
/// The order of the first three steps matters: withdraw, state word, deadline.
fn look(g: &G, key: u64) -> Found {
    if !g.timer.withdraw(key) {
        return Found::Abandoned;
    }
    let word = g.cell.load();
    let when = g.timer.when();
    if !word.has(PARKED) || when == NEVER {
        return Found::Abandoned;
    }
    // Also if `when` has come by now: others may be due before it.
    if when > key {
        return match g.timer.announce(when) {
            true => Found::Early(when),
            false => Found::Abandoned,
        };
    }
    Found::Due(word.ticket())
}

impl Queue {
    /// The heap has doubled since the last time: drops its abandoned entries if
    /// there are many. A few tell whether there are, so that a heap that grows
    /// because its timers do is not looked through for nothing.
    #[cold]
    fn sweep(&mut self) {
        let step = self.heap.len().div_ceil(SAMPLES).max(1);
        let sample = self.heap.entries().iter().step_by(step);
        let abandoned = sample.filter(|entry| is_abandoned(entry)).count();
        if abandoned > SAMPLES / 8 {
            self.heap.retain(|entry| !is_abandoned(entry));
        }
        self.sweep_at = SWEEP_MIN.max(2 * self.heap.len());
    }
}

/// Whether an entry stands for no G any more. Under the lock: its key was in the
/// G before the entry was in the heap, so a key that differs is a later one.
fn is_abandoned(entry: &Entry) -> bool {
    // SAFETY: as in `expire`; whoever pushes has a goroutine of the runtime.
    !unsafe { entry.g.as_ref() }.timer.may_be(entry.key)
}
