//! What does a broadcast to a thousand subscribers cost, beside tokio's?
//!
//! One value at a time, which wakes all of them each time, and a hundred at once: until all have
//! received them (`delivered`), and what the sender pays (`sent`). Per value, on one worker and
//! on two.
#![allow(missing_docs, reason = "criterion's macros generate public items")]
#![allow(clippy::disallowed_methods, reason = "both go by the real clock")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gorge::channel::bounded;
use gorge::patterns::Broadcast;
use gorge::{Runtime, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
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

/// What was measured.
#[derive(Clone, Copy, Default)]
struct Spent {
    sending: Duration,
    in_all: Duration,
}

fn with_gorge(procs: usize, rounds: usize, burst: usize) -> Spent {
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
        let mut spent = Spent::default();
        for number in 0..rounds {
            round.begin();
            let begin = Instant::now();
            (0..burst).for_each(|_| _ = news.send(number).expect("it is open"));
            spent.sending += begin.elapsed();
            ends.recv().expect("the readers are there");
            spent.in_all += begin.elapsed();
        }
        drop(news);
        for reader in readers {
            assert_eq!(reader.join().expect("it ends"), rounds * burst);
        }
        spent
    })
}

fn with_tokio(procs: usize, rounds: usize, burst: usize) -> Spent {
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
        let mut spent = Spent::default();
        for number in 0..rounds {
            round.begin();
            let begin = Instant::now();
            (0..burst).for_each(|_| _ = news.send(number).expect("it is open"));
            spent.sending += begin.elapsed();
            ends.recv().await.expect("the readers are there");
            spent.in_all += begin.elapsed();
        }
        drop(news);
        for reader in readers {
            assert_eq!(reader.await.expect("it ends"), rounds * burst);
        }
        spent
    };
    runtime.block_on(async move { tokio::spawn(work).await.expect("it ends") })
}

type Work = fn(usize, usize, usize) -> Spent;
type Figure = fn(Spent) -> Duration;

const PEERS: [(&str, Work); 2] = [("gorge", with_gorge), ("tokio", with_tokio)];
const FIGURES: [(&str, Figure); 2] = [
    ("delivered", |spent| spent.in_all),
    ("sent", |spent| spent.sending),
];

fn broadcasts(criterion: &mut Criterion) {
    for burst in [1, 100] {
        for (figure, of) in FIGURES {
            let name = format!("broadcast/{figure}, {burst} at once");
            let mut group = criterion.benchmark_group(name);
            for procs in [1, 2] {
                for (name, work) in PEERS {
                    group.bench_function(BenchmarkId::new(name, procs), |bencher| {
                        bencher.iter_custom(|operations| {
                            let rounds = (operations as usize).div_ceil(burst);
                            let spent = of(work(procs, rounds, burst));
                            spent.mul_f64(operations as f64 / (rounds * burst) as f64)
                        });
                    });
                }
            }
            group.finish();
        }
    }
}

criterion_group!(benches, broadcasts);
criterion_main!(benches);
