//! Circuits: when they open, who may try, and whose results count.

use super::SECOND;
use super::common::everywhere;
use gorge_patterns::{
    BreakerState, CircuitBreaker, CircuitBreakerBuilder, Forced, Rejected, Window,
};
use gorge_runtime::{go, sim, time, yield_now};
use gorge_sync::Mutex;
use std::sync::Arc;
use std::time::Duration;

fn succeed(breaker: &CircuitBreaker) -> bool {
    breaker.call(|| Ok::<_, ()>(())).is_ok()
}

/// Whether the call was made.
fn fail(breaker: &CircuitBreaker) -> bool {
    !breaker
        .call(|| Err::<(), _>("down"))
        .unwrap_err()
        .is_rejected()
}

fn builder() -> CircuitBreakerBuilder {
    CircuitBreaker::builder().name("test").open_for(10 * SECOND)
}

#[test]
fn six_failures_in_a_row_open_it_for_a_minute() {
    sim::check(20, || {
        let breaker = CircuitBreaker::new();
        for _ in 0..5 {
            assert!(fail(&breaker));
        }
        assert!(succeed(&breaker), "one success begins the row anew");
        for _ in 0..6 {
            assert_eq!(breaker.state(), BreakerState::Closed);
            assert!(fail(&breaker));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        time::sleep(20 * SECOND);
        let rejected = breaker.begin().unwrap_err();
        assert_eq!(
            rejected,
            Rejected::Open {
                retry_after: 40 * SECOND
            }
        );
        time::sleep(40 * SECOND);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(succeed(&breaker));
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.counts().calls, 0, "it begins anew");
    });
}

#[test]
#[should_panic(expected = "a threshold of zero")]
fn a_threshold_of_zero_is_refused() {
    let _ = CircuitBreaker::with_threshold(0, SECOND);
}

