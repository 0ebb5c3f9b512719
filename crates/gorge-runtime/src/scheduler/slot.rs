//! A machine's place in its runtime: what other threads touch of a machine, and
//! its processor.
//!
//! Slots are found by number, from 1, which is what a goroutine's home says. A
//! slot outlives its machine: the next one with that number takes it over,
//! caches, timers and all. None is ever freed before the runtime is.

use super::inbox::{Inbox, Linked};
use super::parker::Parker;
use super::permits::{IDLE, Standings};
use super::processor::{Processor, bump};
use super::thread_clock::ThreadClock;
use crate::goroutine::{G, GRef};
use crate::primitive::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use std::ptr::{NonNull, null_mut};

/// See the module's description. In three groups: written by the machine all the
/// time, by the monitor now and then, and by whoever delivers.
pub(crate) struct Slot {
    pub(crate) number: u32,
    own: CachePadded<Own>,
    /// Whether the machine may run goroutines; see [`super::permits`].
    pub(crate) standing: CachePadded<AtomicU32>,
    /// What the machine is asked to do at its next lap, or a goroutine at its
    /// next operation; see [`super::preempt`].
    pub(crate) attention: AtomicU32,
    pub(super) inbox: CachePadded<Inbox<G>>,
    pub(crate) parker: Parker,
    /// The machine's thread, while there is one.
    pub(crate) thread: Mutex<Option<ThreadClock>>,
    pub(crate) processor: Processor,
}

/// Written by the machine alone.
struct Own {
    running: AtomicPtr<G>,
    /// Odd while the goroutine runs a closure that may block.
    blocking: AtomicU32,
    /// Goroutines that have started here and must end here.
    residents: AtomicU32,
    /// How often the machine fell asleep, and how long it was active, in
    /// nanoseconds, up to the last time.
    rests: AtomicU64,
    busy_ns: AtomicU64,
}

impl Slot {
    fn new(number: u32, seed: u64) -> Slot {
        Slot {
            number,
            own: CachePadded::new(Own {
                running: AtomicPtr::new(null_mut()),
                blocking: AtomicU32::new(0),
                residents: AtomicU32::new(0),
                rests: AtomicU64::new(0),
                busy_ns: AtomicU64::new(0),
            }),
            standing: CachePadded::new(AtomicU32::new(IDLE)),
            attention: AtomicU32::new(0),
            inbox: CachePadded::new(Inbox::new()),
            parker: Parker::default(),
            thread: Mutex::new(None),
            processor: Processor::new(number as usize, seed),
        }
    }

    /// From 1: what a goroutine's home says.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Machine: what it runs now, if anything, for others to see.
    #[inline]
    pub(crate) fn set_running(&self, g: Option<GRef>) {
        let g = g.map_or(null_mut(), GRef::as_ptr);
        // Release: pairs with the Acquire in `running`. Who finds the G here sees it as
        // it was made.
        self.own.running.store(g, Ordering::Release);
    }

    /// The G that the machine runs. It is never freed while the runtime is
    /// there, but may be in another life by now.
    pub(crate) fn running(&self) -> Option<GRef> {
        // Acquire: pairs with the Release in `set_running`.
        NonNull::new(self.own.running.load(Ordering::Acquire))
    }

    /// Machine: one more goroutine is bound to it, or one fewer.
    #[inline]
    pub(crate) fn add_resident(&self) {
        let count = self.own.residents.load(Ordering::Relaxed);
        self.own.residents.store(count + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn remove_resident(&self) {
        let count = self.own.residents.load(Ordering::Relaxed);
        self.own.residents.store(count - 1, Ordering::Relaxed);
    }

    pub(crate) fn residents(&self) -> u32 {
        self.own.residents.load(Ordering::Relaxed)
    }

    /// Goroutine: enters or leaves a closure that may block.
    #[inline]
    pub(crate) fn step_blocking(&self) {
        let step = self.own.blocking.load(Ordering::Relaxed).wrapping_add(1);
        // Release: the monitor that sees the step sees what came before.
        self.own.blocking.store(step, Ordering::Release);
    }

    /// The number of steps so far: odd in a closure that may block.
    pub(crate) fn blocking_steps(&self) -> u32 {
        self.own.blocking.load(Ordering::Acquire)
    }

    /// Machine: it was active for so long, and falls asleep.
    pub(crate) fn count_rest(&self, busy_ns: u64) {
        bump(&self.own.rests);
        let total = self.own.busy_ns.load(Ordering::Relaxed) + busy_ns;
        self.own.busy_ns.store(total, Ordering::Relaxed);
    }

    pub(crate) fn rests(&self) -> u64 {
        self.own.rests.load(Ordering::Relaxed)
    }

    pub(crate) fn busy_ns(&self) -> u64 {
        self.own.busy_ns.load(Ordering::Relaxed)
    }
}

/// All slots of a runtime, by number.
pub(crate) struct Slots {
    table: Box<[AtomicPtr<Slot>]>,
    len: AtomicUsize,
    seed: u64,
}

impl Slots {
    pub(crate) fn new(max: u32, seed: u64) -> Slots {
        Slots {
            table: (0..max).map(|_| AtomicPtr::new(null_mut())).collect(),
            len: AtomicUsize::new(0),
            seed,
        }
    }

    /// The slot with this number, which was made before.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> &Slot {
        // Acquire: pairs with the Release of `of`.
        let slot = self.table[number as usize - 1].load(Ordering::Acquire);
        // SAFETY: numbers are given out by the permits, under their lock, which
        // makes the slot first; it is freed with the table.
        unsafe { &*slot }
    }

    /// All slots, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> + Clone {
        // Acquire: pairs with the Release of `of`.
        let len = self.len.load(Ordering::Acquire);
        (1..=len).map(|number| self.get(number as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

impl Linked for G {
    fn next(&self) -> &AtomicPtr<G> {
        &self.next
    }
}

impl Standings for Slots {
    /// For a new number, called under the permits' lock. A number that was never used before gets
    /// its slot here.
    fn of(&self, number: u32) -> &AtomicU32 {
        let place = &self.table[number as usize - 1];
        if place.load(Ordering::Acquire).is_null() {
            let slot = Box::into_raw(Box::new(Slot::new(number, self.seed)));
            // Release: who finds the slot finds it initialised.
            place.store(slot, Ordering::Release);
            self.len.fetch_max(number as usize, Ordering::Release);
        }
        &self.get(number).standing
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for place in &mut self.table {
            let slot = *place.get_mut();
            if !slot.is_null() {
                // SAFETY: made by `of` from a box, and freed once.
                drop(unsafe { Box::from_raw(slot) });
            }
        }
    }
}
