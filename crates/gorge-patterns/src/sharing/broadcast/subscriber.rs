//! One reader of a broadcast.
//!
//! A reader that may lose values takes several out of the ring at once, so that it locks
//! that once for all of them. They count as unread until it hands them out: one that has
//! left the ring meanwhile is lost, as if it had not been taken.

use super::ring::{Look, Ring, wake_senders};
use super::waiting::Bell;
use super::{Core, OnLag};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError, bounded, select};
use gorge_runtime::{goroutine, time};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many values a reader takes at once.
const BATCH: usize = 32;

/// Gets the values of a [`Broadcast`](super::Broadcast). Dropping it unsubscribes.
pub struct Subscriber<T> {
    core: Arc<Core<T>>,
    number: u64,
    on_lag: OnLag,
    /// The number of the value that is read next.
    next: u64,
    /// Values from `next` on.
    taken: VecDeque<Arc<T>>,
    received: u64,
    dropped: u64,
    cut_off: bool,
    /// For waits in a select; made with the first one.
    bell: Option<(Sender<()>, Receiver<()>)>,
}

/// How to wait for a value.
enum Patience<'a> {
    Endless,
    Until(Option<Instant>),
    Context(&'a Context),
}

/// A wait has ended without a value.
struct Over;

impl<T: Send + Sync> Subscriber<T> {
    pub(super) fn new(core: &Arc<Core<T>>, on_lag: OnLag, replay: usize) -> Subscriber<T> {
        let (number, next) = core.ring.enter(on_lag, replay);
        Subscriber {
            core: Arc::clone(core),
            number,
            on_lag,
            next,
            taken: VecDeque::new(),
            received: 0,
            dropped: 0,
            cut_off: false,
            bell: None,
        }
    }

    /// How many values this one has received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many values this one has lost, as it found at its last receive.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether this one was cut off because it was too far behind.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }
}

