//! P: the right to run goroutines, with the queues and caches that go with it.
//!
//! The machine that holds a processor owns its `owned` part; the rest is for
//! thieves and observers. Two places hold runnable goroutines here, both only
//! such that any machine may run (not started, or migrating):
//!
//! * `next`: the one to run next, most recently made runnable.
//! * the run queue: first in, first out.

use super::Shared;
use super::random::Random;
use crate::goroutine::{G, GRef, Store};
use crate::primitive::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::timer::Timers;
use crossbeam_deque::{Stealer, Worker};
use crossbeam_utils::CachePadded;
use gorge_coroutine::{PooledStack, StackError, StackPool};
use std::cell::UnsafeCell;
use std::ptr::{NonNull, null_mut};
use std::sync::Weak;

/// Gs that a processor keeps for reuse, at most.
const GS_MAX: usize = 256;

/// Stacks that it keeps, at most: they are not trimmed while it is busy.
const STACKS_MAX: usize = 64;

/// How many goroutine ids a processor reserves at once.
const ID_BATCH: u64 = 16;

/// A goroutine in a queue that any thread may take it from.
#[derive(Clone, Copy)]
pub(super) struct Queued(pub(super) GRef);

// SAFETY: a queue passes on the ownership of a G that any machine may run; see
// `G`'s own `Send`.
unsafe impl Send for Queued {}

/// See the module's description.
pub(crate) struct Processor {
    pub(super) index: usize,
    owned: UnsafeCell<Owned>,
    next: CachePadded<AtomicPtr<G>>,
    stealer: Stealer<Queued>,
    /// Counts the goroutines that were run here, so that thieves can tell a
    /// processor that makes progress from one that is stuck with a long one.
    tick: CachePadded<AtomicU32>,
    pub(super) spawned: AtomicU64,
    /// Tasks that have ended here, and Gs that were given up after that.
    pub(super) ended: AtomicU64,
    pub(super) retired: AtomicU64,
    pub(super) timers: Timers,
    /// No other machine exists, so nobody steals `next`.
    alone: bool,
}

struct Owned {
    queue: Worker<Queued>,
    stacks: Vec<PooledStack>,
    free: Vec<GRef>,
    ids: std::ops::Range<u64>,
    random: Random,
}

// SAFETY: `owned` is used only by the machine that holds the processor; what
// it contains may move with the processor to another thread.
unsafe impl Send for Processor {}
// SAFETY: as above; the other fields are synchronised.
unsafe impl Sync for Processor {}

impl Processor {
    pub(super) fn new(index: usize, seed: u64, alone: bool) -> Processor {
        let queue = Worker::new_fifo();
        Processor {
            index,
            stealer: queue.stealer(),
            owned: UnsafeCell::new(Owned {
                queue,
                stacks: Vec::with_capacity(STACKS_MAX),
                free: Vec::with_capacity(GS_MAX),
                ids: 0..0,
                random: Random::new(seed, index as u64),
            }),
            next: CachePadded::new(AtomicPtr::new(null_mut())),
            tick: CachePadded::new(AtomicU32::new(0)),
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            timers: Timers::new(),
            alone,
        }
    }

    /// # Safety
    ///
    /// The caller is the machine that holds this processor, and no other
    /// reference from here is live.
    #[allow(clippy::mut_from_ref, reason = "the owner's cell; see Safety")]
    unsafe fn owned(&self) -> &mut Owned {
        // SAFETY: the caller's contract.
        unsafe { &mut *self.owned.get() }
    }

    /// Owner: makes `g` the next to run. The one that was next goes to the
    /// tail of the queue.
    #[inline]
    pub(super) fn set_next(&self, g: GRef) {
        // Release below: a thief acquires the goroutine's state with it.
        let old = self.next.load(Ordering::Relaxed);
        if old.is_null() || self.alone {
            // Only the owner makes it anything but null.
            self.next.store(g.as_ptr(), Ordering::Release);
            if let Some(old) = NonNull::new(old) {
                self.push(old);
            }
        } else if let Some(old) = NonNull::new(self.next.swap(g.as_ptr(), Ordering::AcqRel)) {
            self.push(old);
        }
    }

