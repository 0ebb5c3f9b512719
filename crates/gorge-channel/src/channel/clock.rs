//! Channels of the clock: their values, or their end, come when it is time.
//!
//! Nobody is woken for that. Who waits does so until the time that was set when it began, or
//! until its own deadline, and then looks again. So if another time is set, those that wait
//! are told only if it is earlier.

use super::{Chan, Kind, Locked};
use crate::buffer::{Buffer, Timer};
use crate::waiter::ClaimedAll;
use gorge_runtime::park::Outcome;
use std::time::{Duration, Instant};

impl<T> Chan<T> {
    /// A channel whose one value at a time comes when it is due.
    pub(crate) fn timed(timer: Timer<T>) -> Chan<T> {
        Chan::with_buffer(Buffer::Timer(timer), Some(1), Kind::Timer)
    }

    /// A channel without values, which is as good as closed at `due`.
    pub(crate) fn expiring(due: Instant) -> Chan<T> {
        Chan::with_buffer(Buffer::Expiry(due), Some(0), Kind::Timer)
    }

    /// Sets when the next value comes, and how long after that the one after it does. What
    /// was due and not received is gone. Returns whether it had been set before, and what
    /// came of that had not been received.
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
    /// Whether nothing can be sent any more: it was closed, or its time is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.closed || self.buffer.has_expired()
    }

    /// Whether a value, or the end, comes by itself before this.
    #[inline]
    pub(crate) fn is_due_before(&self, until: Option<Instant>) -> bool {
        let due = self.buffer.due();
        due.is_some_and(|due| until.is_none_or(|until| due < until))
    }

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