#[test]
fn a_trial_that_fails_opens_it_again() {
    sim::check(20, || {
        let breaker = builder().consecutive_failures(1).half_open_calls(3).build();
        assert!(fail(&breaker));
        time::sleep(10 * SECOND);
        let trials = [(); 3].map(|()| breaker.begin().expect("three may try"));
        assert_eq!(
            breaker.begin().unwrap_err(),
            Rejected::HalfOpen { trying: 3 }
        );
        let [first, second, third] = trials;
        first.success();
        assert_eq!(
            breaker.begin().unwrap_err(),
            Rejected::HalfOpen { trying: 3 }
        );
        second.failure();
        assert_eq!(breaker.state(), BreakerState::Open);
        third.success();
        assert_eq!(
            breaker.state(),
            BreakerState::Open,
            "its generation is over"
        );
        time::sleep(10 * SECOND);
        assert!((0..3).all(|_| succeed(&breaker)));
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn results_of_calls_that_began_before_a_change_do_not_count() {
    sim::check(20, || {
        let breaker = builder().consecutive_failures(2).build();
        let old = [(); 5].map(|()| breaker.begin().expect("it is closed"));
        let [first, second, third, fourth, fifth] = old;
        first.failure();
        second.failure();
        assert_eq!(breaker.state(), BreakerState::Open);
        third.success();
        time::sleep(10 * SECOND);
        fourth.failure();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(succeed(&breaker));
        fifth.failure();
        assert_eq!(
            (breaker.state(), breaker.counts().calls),
            (BreakerState::Closed, 0)
        );
    });
}

#[test]
fn a_panic_counts_as_a_failure_and_goes_on() {
    everywhere(|| {
        let breaker = builder().consecutive_failures(1).build();
        let calling = go({
            let breaker = breaker.clone();
            move || breaker.call(|| -> Result<(), ()> { panic!("broken") })
        });
        let error = calling.join().expect_err("it panics");
        assert_eq!(error.into_panic().downcast_ref(), Some(&"broken"));
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn a_cancelled_call_counts_neither_way() {
    sim::check(1000, || {
        let breaker = builder().consecutive_failures(1).build();
        assert!(fail(&breaker));
        time::sleep(10 * SECOND);
        let calling = go({
            let breaker = breaker.clone();
            move || {
                breaker.call(|| {
                    time::sleep(SECOND);
                    Ok::<_, ()>(())
                })
            }
        });
        yield_now();
        calling.cancel();
        assert!(calling.join().is_err_and(|error| error.is_cancelled()));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(succeed(&breaker), "somebody else may try");
    });
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_calls() {
    let breaker = builder()
        .failure_rate(0.5)
        .min_calls(4)
        .window(Window::Calls(4))
        .build();
    assert!(fail(&breaker) && fail(&breaker) && succeed(&breaker));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(succeed(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open, "two of four");

    let breaker = builder()
        .failure_rate(0.5)
        .min_calls(4)
        .window(Window::Calls(4))
        .build();
    assert!(fail(&breaker) && succeed(&breaker) && succeed(&breaker) && succeed(&breaker));
    assert!(fail(&breaker), "the first one has left the window");
    assert_eq!(breaker.counts().failures, 1);
    assert!(fail(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn calls_leave_a_window_of_time() {
    sim::check(20, || {
        let window = Window::Time(10 * SECOND);
        let breaker = builder()
            .failure_rate(1.0)
            .min_calls(3)
            .window(window)
            .build();
        assert!(fail(&breaker) && fail(&breaker));
        time::sleep(11 * SECOND);
        assert!(fail(&breaker));
        assert_eq!(
            (breaker.state(), breaker.counts().calls),
            (BreakerState::Closed, 1)
        );
        assert!(fail(&breaker) && fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn counts_begin_anew_with_each_interval() {
    sim::check(20, || {
        let interval = Window::Interval(10 * SECOND);
        let breaker = builder()
            .failure_rate(1.0)
            .min_calls(2)
            .window(interval)
            .build();
        assert!(fail(&breaker));
        let old = breaker.begin().expect("it is closed");
        time::sleep(10 * SECOND);
        assert!(fail(&breaker));
        old.failure();
        assert_eq!(
            (breaker.state(), breaker.counts().failures),
            (BreakerState::Closed, 1)
        );
        assert!(fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn slow_calls_open_it_though_they_succeed() {
    sim::check(20, || {
        let breaker = builder().slow_calls(SECOND, 0.5).min_calls(2).build();
        let take = |time: Duration| {
            let called = breaker.call(|| {
                time::sleep(time);
                Ok::<_, ()>(())
            });
            called.is_ok()
        };
        assert!(take(SECOND / 2) && take(SECOND));
        assert_eq!(breaker.state(), BreakerState::Open);
        time::sleep(10 * SECOND);
        assert!(take(SECOND));
        assert_eq!(breaker.state(), BreakerState::Open, "a slow trial is none");
        time::sleep(10 * SECOND);
        assert!(take(SECOND / 2));
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn a_rule_of_ones_own_is_asked_without_a_lock() {
    let seen = Arc::new(Mutex::new(None::<CircuitBreaker>));
    let breaker = builder()
        .ready_to_trip({
            let seen = seen.clone();
            // It may even look at the breaker.
            move |counts| {
                seen.lock()
                    .as_ref()
                    .is_some_and(|it| it.counts() == *counts)
                    && counts.failures > 2
            }
        })
        .build();
    *seen.lock() = Some(breaker.clone());
    assert!(fail(&breaker) && succeed(&breaker) && fail(&breaker) && succeed(&breaker));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(fail(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open);
    *seen.lock() = None;
}

#[test]
fn a_rule_of_ones_own_is_asked_after_failures_only() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let breaker = builder()
        .ready_to_trip({
            let asked = asked.clone();
            move |counts| {
                asked.lock().push((counts.calls, counts.failures));
                counts.calls >= 3 && counts.failures >= 2
            }
        })
        .build();
    assert!(fail(&breaker) && fail(&breaker) && succeed(&breaker));
    assert_eq!(breaker.state(), BreakerState::Closed, "of a success");
    assert_eq!(*asked.lock(), [(1, 1), (2, 2)]);
    assert!(fail(&breaker));
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(*asked.lock(), [(1, 1), (2, 2), (4, 3)]);
}

#[test]
fn what_is_no_failure_does_not_count_as_one() {
    let breaker = builder().consecutive_failures(1).build();
    let error = breaker
        .call_if(|| Err::<(), _>(404), |code| *code >= 500)
        .unwrap_err();
    assert_eq!(error.into_inner(), Some(404));
    assert_eq!(
        (breaker.state(), breaker.counts().consecutive_successes),
        (BreakerState::Closed, 1)
    );
    assert!(
        breaker
            .call_if(|| Err::<(), _>(503), |code| *code >= 500)
            .is_err()
    );
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn it_can_be_held_open_and_closed() {
    sim::check(20, || {
        let breaker = builder().consecutive_failures(1).build();
        breaker.force(Forced::Open);
        let rejected = breaker.begin().unwrap_err();
        assert_eq!(
            rejected,
            Rejected::Open {
                retry_after: Duration::MAX
            }
        );
        time::sleep(1000 * SECOND);
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.force(Forced::Closed);
        assert!(fail(&breaker) && fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.reset();
        assert!(fail(&breaker) && !fail(&breaker));
        breaker.reset();
        assert!(succeed(&breaker));
    });
}

#[test]
fn changes_are_told() {
    sim::check(20, || {
        let told = Arc::new(Mutex::new(Vec::new()));
        let breaker = builder().consecutive_failures(1).on_change({
            let told = told.clone();
            move |event| told.lock().push((event.from, event.to))
        });
        let breaker = breaker.build();
        let events = breaker.events();
        drop(breaker.events());
        let start = time::now();
        assert!(fail(&breaker));
        time::sleep(10 * SECOND);
        assert!(succeed(&breaker));
        use BreakerState::{Closed, HalfOpen, Open};
        assert_eq!(
            *told.lock(),
            [(Closed, Open), (Open, HalfOpen), (HalfOpen, Closed)]
        );
        drop(breaker);
        let events: Vec<_> = events.iter().collect();
        assert_eq!(events.len(), 3);
        assert_eq!((events[0].to, events[0].name.as_str()), (Open, "test"));
        let times = events.iter().map(|event| (event.at - start).as_secs());
        assert_eq!(times.collect::<Vec<_>>(), [0, 10, 10]);
    });
}

#[test]
fn of_many_at_once_no_more_than_may_try() {
    sim::check(1000, || {
        let breaker = builder().consecutive_failures(1).half_open_calls(2).build();
        assert!(fail(&breaker));
        time::sleep(10 * SECOND);
        let trying = Arc::new(Mutex::new(0));
        let callers = [(); 5].map(|()| {
            let (breaker, trying) = (breaker.clone(), trying.clone());
            go(move || {
                let Ok(call) = breaker.begin() else { return };
                let is_trial = breaker.state() == BreakerState::HalfOpen;
                *trying.lock() += 1;
                assert!(!is_trial || *trying.lock() <= 2);
                yield_now();
                *trying.lock() -= 1;
                call.success();
            })
        });
        callers
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
        assert_ne!(breaker.state(), BreakerState::Open);
    });
}

#[test]
#[should_panic(expected = "a share from 0 to 1")]
fn a_rate_that_is_no_share_is_refused() {
    let _builder = builder().failure_rate(50.0);
}

#[test]
#[should_panic(expected = "give one or more")]
fn no_trials_are_refused() {
    let _builder = builder().half_open_calls(0);
}
