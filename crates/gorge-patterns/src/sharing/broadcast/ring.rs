//! The values that all subscribers of a broadcast read, and who waits for more.
//!
//! Values are numbered from zero on. Those from `first` to `end` are there, in chunks; a
//! subscriber knows the number of the one that it reads next. For blocking subscribers each
//! value counts how many of them have not read it: while that is not zero, it stays.
//!
//! Readers of what all share find without the lock that there is nothing, by `news`, and wait in
//! the [`lobby`](super::lobby). A sender adds its value, then takes all out of there, and has them woken.

use super::chunk::{self, Chunk};
use super::lobby::{Lobby, Seat};
use super::waiting::{self, Bell, Waiting, Woken};
use super::{BroadcastStats, OnLag};
use gorge_channel::context::Context;
use gorge_channel::{bounded, select};
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_sync::{RwLock, RwLockWriteGuard};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

pub(super) struct Ring<T> {
    capacity: u64,
    state: RwLock<State<T>>,
    /// The number of the oldest value, to be read without the lock.
    first: AtomicU64,
    /// Twice the number of the next value; and one more if there will be none.
    news: AtomicU64,
    lobby: Lobby,
}

pub(super) struct State<T> {
    chunks: VecDeque<Arc<Chunk<T>>>,
    first: u64,
    end: u64,
    /// How many subscribers block senders.
    blocking: usize,
    /// From `first` to `end`, if there is a blocking subscriber: how many of them are to
    /// read the value.
    owed: VecDeque<usize>,
    /// The queues of those who keep the oldest values.
    hoards: Vec<Hoard<T>>,
    senders: Vec<Waiting>,
    numbers: u64,
    closed: bool,
    pub(super) stats: BroadcastStats,
}

/// A value in a queue of one's own: the chunk it is in, and its number.
pub(super) type Hoarded<T> = (Arc<Chunk<T>>, u64);

struct Hoard<T> {
    number: u64,
    values: VecDeque<Hoarded<T>>,
    dropped: u64,
}

/// What became of a value.
pub(super) enum Sent<T> {
    Done(usize),
    Closed(T),
    Full(T),
}

/// What a reader finds.
pub(super) enum Look<V> {
    Found(V),
    Nothing,
    /// So many values are lost.
    Lost(u64),
    /// Nothing, and there will be nothing.
    Closed,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Ring<T> {
        Ring {
            capacity: capacity as u64,
            state: RwLock::new(State {
                chunks: VecDeque::new(),
                first: 0,
                end: 0,
                blocking: 0,
                owed: VecDeque::new(),
                hoards: Vec::new(),
                senders: Vec::new(),
                numbers: 0,
                closed: false,
                stats: BroadcastStats::default(),
            }),
            first: AtomicU64::new(0),
            news: AtomicU64::new(0),
            lobby: Lobby::new(),
        }
    }

    pub(super) fn lock(&self) -> RwLockWriteGuard<'_, State<T>> {
        self.state.write()
    }

    /// The chunk of the value that a reader of the shared ones is to read next.
    pub(super) fn look(&self, next: u64) -> Look<Arc<Chunk<T>>> {
        self.state.read().look(next)
    }

    /// The number of the oldest value that there is. It may be newer by now.
    #[inline]
    pub(super) fn first(&self) -> u64 {
        // Relaxed: a reader that looks too early reads a value that was there a moment ago.
        self.first.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> BroadcastStats {
        self.lock().stats
    }

    /// Waits until a value may go, the ring is closed, or the context is done.
    pub(super) fn wait_for_room(&self, ctx: Option<&Context>) {
        let (bell, rings) = bounded(1);
        let mut state = self.lock();
        if state.closed || !state.is_blocked(self.capacity) {
            return;
        }
        let number = state.next_number();
        let bell = Bell::Channel(bell);
        state.senders.push(Waiting { number, bell });
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
        state.stats.subscribers += 1;
        let number = state.next_number();
        let next = state.end - (state.end - state.first).min(replay as u64);
        match on_lag {
            OnLag::Block => {
                state.blocking += 1;
                let values = (state.end - state.first) as usize;
                state.owed.resize(values, 0);
                let replayed = (next - state.first) as usize;
                state.owed.range_mut(replayed..).for_each(|owed| *owed += 1);
            }
            OnLag::DropNewest => {
                let values = (next..state.end).filter_map(|number| {
                    let chunk = state.chunk_of(number)?;
                    Some((Arc::clone(chunk), number))
                });
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
    pub(super) fn leave(&self, number: u64, on_lag: OnLag, next: u64, seat: Option<Seat>) {
        let waiting = seat.and_then(|seat| self.lobby.leave(seat, number));
        let mut state = self.lock();
        state.stats.subscribers -= 1;
        let at = match on_lag {
            OnLag::DropNewest => state.hoards.iter().position(|hoard| hoard.number == number),
            _ => None,
        };
        let hoard = at.map(|at| state.hoards.swap_remove(at));
        if on_lag == OnLag::Block {
            state.blocking -= 1;
            let read = (next - state.first) as usize;
            state.owed.range_mut(read..).for_each(|owed| *owed -= 1);
            wake_senders(state);
        } else {
            drop(state);
        }
        drop((waiting, hoard));
    }

    /// Whether the value with this number is not there yet, and may come.
    #[inline]
    pub(super) fn is_awaited(&self, number: u64) -> bool {
        // SeqCst: see `lobby`; besides, what `tell` was told of is there for who sees it.
        self.news.load(Ordering::SeqCst) == number * 2
    }

    /// A reader that found nothing will wait for a value. None if it need not.
    pub(super) fn sit(&self, waiting: Waiting, before: Option<Seat>, next: u64) -> Option<Seat> {
        self.lobby.sit(waiting, before, || self.is_awaited(next))
    }

    /// As [`sit`](Ring::sit), of a reader that has found nothing under the lock, and keeps it.
    pub(super) fn sit_under_lock(
        &self,
        _locked: &State<T>,
        waiting: Waiting,
        before: Option<Seat>,
    ) -> Option<Seat> {
        self.lobby.sit(waiting, before, || true)
    }

    /// A reader does not wait any more.
    pub(super) fn stand(&self, seat: Seat, number: u64) {
        drop(self.lobby.leave(seat, number));
    }

    /// Under the lock: lets readers know how far the values go.
    fn tell(&self, state: &State<T>) {
        let news = state.end * 2 + u64::from(state.closed);
        // SeqCst: see `lobby`.
        self.news.store(news, Ordering::SeqCst);
    }

    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        let closes = !mem::replace(&mut state.closed, true);
        self.tell(&state);
        wake_senders(state);
        drop(self.lobby.clear());
        closes
    }
}

impl<T: Send + Sync> Ring<T> {
    pub(super) fn send(&self, value: T) -> Sent<T> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return Sent::Closed(value);
        }
        if state.is_blocked(self.capacity) {
            drop(state);
            return Sent::Full(value);
        }
        let gone = state.make_room(self.capacity);
        self.first.store(state.first, Ordering::Relaxed);
        state.add(value, self.capacity);
        self.tell(&state);
        let subscribers = state.stats.subscribers;
        drop(state);
        self.lobby.clear().wake();
        // Values are code of others.
        drop(gone);
        Sent::Done(subscribers)
    }
}

