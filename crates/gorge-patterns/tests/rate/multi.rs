//! Several limits as one: all or nothing.

use super::STEP;
use gorge_channel::context::background;
use gorge_patterns::rate::{
    Concurrency, Gcra, Limit, Limiter, MultiLimiter, RateLimiter, Refused, SlidingLog, WaitError,
};
use gorge_runtime::{go, sim, time};

#[test]
fn the_slowest_says_when() {
    sim::check(50, || {
        let (fast, slow) = (Limiter::new(10.0, 1), Limiter::new(2.5, 1));
        let both = MultiLimiter::new().and(fast.clone()).and(slow.clone());
        let start = time::now();
        assert!(both.try_acquire(1).is_ok());
        let held = both.reserve_n(1);
        assert_eq!(held.delay(), STEP * 4);
        held.cancel();
        assert_eq!((fast.tokens(), slow.tokens()), (0.0, 0.0));
        both.acquire(&background(), 1)
            .map(drop)
            .expect("there is no deadline");
        assert_eq!(time::now() - start, STEP * 4);
    });
}

#[test]
fn refusals_cost_a_gcra_nothing() {
    let cells = Gcra::new(Limit::per_hour(1.0), 3);
    let log = SlidingLog::new(1, STEP * 10_000);
    let both = MultiLimiter::new().and(cells.clone()).and(log);
    assert!(both.try_acquire(1).is_ok());
    for _ in 0..10 {
        assert!(both.try_acquire(1).is_err(), "the log is full");
    }
    assert!(cells.try_acquire(2).is_ok(), "they were given back");
    assert!(cells.try_acquire(1).is_err());
}

#[test]
fn if_one_refuses_no_other_counts() {
    let (tokens, log) = (
        Limiter::new(Limit::per_hour(1.0), 5),
        SlidingLog::new(1, STEP),
    );
    let both: MultiLimiter = MultiLimiter::new().and(tokens.clone()).and(log.clone());
    assert_eq!(
        both.try_acquire(2).unwrap_err(),
        Refused::ExceedsBurst { n: 2, burst: 1 }
    );
    assert!((tokens.tokens() - 5.0).abs() < 1e-3);
    assert!(both.try_acquire(1).is_ok());
    assert!(matches!(both.try_acquire(1), Err(Refused::TooSoon { .. })));
    assert!((tokens.tokens() - 4.0).abs() < 1e-3);
}

#[test]
fn a_cancel_gives_all_of_them_back() {
    sim::check(200, || {
        let (fast, slow) = (Limiter::new(10.0, 2), Limiter::new(1.0, 1));
        let places = Concurrency::new(1);
        let all = MultiLimiter::new()
            .and(fast.clone())
            .and(slow.clone())
            .and(places.clone());
        assert!(fast.allow_n(2) && slow.allow());
        let (context, guard) = background().with_cancel();
        let waiter = go({
            let all = all.clone();
            move || all.acquire(&context, 1).map(drop)
        });
        sim::settle();
        assert_eq!(
            (fast.tokens(), slow.tokens(), places.available()),
            (-1.0, -1.0, 0)
        );
        guard.cancel();
        assert!(waiter.join().expect("it ends").unwrap_err().is_cancelled());
        assert_eq!(
            (fast.tokens(), slow.tokens(), places.available()),
            (0.0, 0.0, 1)
        );
    });
}

#[test]
fn a_cancel_of_the_goroutine_gives_back_what_was_due_before() {
    sim::check(200, || {
        let (fast, slow) = (Limiter::new(1.0, 100), Limiter::new(0.1, 1));
        let both = MultiLimiter::new().and(fast.clone()).and(slow.clone());
        assert!(fast.allow_n(100) && slow.allow());
        let waiter = go(move || both.acquire(&background(), 1).map(drop));
        sim::settle();
        assert_eq!((fast.tokens(), slow.tokens()), (-1.0, -1.0));
        // The fast one's token is due after one second, and waits for the slow one's.
        time::sleep(STEP * 30);
        waiter.cancel();
        assert!(waiter.join().expect_err("it is unwound").is_cancelled());
        assert!((fast.tokens() - 3.0).abs() < 1e-6, "{}", fast.tokens());
        assert!((slow.tokens() - 0.3).abs() < 1e-6, "{}", slow.tokens());
    });
}

