//! Limits of what goes on at the same time.

use super::STEP;
use super::common::everywhere;
use gorge_channel::context::background;
use gorge_patterns::rate::{Concurrency, RateLimiter, Refused, WaitError};
use gorge_runtime::{go, sim, time, yield_now};
use gorge_sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn there_are_never_more_than_may_be() {
    everywhere(|| {
        let limit = Concurrency::new(3);
        let inside = Arc::new(AtomicUsize::new(0));
        let goers: Vec<_> = (0..20)
            .map(|number| {
                let (limit, inside) = (limit.clone(), inside.clone());
                go(move || {
                    let n = number % 3 + 1;
                    let permit = limit
                        .acquire(&background(), n)
                        .expect("there is no deadline");
                    assert!(inside.fetch_add(n, Ordering::Relaxed) + n <= 3);
                    yield_now();
                    inside.fetch_sub(n, Ordering::Relaxed);
                    drop(permit);
                })
            })
            .collect();
        goers
            .into_iter()
            .for_each(|it| it.join().expect("it was admitted"));
        assert_eq!(limit.available(), 3);
    });
}

#[test]
fn a_large_one_is_not_overtaken_by_small_ones() {
    sim::check(200, || {
        let limit = Concurrency::new(2);
        let first = limit.try_acquire(1).expect("there is room");
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters = [2, 1].map(|n| {
            let (limit, order) = (limit.clone(), order.clone());
            let waiter = go(move || {
                let _permit = limit
                    .acquire(&background(), n)
                    .expect("there is no deadline");
                order.lock().push(n);
                time::sleep(STEP);
            });
            sim::settle();
            waiter
        });
        assert_eq!(
            limit.try_acquire(1).unwrap_err(),
            Refused::Busy,
            "others wait"
        );
        drop(first);
        waiters
            .into_iter()
            .for_each(|it| it.join().expect("it was admitted"));
        assert_eq!(*order.lock(), [2, 1]);
    });
}

#[test]
fn a_wait_ends_with_its_context() {
    sim::check(200, || {
        let limit = Concurrency::new(1);
        let held = limit.try_acquire(1).expect("there is room");
        let (context, _guard) = background().with_timeout(STEP);
        assert!(
            limit
                .acquire(&context, 1)
                .unwrap_err()
                .is_deadline_exceeded()
        );
        let too_many = limit.acquire(&background(), 2).unwrap_err();
        assert!(matches!(
            too_many,
            WaitError::ExceedsBurst { n: 2, burst: 1 }
        ));
        drop(held);
        assert!(limit.acquire(&background(), 1).is_ok());
    });
}

#[test]
fn a_reservation_holds_a_place_or_is_refused() {
    let limit = Concurrency::new(1);
    let held = limit.reserve_n(1);
    assert!(held.ok() && held.delay().is_zero());
    assert_eq!(limit.reserve_n(1).refusal(), Some(Refused::Busy));
    held.cancel();
    let permit = limit.reserve_n(1).commit().expect("it was given back");
    assert_eq!(limit.available(), 0);
    drop(permit);
    assert_eq!(limit.available(), 1);
}
