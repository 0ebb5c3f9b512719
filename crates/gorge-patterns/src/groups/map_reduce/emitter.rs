//! What a mapper has to say, sorted by who will reduce it.

use super::Combine;
use gorge_runtime::primitive::random_below;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, DefaultHasher, Hash};
use std::mem;

/// Hashes alike for all parties of one run, and in a way that nobody outside can foresee. A
/// simulation's seed decides it.
#[derive(Clone, Copy)]
pub(super) struct Seeded([usize; 2]);

impl Seeded {
    pub(super) fn new() -> Seeded {
        Seeded([(); 2].map(|()| random_below(1 << 31)))
    }
}

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher
    }
}

/// The values of each key.
pub(super) type Part<K, V> = HashMap<K, Vec<V>, Seeded>;

/// Takes what `map` finds; see [`map_reduce`](super::map_reduce()).
pub struct Emitter<'a, K, V> {
    /// One for each reducer.
    pub(super) parts: Vec<Part<K, V>>,
    seed: Seeded,
    combine: Option<Combine<'a, V>>,
}

impl<'a, K: Hash + Eq, V> Emitter<'a, K, V> {
    pub(super) fn new(reducers: usize, seed: Seeded, combine: Option<Combine<'a, V>>) -> Self {
        Emitter {
            parts: (0..reducers).map(|_| HashMap::with_hasher(seed)).collect(),
            seed,
            combine,
        }
    }

    /// Says that `value` belongs to `key`.
    pub fn emit(&mut self, key: K, value: V) {
        let part = match self.parts.len() {
            1 => 0,
            // The high bits: a map uses the low ones, which would all be alike in a part.
            parts => (self.seed.hash_one(&key) >> 32) as usize % parts,
        };
        match self.parts[part].entry(key) {
            Entry::Vacant(entry) => _ = entry.insert(vec![value]),
            Entry::Occupied(mut entry) => add(entry.get_mut(), value, self.combine),
        }
    }
}

/// Adds a value to those that its key has already, of which there is at least one.
pub(super) fn add<V>(values: &mut Vec<V>, value: V, combine: Option<Combine<'_, V>>) {
    match combine {
        None => values.push(value),
        Some(combine) => {
            let before = mem::take(values).pop();
            values.push(match before {
                Some(before) => combine(before, value),
                None => value,
            });
        }
    }
}
