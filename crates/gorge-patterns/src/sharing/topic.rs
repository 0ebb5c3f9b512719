//! `Topic`: news by key.
//!
//! **Problem.** Many kinds of news go through one place, and each party wants some of them:
//! those with one key, or those whose keys it picks by a rule.
//!
//! ```text
//!                         ┌─ "disk" ───► broadcast ──► subscribers of this key
//!   publish(key, value) ──┼─ "net"  ───► broadcast ──► subscribers of this key
//!                         └─ a rule ───► broadcast ──► a subscriber by rule
//! ```
//!
//! **Who closes what.** Each key that somebody has subscribed to has a
//! [`Broadcast`](super::Broadcast), which goes when it is published to and nobody is left.
//! When the last handle of the topic is dropped, all subscribers see the end. **Cancelled**
//! by the contexts that are given to receives and to [`publish_with`](Topic::publish_with).

use super::broadcast::{Broadcast, BroadcastError, OnLag, Subscriber};
use gorge_channel::context::{Context, ContextError};
use gorge_sync::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// Sends values to those who have subscribed to their keys. Clones share it.
///
/// `Hash`, `Eq` and `Clone` of the key are called under a lock, so they must not wait.
///
/// # Examples
///
/// ```
/// use gorge_patterns::Topic;
///
/// let news = Topic::new(16);
/// let mut disk = news.subscribe("disk");
/// let mut all = news.subscribe_where(|_key| true);
/// assert_eq!(news.publish("disk", "full"), 2);
/// assert_eq!(news.publish("net", "slow"), 1);
/// drop(news);
/// assert!(disk.iter().eq([("disk", "full")]));
/// assert!(all.iter().eq([("disk", "full"), ("net", "slow")]));
/// ```
pub struct Topic<K, T> {
    shared: Arc<Shared<K, T>>,
}

struct Shared<K, T> {
    capacity: usize,
    state: Mutex<State<K, T>>,
}

struct State<K, T> {
    by_key: HashMap<K, Broadcast<(K, T)>>,
    /// Replaced as a whole, so that a publisher may go through it without the lock.
    by_rule: Arc<Vec<ByRule<K, T>>>,
}

struct ByRule<K, T> {
    rule: Arc<dyn Fn(&K) -> bool + Send + Sync>,
    news: Broadcast<(K, T)>,
}

impl<K, T> Clone for ByRule<K, T> {
    fn clone(&self) -> ByRule<K, T> {
        ByRule {
            rule: Arc::clone(&self.rule),
            news: self.news.clone(),
        }
    }
}

impl<K, T> Topic<K, T>
where
    K: Hash + Eq + Clone + Send + Sync,
    T: Clone + Send + Sync,
{
    /// A topic in which each subscriber may be `capacity` values behind.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[must_use]
    pub fn new(capacity: usize) -> Topic<K, T> {
        assert!(capacity > 0, "a topic keeps at least one value per key");
        Topic {
            shared: Arc::new(Shared {
                capacity,
                state: Mutex::new(State {
                    by_key: HashMap::new(),
                    by_rule: Arc::new(Vec::new()),
                }),
            }),
        }
    }

    /// Gets what is published with this key from now on.
    #[must_use = "it gets values until it is dropped"]
    pub fn subscribe(&self, key: K) -> Subscriber<(K, T)> {
        self.subscribe_with(key, OnLag::DropOldest, 0)
    }

    /// As [`subscribe`](Topic::subscribe), with a policy, and the last `replay` values of this
    /// key before, as far as somebody else has subscribed to it since then.
    #[must_use = "it gets values until it is dropped"]
    pub fn subscribe_with(&self, key: K, on_lag: OnLag, replay: usize) -> Subscriber<(K, T)> {
        let capacity = self.shared.capacity;
        let mut state = self.shared.state.lock();
        let news = state.by_key.entry(key);
        news.or_insert_with(|| Broadcast::new(capacity))
            .subscribe_with(on_lag, replay)
    }

    /// Gets what is published from now on with any key of which `rule` says so. It is called
    /// by those who publish.
    #[must_use = "it gets values until it is dropped"]
    pub fn subscribe_where<F>(&self, rule: F) -> Subscriber<(K, T)>
    where
        F: Fn(&K) -> bool + Send + Sync + 'static,
    {
        let news = Broadcast::new(self.shared.capacity);
        let subscriber = news.subscribe();
        let added = ByRule {
            rule: Arc::new(rule),
            news,
        };
        self.change_rules(|rules| rules.push(added));
        subscriber
    }

    /// Replaces the list of rules.
    fn change_rules(&self, change: impl FnOnce(&mut Vec<ByRule<K, T>>)) {
        let mut state = self.shared.state.lock();
        let mut rules = Vec::clone(&state.by_rule);
        change(&mut rules);
        let before = std::mem::replace(&mut state.by_rule, Arc::new(rules));
        drop(state);
        // Rules are code of others, and so are their destructors.
        drop(before);
    }

    /// Sends a value to all who want it, and returns how many. Waits for subscribers with
    /// [`OnLag::Block`].
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits: some have the value then.
    pub fn publish(&self, key: K, value: T) -> usize {
        let mut count = 0;
        for news in self.find(&key) {
            count += news.send((key.clone(), value.clone())).unwrap_or(0);
        }
        if count == 0 {
            self.sweep(&key);
        }
        count
    }

    /// As [`publish`](Topic::publish), but waits until the context is done at most.
    ///
    /// # Errors
    ///
    /// If it is; some have the value then.
    ///
    /// # Cancellation
    ///
    /// As for [`publish`](Topic::publish).
    pub fn publish_with(&self, ctx: &Context, key: K, value: T) -> Result<usize, ContextError> {
        let mut count = 0;
        for news in self.find(&key) {
            match news.send_with(ctx, (key.clone(), value.clone())) {
                Ok(some) => count += some,
                Err(BroadcastError::Cancelled(_, reason)) => return Err(reason),
                Err(BroadcastError::Closed(_)) => {}
            }
        }
        if count == 0 {
            self.sweep(&key);
        }
        Ok(count)
    }

    /// The broadcasts that a value with this key goes to.
    fn find(&self, key: &K) -> Vec<Broadcast<(K, T)>> {
        let (by_key, by_rule) = {
            let state = self.shared.state.lock();
            (state.by_key.get(key).cloned(), Arc::clone(&state.by_rule))
        };
        let mut found = Vec::from_iter(by_key);
        let mut is_unused = false;
        for ByRule { rule, news } in by_rule.iter() {
            match news.subscribers() {
                0 => is_unused = true,
                _ if rule(key) => found.push(news.clone()),
                _ => {}
            }
        }
        if is_unused {
            self.change_rules(|rules| rules.retain(|it| it.news.subscribers() > 0));
        }
        found
    }

    /// Forgets a key that nobody is subscribed to.
    fn sweep(&self, key: &K) {
        let mut state = self.shared.state.lock();
        let unused = match state.by_key.get(key) {
            Some(news) if news.subscribers() == 0 => state.by_key.remove_entry(key),
            _ => None,
        };
        drop(state);
        drop(unused);
    }

    /// How many keys have, or had until lately, subscribers.
    pub fn keys(&self) -> usize {
        self.shared.state.lock().by_key.len()
    }
}

impl<K, T> Clone for Topic<K, T> {
    fn clone(&self) -> Topic<K, T> {
        Topic {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, T> fmt::Debug for Topic<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Topic { .. }")
    }
}
