//! `ResourcePool`: lending, giving back, replacing, waiting, closing.

use crate::common::{cancellable, everywhere};
use crate::tools::{SEEDS, cancelled_at_any_point};
use gorge_channel::context::background;
use gorge_patterns::{PoolError, ResourcePool};
use gorge_runtime::{catch_panic, go, sim, time, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// A pool whose resources are numbered in the order in which they were made.
fn numbered(size: usize) -> ResourcePool<usize, String> {
    let made = AtomicUsize::new(0);
    ResourcePool::new(size, move || Ok(made.fetch_add(1, Relaxed))).unwrap()
}

#[test]
fn all_are_made_at_first_and_lent_to_one_at_a_time() {
    everywhere(|| {
        let (pool, ctx) = (numbered(2), background());
        assert_eq!((pool.idle(), pool.size()), (2, 2));
        let (first, second) = (pool.get(&ctx).unwrap(), pool.get(&ctx).unwrap());
        assert_eq!((*first, *second), (0, 1));
        assert!(pool.try_get().unwrap().is_none());
        drop(second);
        assert_eq!(*pool.try_get().unwrap().unwrap(), 1);
        drop(first);
        assert_eq!(pool.idle(), 2);
    });
}

#[test]
fn what_cannot_be_made_at_first_is_an_error() {
    let made = AtomicUsize::new(0);
    let make = move || match made.fetch_add(1, Relaxed) {
        0 => Ok(()),
        _ => Err("no more"),
    };
    assert_eq!(ResourcePool::new(2, make).unwrap_err(), "no more");
}

#[test]
#[should_panic(expected = "at least one resource")]
fn a_pool_of_nothing_is_refused() {
    drop(ResourcePool::new(0, || Ok::<_, String>(())));
}

#[test]
fn whoever_came_first_gets_one_first() {
    sim::check(SEEDS, || {
        let (pool, order) = (numbered(1), Arc::new(AtomicUsize::new(0)));
        let lent = pool.get(&background()).unwrap();
        let waiters: Vec<_> = (0..3)
            .map(|place| {
                let (pool, order) = (pool.clone(), order.clone());
                let waiter = go(move || {
                    let lent = pool.get(&background()).unwrap();
                    assert_eq!(order.fetch_add(1, Relaxed), place);
                    drop(lent);
                });
                sim::settle();
                waiter
            })
            .collect();
        drop(lent);
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn a_wait_ends_in_time_or_with_its_context() {
    sim::check(100, || {
        let pool = numbered(1);
        let lent = pool.get(&background()).unwrap();
        let begin = time::now();
        let error = pool.get_timeout(Duration::from_secs(5)).unwrap_err();
        assert!(matches!(error, PoolError::Timeout));
        assert_eq!(time::now() - begin, Duration::from_secs(5));
        let (ctx, _guard) = background().with_timeout(Duration::from_secs(5));
        assert!(matches!(pool.get(&ctx), Err(PoolError::Cancelled(reason)) if reason.is_timeout()));
        drop(lent);
        assert!(pool.get(&ctx).is_err(), "the context is done");
        assert!(pool.get(&background()).is_ok());
    });
}

#[test]
fn what_is_broken_is_replaced() {
    everywhere(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let make = {
            let made = made.clone();
            move || Ok::<_, String>((made.fetch_add(1, Relaxed), true))
        };
        let builder = ResourcePool::builder(1).check(|(_, is_alive): &mut (usize, bool)| *is_alive);
        let (pool, ctx) = (builder.build(make).unwrap(), background());
        pool.get(&ctx).unwrap().1 = false;
        assert_eq!(pool.get(&ctx).unwrap().0, 1, "it did not pass the check");
        pool.get(&ctx).unwrap().discard();
        assert_eq!(pool.get(&ctx).unwrap().0, 2);
        assert_eq!(pool.get(&ctx).unwrap().keep(), (2, true));
        assert_eq!(pool.get(&ctx).unwrap().0, 3);
        assert_eq!(made.load(Relaxed), 4);
    });
}

#[test]
fn a_place_survives_that_its_resource_cannot_be_made() {
    everywhere(|| {
        let works = Arc::new(AtomicBool::new(true));
        let make = {
            let works = works.clone();
            move || {
                if works.load(Relaxed) {
                    Ok(())
                } else {
                    Err("down")
                }
            }
        };
        let (pool, ctx) = (ResourcePool::new(1, make).unwrap(), background());
        works.store(false, Relaxed);
        pool.get(&ctx).unwrap().discard();
        for _ in 0..3 {
            assert!(matches!(pool.get(&ctx), Err(PoolError::Make("down"))));
        }
        works.store(true, Relaxed);
        assert!(pool.get(&ctx).is_ok());
    });
}

#[test]
fn panics_give_back_what_they_had() {
    everywhere(|| {
        let builder = ResourcePool::builder(1).check(|panics: &mut bool| {
            assert!(!*panics, "a panic of the check that the test wants");
            true
        });
        let (pool, ctx) = (
            builder.build(|| Ok::<_, String>(false)).unwrap(),
            background(),
        );
        let user = || {
            let _lent = pool.get(&ctx).unwrap();
            panic!("a panic that the test wants");
        };
        assert!(catch_panic(AssertUnwindSafe(user)).is_err());
        assert_eq!(pool.idle(), 1);
        *pool.get(&ctx).unwrap() = true;
        assert!(catch_panic(AssertUnwindSafe(|| pool.get(&ctx).is_ok())).is_err());
        assert!(!*pool.get(&ctx).unwrap(), "a new one is in its place");
    });
}

#[test]
fn a_closed_pool_drops_what_is_idle_and_what_comes_back() {
    everywhere(|| {
        let alive = Arc::new(());
        let make = {
            let alive = alive.clone();
            move || Ok::<_, String>(alive.clone())
        };
        let (pool, ctx) = (ResourcePool::new(3, make).unwrap(), background());
        let lent = pool.get(&ctx).unwrap();
        let others = [pool.get(&ctx).unwrap(), pool.get(&ctx).unwrap()];
        let waiter = go({
            let pool = pool.clone();
            move || pool.get(&background()).map(drop).unwrap_err()
        });
        yield_now();
        assert!(pool.close() && !pool.close());
        assert!(matches!(waiter.join().unwrap(), PoolError::Closed));
        drop(others);
        assert!(matches!(pool.get(&ctx), Err(PoolError::Closed)));
        assert_eq!(
            Arc::strong_count(&alive),
            3,
            "this, the maker's, and the lent one"
        );
        drop(lent);
        assert_eq!(Arc::strong_count(&alive), 2);
    });
}

#[test]
fn a_cancel_at_any_point_loses_no_resource() {
    cancelled_at_any_point(|ctx| {
        let pool = numbered(2);
        let users: Vec<_> = (0..4)
            .map(|_| {
                let (pool, ctx) = (pool.clone(), ctx.clone());
                go(move || {
                    if let Ok(lent) = pool.get(&ctx) {
                        yield_now();
                        drop(lent);
                    }
                })
            })
            .collect();
        users[0].cancel();
        for user in users {
            drop(user.join());
        }
        assert_eq!(pool.idle(), 2);
    });
}

#[test]
fn os_threads_may_wait() {
    let (pool, (ctx, _guard)) = (numbered(1), cancellable());
    let lent = pool.get(&ctx).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| *pool.get(&ctx).unwrap());
        drop(lent);
        assert_eq!(waiter.join().unwrap(), 0);
    });
}
