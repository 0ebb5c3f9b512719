//! `TieredCache`: promotion, eviction, loads; against a model.

use crate::common::everywhere;
use crate::tools::{SEEDS, text};
use gorge_channel::context::background;
use gorge_patterns::TieredCache;
use gorge_runtime::primitive::random_below;
use gorge_runtime::{catch_panic, go, sim, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Levels as lists in order of use.
struct Model(Vec<(usize, Vec<usize>)>);

impl Model {
    fn level_of(&self, key: usize) -> Option<usize> {
        self.0.iter().position(|(_, level)| level.contains(&key))
    }

    fn use_or_add(&mut self, key: usize) {
        for (_, level) in &mut self.0 {
            level.retain(|it| *it != key);
        }
        let mut falling = Some(key);
        for (capacity, level) in &mut self.0 {
            level.extend(falling.take());
            if level.len() > *capacity {
                falling = Some(level.remove(0));
            }
        }
    }
}

#[test]
fn it_does_what_lists_in_order_of_use_do() {
    everywhere(|| {
        let capacities = [2, 3, 5];
        let cache = TieredCache::new(capacities);
        let mut model = Model(capacities.map(|capacity| (capacity, Vec::new())).to_vec());
        for _ in 0..3000 {
            let key = random_below(20);
            let known = model.level_of(key);
            assert_eq!(cache.level_of(&key), known);
            match random_below(3) {
                0 => {
                    drop(cache.insert(key, key));
                    model.use_or_add(key);
                }
                1 if random_below(8) == 0 => {
                    assert_eq!(cache.remove(&key).is_some(), known.is_some());
                    model
                        .0
                        .iter_mut()
                        .for_each(|(_, level)| level.retain(|it| *it != key));
                }
                _ => {
                    assert_eq!(cache.get(&key).is_some(), known.is_some());
                    if known.is_some() {
                        model.use_or_add(key);
                    }
                }
            }
            let lens = model.0.iter().map(|(_, level)| level.len());
            assert!(cache.lens().into_iter().eq(lens));
        }
    });
}

#[test]
fn uses_are_counted_by_level() {
    everywhere(|| {
        let cache = TieredCache::new([1, 1]);
        assert!(cache.insert(1, "one").is_none());
        assert!(cache.insert(2, "two").is_none());
        let gone = cache.insert(3, "three").map(|(key, value)| (key, *value));
        assert_eq!(gone, Some((1, "one")));
        assert!(cache.get(&3).is_some() && cache.get(&2).is_some() && cache.get(&1).is_none());
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (vec![1, 1], 1));
        assert_eq!((cache.len(), cache.is_empty()), (2, false));
    });
}

#[test]
fn a_missing_value_is_loaded_once() {
    sim::check(SEEDS, || {
        let cache = Arc::new(TieredCache::new([1, 2]));
        let loads = Arc::new(AtomicUsize::new(0));
        let askers: Vec<_> = (0..4)
            .map(|number| {
                let (cache, loads) = (cache.clone(), loads.clone());
                go(move || {
                    let load = || {
                        yield_now();
                        loads.fetch_add(1, Relaxed);
                        number % 2
                    };
                    let value = cache.get_or_load(&background(), number % 2, load);
                    assert_eq!(*value.unwrap(), number % 2);
                })
            })
            .collect();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        assert_eq!(loads.load(Relaxed), 2);
    });
}

#[test]
fn readers_and_writers_agree_in_any_order_of_events() {
    sim::check(SEEDS, || {
        let cache = Arc::new(TieredCache::new([1, 1]));
        let parties: Vec<_> = (0..3)
            .map(|number| {
                let cache = cache.clone();
                go(move || {
                    drop(cache.insert(number, number));
                    for key in 0..3 {
                        assert!(cache.get(&key).is_none_or(|value| *value == key));
                    }
                })
            })
            .collect();
        parties.into_iter().for_each(|party| party.join().unwrap());
        assert_eq!(cache.len(), 2);
    });
}

#[test]
fn a_load_that_panics_is_not_kept() {
    everywhere(|| {
        let cache = TieredCache::new([1]);
        let load = || cache.get_or_load(&background(), 1, || panic!("a panic that the test wants"));
        let payload = catch_panic(AssertUnwindSafe(load)).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants");
        assert_eq!(*cache.get_or_load(&background(), 1, || 5).unwrap(), 5);
    });
}

#[test]
#[should_panic(expected = "at least one entry")]
fn a_level_without_room_is_refused() {
    drop(TieredCache::<(), ()>::new([1, 0]));
}
