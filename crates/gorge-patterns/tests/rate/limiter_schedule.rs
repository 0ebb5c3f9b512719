//! The schedule of Go's x/time/rate: what is admitted when, on a grid of tenths of a second.

use super::{Grid, STEP};
use gorge_patterns::rate::{Limit, Limiter, Refused};
use gorge_runtime::{sim, time};
use std::time::Duration;

/// At these points, so many tokens are there, so many are asked for, and are they admitted?
#[track_caller]
fn run(limiter: &Limiter, questions: &[(u32, f64, usize, bool)]) {
    let grid = Grid::new();
    for (number, &(at, tokens, n, is_admitted)) in questions.iter().enumerate() {
        assert_eq!(limiter.tokens_at(grid.at(at)), tokens, "question {number}");
        assert_eq!(
            limiter.allow_n_at(grid.at(at), n),
            is_admitted,
            "question {number}"
        );
    }
}

#[test]
fn a_burst_of_one() {
    run(
        &Limiter::new(10.0, 1),
        &[
            (0, 1.0, 1, true),
            (0, 0.0, 1, false),
            (0, 0.0, 1, false),
            (1, 1.0, 1, true),
            (1, 0.0, 1, false),
            (1, 0.0, 1, false),
            (2, 1.0, 2, false),
            (2, 1.0, 1, true),
            (2, 0.0, 1, false),
        ],
    );
}

#[test]
fn a_burst_of_three() {
    run(
        &Limiter::new(10.0, 3),
        &[
            (0, 3.0, 2, true),
            (0, 1.0, 2, false),
            (0, 1.0, 1, true),
            (0, 0.0, 1, false),
            (1, 1.0, 4, false),
            (2, 2.0, 1, true),
            (3, 2.0, 1, true),
            (4, 2.0, 1, true),
            (4, 1.0, 1, true),
            (4, 0.0, 1, false),
            (4, 0.0, 1, false),
            (9, 3.0, 3, true),
            (9, 0.0, 0, true),
        ],
    );
}

#[test]
fn a_clock_that_jumps_back_starts_there() {
    run(
        &Limiter::new(10.0, 3),
        &[
            (1, 3.0, 1, true),
            (0, 2.0, 1, true),
            (0, 1.0, 1, true),
            (0, 0.0, 1, false),
            (0, 0.0, 1, false),
            (1, 1.0, 1, true),
            (1, 0.0, 1, false),
            (1, 0.0, 1, false),
            (2, 1.0, 1, true),
            (2, 0.0, 1, false),
            (2, 0.0, 1, false),
        ],
    );
}

#[test]
fn a_token_is_there_when_its_time_has_come_to_the_nanosecond() {
    // An interval of 1.3 seconds, as near as a number of events per second can say it.
    for limit in [0.769_230_769_230_769_3, 1.0 / 3.0, 7.0, 1e-4, 12_345.678] {
        let limiter = Limiter::new(limit, 1);
        let start = time::now();
        assert!(limiter.allow_n_at(start, 1));
        let interval = Duration::from_nanos((1e9 / limit).ceil() as u64);
        assert!(
            !limiter.allow_n_at(start + interval - Duration::from_nanos(1), 1),
            "{limit}"
        );
        assert!(limiter.allow_n_at(start + interval, 1), "{limit}");
    }
}

#[test]
fn of_many_at_once_as_many_as_the_burst_are_admitted() {
    super::common::everywhere(|| {
        let limiter = Limiter::new(Limit::per_hour(1.0), 5);
        let asked: Vec<_> = (0..15)
            .map(|_| {
                let limiter = limiter.clone();
                gorge_runtime::go(move || limiter.allow())
            })
            .collect();
        let admitted = asked.into_iter().map(|it| it.join().expect("it asked"));
        assert_eq!(admitted.filter(|&is_admitted| is_admitted).count(), 5);
    });
}

#[test]
fn in_the_long_run_the_limit_holds_and_is_reached() {
    const LIMIT: usize = 100;
    const BURST: usize = 100;
    sim::run(1, || {
        let limiter = Limiter::new(LIMIT as f64, BURST);
        let (start, mut admitted) = (time::now(), 0);
        while time::now() - start < Duration::from_secs(5) {
            admitted += usize::from(limiter.allow());
            time::sleep(Duration::from_millis(2));
        }
        let ideal = BURST + LIMIT * 5;
        assert!((ideal - 1..=ideal).contains(&admitted), "{admitted}");
    });
}

