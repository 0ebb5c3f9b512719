//! Running one goroutine on a machine: from the queue onto its stack, and what
//! the machine does for it once it has left that.

use super::crew::Crew;
use super::machine::Machine;
use super::processor::bump;
use crate::error::Failure;
use crate::goroutine::{Completion, G, GRef, NO_HOME, Run};
use crate::panics;
use crate::park::{self, CLAIMED, MID_PANIC, NO_PARK};
use crate::primitive::atomic::Ordering;
use crate::sim;
use crate::trace::{self, Event};
use gorge_coroutine::fiber::{Fiber, Resumed, Suspender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The words with which a goroutine leaves its stack to be queued again: to the
/// tail of its queue; because its time slice is over or its machine lost the
/// permit; behind a child that it starts first. Any other word is the address of
/// an [`AfterPark`].
const YIELD: usize = 1;
const GIVE_WAY: usize = 2;
const CHILD_FIRST: usize = 3;
/// The goroutine goes on at another machine, or comes back from there.
const MOVE: usize = 4;

/// What the machine does for a goroutine that has left its stack to wait. Lies
/// on the goroutine's stack.
pub(crate) struct AfterPark {
    pub(crate) commit: unsafe fn(*mut ()),
    pub(crate) data: *mut (),
    pub(crate) ticket: u32,
    pub(crate) cancellable: bool,
    pub(crate) deadline: Option<Instant>,
}

impl Machine {
    /// Goroutine: goes to the tail of its queue. True when a cancel is to be
    /// delivered instead.
    pub(crate) fn yield_now(&self) -> bool {
        let Some(g) = self.running_or_none() else {
            return false;
        };
        // SAFETY: the running goroutine is alive.
        let cell = unsafe { &g.as_ref().cell };
        if cell.load().has(NO_PARK) {
            crate::goroutine::check_may_park();
        }
        if cell.cancel_requested() && crate::cancel::is_pending() {
            return true;
        }
        // SAFETY: a goroutine runs here, and this is its stack.
        unsafe { self.leave_to_be_queued(YIELD) };
        false
    }

    /// Goroutine: lets others run, because it has had its share.
    ///
    /// # Safety
    ///
    /// Called by the goroutine that runs here, on its stack.
    pub(crate) unsafe fn give_way(&self) {
        // SAFETY: the caller's contract.
        unsafe { self.leave_to_be_queued(GIVE_WAY) }
    }

    /// Goroutine: lets `child` run at once, and waits meanwhile where thieves
    /// may take it.
    ///
    /// # Safety
    ///
    /// As for [`give_way`](Machine::give_way); `child` is ready to be queued,
    /// and the caller's to pass on.
    pub(crate) unsafe fn run_first(&self, child: GRef) {
        self.make_next(child);
        // SAFETY: the caller's contract.
        unsafe { self.leave_to_be_queued(CHILD_FIRST) }
    }

    /// # Safety
    ///
    /// As for [`give_way`](Machine::give_way).
    unsafe fn leave_to_be_queued(&self, word: usize) {
        let g = self.running();
        // SAFETY: the running goroutine is alive, and this is its stack.
        unsafe {
            panics::before_leaving(g.as_ref(), self);
            suspender(g).suspend(word);
        }
    }

    /// Makes a goroutine that any machine may run the next one here, for certain:
    /// no thief may take it.
    fn make_next(&self, g: GRef) {
        self.queue_next();
        self.processor().set_starts_next(false);
        self.next.set(Some(g));
    }

    /// Runs a goroutine that was taken from a queue until it leaves.
    pub(super) fn execute(&self, g: GRef) {
        // SAFETY: a queued goroutine is alive, and taking it made it ours.
        let (shared_g, run) = unsafe { (g.as_ref(), g.as_ref().run.get()) };
        // Acquire: pairs with the Release that ends another machine's use, or
        // a look into the stack.
        let word = shared_g.cell.load();
        if shared_g.on_machine.load(Ordering::Acquire) != 0 || word.has(CLAIMED) {
            return self.postpone(g);
        }
        shared_g.on_machine.store(self.number(), Ordering::Relaxed);
        if word.has(MID_PANIC) {
            panics::resumed_mid_panic(shared_g, self);
        }
        trace::emit(self, || Event::Run(shared_g.id()));
        // SAFETY: the run part is ours; its fiber is changed by nobody else,
        // also while the goroutine runs, whose code only reads it.
        unsafe {
            if (*run).runnable_since != 0 {
                self.record_latency(run);
            }
            if let Some(extras) = Run::weighty(run)
                && let number @ 1.. = extras.weighs_on.load(Ordering::Relaxed)
            {
                let queue = &self.shared().slots.get(number).processor;
                queue.remove_weight(extras.weight);
                extras.weighs_on.store(0, Ordering::Relaxed);
            }
            // Pairs with the heavy barrier of a canceller, which sees us run it, or
            // we see the request.
            if shared_g.cell.cancel_requested_after_begin() {
                self.ask_to_end();
            }
            self.set_running(Some(g));
            if (*run).stack.is_none() && !self.prepare(g, run) {
                return;
            }
            // The goroutine is homed here, or its starter promised that it may
            // change threads.
            let fiber = (&raw mut (*run).fiber).cast::<Fiber>();
            match Fiber::resume_at(fiber, g.as_ptr() as usize) {
                Resumed::Suspended(word @ YIELD..=MOVE) => self.left(g, word),
                Resumed::Suspended(word) => self.parked(g, std::ptr::with_exposed_provenance(word)),
                Resumed::Finished(word) => self.finished(g, run, word),
            }
        }
    }

    /// A goroutine left its stack, to be queued again.
    ///
    /// # Safety
    ///
    /// It was running here, and left with `word`.
    unsafe fn left(&self, g: GRef, word: usize) {
        self.set_running(None);
        if word == MOVE {
            // SAFETY: off its stack, ours until it is queued, and it moves only
            // to be pinned.
            unsafe { crate::goroutine::exchange(g) };
        }
        // SAFETY: as above.
        let shared_g = unsafe { g.as_ref() };
        shared_g.on_machine.store(0, Ordering::Release);
        match word {
            GIVE_WAY => self.queue_spent(g),
            CHILD_FIRST => self.keep_continuation(g),
            MOVE => self.shared().ready(g),
            _ => self.queue_yielded(g),
        }
    }

    /// Keeps a parent whose child runs first.
    fn keep_continuation(&self, g: GRef) {
        // SAFETY: as in `left`.
        let shared_g = unsafe { g.as_ref() };
        trace::emit(self, || Event::Continuation(shared_g.id()));
        self.has_continuations.set(true);
        if shared_g.home() == NO_HOME && !self.is_dedicated {
            self.processor().push_continuation(g);
            self.notify();
        } else {
            self.with_continuations(|continuations| continuations.push(g));
        }
    }

    /// # Safety
    ///
    /// `run` is the run part of a goroutine that is this machine's to run.
    #[cold]
    unsafe fn record_latency(&self, run: *mut Run) {
        let now = self.shared().coarse_time();
        // SAFETY: the caller's contract.
        let since = unsafe { std::mem::take(&mut (*run).runnable_since) };
        let latency = u64::from(now.wrapping_sub(since)) << super::shared::COARSE_SHIFT;
        self.processor().latencies.record(latency);
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
                0 => self.processor().take_stack(&self.shared().stacks),
                kib => self.shared().segments.take(kib as usize * 1024),
            };
            match stack {
                Ok(stack) => {
                    (*run).fiber.write(Fiber::new(&stack, body));
                    (*run).stack = Some(stack);
                    if !(*run).migrating {
                        g.as_ref().set_home(self.number());
                        self.slot().add_resident();
                    }
                    true
                }
                Err(error) => {
                    self.set_running(None);
                    (*run).extras = None;
                    crate::goroutine::discard(run, Failure::NotStarted(Box::new(error)));
                    (*run).unreported = true;
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
            self.set_running(None);
            trace::emit(self, || Event::Park(shared_g.id()));
            if let Some(deadline) = after.deadline {
                self.arm(g, deadline);
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

    /// # Safety
    ///
    /// As for [`parked`](Machine::parked).
    unsafe fn arm(&self, g: GRef, deadline: Instant) {
        let when = self.shared().clock.at(deadline);
        // SAFETY: the caller's contract.
        unsafe { self.processor().timers.arm(g, when) };
        self.shared().timer_armed(when);
    }

    /// After a goroutine's body returned: its stack and G are free again.
    ///
    /// # Safety
    ///
    /// `g` was running here and has finished; `run` is its run part.
    #[inline]
    unsafe fn finished(&self, g: GRef, run: *mut Run, word: usize) {
        self.set_running(None);
        // SAFETY: the caller's contract: no frame is live on the stack.
        unsafe {
            if word == crate::goroutine::PINNED_BODY_ENDED {
                return crate::goroutine::unpin(self, g, run);
            }
            (*run).fiber.assume_init_read().retire();
            (*run).extras = None;
            match (*run).stack.take() {
                Some(stack) if (*run).reserve_kib == 0 => self.processor().keep_stack(stack),
                other => drop(other),
            }
            if g.as_ref().home() != NO_HOME {
                self.slot().remove_resident();
            }
        }
        self.retire(g);
    }

    /// The last act for a goroutine: gives its G up.
    #[inline]
    fn retire(&self, g: GRef) {
        // SAFETY: the goroutine's own reference keeps the G until it is
        // released.
        let shared_g = unsafe { g.as_ref() };
        shared_g.cell.end();
        shared_g.on_machine.store(0, Ordering::Release);
        trace::emit(self, || Event::End(shared_g.id()));
        if shared_g.life.release_to_store() {
            self.recycle(g);
        }
        bump(&self.processor().retired);
        self.shared().one_retired();
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
    unsafe { suspender(g).suspend((&raw const after).expose_provenance()) };
}

/// Leaves the goroutine's stack, to be resumed where its home now is.
///
/// # Safety
///
/// Runs on the stack of `g`, which its machine runs.
pub(crate) unsafe fn leave_to_move(g: GRef) {
    // SAFETY: the caller's contract.
    unsafe { suspender(g).suspend(MOVE) };
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
        crate::goroutine::drop_locals(run);
        complete(g);
    }
    0
}

/// Passes the result on, or drops it.
///
/// # Safety
///
/// The task of `g` has ended with a result, and the caller runs the goroutine.
#[inline]
unsafe fn complete(g: GRef) {
    // SAFETY: the caller's contract.
    let shared_g = unsafe { g.as_ref() };
    let run = shared_g.run.get();
    // SAFETY: the goroutine's own run part.
    let (family, panicked) = unsafe { ((*run).family.take(), (*run).panicked) };
    if let Some(machine) = super::current::machine() {
        if panicked {
            // SAFETY: the result is there, and still the goroutine's.
            unsafe {
                panics::judge(shared_g, run, machine.shared());
                sim::panicked(machine, g, run);
            }
        }
        bump(&machine.processor().ended);
    }
    match shared_g.life.complete() {
        Completion::DropResult => {
            match &family {
                Some(family) if panicked => {
                    family.note_panic();
                    sim::heard(shared_g.id());
                }
                // SAFETY: the result is still the goroutine's.
                None if panicked => unsafe { sim::forgotten(g, run) },
                _ => {}
            }
            // SAFETY: the result is the goroutine's, as nobody will ask for it.
            let drop_result = || unsafe {
                if (*run).unreported {
                    panics::report_unasked(shared_g, run);
                }
                crate::goroutine::drop_result(run);
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(drop_result))
                // SAFETY: the goroutine's own run part.
                && unsafe { panics::judge_late(shared_g, run, payload) }
                && let Some(family) = &family
            {
                family.note_panic();
            }
        }
        Completion::WakeExpected => shared_g.wake_expected(),
        Completion::WakeJoiner => shared_g.wake_joiner(),
        Completion::Done => {}
    }
    // SAFETY: its extras stay the goroutine's; a waker or a destructor may have used some.
    unsafe { crate::goroutine::drop_locals(run) };
    if let Some(family) = family {
        family.child_ended();
    }
}
