//! `TieredCache`: promotion, loads, panics.

use crate::common::everywhere;
use crate::tools::{SEEDS, text};
use gorge_channel::context::background;
use gorge_patterns::TieredCache;
use gorge_runtime::{catch_panic, go, sim, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
