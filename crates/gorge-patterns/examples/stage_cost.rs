//! What a stage costs per value, beside the channel behind it: `stage_cost [VALUES]`.
//!
//! ```text
//!   generate ──► recv                 one hop
//!   generate ──► map ──► recv         one hop more, and the stage
//!   send ──► recv                     the bare channel
//! ```
//!
//! Each is run several times in turn, and the fastest run counts. For one of them alone, to be
//! counted by valgrind say, add its name and a number of stages: `stage_cost 20000 cancel 1`.

use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, bounded};
use gorge_patterns::{generate, map};
use gorge_runtime::{Runtime, go, time};
use std::env;
use std::time::Duration;

const RUNS: usize = 10;

/// The contexts that stages run under, and none: goroutines with channels, and no stages.
const KINDS: [&str; 4] = ["plain", "background", "cancel", "deadline"];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, default| {
        let argument = arguments.get(place);
        argument.map_or(default, |text| text.parse().expect("a number"))
    };
    let count = number(0, 500_000);
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    if let Some(kind) = arguments.get(1) {
        runtime.run(|| run(kind, number(2, 1), count));
        return;
    }
    let mut best = [[f64::INFINITY; 2]; KINDS.len()];
    for _ in 0..RUNS {
        for (kind, best) in KINDS.iter().zip(&mut best) {
            for (stages, best) in best.iter_mut().enumerate() {
                *best = best.min(runtime.run(|| run(kind, stages, count)));
            }
        }
    }
    let hop = best[0][0];
    println!("a value from goroutine to goroutine: {hop:.1} ns");
    for (kind, [without, with]) in KINDS.iter().zip(best) {
        let beside = with - without - hop;
        println!(
            "{kind:>10}: {without:.1} ns, with a map {with:.1} ns, which is {beside:+.1} ns beside a hop"
        );
    }
}

/// Nanoseconds per value, through so many stages.
fn run(kind: &str, stages: usize, count: usize) -> f64 {
    let (cancellable, _guard) = match kind {
        "deadline" => background().with_timeout(Duration::from_secs(3600)),
        _ => background().with_cancel(),
    };
    let ctx = match kind {
        "background" => background(),
        _ => cancellable,
    };
    let start = time::now();
    let output = match kind {
        "plain" => (0..stages).fold(plain_source(count), |rx, _| plain_stage(rx)),
        _ => (0..stages).fold(generate(&ctx, 0..count), |rx, _| stage(&ctx, rx)),
    };
    assert_eq!(output.iter().count(), count);
    (time::now() - start).as_nanos() as f64 / count as f64
}

fn stage(ctx: &Context, rx: Receiver<usize>) -> Receiver<usize> {
    map(ctx, rx, |value| value + 1)
}

fn plain_source(count: usize) -> Receiver<usize> {
    let (sender, receiver) = bounded(0);
    go(move || (0..count).try_for_each(|value| sender.send(value)));
    receiver
}

fn plain_stage(rx: Receiver<usize>) -> Receiver<usize> {
    let (sender, receiver) = bounded(0);
    go(move || rx.iter().try_for_each(|value| sender.send(value + 1)));
    receiver
}
