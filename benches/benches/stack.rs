//! What does crossing into a new stack segment cost, after the first time?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::{SETTINGS, time};
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::stack;
use std::hint::black_box;

fn boundary(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("grow");
    let cross = |operations: u64| {
        (0..operations).for_each(|i| {
            black_box(stack::grow(usize::MAX, 64 * 1024, || black_box(i)));
        });
    };
    let stay = |operations: u64| {
        (0..operations).for_each(|i| {
            black_box(stack::grow(1024, 64 * 1024, || black_box(i)));
        });
    };
    let runtime = SETTINGS[0].runtime();
    group.bench_function("crossing, goroutine", |bencher| {
        bencher.iter_custom(|operations| runtime.run(|| time(|| cross(operations))));
    });
    group.bench_function("crossing, thread", |bencher| {
        bencher.iter_custom(|operations| time(|| cross(operations)));
    });
    group.bench_function("not crossing, goroutine", |bencher| {
        bencher.iter_custom(|operations| runtime.run(|| time(|| stay(operations))));
    });
}

criterion_group!(benches, boundary);
criterion_main!(benches);
