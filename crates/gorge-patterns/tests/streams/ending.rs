//! How stages end early: by their context, by consumers that go. `everywhere` and simulations
//! check that no goroutine is left.

use super::common::{cancellable, everywhere, settle, wait_for, with_each_context};
use super::stages::STAGES;
use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, bounded};
use gorge_patterns::{
    Edge, batch, debounce, fan_in, fan_out, filter, flat_map, generate, map, merge, or,
    ordered_parallel_map, repeat, repeat_with, skip, take,
};
use gorge_runtime::primitive::random_below;
use gorge_runtime::{Runtime, go, num_goroutines, sim, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// Several stages in a row, over an input without end.
fn pipeline(ctx: &Context) -> Receiver<u64> {
    let numbers = generate(ctx, 0..);
    let outputs = fan_out(ctx, numbers, 3, |number| number + 1);
    map(ctx, fan_in(ctx, outputs), |number| number)
}

#[test]
fn every_stage_ends_with_a_cancel_at_any_point() {
    for (name, stage) in STAGES {
        eprintln!("{name}");
        sim::check(1000, || {
            let (ctx, guard) = cancellable();
            let outputs = stage(&ctx, generate(&ctx, 0..4));
            let canceller = go(move || guard.cancel());
            let consumers: Vec<_> = outputs
                .into_iter()
                .map(|output| go(move || output.iter().count()))
                .collect();
            canceller.join().expect("it cancels");
            for consumer in consumers {
                consumer.join().expect("the output ends");
            }
        });
    }
}

#[test]
fn every_stage_ends_with_its_deadline() {
    for (name, stage) in STAGES {
        eprintln!("{name}");
        sim::check(50, || {
            let (ctx, _guard) = background().with_timeout(Duration::from_secs(1));
            let (_silent, input) = bounded(0);
            for output in stage(&ctx, input) {
                while output.recv().is_ok() {}
            }
        });
    }
}

#[test]
fn every_stage_ends_with_a_silent_input_and_a_cancel() {
    for (name, stage) in STAGES {
        eprintln!("{name}");
        everywhere(|| {
            let (ctx, guard) = cancellable();
            let (sender, input) = bounded(0);
            let outputs = stage(&ctx, input.clone());
            settle();
            guard.cancel();
            for output in outputs {
                assert!(output.iter().count() <= 3, "{name}: it ends");
            }
            wait_for(|| num_goroutines() == 1);
            // The stages let go of the input, and did not close it for others.
            assert!(!input.is_closed(), "{name}");
            drop(input);
            assert!(sender.send(1).is_err(), "{name}");
        });
    }
}

#[test]
fn every_stage_ends_when_its_consumers_go() {
    for (name, stage) in STAGES {
        eprintln!("{name}");
        sim::check(100, || {
            for received in 0..3 {
                // Without a cancel.
                let ctx = background();
                let outputs = stage(&ctx, generate(&ctx, 0..20));
                let consumers: Vec<_> = outputs
                    .into_iter()
                    .map(|output| go(move || output.iter().take(received).count()))
                    .collect();
                for consumer in consumers {
                    assert_eq!(consumer.join().expect("it counts"), received);
                }
            }
        });
    }
}

#[test]
fn every_stage_ends_with_an_empty_input() {
    for (name, stage) in STAGES {
        with_each_context(|ctx| {
            for output in stage(ctx, generate(ctx, [])) {
                // Some have another input.
                assert!(output.iter().count() <= 2, "{name}");
            }
        });
    }
}

#[test]
fn the_sources_end_with_a_cancel_at_any_point() {
    let sources: &[fn(&Context) -> Receiver<u64>] = &[
        |ctx| generate(ctx, 0..),
        |ctx| repeat(ctx, [1, 2]),
        |ctx| repeat_with(ctx, || 7),
    ];
    for source in sources {
        sim::check(1000, || {
            let (ctx, guard) = cancellable();
            let values = source(&ctx);
            let canceller = go(move || guard.cancel());
            assert!(values.iter().take(10).count() <= 10);
            canceller.join().expect("it cancels");
            assert!(values.iter().count() <= 1);
        });
    }
}

#[test]
fn a_signal_of_many_comes_in_any_order() {
    sim::check(1000, || {
        let (senders, channels): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded::<()>(0)).unzip();
        let over = or(channels);
        let stoppers: Vec<_> = senders.into_iter().map(|it| go(move || drop(it))).collect();
        assert!(over.recv().is_err());
        for stopper in stoppers {
            stopper.join().expect("it drops its sender");
        }
    });
}

