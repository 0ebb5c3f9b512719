//! Random spawn, park, unpark, sleep, yield, blocking, cancel and join, with a
//! check that every goroutine ran to its end.
//!
//! `GORGE_STRESS_SECONDS` makes it run longer.

#![allow(clippy::disallowed_methods, reason = "the test's length is real time")]

mod common;

use common::in_each_placement;
use gorge_runtime::{Runtime, blocking, go, goroutine, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts every goroutine's begin and end.
#[derive(Default)]
struct Tally {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Ends with its goroutine, however that comes about.
struct Present(Arc<Tally>);

impl Present {
    fn new(tally: &Arc<Tally>) -> Present {
        tally.begun.fetch_add(1, Ordering::Relaxed);
        Present(tally.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn live(tally: Arc<Tally>, mut seed: u64, depth: u32) {
    let _present = Present::new(&tally);
    for _ in 0..8 {
        match xorshift(&mut seed) % 12 {
            0..=2 => yield_now(),
            3 => goroutine::sleep(Duration::from_micros(xorshift(&mut seed) % 300)),
            4 => blocking(|| ()),
            5 => goroutine::park_timeout(Duration::from_micros(50)),
            6 => {
                let parked = go(goroutine::park);
                parked.goroutine().unpark();
                parked.join().expect("it was unparked");
            }
            7 => {
                let endless = go(|| goroutine::park_forever());
                if xorshift(&mut seed).is_multiple_of(2) {
                    yield_now();
                }
                endless.cancel();
                assert!(
                    endless
                        .join()
                        .map(|never: std::convert::Infallible| never)
                        .is_err()
                );
            }
            8 if depth > 0 => drop(spawn(&tally, xorshift(&mut seed), depth - 1)),
            9..=11 if depth > 0 => {
                let child = spawn(&tally, xorshift(&mut seed), depth - 1);
                child.join().expect("a child ends");
            }
            _ => {}
        }
    }
}

fn spawn(tally: &Arc<Tally>, seed: u64, depth: u32) -> gorge_runtime::JoinHandle<()> {
    let tally = tally.clone();
    go(move || live(tally, seed | 1, depth))
}

fn round(runtime: &Runtime, seed: u64) {
    let tally = Arc::new(Tally::default());
    let shared = tally.clone();
    runtime.run(move || {
        let handles: Vec<_> = (0..20).map(|i| spawn(&shared, seed * 20 + i, 3)).collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().expect("it ends"));
    });
    common::wait_for(|| runtime.num_goroutines() == 0);
    let counts = (
        tally.begun.load(Ordering::SeqCst),
        tally.ended.load(Ordering::SeqCst),
    );
    assert_eq!(counts.0, counts.1);
}

#[test]
fn random_lives_all_end() {
    let seconds = std::env::var("GORGE_STRESS_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let limit = Duration::from_millis(seconds.map_or(300, |s: u64| s * 1000 / 6));
    for procs in [1, 2, 4] {
        in_each_placement(procs, |runtime| {
            let start = Instant::now();
            let mut seed = 1;
            while start.elapsed() < limit {
                round(runtime, seed);
                seed += 1;
            }
        });
    }
}
