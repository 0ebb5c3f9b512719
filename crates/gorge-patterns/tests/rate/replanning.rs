//! New limits and bursts, while others sleep for the old ones.

use super::STEP;
use gorge_channel::context::{Context, background};
use gorge_patterns::rate::{Limit, Limiter, WaitError};
use gorge_runtime::{JoinHandle, go, sim, time};
use std::time::{Duration, Instant};

const SEEDS: u64 = 200;

/// Starts a waiter, which tells when it was admitted, and lets it fall asleep.
fn wait(limiter: &Limiter, context: Context, n: usize) -> JoinHandle<Result<Instant, WaitError>> {
    let limiter = limiter.clone();
    let waiter = go(move || limiter.wait_n(&context, n).map(|()| time::now()));
    sim::settle();
    waiter
}

fn admitted(waiter: JoinHandle<Result<Instant, WaitError>>) -> Instant {
    waiter.join().expect("it ends").expect("it is admitted")
}

#[test]
fn a_higher_limit_is_felt_at_once() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(1.0, 1);
        assert!(limiter.allow());
        let waiters = [1, 1, 1].map(|n| wait(&limiter, background(), n));
        time::sleep(Duration::from_millis(500));
        // A half is missing for the first one.
        limiter.set_limit(10.0);
        let times = waiters.map(|waiter| admitted(waiter) - start);
        assert_eq!(times, [550, 650, 750].map(Duration::from_millis));
        assert_eq!(limiter.tokens(), 0.0);
    });
}

#[test]
fn a_lower_limit_is_felt_before_the_old_time_has_come() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let waiter = wait(&limiter, background(), 1);
        time::sleep(STEP / 2);
        limiter.set_limit(1.0);
        assert_eq!(admitted(waiter) - start, Duration::from_millis(550));
    });
}

#[test]
fn a_limit_that_comes_and_goes_leaves_no_trace() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let waiter = wait(&limiter, background(), 1);
        limiter.set_limit(Limit::per_hour(1.0));
        limiter.set_limit(Limit::ZERO);
        sim::settle();
        limiter.set_limit(10.0);
        assert_eq!(admitted(waiter) - start, STEP);
    });
}

#[test]
fn without_a_limit_all_go_at_once() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(Limit::per_hour(1.0), 2);
        assert!(limiter.allow_n(2));
        let waiters = [1, 2, 1].map(|n| wait(&limiter, background(), n));
        let held = limiter.reserve();
        limiter.set_limit(Limit::INF);
        assert_eq!(held.delay(), Duration::ZERO);
        for waiter in waiters {
            assert_eq!(admitted(waiter), start);
        }
    });
}

#[test]
fn who_waits_at_a_limit_of_zero_waits_for_another_one() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(Limit::ZERO, 1);
        assert!(limiter.allow());
        let waiter = wait(&limiter, background(), 1);
        let (hurried, _guard) = background().with_timeout(Duration::from_secs(3600));
        let error = limiter.wait(&hurried).unwrap_err();
        assert!(matches!(
            error,
            WaitError::WouldExceedDeadline {
                wait: Duration::MAX
            }
        ));
        time::sleep(STEP);
        limiter.set_limit(10.0);
        assert_eq!(admitted(waiter) - start, STEP * 2);
    });
}

#[test]
fn who_cannot_keep_its_deadline_any_more_is_told_at_once() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let first = wait(&limiter, background(), 1);
        let (context, _guard) = background().with_timeout(STEP * 5);
        let hurried = wait(&limiter, context, 1);
        limiter.set_limit(1.0);
        let error = hurried.join().expect("it ends").unwrap_err();
        assert!(error.is_deadline_exceeded());
        assert_eq!(time::now(), start);
        assert_eq!(admitted(first) - start, Duration::from_secs(1));
        assert_eq!(limiter.tokens(), 0.0);
    });
}

#[test]
fn who_needs_more_than_the_new_burst_is_told_at_once() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 3);
        assert!(limiter.allow_n(3));
        let greedy = wait(&limiter, background(), 3);
        let modest = wait(&limiter, background(), 1);
        limiter.set_burst(2);
        let error = greedy.join().expect("it ends").unwrap_err();
        assert!(matches!(error, WaitError::ExceedsBurst { n: 3, burst: 2 }));
        assert_eq!(time::now(), start);
        assert_eq!(admitted(modest) - start, STEP);
    });
}

#[test]
fn held_reservations_follow_the_limit() {
    sim::check(20, || {
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let held = limiter.reserve();
        assert_eq!(held.delay(), STEP);
        limiter.set_limit(1.0);
        assert_eq!(held.delay(), Duration::from_secs(1));
        limiter.set_limit(Limit::ZERO);
        assert_eq!(held.delay(), Duration::MAX);
        limiter.set_limit(100.0);
        let start = time::now();
        held.wait(&background())
            .map(drop)
            .expect("there is no deadline");
        assert_eq!(time::now() - start, STEP / 10);
    });
}

#[test]
fn nobody_is_admitted_without_tokens_however_limits_change() {
    // What was admitted is what there was: the burst, and what each limit added while it held.
    sim::check(1000, || {
        let limiter = Limiter::new(10.0, 2);
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let limiter = limiter.clone();
                go(move || (0..2).try_for_each(|_| limiter.wait(&background())))
            })
            .collect();
        let mut added = 2.0;
        for limit in [5.0, 100.0, 1.0] {
            limiter.set_limit(limit);
            time::sleep(STEP / 10);
            added += limit * 0.01;
        }
        limiter.set_limit(1.0);
        let start = time::now();
        for waiter in waiters {
            waiter.join().expect("it ends").expect("it is admitted");
        }
        let needed = Duration::from_secs_f64(8.0 - added);
        let waited = time::now() - start;
        // At the very start some tokens may have been there while the limit was still ten.
        assert!(
            waited >= needed - Duration::from_nanos(10),
            "{waited:?} {needed:?}"
        );
        assert!(limiter.tokens() < 1e-6);
    });
}
