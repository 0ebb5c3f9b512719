//! One reader of a broadcast.
//!
//! A reader has the chunk in hand that its next value is likely to be in, and reads there
//! without a lock, as long as it has not been overtaken. The lock is taken once per chunk,
//! and to go to sleep.

use super::chunk::Chunk;
use super::lobby::Seat;
use super::ring::{Look, wake_senders};
use super::waiting::{Bell, Waiting};
use super::{Core, OnLag};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError, bounded, select};
use gorge_runtime::{goroutine, time};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gets the values of a [`Broadcast`](super::Broadcast). Dropping it unsubscribes.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Broadcast;
///
/// let news = Broadcast::new(8);
/// let (mut first, second) = (news.subscribe(), news.subscribe());
/// for number in 1..=3 {
///     news.send(number).unwrap();
/// }
/// news.close();
/// for number in &mut first {
///     assert!((1..=3).contains(&number));
/// }
/// assert!(second.into_iter().eq(1..=3));
/// ```
pub struct Subscriber<T> {
    core: Arc<Core<T>>,
    number: u64,
    on_lag: OnLag,
    /// The number of the value that is read next.
    next: u64,
    /// Where the value that was read last is, and the next one may be.
    chunk: Option<Arc<Chunk<T>>>,
    received: u64,
    dropped: u64,
    cut_off: bool,
    /// It has begun to wait, and may still be on the list of those who do: also when its wait
    /// was cancelled.
    seat: Option<Seat>,
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
            chunk: None,
            received: 0,
            dropped: 0,
            cut_off: false,
            seat: None,
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
        match self.next_here() {
            Some(value) => Ok(value),
            None => self.receive(&Patience::Endless).map_err(|_| RecvError),
        }
    }

    /// The next value, if it is there.
    ///
    /// # Errors
    ///
    /// If it is not, or as for [`recv`](Subscriber::recv).
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(value) = self.next_here() {
            return Ok(value);
        }
        match self.look(None) {
            Look::Found(value) => Ok(value),
            Look::Closed => Err(TryRecvError::Disconnected),
            Look::Nothing | Look::Lost(_) => Err(TryRecvError::Empty),
        }
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
        if let Some(value) = self.next_here() {
            return Ok(value);
        }
        self.receive(&Patience::Until(time::deadline(timeout)))
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
        if let Some(value) = self.next_here() {
            return Ok(value);
        }
        self.receive(&Patience::Context(ctx))
    }

    /// The values until the broadcast ends.
    pub fn iter(&mut self) -> SubscriberIter<'_, T> {
        SubscriberIter { subscriber: self }
    }

    /// The next value, if the chunk that this one has in hand has it, and it need not be told
    /// that it was read.
    #[inline]
    fn next_here(&mut self) -> Option<T> {
        let is_shared = matches!(self.on_lag, OnLag::DropOldest | OnLag::Disconnect);
        if !is_shared || self.next < self.core.ring.first() {
            return None;
        }
        // The clone is code of others: no lock is held.
        let value = self.chunk.as_ref()?.get(self.next)?.clone();
        self.next += 1;
        self.received += 1;
        Some(value)
    }

    /// The next value. If there is none, and a patience to wait with, a bell will ring when
    /// there may be.
    fn look(&mut self, patience: Option<&Patience<'_>>) -> Look<T> {
        if self.cut_off {
            return Look::Closed;
        }
        match self.on_lag {
            OnLag::DropNewest => self.look_hoarded(patience),
            _ => self.look_shared(patience),
        }
    }

    fn look_shared(&mut self, patience: Option<&Patience<'_>>) -> Look<T> {
        loop {
            if self.core.ring.is_awaited(self.next) {
                let Some(patience) = patience else {
                    return Look::Nothing;
                };
                let bell = bell_for(&mut self.bell, patience);
                let waiting = Waiting::new(self.number, bell);
                self.seat = self.core.ring.sit(waiting, self.seat, self.next);
                if self.seat.is_some() {
                    return Look::Nothing;
                }
            }
            let chunk = match self.core.ring.look(self.next) {
                Look::Found(chunk) => chunk,
                // It came to an end, or somebody has yet to tell of a value.
                Look::Nothing => continue,
                Look::Closed => return Look::Closed,
                Look::Lost(count) => {
                    self.lose(count);
                    if self.cut_off {
                        return Look::Closed;
                    }
                    continue;
                }
            };
            // First, because it may panic: then the value is still to be read.
            let value = chunk
                .get(self.next)
                .cloned()
                .expect("it was written before the look");
            if self.on_lag == OnLag::Block {
                let mut state = self.core.ring.lock();
                let may_send = state.read_owed(self.next);
                self.next += 1;
                if may_send {
                    wake_senders(state);
                }
            } else {
                self.next += 1;
            }
            self.received += 1;
            // The one before goes here, and with it perhaps values: no lock is held.
            self.chunk = Some(chunk);
            return Look::Found(value);
        }
    }

    fn look_hoarded(&mut self, patience: Option<&Patience<'_>>) -> Look<T> {
        let mut state = self.core.ring.lock();
        let (looked, dropped) = state.take_hoarded(self.number);
        state.stats.dropped += dropped;
        if let (Look::Nothing, Some(patience)) = (&looked, patience) {
            let bell = bell_for(&mut self.bell, patience);
            let waiting = Waiting::new(self.number, bell);
            self.seat = self.core.ring.sit_under_lock(&state, waiting, self.seat);
        }
        drop(state);
        self.dropped += dropped;
        match looked {
            Look::Found((chunk, number)) => {
                self.received += 1;
                Look::Found(chunk.get(number).cloned().expect("it was written before"))
            }
            Look::Closed => Look::Closed,
            Look::Nothing | Look::Lost(_) => Look::Nothing,
        }
    }

    /// So many values are lost.
    #[cold]
    fn lose(&mut self, count: u64) {
        self.next += count;
        self.dropped += count;
        self.cut_off = self.on_lag == OnLag::Disconnect;
        let mut state = self.core.ring.lock();
        state.stats.dropped += count;
        state.stats.disconnected += u64::from(self.cut_off);
    }

    /// Waits until there is a value, or the end.
    fn receive(&mut self, patience: &Patience<'_>) -> Result<T, RecvTimeoutError> {
        loop {
            match self.look(Some(patience)) {
                Look::Found(value) => {
                    // Whoever brought it takes all out of the lobby.
                    self.seat = None;
                    return Ok(value);
                }
                Look::Closed => return Err(RecvTimeoutError::Disconnected),
                Look::Nothing | Look::Lost(_) => {}
            }
            let waited = self.park(patience);
            if let Some(value) = self.next_here() {
                self.seat = None;
                return Ok(value);
            }
            if let Err(Over) = waited {
                if let Some(seat) = self.seat.take() {
                    self.core.ring.stand(seat, self.number);
                }
                // It may have come at the last moment.
                return self.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                });
            }
        }
    }

    /// Waits for the bell.
    fn park(&self, patience: &Patience<'_>) -> Result<(), Over> {
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
                let (_, rings) = self.bell.as_ref().expect("it was made for this wait");
                select! {
                    recv(rings) -> _ => {}
                    recv(ctx.done()) -> _ => return Err(Over),
                }
            }
        }
        Ok(())
    }
}

