//! `SingleFlight`: many ask for the same at once, one does the work.
//!
//! **Problem.** A popular entry of a cache expires, and a thousand requests ask the database
//! for it in the same moment.
//!
//! ```text
//!   run("k") ──► leads ────► [ f ] ──► value ──┬──► leader
//!   run("k") ──► follows ── waits ─────────────┼──► a clone
//!   run("k") ──► follows ── waits ─────────────┘──► a clone
//! ```
//!
//! **Who closes what.** The call is known by its key from when the leader begins until its
//! result is there; who asks after that begins anew. **Cancelled**: a follower leaves by its
//! own context, and harms nobody. If the leader's goroutine is cancelled, one of the
//! followers becomes the leader and calls its own function. If the leader panics, the
//! followers get an error, and the leader the panic.

use super::flight::{Flight, Landing, Outcome};
use crate::groups::caught::{Unwound, catch, catch_all};
use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, bounded};
use gorge_runtime::{cancel, go};
use gorge_sync::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use thiserror::Error;

/// Suppresses calls that are under way already: Go's `singleflight`. Clones share the calls.
///
/// Nothing is kept after a call: for that, see [`Memo`](super::Memo). `Hash` and `Eq` of the
/// key are called under a lock, so they must not wait.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::SingleFlight;
///
/// let (ctx, calls) = (context::background(), SingleFlight::new());
/// let page = calls.run(&ctx, "/index", || "the page".to_owned()).unwrap();
/// assert_eq!(page.value, "the page");
/// assert!(!page.shared, "nobody else has asked meanwhile");
/// ```
pub struct SingleFlight<K, V> {
    flights: Arc<Mutex<Flights<K, V>>>,
}

type Flights<K, V> = HashMap<K, Arc<Flight<V>>>;

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed<V> {
    /// What the function returned.
    pub value: V,
    /// Whether others got it, too.
    pub shared: bool,
}

/// Why a follower has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlightError {
    /// Its own context was done before.
    #[error("the call had not ended before the end: {0}")]
    Cancelled(ContextError),
    /// The one who made the call panicked; this is the text.
    #[error("the call panicked: {0}")]
    Panicked(Arc<str>),
}

enum Role<V> {
    Leader(Arc<Flight<V>>, Landing),
    Follower(Arc<Flight<V>>),
}

impl<K, V> SingleFlight<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// No calls.
    #[must_use]
    pub fn new() -> SingleFlight<K, V> {
        SingleFlight {
            flights: Arc::new(Mutex::new(HashMap::new())),
        }
    }

    /// Calls `f` and returns what it returned, or, if somebody is in a call with the same key,
    /// waits for that one's result.
    ///
    /// `f` runs on the calling goroutine; the context ends the waiting, not the call.
    ///
    /// # Errors
    ///
    /// While waiting for another one's call: if the context is done, or that one panics.
    ///
    /// # Panics
    ///
    /// With the panic of `f`.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits. If it is delivered in `f`,
    /// one of those who wait calls its own function.
    pub fn run<F>(&self, ctx: &Context, key: K, f: F) -> Result<Landed<V>, FlightError>
    where
        F: FnOnce() -> V,
    {
        loop {
            match self.role(&key) {
                Role::Leader(flight, landing) => {
                    return Ok(self.lead(key, flight, landing, f));
                }
                Role::Follower(flight) => {
                    match flight.wait(ctx).map_err(FlightError::Cancelled)? {
                        Some(Outcome::Value(value)) => {
                            let value = value.clone();
                            return Ok(Landed {
                                value,
                                shared: true,
                            });
                        }
                        Some(Outcome::Panicked(text)) => {
                            return Err(FlightError::Panicked(Arc::clone(text)));
                        }
                        // The leader is gone: the first one to come back leads.
                        None => {}
                    }
                }
            }
        }
    }

    /// As [`run`](SingleFlight::run), on a goroutine of its own: the result comes through a
    /// channel, so the caller may select on it, and leave without ending the call. Go's
    /// `DoChan`.
    ///
    /// A panic of `f` comes as an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::SingleFlight;
    ///
    /// let (ctx, calls) = (context::background(), SingleFlight::new());
    /// let answer = calls.start(&ctx, 7, || 6 * 7);
    /// assert_eq!(answer.recv().unwrap().unwrap().value, 42);
    /// ```
    #[track_caller]
    pub fn start<F>(&self, ctx: &Context, key: K, f: F) -> Receiver<Result<Landed<V>, FlightError>>
    where
        F: FnOnce() -> V + Send + 'static,
        K: Send + 'static,
        V: Send + Sync + 'static,
    {
        let (sender, result) = bounded(1);
        let (calls, ctx) = (self.clone(), ctx.clone());
        go(move || {
            let result = catch(|| calls.run(&ctx, key, f));
            // There is room; nobody may want it any more.
            drop(sender.try_send(
                result.unwrap_or_else(|panic| Err(FlightError::Panicked(panic.message().into()))),
            ));
        });
        result
    }

    fn role(&self, key: &K) -> Role<V> {
        // Made before, and dropped after, the lock is held.
        let key = key.clone();
        let (flight, landing) = Flight::new();
        let mut flights = self.flights.lock();
        match flights.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(&flight));
                Role::Leader(flight, landing)
            }
            Entry::Occupied(entry) => {
                let other = Arc::clone(entry.get());
                other.join();
                drop(flights);
                Role::Follower(other)
            }
        }
    }

    fn lead<F>(&self, key: K, flight: Arc<Flight<V>>, landing: Landing, f: F) -> Landed<V>
    where
        F: FnOnce() -> V,
    {
        let result = catch_all(f);
        // In this order: nobody finds a call any more whose outcome is there.
        self.remove_if(&key, |known| Arc::ptr_eq(known, &flight));
        let shared = flight.has_followers();
        let outcome = match result {
            Ok(value) => {
                if shared {
                    flight.set(Outcome::Value(value.clone()));
                }
                Ok(value)
            }
            Err(Unwound::Panic(panic)) => {
                flight.set(Outcome::Panicked(panic.message().into()));
                Err(panic.into_payload())
            }
            Err(Unwound::Cancel(payload)) => Err(payload),
        };
        drop(landing);
        match outcome {
            Ok(value) => Landed { value, shared },
            Err(payload) => cancel::resume_panic(payload),
        }
    }

    fn remove_if(&self, key: &K, is_meant: impl FnOnce(&Arc<Flight<V>>) -> bool) {
        let mut flights = self.flights.lock();
        let removed = match flights.get(key) {
            Some(known) if is_meant(known) => flights.remove_entry(key),
            _ => None,
        };
        // Dropping a key is code of others.
        drop(flights);
        drop(removed);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SingleFlight<K, V> {
    /// Forgets a call that is under way: who asks from now on begins a new one. Those who
    /// wait for it get its result.
    pub fn forget(&self, key: &K) {
        self.remove_if(key, |_| true);
    }

    /// How many calls are under way, without those that were forgotten.
    pub fn in_flight(&self) -> usize {
        self.flights.lock().len()
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> SingleFlight<K, V> {
        SingleFlight::new()
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> SingleFlight<K, V> {
        SingleFlight {
            flights: Arc::clone(&self.flights),
        }
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("in_flight", &self.flights.lock().len())
            .finish()
    }
}
