//! `Memo`: a function whose results are kept, however many ask at once.
//!
//! **Problem.** A function takes long, and is asked for the same things again and again, by
//! many at the same time. Nobody should wait for a key that another one asks for, and no
//! result be computed twice.
//!
//! ```text
//!                     ┌── ready, fresh ──► a clone
//!   get(key) ── look ─┼── under way ─────► wait for the leader
//!                     └── nothing ───────► lead: call f, keep the result, tell all
//! ```
//!
//! **Who closes what.** A key is *under way* from the first look until its leader has a
//! result, and *ready* until it expires, is pushed out by others, or is forgotten.
//! **Cancelled**: as for [`SingleFlight`](super::SingleFlight): who waits leaves by its own
//! context; a leader that is cancelled is followed by one of those who wait; one that panics
//! gives them an error, and nothing is kept.

use super::flight::{Flight, Landing, Outcome};
use super::lru::Lru;
use crate::groups::caught::{Unwound, catch_all};
use gorge_channel::context::{Context, ContextError};
use gorge_runtime::{cancel, time};
use gorge_sync::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A function with a memory. Clones share it.
///
/// The function is called with a key at most once at a time, on the goroutine of one of
/// those who ask, and not under a lock. `Hash`, `Eq` and `Clone` of the key are called under
/// one, so they must not wait.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Memo;
///
/// let squares = Memo::new(|number: &u64| number * number);
/// let ctx = context::background();
/// assert_eq!(squares.get(&ctx, 12), Ok(144));
/// assert_eq!(squares.get(&ctx, 12), Ok(144), "not computed again");
/// assert_eq!(squares.len(), 1);
/// ```
pub struct Memo<K, V, E = Infallible> {
    shared: Arc<Shared<K, V, E>>,
}

type Function<K, V, E> = Box<dyn Fn(&K) -> Result<V, E> + Send + Sync>;
/// Shared, so that a clone of the value need not be made under the lock.
type Computed<V, E> = Arc<Result<V, E>>;

struct Shared<K, V, E> {
    function: Function<K, V, E>,
    rules: Rules,
    state: Mutex<State<K, V, E>>,
}

struct State<K, V, E> {
    under_way: HashMap<K, Arc<Flight<Computed<V, E>>>>,
    ready: Lru<K, Ready<V, E>>,
}

struct Ready<V, E> {
    result: Computed<V, E>,
    expires: Option<Instant>,
}

/// Why [`Memo::get`] has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoError<E> {
    /// The function returned this error.
    #[error("{0}")]
    Failed(E),
    /// The context was done before somebody else's call had ended.
    #[error("the value was not there before the end: {0}")]
    Cancelled(ContextError),
    /// The one who called the function panicked; this is the text.
    #[error("the call panicked: {0}")]
    Panicked(Arc<str>),
}

/// Options of a [`Memo`] to be; made by [`Memo::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct MemoBuilder<K, V, E> {
    rules: Rules,
    function: PhantomData<fn(K) -> Result<V, E>>,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    capacity: usize,
    ttl: Option<Duration>,
    negative_ttl: Duration,
}

impl<K, V> Memo<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// A memory without limits of a function that cannot fail.
    #[must_use]
    pub fn new<F>(f: F) -> Memo<K, V>
    where
        F: Fn(&K) -> V + Send + Sync + 'static,
    {
        Memo::builder().build(move |key| Ok(f(key)))
    }
}

impl<K, V, E> Memo<K, V, E> {
    /// Options: nothing is dropped, nothing expires, errors are not kept.
    pub fn builder() -> MemoBuilder<K, V, E> {
        MemoBuilder {
            rules: Rules {
                capacity: usize::MAX,
                ttl: None,
                negative_ttl: Duration::ZERO,
            },
            function: PhantomData,
        }
    }
}

impl<K, V, E> MemoBuilder<K, V, E> {
    /// How many results are kept; then the one that was used longest ago goes.
    ///
    /// # Panics
    ///
    /// If that is none: then use a [`SingleFlight`](super::SingleFlight).
    pub fn capacity(mut self, capacity: usize) -> MemoBuilder<K, V, E> {
        assert!(capacity > 0, "a memo keeps at least one result");
        self.rules.capacity = capacity;
        self
    }

    /// How long a value is kept. Default: for ever.
    pub fn ttl(mut self, ttl: Duration) -> MemoBuilder<K, V, E> {
        self.rules.ttl = Some(ttl);
        self
    }

    /// How long an error is kept. Default: not at all, the next one who asks tries again.
    pub fn negative_ttl(mut self, ttl: Duration) -> MemoBuilder<K, V, E> {
        self.rules.negative_ttl = ttl;
        self
    }

    /// The memory of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Memo;
    /// use std::time::Duration;
    ///
    /// let hosts = Memo::builder()
    ///     .capacity(1000)
    ///     .ttl(Duration::from_secs(300))
    ///     .negative_ttl(Duration::from_secs(5))
    ///     .build(|name: &String| match name.as_str() {
    ///         "localhost" => Ok(0x7f00_0001),
    ///         _ => Err(format!("{name} is not known")),
    ///     });
    /// let ctx = context::background();
    /// assert_eq!(hosts.get(&ctx, "localhost".into()), Ok(0x7f00_0001));
    /// assert!(hosts.get(&ctx, "elsewhere".into()).is_err());
    /// ```
    #[must_use]
    pub fn build<F>(self, f: F) -> Memo<K, V, E>
    where
        K: Hash + Eq + Clone,
        F: Fn(&K) -> Result<V, E> + Send + Sync + 'static,
    {
        Memo {
            shared: Arc::new(Shared {
                function: Box::new(f),
                rules: self.rules,
                state: Mutex::new(State {
                    under_way: HashMap::new(),
                    ready: Lru::new(self.rules.capacity),
                }),
            }),
        }
    }
}

