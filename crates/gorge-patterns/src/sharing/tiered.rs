//! `TieredCache`: a cache of several levels, the first one small and the last one large.
//!
//! **Problem.** A few entries are used all the time, and some now and then. What is used moves
//! up, what is not moves down, level by level, until it drops out.
//!
//! ```text
//!   level 0  [ ▪▪ ]             ◄──┐ promoted by a use
//!               │ evicted          │
//!   level 1  [ ▪▪▪▪▪▪ ]         ───┤
//!               │ evicted          │
//!   level 2  [ ▪▪▪▪▪▪▪▪▪▪▪▪▪▪ ] ───┘
//!               │ evicted
//!               ▼ dropped
//! ```
//!
//! Readers share the lock: a use in level 0 only leaves a stamp. One in a lower level takes
//! the lock alone, to promote the entry. **Who closes what**: there is nothing to close.
//! **Cancelled**: [`get_or_load`](TieredCache::get_or_load) waits under a context.

use super::lru::Lru;
use super::single_flight::{FlightError, SingleFlight};
use gorge_channel::context::Context;
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_sync::RwLock;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A cache of levels, each of which drops what was used longest ago to the next one. Share
/// it by reference or in an `Arc`.
///
/// `Hash`, `Eq` and `Clone` of the key are called under a lock, so they must not wait.
///
/// # Examples
///
/// ```
/// use gorge_patterns::TieredCache;
///
/// let cache = TieredCache::new([1, 2]);
/// for (key, value) in ["zero", "one", "two"].into_iter().enumerate() {
///     cache.insert(key, value);
/// }
/// assert_eq!((cache.level_of(&2), cache.level_of(&0)), (Some(0), Some(1)));
/// assert_eq!(cache.get(&0).as_deref(), Some(&"zero"), "and it is promoted");
/// assert_eq!((cache.level_of(&2), cache.level_of(&0)), (Some(1), Some(0)));
/// cache.insert(3, "three");
/// assert_eq!(cache.get(&1), None, "it was used longest ago");
/// ```
pub struct TieredCache<K, V> {
    levels: RwLock<Vec<Lru<K, Arc<V>>>>,
    /// One for each level, and one for what was not found.
    uses: Vec<AtomicU64>,
    loads: SingleFlight<K, Arc<V>>,
}

/// How often a cache was asked, and where it found what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TieredStats {
    /// By level.
    pub hits: Vec<u64>,
    /// Not found.
    pub misses: u64,
}

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone,
{
    /// A cache with levels of these capacities, the first one first.
    ///
    /// # Panics
    ///
    /// If there is no level, or one without room.
    #[must_use]
    pub fn new(capacities: impl IntoIterator<Item = usize>) -> TieredCache<K, V> {
        let level = |capacity| {
            assert!(
                capacity > 0,
                "a level of a cache has room for at least one entry"
            );
            Lru::new(capacity)
        };
        let levels: Vec<_> = capacities.into_iter().map(level).collect();
        assert!(!levels.is_empty(), "a cache has at least one level");
        TieredCache {
            uses: (0..=levels.len()).map(|_| AtomicU64::new(0)).collect(),
            levels: RwLock::new(levels),
            loads: SingleFlight::new(),
        }
    }

    /// Looks for a value. If it is in a lower level, it is promoted to the first one.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let found = {
            let levels = self.levels.read();
            let mut levels = levels.iter().enumerate();
            levels.find_map(|(at, level)| Some((at, Arc::clone(level.get(key)?))))
        };
        let at = found.as_ref().map_or(self.uses.len() - 1, |(at, _)| *at);
        self.uses[at].fetch_add(1, Ordering::Relaxed);
        let (at, value) = found?;
        if at > 0 {
            self.promote(key);
        }
        Some(value)
    }

    fn promote(&self, key: &K) {
        let mut levels = self.levels.write();
        // It may have moved since it was found, or have gone.
        let found = levels[1..].iter_mut().find_map(|level| level.remove(key));
        let evicted = found.and_then(|(key, value)| settle(&mut levels, key, value));
        drop(levels);
        drop(evicted);
    }

    /// Adds a value to the first level. Returns what dropped out of the last one, if
    /// anything did.
    pub fn insert(&self, key: K, value: V) -> Option<(K, Arc<V>)> {
        self.insert_shared(key, Arc::new(value))
    }

    fn insert_shared(&self, key: K, value: Arc<V>) -> Option<(K, Arc<V>)> {
        let mut levels = self.levels.write();
        let before = levels.iter_mut().find_map(|level| level.remove(&key));
        let evicted = settle(&mut levels, key, value);
        drop(levels);
        drop(before);
        evicted
    }

    /// The value, which is made by `load` if it is not there: once, however many ask for it
    /// at the same time; see [`SingleFlight::run`].
    ///
    /// # Errors
    ///
    /// While another one loads it: if the context is done, or that one panics.
    ///
    /// # Panics
    ///
    /// With the panic of `load`.
    ///
    /// # Cancellation
    ///
    /// As for [`SingleFlight::run`].
    pub fn get_or_load<F>(&self, ctx: &Context, key: K, load: F) -> Result<Arc<V>, FlightError>
    where
        F: FnOnce() -> V,
    {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        let landed = self.loads.run(ctx, key.clone(), || {
            // It may have been loaded between the look and the flight.
            if let Some(value) = self.peek(&key) {
                return value;
            }
            let value = Arc::new(load());
            drop(self.insert_shared(key, Arc::clone(&value)));
            value
        });
        landed.map(|landed| landed.value)
    }

    /// As [`get`](TieredCache::get), but nothing moves, and nothing is counted.
    fn peek(&self, key: &K) -> Option<Arc<V>> {
        let levels = self.levels.read();
        levels.iter().find_map(|level| level.get(key).cloned())
    }

    /// Takes a value out.
    pub fn remove(&self, key: &K) -> Option<Arc<V>> {
        let mut levels = self.levels.write();
        let removed = levels.iter_mut().find_map(|level| level.remove(key));
        drop(levels);
        removed.map(|(_, value)| value)
    }

    /// The level in which a value is, if it is in any. To ask is no use.
    pub fn level_of(&self, key: &K) -> Option<usize> {
        self.levels.read().iter().position(|level| level.has(key))
    }

    /// How many values each level has.
    pub fn lens(&self) -> Vec<usize> {
        self.levels.read().iter().map(Lru::len).collect()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.lens().into_iter().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counters.
    pub fn stats(&self) -> TieredStats {
        let mut hits: Vec<_> = self
            .uses
            .iter()
            .map(|uses| uses.load(Ordering::Relaxed))
            .collect();
        let misses = hits.pop().unwrap_or(0);
        TieredStats { hits, misses }
    }
}

/// Puts an entry, which is in no level, into the first one; what that evicts goes to the next
/// one, and so on. Returns what falls out.
fn settle<K: Hash + Eq + Clone, V>(
    levels: &mut [Lru<K, Arc<V>>],
    key: K,
    value: Arc<V>,
) -> Option<(K, Arc<V>)> {
    let mut falling = (key, value);
    for level in levels {
        falling = level.insert(falling.0, falling.1)?;
    }
    Some(falling)
}

impl<K, V> fmt::Debug for TieredCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("TieredCache { .. }")
    }
}
