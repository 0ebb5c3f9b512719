//! A machine that has no work or no permit: going to sleep, and coming back.
//!
//! One of the sleeping machines is the *poller*: it waits for the earliest timer
//! of the runtime and for the readiness of descriptors, and passes on what
//! comes. The others sleep until somebody wakes them. `README.md` argues that
//! no wake-up is lost; the loom models run this code.

use super::crew::Crew;
use super::permits::{ACTIVE, LOST, Rise, Standings};
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use std::cell::Cell;

/// A machine, as its own thread uses it.
pub(crate) trait Sleeper {
    type Crew: Crew;

    fn crew(&self) -> &Self::Crew;

    fn number(&self) -> u32;

    /// Whether it is counted among those that search.
    fn searching(&self) -> &Cell<bool>;

    /// Closes the inbox: false when there is something in it, otherwise the next
    /// delivery unparks the machine.
    fn announce_sleep(&self) -> bool;

    /// Opens the inbox again, and takes what was delivered.
    fn drain_inbox(&self);

    /// Whether there is something that only this machine can run.
    fn has_homed_work(&self) -> bool;

    /// Whether there is work that nobody owns.
    fn has_common_work(&self) -> bool;

    /// Whether the runtime is over. Who makes it so unparks every machine.
    fn is_over(&self) -> bool;

    /// Sleeps until it is unparked, or for a moment longer than that is worth
    /// its while. An unpark that came before counts.
    fn park(&self);

    /// As [`park`](Sleeper::park), with an eye on timers if it `polls`; shortly
    /// if it `left_work` to its owner. False when it has lingered for so long
    /// that it may as well end.
    fn sleep(&self, left_work: bool, polls: bool) -> bool;

    /// Watches those who will do their work themselves, if all goes well.
    fn begin_watch(&self);

    /// Whether it watches anybody.
    fn is_watching(&self) -> bool;

    /// Whether there is work that neither its owner, watched by this machine, nor a
    /// watcher will see to.
    fn is_work_elsewhere(&self) -> bool;

    /// Watches nobody any more. True if it did.
    fn end_watch(&self) -> bool;

    /// Poller: makes runnable what has become due.
    fn pass_on_what_is_due(&self);

    /// Ends for good, if nobody needs it.
    fn leave(&self) -> bool;

    /// It is about to give its permit up, if it still has one.
    fn end_tenure(&self);

    /// It has a permit again.
    fn begin_tenure(&self);

    /// Gives the permit up and sleeps until there may be something to do, then
    /// takes a permit. `left_work` says that work was seen that its owner had
    /// better do itself: then not for long. False when the thread is to end:
    /// because the runtime is over, or, if it `may_end`, because nobody needs it.
    ///
    /// The machine's own queues are empty: the search before looked last.
    fn rest(&self, left_work: bool, may_end: bool) -> bool {
        let crew = self.crew();
        self.end_tenure();
        self.begin_watch();
        let rest = crew.permits().lie_down(self.number(), crew);
        crew.unpark(rest.handed);
        if rest.was_lost {
            crew.lost_one_rests();
        }
        if self.searching().replace(false) {
            crew.permits().stop_search();
        }
        self.sleep_until_needed(left_work, may_end)
    }

    /// The part of [`rest`](Sleeper::rest) after the permit was given up.
    fn sleep_until_needed(&self, mut left_work: bool, may_end: bool) -> bool {
        let permits = self.crew().permits();
        loop {
            let polls = permits.poller() == Some(self.number());
            let is_closed = self.announce_sleep();
            // Pairs with the light barrier of `Crew::notify`: from here on, either
            // that side sees our permit free and our search over, or we see its
            // work. Also if there is a delivery: that may keep us for long.
            barrier::heavy();
            let lingered = is_closed && !self.is_needed(left_work) && !self.sleep(left_work, polls);
            self.drain_inbox();
            if polls {
                // Also when the runtime is over: a thread that was claimed while
                // we polled has nobody else to wake it.
                self.pass_on_what_is_due();
                self.drain_inbox();
            }
            if self.is_over() {
                self.end_watch();
                return false;
            }
            let must = self.has_homed_work();
            let is_work_seen = self.crew().has_work();
            let wants = must || is_work_seen;
            match permits.stand_up(self.number(), wants, must, self.crew()) {
                Rise::Granted => self.searching().set(true),
                // As if woken: there may be more than it takes, whose posters
                // relied on the search that it has ended, or on its watch.
                Rise::Active if is_work_seen || self.is_watching() => {
                    permits.begin_search();
                    self.searching().set(true);
                }
                Rise::Active => {}
                Rise::Wanting => {
                    if self.end_watch() {
                        self.crew().look_after_release();
                    }
                    self.await_permit();
                }
                Rise::Idle => {
                    if lingered && may_end && self.leave() {
                        return false;
                    }
                    // The heavy barrier and the look that this calls for come next.
                    self.end_watch();
                    left_work = false;
                    continue;
                }
            }
            // Not before it counts as searching, if it does.
            self.end_watch();
            self.begin_tenure();
            return true;
        }
    }

