//! The slow path of a machine that has nothing queued: what others have, and
//! how long to look for it.

use super::machine::Machine;
use super::sleeper::Sleeper;
use super::steal::Looks;
use crate::goroutine::GRef;
use crate::primitive::spin_hint;

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
            self.watch.borrow_mut().note(self.shared());
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

    /// Looks around for work of others, for a while.
    fn search(&self, looks: &mut Looks) -> Option<GRef> {
        if self.shared().slots.len() == 1 {
            return None;
        }
        if !self.searching.get() {
            if !self.shared().permits.try_search() {
                looks.not_allowed();
                return None;
            }
            self.searching.set(true);
        }
        // With one permit there is nobody to wait for.
        let rounds = if self.procs() == 1 { 1 } else { SEARCH_ROUNDS };
        for round in 0..rounds {
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
