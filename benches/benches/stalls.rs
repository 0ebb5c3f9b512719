//! How long others wait for goroutines that do not give way, and what idling
//! costs. Not a criterion bench: each figure is one event's latency, the worst
//! of some runs.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use gorge::{Runtime, blocking, checkpoint, go, goroutine, scope, time};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const RUNS: usize = 10;

fn runtime(procs: usize, migrating: bool) -> Runtime {
    let builder = Runtime::builder().max_procs(procs);
    let builder = if migrating {
        // SAFETY: these goroutines hold no thread-local reference and no
        // thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

fn worst(run: impl Fn() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).max().unwrap_or_default()
}

fn print(what: &str, placement: bool, worst: Duration) {
    let placement = if placement { "migrating" } else { "homed" };
    println!("{what:<58} {placement:<9} {worst:>10.1?}");
}

/// Until a goroutine that is queued behind culprits runs.
fn start_latency(migrating: bool, culprits: usize, culprit: fn(&AtomicBool)) -> Duration {
    let runtime = runtime(1, migrating);
    let stop = Arc::new(AtomicBool::new(false));
    runtime.run(|| {
        let start_culprit = || {
            let stop = stop.clone();
            drop(go(move || culprit(&stop)));
        };
        (1..culprits).for_each(|_| start_culprit());
        let begin = Instant::now();
        let for_other = stop.clone();
        let other = go(move || {
            // Whoever is at home beside a culprit waits until it ends.
            for_other.store(true, Ordering::Relaxed);
            begin.elapsed()
        });
        // The latest comes first.
        start_culprit();
        other.join().expect("it ran")
    })
}

fn spin(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

fn block(_: &AtomicBool) {
    thread::sleep(Duration::from_secs(1));
}

/// The longest pause of a migrating ticker beside a culprit.
fn tick_latency(migrating: bool, culprit: fn(&AtomicBool)) -> Duration {
    let runtime = runtime(1, migrating);
    let stop = Arc::new(AtomicBool::new(false));
    let for_culprit = stop.clone();
    let ticking = runtime.run(|| {
        // SAFETY: as in `runtime`.
        let ticker = unsafe { goroutine::Builder::new().migrating() }.spawn(|| {
            let mut longest = Duration::ZERO;
            for _ in 0..100 {
                let begin = Instant::now();
                time::sleep(Duration::from_millis(1));
                longest = longest.max(begin.elapsed());
            }
            longest
        });
        time::sleep(Duration::from_millis(2));
        go(move || culprit(&for_culprit));
        ticker.expect("spawned")
    });
    let longest = ticking.join().expect("it ticked");
    stop.store(true, Ordering::Relaxed);
    longest
}

/// The last to finish in relation to the first, of goroutines that compute alike,
/// for some ten time slices each.
fn unfairness(migrating: bool) -> f64 {
    let runtime = runtime(2, migrating);
    let times: Vec<Duration> = runtime.run(|| {
        let begin = Instant::now();
        let all: Vec<_> = (0..64)
            .map(|_| {
                go(move || {
                    for i in 0..30_000_000u64 {
                        std::hint::black_box(i);
                        checkpoint();
                    }
                    begin.elapsed()
                })
            })
            .collect();
        all.into_iter()
            .map(|it| it.join().expect("it ends"))
            .collect()
    });
    let (first, last) = (times.iter().min(), times.iter().max());
    last.map_or(0.0, Duration::as_secs_f64) / first.map_or(1.0, Duration::as_secs_f64)
}

/// A thousand closures of 100 ms on a hundred threads, and the longest pause of a
/// ticker meanwhile.
fn pool() -> (Duration, Duration) {
    let builder = Runtime::builder().max_procs(2).max_blocking_threads(100);
    let runtime = builder.build().expect("a runtime");
    let (stop, stopped) = mpsc::channel::<()>();
    runtime.run(|| {
        let ticker = go(move || {
            let mut longest = Duration::ZERO;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let begin = Instant::now();
                time::sleep(Duration::from_millis(1));
                longest = longest.max(begin.elapsed());
            }
            longest
        });
        let begin = Instant::now();
        scope(|s| {
            for _ in 0..1000 {
                s.spawn(|| blocking(|| thread::sleep(Duration::from_millis(100))));
            }
        });
        let took = begin.elapsed();
        drop(stop);
        (took, ticker.join().expect("it ticked"))
    })
}

fn main() {
    // `cargo test` runs benches too, to see that they work.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("worst of {RUNS} runs, one processor unless said otherwise");
    for placement in [false, true] {
        let measured = worst(|| start_latency(placement, 1, spin));
        print("start behind a hog", placement, measured);
        let measured = worst(|| start_latency(placement, 1, block));
        print("start behind a blocked thread", placement, measured);
        let measured = worst(|| start_latency(placement, 50, block));
        print("start behind 50 blocked threads", placement, measured);
        let measured = worst(|| tick_latency(placement, spin));
        print(
            "longest pause of a 1 ms ticker beside a hog",
            placement,
            measured,
        );
        let measured = worst(|| tick_latency(placement, block));
        print("the same beside a blocked thread", placement, measured);
        let ratio = unfairness(placement);
        let name = if placement { "migrating" } else { "homed" };
        println!(
            "64 computing, 2 processors: last / first to finish          {name:<9} {ratio:>10.2}"
        );
    }
    let (took, pause) = pool();
    println!(
        "1000 x 100 ms on 100 blocking threads: {took:.2?}, longest pause of a 1 ms ticker {pause:.2?}"
    );
}
