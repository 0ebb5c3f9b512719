//! Attempts: how many, how long, and why no more.

use super::SECOND;
use super::common::everywhere;
use gorge_channel::context::background;
use gorge_patterns::retry::{self, Attempt, Backoff, Budget, Failure, GaveUp, Jitter, Retry};
use gorge_runtime::{go, sim, time, yield_now};
use gorge_sync::Mutex;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

fn doubling() -> Backoff {
    Backoff::exponential(SECOND).jitter(Jitter::None)
}

#[test]
fn by_default_there_are_five_attempts() {
    sim::check(50, || {
        let (mut calls, start) = (0, time::now());
        let error = retry::retry(&background(), |_| {
            calls += 1;
            Err::<(), _>("down")
        });
        assert_eq!((calls, error.unwrap_err().attempts()), (5, 5));
        assert!(time::now() - start <= Duration::from_millis(1500));
    });
}

#[test]
fn it_tries_until_it_succeeds() {
    sim::check(50, || {
        let start = time::now();
        let mut times = Vec::new();
        let answer = Retry::new(doubling()).run(&background(), |_| {
            times.push((time::now() - start).as_secs());
            if times.len() < 4 {
                Err("not yet")
            } else {
                Ok(times.len())
            }
        });
        assert_eq!(answer.expect("the fourth one"), 4);
        assert_eq!(times, [0, 1, 3, 7]);
    });
}

#[test]
fn it_gives_up_after_enough_attempts_and_remembers_them() {
    sim::check(50, || {
        let mut number = 0;
        let error = Retry::new(doubling().max_attempts(3))
            .run(&background(), |_| {
                number += 1;
                Err::<(), _>(io::Error::other(format!("number {number}")))
            })
            .unwrap_err();
        assert!(matches!(error.gave_up(), GaveUp::Attempts));
        assert_eq!(error.attempts(), 3);
        let history = error
            .history()
            .iter()
            .map(|it| (it.number, it.after.as_secs()));
        assert_eq!(history.collect::<Vec<_>>(), [(1, 0), (2, 1), (3, 3)]);
        assert_eq!(
            error.to_string(),
            "gave up after 3 attempts, since there were enough attempts: number 3"
        );
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("number 3")
        );
        assert_eq!(
            error.into_last().map(|it| it.to_string()).as_deref(),
            Some("number 3")
        );
    });
}

#[test]
fn of_many_attempts_the_first_and_the_latest_are_remembered() {
    sim::run(1, || {
        let policy = Retry::new(Backoff::constant(SECOND).max_attempts(100)).keep(3);
        let mut number = 0;
        let error = policy.run(&background(), |_| {
            number += 1;
            Err::<(), _>(number)
        });
        let error = error.unwrap_err();
        let kept: Vec<_> = error.history().iter().map(|it| it.error).collect();
        assert_eq!((kept, error.attempts()), (vec![1, 99, 100], 100));
    });
}

#[test]
fn what_is_not_worth_it_is_not_tried_again() {
    let marked = Retry::new(doubling()).run_marked(&background(), |_| {
        Err::<(), _>(Failure::Permanent("no such file"))
    });
    assert!(matches!(marked.unwrap_err().gave_up(), GaveUp::Permanent));
    let policy = Retry::new(doubling()).when(|error: &&str| *error == "busy");
    let error = policy
        .run(&background(), |_| Err::<(), _>("no such file"))
        .unwrap_err();
    assert_eq!((error.attempts(), error.last()), (1, Some(&"no such file")));
}

#[test]
fn the_question_mark_makes_transient_failures() {
    sim::run(1, || {
        let mut texts = ["x", "7"].into_iter();
        let number = Retry::new(doubling()).run_marked(&background(), |_| {
            let text = texts.next().expect("two are enough");
            Ok::<u32, Failure<std::num::ParseIntError>>(text.parse::<u32>()?)
        });
        assert_eq!(number.expect("the second one"), 7);
    });
}

#[test]
fn the_error_may_say_when_to_come_back() {
    sim::check(20, || {
        let start = time::now();
        let mut left = 2;
        let answer = Retry::new(doubling()).run_marked(&background(), |_| {
            left -= 1;
            if left > 0 {
                Err(Failure::RetryAfter("busy", 30 * SECOND))
            } else {
                Ok(())
            }
        });
        assert!(answer.is_ok());
        assert_eq!(time::now() - start, 30 * SECOND);
        let policy = Retry::new(doubling())
            .adjust(|error: &u64, wait| (*error < 3).then(|| wait + *error as u32 * 10 * SECOND));
        let start = time::now();
        let mut number = 0;
        let error = policy.run(&background(), |_| {
            number += 1;
            Err::<(), _>(number)
        });
        assert!(matches!(error.unwrap_err().gave_up(), GaveUp::Permanent));
        assert_eq!(time::now() - start, 33 * SECOND);
    });
}

#[test]
fn an_attempt_is_told_how_long_it_may_take() {
    sim::check(50, || {
        let start = time::now();
        let policy = Retry::new(doubling().max_attempts(3)).attempt_timeout(5 * SECOND);
        let error = policy
            .run(&background(), |ctx| ctx.sleep(60 * SECOND))
            .unwrap_err();
        assert_eq!(error.attempts(), 3);
        assert!(error.last().is_some_and(|reason| reason.is_timeout()));
        assert_eq!(time::now() - start, 18 * SECOND);
    });
}

