//! What does a broadcast to a thousand subscribers cost, beside tokio's? One value at a time,
//! which wakes all of them each time, and a hundred at once; per value sent.
#![allow(missing_docs, reason = "criterion's macros generate public items")]
#![allow(
    clippy::disallowed_types,
    reason = "the same counter serves gorge and tokio"
)]

use benches::time;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gorge::channel::bounded;
use gorge::patterns::Broadcast;
use gorge::{Runtime, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

const SUBSCRIBERS: usize = 1000;
const CAPACITY: usize = 128;

/// Counts the receipts of a round; the last one ends it.
struct Round {
    left: AtomicUsize,
}

impl Round {
    fn new() -> Arc<Round> {
        Arc::new(Round {
            left: AtomicUsize::new(0),
        })
    }

    fn begin(&self) {
        self.left.store(SUBSCRIBERS, Ordering::Release);
    }

    /// Whether the caller was the last.
    fn received(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

fn with_gorge(procs: usize, rounds: usize, burst: usize) -> Duration {
    let runtime = Runtime::builder()
        .max_procs(procs)
        .build()
        .expect("a runtime");
    runtime.run(|| {
        let news = Broadcast::new(CAPACITY);
        let (over, ends) = bounded(1);
        let round = Round::new();
        let readers: Vec<_> = (0..SUBSCRIBERS)
            .map(|_| {
                let (mut reader, over, round) = (news.subscribe(), over.clone(), round.clone());
                go(move || {
                    let mut count = 0;
                    while reader.recv().is_ok() {
                        count += 1;
                        if count % burst == 0 && round.received() {
                            over.send(()).expect("the sender waits");
                        }
                    }
                    count
                })
            })
            .collect();
        let spent = time(|| {
            for number in 0..rounds {
                round.begin();
                (0..burst).for_each(|_| _ = news.send(number).expect("it is open"));
                ends.recv().expect("the readers are there");
            }
        });
        drop(news);
        for reader in readers {
            assert_eq!(reader.join().expect("it ends"), rounds * burst);
        }
        spent
    })
}

fn with_tokio(procs: usize, rounds: usize, burst: usize) -> Duration {
    let mut builder = match procs {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(procs).build().expect("a runtime");
    let work = async move {
        let (news, _) = broadcast::channel(CAPACITY);
        let (over, mut ends) = mpsc::channel(1);
        let round = Round::new();
        let readers: Vec<_> = (0..SUBSCRIBERS)
            .map(|_| {
                let (mut reader, over, round) = (news.subscribe(), over.clone(), round.clone());
                tokio::spawn(async move {
                    let mut count = 0;
                    while reader.recv().await.is_ok() {
                        count += 1;
                        if count % burst == 0 && round.received() {
                            over.send(()).await.expect("the sender waits");
                        }
                    }
                    count
                })
            })
            .collect();
        let begin = std::time::Instant::now();
        for number in 0..rounds {
            round.begin();
            (0..burst).for_each(|_| _ = news.send(number).expect("it is open"));
            ends.recv().await.expect("the readers are there");
        }
        let spent = begin.elapsed();
        drop(news);
        for reader in readers {
            assert_eq!(reader.await.expect("it ends"), rounds * burst);
        }
        spent
    };
    runtime.block_on(async move { tokio::spawn(work).await.expect("it ends") })
}

type Work = fn(usize, usize, usize) -> Duration;

fn broadcasts(criterion: &mut Criterion) {
    let peers: [(&str, Work); 2] = [("gorge", with_gorge), ("tokio", with_tokio)];
    for burst in [1, 100] {
        let mut group = criterion.benchmark_group(format!("broadcast/bursts of {burst}"));
        group.throughput(Throughput::Elements(1));
        for procs in [1, 2] {
            for (name, work) in peers {
                group.bench_function(BenchmarkId::new(name, procs), |bencher| {
                    bencher.iter_custom(|operations| {
                        let rounds = (operations as usize).div_ceil(burst);
                        let spent = work(procs, rounds, burst);
                        spent.mul_f64(operations as f64 / (rounds * burst) as f64)
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, broadcasts);
criterion_main!(benches);
