//! The ring of values that all subscribers of a broadcast read.
//!
//! Values are numbered from zero on. The ring has those from `first` on; a subscriber
//! knows the number of the one that it reads next. A value counts how many blocking
//! subscribers have not read it: while that is not zero, it is not overwritten.
//!
//! The lost wake-up to fear: a reader finds nothing and goes to sleep, while a sender adds a
//! value and sees nobody waiting. A reader adds itself to those who wait in the same section
//! in which it found nothing; a sender takes all who wait out in the section in which it
//! adds the value, and wakes them after it.

use super::waiting::{self, Bell, Waiting};
use super::{BroadcastStats, OnLag};
use gorge_channel::context::Context;
use gorge_channel::{bounded, select};
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

pub(super) struct Ring<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    /// The number of the oldest value in the ring, to be read without the lock.
    first: AtomicU64,
}

pub(super) struct State<T> {
    slots: VecDeque<Slot<T>>,
    /// The number of the first slot's value.
    first: u64,
    /// How many subscribers block senders.
    blocking: usize,
    /// The queues of those who keep the oldest values.
    hoards: Vec<Hoard<T>>,
    readers: Vec<Waiting>,
    /// Its memory is used again.
    woken: Vec<Waiting>,
    senders: Vec<Waiting>,
    numbers: u64,
    pub(super) closed: bool,
    pub(super) stats: BroadcastStats,
}

struct Slot<T> {
    value: Arc<T>,
    owed: usize,
}

struct Hoard<T> {
    number: u64,
    values: VecDeque<Arc<T>>,
    dropped: u64,
}

/// What became of a value.
pub(super) enum Sent<T> {
    Done(usize),
    Closed(T),
    Full(T),
}

/// What a reader finds.
pub(super) enum Look {
    /// It has values now.
    Values,
    Nothing,
    /// So many values are lost.
    Lost(u64),
    /// Nothing, and there will be nothing.
    Closed,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Ring<T> {
        Ring {
            capacity,
            state: Mutex::new(State {
                slots: VecDeque::new(),
                first: 0,
                blocking: 0,
                hoards: Vec::new(),
                readers: Vec::new(),
                woken: Vec::new(),
                senders: Vec::new(),
                numbers: 0,
                closed: false,
                stats: BroadcastStats::default(),
            }),
            first: AtomicU64::new(0),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }

    /// The number of the oldest value that there is. It may be newer by now.
    pub(super) fn first(&self) -> u64 {
        // Relaxed: a reader that must not miss an overtaking was told of it by a lock.
        self.first.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, value: T) -> Sent<T> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return Sent::Closed(value);
        }
        let is_full = state.slots.len() == self.capacity;
        if is_full && state.slots.front().is_some_and(|slot| slot.owed > 0) {
            drop(state);
            return Sent::Full(value);
        }
        let mut overwritten = None;
        if is_full {
            overwritten = state.slots.pop_front();
            state.first += 1;
            self.first.store(state.first, Ordering::Relaxed);
        }
        let (value, owed) = (Arc::new(value), state.blocking);
        for hoard in &mut state.hoards {
            hoard.add(&value, self.capacity);
        }
        state.slots.push_back(Slot { value, owed });
        state.stats.sent += 1;
        let subscribers = state.stats.subscribers;
        self.wake_readers(state);
        drop(overwritten);
        Sent::Done(subscribers)
    }

    /// Wakes all readers that wait, without the lock.
    fn wake_readers(&self, mut state: MutexGuard<'_, State<T>>) {
        if state.readers.is_empty() {
            return;
        }
        let spare = mem::take(&mut state.woken);
        let mut woken = mem::replace(&mut state.readers, spare);
        drop(state);
        woken.drain(..).for_each(|waiting| waiting.bell.ring());
        let mut state = self.lock();
        if state.woken.capacity() < woken.capacity() {
            mem::swap(&mut state.woken, &mut woken);
        }
        drop(state);
    }

    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        let closes = !mem::replace(&mut state.closed, true);
        let mut woken = mem::take(&mut state.readers);
        woken.append(&mut state.senders);
        drop(state);
        woken.iter().for_each(|waiting| waiting.bell.ring());
        closes
    }

    pub(super) fn stats(&self) -> BroadcastStats {
        self.lock().stats
    }

    /// Waits until a value may be overwritten, the ring is closed, or the context is done.
    pub(super) fn wait_for_room(&self, ctx: Option<&Context>) {
        let (bell, rings) = bounded(1);
        let mut state = self.lock();
        let front = state.slots.front();
        if state.closed || front.is_none_or(|slot| slot.owed == 0) {
            return;
        }
        state.numbers += 1;
        let number = state.numbers;
        state.senders.push(Waiting {
            number,
            bell: Bell::Channel(bell),
        });
        drop(state);
        let _leaving = Leaving { ring: self, number };
        match ctx {
            None => drop(rings.recv()),
            Some(ctx) => select! {
                recv(rings) -> _ => {}
                recv(ctx.done()) -> _ => {}
            },
        }
    }

    /// A new subscriber: its number, and the number of the value that it reads first.
    pub(super) fn enter(&self, on_lag: OnLag, replay: usize) -> (u64, u64) {
        let mut state = self.lock();
        state.numbers += 1;
        state.stats.subscribers += 1;
        let number = state.numbers;
        let skipped = state.slots.len().saturating_sub(replay);
        let next = state.first + skipped as u64;
        match on_lag {
            OnLag::Block => {
                state.blocking += 1;
                state
                    .slots
                    .range_mut(skipped..)
                    .for_each(|slot| slot.owed += 1);
            }
            OnLag::DropNewest => {
                let values = state
                    .slots
                    .range(skipped..)
                    .map(|slot| Arc::clone(&slot.value));
                let values = values.collect();
                state.hoards.push(Hoard {
                    number,
                    values,
                    dropped: 0,
                });
            }
            OnLag::DropOldest | OnLag::Disconnect => {}
        }
        (number, next)
    }

    /// A subscriber goes, which would have read the value `next`.
    pub(super) fn leave(&self, number: u64, on_lag: OnLag, next: u64) {
        let mut state = self.lock();
        state.stats.subscribers -= 1;
        let waiting = waiting::remove(&mut state.readers, number);
        let hoard = match on_lag {
            OnLag::DropNewest => {
                let at = state.hoards.iter().position(|hoard| hoard.number == number);
                at.map(|at| state.hoards.swap_remove(at))
            }
            _ => None,
        };
        if on_lag == OnLag::Block {
            state.blocking -= 1;
            let read = next.saturating_sub(state.first) as usize;
            state
                .slots
                .range_mut(read..)
                .for_each(|slot| slot.owed -= 1);
            wake_senders(state);
        } else {
            drop(state);
        }
        drop((waiting, hoard));
    }

    /// A reader does not wait any more.
    pub(super) fn stop_waiting(&self, number: u64) {
        let mut state = self.lock();
        let waiting = waiting::remove(&mut state.readers, number);
        drop(state);
        drop(waiting);
    }
}

