//! What all machines share.

use super::crew::{Crew, NEVER};
use super::current;
use super::permits::{Permits, Standings, machines_min};
use super::processor::{Processor, Queued};
use super::slot::{Slot, Slots};
use super::steal::settle;
use super::threads::Threads;
use crate::blocking::BlockingPool;
use crate::builder::MAX_PROCS;
use crate::deadlock::{DeadlockDetection, Deadlocks, OwnThreads};
use crate::goroutine::{GRef, NO_HOME, Store};
use crate::monitor::Monitor;
use crate::netpoll::Netpoll;
use crate::panics::PanicPolicy;
use crate::park::{CANCELLABLE, Claim, Outcome, Owner};
use crate::primitive::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use crate::primitive::barrier;
use crate::sim::Plan;
use crate::timer::Clock;
use crate::trace::{Event, EventLog};
use crate::traceback::Traceback;
use crossbeam_deque::Injector;
use gorge_coroutine::{StackClasses, StackError, StackPool};
use parking_lot::{Condvar, Mutex};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// See [`Shared::coarse_time`].
pub(super) const COARSE_SHIFT: u32 = 8;

/// How a runtime was built.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) max_procs: usize,
    pub(crate) stack_reserve: usize,
    /// Guards by `mprotect`, wherever this runs.
    pub(crate) protected_guards: bool,
    pub(crate) max_blocking_threads: usize,
    pub(crate) max_threads: u32,
    pub(crate) time_slice: Duration,
    pub(crate) thread_name: String,
    pub(crate) seed: u64,
    pub(crate) migrating: bool,
    pub(crate) panic_policy: PanicPolicy,
    /// One machine, a virtual clock, and the seed decides who runs next: if there is one.
    pub(crate) plan: Option<Plan>,
    pub(crate) records_events: bool,
    /// `None`: each report as it likes best.
    pub(crate) traceback: Option<Traceback>,
    pub(crate) deadlock_detection: DeadlockDetection,
}

impl Config {
    pub(crate) fn is_simulated(&self) -> bool {
        self.plan.is_some()
    }
}

/// How waiting for the end of all goroutines ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All have ended.
    Complete,
    TimedOut,
    /// Those that are left can never end.
    Hopeless,
}

