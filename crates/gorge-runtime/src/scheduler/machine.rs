//! M: an OS thread's part of the scheduler, and where it queues goroutines.
//!
//! A machine is the home of the goroutines that it was the first to run. Those
//! it keeps in a queue of its own, which no other thread touches: they cost no
//! atomic operation to queue. What others touch is in its [`Slot`].

use super::permits::{ACTIVE, LOST};
use super::preempt;
use super::processor::Processor;
use super::shared::Shared;
use super::slot::Slot;
use super::steal::Looks;
use super::turns::Turns;
use super::watch::Watch;
use crate::goroutine::{G, GRef};
use crate::park::Claim;
use crate::primitive::atomic::Ordering;
use crate::sim::World;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;

/// See the module's description.
pub(crate) struct Machine {
    /// In the table of `shared`.
    slot: NonNull<Slot>,
    shared: Arc<Shared>,
    running: Cell<Option<GRef>>,
    /// The goroutine whose stack is in use while it runs a closure as a plain
    /// thread would: not `running`, then.
    covered: Cell<Option<GRef>>,
    /// Homed goroutines that are runnable, oldest first.
    queue: UnsafeCell<VecDeque<GRef>>,
    /// Homed goroutines whose time slice was over, oldest first.
    spent: UnsafeCell<VecDeque<GRef>>,
    /// Homed parents that started a child first, oldest first.
    continuations: UnsafeCell<Vec<GRef>>,
    /// Whether any continuation may be kept here.
    pub(super) has_continuations: Cell<bool>,
    /// The homed goroutine to run next. At most one of this and the
    /// processor's `next` is set.
    pub(super) next: Cell<Option<GRef>>,
    /// How many goroutines have left this thread in the middle of a panic.
    mid_panic: Cell<u32>,
    /// The covered goroutine is in the panic hook.
    in_hook: Cell<bool>,
    pub(super) searching: Cell<bool>,
    /// How many goroutines in a row did not come from a queue.
    pub(super) streak: Cell<u32>,
    pub(super) turns: Turns,
    /// The next goroutine made runnable here is timed until it runs.
    pub(super) times_next: Cell<bool>,
    /// When the machine got its permit, on the runtime's clock.
    pub(super) active_since: Cell<u64>,
    /// Runs the goroutine that is pinned here, and takes no other work.
    pub(super) is_dedicated: bool,
    /// Dedicated, or part of a simulation.
    pub(super) is_special: bool,
    /// Its pinned goroutine has left for good.
    pub(super) is_discharged: Cell<bool>,
    /// Its number is free again.
    pub(super) has_left: Cell<bool>,
    /// Whether events are recorded.
    pub(crate) records: bool,
    /// What it knows as the machine of a simulation.
    pub(super) world: Option<Box<World>>,
    /// Kept for its memory, between two looks at the timers.
    pub(super) expired: Cell<Vec<GRef>>,
    /// What a poll has claimed; kept for its memory.
    pub(super) claims: Cell<Vec<Claim>>,
    /// Kept for its memory, between two searches.
    pub(super) looks: RefCell<Looks>,
    /// How many jobs of the blocking pool had ended when it last waited for one in vain.
    pub(super) vain_at: Cell<Option<usize>>,
    /// The processors that it watches while it has nothing to do.
    pub(super) watch: RefCell<Watch>,
}