#[test]
fn simple_reservations() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    grid.take(&limiter, 0, 2, 2);
    grid.take(&limiter, 3, 2, 4);
}

#[test]
fn reservations_among_questions() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    // More than the burst is nothing to be reserved.
    let refused = limiter.reserve_n_at(grid.at(0), 3);
    assert_eq!(
        refused.refusal(),
        Some(Refused::ExceedsBurst { n: 3, burst: 2 })
    );
    assert_eq!(refused.delay(), Duration::MAX);
    grid.take(&limiter, 0, 2, 2);
    assert!(!limiter.allow_n_at(grid.at(1), 1));
    grid.take(&limiter, 3, 2, 4);
    assert_eq!(limiter.tokens_at(grid.at(3)), -1.0);
}

#[test]
fn what_is_refused_has_nothing_to_cancel() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    limiter.reserve_n_at(grid.at(0), 3).cancel_at(grid.at(0));
    grid.take(&limiter, 0, 2, 2);
}

#[test]
fn the_last_one_that_is_cancelled_gives_all_back() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    grid.reserve(&limiter, 0, 2, 2).cancel_at(grid.at(1));
    grid.take(&limiter, 1, 2, 2);
}

#[test]
fn one_that_is_cancelled_too_late_gives_nothing_back() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    grid.reserve(&limiter, 0, 2, 2).cancel_at(grid.at(3));
    grid.take(&limiter, 3, 2, 4);
}

#[test]
fn what_later_ones_count_on_is_not_given_back() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    let cancelled = grid.reserve(&limiter, 0, 1, 1);
    let _later = grid.reserve(&limiter, 0, 1, 2);
    cancelled.cancel_at(grid.at(0)); // none
    grid.take(&limiter, 0, 1, 3);

    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    let cancelled = grid.reserve(&limiter, 0, 2, 2);
    let _later = grid.reserve(&limiter, 0, 1, 3);
    cancelled.cancel_at(grid.at(2)); // one
    grid.take(&limiter, 2, 2, 4);
}

#[test]
fn several_that_are_cancelled_give_back_as_if_they_had_not_been() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 4));
    grid.take(&limiter, 0, 4, 0);
    let first = grid.reserve(&limiter, 0, 3, 3);
    let _second = grid.reserve(&limiter, 0, 1, 4);
    let third = grid.reserve(&limiter, 0, 1, 5);
    third.cancel_at(grid.at(1)); // one
    first.cancel_at(grid.at(1)); // two, as if the third had not been
    grid.take(&limiter, 1, 3, 5);
}

#[test]
fn reservations_with_a_clock_that_jumps_back() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 1, 2, 1);
    grid.take(&limiter, 0, 1, 1);
    grid.take(&limiter, 2, 2, 3);
    // What is refused changes nothing.
    assert!(!limiter.reserve_n_at(grid.at(0), 3).ok());
    grid.take(&limiter, 2, 1, 4);
    assert!(!limiter.reserve_within_at(grid.at(0), 2, STEP).ok());
    grid.take(&limiter, 2, 1, 5);
}

#[test]
fn cancels_with_a_clock_that_jumps_back() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 1, 2, 1);
    let cancelled = grid.reserve(&limiter, 1, 2, 3);
    let _later = grid.reserve(&limiter, 1, 1, 4);
    cancelled.cancel_at(grid.at(0)); // one
    grid.take(&limiter, 1, 2, 4);
}

#[test]
fn reservations_and_a_new_limit() {
    let (grid, limiter) = (Grid::new(), Limiter::new(5.0, 2));
    grid.take(&limiter, 0, 2, 0);
    let held = grid.reserve(&limiter, 0, 2, 4);
    limiter.set_limit_at(grid.at(2), 10.0);
    grid.take(&limiter, 2, 1, 4);
    // Unlike Go's: half of it was there, and the other half takes half the time.
    assert_eq!(held.delay_from(grid.at(2)), STEP);
}

#[test]
fn reservations_and_a_new_burst() {
    let (grid, limiter) = (Grid::new(), Limiter::new(5.0, 2));
    grid.take(&limiter, 0, 2, 0);
    grid.take(&limiter, 0, 2, 4);
    limiter.set_burst_at(grid.at(3), 4);
    grid.take(&limiter, 0, 4, 9);
}

#[test]
fn a_reservation_that_is_cancelled_after_a_new_limit() {
    let (grid, limiter) = (Grid::new(), Limiter::new(5.0, 2));
    grid.take(&limiter, 0, 2, 0);
    let cancelled = grid.reserve(&limiter, 0, 2, 4);
    limiter.set_limit_at(grid.at(2), 10.0);
    cancelled.cancel_at(grid.at(2)); // two
    grid.take(&limiter, 2, 2, 3);
}

