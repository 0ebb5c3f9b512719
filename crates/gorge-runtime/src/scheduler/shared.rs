//! What all machines of a runtime share.

use super::idle::{Idle, Parker};
use super::inbox::Inbox;
use super::processor::{Processor, Queued};
use crate::blocking::BlockingPool;
use crate::goroutine::{GRef, NO_HOME, Store};
use crate::netpoll::{Netpoll, Poller};
use crate::park::{CANCELLABLE, Claim, Outcome, Owner};
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::primitive::barrier;
use crate::timer::{Clock, NEVER};
use crossbeam_deque::Injector;
use gorge_coroutine::{StackClasses, StackError, StackPool};
use parking_lot::{Condvar, Mutex};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How a runtime was built.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) max_procs: usize,
    pub(crate) stack_reserve: usize,
    /// Guards by `mprotect`, wherever this runs.
    pub(crate) protected_guards: bool,
    pub(crate) max_blocking_threads: usize,
    pub(crate) thread_name: String,
    pub(crate) seed: u64,
    pub(crate) migrating: bool,
}

/// See the module's description.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) blocking: BlockingPool,
    pub(crate) netpoll: Netpoll,
    pub(super) stacks: StackPool,
    /// Stacks for goroutines that need more than theirs for a while.
    pub(crate) segments: StackClasses,
    pub(super) machines: Box<[Remote]>,
    pub(super) processors: Box<[Processor]>,
    pub(super) global: Injector<Queued>,
    pub(super) idle: Idle,
    next_id: AtomicU64,
    /// Goroutines spawned from outside, which no processor counts.
    spawned_outside: AtomicU64,
    shutting_down: AtomicBool,
    /// Signalled when the last goroutine has ended during a shutdown.
    all_ended: (Mutex<()>, Condvar),
    this: Weak<Shared>,
}

/// What others touch of a machine.
pub(super) struct Remote {
    pub(super) inbox: Inbox,
    pub(super) parker: Parker,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Result<Arc<Shared>, StackError> {
        let stacks = if config.protected_guards {
            StackPool::with_protected_guards(config.stack_reserve)?
        } else {
            StackPool::new(config.stack_reserve)?
        };
        let procs = config.max_procs;
        Ok(Arc::new_cyclic(|this| Shared {
            store: Store::default(),
            clock: Clock::start(),
            blocking: BlockingPool::new(config.max_blocking_threads, config.thread_name.clone()),
            netpoll: Netpoll::default(),
            stacks,
            segments: StackClasses::new(),
            machines: (0..procs)
                .map(|_| Remote {
                    inbox: Inbox::new(),
                    parker: Parker::default(),
                })
                .collect(),
            processors: (0..procs)
                .map(|i| Processor::new(i, config.seed, procs == 1))
                .collect(),
            global: Injector::new(),
            idle: Idle::default(),
            next_id: AtomicU64::new(1),
            spawned_outside: AtomicU64::new(0),
            shutting_down: AtomicBool::new(false),
            all_ended: (Mutex::new(()), Condvar::new()),
            this: this.clone(),
            config,
        }))
    }

    pub(super) fn weak(&self) -> &Weak<Shared> {
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
            .label
            .id
            .store(self.reserve_ids(1), Ordering::Relaxed);
        self.spawned_outside.fetch_add(1, Ordering::Release);
        g
    }

    /// Queues a goroutine that any machine may run, from outside.
    pub(crate) fn submit(&self, g: GRef) {
        self.global.push(Queued(g));
        self.idle.notify(self);
    }

    /// Somebody waits in the poller whom no machine knows of: sees to it that a
    /// machine polls.
    pub(crate) fn summon_to_poll(&self, poller: &Poller) {
        // Pairs with the heavy barrier in `Machine::sleep`: either a machine
        // that falls asleep sees the waiter, or we see how it sleeps.
        barrier::light();
        if !poller.is_blocked() {
            self.idle.notify(self);
        }
    }

    /// Makes a goroutine runnable, from outside.
    pub(super) fn ready(&self, g: GRef) {
        // SAFETY: a goroutine that is being woken is alive.
        match unsafe { g.as_ref() }.home() {
            NO_HOME => self.submit(g),
            home => self.deliver(home, g),
        }
    }

    /// Puts a goroutine into its home's inbox.
    pub(super) fn deliver(&self, home: u32, g: GRef) {
        let remote = &self.machines[home as usize - 1];
        if remote.inbox.push(g) {
            remote.parker.unpark();
        }
    }

    pub(super) fn has_no_global_work(&self) -> bool {
        self.global.is_empty()
    }

    /// Whether a machine that searches would see something to take.
    pub(super) fn has_work(&self) -> bool {
        !self.global.is_empty() || self.processors.iter().any(Processor::has_work)
    }

    /// The earliest timer of all processors, or never.
    pub(super) fn earliest_timer(&self) -> u64 {
        self.processors
            .iter()
            .map(|p| p.timers.earliest())
            .min()
            .unwrap_or(NEVER)
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

    /// Exact when it says zero: ends are read first, and a goroutine that is
    /// counted as ended was counted as spawned before, so the difference is
    /// never too small, and equal sums mean that nothing is alive.
    fn spawned_less(&self, ends: impl Fn(&Processor) -> &AtomicU64) -> u64 {
        let sum = |counter: &dyn Fn(&Processor) -> &AtomicU64| {
            let counts = self.processors.iter().map(counter);
            counts
                .map(|count| count.load(Ordering::Acquire))
                .sum::<u64>()
        };
        let ended = sum(&ends);
        let outside = self.spawned_outside.load(Ordering::Acquire);
        sum(&|processor| &processor.spawned) + outside - ended
    }

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

    /// Waits until no goroutine is left. False when `timeout` came first.
    pub(crate) fn wait_all_ended(&self, timeout: Duration) -> bool {
        let mut guard = self.all_ended.0.lock();
        let deadline = crate::time::deadline(timeout);
        while self.unretired() != 0 {
            match deadline {
                None => self.all_ended.1.wait(&mut guard),
                Some(deadline) => {
                    if self
                        .all_ended
                        .1
                        .wait_until(&mut guard, deadline)
                        .timed_out()
                    {
                        return self.unretired() == 0;
                    }
                }
            }
        }
        true
    }

    /// Whether a machine that finds nothing to do should end.
    pub(super) fn is_over(&self) -> bool {
        self.is_shutting_down() && self.unretired() == 0
    }

    fn wake_all(&self) {
        self.machines
            .iter()
            .for_each(|remote| remote.parker.unpark());
    }
}
