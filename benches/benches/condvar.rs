//! What does it cost to be told, over a mutex and a condition variable: from one to
//! one, and from one to all? Here, with parking_lot's threads, and with tokio.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::{in_each_setting, time};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use gorge::sync::{Condvar, Mutex};
use std::sync::Arc;
use std::thread;
use tokio::runtime;

/// How many wait to be told.
const WAITERS: usize = 8;

/// Whose turn it is, of two.
#[derive(Default)]
struct Ball {
    turn: Mutex<u64>,
    told: Condvar,
}

impl Ball {
    /// Plays every second of so many turns, from `first` on.
    fn play(&self, first: u64, turns: u64) {
        let mut turn = self.turn.lock();
        for mine in (first..turns).step_by(2) {
            self.told.wait_while(&mut turn, |turn| *turn != mine);
            *turn += 1;
            self.told.notify_one();
        }
    }
}

/// The same with parking_lot.
#[derive(Default)]
struct Theirs {
    turn: parking_lot::Mutex<u64>,
    told: parking_lot::Condvar,
}

impl Theirs {
    fn play(&self, first: u64, turns: u64) {
        let mut turn = self.turn.lock();
        for mine in (first..turns).step_by(2) {
            self.told.wait_while(&mut turn, |turn| *turn != mine);
            *turn += 1;
            self.told.notify_one();
        }
    }
}

/// And with tokio, whose `Notify` keeps a notification for whoever comes late.
struct Tokios {
    turn: tokio::sync::Mutex<u64>,
    told: [tokio::sync::Notify; 2],
}

impl Tokios {
    async fn play(&self, me: usize, turns: u64) {
        for mine in (me as u64..turns).step_by(2) {
            loop {
                let mut turn = self.turn.lock().await;
                if *turn == mine {
                    *turn += 1;
                    break;
                }
                drop(turn);
                self.told[me].notified().await;
            }
            self.told[1 - me].notify_one();
        }
    }
}

/// Two parties tell each other in turns. The time is that of one turn.
fn ping_pong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("condvar/ping-pong");
    in_each_setting(&mut group, |turns| {
        let ball = Arc::new(Ball::default());
        let theirs = ball.clone();
        let other = gorge::go(move || theirs.play(1, turns));
        ball.play(0, turns);
        other.join().expect("it played");
    });
    group.bench_function("parking_lot/threads", |bencher| {
        bencher.iter_custom(|turns| {
            let ball = Theirs::default();
            time(|| {
                thread::scope(|threads| {
                    threads.spawn(|| ball.play(1, turns));
                    ball.play(0, turns);
                });
            })
        });
    });
    in_tokio(&mut group, |turns| async move {
        let ball = Arc::new(Tokios {
            turn: tokio::sync::Mutex::new(0),
            told: Default::default(),
        });
        let theirs = ball.clone();
        let other = tokio::spawn(async move { theirs.play(1, turns).await });
        ball.play(0, turns).await;
        other.await.expect("it played");
    });
}

/// A round in which all are told, and all have come back to wait for the next.
#[derive(Default)]
struct Round {
    number: u64,
    arrived: usize,
}

impl Round {
    /// Counts an arrival. Whether it is the last one of the round.
    fn arrive(&mut self) -> bool {
        self.arrived += 1;
        self.arrived == WAITERS
    }

    fn begin_next(&mut self) {
        self.arrived = 0;
        self.number += 1;
    }
}

#[derive(Default)]
struct Crowd {
    round: Mutex<Round>,
    begins: Condvar,
    all_arrived: Condvar,
}

impl Crowd {
    fn follow(&self, rounds: u64) {
        let mut round = self.round.lock();
        for next in 1..=rounds {
            if round.arrive() {
                self.all_arrived.notify_one();
            }
            self.begins
                .wait_while(&mut round, |round| round.number < next);
        }
    }

    fn lead(&self, rounds: u64) {
        let mut round = self.round.lock();
        for _ in 0..rounds {
            self.all_arrived
                .wait_while(&mut round, |round| round.arrived < WAITERS);
            round.begin_next();
            self.begins.notify_all();
        }
    }
}

#[derive(Default)]
struct TheirCrowd {
    round: parking_lot::Mutex<Round>,
    begins: parking_lot::Condvar,
    all_arrived: parking_lot::Condvar,
}

impl TheirCrowd {
    fn follow(&self, rounds: u64) {
        let mut round = self.round.lock();
        for next in 1..=rounds {
            if round.arrive() {
                self.all_arrived.notify_one();
            }
            self.begins
                .wait_while(&mut round, |round| round.number < next);
        }
    }

    fn lead(&self, rounds: u64) {
        let mut round = self.round.lock();
        for _ in 0..rounds {
            self.all_arrived
                .wait_while(&mut round, |round| round.arrived < WAITERS);
            round.begin_next();
            self.begins.notify_all();
        }
    }
}

#[derive(Default)]
struct TokiosCrowd {
    round: tokio::sync::Mutex<Round>,
    begins: tokio::sync::Notify,
    all_arrived: tokio::sync::Notify,
}

impl TokiosCrowd {
    async fn follow(&self, rounds: u64) {
        for _ in 0..rounds {
            let mut round = self.round.lock().await;
            // It is told of what happens from here on.
            let begins = self.begins.notified();
            if round.arrive() {
                self.all_arrived.notify_one();
            }
            drop(round);
            begins.await;
        }
    }

    async fn lead(&self, rounds: u64) {
        for _ in 0..rounds {
            self.all_arrived.notified().await;
            self.round.lock().await.begin_next();
            self.begins.notify_waiters();
        }
    }
}

/// One tells eight, again and again. The time is that of one round.
fn to_all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("condvar/notify_all, 8 waiters");
    in_each_setting(&mut group, |rounds| {
        let crowd = Arc::new(Crowd::default());
        let followers: Vec<_> = (0..WAITERS)
            .map(|_| {
                let crowd = crowd.clone();
                gorge::go(move || crowd.follow(rounds))
            })
            .collect();
        crowd.lead(rounds);
        for follower in followers {
            follower.join().expect("it followed");
        }
    });
    group.bench_function("parking_lot/threads", |bencher| {
        bencher.iter_custom(|rounds| {
            let crowd = TheirCrowd::default();
            time(|| {
                thread::scope(|threads| {
                    for _ in 0..WAITERS {
                        threads.spawn(|| crowd.follow(rounds));
                    }
                    crowd.lead(rounds);
                });
            })
        });
    });
    in_tokio(&mut group, |rounds| async move {
        let crowd = Arc::new(TokiosCrowd::default());
        let followers: Vec<_> = (0..WAITERS)
            .map(|_| {
                let crowd = crowd.clone();
                tokio::spawn(async move { crowd.follow(rounds).await })
            })
            .collect();
        crowd.lead(rounds).await;
        for follower in followers {
            follower.await.expect("it followed");
        }
    });
}

/// Measures what `operations` returns on tokio's runtimes of one worker and two.
fn in_tokio<F>(group: &mut BenchmarkGroup<'_, WallTime>, operations: impl Fn(u64) -> F + Copy)
where
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [1, 2] {
        let mut builder = runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(workers).build().expect("a runtime");
        group.bench_function(format!("tokio/P={workers}"), |bencher| {
            bencher.iter_custom(|count| {
                time(|| {
                    // On a worker, as goroutines are: not on this thread.
                    let task = runtime.spawn(operations(count));
                    runtime.block_on(task).expect("it is done");
                })
            });
        });
    }
}

criterion_group!(benches, ping_pong, to_all);
criterion_main!(benches);
