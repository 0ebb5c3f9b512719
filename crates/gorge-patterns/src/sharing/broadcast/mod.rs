//! `Broadcast`: every subscriber gets every value.
//!
//! **Problem.** Many want to hear the same news, each at its own pace, and one that is slow
//! must not cost the others anything, unless that is what is wanted.
//!
//! ```text
//!                      one ring for all
//!   send ──► [ 3 │ 4 │ 5 │ 6 │ 7 │ 8 ] ◄── room for `capacity` values
//!              ▲           ▲       ▲
//!              │           │       └── a subscriber's place: it has all
//!              │           └────────── another one's: it has two to read
//!              └────────────────────── this one's: the next send would overtake it
//! ```
//!
//! A send writes one value, whatever the number of subscribers, and wakes those who wait,
//! all in one go. A subscriber that is as far behind as the ring is long has lost values
//! ([`OnLag::DropOldest`], [`OnLag::Disconnect`]), or the sender waits for it
//! ([`OnLag::Block`]). Only who wants to keep the old values and lose the new ones
//! ([`OnLag::DropNewest`]) has a queue of its own.
//!
//! **Who closes what.** The last [`Broadcast`] that is dropped, or [`close`](Broadcast::close),
//! ends it: subscribers read what they have, and see the end. A subscriber leaves when it is
//! dropped. **Cancelled** by the contexts that are given to sends and receives.
//!
//! * `chunk`: values that are read without a lock; `ring`: which of them are there; `lobby`: where
//!   readers wait; `waiting`: how those are woken; `subscriber`: one reader.

mod chunk;
mod lobby;
mod ring;
mod subscriber;
mod waiting;

pub use subscriber::{Subscriber, SubscriberIntoIter, SubscriberIter};

use gorge_channel::SendError;
use gorge_channel::context::{Context, ContextError};
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use ring::{Ring, Sent};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// What happens when a subscriber is as far behind as the broadcast's capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLag {
    /// It loses the oldest values that it has not read.
    #[default]
    DropOldest,
    /// It loses the newest ones: it reads what it has first. A send takes a little longer
    /// for each such subscriber.
    DropNewest,
    /// The sender waits until it has read one.
    Block,
    /// It is cut off: it gets an error, and nothing more.
    Disconnect,
}

/// Sends each value to all subscribers. Clones send to the same ones.
///
/// # Examples
///
/// ```
/// use gorge_patterns::Broadcast;
///
/// let news = Broadcast::new(16);
/// let mut readers = [(); 3].map(|()| news.subscribe());
/// news.send("rain").unwrap();
/// news.send("sun").unwrap();
/// drop(news);
/// for reader in &mut readers {
///     assert!(reader.iter().eq(["rain", "sun"]));
/// }
/// ```
pub struct Broadcast<T> {
    core: Arc<Core<T>>,
}

struct Core<T> {
    ring: Ring<T>,
    senders: AtomicUsize,
}

/// Why [`Broadcast::try_send`] did not send; the value is handed back.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TryBroadcastError<T> {
    /// A subscriber for which senders wait has the whole ring to read.
    #[error("a subscriber that is waited for has not read enough")]
    Full(T),
    /// The broadcast was closed.
    #[error("sending on a closed broadcast")]
    Closed(T),
}

/// Why [`Broadcast::send_with`] did not send; the value is handed back.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BroadcastError<T> {
    /// The context was done before all had read enough.
    #[error("not all subscribers have read enough before the end: {1}")]
    Cancelled(T, ContextError),
    /// The broadcast was closed.
    #[error("sending on a closed broadcast")]
    Closed(T),
}

/// What a broadcast has done until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastStats {
    /// Values sent.
    pub sent: u64,
    /// Subscribers there are.
    pub subscribers: usize,
    /// Subscribers that were cut off because they were too far behind.
    pub disconnected: u64,
    /// Values that subscribers have lost, as far as they have noticed: each notices with its
    /// next receive.
    pub dropped: u64,
}

