//! A machine's loop: where it looks for the next goroutine, in which order.
//!
//! Each lap: due timers (now and then), every 61st time the global queue, the
//! one that is next, the machine's own queue and the processor's, alternating.
//! When all are empty, the slow path: the global queue in batches, other
//! processors' timers and queues, and then sleep (see `README.md`).

use super::current;
use super::inbox::Inbox;
use super::machine::Machine;
use super::processor::{Processor, Queued};
use super::shared::Shared;
use super::steal::{Looks, settle};
use crate::fault;
use crate::goroutine::GRef;
use crate::park::Claim;
use crate::primitive::{barrier, spin_hint};
use crate::timer::NEVER;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Every so many goroutines, the global queue comes first: Go's number, a
/// prime, so that it does not fall into step with a program's own pattern.
const GLOBAL_INTERVAL: u32 = 61;

/// Every so many goroutines, a busy machine looks at the clock for its timers.
const TIMER_INTERVAL: u32 = 16;

/// At most so many goroutines in a row come from `next`: partners that wake
/// each other for ever do not starve the queues.
const NEXT_STREAK_MAX: u32 = 128;

/// How often a searching machine looks around before it sleeps. With the pause
/// between two looks that is some twenty microseconds, less than a sleep and a
/// wake-up cost together.
const SEARCH_ROUNDS: u32 = 64;
const PAUSES_PER_ROUND: u32 = 32;

/// How long a machine sleeps before it gives idle stacks' memory back, and
/// between two steps of that.
const TRIM_INTERVAL: Duration = Duration::from_millis(100);

/// How long a machine sleeps when there is work that it left to its owner.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Starts the threads of all machines.
///
/// # Errors
///
/// When a thread cannot be started. Those that were end at shutdown.
pub(crate) fn start_workers(shared: &Arc<Shared>) -> io::Result<Vec<thread::JoinHandle<()>>> {
    (0..shared.config.max_procs)
        .map(|index| {
            let shared = Arc::clone(shared);
            thread::Builder::new()
                .name(format!("{}-{index}", shared.config.thread_name))
                .spawn(move || {
                    let _alternate = fault::AlternateStack::install();
                    let machine = Machine::new(shared, index);
                    current::with(&machine, || machine.run());
                })
        })
        .collect()
}

impl Machine {
    fn run(&self) {
        while let Some(g) = self.find_work() {
            self.execute(g);
        }
    }

    /// The next goroutine to run; `None` when the runtime is over.
    #[inline]
    fn find_work(&self) -> Option<GRef> {
        let tick = self.processor().advance();
        if tick.is_multiple_of(TIMER_INTERVAL) {
            self.expire_own_timers();
        }
        if tick.is_multiple_of(GLOBAL_INTERVAL) {
            self.look_at_netpoll();
            if let Some(g) = self.take_global_one() {
                return Some(g);
            }
        }
        if let Some(g) = self.take_next() {
            return Some(g);
        }
        self.take_queued().or_else(|| self.find_work_slow())
    }

    /// The goroutine that was made runnable last, unless others have waited
    /// for too long.
    #[inline]
    fn take_next(&self) -> Option<GRef> {
        let g = self.next.take().or_else(|| self.processor().take_next());
        match g {
            None => {
                self.streak.set(0);
                None
            }
            Some(g) if self.streak.get() < NEXT_STREAK_MAX => {
                self.streak.set(self.streak.get() + 1);
                Some(g)
            }
            Some(g) => {
                self.streak.set(0);
                self.queue_behind(g);
                None
            }
        }
    }

    #[cold]
    fn queue_behind(&self, g: GRef) {
        // SAFETY: a queued goroutine is alive.
        if unsafe { g.as_ref() }.home() == self.number() {
            self.with_queue(|queue| queue.push_back(g));
        } else {
            self.processor().push(g);
        }
    }