impl<T> State<T> {
    /// Takes up to `most` values for a reader of the shared ring, from its place on.
    pub(super) fn read(&mut self, next: u64, most: usize, into: &mut VecDeque<Arc<T>>) -> Look {
        if next < self.first {
            return Look::Lost(self.first - next);
        }
        let at = (next - self.first) as usize;
        let until = self.slots.len().min(at + most);
        if at == until {
            return self.nothing();
        }
        into.extend(
            self.slots
                .range(at..until)
                .map(|slot| Arc::clone(&slot.value)),
        );
        Look::Values
    }

    /// The reader for which senders wait has read the value `next`. True if the first value
    /// may be overwritten now, so that senders are to be woken.
    pub(super) fn has_read(&mut self, next: u64) -> bool {
        let at = (next - self.first) as usize;
        let slot = &mut self.slots[at];
        slot.owed -= 1;
        at == 0 && slot.owed == 0 && !self.senders.is_empty()
    }

    /// Takes a value out of the queue of a reader that has one; and how many it has lost.
    pub(super) fn take_hoarded(&mut self, number: u64) -> (Option<Arc<T>>, u64) {
        let hoard = self.hoards.iter_mut().find(|hoard| hoard.number == number);
        let hoard = hoard.expect("it is there as long as its subscriber");
        (hoard.values.pop_front(), mem::take(&mut hoard.dropped))
    }

    pub(super) fn nothing(&self) -> Look {
        match self.closed {
            true => Look::Closed,
            false => Look::Nothing,
        }
    }

    /// Whether a reader whose place is `next` would find anything.
    pub(super) fn has_news(&self, number: u64, on_lag: OnLag, next: u64) -> bool {
        let has_value = match on_lag {
            OnLag::DropNewest => {
                let hoard = self.hoards.iter().find(|hoard| hoard.number == number);
                hoard.is_some_and(|hoard| !hoard.values.is_empty())
            }
            _ => next < self.first + self.slots.len() as u64,
        };
        has_value || self.closed
    }

    /// A reader that found nothing will wait. It may be on the list already, if the bell rang
    /// for something else.
    pub(super) fn wait(&mut self, number: u64, bell: Bell, again: bool) {
        if again && self.readers.iter().any(|waiting| waiting.number == number) {
            return;
        }
        self.readers.push(Waiting { number, bell });
    }
}

impl<T> Hoard<T> {
    fn add(&mut self, value: &Arc<T>, capacity: usize) {
        if self.values.len() < capacity {
            self.values.push_back(Arc::clone(value));
        } else {
            self.dropped += 1;
        }
    }
}

/// Wakes all senders that wait, without the lock.
pub(super) fn wake_senders<T>(mut state: MutexGuard<'_, State<T>>) {
    let woken = mem::take(&mut state.senders);
    drop(state);
    woken.iter().for_each(|waiting| waiting.bell.ring());
}

/// A sender that waits for room; takes itself off the list.
struct Leaving<'a, T> {
    ring: &'a Ring<T>,
    number: u64,
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        let mut state = self.ring.lock();
        let waiting = waiting::remove(&mut state.senders, self.number);
        drop(state);
        drop(waiting);
    }
}