    /// Takes the next goroutine to run, as owner or thief.
    #[inline]
    pub(super) fn take_next(&self) -> Option<GRef> {
        let next = self.next.load(Ordering::Relaxed);
        if next.is_null() {
            return None;
        }
        if self.alone {
            self.next.store(null_mut(), Ordering::Relaxed);
            return NonNull::new(next);
        }
        // Acquire: pairs with the Release in `set_next`.
        NonNull::new(self.next.swap(null_mut(), Ordering::AcqRel))
    }

    /// The address of the next goroutine, for a thief's comparison.
    pub(super) fn peek_next(&self) -> *mut G {
        self.next.load(Ordering::Relaxed)
    }

    /// Owner: queues `g` last.
    #[inline]
    pub(super) fn push(&self, g: GRef) {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.queue.push(Queued(g));
    }

    /// Owner: takes the first of the queue.
    #[inline]
    pub(super) fn pop(&self) -> Option<GRef> {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.queue.pop().map(|Queued(g)| g)
    }

    /// Owner: the queue that stolen goroutines go to.
    pub(super) fn with_queue<R>(&self, f: impl FnOnce(&Worker<Queued>) -> R) -> R {
        // SAFETY: called by the owner; `f` does not come back here.
        f(&unsafe { self.owned() }.queue)
    }

    pub(super) fn stealer(&self) -> &Stealer<Queued> {
        &self.stealer
    }

    /// Whether a thief would see something to take here.
    pub(super) fn has_work(&self) -> bool {
        !self.stealer.is_empty() || !self.peek_next().is_null()
    }

    pub(super) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Owner: one more goroutine is being run.
    #[inline]
    pub(super) fn advance(&self) -> u32 {
        let tick = self.tick().wrapping_add(1);
        self.tick.store(tick, Ordering::Relaxed);
        tick
    }

    /// Owner: a number below `bound`.
    pub(super) fn random_below(&self, bound: usize) -> usize {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.random.below(bound)
    }

    /// Owner: a free G with a fresh id, counted as spawned here.
    #[inline]
    pub(super) fn take_g(&self, shared: &Shared, runtime: &Weak<Shared>) -> GRef {
        // SAFETY: called by the owner.
        let owned = unsafe { self.owned() };
        let g = match owned.free.pop() {
            Some(g) => g,
            None => shared.store.take(&mut owned.free, runtime),
        };
        let id = owned.ids.next().unwrap_or_else(|| {
            let first = shared.reserve_ids(ID_BATCH);
            owned.ids = first + 1..first + ID_BATCH;
            first
        });
        // SAFETY: a free G is the taker's.
        unsafe { g.as_ref() }.label.id.store(id, Ordering::Relaxed);
        bump(&self.spawned);
        g
    }

    /// Owner: keeps a free G.
    #[inline]
    pub(super) fn recycle(&self, g: GRef, store: &Store) {
        // SAFETY: called by the owner.
        let free = &mut unsafe { self.owned() }.free;
        if free.len() >= GS_MAX {
            store.put_all(free.drain(GS_MAX / 2..));
        }
        free.push(g);
    }

    /// Owner: a stack, the one used last if there is one.
    #[inline]
    pub(super) fn take_stack(&self, pool: &StackPool) -> Result<PooledStack, StackError> {
        // SAFETY: called by the owner.
        match unsafe { self.owned() }.stacks.pop() {
            Some(stack) => Ok(stack),
            None => pool.take(),
        }
    }

    /// Owner: gives the kept stacks to the pool, where they can be trimmed.
    pub(super) fn release_stacks(&self) {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.stacks.clear();
    }

    /// Owner: keeps a stack.
    #[inline]
    pub(super) fn keep_stack(&self, stack: PooledStack) {
        // SAFETY: called by the owner.
        let stacks = &mut unsafe { self.owned() }.stacks;
        if stacks.len() >= STACKS_MAX {
            // The coldest go back to the pool.
            drop(stacks.drain(..STACKS_MAX / 2));
        }
        stacks.push(stack);
    }
}

/// Adds one to a counter that a single thread writes.
#[inline]
pub(super) fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}