impl<K, V, E> fmt::Debug for MemoBuilder<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoBuilder").field(&self.rules).finish()
    }
}

impl Rules {
    fn expiry(&self, is_ok: bool) -> Option<Instant> {
        match is_ok {
            true => self.ttl.and_then(time::deadline),
            false => time::deadline(self.negative_ttl),
        }
    }
}

/// What a look has found.
enum Found<V, E> {
    Ready(Computed<V, E>),
    UnderWay(Arc<Flight<Computed<V, E>>>),
    Nothing(Arc<Flight<Computed<V, E>>>, Landing),
}

impl<K, V, E> Memo<K, V, E>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone,
{
    /// The function's result for `key`: kept, or computed now, here or by somebody else who
    /// has asked before.
    ///
    /// # Errors
    ///
    /// The function's error; or, while waiting for another one's call, that the context is
    /// done, or that one panicked.
    ///
    /// # Panics
    ///
    /// With the panic of the function, if this calls it.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits. If it is delivered in the
    /// function, one of those who wait calls it again.
    pub fn get(&self, ctx: &Context, key: K) -> Result<V, MemoError<E>> {
        loop {
            let flight = match self.look(&key) {
                Found::Ready(result) => return value_of(&result),
                Found::Nothing(flight, landing) => {
                    return value_of(&self.lead(&key, &flight, landing));
                }
                Found::UnderWay(flight) => flight,
            };
            match flight.wait(ctx).map_err(MemoError::Cancelled)? {
                Some(Outcome::Value(result)) => return value_of(result),
                Some(Outcome::Panicked(text)) => {
                    return Err(MemoError::Panicked(Arc::clone(text)));
                }
                // The leader is gone: look again.
                None => {}
            }
        }
    }

    fn look(&self, key: &K) -> Found<V, E> {
        let mut state = self.shared.state.lock();
        if let Some(ready) = state.ready.get(key) {
            if ready.expires.is_none_or(|expires| time::now() < expires) {
                return Found::Ready(Arc::clone(&ready.result));
            }
            let expired = state.ready.remove(key);
            drop(state);
            drop(expired);
            return self.look(key);
        }
        if let Some(flight) = state.under_way.get(key) {
            flight.join();
            return Found::UnderWay(Arc::clone(flight));
        }
        let (flight, landing) = Flight::new();
        state.under_way.insert(key.clone(), Arc::clone(&flight));
        Found::Nothing(flight, landing)
    }

    fn lead(
        &self,
        key: &K,
        flight: &Arc<Flight<Computed<V, E>>>,
        landing: Landing,
    ) -> Computed<V, E> {
        let result = catch_all(|| (self.shared.function)(key));
        let mut state = self.shared.state.lock();
        // Not if it was forgotten: then somebody else may be under way.
        let known = state.under_way.get(key);
        let is_known = known.is_some_and(|known| Arc::ptr_eq(known, flight));
        let mut gone = (None, None);
        if is_known {
            gone.0 = state.under_way.remove_entry(key);
        }
        let computed = match result {
            Ok(result) => Arc::new(result),
            Err(unwound) => {
                drop(state);
                drop(gone);
                let payload = match unwound {
                    Unwound::Panic(panic) => {
                        flight.set(Outcome::Panicked(panic.message().into()));
                        panic.into_payload()
                    }
                    Unwound::Cancel(payload) => payload,
                };
                drop(landing);
                cancel::resume_panic(payload);
            }
        };
        let rules = &self.shared.rules;
        if is_known && (computed.is_ok() || !rules.negative_ttl.is_zero()) {
            let ready = Ready {
                result: Arc::clone(&computed),
                expires: rules.expiry(computed.is_ok()),
            };
            gone.1 = state.ready.insert(key.clone(), ready);
        }
        drop(state);
        flight.set(Outcome::Value(Arc::clone(&computed)));
        drop(landing);
        computed
    }

    /// Forgets a result: who asks next has it computed anew. One that is under way goes to
    /// those who wait for it, and is not kept.
    pub fn forget(&self, key: &K) {
        let mut state = self.shared.state.lock();
        let gone = (state.under_way.remove_entry(key), state.ready.remove(key));
        drop(state);
        drop(gone);
    }

    /// Forgets all results.
    pub fn clear(&self) {
        let mut state = self.shared.state.lock();
        let gone = (std::mem::take(&mut state.under_way), state.ready.take());
        drop(state);
        drop(gone);
    }

    /// How many results are kept, expired ones included that nobody has asked for since.
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready.len()
    }

    /// Whether no result is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.state.lock().under_way.len()
    }
}

fn value_of<V: Clone, E: Clone>(result: &Result<V, E>) -> Result<V, MemoError<E>> {
    result.clone().map_err(MemoError::Failed)
}

impl<K, V, E> Clone for Memo<K, V, E> {
    fn clone(&self) -> Memo<K, V, E> {
        Memo {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V, E> fmt::Debug for Memo<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("rules", &self.shared.rules)
            .finish_non_exhaustive()
    }
}
