//! P: the right to run goroutines, with the queues and caches that go with it.
//!
//! Its machine owns the `owned` part; the rest is for thieves and observers.
//! Four places hold runnable goroutines here, all only such that any machine
//! may run (not started, or migrating):
//!
//! * `next`: the one to run next, most recently made runnable.
//! * the run queue: first in, first out.
//! * the [`starts`](super::starts), which are goroutines that have not run yet: last in, first
//!   out for the owner, mostly; thieves take the oldest.
//! * the continuations of parents that started a child first: likewise.
//!
//! Why the newest start is first: it is a child of who waits for children, and the
//! oldest is one of who began long ago. So a tree of goroutines is worked off branch
//! by branch, and has as many stacks as it is deep, not as it is wide.

use super::Shared;
use super::random::Random;
use super::starts::Starts;
use crate::goroutine::{G, GRef, Store};
use crate::metrics::Histogram;
use crate::primitive::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
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
pub(crate) struct Queued(pub(crate) GRef);

// SAFETY: a queue passes on the ownership of a G that any machine may run; see
// `G`'s own `Send`.
unsafe impl Send for Queued {}

/// See the module's description.
pub(crate) struct Processor {
    /// The number of its slot.
    pub(crate) number: usize,
    owned: UnsafeCell<Owned>,
    next: CachePadded<Next>,
    stealer: Stealer<Queued>,
    oldest: Stealer<Queued>,
    starts: Starts<G>,
    /// What queued goroutines weigh beyond one each.
    extra_weight: AtomicU64,
    progress: CachePadded<Progress>,
    pub(crate) spawned: AtomicU64,
    /// Tasks that have ended here, and Gs that were given up after that.
    pub(crate) ended: AtomicU64,
    pub(crate) retired: AtomicU64,
    pub(crate) timers: Timers,
    /// Goroutines that its machine took from others, and how often it tried.
    pub(crate) stolen: AtomicU64,
    pub(crate) latencies: Histogram,
}

struct Next {
    g: AtomicPtr<G>,
    /// Whether it is the newest start instead.
    is_start: AtomicBool,
    /// How many may wait in the queue before an idle machine, which looks
    /// here every now and then, wants to be woken. Zero when none does: see `watch`.
    patience: AtomicUsize,
}

/// Written by the machine at every goroutine, for others to see.
#[derive(Default)]
struct Progress {
    /// Counts the goroutines that were run here, so that thieves can tell a
    /// processor that makes progress from one that is stuck with a long one.
    tick: AtomicU32,
    /// Counts those of them that came from a queue. The others were woken by the
    /// ones before them, and share their time slice.
    turns: AtomicU32,
}

