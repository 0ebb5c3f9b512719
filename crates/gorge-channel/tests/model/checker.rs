//! Whether a history is linearisable: whether each operation can be given one moment
//! between its call and its return, so that one after the other they do what the
//! sequential model says.
//!
//! The search is that of Wing and Gong ("Testing and verifying concurrent objects",
//! 1993): what may come next is any operation that was called before the first return
//! of those that have had no moment yet. Configurations that were seen once are left
//! out, as Lowe does ("Testing for linearizability", 2017).
//!
//! An operation that waits needs no moment but the one at which it ends. What the queue
//! cannot do alone:
//!
//! * *exchange*: a value that goes from hand to hand. The send and the receive have one
//!   moment, within both. It needs an empty queue, behind which a receiver waits; with
//!   room in the queue it is the same as a send and then a receive.
//! * *promise*: a select that chose a send, or a permit, has kept room, or has claimed a
//!   receiver. To that, and to nobody else, its value goes from hand to hand later,
//!   whatever has become of the channel meanwhile.
//!
//! Who waits cannot be seen from outside, so who is under way may be waiting or not: a
//! rendezvous may always say that nobody is there.

use crate::history::{Choice, Event, What};
use crate::queue::{Queue, Received, Sent};
use crate::step::Case;
use std::collections::HashSet;

/// What a party has been promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Promise {
    Nothing,
    Room,
    Receiver,
    /// An error: the channel was closed.
    Error,
}

/// The channels, and the parties' promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    queues: Vec<Queue>,
    promises: Vec<Promise>,
}

/// Which events have had their moment, a bit for each.
type Done = u128;

impl State {
    /// What a party was promised. Room is given back.
    fn take_promise(&mut self, party: usize, channel: usize) -> Promise {
        let promise = std::mem::replace(&mut self.promises[party], Promise::Nothing);
        if promise == Promise::Room {
            self.queues[channel].unreserve();
        }
        promise
    }
}

struct Search<'a> {
    events: &'a [Event],
    seen: HashSet<(Done, State)>,
    open: Vec<(Done, State)>,
}

/// Finds an order, or says how far the best one came.
pub(crate) fn check(capacities: &[Option<usize>], events: &[Event]) -> Result<(), String> {
    assert!(events.len() < Done::BITS as usize, "a shorter program");
    let parties = events.iter().map(|event| event.party + 1).max();
    let start = State {
        queues: capacities.iter().copied().map(Queue::new).collect(),
        promises: vec![Promise::Nothing; parties.unwrap_or(0)],
    };
    let mut search = Search {
        events,
        seen: HashSet::new(),
        open: Vec::new(),
    };
    search.visit(0, start.clone());
    let all = (1 << events.len()) - 1;
    let mut best: (Done, State) = (0, start);
    while let Some((done, state)) = search.open.pop() {
        if done == all {
            return Ok(());
        }
        search.expand(done, &state);
        if done.count_ones() >= best.0.count_ones() {
            best = (done, state);
        }
    }
    Err(describe(events, best.0, &best.1))
}

fn describe(events: &[Event], done: Done, state: &State) -> String {
    let mut text = format!("not linearisable; after {state:?} nothing fits, of\n");
    let mut in_order: Vec<_> = events.iter().enumerate().collect();
    in_order.sort_by_key(|(_, event)| event.called);
    for (number, event) in in_order {
        let mark = if done & (1 << number) == 0 { '?' } else { ' ' };
        let Event {
            party,
            called,
            returned,
            what,
        } = event;
        text += &format!("{mark} {called:3}..{returned:3} party {party}: {what:?}\n");
    }
    text
}

