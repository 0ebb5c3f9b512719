//! What several parties did, and when: each operation with the moments of a common clock
//! between which it ran.

use crate::queue::{Received, Sent};
use crate::step::Case;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that was done, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Send(usize, u32, Sent),
    Receive(usize, Received),
    /// The choice of a select; a permit is that of one send.
    Select(Vec<Case>, Choice),
    /// The case that was said to be ready.
    Ready(Vec<Case>, Option<usize>),
    /// The party's promise is kept with a value.
    Keep(usize, u32, Sent),
    /// The party's promise is broken.
    Break(usize),
    Close(usize, bool),
    Len(usize, usize),
    IsFull(usize, bool),
    IsClosed(usize, bool),
}

/// What a select has chosen, by the case's index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    Value(usize, u32),
    /// A send that has been promised something.
    Promise(usize),
    /// A send. Whether the channel was closed shows when the value is sent.
    Send(usize),
    Closed(usize),
    Nothing,
}

/// An operation of a party. A party's operations do not overlap.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) party: usize,
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) what: What,
}

/// The order of calls and returns, of all parties.
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Writes down what one party does.
pub(crate) struct Recorder<'a> {
    clock: &'a Clock,
    party: usize,
    pub(crate) events: Vec<Event>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(clock: &'a Clock, party: usize) -> Recorder<'a> {
        Recorder {
            clock,
            party,
            events: Vec::new(),
        }
    }

    /// Does something, and returns what else came of it.
    pub(crate) fn record<R>(&mut self, operation: impl FnOnce() -> (What, R)) -> R {
        let called = self.clock.tick();
        let (what, result) = operation();
        self.events.push(Event {
            party: self.party,
            called,
            returned: self.clock.tick(),
            what,
        });
        result
    }
}
