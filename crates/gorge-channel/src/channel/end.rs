//! The end of a channel: [`Chan::close`], and [`Chan::discard`] when nobody receives any more.

use super::{Chan, State};
use crate::panicked::SharedPanic;
use crate::waiter::ClaimedAll;
use gorge_runtime::park::Outcome;
use gorge_runtime::preempt;
use gorge_runtime::primitive::atomic::Ordering;
use std::mem;

impl<T> Chan<T> {
    /// Ends the sending and wakes whoever waits; true for the call that does.
    pub(crate) fn close(&self) -> bool {
        self.close_with(None)
    }

    /// As [`close`](Chan::close); receivers then go on with the panic, if there is one.
    pub(crate) fn close_with(&self, mut panic: Option<SharedPanic>) -> bool {
        preempt::point_at_without_cancel("close");
        let mut woken = ClaimedAll::default();
        let mut locked = self.lock();
        let closes = !mem::replace(&mut locked.closed, true);
        if closes {
            if panic.is_some() {
                let is_told = !locked.keeps_panic;
                self.head.panicked.store(is_told, Ordering::Relaxed);
                mem::swap(&mut locked.panic, &mut panic);
            }
            // SAFETY: the lock that guards the lists is held.
            unsafe {
                let State {
                    receivers,
                    senders,
                    watchers,
                    ..
                } = &mut *locked;
                receivers.claim_all(Outcome::Closed, &mut woken);
                senders.claim_all(Outcome::Closed, &mut woken);
                watchers.of_values.claim_watchers(&mut woken);
                watchers.of_room.claim_watchers(&mut woken);
            }
            locked.watched = false;
            locked.something_came();
            locked.room_came();
        }
        drop(locked);
        woken.wake();
        closes
    }

    /// Closes, and drops the values that nobody will receive. If one of their destructors
    /// panics, the rest of those that futures were handed leaks.
    pub(crate) fn discard(&self) {
        self.close();
        let mut locked = self.lock();
        locked.has_returned = false;
        let unreceived = (mem::take(&mut locked.returned), locked.buffer.take());
        let panic = locked.panic.take();
        let served = locked.take_all_served();
        drop(locked);
        drop((unreceived, panic));
        served.for_each(drop);
    }
}