    /// The first of the machine's queue or of the processor's, by turns: turns
    /// of this function, not of the loop, whose period a program may share.
    #[inline]
    fn take_queued(&self) -> Option<GRef> {
        if !self.remote().inbox.is_empty() {
            self.drain_inbox();
        }
        let homed_first = !self.homed_first.get();
        self.homed_first.set(homed_first);
        if homed_first {
            self.take_homed().or_else(|| self.processor().pop())
        } else {
            self.processor().pop().or_else(|| self.take_homed())
        }
    }

    #[inline]
    fn take_homed(&self) -> Option<GRef> {
        self.with_queue(|queue| queue.pop_front())
    }

    fn drain_inbox(&self) {
        let inbox: &Inbox = &self.remote().inbox;
        if self.with_queue(|queue| inbox.drain(queue)) {
            // Woken to search, and counted by the one who did it.
            self.searching.set(true);
        }
    }

    fn take_global_one(&self) -> Option<GRef> {
        settle(|| self.shared().global.steal()).map(|Queued(g)| g)
    }

    fn take_global_batch(&self) -> Option<GRef> {
        let global = &self.shared().global;
        self.processor()
            .with_queue(|queue| settle(|| global.steal_batch_and_pop(queue)))
            .map(|Queued(g)| g)
    }

    fn expire_own_timers(&self) {
        if self.processor().timers.earliest() != NEVER {
            self.expire_timers(std::slice::from_ref(self.processor()));
        }
    }

    /// Ends the waits of these processors whose time has come.
    fn expire_timers(&self, processors: &[Processor]) {
        let now = self.shared().clock.now();
        let mut expired = self.expired.take();
        for processor in processors {
            processor.timers.expire(now, &mut expired);
        }
        // To the tails, not to `next`: those due first run first.
        expired.drain(..).for_each(|g| self.queue_last(g));
        self.expired.set(expired);
    }

    #[cold]
    #[inline(never)]
    fn find_work_slow(&self) -> Option<GRef> {
        loop {
            if self.shared().earliest_timer() != NEVER {
                self.expire_timers(&self.shared().processors);
            }
            if let Some(g) = self.take_anything() {
                return Some(self.found(g));
            }
            if self.look_at_netpoll() {
                continue;
            }
            // Borrowed by this loop only, and never across running a goroutine.
            let mut looks = self.looks.borrow_mut();
            looks.forget();
            if let Some(g) = self.search(&mut looks) {
                return Some(self.found(g));
            }
            if self.shared().is_over() {
                self.shared().netpoll.end();
                return None;
            }
            self.sleep(looks.left_work());
        }
    }

    /// Whatever this machine may take without robbing another one.
    fn take_anything(&self) -> Option<GRef> {
        self.take_next()
            .or_else(|| self.take_queued())
            .or_else(|| self.take_global_batch())
    }

    /// Ends a search with success: if it was the last one, another machine may
    /// be woken for the work that is left.
    fn found(&self, g: GRef) -> GRef {
        self.is_trimmed.set(false);
        if self.searching.replace(false) && self.shared().idle.stop_search() {
            self.notify();
        }
        g
    }

    /// Looks around for work of others, for a while.
    fn search(&self, looks: &mut Looks) -> Option<GRef> {
        if self.procs() == 1 {
            return None;
        }
        if !self.searching.get() {
            if !self.shared().idle.try_search(self.procs()) {
                looks.not_allowed();
                return None;
            }
            self.searching.set(true);
        }
        for round in 0..SEARCH_ROUNDS {
            if let Some(g) = self.take_anything().or_else(|| self.steal(looks, round)) {
                return Some(g);
            }
            if self.shared().earliest_timer() != NEVER {
                self.expire_timers(&self.shared().processors);
            }
            self.pause();
        }
        // What the last look at the timers made runnable here, nobody else
        // would ever see.
        self.take_anything()
    }

    /// A while between two looks around, cut short by a delivery to this
    /// machine: a homed goroutine's partner may be about to wake it.
    fn pause(&self) {
        let inbox = &self.remote().inbox;
        for _ in 0..PAUSES_PER_ROUND {
            if !inbox.is_empty() {
                return;
            }
            spin_hint();
        }
    }