#[test]
fn a_deadline_that_one_cannot_keep_fails_at_once() {
    sim::check(50, || {
        let (fast, slow) = (Limiter::new(10.0, 1), Limiter::new(1.0, 1));
        let both = MultiLimiter::new().and(fast.clone()).and(slow.clone());
        assert!(both.try_acquire(1).is_ok());
        let (context, _guard) = background().with_timeout(STEP * 5);
        let start = time::now();
        let error = both.acquire(&context, 1).unwrap_err();
        assert!(error.is_deadline_exceeded());
        assert_eq!(
            (time::now(), fast.tokens(), slow.tokens()),
            (start, 0.0, 0.0)
        );
    });
}

#[test]
fn places_are_taken_before_time_is_reserved_and_kept_until_the_end() {
    sim::check(200, || {
        let rate = Limiter::new(10.0, 1);
        let all = MultiLimiter::new()
            .and(rate.clone())
            .and(Concurrency::new(1));
        let start = time::now();
        let first = all.acquire(&background(), 1).expect("there is no deadline");
        let second = go({
            let all = all.clone();
            move || all.acquire(&background(), 1).map(|_| time::now())
        });
        sim::settle();
        assert_eq!(
            rate.tokens(),
            0.0,
            "nothing is reserved for one that cannot begin"
        );
        time::sleep(STEP * 3);
        drop(first);
        let began = second
            .join()
            .expect("it ends")
            .expect("there is no deadline");
        assert_eq!(began - start, STEP * 3);
        assert!(!all.is_scheduled());
        assert_eq!(all.reserve_n(1).delay(), STEP);
    });
}

#[test]
fn new_limits_are_felt_through_it() {
    sim::check(200, || {
        let start = time::now();
        let (first, second) = (Limiter::new(10.0, 1), Limiter::new(1.0, 1));
        let both = MultiLimiter::new().and(first).and(second.clone());
        assert!(both.try_acquire(1).is_ok());
        let waiter = go(move || both.acquire(&background(), 1).map(drop));
        sim::settle();
        second.set_limit(5.0);
        waiter
            .join()
            .expect("it ends")
            .expect("there is no deadline");
        assert_eq!(time::now() - start, STEP * 2);
    });
}

#[test]
fn limits_of_several_kinds_are_one_in_few_words() {
    sim::check(50, || {
        let all: Vec<Box<dyn RateLimiter>> = vec![
            Box::new(Limiter::new(Limit::per_second(10), 2)),
            Box::new(Gcra::new(Limit::per_second(5), 2)),
            Box::new(Concurrency::new(2)),
        ];
        let all = MultiLimiter::from(all);
        assert_eq!(all.len(), 3);
        assert!(all.allow() && all.allow() && !all.allow());
        let start = time::now();
        all.wait(&background()).expect("there is no deadline");
        all.wait_n(&background(), 1).expect("there is no deadline");
        assert_eq!(time::now() - start, STEP * 4);
        assert_eq!(all.reserve().delay(), STEP * 2);
        assert!(all.wait_n(&background(), 3).is_err(), "more than the burst");
    });
}

#[test]
fn a_reservation_that_is_due_and_dropped_counts_as_used() {
    // By the real clock, which goes on between two looks at it.
    let hourly = Limiter::new(Limit::per_hour(1), 2);
    let all = MultiLimiter::from(vec![hourly.clone(), Limiter::new(Limit::INF, 1)]);
    let reservation = all.reserve();
    assert!(reservation.delay().is_zero());
    drop(reservation);
    all.reserve().cancel();
    assert!(!hourly.allow(), "its time has passed");
    assert!(MultiLimiter::new().reserve().delay().is_zero());
}

#[test]
fn none_at_all_admit_everything() {
    let none = MultiLimiter::new();
    assert!(none.is_empty() && none.try_acquire(usize::MAX).is_ok());
    assert!(none.acquire(&background(), 1).is_ok());
    let nested: MultiLimiter = [none, MultiLimiter::new().and(Limiter::new(1.0, 1))]
        .into_iter()
        .collect();
    assert_eq!(nested.len(), 2);
    assert!(matches!(
        nested.acquire(&background(), 2),
        Err(WaitError::ExceedsBurst { .. })
    ));
}
