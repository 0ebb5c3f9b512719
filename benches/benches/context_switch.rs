//! What does a switch of stacks cost, there and back, beside corosensei's?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use criterion::{Criterion, criterion_group, criterion_main};
use gorge_coroutine::{Coroutine, LocalStackPool, StackPool};
use std::hint::black_box;

fn resume_and_suspend(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resume_and_suspend");
    let mut ours = Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
        loop {
            input = yielder.suspend(input + 1);
        }
    });
    group.bench_function("gorge", |bencher| {
        bencher.iter(|| ours.resume(black_box(1)))
    });
    let mut theirs = corosensei::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
        loop {
            input = yielder.suspend(input + 1);
        }
    });
    group.bench_function("corosensei", |bencher| {
        bencher.iter(|| theirs.resume(black_box(1)))
    });
}

fn create_run_and_drop(criterion: &mut Criterion) {
    let pool = StackPool::new(64 * 1024).expect("a reserve within bounds");
    let mut group = criterion.benchmark_group("create_run_and_drop");
    let mut stack = Some(pool.take().expect("a stack"));
    group.bench_function("gorge, stack in hand", |bencher| {
        bencher.iter(|| {
            let warm = stack.take().expect("put back below");
            let mut coroutine = Coroutine::<u64, (), u64, _>::with_stack(warm, |_, n| n + 1);
            let result = coroutine.resume(black_box(1));
            stack = Some(coroutine.into_stack());
            result
        });
    });
    group.bench_function("gorge, stack from the pool", |bencher| {
        bencher.iter(|| {
            let warm = pool.take().expect("a stack");
            Coroutine::<u64, (), u64, _>::with_stack(warm, |_, n| n + 1).resume(black_box(1))
        });
    });
    let local = LocalStackPool::new(pool);
    group.bench_function("gorge, stack from the thread's pool", |bencher| {
        bencher.iter(|| {
            let warm = local.take().expect("a stack");
            Coroutine::<u64, (), u64, _>::with_stack(warm, |_, n| n + 1).resume(black_box(1))
        });
    });
    let mut theirs = corosensei::stack::DefaultStack::new(64 * 1024).ok();
    group.bench_function("corosensei, stack in hand", |bencher| {
        bencher.iter(|| {
            let warm = theirs.take().expect("put back below");
            let mut coroutine =
                corosensei::Coroutine::<u64, (), u64, _>::with_stack(warm, |_, n| n + 1);
            let result = coroutine.resume(black_box(1));
            theirs = Some(coroutine.into_stack());
            result
        });
    });
}

criterion_group!(benches, resume_and_suspend, create_run_and_drop);
criterion_main!(benches);