    /// Sleeps until there may be something to do. `left_work` says that work
    /// was seen that its owner had better do itself: then not for long.
    ///
    /// This machine's own queues are empty: the search before looked last.
    fn sleep(&self, left_work: bool) {
        let shared = self.shared();
        debug_assert!(self.next.get().is_none() && self.with_queue(|queue| queue.is_empty()));
        shared.idle.begin_sleep();
        if self.searching.replace(false) {
            shared.idle.stop_search();
        }
        if self.remote().inbox.begin_sleep() {
            // Pairs with the light barrier of `Idle::notify`: from here on,
            // either that side sees us asleep, or we see its work.
            barrier::heavy();
            let may_sleep = if left_work {
                shared.has_no_global_work()
            } else {
                !shared.has_work()
            };
            let overslept = may_sleep && !shared.is_over() && self.park(left_work);
            // Takes SLEEPING, or what replaced it, out of the inbox.
            self.drain_inbox();
            shared.idle.end_sleep();
            self.wake_claimed();
            // Not if somebody came at the last moment: that is more urgent.
            if overslept && !self.searching.get() && self.with_queue(|queue| queue.is_empty()) {
                self.give_memory_back();
            }
        } else {
            shared.idle.end_sleep();
        }
    }

    /// Puts the thread to sleep; true when nothing but [`TRIM_INTERVAL`] ended
    /// that.
    fn park(&self, left_work: bool) -> bool {
        match self.sleep_limit(left_work) {
            Some(limit) if limit <= TRIM_INTERVAL || self.is_trimmed.get() => {
                self.rest(Some(limit));
                false
            }
            None if self.is_trimmed.get() => {
                self.rest(None);
                false
            }
            _ => !self.rest(Some(TRIM_INTERVAL)),
        }
    }

    /// Puts the thread to sleep: in the poller, if anybody waits there and it is
    /// this machine's turn. False when the time was over first.
    fn rest(&self, timeout: Option<Duration>) -> bool {
        let parker = &self.remote().parker;
        let Some(poller) = self.shared().netpoll.needed() else {
            return parker.park(timeout);
        };
        let mut claims = self.claims.take();
        let woken = parker.park_polling(poller, timeout, &mut claims);
        self.claims.set(claims);
        woken
    }

    /// Makes runnable whoever waits for what has become ready. True when there
    /// was somebody.
    fn look_at_netpoll(&self) -> bool {
        let Some(mut turn) = self.shared().netpoll.needed().and_then(|it| it.try_turn()) else {
            return false;
        };
        let mut claims = self.claims.take();
        turn.poll(Some(Duration::ZERO), &mut claims);
        self.claims.set(claims);
        drop(turn);
        self.wake_claimed()
    }

    /// Wakes those whom a poll has claimed.
    fn wake_claimed(&self) -> bool {
        let mut claims = self.claims.take();
        let any = !claims.is_empty();
        claims.drain(..).for_each(Claim::wake);
        self.claims.set(claims);
        any
    }

    /// A machine that has slept for a while gives idle stacks' memory back:
    /// first their deep pages, then, while it sleeps on, half of the unneeded
    /// ones each time until none is left. Then it sleeps without bound.
    fn give_memory_back(&self) {
        self.processor().release_stacks();
        let shared = self.shared();
        let warm = shared.stacks.cool() + shared.segments.cool();
        self.is_trimmed.set(warm == 0);
    }

    /// How long to sleep at most: until the next timer of any processor.
    fn sleep_limit(&self, left_work: bool) -> Option<Duration> {
        let limit = match self.shared().earliest_timer() {
            NEVER => None,
            when => Some(Duration::from_nanos(
                when.saturating_sub(self.shared().clock.now()),
            )),
        };
        if left_work {
            Some(limit.map_or(LOOK_AGAIN, |limit| limit.min(LOOK_AGAIN)))
        } else {
            limit
        }
    }
}