#[test]
fn a_cancel_at_any_point_ends_everything() {
    everywhere(|| {
        for received in [0, 1, 2, 7, 100] {
            for settled in [false, true] {
                let (ctx, guard) = cancellable();
                let output = pipeline(&ctx);
                assert_eq!(output.iter().take(received).count(), received);
                if settled {
                    settle();
                }
                guard.cancel();
                assert!(output.iter().count() <= 10, "values under way, no more");
                wait_for(|| num_goroutines() == 1);
            }
        }
    });
}

#[test]
fn a_cancel_meets_waits_and_work_on_other_threads() {
    everywhere(|| {
        for _ in 0..200 {
            let (ctx, guard) = cancellable();
            let output = pipeline(&ctx);
            assert!(output.recv().is_ok());
            let canceller = go(move || guard.cancel());
            assert!(output.iter().count() < usize::MAX);
            canceller.join().expect("it cancels");
            wait_for(|| num_goroutines() == 1);
        }
    });
}

#[test]
fn nothing_comes_from_a_context_that_is_done_before() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        guard.cancel();
        assert!(generate(&ctx, 0..).recv().is_err());
        assert!(pipeline(&ctx).recv().is_err());
    });
}

#[test]
fn a_parents_cancel_ends_the_stages_of_its_children() {
    everywhere(|| {
        let (parent, stop_all) = cancellable();
        let (child, _stop_child) = parent.with_cancel();
        let output = pipeline(&child);
        assert!(output.recv().is_ok());
        stop_all.cancel();
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn a_context_that_can_never_be_done_any_more_ends_nothing() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let output = map(&ctx, generate(&ctx, 0..3), |number| number);
        assert_eq!(output.recv(), Ok(0));
        guard.forget();
        drop(ctx);
        settle();
        assert!(output.iter().eq(1..3));
    });
}

#[test]
fn stages_of_one_runtime_end_with_a_cancel_in_another_one() {
    let runtime = || Runtime::builder().max_procs(1).build().expect("a runtime");
    let (staging, cancelling) = (runtime(), runtime());
    for _ in 0..100 {
        let (ctx, guard) = cancellable();
        let (_silent, input) = bounded::<u64>(0);
        let output = staging.go(move || map(&ctx, input, |number| number));
        let output = output.join().expect("it starts a stage");
        // This is over as soon as the cancel has returned.
        cancelling.run(move || guard.cancel());
        assert!(output.recv().is_err());
    }
}

#[test]
fn a_cancel_does_not_interrupt_the_function() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let (entered, entries) = bounded(0);
        let (release, released) = bounded::<()>(0);
        let (finished, finishes) = bounded(1);
        let output = map(&ctx, generate(&ctx, [1]), move |value: u8| {
            entered.send(value).expect("the test listens");
            assert!(released.recv().is_err(), "released by disconnecting");
            finished.send(value).expect("there is room");
        });
        assert_eq!(entries.recv(), Ok(1));
        guard.cancel();
        settle();
        drop(release);
        assert_eq!(finishes.recv(), Ok(1));
        assert!(output.recv().is_err(), "its result is dropped");
    });
}

/// Waits in its destructor.
struct Farewell {
    released: Receiver<()>,
    said: gorge_channel::Sender<&'static str>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        assert!(self.released.recv().is_err(), "released by disconnecting");
        self.said.send("farewell").expect("there is room");
    }
}

