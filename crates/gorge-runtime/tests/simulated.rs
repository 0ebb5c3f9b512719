//! Virtual time and seeded choices: timers to the nanosecond, without waiting.

#![allow(clippy::disallowed_types, reason = "a lock that is held for a moment")]
#![allow(
    clippy::disallowed_methods,
    reason = "real time is compared with virtual time"
)]

use gorge_runtime::{Runtime, blocking, go, goroutine, time, yield_now};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

fn simulated(seed: u64) -> Runtime {
    let builder = Runtime::builder().simulated(seed);
    builder.build().expect("a runtime")
}

/// Runs a closure for each of some seeds.
fn with_seeds(body: impl Fn(&Runtime)) {
    (0..50).for_each(|seed| body(&simulated(seed)));
}

#[test]
fn years_pass_in_no_time() {
    let real = Instant::now();
    let passed = simulated(1).run(|| {
        let start = time::now();
        for _ in 0..1000 {
            time::sleep(24 * HOUR);
        }
        time::now() - start
    });
    assert_eq!(passed, 24_000 * HOUR);
    assert!(real.elapsed() < passed);
}

// TestAfterQueuing
#[test]
fn sleeps_end_in_the_order_of_their_deadlines_and_exactly_then() {
    const SLOTS: [u32; 13] = [5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0];
    with_seeds(|runtime| {
        let order = Arc::new(Mutex::new(Vec::new()));
        runtime.run(|| {
            let first = time::now() + HOUR;
            let sleepers = SLOTS.map(|slot| {
                let order = order.clone();
                go(move || {
                    let deadline = first + slot * Duration::from_nanos(1);
                    time::sleep_until(deadline);
                    assert_eq!(time::now(), deadline);
                    order.lock().expect("not poisoned").push(slot);
                })
            });
            for sleeper in sleepers {
                sleeper.join().expect("it woke");
            }
        });
        let mut sorted = SLOTS;
        sorted.sort_unstable();
        assert_eq!(*order.lock().expect("not poisoned"), sorted);
    });
}

#[test]
fn a_sleep_that_overflows_never_ends_and_disturbs_nobody() {
    with_seeds(|runtime| {
        runtime.run(|| {
            let endless = go(|| time::sleep(Duration::MAX));
            let start = time::now();
            time::sleep(Duration::from_millis(25));
            assert_eq!(time::now() - start, Duration::from_millis(25));
            time::sleep(Duration::ZERO);
            assert_eq!(time::now() - start, Duration::from_millis(25));
            assert!(!endless.is_finished());
            endless.cancel();
            assert!(endless.join().is_err());
        });
    });
}

#[test]
fn an_unpark_comes_before_the_deadline_or_after_it() {
    with_seeds(|runtime| {
        runtime.run(|| {
            for (unparked, expected) in [(3, 3), (7, 5)] {
                let start = time::now();
                let parked = go(move || {
                    goroutine::park_timeout(5 * HOUR);
                    time::now() - start
                });
                time::sleep(unparked * HOUR);
                parked.goroutine().unpark();
                assert_eq!(parked.join().expect("it woke"), expected * HOUR);
            }
        });
    });
}

#[test]
fn no_time_passes_while_anybody_can_run() {
    with_seeds(|runtime| {
        runtime.run(|| {
            let start = time::now();
            let sleeper = go(|| time::sleep(Duration::from_nanos(1)));
            for _ in 0..100 {
                yield_now();
                assert_eq!(time::now(), start);
            }
            assert_eq!(blocking(|| 6 * 7), 42);
            assert!(!sleeper.is_finished());
            sleeper.join().expect("it woke");
            assert_eq!(time::now(), start + Duration::from_nanos(1));
        });
    });
}

/// Three goroutines that take turns as the scheduler likes.
fn order_of_turns(seed: u64) -> Vec<usize> {
    let order = Arc::new(Mutex::new(Vec::new()));
    simulated(seed).run(|| {
        let all = [0, 1, 2].map(|i| {
            let order = order.clone();
            go(move || {
                for _ in 0..10 {
                    order.lock().expect("not poisoned").push(i);
                    yield_now();
                }
            })
        });
        for it in all {
            it.join().expect("it ends");
        }
    });
    let order = order.lock().expect("not poisoned");
    order.clone()
}

#[test]
fn a_seed_decides_the_order_and_repeats_it() {
    for seed in 0..20 {
        assert_eq!(order_of_turns(seed), order_of_turns(seed));
    }
    let first = order_of_turns(0);
    assert!((1..20).any(|seed| order_of_turns(seed) != first));
}

#[test]
fn a_simulation_has_one_processor_whatever_is_asked_for() {
    with_seeds(|runtime| {
        assert_eq!(runtime.set_max_procs(4), 1);
        assert_eq!(runtime.max_procs(), 1);
        let running = Arc::new(Mutex::new(()));
        runtime.run(|| {
            for _ in 0..20 {
                let running = running.clone();
                drop(go(move || {
                    drop(running.try_lock().expect("nobody runs beside it"));
                    yield_now();
                }));
            }
        });
    });
}