impl Machine {
    /// The machine of the slot with this number, for the calling thread.
    pub(super) fn new(shared: Arc<Shared>, number: u32, is_dedicated: bool) -> Machine {
        let new_world = |plan| Box::new(World::new(plan, shared.config.seed));
        let world = shared.config.plan.filter(|_| !is_dedicated).map(new_world);
        let is_closed = world.as_ref().is_some_and(|world| world.is_closed());
        Machine {
            slot: NonNull::from(shared.slots.get(number)),
            running: Cell::new(None),
            covered: Cell::new(None),
            queue: UnsafeCell::new(VecDeque::with_capacity(64)),
            spent: UnsafeCell::new(VecDeque::new()),
            continuations: UnsafeCell::new(Vec::new()),
            has_continuations: Cell::new(false),
            next: Cell::new(None),
            mid_panic: Cell::new(0),
            in_hook: Cell::new(false),
            searching: Cell::new(false),
            streak: Cell::new(0),
            turns: Turns::default(),
            times_next: Cell::new(false),
            active_since: Cell::new(shared.clock.now()),
            is_dedicated,
            is_special: is_dedicated || shared.config.is_simulated(),
            is_discharged: Cell::new(false),
            has_left: Cell::new(false),
            records: shared.events.is_some() || is_closed,
            expired: Cell::new(Vec::with_capacity(64)),
            claims: Cell::new(Vec::with_capacity(64)),
            looks: RefCell::new(Looks::default()),
            vain_at: Cell::new(None),
            world,
            watch: RefCell::new(Watch::new(shared.config.migrating)),
            shared,
        }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(super) fn slot(&self) -> &Slot {
        // SAFETY: slots are freed with `shared`, which this machine keeps.
        unsafe { self.slot.as_ref() }
    }

    #[inline]
    pub(super) fn processor(&self) -> &Processor {
        &self.slot().processor
    }

    /// A number below `bound`, from the seeded stream of this machine.
    pub(crate) fn random_below(&self, bound: usize) -> usize {
        self.processor().random_below(bound)
    }

    /// How many goroutines of this runtime run at once.
    pub(crate) fn procs(&self) -> usize {
        self.shared.permits.limit()
    }

    /// What `home` and `on_machine` say of this machine.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.slot().number
    }

    /// The queue of homed goroutines. `f` must not come back here.
    #[inline]
    pub(super) fn with_queue<R>(&self, f: impl FnOnce(&mut VecDeque<GRef>) -> R) -> R {
        // SAFETY: a machine is used by its own thread only (`Machine` is
        // `!Sync`), and `f` only queues and takes.
        f(unsafe { &mut *self.queue.get() })
    }

    /// The homed goroutines whose slice was over. `f` must not come back here.
    #[inline]
    pub(super) fn with_spent<R>(&self, f: impl FnOnce(&mut VecDeque<GRef>) -> R) -> R {
        // SAFETY: as in `with_queue`.
        f(unsafe { &mut *self.spent.get() })
    }

    /// The homed continuations. `f` must not come back here.
    #[inline]
    pub(super) fn with_continuations<R>(&self, f: impl FnOnce(&mut Vec<GRef>) -> R) -> R {
        // SAFETY: as in `with_queue`.
        f(unsafe { &mut *self.continuations.get() })
    }

