//! What goroutines do all the time does not allocate: yield, park, sleep; nor does a
//! spawn, but for a closure that is too large to lie in the goroutine itself.
#![cfg(not(gorge_loom))]
#![allow(
    clippy::disallowed_types,
    reason = "the allocator counts with a plain atomic"
)]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::in_each_setting;
use counting::ALLOCATIONS;
use gorge_runtime::{JoinHandle, Runtime, go, goroutine, time, yield_now};
use parking_lot::Mutex;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often an operation is done: what allocates shows by the hundred.
const ROUNDS: usize = 1000;

/// Allocations of the runtime itself: a queue that grows, a worker that sleeps for the
/// first time in its life, on a busy machine a thread that takes over for one that the
/// system does not let run.
const OF_THE_RUNTIME: usize = 100;

/// The allocations are counted for one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Does `work` again and again on the main goroutine of each kind of runtime, until a
/// time costs next to nothing. What allocates does so each time; what the runtime needs
/// for itself it has after a while.
fn expect_no_allocations(work: fn()) {
    expect_allocations(0, work);
}

/// As above, for work that allocates so often each time.
fn expect_allocations(expected: usize, work: fn()) {
    let _alone = ALONE.lock();
    in_each_setting(|runtime| {
        let mut least = usize::MAX;
        for _ in 0..20 {
            least = least.min(allocations(runtime, work));
            if least <= expected + OF_THE_RUNTIME {
                break;
            }
        }
        assert!(least <= expected + OF_THE_RUNTIME, "{least} allocations");
        assert!(least >= expected, "{least} allocations are too few");
    });
}

fn allocations(runtime: &Runtime, work: fn()) -> usize {
    runtime.run(|| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        work();
        ALLOCATIONS.load(Ordering::Relaxed) - before
    })
}

#[test]
fn yields_do_not_allocate() {
    expect_no_allocations(|| {
        let other = go(|| (0..ROUNDS).for_each(|_| yield_now()));
        (0..ROUNDS).for_each(|_| yield_now());
        other.join().expect("it ends");
    });
}

#[test]
fn sleeps_do_not_allocate() {
    expect_no_allocations(|| {
        for _ in 0..ROUNDS {
            time::sleep(Duration::from_nanos(1));
        }
    });
}

#[test]
fn sleepers_that_are_there_together_do_not_allocate() {
    expect_no_allocations(|| {
        let nap = |number: usize| Duration::from_micros(1 + number as u64 * 7 % 50);
        let sleepers: [JoinHandle<()>; 50] = std::array::from_fn(|number| {
            go(move || (0..10).for_each(|turn| time::sleep(nap(number + turn))))
        });
        for sleeper in sleepers {
            sleeper.join().expect("it ends");
        }
    });
}

/// Two goroutines that wake each other by turns, and park with `park` meanwhile.
fn round_trips(park: fn()) {
    let turn = Arc::new(AtomicUsize::new(0));
    let (me, its) = (goroutine::current(), turn.clone());
    let wait_for = move |turn: &AtomicUsize, expected: usize| {
        while turn.load(Ordering::Acquire) < expected {
            park();
        }
    };
    let other = go(move || {
        for number in (1..ROUNDS).step_by(2) {
            wait_for(&its, number);
            its.store(number + 1, Ordering::Release);
            me.unpark();
        }
    });
    for number in (0..ROUNDS).step_by(2) {
        turn.store(number + 1, Ordering::Release);
        other.goroutine().unpark();
        wait_for(&turn, number + 2);
    }
    other.join().expect("it ends");
}

#[test]
fn parks_and_unparks_do_not_allocate() {
    expect_no_allocations(|| round_trips(goroutine::park));
}

#[test]
fn parks_with_a_deadline_do_not_allocate() {
    expect_no_allocations(|| round_trips(|| goroutine::park_timeout(Duration::from_secs(3600))));
}

#[test]
fn a_spawn_and_its_join_do_not_allocate() {
    expect_no_allocations(|| {
        for number in 0..ROUNDS {
            assert_eq!(go(move || number).join().expect("it ends"), number);
        }
    });
}

#[test]
fn spawns_by_the_batch_do_not_allocate() {
    expect_no_allocations(|| {
        for _ in 0..ROUNDS / 100 {
            let batch: [JoinHandle<usize>; 100] =
                std::array::from_fn(|number| go(move || black_box(number)));
            for (number, handle) in batch.into_iter().enumerate() {
                assert_eq!(handle.join().expect("it ends"), number);
            }
        }
    });
}

#[test]
fn a_closure_that_is_too_large_is_one_allocation() {
    expect_allocations(ROUNDS, || {
        for number in 0..ROUNDS {
            let large = black_box([number; 32]);
            let handle = go(move || black_box(large)[31]);
            assert_eq!(handle.join().expect("it ends"), number);
        }
    });
}
