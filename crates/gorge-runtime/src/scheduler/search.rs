//! The slow path of a machine that has nothing queued: what others have, and
//! how long to look for it.

use super::machine::Machine;
use super::sleeper::Sleeper;
use super::steal::Looks;
use crate::goroutine::GRef;
use crate::primitive::{parallelism, spin_hint};

/// How often a searching machine looks around before it sleeps. With the pause
/// between two looks that is some twenty microseconds, less than a sleep and a
/// wake-up cost together.
const SEARCH_ROUNDS: u32 = 64;
const PAUSES_PER_ROUND: u32 = 32;

impl Machine {
    #[cold]
    #[inline(never)]
    pub(super) fn find_work_slow(&self) -> Option<GRef> {
        loop {
            self.expire_all_timers();
            if let Some(g) = self.take_anything() {
                return Some(self.found(g));
            }
            if self.look_at_netpoll()
                && let Some(g) = self.take_anything()
            {
                return Some(self.found(g));
            }
            // Borrowed by this loop only, and never across running a goroutine.
            let mut looks = self.looks.borrow_mut();
            looks.forget(self.shared().slots.len());
            let mut watch = self.watch.borrow_mut();
            watch.judge(self.processor(), self.shared().clock.now());
            watch.note(self.shared());
            drop(watch);
            if let Some(g) = self.search(&mut looks) {
                return Some(self.found(g));
            }
            let left_work = looks.left_work();
            drop(looks);
            if self.shared().is_over() || !self.rest(left_work, true) {
                self.finish();
                return None;
            }
        }
    }

    /// Whatever this machine may take without robbing another one.
    fn take_anything(&self) -> Option<GRef> {
        let take_global = || self.take_global_batch();
        self.take_own().or_else(|| self.take_spent_or(take_global))
    }

    /// Ends a search with success: if it was the last one, another machine may
    /// be woken for the work that is left.
    pub(super) fn found(&self, g: GRef) -> GRef {
        self.end_search();
        g
    }

    /// Looks around for work of others, for a while. The only machine that runs goroutines waits
    /// for the ends of jobs on the blocking pool instead, for as long.
    fn search(&self, looks: &mut Looks) -> Option<GRef> {
        let found = self.search_others(looks);
        if found.is_some() || self.procs() > 1 {
            return found;
        }
        self.await_errand()
    }

    /// Not again before another job has ended, if it was in vain: a job may take for ever.
    fn await_errand(&self) -> Option<GRef> {
        let ended = self.shared().blocking.errands_ended()?;
        if self.vain_at.get() == Some(ended) {
            return None;
        }
        let found = self.await_delivery();
        self.vain_at.set(found.is_none().then_some(ended));
        found
    }

    fn search_others(&self, looks: &mut Looks) -> Option<GRef> {
        if self.shared().slots.len() == 1 {
            return None;
        }
        if !self.searching.get() {
            if !self.shared().permits.try_search() {
                looks.not_allowed();
                return match self.procs() {
                    1 => None,
                    _ => self.await_delivery(),
                };
            }
            self.searching.set(true);
        }
        // With one permit there is nobody to wait for.
        let rounds = if self.procs() == 1 { 1 } else { SEARCH_ROUNDS };
        for round in 0.. {
            // Longer where it looks on, and does not know yet whether to take something.
            if round >= rounds && (round >= 2 * rounds || !looks.left_work()) {
                break;
            }
            let found = self.take_anything();
            if let Some(g) = found.or_else(|| self.steal(looks, round)) {
                return Some(g);
            }
            if self.slot().requests() != 0 {
                break;
            }
            self.expire_all_timers();
            self.pause();
        }
        // What the last look at the timers made runnable here, nobody else
        // would ever see.
        self.take_anything()
    }

    /// Enough others search. Who is the home of goroutines still waits for as long as a
    /// search takes, for one that is woken elsewhere: of two that talk to each other from
    /// two threads both are at times without work, and one of them may search.
    fn await_delivery(&self) -> Option<GRef> {
        if self.slot().residents() == 0 || parallelism() == 1 {
            return None;
        }
        for _ in 0..SEARCH_ROUNDS {
            self.pause();
            self.expire_all_timers();
            let found = self.take_own();
            if found.is_some() {
                return found;
            }
            let shared = self.shared();
            let is_wanted = shared.permits.wanting() != 0 || self.slot().requests() != 0;
            if is_wanted || !shared.global.is_empty() {
                break;
            }
        }
        self.take_anything()
    }

    /// A while between two looks around, cut short by a delivery to this
    /// machine: a homed goroutine's partner may be about to wake it.
    fn pause(&self) {
        let inbox = &self.slot().inbox;
        for _ in 0..PAUSES_PER_ROUND {
            if !inbox.is_empty() {
                return;
            }
            spin_hint();
        }
    }
}
