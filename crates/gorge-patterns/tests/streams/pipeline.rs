//! Pipelines: what joining them returns.

use super::common::{cancellable, everywhere, wait_for, with_each_context};
use gorge_channel::bounded;
use gorge_channel::context::{Context, ContextError, background};
use gorge_patterns::{Edge, Pipeline, PipelineError, generate};
use gorge_runtime::primitive::random_below;
use gorge_runtime::{go, num_goroutines, sim};
use std::num::ParseIntError;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_pipeline_runs_to_its_end() {
    with_each_context(|ctx| {
        let all = Pipeline::generate(ctx, 0..100)
            .map(|n| n + 1)
            .filter(|n| n % 2 == 0)
            .flat_map(|n| [n, n])
            .skip(2)
            .take(90)
            .buffer(4)
            .parallel_map(3, |n| n * 10)
            .zip(generate(ctx, 0..))
            .map(|(n, place)| n + place)
            .window(2, 2)
            .map(|pair| pair[0] + pair[1])
            .batch(7, LONG)
            .debounce(Duration::ZERO, Edge::Leading)
            .collect::<Vec<_>>();
        assert!(!all.expect("it runs").is_empty());
        let sum = Pipeline::new(ctx, generate(ctx, 0..100))
            .fan_out(4, |n| n)
            .try_fan_out(4, Ok::<_, ParseIntError>)
            .try_parallel_map(4, Ok::<_, ParseIntError>)
            .throttle(Duration::ZERO, Edge::Both)
            .fold(0, |sum, n| sum + n);
        assert!(sum.expect("it runs") > 0);
    });
}