impl<T> State<T> {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Whether the oldest value has to stay, and there is no room for another one.
    fn is_blocked(&self, capacity: u64) -> bool {
        let is_full = self.end - self.first == capacity;
        is_full && self.blocking > 0 && self.owed.front().is_some_and(|owed| *owed > 0)
    }

    /// Lets the oldest value go if there is no room. Returns a chunk that went with it.
    #[must_use = "drop it without the lock"]
    fn make_room(&mut self, capacity: u64) -> Option<Arc<Chunk<T>>> {
        if self.end - self.first < capacity {
            return None;
        }
        self.first += 1;
        self.owed.pop_front();
        let is_over = self.chunks.front()?.end() == self.first;
        if is_over {
            self.chunks.pop_front()
        } else {
            None
        }
    }

    fn add(&mut self, value: T, capacity: u64) {
        let number = self.end;
        if self.chunks.back().is_none_or(|chunk| chunk.end() == number) {
            let length = chunk::length(capacity as usize);
            self.chunks.push_back(Arc::new(Chunk::new(number, length)));
        }
        if let Some(chunk) = self.chunks.back() {
            chunk.set(number, value);
            for hoard in &mut self.hoards {
                if (hoard.values.len() as u64) < capacity {
                    hoard.values.push_back((Arc::clone(chunk), number));
                } else {
                    hoard.dropped += 1;
                }
            }
        }
        self.end += 1;
        if self.blocking > 0 {
            self.owed.push_back(self.blocking);
        } else {
            self.owed.clear();
        }
        self.stats.sent += 1;
    }

    /// The chunk of a value that is there.
    fn chunk_of(&self, number: u64) -> Option<&Arc<Chunk<T>>> {
        let at = self.chunks.partition_point(|chunk| chunk.end() <= number);
        self.chunks.get(at)
    }

    /// The chunk of the value that a reader of the shared ones is to read next.
    pub(super) fn look(&self, next: u64) -> Look<Arc<Chunk<T>>> {
        if next < self.first {
            return Look::Lost(self.first - next);
        }
        if next == self.end {
            return self.nothing();
        }
        let chunk = self.chunk_of(next);
        chunk.map_or_else(|| self.nothing(), |chunk| Look::Found(Arc::clone(chunk)))
    }

    /// A reader for which senders wait reads the value `next`. True if the first value may
    /// go now, so that senders are to be woken.
    pub(super) fn read_owed(&mut self, next: u64) -> bool {
        let at = (next - self.first) as usize;
        self.owed[at] -= 1;
        at == 0 && self.owed[0] == 0 && !self.senders.is_empty()
    }

    /// Takes a value out of the queue of a reader that has one, and tells how many it has
    /// lost.
    pub(super) fn take_hoarded(&mut self, number: u64) -> (Look<Hoarded<T>>, u64) {
        let hoard = self.hoards.iter_mut().find(|hoard| hoard.number == number);
        let hoard = hoard.expect("it is there as long as its subscriber");
        let dropped = mem::take(&mut hoard.dropped);
        let value = hoard.values.pop_front();
        (value.map_or_else(|| self.nothing(), Look::Found), dropped)
    }

    fn nothing<V>(&self) -> Look<V> {
        match self.closed {
            true => Look::Closed,
            false => Look::Nothing,
        }
    }
}

/// Wakes all senders that wait, without the lock.
pub(super) fn wake_senders<T>(mut state: RwLockWriteGuard<'_, State<T>>) {
    let woken = Woken(vec![mem::take(&mut state.senders)]);
    drop(state);
    drop(woken);
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