    /// Asleep, as far as others can tell: whether there is a reason to get up
    /// at once.
    fn is_needed(&self, left_work: bool) -> bool {
        let has_work = match (left_work, self.is_watching()) {
            (true, _) => self.has_common_work(),
            (false, true) => self.is_work_elsewhere(),
            (false, false) => self.crew().has_work(),
        };
        (has_work && self.crew().permits().free() != 0) || self.is_over()
    }

    /// In line for a permit: sleeps until it has one, or the runtime is over.
    fn await_permit(&self) {
        let standing = self.crew().of(self.number());
        while !self.is_over() {
            // Acquire: pairs with the Release of whoever hands the permit on.
            match standing.load(Ordering::Acquire) {
                ACTIVE => return,
                // It was handed one, and lost it before it woke: in line again.
                LOST => {
                    let crew = self.crew();
                    let _ = crew.permits().stand_up(self.number(), true, true, crew);
                }
                _ => self.park(),
            }
        }
    }

    /// Poller: says until when it sleeps, which is when the earliest timer is
    /// due. `None` when somebody has called it to work meanwhile, and somebody
    /// else may be the poller by now.
    fn announce_poll(&self) -> Option<u64> {
        let crew = self.crew();
        loop {
            let due = crew.earliest_timer();
            if !crew.permits().poll(self.number(), due) {
                return None;
            }
            // Pairs with the light barrier of `Crew::timer_armed`: either that
            // side sees until when we sleep, or we see its timer.
            barrier::heavy();
            if crew.earliest_timer() >= due {
                return Some(due);
            }
        }
    }

    /// Ends a search that found something, or is not to go on. If it was the
    /// last one, another machine may be woken for the work that is left.
    fn end_search(&self) {
        if self.searching().replace(false) && self.crew().permits().stop_search() {
            self.crew().notify();
        }
    }

    /// The machine lost its permit, and has left to others what they can run:
    /// takes another one, or rests until there is one for it.
    fn regain_permit(&self) {
        let must = self.has_homed_work();
        let permits = self.crew().permits();
        match permits.stand_up(self.number(), true, must, self.crew()) {
            Rise::Granted | Rise::Active => {}
            Rise::Wanting => self.await_permit(),
            Rise::Idle => {
                self.rest(false, false);
            }
        }
        // What it runs next may be its own: nobody is to rely on its search.
        self.end_search();
        self.begin_tenure();
    }

    /// For a machine that takes no work but its own: gives its permit up, and
    /// has another one when there is something to run, or the runtime is over.
    fn rest_apart(&self) {
        let crew = self.crew();
        let permits = crew.permits();
        let anybody_may = permits.wanting() != 0 && crew.has_work();
        let rest = permits.lie_down_apart(self.number(), crew, anybody_may);
        match rest.handed {
            None => crew.look_after_release(),
            handed => crew.unpark(handed),
        }
        if rest.was_lost {
            crew.lost_one_rests();
        }
        while !self.has_homed_work() && !self.is_over() {
            if self.announce_sleep() && !self.is_over() {
                self.park();
            }
            self.drain_inbox();
        }
        if permits.stand_up(self.number(), true, true, crew) == Rise::Wanting {
            self.await_permit();
        }
        self.begin_tenure();
    }
}
