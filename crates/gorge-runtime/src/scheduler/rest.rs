//! How a machine rests: what `sleeper` needs of it, how long it sleeps, and when
//! it ends instead.

use super::crew::{Crew, NEVER};
use super::machine::Machine;
use super::permits::ACTIVE;
use super::shared::Shared;
use super::sleeper::Sleeper;
use super::slot::Slot;
use super::watch::NAP;
use crate::goroutine::GRef;
use crate::primitive::atomic::Ordering;
use std::cell::Cell;
use std::mem;
use std::time::Duration;

/// How long a machine sleeps when there is work that it left to its owner.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How long the poller leaves a timer that is due to those who have the permits.
const LEAVE_NS: u64 = 250_000;
const LEAVE_STEP_NS: u64 = 100_000;

/// How long an idle machine stays when there are more than permits.
const LINGER: Duration = Duration::from_secs(10);

impl Sleeper for Machine {
    type Crew = Shared;

    fn crew(&self) -> &Shared {
        self.shared()
    }

    fn number(&self) -> u32 {
        Machine::number(self)
    }

    fn searching(&self) -> &Cell<bool> {
        &self.searching
    }

    fn announce_sleep(&self) -> bool {
        self.slot().inbox.begin_sleep()
    }

    fn drain_inbox(&self) {
        Machine::drain_inbox(self);
    }

    fn has_homed_work(&self) -> bool {
        Machine::has_homed_work(self)
    }

    fn has_common_work(&self) -> bool {
        !self.shared().global.is_empty()
    }

    fn is_over(&self) -> bool {
        self.shared().is_over()
    }

    fn park(&self) {
        self.slot().parker.park(None);
    }

    fn sleep(&self, left_work: bool, polls: bool) -> bool {
        // Who watches looks often enough.
        let limit = (left_work && !self.is_watching()).then_some(LOOK_AGAIN);
        if polls {
            self.poll_until_due(limit);
            return true;
        }
        self.shared().remind_poller();
        let park = |timeout| self.slot().parker.park(timeout);
        if limit.is_some() || self.is_watching() {
            self.nap(limit, park);
            return true;
        }
        let linger = self.is_surplus().then_some(LINGER);
        park(linger)
    }

    fn begin_watch(&self) {
        let looks = self.looks.borrow();
        let had_work = |number| looks.saw_work(number);
        self.watch.borrow_mut().begin(self.shared(), had_work);
    }

    fn is_watching(&self) -> bool {
        !self.watch.borrow().is_empty()
    }

    fn is_work_elsewhere(&self) -> bool {
        self.has_common_work() || self.watch.borrow().is_work_elsewhere(self.shared())
    }

    fn end_watch(&self) -> bool {
        self.watch.borrow_mut().end(self.shared())
    }

    fn pass_on_what_is_due(&self) {
        self.leave_what_is_due();
    }

    /// Gives the machine's number up, unless it is needed after all.
    fn leave(&self) -> bool {
        let shared = self.shared();
        let left = self.is_surplus() && shared.permits.leave(self.number(), &shared.slots);
        self.has_left.set(left);
        left
    }

    fn end_tenure(&self) {
        let now = self.shared().clock.now();
        let busy = now.saturating_sub(self.active_since.get());
        self.slot().count_rest(busy);
        // Nobody runs here who could answer.
        self.slot().answer(u32::MAX);
    }

    fn begin_tenure(&self) {
        let shared = self.shared();
        let now = shared.clock.now();
        self.active_since.set(now);
        shared.monitor.see_activity(now);
    }
}

impl Machine {
    /// Whether the machine is nobody's home, and one of too many.
    fn is_surplus(&self) -> bool {
        let shared = self.shared();
        self.slot().residents() == 0 && shared.slots.len() > shared.permits.limit()
    }

    /// Poller: sleeps until the earliest timer is due, or a descriptor is ready,
    /// or somebody wakes it.
    fn poll_until_due(&self, limit: Option<Duration>) {
        let shared = self.shared();
        let parker = &self.slot().parker;
        let Some(due) = self.announce_poll() else {
            // Called to work: the wake-up has come, or will in a moment.
            parker.park(limit);
            return;
        };
        let is_over = due == NEVER && shared.config.is_simulated() && {
            let pause = || parker.park(Some(LOOK_AGAIN));
            shared.look_before_sleep(pause)
        };
        if is_over {
            // There was a deadlock, or there is something to do.
        } else if due == NEVER || !shared.clock.jump_to(due) {
            let rest = match due {
                NEVER => None,
                due => {
                    let rest = due.saturating_sub(shared.clock.now());
                    Some(Duration::from_nanos(rest.max(self.leave_step())))
                }
            };
            let timeout = match (rest, limit) {
                (Some(rest), Some(limit)) => Some(rest.min(limit)),
                (rest, limit) => rest.or(limit),
            };
            self.nap(timeout, |timeout| self.wait_for_readiness(timeout));
        }
        shared.permits.poll(self.number(), 0);
    }

