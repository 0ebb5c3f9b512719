//! Waiting for a limiter: how long, for what it ends early, and who is next.

use super::STEP;
use gorge_channel::context::{ContextError, background};
use gorge_patterns::rate::{Limit, Limiter, WaitError};
use gorge_runtime::{go, sim, time};
use gorge_sync::Mutex;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 200;

/// Asserts that a wait takes so many steps.
#[track_caller]
fn assert_takes(limiter: &Limiter, n: usize, steps: u32) {
    let start = time::now();
    limiter
        .wait_n(&background(), n)
        .expect("there is no deadline");
    assert_eq!(time::now() - start, STEP * steps);
}

#[test]
fn a_delay_that_is_taken_keeps_what_was_reserved() {
    sim::check(20, || {
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        // The reservation is dropped at once.
        assert_eq!(limiter.reserve().delay(), STEP);
        assert_eq!(limiter.reserve().into_delay(), STEP);
        assert_eq!(limiter.reserve().into_delay(), STEP * 2);
        assert_eq!(limiter.tokens(), -2.0);
        let refused = Limiter::new(10.0, 1).reserve_n(2).into_delay();
        assert_eq!(refused, Duration::MAX);
    });
}

#[test]
fn a_wait_takes_exactly_as_long_as_the_tokens_do() {
    sim::check(SEEDS, || {
        let limiter = Limiter::new(10.0, 3);
        assert_takes(&limiter, 3, 0);
        assert_takes(&limiter, 1, 1);
        assert_takes(&limiter, 3, 3);
        assert_takes(&limiter, 0, 0);
        time::sleep(STEP * 2);
        assert_takes(&limiter, 3, 1);
    });
}

#[test]
fn too_many_at_once_are_refused_at_once() {
    let limiter = Limiter::new(Limit::per_hour(1.0), 3);
    let error = limiter.wait_n(&background(), 4).unwrap_err();
    assert!(matches!(error, WaitError::ExceedsBurst { n: 4, burst: 3 }));
    assert_eq!(
        error.to_string(),
        "rate: a wait for 4 exceeds the limiter's burst of 3"
    );
    assert_eq!(limiter.tokens(), 3.0);
}

#[test]
fn a_context_that_is_done_gets_nothing() {
    let limiter = Limiter::new(Limit::per_hour(1.0), 3);
    let (context, guard) = background().with_cancel();
    guard.cancel_with("no interest any more");
    let error = limiter.wait(&context).unwrap_err();
    assert!(
        matches!(&error, WaitError::Cancelled(cause) if cause.to_string() == "no interest any more")
    );
    assert!(error.is_cancelled() && !error.is_deadline_exceeded());
    // Also where there is no limit, and the size comes first.
    assert!(Limiter::new(Limit::INF, 0).wait(&context).is_err());
    let error = limiter.wait_n(&context, 4).unwrap_err();
    assert!(matches!(error, WaitError::ExceedsBurst { .. }));
    let (context, _guard) = background().with_timeout(Duration::ZERO);
    assert!(limiter.wait(&context).unwrap_err().is_deadline_exceeded());
    assert_eq!(limiter.tokens(), 3.0);
}

#[test]
fn a_deadline_that_cannot_be_kept_fails_at_once_and_takes_nothing() {
    sim::check(SEEDS, || {
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let (context, _guard) = background().with_timeout(STEP / 2);
        let start = time::now();
        let error = limiter.wait(&context).unwrap_err();
        assert!(matches!(error, WaitError::WouldExceedDeadline { wait } if wait == STEP));
        assert!(error.is_deadline_exceeded());
        let source = error.source().and_then(|source| source.downcast_ref());
        assert_eq!(source, Some(&ContextError::DeadlineExceeded));
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::TimedOut
        );
        assert_eq!(
            (time::now() - start, limiter.tokens()),
            (Duration::ZERO, 0.0)
        );
        // Exactly in time is in time.
        let (context, _guard) = background().with_timeout(STEP);
        limiter.wait(&context).expect("it is due at the deadline");
    });
}

#[test]
fn a_cancel_ends_the_wait_and_gives_the_tokens_back() {
    sim::check(SEEDS, || {
        let limiter = Limiter::new(10.0, 2);
        assert!(limiter.allow_n(2));
        let (context, guard) = background().with_cancel();
        let waiter = go({
            let limiter = limiter.clone();
            move || limiter.wait_n(&context, 2)
        });
        sim::settle();
        assert_eq!(limiter.tokens(), -2.0);
        time::sleep(STEP / 2);
        guard.cancel();
        let error = waiter.join().expect("it ends").unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(limiter.tokens(), 0.5);
    });
}

