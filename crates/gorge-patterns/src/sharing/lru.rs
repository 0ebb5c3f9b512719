//! A map of limited size that drops what was used longest ago.
//!
//! A look needs no exclusive access: it leaves a stamp at the entry. The entries are filed by
//! the stamps that they had when they were filed. Whoever has to drop one takes the first of
//! the file; if that was used since, it is filed anew, which its look has paid for, and the
//! next one is tried.
//!
//! What is dropped is handed to the caller, who drops it where no lock is held.

use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

pub(super) struct Lru<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// By `Entry::filed`.
    file: BTreeMap<u64, K>,
    clock: AtomicU64,
    capacity: usize,
}

struct Entry<V> {
    value: V,
    /// When it was used last.
    used: AtomicU64,
    /// Its place in the file.
    filed: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Lru<K, V> {
        Lru {
            entries: HashMap::new(),
            file: BTreeMap::new(),
            clock: AtomicU64::new(0),
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    fn stamp(&self) -> u64 {
        // Relaxed: the order of looks at the same time does not matter.
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Looks at a value, which counts as a use.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let entry = self.entries.get(key)?;
        entry.used.store(self.stamp(), Ordering::Relaxed);
        Some(&entry.value)
    }

    /// Adds a value. Returns what it takes the place of: an earlier one of this key, or the
    /// one that was used longest ago.
    #[must_use = "drop it without a lock"]
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        let replaced = self.remove(&key);
        let filed = self.stamp();
        let entry = Entry {
            value,
            used: AtomicU64::new(filed),
            filed,
        };
        self.file.insert(filed, key.clone());
        self.entries.insert(key, entry);
        match self.entries.len() > self.capacity {
            true => self.evict(),
            false => replaced,
        }
    }

    #[must_use = "drop it without a lock"]
    pub(super) fn remove(&mut self, key: &K) -> Option<(K, V)> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.file.remove(&entry.filed);
        Some((key, entry.value))
    }

    /// Removes what was used longest ago.
    fn evict(&mut self) -> Option<(K, V)> {
        loop {
            let (_, key) = self.file.pop_first()?;
            let entry = self.entries.get_mut(&key)?;
            let used = entry.used.load(Ordering::Relaxed);
            if used == entry.filed {
                let (key, entry) = self.entries.remove_entry(&key)?;
                return Some((key, entry.value));
            }
            entry.filed = used;
            self.file.insert(used, key);
        }
    }

    /// Takes everything out.
    #[must_use = "drop it without a lock"]
    pub(super) fn take(&mut self) -> Lru<K, V> {
        let capacity = self.capacity;
        std::mem::replace(self, Lru::new(capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut lru = Lru::new(2);
        assert!(lru.insert(1, 'a').is_none());
        assert!(lru.insert(2, 'b').is_none());
        assert_eq!(lru.get(&1), Some(&'a'));
        assert_eq!(lru.insert(3, 'c'), Some((2, 'b')));
        assert_eq!(lru.insert(3, 'd'), Some((3, 'c')));
        assert_eq!(lru.insert(4, 'e'), Some((1, 'a')));
        assert_eq!(lru.remove(&3), Some((3, 'd')));
        assert_eq!((lru.len(), lru.take().len(), lru.len()), (1, 1, 0));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_in_order_of_use(
            capacity in 1..9usize, steps in prop::collection::vec((any::<bool>(), 0..16u8), 0..200),
        ) {
            let mut lru = Lru::new(capacity);
            let mut list = Vec::new();
            for (adds, key) in steps {
                let at = list.iter().position(|it| *it == key);
                let known = at.map(|at| list.remove(at));
                if adds {
                    list.push(key);
                    let evicted = (list.len() > capacity).then(|| list.remove(0));
                    let gone = lru.insert(key, ()).map(|(gone, ())| gone);
                    prop_assert_eq!(gone, known.or(evicted));
                } else {
                    list.extend(known);
                    prop_assert_eq!(lru.get(&key).is_some(), known.is_some());
                }
                prop_assert_eq!(lru.len(), list.len());
            }
        }
    }
}
