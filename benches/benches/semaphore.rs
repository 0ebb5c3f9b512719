//! What does a permit cost, alone and in a crowd, here and with tokio? And what
//! does an item of a pool cost?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::{in_each_setting, time};
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::sync::{Pool, Semaphore};
use gorge::{go, yield_now};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use tokio::runtime;

/// How many want a permit, and how many permits there are.
const PARTIES: u64 = 8;
const PERMITS: usize = 2;

/// A few hundred nanoseconds of work with the permit.
fn hold() {
    for _ in 0..20 {
        spin_loop();
    }
}

/// One party takes a permit and gives it back, with nobody else there.
fn uncontended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("semaphore/uncontended");
    in_each_setting(&mut group, |operations| {
        let semaphore = Semaphore::new(PERMITS);
        for _ in 0..operations {
            drop(black_box(&semaphore).acquire());
        }
    });
    let semaphore = Semaphore::new(PERMITS);
    group.bench_function("try_acquire", |bencher| {
        bencher.iter(|| black_box(&semaphore).try_acquire().map(drop));
    });
    let theirs = tokio::sync::Semaphore::new(PERMITS);
    group.bench_function("tokio/try_acquire", |bencher| {
        bencher.iter(|| black_box(&theirs).try_acquire().map(drop));
    });
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    group.bench_function("tokio/acquire", |bencher| {
        bencher.iter_custom(|operations| {
            time(|| {
                runtime.block_on(async {
                    for _ in 0..operations {
                        drop(black_box(&theirs).acquire().await);
                    }
                });
            })
        });
    });
}

/// Eight parties work in turns with two permits. The time is that of one turn.
/// There are no more workers than permits, so that few have to wait.
fn in_turns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("semaphore/8 parties, 2 permits");
    in_each_setting(&mut group, |operations| turns(operations, hold));
    for workers in [1, 2] {
        let runtime = tokio_runtime(workers);
        group.bench_function(format!("tokio/P={workers}"), |bencher| {
            bencher.iter_custom(|operations| {
                time(|| runtime.block_on(tokio_turns(operations, || async { hold() })))
            });
        });
    }
}

/// Whoever has a permit lets others run: almost all have to wait. There is no other work,
/// so that the time is that of waiting and waking.
fn contended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("semaphore/8 parties, 2 permits, contended");
    in_each_setting(&mut group, |operations| turns(operations, yield_now));
    for workers in [1, 2] {
        let runtime = tokio_runtime(workers);
        group.bench_function(format!("tokio/P={workers}"), |bencher| {
            bencher.iter_custom(|operations| {
                time(|| {
                    runtime.block_on(tokio_turns(operations, tokio::task::yield_now));
                })
            });
        });
    }
}

fn turns(operations: u64, work: fn()) {
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let each = operations.div_ceil(PARTIES);
    let handles: Vec<_> = (0..PARTIES)
        .map(|_| {
            let semaphore = semaphore.clone();
            go(move || {
                for _ in 0..each {
                    let _permit = semaphore.acquire().expect("it is never closed");
                    work();
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().expect("it took its turns");
    }
}

fn tokio_runtime(workers: usize) -> runtime::Runtime {
    let mut builder = runtime::Builder::new_multi_thread();
    builder.worker_threads(workers).build().expect("a runtime")
}

async fn tokio_turns<W, F>(operations: u64, work: W)
where
    W: Fn() -> F + Copy + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let semaphore = Arc::new(tokio::sync::Semaphore::new(PERMITS));
    let each = operations.div_ceil(PARTIES);
    let tasks: Vec<_> = (0..PARTIES)
        .map(|_| {
            let semaphore = semaphore.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let _permit = semaphore.acquire().await.expect("it is never closed");
                    work().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it took its turns");
    }
}

/// One party gets an item and gives it back.
fn pool(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool/get and drop");
    in_each_setting(&mut group, |operations| {
        let pool = Pool::new(|| vec![0u8; 64]);
        for _ in 0..operations {
            drop(black_box(pool.get()));
        }
    });
    let pool = Pool::new(|| vec![0u8; 64]);
    group.bench_function("thread", |bencher| {
        bencher.iter(|| drop(black_box(pool.get())))
    });
    group.bench_function("thread, without a pool", |bencher| {
        bencher.iter(|| drop(black_box(vec![0u8; 64])));
    });
}

criterion_group!(benches, uncontended, in_turns, contended, pool);
criterion_main!(benches);
