//! Slots that are taken and given back, with a queue of bounded length: what limits of
//! concurrency and bulkheads are made of.
//!
//! First come, first served, as of a semaphore; beside that a wait ends with a context, and a
//! queue that is full turns newcomers away.

use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, bounded, select};
use gorge_sync::Mutex;
use std::collections::VecDeque;
use std::time::Instant;

pub(crate) struct Slots {
    max: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    queue: VecDeque<Waiter>,
    next_id: u64,
    is_closed: bool,
}

struct Waiter {
    id: u64,
    n: usize,
    /// Told once that the slots are its own; dropped untold, that there will be none.
    grant: Sender<()>,
}

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSlots {
    /// More than there ever are.
    TooMany,
    Busy,
    QueueFull,
    Closed,
    TimedOut,
    Done(ContextError),
}

impl Slots {
    pub(crate) fn new(max: usize) -> Slots {
        let state = State {
            free: max,
            queue: VecDeque::new(),
            next_id: 0,
            is_closed: false,
        };
        Slots {
            max,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn free(&self) -> usize {
        self.state.lock().free
    }

    pub(crate) fn queued(&self) -> usize {
        self.state.lock().queue.len()
    }

    pub(crate) fn try_take(&self, n: usize) -> Result<(), NoSlots> {
        self.take_of(&mut self.state.lock(), n)
    }

    fn take_of(&self, state: &mut State, n: usize) -> Result<(), NoSlots> {
        if state.is_closed {
            return Err(NoSlots::Closed);
        }
        if n > self.max {
            return Err(NoSlots::TooMany);
        }
        if !state.queue.is_empty() || state.free < n {
            return Err(NoSlots::Busy);
        }
        state.free -= n;
        Ok(())
    }

    /// Waits for `n`, until `until` at most, unless `queue_max` wait already.
    pub(crate) fn take(
        &self,
        context: &Context,
        n: usize,
        until: Option<Instant>,
        queue_max: usize,
    ) -> Result<(), NoSlots> {
        if let Some(reason) = context.err() {
            return Err(NoSlots::Done(reason));
        }
        let (granted, id) = {
            let mut state = self.state.lock();
            match self.take_of(&mut state, n) {
                Err(NoSlots::Busy) => {}
                taken => return taken,
            }
            if state.queue.len() >= queue_max {
                return Err(NoSlots::QueueFull);
            }
            let (grant, granted) = bounded(1);
            let id = state.next_id;
            state.next_id += 1;
            state.queue.push_back(Waiter { id, n, grant });
            (granted, id)
        };
        let mut guard = Guard {
            slots: self,
            granted: &granted,
            id,
            n,
            is_over: false,
        };
        let time = until.map_or_else(gorge_channel::never, gorge_channel::at);
        let ended = select! {
            recv(granted) -> told => told.map_err(|_| NoSlots::Closed),
            recv(context.done()) -> _ => Err(NoSlots::Done(
                context.err().unwrap_or(ContextError::Canceled),
            )),
            recv(time) -> _ => Err(NoSlots::TimedOut),
        };
        guard.is_over = true;
        // Who was given slots meanwhile has them, whatever else happened.
        match ended {
            Err(NoSlots::TimedOut | NoSlots::Done(_)) if !self.leave(id) => {
                granted.try_recv().map_err(|_| NoSlots::Closed)
            }
            ended => ended,
        }
    }

    /// Leaves the queue; false if it has been taken out.
    fn leave(&self, id: u64) -> bool {
        let mut state = self.state.lock();
        let Ok(at) = state.queue.binary_search_by_key(&id, |waiter| waiter.id) else {
            return false;
        };
        let _waiter = state.queue.remove(at);
        // It may have been the only one for whom there was too little.
        state.serve();
        true
    }

    pub(crate) fn release(&self, n: usize) {
        let mut state = self.state.lock();
        state.free += n;
        state.serve();
    }

    pub(crate) fn close(&self) {
        let queue = {
            let mut state = self.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.queue)
        };
        drop(queue);
    }
}

impl State {
    /// Gives free slots to the first in the queue, as long as they suffice.
    fn serve(&mut self) {
        while self.queue.front().is_some_and(|first| first.n <= self.free) {
            if let Some(first) = self.queue.pop_front() {
                self.free -= first.n;
                // There is room for one, and it is told once.
                let _ = first.grant.try_send(());
            }
        }
    }
}

/// Cleans up after a waiter whose goroutine is unwound.
struct Guard<'a> {
    slots: &'a Slots,
    granted: &'a Receiver<()>,
    id: u64,
    n: usize,
    is_over: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.is_over && !self.slots.leave(self.id) && self.granted.try_recv().is_ok() {
            self.slots.release(self.n);
        }
    }
}
