//! Caches against sequential models: lists in the order of use.

use gorge_channel::context::background;
use gorge_patterns::{Memo, MemoError, TieredCache};
use gorge_runtime::{sim, time};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What is done to a cache.
#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    Get(usize),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..16usize).prop_map(Step::Insert),
        8 => (0..16usize).prop_map(Step::Get),
        1 => (0..16usize).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 0..200)
}

/// Levels, each with its capacity.
struct Levels(Vec<(usize, Vec<usize>)>);

impl Levels {
    fn level_of(&self, key: usize) -> Option<usize> {
        self.0.iter().position(|(_, level)| level.contains(&key))
    }

    fn remove(&mut self, key: usize) {
        for (_, level) in &mut self.0 {
            level.retain(|it| *it != key);
        }
    }

    fn use_or_add(&mut self, key: usize) {
        self.remove(key);
        let mut falling = Some(key);
        for (capacity, level) in &mut self.0 {
            level.extend(falling.take());
            if level.len() > *capacity {
                falling = Some(level.remove(0));
            }
        }
    }
}

/// What is done to a memo.
#[derive(Clone, Debug)]
enum Call {
    Get(u64),
    Forget(u64),
    Clear,
    Sleep(u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        12 => (0..8u64).prop_map(Call::Get),
        2 => (0..8u64).prop_map(Call::Forget),
        1 => Just(Call::Clear),
        3 => (1..5u64).prop_map(Call::Sleep),
    ];
    prop::collection::vec(call, 0..80)
}

/// For how long results are kept, in seconds, and how many.
#[derive(Clone, Copy, Debug)]
struct Rules {
    capacity: usize,
    ttl: u64,
    negative_ttl: u64,
}

fn rules() -> impl Strategy<Value = Rules> {
    (1..6usize, 0..8u64, 0..4u64).prop_map(|(capacity, ttl, negative_ttl)| Rules {
        capacity,
        ttl,
        negative_ttl,
    })
}

/// What the memo remembers: keys, and when they are forgotten.
struct Remembered {
    rules: Rules,
    now: u64,
    entries: Vec<(u64, u64)>,
}

impl Remembered {
    /// Whether the function is called.
    fn get(&mut self, key: u64) -> bool {
        let known = self.entries.iter().position(|(it, _)| *it == key);
        if let Some(entry) = known.map(|at| self.entries.remove(at))
            && self.now < entry.1
        {
            self.entries.push(entry);
            return false;
        }
        let ttl = match function(&key) {
            Ok(_) => self.rules.ttl,
            Err(_) if self.rules.negative_ttl == 0 => return true,
            Err(_) => self.rules.negative_ttl,
        };
        self.entries.push((key, self.now + ttl));
        if self.entries.len() > self.rules.capacity {
            self.entries.remove(0);
        }
        true
    }
}

/// What is remembered: of some keys, an error.
fn function(key: &u64) -> Result<u64, u64> {
    match key % 3 {
        0 => Err(*key),
        _ => Ok(key * 2),
    }
}

/// Runs the calls, in virtual time.
fn agree(rules: Rules, calls: &[Call]) {
    let count = Arc::new(AtomicUsize::new(0));
    let memo = Memo::builder()
        .capacity(rules.capacity)
        .ttl(Duration::from_secs(rules.ttl))
        .negative_ttl(Duration::from_secs(rules.negative_ttl))
        .build({
            let count = count.clone();
            move |key| {
                count.fetch_add(1, Relaxed);
                function(key)
            }
        });
    let mut model = Remembered {
        rules,
        now: 0,
        entries: Vec::new(),
    };
    let mut called = 0;
    for call in calls {
        match *call {
            Call::Get(key) => {
                called += usize::from(model.get(key));
                let expected = function(&key).map_err(MemoError::Failed);
                assert_eq!(memo.get(&background(), key), expected);
                assert_eq!(count.load(Relaxed), called, "{key}");
            }
            Call::Forget(key) => {
                memo.forget(&key);
                model.entries.retain(|(it, _)| *it != key);
            }
            Call::Clear => {
                memo.clear();
                model.entries.clear();
            }
            Call::Sleep(seconds) => {
                time::sleep(Duration::from_secs(seconds));
                model.now += seconds;
            }
        }
        assert_eq!(memo.len(), model.entries.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_cache_of_levels_does_what_lists_in_order_of_use_do(
        capacities in prop::collection::vec(1..6usize, 1..4), steps in steps(),
    ) {
        let cache = TieredCache::new(capacities.clone());
        let mut model = Levels(capacities.into_iter().map(|it| (it, Vec::new())).collect());
        for step in steps {
            match step {
                Step::Insert(key) => {
                    drop(cache.insert(key, key));
                    model.use_or_add(key);
                }
                Step::Get(key) => {
                    let known = model.level_of(key);
                    prop_assert_eq!(cache.level_of(&key), known);
                    prop_assert_eq!(cache.get(&key).is_some(), known.is_some());
                    if known.is_some() {
                        model.use_or_add(key);
                    }
                }
                Step::Remove(key) => {
                    let known = model.level_of(key);
                    prop_assert_eq!(cache.remove(&key).is_some(), known.is_some());
                    model.remove(key);
                }
            }
            let lens: Vec<_> = model.0.iter().map(|(_, level)| level.len()).collect();
            prop_assert_eq!(cache.lens(), lens);
        }
    }

    #[test]
    fn a_memo_remembers_what_a_list_with_times_does(rules in rules(), calls in calls()) {
        sim::run(1, || agree(rules, &calls));
    }
}
