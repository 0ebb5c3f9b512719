//! Windows, logs and leaky buckets: when there is room again.

use super::{Grid, STEP};
use gorge_channel::context::background;
use gorge_patterns::rate::{
    FixedWindow, Gcra, LeakyBucket, LeakyMeter, Limit, RateLimiter, Refused, SlidingCounter,
    SlidingLog, WaitError,
};
use gorge_runtime::{sim, time};
use std::time::Duration;

/// How long until there is room for `n`.
fn delay(limiter: &impl RateLimiter, n: usize) -> Duration {
    let reservation = limiter.reserve_n(n);
    let delay = reservation.delay();
    reservation.cancel();
    delay
}

#[test]
fn a_fixed_window_is_empty_when_it_begins() {
    sim::check(10, || {
        let quota = FixedWindow::new(3, STEP * 10);
        time::sleep(STEP * 9);
        assert!(quota.try_acquire(3).is_ok());
        assert_eq!(delay(&quota, 1), STEP);
        assert_eq!(
            quota.try_acquire(1).unwrap_err(),
            Refused::TooSoon { wait: STEP }
        );
        assert_eq!(
            quota.try_acquire(4).unwrap_err(),
            Refused::ExceedsBurst { n: 4, burst: 3 }
        );
        time::sleep(STEP);
        assert!(quota.try_acquire(3).is_ok());
        assert!(quota.acquire(&background(), 2).is_ok());
        assert_eq!(delay(&quota, 1), Duration::ZERO);
        assert_eq!(delay(&quota, 2), STEP * 10);
    });
}

#[test]
fn a_sliding_log_has_room_when_enough_have_left() {
    let (grid, log) = (Grid::new(), SlidingLog::new(3, STEP * 10));
    for at in [0, 2, 4] {
        assert!(log.try_acquire_at(grid.at(at), 1).is_ok());
    }
    let held = log.reserve_n_at(grid.at(5), 2);
    assert_eq!(held.delay_from(grid.at(5)), STEP * 7);
    let refused = log.try_acquire_at(grid.at(10), 1).unwrap_err();
    assert_eq!(
        refused,
        Refused::TooSoon { wait: STEP * 4 },
        "behind the one that is reserved"
    );
    held.cancel_at(grid.at(11));
    assert!(log.try_acquire_at(grid.at(11), 1).is_ok());
}

#[test]
fn a_sliding_counter_weighs_the_window_before() {
    sim::check(10, || {
        let counter = SlidingCounter::new(10, STEP * 10);
        assert!(counter.try_acquire(10).is_ok());
        // The next window begins full, and a tenth leaves in each step.
        assert_eq!(delay(&counter, 1), STEP * 11);
        time::sleep(STEP * 15);
        assert!(counter.try_acquire(6).is_err());
        assert!(counter.try_acquire(5).is_ok());
        assert_eq!(delay(&counter, 1), STEP);
        time::sleep(STEP * 30);
        assert!(counter.try_acquire(10).is_ok(), "all is long ago");
    });
}

#[test]
fn a_leaky_queue_spaces_and_turns_away() {
    sim::check(10, || {
        let queue = LeakyBucket::new(10.0, 2);
        let start = time::now();
        assert!(queue.try_acquire(1).is_ok());
        assert!(queue.try_acquire(1).is_err(), "nothing is saved up");
        let held = [queue.reserve_n(1), queue.reserve_n(1)];
        assert_eq!(held.each_ref().map(|it| it.delay()), [STEP, STEP * 2]);
        assert_eq!(queue.reserve_n(1).refusal(), Some(Refused::Full));
        assert!(matches!(
            queue.acquire(&background(), 1),
            Err(WaitError::Full)
        ));
        for held in held {
            held.wait(&background())
                .map(drop)
                .expect("there is no deadline");
        }
        assert!(queue.acquire(&background(), 2).is_ok());
        assert_eq!(time::now() - start, STEP * 3);
        assert_eq!(
            queue.try_acquire(4).unwrap_err(),
            Refused::ExceedsBurst { n: 4, burst: 3 }
        );
    });
}