/// What wakes a reader that waits with this patience.
fn bell_for(own: &mut Option<(Sender<()>, Receiver<()>)>, patience: &Patience<'_>) -> Bell {
    match patience {
        Patience::Context(_) => {
            let (bell, _) = own.get_or_insert_with(|| bounded(1));
            Bell::Channel(bell.clone())
        }
        _ => Bell::Goroutine(goroutine::current()),
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        let ring = &self.core.ring;
        ring.leave(self.number, self.on_lag, self.next, self.seat);
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

impl<'a, T: Clone + Send + Sync> IntoIterator for &'a mut Subscriber<T> {
    type Item = T;
    type IntoIter = SubscriberIter<'a, T>;

    fn into_iter(self) -> SubscriberIter<'a, T> {
        self.iter()
    }
}

impl<T: Clone + Send + Sync> IntoIterator for Subscriber<T> {
    type Item = T;
    type IntoIter = SubscriberIntoIter<T>;

    fn into_iter(self) -> SubscriberIntoIter<T> {
        SubscriberIntoIter { subscriber: self }
    }
}

/// The values of a subscriber, which it owns, until the broadcast ends; made by
/// [`Subscriber::into_iter`].
pub struct SubscriberIntoIter<T> {
    subscriber: Subscriber<T>,
}

impl<T: Clone + Send + Sync> Iterator for SubscriberIntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.subscriber.recv().ok()
    }
}

impl<T> fmt::Debug for SubscriberIntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SubscriberIntoIter { .. }")
    }
}

impl<T> fmt::Debug for SubscriberIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SubscriberIter { .. }")
    }
}
