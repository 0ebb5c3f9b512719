//! What the permits' lock protects: who sleeps, who waits in line, which numbers
//! are in use.

use super::{ACTIVE, Standings};
use crate::primitive::atomic::Ordering;
use std::collections::VecDeque;

/// See the module's description.
pub(super) struct State {
    pub(super) free: usize,
    pub(super) limit: usize,
    /// Machines that sleep or are about to, the latest last.
    pub(super) idle: Vec<u32>,
    /// Machines that wait for a permit, the first first.
    pub(super) wanting: VecDeque<u32>,
    /// The idle machine that waits for timers and readiness.
    pub(super) poller: Option<u32>,
    /// Numbers of machines that have ended.
    pub(super) vacant: Vec<u32>,
    /// The largest number ever given.
    pub(super) numbers: u32,
    pub(super) numbers_max: u32,
}

impl State {
    pub(super) fn new(limit: usize, machines_max: u32) -> State {
        State {
            free: limit,
            limit,
            idle: Vec::new(),
            wanting: VecDeque::new(),
            poller: None,
            vacant: Vec::new(),
            numbers: 0,
            numbers_max: machines_max,
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

    pub(super) fn take_number(&mut self) -> Option<u32> {
        self.vacant.pop().or_else(|| {
            (self.numbers < self.numbers_max).then(|| {
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
        }
    }
}
