//! All stages that take a stream of numbers, in one table, for what holds of each of them.

use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use gorge_patterns::*;
use std::time::Duration;

/// A stage, as what takes an input and has outputs.
pub(crate) type Stage = fn(&Context, Receiver<u64>) -> Vec<Receiver<u64>>;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

/// The stages. For values below 100, each has at least one value more for each value.
pub(crate) const STAGES: &[(&str, Stage)] = &[
    ("take", |ctx, rx| vec![take(ctx, rx, 1000)]),
    ("skip", |ctx, rx| vec![skip(ctx, rx, 1)]),
    ("map", |ctx, rx| vec![map(ctx, rx, |n| n + 1)]),
    ("filter", |ctx, rx| vec![filter(ctx, rx, |n| n % 2 == 0)]),
    ("flat_map", |ctx, rx| vec![flat_map(ctx, rx, |n| [n, n])]),
    ("batch", |ctx, rx| {
        vec![map(ctx, batch(ctx, rx, 2, SHORT), |batch| batch[0])]
    }),
    ("window", |ctx, rx| {
        vec![map(ctx, window(ctx, rx, 2, 1), |window| window[1])]
    }),
    ("debounce", |ctx, rx| {
        vec![debounce(ctx, rx, SHORT, Edge::Both)]
    }),
    ("throttle", |ctx, rx| {
        vec![throttle(ctx, rx, SHORT, Edge::Both)]
    }),
    ("zip", |ctx, rx| {
        let pairs = zip(ctx, generate(ctx, 0..), rx);
        vec![map(ctx, pairs, |(_, n)| n)]
    }),
    ("merge", |ctx, rx| {
        vec![merge(ctx, [generate(ctx, 0..2), rx])]
    }),
    ("merge_sorted", |ctx, rx| {
        vec![merge_sorted(ctx, [generate(ctx, 0..2), rx])]
    }),
    ("buffer", |ctx, rx| vec![buffer(ctx, rx, 2)]),
    ("fan_out", |ctx, rx| fan_out(ctx, rx, 2, |n| n)),
    ("fan_out by turns", |ctx, rx| {
        fan_out_by(ctx, rx, 2, Dispatch::RoundRobin, |n| n)
    }),
    ("fan_out by load", |ctx, rx| {
        fan_out_by(ctx, rx, 2, Dispatch::LeastLoaded, |n| n)
    }),
    ("fan_in", |ctx, rx| {
        vec![fan_in(ctx, [rx, generate(ctx, 0..2)])]
    }),
    ("ordered_parallel_map", |ctx, rx| {
        vec![ordered_parallel_map(ctx, rx, 2, |n| n)]
    }),
    ("or_done", |ctx, rx| vec![or_done(ctx, rx)]),
    ("tee", |ctx, rx| {
        let (left, right) = tee(ctx, rx);
        vec![left, right]
    }),
    ("bridge", |ctx, rx| {
        let (sender, inner) = bounded(1);
        sender.send(rx).expect("there is room");
        vec![bridge(ctx, inner)]
    }),
    ("pipe", |ctx, rx| {
        let inner = ctx.clone();
        vec![pipe(ctx, move |out| {
            let rx = or_done(&inner, rx);
            rx.iter().try_for_each(|n| out.send(n))
        })]
    }),
    ("a pipeline's steps", |ctx, rx| {
        let step = |ctx: &Context, rx| {
            let (output, receiver) = bounded(0);
            let pipeline = Pipeline::new(ctx, rx)
                .try_map(Ok::<u64, std::fmt::Error>)
                .batch(2, LONG);
            drop(gorge_runtime::go(move || {
                let joined = pipeline.for_each(|batch| {
                    _ = output.send(batch[0]);
                });
                if let Err(PipelineError::Panicked(panic)) = joined {
                    output.close_with_shared_panic(&panic);
                }
            }));
            receiver
        };
        vec![take(ctx, step(ctx, rx), 1000)]
    }),
];