/// See the module's description.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// No other runtime of the process has it, nor had.
    pub(crate) number: u64,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) blocking: BlockingPool,
    pub(crate) netpoll: Netpoll,
    pub(crate) stacks: StackPool,
    /// Stacks for goroutines that need more than theirs for a while.
    pub(crate) segments: StackClasses,
    pub(crate) slots: Slots,
    pub(crate) permits: Permits,
    pub(crate) threads: Threads,
    pub(super) global: Injector<Queued>,
    pub(crate) monitor: Monitor,
    pub(crate) deadlocks: Deadlocks,
    pub(crate) events: Option<EventLog>,
    next_id: AtomicU64,
    /// Goroutines spawned from outside, which no processor counts.
    spawned_outside: AtomicU64,
    shutting_down: AtomicBool,
    /// Signalled when the last goroutine has ended during a shutdown, or none that is
    /// left ever will.
    all_ended: (Mutex<()>, Condvar),
    this: Weak<Shared>,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Shared {
    pub(crate) fn new(config: Config) -> Result<Arc<Shared>, StackError> {
        let stacks = if config.protected_guards {
            StackPool::with_protected_guards(config.stack_reserve)?
        } else {
            StackPool::new(config.stack_reserve)?
        };
        let threads = Arc::new(OwnThreads::default());
        Ok(Arc::new_cyclic(|this| Shared {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            store: Store::default(),
            clock: Clock::start(config.is_simulated()),
            netpoll: Netpoll::default(),
            blocking: BlockingPool::new(
                config.max_blocking_threads,
                config.thread_name.clone(),
                Arc::clone(&threads),
            ),
            deadlocks: Deadlocks::new(config.deadlock_detection, threads),
            stacks,
            segments: StackClasses::new(),
            slots: Slots::new(config.max_threads.max(machines_min(MAX_PROCS)), config.seed),
            permits: Permits::new(config.max_procs, config.max_threads),
            threads: Threads::default(),
            global: Injector::new(),
            monitor: Monitor::new(config.time_slice),
            events: config.records_events.then(EventLog::default),
            next_id: AtomicU64::new(1),
            spawned_outside: AtomicU64::new(0),
            shutting_down: AtomicBool::new(false),
            all_ended: (Mutex::new(()), Condvar::new()),
            this: this.clone(),
            config,
        }))
    }

    pub(crate) fn weak(&self) -> &Weak<Shared> {
        &self.this
    }

    pub(super) fn reserve_ids(&self, count: u64) -> u64 {
        self.next_id.fetch_add(count, Ordering::Relaxed)
    }

    /// A free G with a fresh id, for a spawner that is no worker of this runtime.
    pub(crate) fn take_g(&self) -> GRef {
        let g = self.store.take_one(&self.this);
        // SAFETY: a free G is the taker's.
        unsafe { g.as_ref() }
            .id
            .store(self.reserve_ids(1), Ordering::Relaxed);
        self.spawned_outside.fetch_add(1, Ordering::Release);
        g
    }

    /// Queues a goroutine that any machine may run, from outside.
    pub(crate) fn submit(&self, g: GRef) {
        self.queue_globally(g);
        self.notify();
    }

    /// As [`submit`](Shared::submit), for a caller that notifies later.
    pub(crate) fn queue_globally(&self, g: GRef) {
        self.global.push(Queued(g));
    }

    /// Makes a goroutine runnable, from outside.
    pub(crate) fn ready(&self, g: GRef) {
        // SAFETY: a goroutine that is being woken is alive.
        match unsafe { g.as_ref() }.home() {
            NO_HOME => self.submit(g),
            home => self.deliver(home, g),
        }
    }

    /// Puts a goroutine into its home's inbox.
    pub(super) fn deliver(&self, home: u32, g: GRef) {
        let slot = self.slots.get(home);
        if slot.inbox.push(g) {
            slot.parker.unpark();
        }
    }

    /// How many goroutines wait for any machine.
    pub(crate) fn global_len(&self) -> usize {
        self.global.len()
    }

    /// Any thread: leaves to everybody what a stuck machine has queued, but not what
    /// it goes on to queue meanwhile.
    pub(crate) fn take_queues_of(&self, slot: &Slot) {
        let victim = &slot.processor;
        for _ in 0..victim.queued() {
            if let Some(Queued(g)) = settle(|| victim.stealer().steal()) {
                self.queue_globally(g);
            } else if let Some(g) = victim.starts().steal() {
                self.queue_globally(g);
            } else if let Some(g) = victim.take_next() {
                self.queue_globally(g);
            } else if let Some(Queued(g)) = settle(|| victim.oldest().steal()) {
                // SAFETY: taken from a queue, so alive.
                self.emit(slot.number(), Event::Surrender(unsafe { g.as_ref() }.id()));
                self.queue_globally(g);
            }
        }
        self.look_after_release();
    }

    /// Ends the waits whose time has come. The caller makes the goroutines
    /// runnable.
    pub(crate) fn expire_timers(&self, now: u64, expired: &mut Vec<GRef>) {
        self.expire_timers_until(|_| now, expired);
    }

    /// As [`expire_timers`](Shared::expire_timers), by a time for each machine.
    pub(super) fn expire_timers_until(
        &self,
        until: impl Fn(&Slot) -> u64,
        expired: &mut Vec<GRef>,
    ) {
        for slot in self.slots.iter() {
            slot.processor.timers.expire(until(slot), expired);
        }
    }

    /// For a thread that is no machine: ends waits whose time has come. `expired` is
    /// for its memory, and empty before and after.
    pub(crate) fn pass_on_what_is_due(&self, expired: &mut Vec<GRef>) {
        self.expire_timers(self.clock.now(), expired);
        expired.drain(..).for_each(|g| self.ready(g));
    }

    /// For a machine without a permit, which looks for one right after: queues a
    /// goroutine where its home, or anybody, takes it.
    pub(crate) fn leave(&self, g: GRef) {
        // SAFETY: a goroutine that is being woken is alive.
        match unsafe { g.as_ref() }.home() {
            NO_HOME => self.queue_globally(g),
            home => self.deliver(home, g),
        }
    }

    /// Changes how many goroutines run at once, which is one in a simulation.
    /// Returns the former number.
    pub(crate) fn set_max_procs(&self, n: usize) -> usize {
        if self.config.is_simulated() {
            return 1;
        }
        self.change_limit(n, |number| self.slots.get(number).lose_permit())
    }

    /// The time in units of 256 ns, which is never zero.
    pub(super) fn coarse_time(&self) -> u32 {
        ((self.clock.now() >> COARSE_SHIFT) as u32).max(1)
    }

    /// Goroutines started so far.
    pub(crate) fn spawned(&self) -> u64 {
        let slots = self.slots.iter().map(|slot| &slot.processor.spawned);
        let inside: u64 = slots.map(|count| count.load(Ordering::Acquire)).sum();
        inside + self.spawned_outside.load(Ordering::Acquire)
    }

    /// Goroutines whose task has not ended.
    pub(crate) fn live(&self) -> u64 {
        self.spawned_less(|processor| &processor.ended)
    }

    /// Goroutines that have not left their stack for good: a destructor of a
    /// result may still run after the task has ended.
    fn unretired(&self) -> u64 {
        self.spawned_less(|processor| &processor.retired)
    }

    /// Whether no goroutine is left, not even for a destructor.
    pub(crate) fn is_all_retired(&self) -> bool {
        self.unretired() == 0
    }

    /// Exact when it says zero: ends are read first, and a goroutine that is
    /// counted as ended was counted as spawned before, so the difference is
    /// never too small, and equal sums mean that nothing is alive.
    fn spawned_less(&self, ends: impl Fn(&Processor) -> &AtomicU64) -> u64 {
        let sum = |counter: &dyn Fn(&Processor) -> &AtomicU64| {
            let counts = self.slots.iter().map(|slot| counter(&slot.processor));
            counts
                .map(|count| count.load(Ordering::Acquire))
                .sum::<u64>()
        };
        let ended = sum(&ends);
        let outside = self.spawned_outside.load(Ordering::Acquire);
        sum(&|processor| &processor.spawned) + outside - ended
    }

    #[inline]
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }

    /// Cancels every goroutine, and lets the machines end after the last one.
    pub(crate) fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Release);
        // Pairs with the light barriers of `spawn_on` and `one_retired`.
        barrier::heavy();
        self.store.for_each(|g| g.cell.request_cancel_later());
        // One for all: pairs with the light barrier of every park.
        barrier::heavy();
        self.slots.iter().for_each(Slot::cancel_running);
        let mut claims = Vec::new();
        self.store.for_each(|g| {
            if g.cell.claim_if(CANCELLABLE, Outcome::Cancelled.to_token()) {
                claims.push(Claim::new(NonNull::from(&g.cell), Owner::Goroutine));
            }
        });
        claims.into_iter().for_each(Claim::wake);
        self.wake_all();
        self.blocking.shut_down();
    }

    /// A goroutine has left its stack for good: ends the shutdown with the
    /// last one.
    #[inline]
    pub(super) fn one_retired(&self) {
        // Pairs with the heavy barrier of `begin_shutdown`: either that side
        // counts this goroutine, or we see its flag.
        barrier::light();
        if self.is_shutting_down() {
            self.one_retired_in_shutdown();
        }
    }

    #[cold]
    fn one_retired_in_shutdown(&self) {
        // Of two machines that retire their last ones at once, one sees both.
        fence(Ordering::SeqCst);
        if self.unretired() == 0 {
            let _guard = self.all_ended.0.lock();
            self.all_ended.1.notify_all();
            self.wake_all();
        }
    }

    /// Waits until no goroutine is left, for a time at most, and not for some that
    /// cannot end.
    pub(crate) fn wait_all_ended(&self, timeout: Duration) -> End {
        let _awaiting = self.begin_awaiting_end();
        let (lock, changed) = &self.all_ended;
        let mut guard = lock.lock();
        let deadline = crate::time::deadline(timeout);
        let mut is_time_over = false;
        loop {
            if self.unretired() == 0 {
                return End::Complete;
            }
            if self.deadlocks.is_hopeless() {
                return End::Hopeless;
            }
            if is_time_over {
                return End::TimedOut;
            }
            match deadline {
                None => changed.wait(&mut guard),
                Some(deadline) => {
                    is_time_over = changed.wait_until(&mut guard, deadline).timed_out()
                }
            }
        }
    }

    /// The goroutines that are left in a shutdown can never end: nobody waits for
    /// them any more.
    pub(crate) fn give_up_end(&self) {
        self.deadlocks.lose_hope();
        let _guard = self.all_ended.0.lock();
        self.all_ended.1.notify_all();
    }

    /// Whether a machine that finds nothing to do should end.
    pub(crate) fn is_over(&self) -> bool {
        self.is_shutting_down() && self.unretired() == 0
    }

    fn wake_all(&self) {
        self.slots.iter().for_each(|slot| slot.parker.unpark());
        self.monitor.wake();
    }
}

