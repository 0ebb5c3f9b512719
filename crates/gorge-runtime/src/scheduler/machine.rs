//! M: an OS thread's part of the scheduler, and how it runs one goroutine.
//!
//! A machine holds a processor, and is the home of the goroutines that it was
//! the first to run. Those it keeps in a queue of its own, which no other
//! thread touches: they cost no atomic operation to queue.

use super::processor::{Processor, bump};
use super::shared::{Remote, Shared};
use super::steal::Looks;
use crate::error::Failure;
use crate::goroutine::{Completion, G, GRef, NO_HOME, Run};
use crate::park::{self, CLAIMED, Claim};
use crate::primitive::atomic::Ordering;
use crate::timer;
use crate::trace;
use gorge_coroutine::fiber::{Fiber, Resumed, Suspender};
use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// The word with which a goroutine leaves its stack to be queued again. Any
/// other word is the address of an [`AfterPark`].
const YIELD: usize = 1;

/// What the machine does for a goroutine that has left its stack to wait. Lies
/// on the goroutine's stack.
pub(crate) struct AfterPark {
    pub(crate) commit: unsafe fn(*mut ()),
    pub(crate) data: *mut (),
    pub(crate) ticket: u32,
    pub(crate) cancellable: bool,
    pub(crate) deadline: Option<Instant>,
}

/// See the module's description.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    index: usize,
    running: Cell<Option<GRef>>,
    /// Homed goroutines that are runnable, oldest first.
    queue: UnsafeCell<VecDeque<GRef>>,
    /// The homed goroutine to run next. At most one of this and the
    /// processor's `next` is set.
    pub(super) next: Cell<Option<GRef>>,
    pub(super) searching: Cell<bool>,
    /// How many goroutines in a row were taken from a `next`.
    pub(super) streak: Cell<u32>,
    /// Nothing has run here since the memory of idle stacks was given back.
    pub(super) is_trimmed: Cell<bool>,
    /// Whose turn it is: the machine's queue or the processor's.
    pub(super) homed_first: Cell<bool>,
    /// Kept for its memory, between two looks at the timers.
    pub(super) expired: Cell<Vec<GRef>>,
    /// What a poll has claimed; kept for its memory.
    pub(super) claims: Cell<Vec<Claim>>,
    /// Kept for its memory, between two searches.
    pub(super) looks: RefCell<Looks>,
}