#[test]
fn a_meter_overflows_and_drains() {
    let (grid, meter) = (Grid::new(), LeakyMeter::new(10.0, 3));
    assert!(meter.try_acquire_at(grid.at(0), 3).is_ok());
    let refused = meter.try_acquire_at(grid.at(1), 2).unwrap_err();
    assert_eq!(refused, Refused::TooSoon { wait: STEP });
    assert!(meter.try_acquire_at(grid.at(2), 2).is_ok());
    assert!(meter.try_acquire_at(grid.at(9), 3).is_ok());
}

#[test]
fn cells_are_what_a_token_bucket_is() {
    let (grid, cells) = (Grid::new(), Gcra::new(10.0, 2));
    let held = [0, 0, 0, 0].map(|at| cells.reserve_n_at(grid.at(at), 1));
    let delays = held.each_ref().map(|it| it.delay_from(grid.at(0)));
    assert_eq!(delays, [0, 0, 1, 2].map(|steps| STEP * steps));
    let [first, second, third, fourth] = held;
    assert!(first.commit().is_ok() && second.commit().is_ok());
    third.cancel_at(grid.at(0)); // not the last one: nothing
    fourth.cancel_at(grid.at(0)); // one
    let next = cells.reserve_n_at(grid.at(0), 1);
    assert_eq!(next.delay_from(grid.at(0)), STEP * 2);
}

#[test]
fn waiters_are_served_in_order() {
    sim::check(100, || {
        let limiters: [&(dyn RateLimiter + Sync); 5] = [
            &FixedWindow::new(1, STEP),
            &SlidingLog::new(1, STEP),
            &LeakyBucket::new(10.0, 9),
            &LeakyMeter::new(10.0, 1),
            &Gcra::new(10.0, 1),
        ];
        for limiter in limiters {
            let start = time::now();
            let order = gorge_sync::Mutex::new(Vec::new());
            gorge_runtime::scope(|scope| {
                for number in 0..4 {
                    let order = &order;
                    scope.spawn(move || {
                        let permit = limiter.acquire(&background(), 1);
                        permit.map(drop).expect("there is no deadline");
                        order.lock().push((number, time::now() - start));
                    });
                    sim::settle();
                }
            });
            let order = order.into_inner();
            assert!(order.is_sorted(), "{order:?}");
            assert!(order[3].1 > STEP * 2 && order[3].1 <= STEP * 4, "{order:?}");
        }
    });
}

#[test]
fn deadlines_that_cannot_be_kept_fail_at_once() {
    sim::check(10, || {
        let start = time::now();
        let log = SlidingLog::new(1, STEP);
        assert!(log.try_acquire(1).is_ok());
        let (context, _guard) = background().with_timeout(STEP / 2);
        let error = log.acquire(&context, 1).unwrap_err();
        assert!(error.is_deadline_exceeded());
        assert_eq!(time::now(), start);
        assert_eq!(delay(&log, 1), STEP, "nothing was taken");
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let made: [fn(); 8] = [
        || drop(FixedWindow::new(0, STEP)),
        || drop(FixedWindow::new(1, Duration::ZERO)),
        || drop(SlidingLog::new(0, STEP)),
        || drop(SlidingCounter::new(1, Duration::ZERO)),
        || drop(LeakyBucket::new(Limit::INF, 1)),
        || drop(LeakyMeter::new(1.0, 0)),
        || drop(Gcra::new(Limit::ZERO, 1)),
        || drop(gorge_patterns::rate::Concurrency::new(0)),
    ];
    for make in made {
        let panic = std::panic::catch_unwind(make).expect_err("it is refused");
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        assert!(
            message.is_some_and(|text| text.contains("give")),
            "it says what to do"
        );
    }
}