    /// Whether there is something that only this machine can run.
    pub(super) fn has_homed_work(&self) -> bool {
        self.next.get().is_some()
            || !self.with_queue(|queue| queue.is_empty())
            || !self.with_spent(|spent| spent.is_empty())
            || !self.with_continuations(|continuations| continuations.is_empty())
            || self.slot().inbox.has_delivery()
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

    #[inline]
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

    #[inline]
    pub(super) fn set_running(&self, g: Option<GRef>) {
        self.running.set(g);
        self.slot().set_running(g);
    }

    /// The goroutine on whose stack this thread is.
    #[inline]
    pub(crate) fn on_stack_of(&self) -> Option<GRef> {
        self.running.get().or(self.covered.get())
    }

    /// Runs `f` on the goroutine's stack, but as a plain thread would run it:
    /// inside there is no current goroutine. The machine's permit may be taken
    /// away meanwhile. Returns the goroutine for [`uncover`](Machine::uncover).
    pub(crate) fn cover(&self) -> GRef {
        let g = self.running();
        self.running.set(None);
        self.covered.set(Some(g));
        self.slot().step_blocking();
        g
    }

    /// Ends what [`cover`](Machine::cover) began. True when the permit was taken
    /// away meanwhile: then the goroutine has to give way.
    pub(crate) fn uncover(&self, g: GRef) -> bool {
        self.slot().step_blocking();
        self.covered.set(None);
        self.running.set(Some(g));
        // Pairs with the heavy barrier of the monitor's `take_away`: either it
        // sees the step and leaves the permit, or we see that it is gone.
        crate::primitive::barrier::light();
        self.slot().standing.load(Ordering::Acquire) != ACTIVE
    }

    /// Whether some goroutine has left this thread in the middle of a panic.
    #[inline]
    pub(crate) fn has_mid_panic(&self) -> bool {
        self.mid_panic.get() != 0
    }

    /// A goroutine leaves this thread in the middle of a panic, or is back.
    pub(crate) fn count_mid_panic(&self, left: bool) {
        let count = self.mid_panic.get();
        self.mid_panic.set(if left { count + 1 } else { count - 1 });
    }

    /// The covered goroutine enters or leaves the panic hook.
    pub(crate) fn set_in_hook(&self, in_hook: bool) {
        self.in_hook.set(in_hook);
    }

    /// The goroutine that is in the panic hook.
    pub(crate) fn in_hook(&self) -> Option<GRef> {
        self.covered.get().filter(|_| self.in_hook.get())
    }

    /// Goroutine that lost the permit while it blocked: takes a free one, or
    /// leaves the machine.
    #[cold]
    pub(crate) fn come_back(&self) {
        let shared = &self.shared;
        let rise = shared
            .permits
            .stand_up(self.number(), true, false, &shared.slots);
        if rise == super::permits::Rise::Idle {
            // SAFETY: the running goroutine calls this, on its stack.
            unsafe { self.give_way() };
        } else {
            super::sleeper::Sleeper::begin_tenure(self);
        }
    }

    /// Whether the permit was taken away.
    pub(super) fn has_lost_permit(&self) -> bool {
        self.slot().standing.load(Ordering::Acquire) == LOST
    }

    /// Whether it is no ordinary worker.
    pub(crate) fn is_special(&self) -> bool {
        self.is_special
    }

    /// Whether a goroutine that runs here may be given a thread of its own.
    pub(crate) fn can_pin(&self) -> bool {
        !self.is_special
    }

    /// Whether a goroutine that runs here may block this thread: it is nobody's
    /// home, or the goroutine's own.
    pub(crate) fn may_be_blocked(&self) -> bool {
        self.is_special || self.slot().residents() == 0
    }

    /// Whether this thread runs a closure as a plain thread in a simulation,
    /// where no other could do what the closure waits for.
    pub(crate) fn must_not_wait(&self) -> bool {
        self.shared.config.is_simulated() && self.covered.get().is_some()
    }

    /// Goroutine: is bound to this machine for a while, or no more.
    pub(crate) fn count_resident(&self, bound: bool) {
        if bound {
            self.slot().add_resident();
        } else {
            self.slot().remove_resident();
        }
    }

    /// Whether the caller is a goroutine that may let its child run first.
    pub(crate) fn can_run_child_first(&self) -> bool {
        self.is_running() && !self.is_dedicated && !crate::goroutine::must_not_park()
    }

    /// Dedicated machine: its goroutine has left for good.
    pub(crate) fn discharge(&self) {
        self.is_discharged.set(true);
    }

    /// A free G with a fresh id.
    #[inline]
    pub(crate) fn take_g(&self) -> GRef {
        self.processor().take_g(&self.shared, self.shared.weak())
    }

    /// Keeps a G that only the store refers to.
    #[inline]
    pub(crate) fn recycle(&self, g: GRef) {
        self.processor().recycle(g, &self.shared.store);
    }

    /// Whether the running goroutine, or this machine, is asked for something.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.slot().requests() != 0
    }

    /// The running goroutine's next operation tells it of its cancel, even one
    /// that would not wait.
    pub(crate) fn ask_to_end(&self) {
        self.slot().cancel_running();
    }

    /// Goroutine: answers what it is asked for, its cancel only if there is nothing
    /// to tell it. Returns whether it has to give way; the rest its machine sees
    /// to, back in its loop.
    pub(crate) fn answer(&self, cancel_too: bool) -> bool {
        let slot = self.slot();
        if cancel_too {
            slot.answer(preempt::CANCELLED);
        }
        slot.requests() & (preempt::SLICE_OVER | preempt::PERMIT_LOST) != 0
    }
}