    /// How long the poller leaves timers of machines that have a permit to those. If none is free
    /// it could not run who waits for them; and the others look after their timers themselves, if
    /// they are not stuck with one goroutine. It would wake for each of many timers, and queue who
    /// is due where others come first.
    fn leave_time(&self) -> u64 {
        match self.shared().permits.free() {
            0 => LEAVE_NS,
            _ => 0,
        }
    }

    /// How long it sleeps at least meanwhile. Nobody tells it that a permit is free again.
    fn leave_step(&self) -> u64 {
        self.leave_time().min(LEAVE_STEP_NS)
    }

    /// Sleeps as `sleep_for` does, which is false when the time was over; in naps
    /// while there is somebody to watch, and no longer than that goes well.
    fn nap(&self, timeout: Option<Duration>, sleep_for: impl Fn(Option<Duration>) -> bool) {
        if !self.is_watching() {
            sleep_for(timeout);
            return;
        }
        let shared = self.shared();
        let until = timeout.map(|timeout| {
            let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            shared.clock.now().saturating_add(timeout)
        });
        let left = || until.map(|until| until.saturating_sub(shared.clock.now()));
        loop {
            let nap = left().map_or(NAP, |left| Duration::from_nanos(left).min(NAP));
            let is_over = sleep_for(Some(nap)) || left() == Some(0) || shared.permits.free() == 0;
            if is_over || !self.watch.borrow_mut().goes_on(shared) {
                return;
            }
        }
    }

    /// Leaves those whose wait is over to whoever gets a permit, perhaps to this
    /// machine.
    fn leave_what_is_due(&self) {
        self.leave_claimed();
        let shared = self.shared();
        if shared.earliest_timer() != NEVER {
            let mut expired = self.expired.take();
            let now = shared.clock.now();
            let left = now.saturating_sub(self.leave_time());
            let until = |slot: &Slot| {
                // Relaxed: who has just lost its permit has its timers a little longer.
                match slot.standing.load(Ordering::Relaxed) {
                    ACTIVE => left,
                    _ => now,
                }
            };
            shared.expire_timers_until(until, &mut expired);
            expired.drain(..).for_each(|g| shared.leave(g));
            self.expired.set(expired);
        }
    }

    /// The machine's thread is about to end.
    pub(super) fn finish(&self) {
        let shared = self.shared();
        if self.searching.replace(false) {
            shared.permits.stop_search();
        }
        if shared.is_over() {
            shared.netpoll.end();
        }
        if !self.has_left.get() {
            self.slot().answer(u32::MAX);
            let handed = shared.permits.vacate(self.number(), &shared.slots);
            shared.unpark(handed);
            if handed.is_none() && !shared.is_over() {
                shared.look_after_release();
            }
            shared.look_again();
        }
    }

    /// The machine lost its permit: leaves to others what they can run, and
    /// comes back once it has another one, or the runtime is over.
    pub(super) fn do_without_permit(&self) {
        self.give_up_queues();
        // A machine that belongs to one goroutine rests apart, in its loop.
        if !self.is_dedicated {
            self.regain_permit();
        }
    }

    /// Gives the permit to a machine that waits for one, and waits in turn.
    pub(super) fn pass_permit_on(&self) {
        let shared = self.shared();
        let handed = shared.permits.pass_on(self.number(), &shared.slots);
        if handed.is_some() {
            shared.unpark(handed);
            self.do_without_permit();
        }
    }

    /// For a machine that belongs to one pinned goroutine: that, or `None` when
    /// it is pinned no more.
    pub(super) fn find_dedicated_work(&self) -> Option<GRef> {
        // It yielded, or its slice is over: others come first, in every lap, as
        // the monitor cannot tell one that yields for ever from many short turns.
        let mut gave_way = !self.with_queue(|queue| queue.is_empty());
        loop {
            if self.is_discharged.get() || self.shared().is_over() {
                self.finish();
                return None;
            }
            let keeps = !mem::take(&mut gave_way) || !self.shared().is_permit_asked_for();
            if keeps
                && self.slot().standing.load(Ordering::Acquire) == ACTIVE
                && let Some(g) = self.take_own()
            {
                return Some(g);
            }
            self.rest_apart();
        }
    }
}
