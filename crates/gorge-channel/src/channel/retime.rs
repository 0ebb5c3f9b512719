//! Setting a channel of the clock anew.

use super::{Chan, Locked};
use crate::buffer::{Buffer, Timer};
use crate::waiter::ClaimedAll;
use gorge_runtime::park::Outcome;
use std::time::{Duration, Instant};

impl<T> Chan<T> {
    /// Sets when the next value comes, and how long after that the one after it does. What
    /// was due and not received is gone. Returns whether it had been set before, and what
    /// came of that had not been received.
    ///
    /// Whoever waits does so until the time that was set when it began, or until its own
    /// deadline, and then looks again. If the new time is earlier, it has to look at once.
    pub(crate) fn set_timer(&self, due: Option<Instant>, period: Option<Duration>) -> bool {
        let mut woken = ClaimedAll::default();
        let mut locked = self.lock();
        let timer = locked.timer();
        let old = timer.due();
        let was_set = timer.set(due, period);
        if due.is_some_and(|due| old.is_none_or(|old| due < old)) {
            locked.claim_all_who_receive(&mut woken);
        }
        drop(locked);
        woken.wake();
        was_set
    }

    /// No value will come. Returns as [`set_timer`](Chan::set_timer) does.
    pub(crate) fn stop_timer(&self) -> bool {
        self.lock().timer().stop()
    }
}

impl<T> Locked<'_, T> {
    fn timer(&mut self) -> &mut Timer<T> {
        match &mut self.buffer {
            Buffer::Timer(timer) => timer,
            _ => unreachable!("only timers are set"),
        }
    }

    /// All who wait for a value, or watch for one, are to look again.
    fn claim_all_who_receive(&mut self, woken: &mut ClaimedAll) {
        // SAFETY: the lock that guards the lists is held.
        unsafe {
            self.receivers.claim_all(Outcome::Closed, woken);
            self.watchers.of_values.claim_watchers(woken);
        }
        self.watched = !(self.watchers.of_values.is_empty() && self.watchers.of_room.is_empty());
    }
}