impl Standings for Shared {
    fn of(&self, number: u32) -> &AtomicU32 {
        self.slots.of(number)
    }
}

impl Crew for Shared {
    #[inline]
    fn permits(&self) -> &Permits {
        &self.permits
    }

    fn has_work(&self) -> bool {
        !self.global.is_empty() || self.slots.iter().any(|slot| slot.processor.has_work())
    }

    fn earliest_timer(&self) -> u64 {
        let timers = self.slots.iter().map(|slot| &slot.processor.timers);
        timers
            .map(|timers| timers.earliest())
            .min()
            .unwrap_or(NEVER)
    }

    fn is_readiness_awaited(&self) -> bool {
        self.netpoll.needed().is_some()
    }

    fn is_ending(&self) -> bool {
        self.is_over()
    }

    fn lost_one_rests(&self) {
        self.look_again();
    }

    fn unpark(&self, handed: Option<u32>) {
        if let Some(number) = handed {
            self.slots.get(number).parker.unpark();
        }
    }

    fn start(&self, number: u32) -> bool {
        if current::machine().is_some_and(|machine| machine.is_dedicated)
            && !self.config.is_simulated()
        {
            // A thread inherits the state of the one that starts it, and a pinned
            // goroutine may have changed that of its own.
            self.monitor.start_later(number);
            return true;
        }
        self.start_worker(number).is_ok()
    }

    fn run_out_of_threads(&self) -> ! {
        self.exhausted()
    }
}
