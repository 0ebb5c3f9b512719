//! A machine's loop: where it looks for the next goroutine, in which order.
//!
//! Each lap: what the machine is asked for, due timers (now and then), every
//! 61st time the global queue, those who had their time slice and the oldest start, the goroutine
//! that is next, the newest continuation, the machine's own queue, the
//! processor's and its newest start, alternating. When all are empty, the slow path: those who had
//! their slice and the global queue in batches, alternating, readiness of
//! descriptors, other processors' timers and queues (see `search`), and then
//! rest (see `rest`).

use super::crew::Crew;
use super::machine::Machine;
use super::preempt;
use super::processor::Queued;
use super::sleeper::Sleeper;
use super::steal::settle;
use crate::goroutine::GRef;
use crate::timer::NEVER;
use crate::trace::{self, Event};

/// Every so many goroutines, the global queue comes first: Go's number, a
/// prime, so that it does not fall into step with a program's own pattern.
const GLOBAL_INTERVAL: u32 = 61;

/// Every so many goroutines, a busy machine looks at the clock for its timers.
const TIMER_INTERVAL: u32 = 16;

/// At most so many goroutines in a row come from elsewhere than the queues:
/// partners that wake each other for ever do not starve those who wait in line.
const STREAK_MAX: u32 = 128;

/// How long a machine keeps its permit while others wait for one.
const TENURE_NS: u64 = 1_000_000;

impl Machine {
    /// The life of a worker.
    pub(super) fn run(&self) {
        self.begin_tenure();
        // The first one is the result of the search for which it was started.
        let mut found = if self.is_special {
            self.find_special_work()
        } else {
            self.find_work_slow()
        };
        while let Some(g) = found {
            self.execute(g);
            found = self.find_work();
        }
    }

    /// The next goroutine to run; `None` when the machine's thread is to end.
    #[inline]
    fn find_work(&self) -> Option<GRef> {
        let tick = self.processor().advance();
        if self.slot().requests() != 0 {
            self.attend();
        }
        if self.is_special {
            return self.find_special_work();
        }
        if tick.is_multiple_of(TIMER_INTERVAL) {
            self.expire_own_timers();
        }
        if tick.is_multiple_of(GLOBAL_INTERVAL) {
            self.at_global_interval();
            if let Some(g) = self.take_neglected() {
                return Some(g);
            }
        }
        self.take_own().or_else(|| self.find_work_slow())
    }

    /// Whatever is queued on this machine.
    #[inline(always)]
    pub(super) fn take_own(&self) -> Option<GRef> {
        if self.streak.get() < STREAK_MAX {
            let newest = self.take_next().or_else(|| self.take_continuation());
            if newest.is_some() {
                self.streak.set(self.streak.get() + 1);
                return newest;
            }
            self.begin_turn();
            return self.take_queued();
        }
        self.begin_turn();
        self.take_oldest()
    }

    #[inline(always)]
    fn begin_turn(&self) {
        self.streak.set(0);
        self.processor().begin_turn();
    }

    /// Somebody who has waited for long: from the queues or the oldest
    /// continuation, by turns.
    #[cold]
    fn take_oldest(&self) -> Option<GRef> {
        let found = if self.turns.queued_first() {
            self.take_queued()
                .or_else(|| self.take_oldest_continuation())
        } else {
            self.take_oldest_continuation()
                .or_else(|| self.take_queued())
        };
        found.or_else(|| self.take_next())
    }

    fn take_oldest_continuation(&self) -> Option<GRef> {
        let homed = |all: &mut Vec<GRef>| (!all.is_empty()).then(|| all.remove(0));
        let own = || settle(|| self.processor().oldest().steal()).map(|Queued(g)| g);
        let oldest = self.with_continuations(homed).or_else(own)?;
        // SAFETY: a queued goroutine is alive.
        trace::emit(self, || Event::Age(unsafe { oldest.as_ref() }.id()));
        Some(oldest)
    }

    /// The goroutine that was started or made runnable last.
    #[inline]
    pub(super) fn take_next(&self) -> Option<GRef> {
        let processor = self.processor();
        if processor.starts_next() {
            processor.set_starts_next(false);
            if let Some(start) = processor.starts().pop() {
                return Some(start);
            }
        }
        self.next.take().or_else(|| processor.take_next())
    }

    /// The parent that started a child first last.
    #[inline]
    pub(super) fn take_continuation(&self) -> Option<GRef> {
        if self.has_continuations.get() {
            self.take_newest_continuation()
        } else {
            None
        }
    }

    fn take_newest_continuation(&self) -> Option<GRef> {
        let homed = self.with_continuations(Vec::pop);
        let newest = homed.or_else(|| self.processor().pop_continuation());
        match newest {
            // SAFETY: a queued goroutine is alive.
            Some(g) => trace::emit(self, || Event::Pop(unsafe { g.as_ref() }.id())),
            None => self.has_continuations.set(false),
        }
        newest
    }

