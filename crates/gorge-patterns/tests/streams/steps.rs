//! The stages that take values one by one.

use super::common::{everywhere, with_each_context};
use gorge_channel::bounded;
use gorge_channel::context::Context;
use gorge_patterns::*;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn repeat_begins_anew() {
    with_each_context(|ctx| {
        let values = take(ctx, repeat(ctx, ["a", "b", "c"]), 7);
        assert_eq!(values.iter().collect::<String>(), "abcabca");
        assert!(repeat(ctx, Vec::<u8>::new()).recv().is_err());
    });
}

#[test]
fn repeat_with_calls_once_per_value() {
    with_each_context(|ctx| {
        let mut calls = 0;
        let values = repeat_with(ctx, move || {
            calls += 1;
            calls
        });
        assert!(take(ctx, values, 5).iter().eq(1..=5));
    });
}

#[test]
fn take_ends_behind_its_last_value() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        // No third value ever comes.
        let (sender, input) = bounded(2);
        sender.send_many([1, 2]).expect("there is room");
        assert_eq!(take(&ctx, input, 2).iter().collect::<Vec<_>>(), [1, 2]);
        super::common::wait_for(|| sender.is_closed());
        let (sender, input) = bounded::<u8>(0);
        assert!(take(&ctx, input, 0).recv().is_err());
        super::common::wait_for(|| sender.is_closed());
    });
}

#[test]
fn take_and_skip_share_the_values_out() {
    with_each_context(|ctx| {
        for n in [0, 1, 5, 10, 20] {
            let head = take(ctx, generate(ctx, 0..10), n);
            let tail = skip(ctx, generate(ctx, 0..10), n);
            let both = head.into_iter().chain(tail);
            assert!(both.eq(0..10), "{n}");
        }
    });
}

#[test]
fn filter_keeps_the_order() {
    with_each_context(|ctx| {
        let even = filter(ctx, generate(ctx, 0..100), |n| n % 2 == 0);
        assert!(even.iter().eq((0..100).step_by(2)));
    });
}

#[test]
fn flat_map_sends_the_items_of_each_value() {
    with_each_context(|ctx| {
        let values = flat_map(ctx, generate(ctx, 0..10), |n| 0..n);
        assert!(values.iter().eq((0..10).flat_map(|n| 0..n)));
        // An endless item, of which not all is wanted.
        let endless = flat_map(ctx, generate(ctx, [7]), |n| n..);
        assert!(take(ctx, endless, 3).iter().eq(7..10));
    });
}

#[test]
fn a_buffer_takes_values_that_nobody_has_asked_for() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        let (sender, input) = bounded(0);
        let buffered = buffer(&ctx, input, 3);
        sender.send_many(0..3).expect("it takes them");
        super::common::wait_for(|| buffered.len() == 3);
        drop(sender);
        assert!(buffered.iter().eq(0..3));
        let direct = buffer(&ctx, generate(&ctx, 0..10), 0);
        assert!(direct.iter().eq(0..10));
    });
}

#[test]
fn zip_ends_with_the_shorter_input() {
    with_each_context(|ctx| {
        for (left, right) in [(3, 5), (5, 3), (4, 4), (0, 3), (3, 0)] {
            let pairs = zip(ctx, generate(ctx, 0..left), generate(ctx, 100..100 + right));
            assert!(pairs.iter().eq((0..left).zip(100..100 + right)));
        }
    });
}

#[test]
fn bad_arguments_are_refused() {
    type Refused = fn(&Context);
    let calls: &[(&str, Refused)] = &[
        ("batches of 0", |ctx| {
            drop(batch(ctx, generate(ctx, 0..1), 0, Duration::ZERO));
        }),
        ("a window of 0", |ctx| {
            drop(window(ctx, generate(ctx, 0..1), 0, 1))
        }),
        ("moves by 0", |ctx| {
            drop(window(ctx, generate(ctx, 0..1), 1, 0))
        }),
        ("fan_out to 0", |ctx| {
            drop(fan_out(ctx, generate(ctx, 0..1), 0, |n| n));
        }),
        ("fan_out_by to 0", |ctx| {
            drop(fan_out_by(
                ctx,
                generate(ctx, 0..1),
                0,
                Dispatch::LeastLoaded,
                |n| n,
            ));
        }),
        ("by 0 goroutines", |ctx| {
            drop(ordered_parallel_map(ctx, generate(ctx, 0..1), 0, |n| n));
        }),
        ("look-ahead of 0", |ctx| {
            drop(ordered_parallel_map_ahead(
                ctx,
                generate(ctx, 0..1),
                1,
                0,
                |n| n,
            ));
        }),
        ("0 outputs", |ctx| drop(tee_n(ctx, generate(ctx, 0..1), 0))),
    ];
    for (text, call) in calls {
        with_each_context(|ctx| {
            let call = std::panic::AssertUnwindSafe(|| call(ctx));
            let panic = gorge_runtime::catch_panic(call).expect_err(text);
            let message = panic.downcast_ref::<&str>().expect("a text");
            assert!(message.contains(text), "{message}");
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn windows_are_those_of_a_slice(
        values in prop::collection::vec(0..100u8, 0..20),
        size in 1..5usize,
        step in 1..7usize,
    ) {
        let expected: Vec<Vec<u8>> = values
            .windows(size)
            .step_by(step)
            .map(<[u8]>::to_vec)
            .collect();
        let ctx = gorge_channel::context::background();
        let windows = window(&ctx, generate(&ctx, values), size, step);
        prop_assert_eq!(windows.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn sorted_inputs_become_one(runs in prop::collection::vec(
        prop::collection::vec(0..20u8, 0..10), 0..6,
    )) {
        let mut runs = runs;
        runs.iter_mut().for_each(|run| run.sort_unstable());
        let mut expected = runs.concat();
        expected.sort_unstable();
        let ctx = gorge_channel::context::background();
        let inputs: Vec<_> = runs.into_iter().map(|run| generate(&ctx, run)).collect();
        prop_assert_eq!(merge_sorted(&ctx, inputs).iter().collect::<Vec<_>>(), expected);
    }
}