#[test]
fn a_cancel_does_not_interrupt_the_destructors_of_what_a_stage_owns() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let (release, released) = bounded(0);
        let (said, heard) = bounded(1);
        let farewell = Farewell { released, said };
        let (_silent, input) = bounded::<u8>(0);
        let output = map(&ctx, input, move |value| {
            let _owned = &farewell;
            value
        });
        settle();
        guard.cancel();
        settle();
        assert!(output.try_recv().is_err_and(|error| error.is_empty()));
        drop(release);
        assert_eq!(heard.recv(), Ok("farewell"));
        assert!(output.recv().is_err());
    });
}

#[test]
fn whoever_has_seen_the_end_knows_that_the_function_is_gone() {
    with_each_context(|ctx| {
        for _ in 0..100 {
            let owned = Arc::new(());
            let inside = Arc::clone(&owned);
            let output = map(ctx, generate(ctx, 0..3), move |n: u8| {
                let _inside = &inside;
                n
            });
            assert_eq!(output.iter().count(), 3);
            assert_eq!(Arc::strong_count(&owned), 1);
        }
    });
}

#[test]
fn a_fan_out_goes_on_without_one_of_its_consumers() {
    with_each_context(|ctx| {
        let mut outputs = fan_out(ctx, generate(ctx, 0..100), 3, |number| number);
        drop(outputs.pop());
        let rest = fan_in(ctx, outputs).iter().count();
        assert!((99..=100).contains(&rest), "one value at most is lost");
    });
}

#[test]
fn values_under_way_are_dropped() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let value = Arc::new(());
        let values = generate(&ctx, std::iter::repeat(Arc::clone(&value)));
        let output = fan_in(&ctx, fan_out(&ctx, values, 3, |value| value));
        assert!(output.recv().is_ok());
        settle();
        guard.cancel();
        drop(output);
        wait_for(|| Arc::strong_count(&value) == 1);
    });
}

/// Has a destructor that waits, and says whether all of them came to their ends.
struct Slow(Arc<[AtomicUsize; 2]>);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        yield_now();
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn destructors_of_values_under_way_do_not_meet_the_cancel() {
    type Stage = fn(&Context, Receiver<Slow>) -> Receiver<Slow>;
    let stages: [Stage; 8] = [
        |ctx, input| map(ctx, input, |value| value),
        |ctx, input| filter(ctx, input, |_| true),
        |ctx, input| flat_map(ctx, batch(ctx, input, 2, LONG), |values| values),
        |ctx, input| take(ctx, skip(ctx, input, 1), 3),
        |ctx, input| fan_in(ctx, fan_out(ctx, input, 2, |value| value)),
        |ctx, input| ordered_parallel_map(ctx, input, 2, |value| value),
        |ctx, input| debounce(ctx, input, LONG, Edge::Both),
        |ctx, input| merge(ctx, [input]),
    ];
    for (number, stage) in stages.into_iter().enumerate() {
        eprintln!("stage {number}");
        sim::check(100, || {
            let dropped = Arc::default();
            let (ctx, guard) = match random_below(2) {
                0 => cancellable(),
                // Then a look at the clock would be needed to see that it is done.
                _ => background().with_timeout(LONG),
            };
            let values = Arc::clone(&dropped);
            let input = generate(&ctx, (0..4).map(move |_| Slow(Arc::clone(&values))));
            let output = stage(&ctx, input);
            let canceller = go(move || guard.cancel());
            let _ = output.iter().count();
            canceller.join().expect("it cancels");
            drop(output);
            sim::settle();
            let [begun, ended] = &*dropped;
            let (begun, ended) = (begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed));
            assert_eq!(ended, begun, "each destructor that began came to its end");
        });
    }
}

#[test]
fn a_stage_costs_one_goroutine() {
    everywhere(|| {
        let (ctx, _guard) = cancellable();
        for ctx in [&ctx, &background()] {
            let (sender, input) = bounded::<u8>(0);
            let outputs = fan_out(ctx, map(ctx, input, |value| value), 3, |value| value);
            assert_eq!(num_goroutines(), 1 + 1 + 3);
            drop((sender, outputs));
            wait_for(|| num_goroutines() == 1);
        }
    });
}
