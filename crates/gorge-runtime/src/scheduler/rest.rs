//! Machines without work or without a permit: going to sleep, and coming back.
//!
//! One of the sleeping machines is the *poller*: it waits for the earliest timer
//! of the runtime and for the readiness of descriptors, and passes on what
//! comes. The others sleep until somebody wakes them. `README.md` argues that
//! no wake-up is lost.

use super::machine::Machine;
use super::permits::{ACTIVE, Rise, WANTING};
use crate::goroutine::GRef;
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use crate::timer::NEVER;
use std::time::Duration;

/// How long a machine sleeps when there is work that it left to its owner.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How long an idle machine stays when there are more than permits.
const LINGER: Duration = Duration::from_secs(10);

impl Machine {
    /// Gives the permit up and sleeps until there may be something to do, then
    /// takes a permit. `left_work` says that work was seen that its owner had
    /// better do itself: then not for long. False when the thread is to end.
    ///
    /// This machine's own queues are empty: the search before looked last.
    pub(super) fn rest(&self, left_work: bool) -> bool {
        self.rest_unless_over(left_work, true)
    }

    fn rest_unless_over(&self, left_work: bool, ends: bool) -> bool {
        let shared = self.shared();
        let busy = shared.clock.now().saturating_sub(self.active_since.get());
        self.slot().count_rest(busy);
        // Nobody runs here who could answer.
        self.slot().answer(u32::MAX);
        let (handed, polls) = shared.permits.lie_down(self.number(), &shared.slots);
        shared.unpark(handed);
        if self.searching.replace(false) {
            shared.permits.stop_search();
        }
        self.sleep_until_needed(left_work, polls, ends)
    }

    /// The part of [`rest`](Machine::rest) after the permit was given up.
    fn sleep_until_needed(&self, mut left_work: bool, mut polls: bool, ends: bool) -> bool {
        let shared = self.shared();
        loop {
            let mut lingered = false;
            if self.slot().inbox.begin_sleep() {
                // Pairs with the light barrier of `Shared::notify`: from here
                // on, either that side sees our permit free, or we see its work.
                barrier::heavy();
                lingered = !self.is_needed(left_work) && !self.sleep(left_work, polls);
            }
            self.drain_inbox();
            if shared.is_over() {
                return false;
            }
            if polls {
                self.leave_what_is_due();
                self.drain_inbox();
            }
            let must = self.has_homed_work();
            let wants = must || left_work || shared.has_work();
            let rise = shared
                .permits
                .stand_up(self.number(), wants, must, &shared.slots);
            match rise {
                Rise::Granted => self.searching.set(true),
                Rise::Active => {
                    // Others may be needed for the rest of it.
                    shared.permits.join_search();
                    self.searching.set(true);
                }
                Rise::Wanting => self.await_permit(),
                Rise::Idle { polls: is_poller } => {
                    if lingered && ends && self.may_end() && self.leave() {
                        return false;
                    }
                    (left_work, polls) = (false, is_poller);
                    continue;
                }
            }
            self.begin_tenure();
            return true;
        }
    }

    /// Asleep, as far as others can tell: whether there is a reason to get up
    /// at once.
    fn is_needed(&self, left_work: bool) -> bool {
        let shared = self.shared();
        let has_work = if left_work {
            !shared.global.is_empty()
        } else {
            shared.has_work()
        };
        (has_work && shared.permits.free() != 0) || shared.is_over()
    }

    /// Puts the thread to sleep; false when it has lingered for long enough.
    fn sleep(&self, left_work: bool, polls: bool) -> bool {
        let parker = &self.slot().parker;
        if polls {
            self.poll_until_due(left_work.then_some(LOOK_AGAIN));
            return true;
        }
        if left_work {
            parker.park(Some(LOOK_AGAIN));
            return true;
        }
        parker.park(self.may_end().then_some(LINGER))
    }

    /// Whether the machine is nobody's home, and one of too many.
    fn may_end(&self) -> bool {
        let shared = self.shared();
        self.slot().residents() == 0 && shared.slots.len() > shared.permits.limit()
    }

    /// The machine has a permit again.
    pub(super) fn begin_tenure(&self) {
        let shared = self.shared();
        let now = shared.clock.now();
        self.active_since.set(now);
        shared.monitor.see_activity(now);
    }

    /// Gives the machine's number up, unless it is needed after all.
    fn leave(&self) -> bool {
        let shared = self.shared();
        let left = shared.permits.leave(self.number(), &shared.slots);
        self.has_left.set(left);
        left
    }

    /// The machine's thread is about to end.
    pub(super) fn finish(&self) {
        let shared = self.shared();
        self.end_search();
        if shared.is_over() {
            shared.netpoll.end();
        }
        if !self.has_left.get() {
            self.slot().answer(u32::MAX);
            shared.permit_given_up(shared.permits.vacate(self.number(), &shared.slots));
        }
    }

    /// In line for a permit: sleeps until it has one, or the runtime is over.
    fn await_permit(&self) {
        let shared = self.shared();
        loop {
            while self.slot().standing.load(Ordering::Acquire) == WANTING && !shared.is_over() {
                self.slot().parker.park(None);
            }
            // It may have been handed a permit, and have lost it again since.
            let number = self.number();
            let rise = shared.permits.stand_up(number, true, true, &shared.slots);
            if rise != Rise::Wanting || shared.is_over() {
                return;
            }
        }
    }