#[test]
fn no_attempt_begins_after_the_deadline_and_none_is_waited_for() {
    sim::check(50, || {
        let start = time::now();
        let policy = Retry::new(doubling()).deadline(10 * SECOND);
        let error = policy
            .run(&background(), |_| Err::<(), _>("busy"))
            .unwrap_err();
        assert!(error.is_deadline_exceeded());
        // Attempts at 0, 1, 3 and 7 seconds; the next one would be at 15.
        assert_eq!((error.attempts(), time::now() - start), (4, 7 * SECOND));

        let (context, _guard) = background().with_timeout(2 * SECOND);
        let error = Retry::new(doubling())
            .run(&context, |_| Err::<(), _>("busy"))
            .unwrap_err();
        assert_eq!((error.attempts(), time::now() - start), (2, 8 * SECOND));
        // An attempt that takes all of the time.
        let policy = Retry::new(doubling()).deadline(SECOND);
        let error = policy
            .run(&background(), |ctx| ctx.sleep(60 * SECOND))
            .unwrap_err();
        assert_eq!((error.attempts(), time::now() - start), (1, 9 * SECOND));
        assert!(error.is_deadline_exceeded());
    });
}

#[test]
fn a_cancel_ends_the_sleep_in_between() {
    sim::check(1000, || {
        let (context, guard) = background().with_cancel();
        let trying = go(move || {
            Retry::new(doubling()).run(&context, |_| {
                yield_now();
                Err::<(), _>("busy")
            })
        });
        yield_now();
        guard.cancel_with("no interest any more");
        let error = trying.join().expect("it ends").unwrap_err();
        assert!(matches!(error.gave_up(), GaveUp::Cancelled(cause)
            if cause.to_string() == "no interest any more"));
        assert!(error.attempts() <= 1);
    });
}

#[test]
fn a_cancelled_goroutine_ends_at_any_point() {
    sim::check(1000, || {
        let trying = go(|| {
            Retry::new(doubling()).run(&background(), |ctx| {
                ctx.sleep(SECOND).expect("nobody cancels the context");
                Err::<(), _>("busy")
            })
        });
        time::sleep(SECOND * 2);
        trying.cancel();
        assert!(trying.join().is_err_and(|error| error.is_cancelled()));
    });
}

#[test]
fn a_context_that_is_done_makes_no_attempt() {
    let (context, guard) = background().with_cancel();
    guard.cancel();
    let error = Retry::new(doubling()).run(&context, |_| -> Result<(), &str> { unreachable!() });
    let error = error.unwrap_err();
    assert_eq!((error.attempts(), error.last()), (0, None));
    let (context, _guard) = background().with_timeout(Duration::ZERO);
    let error = Retry::new(doubling()).run(&context, |_| -> Result<(), &str> { unreachable!() });
    assert!(error.unwrap_err().is_deadline_exceeded());
}

#[test]
fn who_is_notified_sees_attempts_and_waits() {
    sim::run(1, || {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let policy = Retry::new(doubling().max_attempts(3)).notify({
            let seen = seen.clone();
            move |attempt: &Attempt<&str>, wait| seen.lock().push((attempt.number, wait.as_secs()))
        });
        assert!(policy.run(&background(), |_| Err::<(), _>("busy")).is_err());
        assert_eq!(*seen.lock(), [(1, 1), (2, 2)]);
    });
}

#[test]
fn a_panic_is_no_failure_to_try_again_for() {
    everywhere(|| {
        let trying = go(|| {
            Retry::new(doubling()).run(&background(), |_| -> Result<(), &str> { panic!("broken") })
        });
        let error = trying.join().expect_err("it panics");
        assert_eq!(error.into_panic().downcast_ref(), Some(&"broken"));
    });
}

#[test]
fn a_budget_limits_what_all_calls_try_again() {
    sim::run(1, || {
        let budget = Budget::new(0.1, 0.0);
        let policy = Retry::new(Backoff::constant(SECOND).max_attempts(10)).budget(budget.clone());
        let mut attempts = 0;
        for _ in 0..100 {
            let error = policy.run(&background(), |_| {
                attempts += 1;
                Err::<(), _>("down")
            });
            assert!(matches!(error.unwrap_err().gave_up(), GaveUp::Budget));
        }
        assert_eq!(attempts, 110);
        assert!(budget.balance() < 1.0);
    });
}

#[test]
fn a_budget_leaves_a_few_to_those_who_call_rarely() {
    sim::run(1, || {
        let budget = Budget::new(0.0, 2.0);
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
        time::sleep(SECOND / 2);
        assert!(budget.withdraw() && !budget.withdraw());
        (0..100_000).for_each(|_| budget.deposit());
        assert!(budget.balance() < 1.0);
        let saved = Budget::new(1.0, 0.0);
        (0..100_000).for_each(|_| saved.deposit());
        assert_eq!(saved.balance(), 100.0);
    });
}