#[test]
fn reservations_that_are_not_to_be_too_far_ahead() {
    let (grid, limiter) = (Grid::new(), Limiter::new(10.0, 2));
    grid.take(&limiter, 0, 2, 0);
    let within = |n, steps| limiter.reserve_within_at(grid.at(0), n, STEP * steps);
    assert_eq!(within(1, 1).commit().map(drop), Ok(()));
    let refused = within(1, 1).refusal();
    assert_eq!(refused, Some(Refused::TooSoon { wait: STEP * 2 }));
    assert_eq!(within(1, 2).commit().map(drop), Ok(()));
}

#[test]
fn no_limit_admits_whatever_is_asked_for() {
    for burst in [0, 1] {
        let (grid, limiter) = (Grid::new(), Limiter::new(Limit::INF, burst));
        for n in [1, 2, 1_000_000, usize::MAX] {
            assert!(limiter.allow_n(n) && limiter.allow_n_at(grid.at(0), n));
            grid.take(&limiter, 0, n, 0);
        }
        assert_eq!(limiter.tokens(), burst as f64);
    }
}

#[test]
fn a_limit_of_zero_admits_the_burst_and_no_more() {
    let limiter = Limiter::new(Limit::ZERO, 1);
    assert!(limiter.allow());
    assert!(!limiter.allow());
    let start = time::now();
    assert!(!limiter.allow_at(start + Duration::from_secs(1 << 30)));
    assert_eq!(
        limiter.reserve().refusal(),
        Some(Refused::TooSoon {
            wait: Duration::MAX
        })
    );
    assert_eq!(limiter.tokens(), 0.0);
}

#[test]
fn a_burst_of_zero_admits_nothing() {
    let limiter = Limiter::new(10.0, 0);
    assert!(!limiter.allow());
    assert!(!limiter.reserve().ok());
    assert!(limiter.allow_n(0));
}

#[test]
fn after_a_limit_of_zero_another_one_counts() {
    let (grid, limiter) = (Grid::new(), Limiter::new(Limit::ZERO, 1));
    assert!(limiter.allow_at(grid.at(0)));
    limiter.set_limit_at(grid.at(5), 10.0);
    assert!(!limiter.allow_at(grid.at(5)), "no time has counted");
    grid.take(&limiter, 5, 1, 6);
}

#[test]
fn tiny_and_huge_numbers_overflow_nothing() {
    let far = time::now() + Duration::from_secs(100 * 365 * 24 * 3600);
    for limit in [f64::MIN_POSITIVE, 1e-300, 1e-10, 1e15, 1e300, f64::MAX] {
        for burst in [1, usize::MAX] {
            let limiter = Limiter::new(limit, burst);
            assert!(limiter.allow());
            assert!(limiter.tokens() <= burst as f64);
            let _reservation = limiter.reserve_n_at(far, burst);
            limiter.set_limit(3.0);
            limiter.set_burst(2);
            limiter.set_limit(limit);
            assert!(limiter.tokens() <= 2.0);
        }
    }
    let rare = Limiter::new(1e-10, 1);
    assert!(rare.allow() && !rare.allow(), "it is not rounded up");
}

#[test]
fn what_is_dropped_before_its_time_is_given_back_and_later_it_is_used() {
    sim::check(20, || {
        let limiter = Limiter::new(10.0, 2);
        drop(limiter.reserve_n(2));
        assert_eq!(limiter.tokens(), 0.0, "it was due");
        drop(limiter.reserve_n(2));
        assert_eq!(limiter.tokens(), 0.0, "it was not");
        let held = limiter.reserve();
        time::sleep(STEP);
        drop(held);
        assert_eq!(limiter.tokens(), 0.0);
        assert_eq!(limiter.reserve().commit().map(drop), Ok(()));
        assert_eq!(limiter.tokens(), -1.0, "also before its time");
    });
}

#[test]
fn clones_share_and_the_settings_can_be_read() {
    let limiter = Limiter::new(2.5, 3);
    let clone = limiter.clone();
    assert!(clone.allow_n(3) && !limiter.allow());
    clone.set_burst(7);
    clone.set_limit(0.5);
    assert_eq!(
        (limiter.limit(), limiter.burst()),
        (Limit::per_second(0.5), 7)
    );
    assert!(format!("{limiter:?}").contains("burst: 7"));
}
