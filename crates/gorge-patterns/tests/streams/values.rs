//! What comes out of the stages: every value, once, and in order where that is
//! promised.

use super::common::{sorted, with_each_context};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded, unbounded};
use gorge_patterns::{fan_in, fan_out, generate, map};
use std::iter;

#[test]
fn generate_sends_the_items_in_order_and_ends() {
    with_each_context(|ctx| {
        let numbers = generate(ctx, 0..1000);
        assert!(numbers.iter().eq(0..1000));
    });
}

#[test]
fn map_keeps_the_order_and_its_state() {
    with_each_context(|ctx| {
        let mut sum = 0;
        let sums = map(ctx, generate(ctx, 1..=100), move |number| {
            sum += number;
            sum
        });
        assert!(sums.iter().eq((1..=100).map(|n| n * (n + 1) / 2)));
    });
}

#[test]
fn every_value_passes_one_goroutine_of_a_fan_out_once() {
    with_each_context(|ctx| {
        for n in [1, 3, 16] {
            let outputs = fan_out(ctx, generate(ctx, 0..1000), n, |number| number * 2);
            assert_eq!(outputs.len(), n);
            let all = sorted(fan_in(ctx, outputs));
            assert!(all.into_iter().eq((0..1000).map(|number| number * 2)));
        }
    });
}

#[test]
fn the_goroutines_of_a_fan_out_work_at_the_same_time() {
    with_each_context(|ctx| {
        let (arrived, arrivals) = bounded(0);
        let (release, released) = bounded::<()>(0);
        let outputs = fan_out(ctx, generate(ctx, 0..3), 3, move |number| {
            arrived.send(number).expect("the test listens");
            assert!(released.recv().is_err(), "released by disconnecting");
            number
        });
        let inside = arrivals.iter().take(3);
        assert_eq!(sorted(inside), [0, 1, 2]);
        drop(release);
        assert_eq!(sorted(fan_in(ctx, outputs)), [0, 1, 2]);
    });
}

#[test]
fn fan_in_keeps_the_order_of_each_input() {
    with_each_context(|ctx| {
        let inputs = (0..8).map(|input| generate(ctx, iter::repeat(input).zip(0..100)));
        let mut next = [0; 8];
        for (input, number) in fan_in(ctx, inputs) {
            assert_eq!(number, next[input]);
            next[input] += 1;
        }
        assert_eq!(next, [100; 8]);
    });
}

#[test]
fn values_are_handed_on_as_they_come() {
    with_each_context(|ctx| {
        let (sender, input) = unbounded();
        let output = fan_in(ctx, fan_out(ctx, map(ctx, input, |n| n + 1), 2, |n| n * 2));
        for number in 0..10 {
            sender.send(number).expect("the stage is there");
            assert_eq!(output.recv(), Ok((number + 1) * 2));
        }
    });
}

#[test]
fn an_empty_input_ends_every_stage() {
    with_each_context(|ctx| {
        let empty = |ctx: &Context| -> Receiver<u8> { generate(ctx, iter::empty()) };
        assert!(empty(ctx).recv().is_err());
        assert!(map(ctx, empty(ctx), |value| value).recv().is_err());
        for output in fan_out(ctx, empty(ctx), 3, |value| value) {
            assert!(output.recv().is_err());
        }
        assert!(fan_in(ctx, [empty(ctx), empty(ctx)]).recv().is_err());
    });
}

#[test]
fn no_inputs_mean_an_end_at_once() {
    with_each_context(|ctx| {
        assert!(fan_in::<u8>(ctx, []).recv().is_err());
    });
}

#[test]
fn stages_work_outside_of_any_runtime() {
    let ctx = gorge_channel::context::background();
    let numbers = map(&ctx, generate(&ctx, 0..10), |number| number + 1);
    assert!(numbers.iter().eq(1..=10));
}