impl Search<'_> {
    fn visit(&mut self, done: Done, state: State) {
        if self.seen.insert((done, state.clone())) {
            self.open.push((done, state));
        }
    }

    fn is_left(done: Done, number: usize) -> bool {
        done & (1 << number) == 0
    }

    /// Goes on with each event that may come next.
    fn expand(&mut self, done: Done, state: &State) {
        let events = self.events;
        let left = || (0..events.len()).filter(|&number| Self::is_left(done, number));
        let first_return = left().map(|number| events[number].returned).min();
        let next: Vec<_> = left()
            .filter(|&number| first_return.is_some_and(|first| events[number].called < first))
            .collect();
        for &number in &next {
            for after in self.alone(number, done, state) {
                self.visit(done | 1 << number, after);
            }
        }
        for &sends in &next {
            for &receives in &next {
                if let Some(after) = exchange(&events[sends], &events[receives], state) {
                    self.visit(done | 1 << sends | 1 << receives, after);
                }
            }
        }
    }

    /// What is there after an event that involves no other.
    fn alone(&self, number: usize, done: Done, state: &State) -> Vec<State> {
        let event = &self.events[number];
        let mut after = state.clone();
        let queues = &mut after.queues;
        let is_ready = |(channel, sends): Case| state.queues[channel].is_ready(sends);
        let fits = match &event.what {
            What::Send(channel, value, sent) => queues[*channel].send(*value) == *sent,
            What::Receive(channel, received) => queues[*channel].receive() == *received,
            What::Close(channel, closed) => queues[*channel].close() == *closed,
            What::Len(channel, len) => queues[*channel].values.len() == *len,
            What::IsFull(channel, is_full) => queues[*channel].is_full() == *is_full,
            What::IsClosed(channel, is_closed) => queues[*channel].closed == *is_closed,
            What::Ready(cases, Some(index)) => {
                let (channel, sends) = cases[*index];
                is_ready(cases[*index]) || self.may_wait(number, done, channel, !sends)
            }
            What::Ready(cases, None) | What::Select(cases, Choice::Nothing) => {
                !cases.iter().any(|case| is_ready(*case))
            }
            What::Select(cases, Choice::Value(index, value)) => {
                queues[cases[*index].0].receive() == Received::Value(*value)
            }
            What::Select(cases, Choice::Closed(index)) => {
                let (channel, sends) = cases[*index];
                let queue = &queues[channel];
                queue.closed && (sends || queue.values.is_empty())
            }
            What::Select(cases, Choice::Send(index)) if queues[cases[*index].0].closed => {
                let before = std::mem::replace(&mut after.promises[event.party], Promise::Error);
                before == Promise::Nothing
            }
            What::Select(cases, Choice::Promise(index) | Choice::Send(index)) => {
                return self.promised(number, done, cases[*index].0, state);
            }
            What::Keep(channel, value, sent) => match after.take_promise(event.party, *channel) {
                Promise::Room => after.queues[*channel].send(*value) == *sent,
                Promise::Error => *sent == Sent::Closed,
                Promise::Receiver | Promise::Nothing => false,
            },
            What::Break(channel) => after.take_promise(event.party, *channel) != Promise::Nothing,
        };
        fits.then_some(after).into_iter().collect()
    }

    /// A send was chosen: it has room or a receiver.
    fn promised(&self, number: usize, done: Done, channel: usize, state: &State) -> Vec<State> {
        let party = self.events[number].party;
        let queue = &state.queues[channel];
        let mut all = Vec::new();
        if queue.closed || state.promises[party] != Promise::Nothing {
            return all;
        }
        if !queue.is_full() {
            let mut after = state.clone();
            after.queues[channel].reserve();
            after.promises[party] = Promise::Room;
            all.push(after);
        }
        let is_bounded = queue.capacity.is_some();
        if is_bounded && queue.values.is_empty() && self.may_wait(number, done, channel, false) {
            let mut after = state.clone();
            after.promises[party] = Promise::Receiver;
            all.push(after);
        }
        all
    }

    /// Whether somebody may wait to send or to receive, during an event of another party.
    fn may_wait(&self, during: usize, done: Done, channel: usize, sends: bool) -> bool {
        let has_case = |cases: &[Case]| cases.contains(&(channel, sends));
        self.events.iter().enumerate().any(|(number, event)| {
            let waits = match &event.what {
                What::Send(its, ..) => sends && *its == channel,
                What::Receive(its, _) => !sends && *its == channel,
                What::Select(cases, _) => has_case(cases),
                _ => false,
            };
            let is_called = event.called < self.events[during].returned;
            waits && is_called && number != during && Self::is_left(done, number)
        })
    }
}

/// What is there after a value went from hand to hand.
fn exchange(sends: &Event, receives: &Event, state: &State) -> Option<State> {
    let (channel, received) = match &receives.what {
        What::Receive(channel, Received::Value(value)) => (*channel, *value),
        What::Select(cases, Choice::Value(index, value)) => (cases[*index].0, *value),
        _ => return None,
    };
    let queue = &state.queues[channel];
    let mut after = state.clone();
    match &sends.what {
        What::Send(its, value, Sent::Done) => {
            let is_waited_for = queue.values.is_empty() && queue.is_full() && !queue.closed;
            (*its == channel && *value == received && is_waited_for).then_some(after)
        }
        What::Keep(its, value, Sent::Done) => {
            let is_theirs = after.take_promise(sends.party, channel) == Promise::Receiver;
            (*its == channel && *value == received && is_theirs).then_some(after)
        }
        _ => None,
    }
}