#[test]
fn no_limit_waits_for_nothing_but_the_context() {
    let limiter = Limiter::new(Limit::INF, 0);
    limiter
        .wait_n(&background(), usize::MAX)
        .expect("there is no limit");
    let (context, _guard) = background().with_timeout(Duration::from_secs(60));
    limiter.wait(&context).expect("there is no limit");
}

#[test]
fn waiters_are_served_in_order_one_at_a_time() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 3);
        assert!(limiter.allow_n(3));
        let served = Arc::new(Mutex::new(Vec::new()));
        let waiters = [1, 3, 2, 1].map(|n| {
            let (limiter, waiting, served) = (limiter.clone(), limiter.clone(), served.clone());
            let waiter = go(move || {
                limiter
                    .wait_n(&background(), n)
                    .expect("there is no deadline");
                served.lock().push((n, time::now() - start));
            });
            sim::settle();
            assert!(!waiting.allow(), "nobody overtakes");
            waiter
        });
        waiters
            .into_iter()
            .for_each(|it| it.join().expect("it was served"));
        let expected = [(1, STEP), (3, STEP * 4), (2, STEP * 6), (1, STEP * 7)];
        assert_eq!(*served.lock(), expected);
    });
}

#[test]
fn those_behind_one_who_leaves_move_up() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 2);
        assert!(limiter.allow_n(2));
        let (context, guard) = background().with_cancel();
        let wait = |context, n| {
            let limiter = limiter.clone();
            let waiter = go(move || limiter.wait_n(&context, n).map(|()| time::now() - start));
            sim::settle();
            waiter
        };
        let leaves = wait(context, 2);
        let behind = [wait(background(), 1), wait(background(), 2)];
        guard.cancel();
        let times = behind.map(|it| it.join().expect("it ends").expect("it is served"));
        assert_eq!(times, [STEP, STEP * 3]);
        assert!(leaves.join().expect("it ends").is_err());
        assert_eq!(limiter.tokens(), 0.0);
    });
}

#[test]
fn a_reservation_behind_one_who_leaves_stays_where_it_is() {
    sim::check(SEEDS, || {
        let limiter = Limiter::new(10.0, 2);
        assert!(limiter.allow_n(2));
        let (context, guard) = background().with_cancel();
        let leaves = go({
            let limiter = limiter.clone();
            move || limiter.wait(&context)
        });
        sim::settle();
        let held = limiter.reserve();
        assert_eq!(held.delay(), STEP * 2);
        guard.cancel();
        assert!(leaves.join().expect("it ends").is_err());
        assert_eq!(held.delay(), STEP * 2);
        held.wait(&background())
            .map(drop)
            .expect("there is no deadline");
        assert_eq!(
            limiter.tokens(),
            0.0,
            "the token of the first one has not come back"
        );
    });
}

#[test]
fn a_reservation_can_be_waited_for() {
    sim::check(SEEDS, || {
        let start = time::now();
        let limiter = Limiter::new(10.0, 1);
        assert!(limiter.allow());
        let (first, second) = (limiter.reserve(), limiter.reserve());
        let (context, _guard) = background().with_timeout(STEP);
        first
            .wait(&context)
            .map(drop)
            .expect("it is due at the deadline");
        assert_eq!(time::now() - start, STEP);
        let error = second.wait(&context).unwrap_err();
        assert!(error.is_deadline_exceeded());
        assert_eq!((limiter.tokens(), time::now() - start), (0.0, STEP));
        let refused = limiter.reserve_n(2).wait(&background()).unwrap_err();
        assert!(matches!(
            refused,
            WaitError::ExceedsBurst { n: 2, burst: 1 }
        ));
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "threads are what this is about")]
fn threads_outside_of_a_runtime_wait_too() {
    let limiter = Limiter::new(1000.0, 1);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let limiter = limiter.clone();
            std::thread::spawn(move || (0..5).try_for_each(|_| limiter.wait(&background())))
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .expect("it ends")
            .expect("there is no deadline");
    }
    assert!(limiter.tokens() <= 1.0);
}
