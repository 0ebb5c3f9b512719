//! What the permits' lock protects: how many are free, and who sleeps or waits in
//! which order.

use super::{ACTIVE, IDLE, LOST, Rest, Standings, machines_min};
use crate::primitive::atomic::Ordering;
use std::collections::VecDeque;

/// See the module's description.
pub(super) struct State {
    pub(super) free: usize,
    pub(super) limit: usize,
    /// How many permits were given out, and machines admitted without one.
    pub(super) given: u64,
    /// Machines that sleep or are about to, the latest last.
    pub(super) idle: Vec<u32>,
    /// Machines that wait for a permit, the first first.
    pub(super) wanting: VecDeque<u32>,
    /// The idle machine that waits for timers and readiness.
    pub(super) poller: Option<u32>,
    /// Until when the poller sleeps; zero when it does not, and without one.
    pub(super) poll_until: u64,
    /// Numbers of machines that have ended.
    pub(super) vacant: Vec<u32>,
    /// The largest number ever given.
    pub(super) numbers: u32,
    pub(super) numbers_max: u32,
}

/// What may be read without the lock.
#[derive(Clone, Copy)]
pub(super) struct Public {
    pub(super) free: usize,
    pub(super) wanting: usize,
    pub(super) limit: usize,
    pub(super) poller: u32,
    pub(super) poll_until: u64,
}

impl State {
    pub(super) fn new(limit: usize, machines_max: u32) -> State {
        State {
            free: limit,
            limit,
            given: 0,
            idle: Vec::new(),
            wanting: VecDeque::new(),
            poller: None,
            poll_until: 0,
            vacant: Vec::new(),
            numbers: 0,
            numbers_max: machines_max,
        }
    }

    pub(super) fn public(&self) -> Public {
        Public {
            free: self.free,
            wanting: self.wanting.len(),
            limit: self.limit,
            poller: self.poller.unwrap_or(0),
            poll_until: self.poll_until,
        }
    }

    /// A machine that may be woken to search, the poller if there is none.
    pub(super) fn add_idle(&mut self, number: u32) {
        self.idle.push(number);
        self.poller.get_or_insert(number);
    }

    /// Takes a permit that nobody holds.
    pub(super) fn take_free(&mut self) {
        self.free -= 1;
        self.given += 1;
    }

    /// A machine goes to sleep.
    pub(super) fn rest(&mut self, number: u32, standings: &impl Standings) -> Rest {
        let standing = standings.of(number).swap(IDLE, Ordering::AcqRel);
        let has_permit = standing == ACTIVE;
        Rest {
            handed: has_permit.then(|| self.release(standings)).flatten(),
            was_lost: standing == LOST,
        }
    }

    /// Gives a permit to the first machine that is wanting, or makes it free.
    pub(super) fn release(&mut self, standings: &impl Standings) -> Option<u32> {
        let first = self.wanting.pop_front();
        match first {
            Some(number) => standings.of(number).store(ACTIVE, Ordering::Release),
            None => self.free += 1,
        }
        first
    }

    /// The machine that fell asleep last; the poller only when no other sleeps.
    pub(super) fn take_idle(&mut self) -> Option<u32> {
        let last = *self.idle.last()?;
        let number = if self.poller == Some(last) && self.idle.len() > 1 {
            self.idle[self.idle.len() - 2]
        } else {
            last
        };
        self.forget(number);
        Some(number)
    }

    /// A number for one machine more. However few threads were allowed, there may
    /// be some more than permits.
    pub(super) fn take_number(&mut self) -> Option<u32> {
        let max = self.numbers_max.max(machines_min(self.limit));
        self.vacant.pop().or_else(|| {
            (self.numbers < max).then(|| {
                self.numbers += 1;
                self.numbers
            })
        })
    }

    /// Takes a machine out of the lists of those that sleep or wait.
    pub(super) fn forget(&mut self, number: u32) {
        if let Some(place) = self.idle.iter().rposition(|&idle| idle == number) {
            self.idle.remove(place);
        }
        if let Some(place) = self.wanting.iter().position(|&wanting| wanting == number) {
            self.wanting.remove(place);
        }
        if self.poller == Some(number) {
            self.poller = None;
            self.poll_until = 0;
        }
    }
}
