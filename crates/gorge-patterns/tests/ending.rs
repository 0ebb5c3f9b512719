//! How stages end early: by their context, by a consumer that goes, by a panic.
//! `everywhere` checks that no goroutine is left.

mod common;

use common::{cancellable, everywhere, settle, sorted, wait_for, with_each_context};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use gorge_patterns::{fan_in, fan_out, generate, map};
use gorge_runtime::num_goroutines;
use std::sync::Arc;

/// All stages in a row, over an input without end.
fn pipeline(ctx: &Context) -> Receiver<u64> {
    let numbers = generate(ctx, 0..);
    let outputs = fan_out(ctx, numbers, 3, |number| number + 1);
    map(ctx, fan_in(ctx, outputs), |number| number)
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
fn a_cancel_ends_stages_that_nobody_receives_from() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let output = pipeline(&ctx);
        settle();
        guard.cancel();
        wait_for(|| num_goroutines() == 1);
        assert!(output.recv().is_err());
    });
}

#[test]
fn a_cancel_ends_stages_whose_input_is_silent() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let (sender, input) = bounded::<u8>(0);
        let mapped = map(&ctx, input.clone(), |value| value);
        let fanned = fan_in(&ctx, fan_out(&ctx, input.clone(), 3, |value| value));
        settle();
        guard.cancel();
        assert!(mapped.recv().is_err());
        assert!(fanned.recv().is_err());
        wait_for(|| num_goroutines() == 1);
        // The stages let go of the input, and did not close it for others.
        assert!(!input.is_closed());
        drop(input);
        assert!(sender.send(1).is_err());
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

#[test]
fn stages_end_when_the_consumer_goes() {
    with_each_context(|ctx| {
        for received in [0, 1, 10] {
            let output = pipeline(ctx);
            assert_eq!(output.iter().take(received).count(), received);
            drop(output);
            wait_for(|| num_goroutines() == 1);
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
fn a_panic_ends_the_pipeline() {
    with_each_context(|ctx| {
        let mapped = map(ctx, generate(ctx, 0..), |number: u64| {
            assert!(number < 10, "a panic that the test wants");
            number
        });
        assert!(mapped.iter().eq(0..10));
        let items = (0..).inspect(|&number: &u64| {
            assert!(number < 10, "a panic that the test wants");
        });
        assert!(generate(ctx, items).iter().eq(0..10));
    });
}

#[test]
fn a_panic_ends_one_goroutine_of_a_fan_out() {
    with_each_context(|ctx| {
        let outputs = fan_out(ctx, generate(ctx, 0..100), 3, |number| {
            assert!(number != 10, "a panic that the test wants");
            number
        });
        let all = sorted(fan_in(ctx, outputs));
        assert!(all.into_iter().eq((0..100).filter(|&number| number != 10)));
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