impl<T: Clone + Send + Sync> Subscriber<T> {
    /// Waits for the next value.
    ///
    /// # Errors
    ///
    /// At the end of the broadcast, when all has been read, and if this subscriber
    /// [was cut off](Subscriber::is_cut_off).
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits; no value is lost.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        loop {
            match self.try_next() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => drop(self.wait(&Patience::Endless)),
            }
        }
    }

    /// The next value, if it is there.
    ///
    /// # Errors
    ///
    /// If it is not, or as for [`recv`](Subscriber::recv).
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.try_next()
    }

    /// Waits for the next value, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// If the time is over, or as for [`recv`](Subscriber::recv).
    ///
    /// # Cancellation
    ///
    /// As for [`recv`](Subscriber::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_as(&Patience::Until(time::deadline(timeout)))
    }

    /// Waits for the next value until the context is done.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] if it is, however it came to that; or as for
    /// [`recv`](Subscriber::recv).
    ///
    /// # Cancellation
    ///
    /// As for [`recv`](Subscriber::recv).
    pub fn recv_with(&mut self, ctx: &Context) -> Result<T, RecvTimeoutError> {
        self.recv_as(&Patience::Context(ctx))
    }

    fn recv_as(&mut self, patience: &Patience<'_>) -> Result<T, RecvTimeoutError> {
        loop {
            match self.try_next() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            if let Err(Over) = self.wait(patience) {
                // It may have come at the last moment.
                return self.try_next().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                });
            }
        }
    }

    /// The values until the broadcast ends.
    pub fn iter(&mut self) -> SubscriberIter<'_, T> {
        SubscriberIter { subscriber: self }
    }

    #[inline]
    fn try_next(&mut self) -> Result<T, TryRecvError> {
        if self.cut_off {
            return Err(TryRecvError::Disconnected);
        }
        let value = match self.on_lag {
            OnLag::DropNewest => self.next_hoarded(),
            OnLag::Block => self.next_owed(),
            OnLag::DropOldest | OnLag::Disconnect => self.next_shared(),
        }?;
        self.received += 1;
        // The clone is code of others: no lock is held.
        Ok(Arc::unwrap_or_clone(value))
    }

    #[inline]
    fn next_shared(&mut self) -> Result<Arc<T>, TryRecvError> {
        loop {
            let first = self.core.ring.first();
            if self.next < first && !self.taken.is_empty() {
                self.taken.clear();
            }
            if let Some(value) = self.taken.pop_front() {
                self.next += 1;
                return Ok(value);
            }
            let looked = {
                let mut state = self.core.ring.lock();
                state.read(self.next, BATCH, &mut self.taken)
            };
            match looked {
                Look::Values => {}
                Look::Nothing => return Err(TryRecvError::Empty),
                Look::Closed => return Err(TryRecvError::Disconnected),
                Look::Lost(count) => self.lose(count)?,
            }
        }
    }

    /// So many values are lost.
    #[cold]
    fn lose(&mut self, count: u64) -> Result<(), TryRecvError> {
        self.next += count;
        self.dropped += count;
        self.cut_off = self.on_lag == OnLag::Disconnect;
        let mut state = self.core.ring.lock();
        state.stats.dropped += count;
        if self.cut_off {
            state.stats.disconnected += 1;
            drop(state);
            return Err(TryRecvError::Disconnected);
        }
        Ok(())
    }

    fn next_owed(&mut self) -> Result<Arc<T>, TryRecvError> {
        let mut state = self.core.ring.lock();
        match state.read(self.next, 1, &mut self.taken) {
            Look::Values => {}
            Look::Closed => return Err(TryRecvError::Disconnected),
            Look::Nothing => return Err(TryRecvError::Empty),
            Look::Lost(_) => unreachable!("it is not overtaken"),
        }
        let wakes = state.has_read(self.next);
        self.next += 1;
        match wakes {
            true => wake_senders(state),
            false => drop(state),
        }
        Ok(self.taken.pop_front().expect("it was just taken"))
    }

    fn next_hoarded(&mut self) -> Result<Arc<T>, TryRecvError> {
        let mut state = self.core.ring.lock();
        let (value, dropped) = state.take_hoarded(self.number);
        state.stats.dropped += dropped;
        self.dropped += dropped;
        match (value, state.nothing()) {
            (Some(value), _) => Ok(value),
            (None, Look::Closed) => Err(TryRecvError::Disconnected),
            (None, _) => Err(TryRecvError::Empty),
        }
    }

    /// Waits until there is a value to read or lose, or the end.
    fn wait(&mut self, patience: &Patience<'_>) -> Result<(), Over> {
        let (core, number) = (&*self.core, self.number);
        let mut waits = Registered {
            ring: &core.ring,
            number,
            is_on_list: false,
        };
        loop {
            let bell = match patience {
                Patience::Context(_) => {
                    let (bell, _) = self.bell.get_or_insert_with(|| bounded(1));
                    Bell::Channel(bell.clone())
                }
                _ => Bell::Goroutine(goroutine::current()),
            };
            {
                let mut state = core.ring.lock();
                let again = std::mem::replace(&mut waits.is_on_list, false);
                if state.has_news(number, self.on_lag, self.next) {
                    // Whoever brought them has taken all off the list.
                    return Ok(());
                }
                state.wait(number, bell, again);
                waits.is_on_list = true;
            }
            match patience {
                Patience::Endless | Patience::Until(None) => goroutine::park(),
                Patience::Until(Some(deadline)) => {
                    let left = deadline.saturating_duration_since(time::now());
                    if left.is_zero() {
                        return Err(Over);
                    }
                    goroutine::park_timeout(left);
                }
                Patience::Context(ctx) => {
                    let (_, rings) = self.bell.as_ref().expect("it was made above");
                    select! {
                        recv(rings) -> _ => {}
                        recv(ctx.done()) -> _ => return Err(Over),
                    }
                }
            }
        }
    }
}

/// A reader that waits: takes itself off the list if nobody else has.
struct Registered<'a, T> {
    ring: &'a Ring<T>,
    number: u64,
    is_on_list: bool,
}

impl<T> Drop for Registered<'_, T> {
    fn drop(&mut self) {
        if self.is_on_list {
            self.ring.stop_waiting(self.number);
        }
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        self.core.ring.leave(self.number, self.on_lag, self.next);
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("on_lag", &self.on_lag)
            .field("received", &self.received)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// The values of a subscriber until the broadcast ends; made by [`Subscriber::iter`].
pub struct SubscriberIter<'a, T> {
    subscriber: &'a mut Subscriber<T>,
}

impl<T: Clone + Send + Sync> Iterator for SubscriberIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.subscriber.recv().ok()
    }
}

impl<T> fmt::Debug for SubscriberIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SubscriberIter { .. }")
    }
}