struct Owned {
    queue: Worker<Queued>,
    continuations: Worker<Queued>,
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
    pub(crate) fn new(number: usize, seed: u64) -> Processor {
        let queue = Worker::new_fifo();
        let continuations = Worker::new_lifo();
        Processor {
            number,
            stealer: queue.stealer(),
            oldest: continuations.stealer(),
            starts: Starts::new(),
            extra_weight: AtomicU64::new(0),
            owned: UnsafeCell::new(Owned {
                queue,
                continuations,
                stacks: Vec::with_capacity(STACKS_MAX),
                free: Vec::with_capacity(GS_MAX),
                ids: 0..0,
                random: Random::new(seed, number as u64),
            }),
            next: CachePadded::new(Next {
                g: AtomicPtr::new(null_mut()),
                is_start: AtomicBool::new(false),
                patience: AtomicUsize::new(0),
            }),
            progress: CachePadded::default(),
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            timers: Timers::new(),
            stolen: AtomicU64::new(0),
            latencies: Histogram::default(),
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

    /// Owner: makes `g`, which has run before, the next to run. The one that was next is queued.
    #[inline]
    pub(crate) fn set_next(&self, g: GRef) {
        if self.next.g.load(Ordering::Relaxed).is_null() {
            // Only the owner makes it anything but null. Release: a thief
            // acquires the goroutine's state with it.
            self.next.g.store(g.as_ptr(), Ordering::Release);
        } else if let Some(old) = NonNull::new(self.next.g.swap(g.as_ptr(), Ordering::AcqRel)) {
            self.push(old);
        }
    }

    /// Whether the newest start is to run next. Then neither `next` nor the machine's is set.
    #[inline]
    pub(super) fn starts_next(&self) -> bool {
        self.next.is_start.load(Ordering::Relaxed)
    }

    /// Owner: whether that is so.
    #[inline]
    pub(super) fn set_starts_next(&self, is_so: bool) {
        self.next.is_start.store(is_so, Ordering::Relaxed);
    }

    /// Takes the next goroutine to run, as owner or thief.
    #[inline]
    pub(crate) fn take_next(&self) -> Option<GRef> {
        if self.next.g.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire: pairs with the Release in `set_next`.
        NonNull::new(self.next.g.swap(null_mut(), Ordering::AcqRel))
    }

    /// The address of the next goroutine, for a thief's comparison.
    pub(crate) fn peek_next(&self) -> *mut G {
        self.next.g.load(Ordering::Relaxed)
    }

    /// Owner: whether an idle machine looks here every now and then, and need not be
    /// woken for what is queued.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        let patience = self.next.patience.load(Ordering::Relaxed);
        // The owner's count: a thief's is behind a fence.
        patience != 0 && self.with_queue(Worker::len) + self.starts_waiting() <= patience
    }

    /// How many are in the run queue and the starts, but for one that is next.
    pub(crate) fn waiting(&self) -> usize {
        self.stealer.len() + self.starts_waiting()
    }

    #[inline]
    fn starts_waiting(&self) -> usize {
        let next = usize::from(self.starts_next());
        self.starts.len().saturating_sub(next)
    }

    /// An idle machine looks here from now on, and lets so many wait. False if another
    /// one does.
    pub(crate) fn begin_watch(&self, patience: usize) -> bool {
        self.next
            .patience
            .compare_exchange(0, patience, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether an idle machine looks here every now and then.
    pub(crate) fn has_watcher(&self) -> bool {
        self.next.patience.load(Ordering::Relaxed) != 0
    }

    /// It lets so many wait from now on.
    pub(crate) fn set_patience(&self, patience: usize) {
        self.next.patience.store(patience, Ordering::Relaxed);
    }

    /// It looks here no more, but once after a heavy barrier.
    pub(crate) fn end_watch(&self) {
        self.set_patience(0);
    }

    /// Owner: queues `g` last.
    #[inline]
    pub(crate) fn push(&self, g: GRef) {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.queue.push(Queued(g));
    }

    /// The goroutines that have not run yet.
    #[inline]
    pub(super) fn starts(&self) -> &Starts<G> {
        &self.starts
    }

    /// Owner: takes the first of the queue.
    #[inline]
    pub(crate) fn pop(&self) -> Option<GRef> {
        // SAFETY: called by the owner.
        let queue = &unsafe { self.owned() }.queue;
        // Inlined, unlike the rest, which is for a queue with something in it.
        if queue.is_empty() {
            return None;
        }
        queue.pop().map(|Queued(g)| g)
    }

    /// Owner: the queue that stolen goroutines go to.
    #[inline]
    pub(crate) fn with_queue<R>(&self, f: impl FnOnce(&Worker<Queued>) -> R) -> R {
        // SAFETY: called by the owner; `f` does not come back here.
        f(&unsafe { self.owned() }.queue)
    }

    /// Owner: keeps a parent that starts its child first.
    pub(crate) fn push_continuation(&self, g: GRef) {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.continuations.push(Queued(g));
    }

    /// Owner: takes the newest continuation.
    pub(crate) fn pop_continuation(&self) -> Option<GRef> {
        // SAFETY: called by the owner.
        unsafe { self.owned() }
            .continuations
            .pop()
            .map(|Queued(g)| g)
    }

    /// The run queue, for a thief.
    pub(crate) fn stealer(&self) -> &Stealer<Queued> {
        &self.stealer
    }

    /// The continuations, oldest first, for a thief.
    pub(crate) fn oldest(&self) -> &Stealer<Queued> {
        &self.oldest
    }

    /// How many goroutines wait here for any machine, about.
    pub(crate) fn queued(&self) -> usize {
        let next = usize::from(!self.peek_next().is_null());
        self.stealer.len() + self.starts.len() + self.oldest.len() + next
    }

    /// Whether a thief would see something to take here.
    pub(crate) fn has_work(&self) -> bool {
        !self.stealer.is_empty()
            || !self.peek_next().is_null()
            || !self.starts.is_empty()
            || !self.oldest.is_empty()
    }

    /// How many goroutines wait in the run queue and the starts, weighted.
    pub(crate) fn weight(&self) -> u64 {
        self.waiting() as u64 + self.extra_weight.load(Ordering::Relaxed)
    }

    /// A goroutine that weighs more than one was queued here.
    pub(crate) fn add_weight(&self, extra: u32) {
        self.extra_weight
            .fetch_add(u64::from(extra), Ordering::Relaxed);
    }

    /// It was taken from here, by whomever.
    pub(crate) fn remove_weight(&self, extra: u32) {
        self.extra_weight
            .fetch_sub(u64::from(extra), Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) -> u32 {
        self.progress.tick.load(Ordering::Relaxed)
    }

    /// Owner: one more goroutine is being run.
    #[inline]
    pub(crate) fn advance(&self) -> u32 {
        let tick = self.tick().wrapping_add(1);
        self.progress.tick.store(tick, Ordering::Relaxed);
        tick
    }

    /// How many time slices have begun here, other than at the end of one.
    pub(crate) fn turns(&self) -> u32 {
        self.progress.turns.load(Ordering::Relaxed)
    }

    /// Owner: the next goroutine comes from a queue, and has a slice of its own.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        let turns = self.turns().wrapping_add(1);
        self.progress.turns.store(turns, Ordering::Relaxed);
    }

    /// Owner: a number below `bound`.
    pub(crate) fn random_below(&self, bound: usize) -> usize {
        // SAFETY: called by the owner.
        unsafe { self.owned() }.random.below(bound)
    }

    /// Owner: a free G with a fresh id, counted as spawned here.
    #[inline]
    pub(crate) fn take_g(&self, shared: &Shared, runtime: &Weak<Shared>) -> GRef {
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
        unsafe { g.as_ref() }.id.store(id, Ordering::Relaxed);
        bump(&self.spawned);
        g
    }

    /// Owner: keeps a free G.
    #[inline]
    pub(crate) fn recycle(&self, g: GRef, store: &Store) {
        // SAFETY: called by the owner.
        let free = &mut unsafe { self.owned() }.free;
        if free.len() >= GS_MAX {
            store.put_all(free.drain(GS_MAX / 2..));
        }
        free.push(g);
    }

    /// Owner: a stack, the one used last if there is one.
    #[inline]
    pub(crate) fn take_stack(&self, pool: &StackPool) -> Result<PooledStack, StackError> {
        // SAFETY: called by the owner.
        match unsafe { self.owned() }.stacks.pop() {
            Some(stack) => Ok(stack),
            None => pool.take(),
        }
    }

    /// Takes all kept stacks away, so that they can be trimmed.
    ///
    /// # Safety
    ///
    /// The caller is the owner, or keeps it idle: an idle machine does not touch
    /// its processor.
    pub(crate) unsafe fn take_stacks(&self, stacks: &mut Vec<PooledStack>) {
        // SAFETY: the caller's contract.
        stacks.append(&mut unsafe { self.owned() }.stacks);
    }

    /// Owner: keeps a stack.
    #[inline]
    pub(crate) fn keep_stack(&self, stack: PooledStack) {
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
pub(crate) fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}