    /// The machine lost its permit: leaves to others what they can run, and
    /// comes back once it has another one. False when the runtime is over.
    pub(super) fn regain_permit(&self) -> bool {
        self.give_up_queues();
        let shared = self.shared();
        let must = self.has_homed_work();
        let rise = shared
            .permits
            .stand_up(self.number(), true, must, &shared.slots);
        match rise {
            Rise::Granted | Rise::Active => {}
            Rise::Wanting => self.await_permit(),
            Rise::Idle { .. } => {
                if !self.rest_unless_over(false, false) {
                    return false;
                }
            }
        }
        // What it was woken for, it finds in its loop, or others do.
        self.end_search();
        self.begin_tenure();
        true
    }

    /// Gives the permit to a machine that waits for one, and waits in turn.
    /// False when the runtime is over.
    pub(super) fn pass_permit_on(&self) -> bool {
        let shared = self.shared();
        match shared.permits.pass_on(self.number(), &shared.slots) {
            None => true,
            handed => {
                shared.unpark(handed);
                self.regain_permit()
            }
        }
    }

    /// For a machine that belongs to one pinned goroutine: that, or `None` when
    /// it is pinned no more.
    pub(super) fn find_dedicated_work(&self) -> Option<GRef> {
        let shared = self.shared();
        loop {
            if self.is_discharged.get() || shared.is_over() {
                self.finish();
                return None;
            }
            let keeps = !self.shares.replace(false) || !shared.is_permit_asked_for();
            if keeps
                && self.slot().standing.load(Ordering::Acquire) == ACTIVE
                && let Some(g) = self.take_own()
            {
                return Some(g);
            }
            // Whether it has its permit still is decided under the lock.
            let handed = shared.permits.lie_down_apart(self.number(), &shared.slots);
            shared.permit_given_up(handed);
            while !self.has_homed_work() && !shared.is_over() {
                if self.slot().inbox.begin_sleep() && !shared.is_over() {
                    self.slot().parker.park(None);
                }
                self.drain_inbox();
            }
            let rise = shared
                .permits
                .stand_up(self.number(), true, true, &shared.slots);
            if rise == Rise::Wanting {
                self.await_permit();
            }
            self.begin_tenure();
        }
    }
}

/// The poller.
impl Machine {
    /// Sleeps until the earliest timer is due, or a descriptor is ready, or
    /// somebody wakes it, but not longer than `limit`.
    fn poll_until_due(&self, limit: Option<Duration>) {
        let shared = self.shared();
        let due = loop {
            let due = shared.earliest_timer();
            self.slot().poll_until.store(due, Ordering::Relaxed);
            // Pairs with the light barrier of `timer_armed`: either that side
            // sees until when we sleep, or we see its timer.
            barrier::heavy();
            if shared.earliest_timer() >= due {
                break due;
            }
        };
        if due == NEVER || !shared.clock.jump_to(due) {
            let rest = match due {
                NEVER => None,
                due => Some(Duration::from_nanos(due.saturating_sub(shared.clock.now()))),
            };
            let timeout = match (rest, limit) {
                (Some(rest), Some(limit)) => Some(rest.min(limit)),
                (rest, limit) => rest.or(limit),
            };
            self.wait_for_readiness(timeout);
        }
        self.slot().poll_until.store(0, Ordering::Relaxed);
    }

    /// Leaves those whose wait is over to whoever gets a permit.
    fn leave_what_is_due(&self) {
        self.leave_claimed();
        let shared = self.shared();
        if shared.earliest_timer() != NEVER {
            let mut expired = self.expired.take();
            shared.expire_timers(shared.clock.now(), &mut expired);
            expired.drain(..).for_each(|g| shared.leave(g));
            self.expired.set(expired);
        }
    }
}

impl super::Shared {
    /// A timer was armed: the poller must not sleep longer than that.
    #[inline]
    pub(super) fn timer_armed(&self, when: u64) {
        barrier::light();
        if let Some(number) = self.permits.poller()
            && when < self.slots.get(number).poll_until.load(Ordering::Relaxed)
        {
            self.unpark(Some(number));
        }
    }

    /// Whether something will come that only a poller sees, and there is none.
    pub(crate) fn lacks_poller(&self) -> bool {
        self.permits.poller().is_none()
            && (self.earliest_timer() != NEVER || self.netpoll.needed().is_some())
    }

    /// A permit was given up by a machine that does not look for work of others:
    /// `handed` got it, or it is free, and then somebody may have a use for it.
    pub(super) fn permit_given_up(&self, handed: Option<u32>) {
        if handed.is_some() {
            return self.unpark(handed);
        }
        // Pairs with the light barrier of `notify`, as in `rest`.
        barrier::heavy();
        if self.has_work() || self.lacks_poller() {
            self.notify();
        }
    }

    /// Whether somebody else could use a permit now.
    fn is_permit_asked_for(&self) -> bool {
        self.permits.wanting() != 0 || self.has_work()
    }
}
