//! The machines of a runtime, as whoever has work for them sees them: waking one
//! so that no runnable goroutine is left alone.
//!
//! Everything here is the posting side of the protocol that `README.md` argues
//! for, "Sleeping and waking"; the side of a machine that goes to sleep is in
//! `sleeper`. Both are written against traits, so that the loom models run this
//! very code, with threads, queues and parkers of their own.

use super::permits::{Grant, Permits, Standings};
use crate::primitive::barrier;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// See the module's description.
pub(crate) trait Crew: Standings + Sized {
    fn permits(&self) -> &Permits;

    /// Whether a machine that searches would see something to take.
    fn has_work(&self) -> bool;

    /// The earliest timer of all, or [`NEVER`].
    fn earliest_timer(&self) -> u64;

    /// Whether anybody waits for a descriptor to become ready, which only a poller
    /// sees.
    fn is_readiness_awaited(&self) -> bool {
        false
    }

    /// Whether nothing is ever to be run again: machines that end are not
    /// replaced.
    fn is_ending(&self) -> bool {
        false
    }

    /// A machine whose permit had been taken away has come to rest.
    fn lost_one_rests(&self) {}

    /// Wakes the machine that was handed a permit, if one was.
    fn unpark(&self, handed: Option<u32>);

    /// Starts the thread of a machine that was granted a permit, and is counted
    /// as searching. False when the system refuses.
    fn start(&self, number: u32) -> bool;

    /// There are as many threads as there may be, and none can run the work.
    fn run_out_of_threads(&self) -> !;

    /// New work was queued where any machine may take it. Wakes one to search
    /// for it, unless one is searching already or all permits are in use.
    #[inline]
    fn notify(&self) {
        self.notify_unless(|| false);
    }

    /// As [`notify`](Crew::notify), unless somebody `is_watching`: a machine that
    /// looks for the new work now and then, and once when it gives that up.
    #[inline]
    fn notify_unless(&self, is_watching: impl FnOnce() -> bool) {
        // Pairs with the heavy barriers of whoever gives a permit, a search or a
        // watch up: they look for work after it.
        barrier::light();
        if !is_watching() && self.permits().should_wake() {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let mut may_start = true;
        while !self.is_ending() && self.permits().begin_wake() {
            match self.permits().grant(self, may_start) {
                // The woken machine is the searcher that was counted.
                Grant::Wake(number) => return self.unpark(Some(number)),
                Grant::Start(number) if self.start(number) => return,
                Grant::Start(number) => {
                    self.unpark(self.permits().vacate(number, self));
                    may_start = false;
                }
                Grant::NoThread if may_start => self.run_out_of_threads(),
                Grant::NoThread | Grant::NoPermit => {}
            }
            // Others who notified while this counted as a search rely on it.
            self.permits().stop_search();
            barrier::heavy();
            let in_vain = !may_start && !self.permits().has_idle();
            if in_vain || self.permits().free() == 0 || !self.has_work() {
                return;
            }
        }
    }

    /// A permit may have become free, and whoever gave it up does not look for
    /// work. Also for timers that no machine waits for.
    fn look_after_release(&self) {
        // Pairs with the light barrier of `notify`: either that side sees the
        // permit, or we see its work.
        barrier::heavy();
        if self.lacks_poller() || self.has_work() {
            self.notify();
        }
    }

    /// Whether something will come that only a poller sees, and there is none.
    fn lacks_poller(&self) -> bool {
        self.permits().poller().is_none()
            && (self.earliest_timer() != NEVER || self.is_readiness_awaited())
    }

    /// A timer was armed: the poller must not sleep longer than that.
    #[inline]
    fn timer_armed(&self, when: u64) {
        // Pairs with the heavy barrier of `Sleeper::announce_poll`.
        barrier::light();
        if when < self.permits().poll_until() {
            self.wake_poller();
        }
    }

    #[cold]
    fn wake_poller(&self) {
        self.unpark(self.permits().poller());
    }

    /// Changes how many machines run at once. `lost` is told of those that lose
    /// their permit. Returns the former number.
    fn change_limit(&self, limit: usize, lost: impl FnMut(u32)) -> usize {
        let (former, woken) = self.permits().set_limit(limit, self, lost);
        woken
            .into_iter()
            .for_each(|number| self.unpark(Some(number)));
        self.look_after_release();
        former
    }
}
