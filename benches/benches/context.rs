//! What does a context cost: to make a child and drop it, to ask, to cancel many, to
//! look for a value?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::time;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use gorge::context::{self, Context};
use std::hint::black_box;
use std::time::Duration;

/// A context made and dropped, below one that may be cancelled.
fn child(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context/child");
    let (parent, _guard) = context::background().with_cancel();
    group.bench_function("cancel", |bencher| {
        bencher.iter(|| drop(parent.with_cancel()));
    });
    group.bench_function("timeout", |bencher| {
        bencher.iter(|| drop(parent.with_timeout(Duration::from_secs(3600))));
    });
    group.bench_function("value", |bencher| bencher.iter(|| parent.with_value(1)));
    group.bench_function("asked for done", |bencher| {
        bencher.iter(|| {
            let (child, _guard) = parent.with_cancel();
            black_box(child.done());
        });
    });
}

/// What code does that looks whether to stop.
fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context/ask");
    let (open, _guard) = context::background().with_cancel();
    let (timed, _timed_guard) = open.with_timeout(Duration::from_secs(3600));
    let (canceled, _) = open.with_cancel();
    for (name, context) in [("open", &open), ("timed", &timed), ("canceled", &canceled)] {
        group.bench_function(BenchmarkId::new("err", name), |bencher| {
            bencher.iter(|| context.err());
        });
        group.bench_function(BenchmarkId::new("done", name), |bencher| {
            bencher.iter(|| context.done().try_recv());
        });
    }
}

/// The cancel of a parent of many, by the child.
fn cancel_children(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context/cancel children");
    for count in [10, 1000, 100_000] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|operations| {
                let rounds = operations.div_ceil(count);
                let spent: Duration = (0..rounds).map(|_| cancel_parent_of(count)).sum();
                spent.mul_f64(operations as f64 / (rounds * count) as f64)
            });
        });
    }
}

fn cancel_parent_of(count: u64) -> Duration {
    let (parent, guard) = context::background().with_cancel();
    let children: Vec<_> = (0..count).map(|_| parent.with_cancel()).collect();
    let spent = time(|| guard.cancel());
    assert!(children.iter().all(|(child, _)| child.err().is_some()));
    spent
}

/// A chain of contexts made, and cancelled from above.
fn cancel_chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context/cancel chain");
    for depth in [1, 10, 100, 1000] {
        group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
            bencher.iter_batched(
                || {
                    let (root, guard) = context::background().with_cancel();
                    (chain(&root, depth), guard)
                },
                |(last, guard)| {
                    guard.cancel();
                    (last, guard)
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn chain(root: &Context, depth: usize) -> Context {
    let mut last = root.clone();
    for _ in 0..depth {
        let (next, guard) = last.with_cancel();
        guard.forget();
        last = next;
    }
    last
}

/// A value that is not there, below many that are.
fn value(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context/value");
    for depth in [10, 100] {
        let mut context = context::background();
        for number in 0..depth {
            context = context.with_value::<u64>(number);
        }
        group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
            bencher.iter(|| black_box(&context).value::<String>());
        });
    }
}

criterion_group!(benches, child, ask, cancel_children, cancel_chain, value);
criterion_main!(benches);
