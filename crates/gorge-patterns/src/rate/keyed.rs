//! `Keyed`: a limiter for each key, made when it is asked for, and forgotten when it is idle.
//!
//! **Problem.** A limit per user or address. There may be any number of them over time, and
//! each was here only once.
//!
//! ```text
//!   "ada"  ──► [ limiter ]
//!   "bob"  ──► [ limiter ]   idle: forgotten
//! ```
//!
//! **Who closes what.** A limiter lives as long as anybody has it, and is not forgotten before.
//! No goroutine runs: who asks sweeps now and then. **Cancelled** are waits, by their context or
//! with their goroutine.

use super::engine::window_nanos;
use super::{Permit, RateLimiter, Refused, Reservation, WaitError};
use gorge_channel::context::Context;
use gorge_runtime::primitive::clock;
use gorge_sync::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// A limiter for each key. Share it by reference, or in an [`Arc`].
///
/// One that nobody has asked for in `idle`, and nobody has in hand, is forgotten at one of the
/// next questions. Choose `idle` so long that a limiter has recovered by then (for a
/// [`Limiter`](super::Limiter), burst over limit), and it makes no difference to the key.
///
/// # Examples
///
/// ```
/// use gorge_patterns::rate::{Keyed, Limit, Limiter};
/// use std::time::Duration;
///
/// let users = Keyed::new(Duration::from_secs(60), |name: &&str| {
///     Limiter::new(Limit::per_second(1.0), if *name == "root" { 10 } else { 1 })
/// });
/// assert!(users.get(&"ada").allow());
/// assert!(!users.get(&"ada").allow());
/// assert!(users.get(&"bob").allow());
/// assert_eq!(users.len(), 2);
/// ```
pub struct Keyed<K, L> {
    make: Box<dyn Fn(&K) -> L + Send + Sync>,
    idle: u64,
    table: Mutex<Table<K, L>>,
}

struct Table<K, L> {
    entries: HashMap<K, Entry<L>>,
    /// When to sweep next, nanoseconds.
    sweep: u64,
}

struct Entry<L> {
    limiter: Arc<L>,
    /// When somebody asked for it last, nanoseconds.
    used: u64,
}

impl<K: Hash + Eq + Clone, L: RateLimiter> Keyed<K, L> {
    /// One that makes limiters with `make`. They are forgotten when they have been idle for so
    /// long.
    ///
    /// # Panics
    ///
    /// If `idle` is zero.
    #[track_caller]
    #[must_use]
    pub fn new(idle: Duration, make: impl Fn(&K) -> L + Send + Sync + 'static) -> Keyed<K, L> {
        let table = Table {
            entries: HashMap::new(),
            sweep: 0,
        };
        Keyed {
            make: Box::new(make),
            idle: window_nanos(idle),
            table: Mutex::new(table),
        }
    }

    /// The limiter of a key. It is made if there is none.
    ///
    /// Several who ask for a new key at once may each make one; all get the same one.
    pub fn get(&self, key: &K) -> Arc<L> {
        let now = clock::nanos();
        if let Some(found) = self.find(key, now) {
            return found;
        }
        // Without the lock, since it is the user's.
        let made = Arc::new((self.make)(key));
        let (limiter, swept) = {
            let mut table = self.table.lock();
            let swept = table.sweep_if_due(now, self.idle);
            let entry = table.entries.entry(key.clone());
            let entry = entry.or_insert(Entry {
                limiter: made,
                used: now,
            });
            (Arc::clone(&entry.limiter), swept)
        };
        // The user's, too.
        drop(swept);
        limiter
    }

    fn find(&self, key: &K, now: u64) -> Option<Arc<L>> {
        let (found, swept) = {
            let mut table = self.table.lock();
            let found = table.entries.get_mut(key).map(|entry| {
                entry.used = entry.used.max(now);
                Arc::clone(&entry.limiter)
            });
            // With what is asked for in hand, so that it is not swept.
            (found, table.sweep_if_due(now, self.idle))
        };
        drop(swept);
        found
    }

    /// As [`RateLimiter::try_acquire`], of a key's limiter.
    ///
    /// # Errors
    ///
    /// Why the events are not admitted.
    pub fn try_acquire(&self, key: &K, n: usize) -> Result<Permit, Refused> {
        self.get(key).try_acquire(n)
    }

    /// As [`RateLimiter::reserve_n`], of a key's limiter.
    pub fn reserve_n(&self, key: &K, n: usize) -> Reservation {
        self.get(key).reserve_n(n)
    }

    /// As [`RateLimiter::acquire`], of a key's limiter.
    ///
    /// # Errors
    ///
    /// As of that.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine. What was taken is given back.
    pub fn acquire(&self, context: &Context, key: &K, n: usize) -> Result<Permit, WaitError> {
        self.get(key).acquire(context, n)
    }

    /// Forgets the limiters that are idle now, and returns how many.
    pub fn sweep(&self) -> usize {
        let now = clock::nanos();
        let swept = self.table.lock().sweep(now, self.idle);
        swept.len()
    }

    /// Forgets the limiter of a key: who asks next gets a new one.
    pub fn forget(&self, key: &K) -> bool {
        let forgotten = self.table.lock().entries.remove_entry(key);
        forgotten.is_some()
    }

    /// How many keys have a limiter.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.lock().entries.len()
    }

    /// Whether no key has a limiter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq, L> Table<K, L> {
    /// Twice in the time in which a limiter becomes idle, so that each question pays for little.
    fn sweep_if_due(&mut self, now: u64, idle: u64) -> Vec<(K, Entry<L>)> {
        if now < self.sweep {
            return Vec::new();
        }
        self.sweep(now, idle)
    }

    /// Takes out what is idle, to be dropped without the lock.
    fn sweep(&mut self, now: u64, idle: u64) -> Vec<(K, Entry<L>)> {
        self.sweep = now.saturating_add((idle / 2).max(1));
        let is_idle = |entry: &Entry<L>| {
            now.saturating_sub(entry.used) >= idle && Arc::strong_count(&entry.limiter) == 1
        };
        self.entries.extract_if(|_, entry| is_idle(entry)).collect()
    }
}

impl<K, L> fmt::Debug for Keyed<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.table.lock().entries.len())
            .field("idle", &Duration::from_nanos(self.idle))
            .finish()
    }
}
