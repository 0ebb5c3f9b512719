//! What does a mutex cost: when nobody else wants it, and in a crowd?
//!
//! Against parking_lot and std on threads, and tokio's on tasks. `cargo bench --bench
//! mutex -- fairness` prints how evenly eight parties share it.
#![allow(missing_docs, reason = "criterion's macros generate public items")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the peers' locks, and real time, are what is measured"
)]

use benches::{SETTINGS, in_each_setting};
use criterion::{Criterion, criterion_group, criterion_main};
use gorge::go;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PARTIES: u64 = 8;

/// One lock and one unlock, on one thread.
fn uncontended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mutex/uncontended");
    let gorge = gorge::sync::Mutex::new(0u64);
    group.bench_function("gorge", |bencher| {
        bencher.iter(|| *black_box(&gorge).lock() += 1);
    });
    let parking_lot = parking_lot::Mutex::new(0u64);
    group.bench_function("parking_lot", |bencher| {
        bencher.iter(|| *black_box(&parking_lot).lock() += 1);
    });
    let std = std::sync::Mutex::new(0u64);
    group.bench_function("std", |bencher| {
        bencher.iter(|| *black_box(&std).lock().expect("no panic") += 1);
    });
    group.finish();
}

/// Eight goroutines that do nothing but lock and unlock.
fn crowd(criterion: &mut Criterion) {
    in_each_setting(
        &mut criterion.benchmark_group("mutex/8 goroutines"),
        |operations| {
            let mutex = Arc::new(gorge::sync::Mutex::new(0u64));
            let parties: Vec<_> = (0..PARTIES)
                .map(|_| {
                    let mutex = Arc::clone(&mutex);
                    go(move || (0..operations / PARTIES).for_each(|_| *mutex.lock() += 1))
                })
                .collect();
            parties
                .into_iter()
                .for_each(|party| party.join().expect("it ends"));
        },
    );
}

/// The same by threads, and by tokio's tasks on two workers.
fn crowd_of_peers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mutex/8 of the peers");
    group.bench_function("parking_lot, threads", |bencher| {
        bencher.iter_custom(|operations| {
            let mutex = parking_lot::Mutex::new(0u64);
            let start = Instant::now();
            thread::scope(|scope| {
                for _ in 0..PARTIES {
                    scope.spawn(|| (0..operations / PARTIES).for_each(|_| *mutex.lock() += 1));
                }
            });
            start.elapsed()
        });
    });
    for workers in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .build()
            .expect("a runtime");
        group.bench_function(format!("tokio, P={workers}"), |bencher| {
            bencher.iter_custom(|operations| {
                let mutex = Arc::new(tokio::sync::Mutex::new(0u64));
                let start = Instant::now();
                runtime.block_on(async {
                    let tasks: Vec<_> = (0..PARTIES)
                        .map(|_| {
                            let mutex = Arc::clone(&mutex);
                            tokio::spawn(async move {
                                for _ in 0..operations / PARTIES {
                                    *mutex.lock().await += 1;
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.expect("it ends");
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

/// Mean and standard deviation of how often each of eight goroutines got the lock in
/// two seconds, with a microsecond in the critical section.
fn fairness(_: &mut Criterion) {
    if !std::env::args().any(|argument| argument.contains("fairness")) {
        return;
    }
    for setting in SETTINGS {
        let counts: Arc<[AtomicU64; 8]> = Arc::default();
        let mutex = Arc::new(gorge::sync::Mutex::new(()));
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = setting.runtime();
        let parties: Vec<_> = (0..8)
            .map(|party| {
                let (counts, mutex, stop) = (counts.clone(), mutex.clone(), stop.clone());
                runtime.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let guard = mutex.lock();
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(1) {
                            spin_loop();
                        }
                        drop(guard);
                        counts[party].fetch_add(1, Ordering::Relaxed);
                        gorge::checkpoint();
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        parties
            .into_iter()
            .for_each(|party| party.join().expect("it ends"));
        let rates = counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed) as f64);
        let mean = rates.iter().sum::<f64>() / 8.0;
        let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / 8.0;
        println!("{rates:?}");
        println!(
            "fairness, {}: mean {mean:.0}, standard deviation {:.1} % of it",
            setting.name(),
            variance.sqrt() / mean * 100.0
        );
    }
}

criterion_group!(benches, uncontended, crowd, crowd_of_peers, fairness);
criterion_main!(benches);