    /// The first of the machine's queue, the first of the processor's or its newest start,
    /// by turns.
    #[inline]
    fn take_queued(&self) -> Option<GRef> {
        if !self.slot().inbox.is_empty() {
            self.drain_inbox();
        }
        let processor = self.processor();
        if processor.starts().is_empty() {
            return match self.turns.homed_first() {
                true => self.take_homed().or_else(|| processor.pop()),
                false => processor.pop().or_else(|| self.take_homed()),
            };
        }
        self.take_queued_or_start()
    }

    fn take_queued_or_start(&self) -> Option<GRef> {
        let processor = self.processor();
        // The one that it would be is taken with the others now.
        processor.set_starts_next(false);
        let homed = || self.take_homed();
        let (queued, start) = (|| processor.pop(), || processor.starts().pop());
        match self.turns.next_queue() {
            0 => homed().or_else(queued).or_else(start),
            1 => queued().or_else(homed).or_else(start),
            _ => start().or_else(homed).or_else(queued),
        }
    }

    #[inline]
    fn take_homed(&self) -> Option<GRef> {
        self.with_queue(|queue| queue.pop_front())
    }

    pub(super) fn drain_inbox(&self) {
        let inbox = &self.slot().inbox;
        self.with_queue(|queue| inbox.drain(queue));
    }

    /// Now and then: machines that wait for a permit get their turn, and the next
    /// goroutine is timed.
    #[cold]
    fn at_global_interval(&self) {
        self.times_next.set(true);
        let shared = self.shared();
        if shared.permits.wanting() != 0
            && shared.clock.now().saturating_sub(self.active_since.get()) > TENURE_NS
        {
            self.pass_permit_on();
        }
        self.look_at_netpoll();
    }

    /// One that others could keep from running for ever: what
    /// [`take_spent_or`](Machine::take_spent_or) finds or the oldest start, by turns.
    #[cold]
    fn take_neglected(&self) -> Option<GRef> {
        let others = || self.take_spent_or(|| self.take_global_one());
        if self.turns.start_first() {
            self.take_oldest_start().or_else(others)
        } else {
            others().or_else(|| self.take_oldest_start())
        }
    }

    pub(super) fn take_oldest_start(&self) -> Option<GRef> {
        self.processor().starts().steal()
    }

    /// A homed goroutine that had its time slice, or what `take_global` finds, by
    /// turns.
    pub(super) fn take_spent_or(&self, take_global: impl Fn() -> Option<GRef>) -> Option<GRef> {
        let take_spent = || self.with_spent(|spent| spent.pop_front());
        if self.turns.spent_first() {
            take_spent().or_else(take_global)
        } else {
            take_global().or_else(take_spent)
        }
    }

    pub(super) fn take_global_one(&self) -> Option<GRef> {
        settle(|| self.shared().global.steal()).map(|Queued(g)| g)
    }

    /// Answers requests to the machine. Those to a goroutine that has left are
    /// answered by its leaving.
    #[cold]
    fn attend(&self) {
        let asked = self.slot().answer(u32::MAX);
        let is_over = asked & preempt::SLICE_OVER != 0;
        if self.has_lost_permit() {
            self.do_without_permit();
        } else if is_over && !self.is_dedicated {
            // A dedicated one gives way in its own loop.
            self.share_slices();
        }
    }

    /// A time slice is over: whoever was woken in it waits behind those in the
    /// queues, and machines that wait for a permit get their turn.
    fn share_slices(&self) {
        self.streak.set(STREAK_MAX);
        if self.shared().permits.wanting() != 0 {
            self.pass_permit_on();
        }
    }

    /// This machine's share of the global queue: what is left for the others is
    /// not homed here before they come.
    pub(super) fn take_global_batch(&self) -> Option<GRef> {
        let global = &self.shared().global;
        let share = global.len() / self.procs() + 1;
        if share == 1 {
            return self.take_global_one();
        }
        let take = |queue: &_| settle(|| global.steal_batch_with_limit_and_pop(queue, share));
        self.processor().with_queue(take).map(|Queued(g)| g)
    }

    fn expire_own_timers(&self) {
        let timers = &self.processor().timers;
        if timers.earliest() != NEVER {
            let mut expired = self.expired.take();
            timers.expire(self.shared().clock.now(), &mut expired);
            self.queue_expired(expired);
        }
    }

    /// Ends the waits of all processors whose time has come.
    pub(super) fn expire_all_timers(&self) {
        let shared = self.shared();
        if shared.earliest_timer() != NEVER {
            let mut expired = self.expired.take();
            shared.expire_timers(shared.clock.now(), &mut expired);
            self.queue_expired(expired);
        }
    }

    /// To the tails, not to `next`: those due first run first.
    fn queue_expired(&self, mut expired: Vec<GRef>) {
        expired.drain(..).for_each(|g| self.queue_last(g));
        self.expired.set(expired);
    }

    /// For a machine that is not an ordinary worker.
    #[cold]
    fn find_special_work(&self) -> Option<GRef> {
        if self.is_dedicated {
            self.find_dedicated_work()
        } else {
            self.find_simulated_work()
        }
    }
}
