//! Partners that hand values to each other for ever, and everybody else: others,
//! sleepers, deadlines.
//!
//! What is adopted of Go's tests has the Go test's name above it.

use crate::common::{self, everywhere};
use gorge_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, unbounded};
use gorge_runtime::{
    Builder, JoinHandle, Runtime, checkpoint, go, goroutine, sim, time, yield_now,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn placed(builder: Builder, migrating: bool) -> Builder {
    if migrating {
        // SAFETY: these goroutines hold no thread-local reference and no
        // thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    }
}

fn runtime(migrating: bool, procs: usize) -> Runtime {
    let builder = placed(Runtime::builder().max_procs(procs), migrating);
    builder.build().expect("a runtime")
}

/// Runs a body with one processor, in both placements.
fn on_one_processor(body: impl Fn() + Sync) {
    for migrating in [false, true] {
        runtime(migrating, 1).run(&body);
    }
}

fn join_all(handles: impl IntoIterator<Item = JoinHandle<()>>) {
    handles
        .into_iter()
        .for_each(|handle| handle.join().expect("it ended"));
}

/// A sender and a receiver that keep each other busy until the flag is set.
fn busy_pair(capacity: usize, stop: &Arc<AtomicBool>) -> [JoinHandle<()>; 2] {
    let (tx, rx) = bounded(capacity);
    let stop = stop.clone();
    let sender = go(move || {
        while !stop.load(Ordering::Relaxed) {
            tx.send(1).expect("somebody receives");
        }
    });
    [
        sender,
        go(move || rx.iter().for_each(|value| assert_eq!(value, 1))),
    ]
}

// TestAfterFuncStarvation, TestTimerFairness
#[test]
fn partners_of_whom_one_is_always_runnable_do_not_starve_a_sleeper() {
    on_one_processor(|| {
        for capacity in [0, 1] {
            let stop = Arc::new(AtomicBool::new(false));
            let pair = busy_pair(capacity, &stop);
            for micros in [1, 1000, 20_000] {
                time::sleep(Duration::from_micros(micros));
            }
            stop.store(true, Ordering::Relaxed);
            join_all(pair);
        }
    });
}

// TestTimerFairness
#[test]
fn two_who_flood_a_channel_do_not_keep_a_deadline_from_passing() {
    on_one_processor(|| {
        let (tx, rx) = bounded(0);
        let flood = [tx.clone(), tx].map(|tx| go(move || while tx.send(()).is_ok() {}));
        let (never, silent) = bounded::<()>(0);
        let waiter = go(move || silent.recv_timeout(Duration::from_millis(20)));
        while !waiter.is_finished() {
            rx.recv().expect("a value");
        }
        assert_eq!(
            waiter.join().expect("a value"),
            Err(RecvTimeoutError::Timeout)
        );
        drop((rx, never));
        join_all(flood);
    });
}

/// How many turns a pair has had.
type Turns = Arc<AtomicU64>;

/// Two goroutines that hand a value to and fro, and each time compute for so long.
fn ping_pong(length: Duration, turns: &Turns, stop: &Arc<AtomicBool>) -> [JoinHandle<()>; 2] {
    let (there, from_here) = bounded(1);
    let (back, from_there) = bounded(1);
    there.send(()).expect("room");
    let play = |tx: Sender<()>, rx: Receiver<()>| {
        let (turns, stop) = (turns.clone(), stop.clone());
        go(move || {
            while rx.recv().is_ok() && !stop.load(Ordering::Relaxed) {
                let end = time::now() + length;
                while time::now() < end {
                    checkpoint();
                }
                turns.fetch_add(1, Ordering::Relaxed);
                if tx.send(()).is_err() {
                    break;
                }
            }
        })
    };
    [play(back, from_here), play(there, from_there)]
}

/// How many turns of five milliseconds partners have on one processor while a
/// third goroutine waits for one. A slice is as long as a dozen of them, and
/// longer than another process may delay one.
fn turns_while_a_third_waits(migrating: bool) -> u64 {
    let slice = Duration::from_millis(60);
    let builder = placed(Runtime::builder().max_procs(1).time_slice(slice), migrating);
    builder.build().expect("a runtime").run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let turns = Turns::default();
        let partners = ping_pong(Duration::from_millis(5), &turns, &stop);
        while turns.load(Ordering::Relaxed) == 0 {
            yield_now();
        }
        let before = turns.load(Ordering::Relaxed);
        yield_now();
        let turns = turns.load(Ordering::Relaxed) - before;
        stop.store(true, Ordering::Relaxed);
        join_all(partners);
        turns
    })
}