impl<T: Send + Sync> Broadcast<T> {
    /// A broadcast that keeps the last `capacity` values.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[must_use]
    pub fn new(capacity: usize) -> Broadcast<T> {
        assert!(capacity > 0, "a broadcast keeps at least one value");
        Broadcast {
            core: Arc::new(Core {
                ring: Ring::new(capacity),
                senders: AtomicUsize::new(1),
            }),
        }
    }

    /// A new subscriber, which gets all values that are sent from now on, and loses the
    /// oldest ones if it is slow.
    #[must_use = "it gets values until it is dropped"]
    pub fn subscribe(&self) -> Subscriber<T> {
        self.subscribe_with(OnLag::DropOldest, 0)
    }

    /// A new subscriber with a policy, which first gets the last `replay` values that were
    /// sent before, as far as they are still there.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_patterns::{Broadcast, OnLag};
    ///
    /// let news = Broadcast::new(4);
    /// (1..=10).for_each(|number| _ = news.send(number).unwrap());
    /// let mut reader = news.subscribe_with(OnLag::Block, 2);
    /// assert_eq!((reader.recv(), reader.recv()), (Ok(9), Ok(10)));
    /// assert!(reader.try_recv().unwrap_err().is_empty());
    /// ```
    #[must_use = "it gets values until it is dropped"]
    pub fn subscribe_with(&self, on_lag: OnLag, replay: usize) -> Subscriber<T> {
        Subscriber::new(&self.core, on_lag, replay)
    }

    /// Sends a value to all subscribers there are, and returns how many. Waits for those
    /// with [`OnLag::Block`].
    ///
    /// # Errors
    ///
    /// If the broadcast was closed. The value is handed back.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let mut value = value;
        loop {
            match self.core.ring.send(value) {
                Sent::Done(subscribers) => return Ok(subscribers),
                Sent::Closed(value) => return Err(SendError(value)),
                Sent::Full(back) => value = back,
            }
            self.core.ring.wait_for_room(None);
        }
    }

    /// As [`send`](Broadcast::send), but waits until the context is done at most.
    ///
    /// # Errors
    ///
    /// If it is, or the broadcast was closed. The value is handed back.
    ///
    /// # Cancellation
    ///
    /// As for [`send`](Broadcast::send).
    pub fn send_with(&self, ctx: &Context, value: T) -> Result<usize, BroadcastError<T>> {
        let mut value = value;
        loop {
            match self.core.ring.send(value) {
                Sent::Done(subscribers) => return Ok(subscribers),
                Sent::Closed(value) => return Err(BroadcastError::Closed(value)),
                Sent::Full(back) => value = back,
            }
            if let Some(reason) = ctx.err() {
                return Err(BroadcastError::Cancelled(value, reason));
            }
            self.core.ring.wait_for_room(Some(ctx));
        }
    }

    /// Sends a value unless that would have to wait.
    ///
    /// # Errors
    ///
    /// If it would, or the broadcast was closed. The value is handed back.
    pub fn try_send(&self, value: T) -> Result<usize, TryBroadcastError<T>> {
        match self.core.ring.send(value) {
            Sent::Done(subscribers) => Ok(subscribers),
            Sent::Closed(value) => Err(TryBroadcastError::Closed(value)),
            Sent::Full(value) => Err(TryBroadcastError::Full(value)),
        }
    }

    /// Ends the broadcast: nothing can be sent any more. True for the call that did.
    pub fn close(&self) -> bool {
        self.core.ring.close()
    }

    /// Counters.
    pub fn stats(&self) -> BroadcastStats {
        self.core.ring.stats()
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.stats().subscribers
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Broadcast<T> {
        // Relaxed: whoever clones has one.
        self.core.senders.fetch_add(1, Ordering::Relaxed);
        Broadcast {
            core: Arc::clone(&self.core),
        }
    }
}

impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        // AcqRel: what the others have sent comes before the end.
        if self.core.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.core.ring.close();
        }
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Broadcast { .. }")
    }
}

impl<T> fmt::Debug for TryBroadcastError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TryBroadcastError::Full(_) => "Full(..)",
            TryBroadcastError::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for BroadcastError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BroadcastError::Cancelled(_, reason) => write!(f, "Cancelled(.., {reason:?})"),
            BroadcastError::Closed(_) => f.pad("Closed(..)"),
        }
    }
}
