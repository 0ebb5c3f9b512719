//! `quorum`, `first_success`, `Hedge`: who wins, who is cancelled, who fails.

use crate::common::{everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::context::{Context, background};
use gorge_patterns::{Hedge, RaceError, first_success, quorum};
use gorge_runtime::{catch_panic, goroutine, num_goroutines, sim, time};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

type Try = fn(&Context) -> Result<u32, String>;

const SECOND: Duration = Duration::from_secs(1);

/// A try that takes some seconds.
fn after(
    seconds: u32,
    result: Result<u32, &'static str>,
) -> impl Fn(&Context) -> Result<u32, &'static str> + Clone + Send + 'static {
    move |ctx: &Context| {
        ctx.sleep(seconds * SECOND).map_err(|_| "cancelled")?;
        result
    }
}

#[test]
fn the_first_success_wins_and_the_others_are_cancelled() {
    sim::check(SEEDS, || {
        let begin = time::now();
        let tries = [
            after(3, Ok(3)),
            after(1, Err("no")),
            after(2, Ok(2)),
            after(9, Ok(9)),
        ];
        assert_eq!(first_success(&background(), tries).unwrap(), 2);
        assert_eq!(time::now() - begin, 2 * SECOND);
    });
}

#[test]
fn losers_that_look_at_no_context_are_unwound() {
    everywhere(|| {
        let stuck = |_: &Context| -> Result<u32, String> { goroutine::park_forever() };
        let tries: [Try; 3] = [stuck, |_| Ok(1), stuck];
        assert_eq!(first_success(&background(), tries).unwrap(), 1);
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_quorum_is_decided_as_soon_as_it_can_be() {
    sim::check(200, || {
        let begin = time::now();
        let tries = [
            after(1, Ok(1)),
            after(5, Ok(5)),
            after(2, Ok(2)),
            after(9, Err("no")),
        ];
        let won = quorum(&background(), 2, tries).unwrap();
        assert_eq!(
            (won, time::now() - begin),
            (vec![(0, 1), (2, 2)], 2 * SECOND)
        );

        let begin = time::now();
        let tries = [after(1, Err("a")), after(9, Ok(9)), after(2, Err("b"))];
        let lost = quorum(&background(), 2, tries).unwrap_err();
        assert_eq!(
            (lost.errors(), time::now() - begin),
            (&["a", "b"][..], 2 * SECOND)
        );
    });
}

#[test]
fn a_quorum_of_none_is_there_and_one_of_too_many_is_not() {
    everywhere(|| {
        assert!(
            quorum(&background(), 0, [after(0, Err("no"))])
                .unwrap()
                .is_empty()
        );
        let lost = quorum(&background(), 2, [after(0, Ok(1))]).unwrap_err();
        assert!(lost.errors().is_empty());
        let none: [Try; 0] = [];
        assert!(matches!(
            first_success(&background(), none),
            Err(RaceError::Failed(_))
        ));
    });
}

#[test]
fn a_panic_of_a_try_continues_in_the_caller() {
    everywhere(|| {
        let tries: [Try; 2] = [
            |_| goroutine::park_forever(),
            |_| panic!("a panic that the test wants"),
        ];
        let race = || first_success(&background(), tries);
        let payload = catch_panic(AssertUnwindSafe(race)).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants");
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_context_ends_a_race() {
    sim::check(200, || {
        let (ctx, _guard) = background().with_timeout(SECOND);
        let lost = first_success(&ctx, [after(2, Ok(2)), after(3, Ok(3))]).unwrap_err();
        assert!(matches!(
            lost,
            RaceError::Cancelled(_) | RaceError::Failed(_)
        ));
    });
}

#[test]
fn a_race_cancelled_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let tries = [after(0, Ok(1)), after(1, Ok(2)), after(0, Err("no"))];
        drop(quorum(ctx, 2, tries));
    });
}

#[test]
fn copies_are_sent_when_the_answer_is_late() {
    sim::check(200, || {
        let (begin, sent) = (time::now(), Arc::new(AtomicUsize::new(0)));
        let hedge = Hedge::new(SECOND).max_copies(3);
        let answer = hedge.run(&background(), {
            let sent = sent.clone();
            move |ctx, copy| {
                sent.fetch_add(1, Relaxed);
                let seconds = [10, 10, 1][copy];
                ctx.sleep(seconds * SECOND)
                    .map(|()| copy)
                    .map_err(|error| error.to_string())
            }
        });
        assert_eq!((answer.unwrap(), sent.load(Relaxed)), (2, 3));
        assert_eq!(time::now() - begin, 3 * SECOND);
    });
}

#[test]
fn no_copy_is_sent_when_the_answer_is_in_time() {
    sim::check(200, || {
        let sent = Arc::new(AtomicUsize::new(0));
        let answer = Hedge::new(SECOND).run(&background(), {
            let sent = sent.clone();
            move |ctx, _| {
                sent.fetch_add(1, Relaxed);
                ctx.sleep(SECOND / 2)
            }
        });
        assert!(answer.is_ok());
        assert_eq!(sent.load(Relaxed), 1);
    });
}

#[test]
fn a_failed_copy_is_followed_at_once() {
    sim::check(200, || {
        let begin = time::now();
        let hedge = Hedge::new(60 * SECOND).max_copies(3);
        let lost = hedge
            .run(&background(), |_, copy| Err::<(), _>(copy))
            .unwrap_err();
        assert_eq!(lost.errors(), [0, 1, 2]);
        assert_eq!(time::now(), begin);
    });
}

#[test]
fn a_hedge_cancelled_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let hedge = Hedge::new(SECOND).max_copies(3);
        drop(hedge.run(ctx, |ctx, _| ctx.sleep(2 * SECOND)));
    });
}

#[test]
#[should_panic(expected = "at least once")]
fn a_hedge_of_no_copies_is_refused() {
    let _ = Hedge::new(SECOND).max_copies(0);
}
