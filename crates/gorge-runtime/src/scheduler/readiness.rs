//! Machines and the readiness of descriptors: who looks, who waits for it.
//!
//! A machine looks without waiting every 61st goroutine, and before it searches
//! among the others. The poller, which is idle, waits. When nobody does either
//! for a while, the monitor does.

use super::crew::Crew;
use super::machine::Machine;
use super::parker::Parker;
use super::shared::Shared;
use crate::netpoll::Poller;
use crate::park::Claim;
use crate::primitive::barrier;
use std::time::Duration;

impl Machine {
    /// Makes runnable whoever waits for what has become ready. True when there
    /// was somebody.
    pub(super) fn look_at_netpoll(&self) -> bool {
        let Some(mut turn) = self.shared().netpoll.needed().and_then(|it| it.try_turn()) else {
            return false;
        };
        let mut claims = self.claims.take();
        turn.poll(Some(Duration::ZERO), &mut claims);
        drop(turn);
        let any = !claims.is_empty();
        claims.drain(..).for_each(Claim::wake);
        self.claims.set(claims);
        any
    }

    /// Poller: sleeps until a descriptor is ready, somebody wakes it, or the
    /// time is over, and says whether it was not the time.
    pub(super) fn wait_for_readiness(&self, timeout: Option<Duration>) -> bool {
        let parker: &Parker = &self.slot().parker;
        // Read after the heavy barrier that follows the announced sleep: see
        // `summon_to_poll`.
        let Some(poller) = self.shared().netpoll.needed() else {
            return parker.park(timeout);
        };
        let mut claims = self.claims.take();
        let unparked = parker.park_polling(poller, timeout, &mut claims);
        let is_ready = !claims.is_empty();
        self.claims.set(claims);
        unparked || is_ready
    }

    /// Poller, without a permit: leaves those whom it has claimed to whoever
    /// gets one, perhaps to itself.
    pub(super) fn leave_claimed(&self) {
        let mut claims = self.claims.take();
        claims.drain(..).for_each(Claim::leave);
        self.claims.set(claims);
    }
}

impl Shared {
    /// Somebody is about to wait in the poller: sees to it that a machine polls,
    /// unless all of them are busy, and look now and then.
    pub(crate) fn summon_to_poll(&self, poller: &Poller) {
        // Pairs with the heavy barrier in `Machine::rest`: either a machine
        // that falls asleep sees the waiter, or we see how it sleeps.
        barrier::light();
        if poller.is_blocked() {
            return;
        }
        match self.permits.poller() {
            Some(number) => self.unpark(Some(number)),
            None => self.notify(),
        }
    }

    /// Machine that falls asleep, and does not poll: the poller may have fallen
    /// asleep when nobody waited for a descriptor yet.
    pub(super) fn remind_poller(&self) {
        // Read after the heavy barrier that follows the announced sleep: either
        // the poller, after its own, has seen whom we see here, or we see that it
        // does not block in the poll.
        if let Some(poller) = self.netpoll.needed()
            && !poller.is_blocked()
        {
            self.unpark(self.permits.poller());
        }
    }

    /// Whether somebody else could use a permit now.
    pub(super) fn is_permit_asked_for(&self) -> bool {
        self.permits.wanting() != 0 || self.has_work()
    }

    /// Monitor: nobody has polled for a while.
    pub(crate) fn see_to_netpoll(&self) {
        let Some(poller) = self.netpoll.needed() else {
            return;
        };
        if poller.is_blocked() {
            return;
        }
        if self.permits.free() != 0 {
            return self.summon_to_poll(poller);
        }
        let mut claims = Vec::new();
        if let Some(mut turn) = poller.try_turn() {
            turn.poll(Some(Duration::ZERO), &mut claims);
        }
        claims.into_iter().for_each(Claim::wake);
    }
}
