//! Cancels at any point: of contexts, and of goroutines, which unwinds them.

use super::STEP;
use gorge_channel::context::background;
use gorge_patterns::rate::{
    Concurrency, FixedWindow, Gcra, LeakyBucket, LeakyMeter, Limiter, MultiLimiter, RateLimiter,
    SlidingCounter, SlidingLog,
};
use gorge_runtime::{go, sim, time, yield_now};
use std::sync::Arc;

/// Each limit, so that two tokens or so are there for a start.
fn all() -> Vec<Arc<dyn RateLimiter>> {
    let limiter = Limiter::new(10.0, 2);
    let multi = MultiLimiter::new()
        .and(limiter.clone())
        .and(SlidingLog::new(2, STEP));
    vec![
        Arc::new(limiter),
        Arc::new(Gcra::new(10.0, 2)),
        Arc::new(LeakyBucket::new(10.0, 10)),
        Arc::new(LeakyMeter::new(10.0, 2)),
        Arc::new(FixedWindow::new(2, STEP)),
        Arc::new(SlidingLog::new(2, STEP)),
        Arc::new(SlidingCounter::new(2, STEP)),
        Arc::new(multi.and(Concurrency::new(1))),
        Arc::new(Concurrency::new(2)),
    ]
}

#[test]
fn contexts_are_cancelled_at_any_point() {
    sim::check(1000, || {
        let all = all();
        for limiter in all {
            let (context, guard) = background().with_cancel();
            let waiters = [1, 1, 2].map(|n| {
                let (context, limiter) = (context.clone(), limiter.clone());
                let n = if limiter.is_scheduled() { n } else { 1 };
                go(move || limiter.acquire(&context, n).map(drop))
            });
            yield_now();
            guard.cancel();
            for waiter in waiters {
                let ended = waiter.join().expect("it ends");
                assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()));
            }
            // It goes on, and nothing is lost for good.
            limiter
                .acquire(&background(), 1)
                .map(drop)
                .expect("there is no deadline");
        }
    });
}

#[test]
fn goroutines_are_cancelled_at_any_point() {
    sim::check(1000, || {
        let all = all();
        for limiter in all {
            let waiters = [1, 1, 1].map(|n| {
                let limiter = limiter.clone();
                go(move || limiter.acquire(&background(), n).map(drop))
            });
            yield_now();
            waiters[1].cancel();
            for (number, waiter) in waiters.into_iter().enumerate() {
                match waiter.join() {
                    Ok(ended) => ended.expect("there is no deadline"),
                    Err(error) => assert!(error.is_cancelled() && number == 1),
                }
            }
            limiter
                .acquire(&background(), 1)
                .map(drop)
                .expect("there is no deadline");
        }
    });
}

#[test]
fn a_cancelled_goroutine_gives_its_tokens_back() {
    sim::check(1000, || {
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let start = time::now();
        let [first, second, third] = [(); 3].map(|()| {
            let limiter = limiter.clone();
            go(move || limiter.wait(&background()))
        });
        sim::settle();
        second.cancel();
        assert!(second.join().is_err());
        first
            .join()
            .expect("it ends")
            .expect("there is no deadline");
        third
            .join()
            .expect("it ends")
            .expect("there is no deadline");
        assert_eq!((time::now() - start, limiter.tokens()), (STEP * 2, 0.0));
    });
}

#[test]
fn reservations_are_dropped_half_way() {
    sim::check(1000, || {
        let limiter = Limiter::new(10.0, 2);
        let holders = [1, 2, 1].map(|n| {
            let limiter = limiter.clone();
            go(move || {
                let held = limiter.reserve_n(n);
                yield_now();
                drop(held);
            })
        });
        holders[1].cancel();
        holders.into_iter().for_each(|holder| _ = holder.join());
        time::sleep(STEP * 10);
        assert_eq!(limiter.tokens(), 2.0);
    });
}
