//! Limiters by key: made when they are asked for, forgotten when they are idle.

use super::STEP;
use super::common::everywhere;
use gorge_channel::context::background;
use gorge_patterns::rate::{Concurrency, Keyed, Limit, Limiter};
use gorge_runtime::{go, sim, time};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn each_key_has_its_own() {
    let keyed = Keyed::new(Duration::from_secs(60), |_: &u32| {
        Limiter::new(Limit::per_hour(1.0), 1)
    });
    for key in 0..100 {
        assert!(keyed.try_acquire(&key, 1).is_ok());
        assert!(keyed.try_acquire(&key, 1).is_err());
    }
    assert_eq!(keyed.len(), 100);
    assert!(keyed.forget(&7) && !keyed.forget(&7));
    assert!(keyed.try_acquire(&7, 1).is_ok());
}

#[test]
fn what_is_idle_is_forgotten_and_what_is_in_use_is_not() {
    sim::check(20, || {
        let keyed = Keyed::new(STEP * 10, |_: &u32| Limiter::new(10.0, 1));
        for key in 0..1000 {
            assert!(keyed.try_acquire(&key, 1).is_ok());
        }
        let in_hand = keyed.get(&3);
        time::sleep(STEP * 5);
        assert!(keyed.try_acquire(&4, 1).is_ok());
        time::sleep(STEP * 6);
        // Whoever asks sweeps.
        assert!(keyed.try_acquire(&5, 1).is_ok());
        assert_eq!(keyed.len(), 3);
        drop(in_hand);
        time::sleep(STEP * 20);
        assert_eq!(keyed.sweep(), 3);
        assert!(keyed.is_empty());
    });
}

#[test]
fn the_limiter_of_one_who_sleeps_is_not_forgotten() {
    sim::check(100, || {
        let keyed = Arc::new(Keyed::new(STEP, |_: &u8| Limiter::new(1.0, 1)));
        assert!(keyed.try_acquire(&1, 1).is_ok());
        let waiter = go({
            let keyed = keyed.clone();
            move || keyed.acquire(&background(), &1, 1).map(drop)
        });
        sim::settle();
        time::sleep(STEP * 5);
        assert_eq!(keyed.sweep(), 0);
        assert!(
            keyed.try_acquire(&1, 1).is_err(),
            "a new one would admit it"
        );
        waiter
            .join()
            .expect("it ends")
            .expect("there is no deadline");
    });
}

#[test]
fn many_who_ask_for_a_new_key_at_once_share_it() {
    everywhere(|| {
        let keyed = Arc::new(Keyed::new(STEP * 600, |_: &u8| Concurrency::new(4)));
        let asked: Vec<_> = (0..16)
            .map(|_| {
                let keyed = keyed.clone();
                go(move || keyed.try_acquire(&1, 1))
            })
            .collect();
        // All of them, so that the permits are held.
        let permits: Vec<_> = asked
            .into_iter()
            .map(|it| it.join().expect("it asked"))
            .collect();
        assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 4);
    });
}

#[test]
fn a_panic_in_the_making_leaves_all_as_it_was() {
    let keyed = Keyed::new(STEP, |key: &u8| {
        assert_ne!(*key, 0, "there is no such key");
        Limiter::new(1.0, 1)
    });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| keyed.get(&0)));
    assert!(panicked.is_err());
    assert!(keyed.is_empty() && keyed.get(&1).allow());
}