// TestPingPongHog
#[test]
fn partners_that_wake_each_other_share_one_time_slice() {
    for migrating in [false, true] {
        // With a slice for each it is more than a hundred. The middle one of some
        // attempts, as a busy machine disturbs both.
        let mut attempts = [(); 3].map(|()| turns_while_a_third_waits(migrating));
        attempts.sort_unstable();
        assert!(attempts[1] < 50, "{attempts:?}");
    }
}

// BenchmarkPingPongHog
#[test]
fn one_who_only_tries_does_not_starve_partners() {
    on_one_processor(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, (tx, rx)) = (stop.clone(), bounded::<()>(0));
        let spinner = go(move || {
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            }
        });
        let turns = Turns::default();
        let partners = ping_pong(Duration::ZERO, &turns, &stop);
        while turns.load(Ordering::Relaxed) < 500 {
            time::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        join_all(partners.into_iter().chain([spinner]));
        drop(tx);
    });
}

// TestBlockLocked
#[test]
fn a_pinned_goroutine_sends_and_receives() {
    for (migrating, procs) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        runtime(migrating, procs).run(|| {
            let (tx, rx) = bounded(0);
            let echo = {
                let (back, from_there) = bounded(0);
                let there = go(move || {
                    goroutine::pin(|| {
                        rx.iter()
                            .for_each(|value: u32| back.send(value + 1).expect("heard"));
                    });
                });
                goroutine::pin(|| {
                    for i in 0..10 {
                        tx.send(i).expect("heard");
                        assert_eq!(from_there.recv(), Ok(i + 1));
                    }
                });
                there
            };
            drop(tx);
            echo.join().expect("it ended");
        });
    }
}

// TestLongAdjustTimers
#[test]
fn receives_with_deadlines_far_away_leave_nothing_that_grows() {
    const ROUNDS: u32 = 300;
    const ITEMS: u32 = 20;
    everywhere(|parties| {
        let (tx, rx) = unbounded();
        let (out, results) = bounded(0);
        parties.scope(|scope| {
            scope.spawn(|| {
                for value in rx.iter() {
                    out.send(value).expect("somebody receives");
                }
            });
            for round in 0..ROUNDS {
                (0..ITEMS).for_each(|i| tx.send(round + i).expect("it is unbounded"));
                for i in 0..ITEMS {
                    assert_eq!(results.recv_timeout(common::LONG), Ok(round + i));
                }
            }
            assert!(tx.close());
        });
    });
}

#[test]
fn abandoned_deadlines_share_a_place_among_the_timers() {
    for migrating in [false, true] {
        let runtime = runtime(migrating, 1);
        runtime.run(|| {
            let (tx, rx) = bounded(0);
            let sender = go(move || (0..10_000).for_each(|i| tx.send(i).expect("heard")));
            for i in 0..10_000 {
                assert_eq!(rx.recv_timeout(Duration::from_secs(3600)), Ok(i));
                checkpoint();
            }
            sender.join().expect("it ended");
        });
        let timers: usize = runtime.metrics().workers.iter().map(|it| it.timers).sum();
        assert!(timers <= 10, "{timers} timers for one goroutine");
    }
}

// TestFakeTime
#[test]
fn in_virtual_time_a_wait_ends_at_its_deadline_to_the_nanosecond() {
    let hour = Duration::from_secs(3600);
    sim::check(20, || {
        let (start, (tx, rx)) = (time::now(), bounded(0));
        let sender = go(move || {
            time::sleep(3 * hour);
            tx.send(time::now()).expect("heard");
            time::sleep(hour);
        });
        assert_eq!(rx.recv_timeout(2 * hour), Err(RecvTimeoutError::Timeout));
        assert_eq!(time::now(), start + 2 * hour);
        assert_eq!(rx.recv_timeout(2 * hour), Ok(start + 3 * hour));
        assert_eq!(time::now(), start + 3 * hour);
        assert_eq!(rx.recv(), Err(gorge_channel::RecvError));
        assert_eq!(time::now(), start + 4 * hour);
        sender.join().expect("it ended");
    });
}
