//! What does a read-write lock cost: alone, beside those of `parking_lot` and std,
//! and in a crowd of goroutines, beside tokio's in a crowd of tasks?
#![allow(missing_docs, reason = "criterion's macros generate public items")]
#![allow(clippy::disallowed_types, reason = "std's lock is one of the compared")]

use benches::{in_each_setting, time};
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use gorge::go;
use std::hint::black_box;
use std::sync::Arc;

/// How many share the contended lock.
const PARTIES: u64 = 8;

/// A lock and an unlock that nobody else wants, on an OS thread.
fn uncontended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rwlock/read");
    let lock = gorge::sync::RwLock::new(1u64);
    group.bench_function("gorge", |it| it.iter(|| *black_box(&lock).read()));
    let lock = parking_lot::RwLock::new(1u64);
    group.bench_function("parking_lot", |it| it.iter(|| *black_box(&lock).read()));
    let lock = std::sync::RwLock::new(1u64);
    group.bench_function("std", |it| {
        it.iter(|| *black_box(&lock).read().expect("it is not poisoned"));
    });
    group.finish();

    let mut group = criterion.benchmark_group("rwlock/write");
    let lock = gorge::sync::RwLock::new(1u64);
    group.bench_function("gorge", |it| it.iter(|| *black_box(&lock).write() += 1));
    let lock = parking_lot::RwLock::new(1u64);
    group.bench_function("parking_lot", |it| {
        it.iter(|| *black_box(&lock).write() += 1);
    });
    let lock = std::sync::RwLock::new(1u64);
    group.bench_function("std", |it| {
        it.iter(|| *black_box(&lock).write().expect("it is not poisoned") += 1);
    });
    group.finish();
}

/// Goroutines that each lock again and again, once in `ONE_IN` times to write.
fn crowd<const ONE_IN: u64>(operations: u64) {
    let lock = Arc::new(gorge::sync::RwLock::new(0u64));
    let parties: Vec<_> = (0..PARTIES)
        .map(|party| {
            let lock = Arc::clone(&lock);
            go(move || {
                for i in 0..operations.div_ceil(PARTIES) {
                    match (i + party) % ONE_IN {
                        0 => *lock.write() += 1,
                        _ => drop(black_box(*lock.read())),
                    }
                }
            })
        })
        .collect();
    for party in parties {
        party.join().expect("it ends");
    }
}

/// The same with tokio's tasks and lock, on two workers.
fn tokio_crowd<const ONE_IN: u64>(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let work = |operations: u64| async move {
        let lock = Arc::new(tokio::sync::RwLock::new(0u64));
        let parties: Vec<_> = (0..PARTIES)
            .map(|party| {
                let lock = Arc::clone(&lock);
                tokio::spawn(async move {
                    for i in 0..operations.div_ceil(PARTIES) {
                        match (i + party) % ONE_IN {
                            0 => *lock.write().await += 1,
                            _ => drop(black_box(*lock.read().await)),
                        }
                    }
                })
            })
            .collect();
        for party in parties {
            party.await.expect("it ends");
        }
    };
    group.bench_function("tokio", |bencher| {
        bencher.iter_custom(|operations| {
            time(|| {
                runtime.block_on(async { tokio::spawn(work(operations)).await.expect("it ends") })
            })
        });
    });
}

fn contended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rwlock/one write in 10");
    in_each_setting(&mut group, crowd::<10>);
    tokio_crowd::<10>(&mut group);
    group.finish();
    let mut group = criterion.benchmark_group("rwlock/one write in 2");
    in_each_setting(&mut group, crowd::<2>);
    tokio_crowd::<2>(&mut group);
    group.finish();
}

criterion_group!(benches, uncontended, contended);
criterion_main!(benches);
