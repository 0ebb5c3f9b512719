//! The sequential model of a channel: a queue of numbers, of which room may be kept.
//!
//! It says what each operation does if no other one is under way. Nobody waits in it: a
//! channel of capacity zero never has room, nor a value.

use std::collections::VecDeque;

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub(crate) capacity: Option<usize>,
    pub(crate) values: VecDeque<u32>,
    /// For how many values room is kept.
    pub(crate) reserved: usize,
    pub(crate) closed: bool,
    pub(crate) has_receivers: bool,
}

/// How a send ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    /// It was full, at once or until the time was up.
    Full,
    Closed,
}

/// How a receive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Value(u32),
    /// It was empty, at once or until the time was up.
    Empty,
    Closed,
}

impl Queue {
    pub(crate) fn new(capacity: Option<usize>) -> Queue {
        Queue {
            capacity,
            values: VecDeque::new(),
            reserved: 0,
            closed: false,
            has_receivers: true,
        }
    }

    /// How many more values there is room for.
    pub(crate) fn room(&self) -> usize {
        self.capacity.map_or(usize::MAX, |capacity| {
            capacity - self.values.len() - self.reserved
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Whether a case of a select can be done.
    pub(crate) fn is_ready(&self, sends: bool) -> bool {
        match sends {
            true => self.closed || !self.is_full(),
            false => self.closed || !self.values.is_empty(),
        }
    }

    pub(crate) fn send(&mut self, value: u32) -> Sent {
        if self.closed {
            return Sent::Closed;
        }
        if self.is_full() {
            return Sent::Full;
        }
        self.values.push_back(value);
        Sent::Done
    }

    pub(crate) fn receive(&mut self) -> Received {
        match self.values.pop_front() {
            Some(value) => Received::Value(value),
            None if self.closed => Received::Closed,
            None => Received::Empty,
        }
    }

    /// Keeps room for one value. Not of a queue that is closed.
    pub(crate) fn reserve(&mut self) -> bool {
        let has_room = !self.is_full();
        self.reserved += usize::from(has_room && self.capacity.is_some());
        has_room
    }

    /// Gives kept room back.
    pub(crate) fn unreserve(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Whether this closed it.
    pub(crate) fn close(&mut self) -> bool {
        !std::mem::replace(&mut self.closed, true)
    }

    /// The last receiver goes, and with it the values and the room.
    pub(crate) fn discard(&mut self) {
        self.close();
        self.values.clear();
        self.reserved = 0;
        self.has_receivers = false;
    }
}