#[test]
fn the_first_error_cancels_the_pipeline_and_is_returned() {
    with_each_context(|ctx| {
        type Step = fn(Pipeline<&'static str>) -> Pipeline<u32>;
        let steps: [Step; 4] = [
            |it| it.try_map(str::parse::<u32>),
            |it| it.try_fan_out(3, str::parse::<u32>),
            |it| it.try_parallel_map(3, str::parse::<u32>),
            |it| it.map(str::parse::<u32>).try_values(),
        ];
        for step in steps {
            let mut seen = None;
            let numbers = ["1", "2", "x"].into_iter().chain(std::iter::repeat("3"));
            let source = Pipeline::from_source(ctx, |ctx| {
                seen = Some(ctx.clone());
                generate(ctx, numbers)
            });
            let error = step(source).join().unwrap_err();
            assert!(error.downcast_ref::<ParseIntError>().is_some(), "{error}");
            assert!(matches!(&error, PipelineError::Failed(_)));
            let cause = seen.expect("a context").cause().expect("it is done");
            assert!(cause.downcast_ref::<ParseIntError>().is_some());
            wait_for(|| num_goroutines() == 1);
        }
        assert_eq!(ctx.err(), None, "the outer context goes on");
    });
}

#[test]
fn the_values_before_the_error_come_first() {
    with_each_context(|ctx| {
        let mut values = Vec::new();
        let joined = Pipeline::generate(ctx, 0..)
            .try_map(|n| if n < 5 { Ok(n) } else { Err("enough") })
            .for_each(|n| values.push(n));
        assert_eq!(
            joined.unwrap_err().to_string(),
            "a step of the pipeline failed: enough"
        );
        assert_eq!(values, [0, 1, 2, 3, 4]);
    });
}

/// Values up to the fourth one, which is an error, and in two goroutines if so wanted.
fn three_and_an_error(ctx: &Context, parallel: bool) -> Pipeline<u32> {
    let step = |n| if n < 3 { Ok(n) } else { Err("too far") };
    match parallel {
        true => Pipeline::generate(ctx, 0..).try_parallel_map(2, step),
        false => Pipeline::generate(ctx, 0..).try_map(step),
    }
}

#[test]
fn errors_of_values_that_nobody_asked_for_do_not_count() {
    sim::check(1000, || {
        let (ctx, _guard) = cancellable();
        let source = || three_and_an_error(&ctx, random_below(2) == 0);
        let collected = match random_below(5) {
            0 => source().take(3).collect(),
            1 => source().map(|n| n).buffer(2).take(3).map(|n| n).collect(),
            2 => source().take(3).take(4).try_map(Ok::<_, &str>).collect(),
            3 => source().take(5).take(3).collect(),
            _ => {
                let zipped = source().zip(generate(&ctx, 0..2)).map(|(n, _)| n);
                assert_eq!(zipped.collect::<Vec<_>>().expect("two are enough"), [0, 1]);
                source().take(0).join().expect("it wants none");
                return;
            }
        };
        let values: Vec<_> = collected.expect("three are enough");
        assert_eq!(values, [0, 1, 2]);
    });
}

#[test]
fn an_error_before_the_last_value_that_is_wanted_counts() {
    sim::check(1000, || {
        let (ctx, _guard) = cancellable();
        let source = || three_and_an_error(&ctx, random_below(2) == 0);
        let joined = match random_below(6) {
            0 => source().take(4).join(),
            1 => source().buffer(2).take(4).map(|n| n).take(4).join(),
            2 => source().take(4).take(5).join(),
            3 => source().zip(generate(&ctx, 0..4)).join(),
            4 => source().take(3).try_map(|_| Err::<(), _>("too far")).join(),
            // It fails when the last step may have all that it wants.
            _ => source().take(4).skip(1).map(|n| n).join(),
        };
        let error = joined.expect_err("the fourth one is missed");
        assert_eq!(error.to_string(), "a step of the pipeline failed: too far");
    });
}

#[test]
fn an_error_that_counts_ends_what_waits_elsewhere() {
    everywhere(|| {
        let (ctx, _guard) = cancellable();
        // Nothing more comes from the other side, for which the first step waits.
        let (silent, other) = bounded::<u8>(0);
        let joined = Pipeline::generate(&ctx, 0..)
            .zip(other)
            .map(|(n, _)| n)
            .try_map(|_| Err::<u8, _>("at once"));
        silent.send(1).expect("it is received");
        assert!(matches!(joined.join(), Err(PipelineError::Failed(_))));
        wait_for(|| silent.is_closed());
    });
}

#[test]
fn the_end_of_the_context_is_told_with_its_cause() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let (sender, input) = bounded::<u8>(0);
        let pipeline = Pipeline::new(&ctx, input).map(|n| n).try_map(Ok::<_, &str>);
        guard.cancel_with("closing time");
        let error = pipeline.join().unwrap_err();
        assert!(matches!(&error, PipelineError::Cancelled(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the pipeline was cancelled: closing time"
        );
        assert!(error.downcast_ref::<ParseIntError>().is_none());
        wait_for(|| sender.is_closed());
    });
    sim::run(1, || {
        let (ctx, _guard) = background().with_timeout(LONG);
        let (_silent, input) = bounded::<u8>(0);
        match Pipeline::new(&ctx, input).map(|n| n).join() {
            Err(PipelineError::Cancelled(cause)) => {
                assert_eq!(cause.downcast_ref(), Some(&ContextError::DeadlineExceeded));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_panic_of_a_step_is_an_error_with_its_payload() {
    with_each_context(|ctx| {
        let joined = Pipeline::generate(ctx, 0..)
            .parallel_map(2, |n| assert!(n < 3, "three is too many"))
            .batch(2, LONG)
            .fan_out(2, |batch| batch.len())
            .join();
        let error = joined.unwrap_err();
        assert_eq!(
            error.to_string(),
            "a step of the pipeline panicked: three is too many"
        );
        let payload = error.into_panic().expect("a panic");
        assert_eq!(payload.downcast_ref(), Some(&"three is too many"));
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_panic_of_the_collector_cancels_the_pipeline() {
    with_each_context(|ctx| {
        let (sender, input) = bounded(0);
        let pipeline = Pipeline::new(ctx, input).map(|n: u8| n);
        let other = pipeline_of(ctx);
        let feeder = go(move || sender.send(1));
        let collect = || pipeline.for_each(|_| panic!("a panic that the test wants"));
        assert!(gorge_runtime::catch_panic(AssertUnwindSafe(collect)).is_err());
        assert_eq!(feeder.join().expect("it ends"), Ok(()));
        drop(other);
        wait_for(|| num_goroutines() == 1);
    });
}

/// One that waits for ever.
fn pipeline_of(ctx: &Context) -> Pipeline<u8> {
    Pipeline::from_source(ctx, |_| gorge_channel::never()).try_map(Ok::<_, &str>)
}

#[test]
fn a_pipeline_that_is_dropped_is_cancelled() {
    with_each_context(|ctx| {
        drop(
            pipeline_of(ctx)
                .batch(3, LONG)
                .parallel_map(4, |batch| batch.len()),
        );
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_cancel_at_any_point_is_told_or_too_late() {
    sim::check(1000, || {
        let (ctx, guard) = cancellable();
        let pipeline = Pipeline::generate(&ctx, 0..5)
            .try_map(Ok::<_, &str>)
            .parallel_map(2, |n| n);
        let canceller = go(move || guard.cancel());
        match pipeline.collect::<Vec<_>>() {
            Ok(all) => assert_eq!(all, [0, 1, 2, 3, 4]),
            Err(error) => assert!(matches!(error, PipelineError::Cancelled(_)), "{error:?}"),
        }
        canceller.join().expect("it cancels");
    });
}

#[test]
fn of_an_error_and_a_cancel_one_is_told() {
    sim::check(1000, || {
        let (ctx, guard) = cancellable();
        let pipeline =
            Pipeline::generate(&ctx, 0..).try_map(|n| if n < 2 { Ok(n) } else { Err("the step") });
        let canceller = go(move || guard.cancel_with("the user"));
        let error = pipeline.join().unwrap_err();
        match &error {
            PipelineError::Failed(cause) | PipelineError::Cancelled(cause) => {
                let expected = match &error {
                    PipelineError::Failed(_) => "the step",
                    _ => "the user",
                };
                assert_eq!(cause.to_string(), expected);
            }
            other => panic!("{other:?}"),
        }
        canceller.join().expect("it cancels");
    });
}