impl Machine {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Machine {
        let looks = Looks::new(&shared);
        Machine {
            shared,
            index,
            running: Cell::new(None),
            queue: UnsafeCell::new(VecDeque::with_capacity(64)),
            next: Cell::new(None),
            searching: Cell::new(false),
            streak: Cell::new(0),
            is_trimmed: Cell::new(true),
            homed_first: Cell::new(false),
            expired: Cell::new(Vec::with_capacity(64)),
            claims: Cell::new(Vec::with_capacity(64)),
            looks: RefCell::new(looks),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many goroutines of this runtime run at once.
    pub(crate) fn procs(&self) -> usize {
        self.shared.config.max_procs
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// What `home` and `on_machine` say of this machine.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.index as u32 + 1
    }

    #[inline]
    pub(super) fn processor(&self) -> &Processor {
        &self.shared.processors[self.index]
    }

    #[inline]
    pub(super) fn remote(&self) -> &Remote {
        &self.shared.machines[self.index]
    }

    /// The queue of homed goroutines. `f` must not come back here.
    #[inline]
    pub(super) fn with_queue<R>(&self, f: impl FnOnce(&mut VecDeque<GRef>) -> R) -> R {
        // SAFETY: a machine is used by its own thread only (`Machine` is
        // `!Sync`), and `f` only queues and takes.
        f(unsafe { &mut *self.queue.get() })
    }

    /// Whether `shared` is this machine's runtime.
    pub(crate) fn serves(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Whether the G belongs to this machine's runtime.
    #[inline]
    pub(crate) fn owns(&self, g: &G) -> bool {
        g.belongs_to(&self.shared)
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.running.get().is_some()
    }

    pub(crate) fn running_or_none(&self) -> Option<GRef> {
        self.running.get()
    }

    /// The goroutine that runs on this machine.
    #[inline]
    pub(crate) fn running(&self) -> GRef {
        match self.running.get() {
            Some(g) => g,
            None => unreachable!("asked for only where a goroutine runs"),
        }
    }

    /// Goroutine that was woken otherwise: takes its timer out.
    pub(crate) fn disarm(&self, g: &G) {
        // SAFETY: the goroutine's own code reads its run part.
        let processor = unsafe { (*g.run.get()).timer.processor };
        timer::disarm(&self.shared.processors[processor as usize].timers, g);
    }

    /// A free G with a fresh id.
    pub(crate) fn take_g(&self) -> GRef {
        self.processor().take_g(&self.shared, self.shared.weak())
    }

    /// Keeps a G that only the store refers to.
    pub(crate) fn recycle(&self, g: GRef) {
        self.processor().recycle(g, &self.shared.store);
    }

    /// Queues a new goroutine to be run next.
    #[inline]
    pub(crate) fn submit(&self, g: GRef) {
        self.keep_one_next();
        self.processor().set_next(g);
        self.notify();
    }

    /// Makes a goroutine runnable that was claimed on this thread.
    #[inline]
    pub(crate) fn ready(&self, g: GRef) {
        // SAFETY: a goroutine that is being woken is alive.
        let shared_g = unsafe { g.as_ref() };
        trace::ready(shared_g.id());
        match shared_g.home() {
            NO_HOME => self.submit(g),
            home if home == self.number() => {
                if let Some(old) = self.processor().take_next() {
                    self.processor().push(old);
                }
                if let Some(old) = self.next.replace(Some(g)) {
                    self.with_queue(|queue| queue.push_back(old));
                }
            }
            home => self.shared.deliver(home, g),
        }
    }

    /// Makes room for a new `next` of the processor's.
    #[inline]
    fn keep_one_next(&self) {
        if let Some(old) = self.next.take() {
            self.with_queue(|queue| queue.push_back(old));
        }
    }

    /// Queues a goroutine last.
    pub(super) fn queue_last(&self, g: GRef) {
        // SAFETY: a goroutine that is being queued is alive.
        match unsafe { g.as_ref() }.home() {
            NO_HOME => {
                self.processor().push(g);
                self.notify();
            }
            home if home == self.number() => self.with_queue(|queue| queue.push_back(g)),
            home => self.shared.deliver(home, g),
        }
    }

    /// Work that others may take was queued here. A lone machine is awake.
    #[inline]
    pub(super) fn notify(&self) {
        if self.shared.config.max_procs > 1 {
            self.shared.idle.notify(&self.shared);
        }
    }

    /// Goroutine: goes to the tail of its queue. True when a cancel is to be
    /// delivered instead.
    pub(crate) fn yield_now(&self) -> bool {
        let Some(g) = self.running.get() else {
            return false;
        };
        // SAFETY: the running goroutine is alive, and this is its stack.
        let (shared_g, suspender) = unsafe { (g.as_ref(), suspender(g)) };
        if crate::cancel::is_pending() {
            return true;
        }
        park::pin_if_panicking(shared_g, self);
        // SAFETY: on the goroutine's own stack.
        unsafe { suspender.suspend(YIELD) };
        false
    }

    /// Runs a goroutine that was taken from a queue until it leaves.
    pub(super) fn execute(&self, g: GRef) {
        // SAFETY: a queued goroutine is alive, and taking it made it ours.
        let (shared_g, run) = unsafe { (g.as_ref(), g.as_ref().run.get()) };
        // Acquire: pairs with the Release that ends another machine's use, or
        // a look into the stack.
        if shared_g.on_machine.load(Ordering::Acquire) != 0 || shared_g.cell.load().has(CLAIMED) {
            return self.postpone(g);
        }
        shared_g.on_machine.store(self.number(), Ordering::Relaxed);
        trace::run(shared_g.id(), self.index);
        self.running.set(Some(g));
        // SAFETY: the run part is ours; its fiber is changed by nobody else,
        // also while the goroutine runs, whose code only reads it.
        unsafe {
            if (*run).stack.is_none() && !self.prepare(g, run) {
                return;
            }
            // The goroutine is homed here, or its starter promised that it may
            // change threads.
            let fiber = (&raw mut (*run).fiber).cast::<Fiber>();
            match Fiber::resume_at(fiber, g.as_ptr() as usize) {
                Resumed::Suspended(YIELD) => {
                    self.running.set(None);
                    shared_g.on_machine.store(0, Ordering::Release);
                    self.queue_last(g);
                }
                Resumed::Suspended(word) => self.parked(g, word as *const AfterPark),
                Resumed::Finished(_) => self.finished(g, run),
            }
        }
    }

    /// The goroutine's last machine has not quite left it, or a dump looks at
    /// it: both take a moment.
    #[cold]
    fn postpone(&self, g: GRef) {
        for _ in 0..100 {
            crate::primitive::spin_hint();
        }
        self.queue_last(g);
    }

    /// Gives a goroutine its stack for its first run. False when there is none.
    ///
    /// # Safety
    ///
    /// `g` is this machine's to run, and `run` its run part.
    unsafe fn prepare(&self, g: GRef, run: *mut Run) -> bool {
        // SAFETY: the caller's contract.
        unsafe {
            let stack = match (*run).reserve_kib {
                0 => self.processor().take_stack(&self.shared.stacks),
                kib => self.shared.segments.take(kib as usize * 1024),
            };
            match stack {
                Ok(stack) => {
                    (*run).fiber.write(Fiber::new(&stack, body));
                    (*run).stack = Some(stack);
                    if !(*run).migrating {
                        g.as_ref().set_home(self.number());
                    }
                    true
                }
                Err(error) => {
                    self.running.set(None);
                    crate::goroutine::discard(run, Failure::NotStarted(Box::new(error)));
                    complete(g);
                    self.retire(g);
                    false
                }
            }
        }
    }

    /// After a goroutine left to wait: its timer, a cancel that came
    /// meanwhile, its commit.
    ///
    /// # Safety
    ///
    /// `g` was running here and left with the address `after`, which is valid
    /// until `on_machine` is zero.
    #[inline]
    unsafe fn parked(&self, g: GRef, after: *const AfterPark) {
        // SAFETY: the caller's contract; `commit` is called once.
        unsafe {
            let shared_g = g.as_ref();
            let after = &*after;
            self.running.set(None);
            trace::park(shared_g.id());
            if let Some(deadline) = after.deadline {
                let when = self.shared.clock.at(deadline);
                let processor = self.processor();
                timer::arm(
                    &processor.timers,
                    processor.index as u32,
                    g,
                    after.ticket,
                    when,
                );
            }
            let cancelled = if after.cancellable {
                park::claim_cancelled(shared_g, after.ticket)
            } else {
                None
            };
            (after.commit)(after.data);
            // Release: whoever resumes the goroutine comes after all of this.
            shared_g.on_machine.store(0, Ordering::Release);
            if let Some(claim) = cancelled {
                claim.wake();
            }
        }
    }

    /// After a goroutine's body returned: its stack and G are free again.
    ///
    /// # Safety
    ///
    /// `g` was running here and has finished; `run` is its run part.
    unsafe fn finished(&self, g: GRef, run: *mut Run) {
        self.running.set(None);
        // SAFETY: the caller's contract: no frame is live on the stack.
        unsafe {
            (*run).fiber.assume_init_read().retire();
            (*run).grown = None;
            match (*run).stack.take() {
                Some(stack) if (*run).reserve_kib == 0 => self.processor().keep_stack(stack),
                other => drop(other),
            }
        }
        self.retire(g);
    }

    /// The last act for a goroutine: gives its G up.
    fn retire(&self, g: GRef) {
        // SAFETY: the goroutine's own reference keeps the G until it is
        // released.
        let shared_g = unsafe { g.as_ref() };
        shared_g.cell.end();
        shared_g.on_machine.store(0, Ordering::Release);
        if shared_g.life.release_own() {
            self.recycle(g);
        }
        bump(&self.processor().retired);
        self.shared.one_retired();
    }
}

/// Leaves the goroutine's stack to wait; returns when it is resumed, perhaps
/// on another machine.
///
/// # Safety
///
/// Runs on the stack of `g`, which `machine` runs, after its wait has begun.
#[inline(always)]
pub(crate) unsafe fn leave(machine: &Machine, g: GRef, after: AfterPark) {
    debug_assert_eq!(machine.running(), g);
    // SAFETY: the caller's contract; `after` stays on this stack meanwhile.
    unsafe { suspender(g).suspend((&raw const after).addr()) };
}

/// # Safety
///
/// Called on the goroutine's own stack.
#[inline(always)]
unsafe fn suspender(g: GRef) -> Suspender {
    // SAFETY: the goroutine's own code may read its run part, and its fiber is
    // there while it runs.
    unsafe { (*g.as_ref().run.get()).fiber.assume_init_ref().suspender() }
}

/// What runs on a goroutine's stack: its task, and the end of its life.
///
/// # Safety
///
/// `word` is the address of the G whose fiber this is.
unsafe fn body(word: usize, _: Suspender) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let g = GRef::new_unchecked(word as *mut G);
        let run = g.as_ref().run.get();
        if g.as_ref().cell.cancel_requested() {
            crate::goroutine::discard(run, Failure::Cancelled);
        } else {
            crate::goroutine::run(run);
        }
        complete(g);
    }
    0
}

/// Passes the result on, or drops it.
///
/// # Safety
///
/// The task of `g` has ended with a result, and the caller runs the goroutine.
unsafe fn complete(g: GRef) {
    // SAFETY: the caller's contract.
    let shared_g = unsafe { g.as_ref() };
    if let Some(machine) = super::current::machine() {
        bump(&machine.processor().ended);
    }
    let run = shared_g.run.get();
    // SAFETY: the goroutine's own run part.
    let (family, panicked) = unsafe { ((*run).family.take(), (*run).panicked) };
    match shared_g.life.complete() {
        Completion::DropResult => {
            if let (Some(family), true) = (&family, panicked) {
                family.note_panic();
            }
            // SAFETY: the result is the goroutine's, as nobody will ask for it.
            let drop_result = || unsafe { crate::goroutine::drop_result(run) };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(drop_result)) {
                // A payload whose own drop panics is not worth another try.
                std::mem::forget(panic);
            }
        }
        Completion::WakeJoiner => shared_g.wake_joiner(),
        Completion::Done => {}
    }
    if let Some(family) = family {
        family.child_ended();
    }
}
