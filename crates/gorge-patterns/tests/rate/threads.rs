//! Many processors at one limiter, in real time.

use super::common::everywhere;
use gorge_channel::context::background;
use gorge_patterns::rate::{Gcra, Limit, Limiter, RateLimiter};
use gorge_runtime::{go, time, yield_now};
use gorge_sync::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How many of so many questions, asked by several at once, are admitted, and in what time.
fn ask(limiter: &Arc<dyn RateLimiter>, questions: usize) -> (usize, Duration) {
    let start = time::now();
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let limiter = limiter.clone();
            go(move || {
                (0..questions)
                    .filter(|_| limiter.try_acquire(1).is_ok())
                    .count()
            })
        })
        .collect();
    let admitted = askers
        .into_iter()
        .map(|it| it.join().expect("it asked"))
        .sum();
    (admitted, time::now() - start)
}

#[test]
fn together_they_are_admitted_as_many_as_the_limit_says() {
    everywhere(|| {
        let interval = Duration::from_micros(20);
        let limiters: [Arc<dyn RateLimiter>; 2] = [
            Arc::new(Limiter::new(Limit::every(interval), 10)),
            Arc::new(Gcra::new(Limit::every(interval), 10)),
        ];
        for limiter in limiters {
            let (admitted, took) = ask(&limiter, 20_000);
            // A millisecond more than it took, for what the clocks of processors may differ by.
            let added = (took + Duration::from_millis(1)).as_nanos() / interval.as_nanos();
            assert!(admitted as u128 <= 10 + added, "{admitted} in {took:?}");
            assert!(admitted >= 10);
        }
    });
}

#[test]
fn without_time_the_burst_is_all_there_is() {
    everywhere(|| {
        let limiter: Arc<dyn RateLimiter> = Arc::new(Limiter::new(Limit::per_hour(1.0), 5_000));
        let (admitted, _) = ask(&limiter, 5_000);
        assert_eq!(admitted, 5_000);
    });
}

#[test]
fn settings_that_change_all_the_time_lose_no_token_and_make_none() {
    everywhere(|| {
        // Under all of them nothing to speak of is added.
        let limiter = Limiter::new(Limit::per_hour(1.0), 3_000);
        let admitted: Vec<_> = (0..3)
            .map(|_| {
                let limiter = limiter.clone();
                go(move || {
                    (0..2_000)
                        .filter(|number| {
                            if number % 64 == 0 {
                                yield_now();
                            }
                            limiter.allow()
                        })
                        .count()
                })
            })
            .collect();
        for number in 0..500 {
            limiter.set_limit(Limit::per_hour(f64::from(number % 7 + 1)));
            if number % 16 == 0 {
                yield_now();
            }
        }
        let admitted: usize = admitted
            .into_iter()
            .map(|it| it.join().expect("it asked"))
            .sum();
        let left = limiter.tokens();
        assert!(
            (admitted as f64 + left - 3_000.0).abs() < 0.5,
            "{admitted} and {left}"
        );
    });
}

#[test]
fn waits_and_questions_share_one_limit() {
    everywhere(|| {
        let limiter = Limiter::new(Limit::every(Duration::from_micros(50)), 5);
        let start = time::now();
        let admitted = Arc::new(Mutex::new(0));
        let goers: Vec<_> = (0..6)
            .map(|number| {
                let (limiter, admitted) = (limiter.clone(), admitted.clone());
                go(move || {
                    for _ in 0..10 {
                        if number % 2 == 0 {
                            limiter.wait(&background()).expect("there is no deadline");
                            *admitted.lock() += 1;
                        } else if limiter.allow() {
                            *admitted.lock() += 1;
                        }
                    }
                })
            })
            .collect();
        goers
            .into_iter()
            .for_each(|it| it.join().expect("it was admitted"));
        let took = time::now() - start + Duration::from_millis(1);
        let admitted: u128 = *admitted.lock();
        assert!(admitted >= 30 && admitted <= 5 + took.as_micros() / 50 + 1);
    });
}
