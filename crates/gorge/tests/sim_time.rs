//! Virtual time: exact, in no time, and standing still where it has to.

use gorge::channel::{after, at, bounded, tick};
use gorge::sim::{self, Config, FailureKind};
use gorge::sync::{Condvar, Mutex};
use gorge::{context, go, goroutine, time, yield_now};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 200;
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_sleep_takes_exactly_its_time_for_everybody() {
    sim::check(SEEDS, || {
        let start = time::now();
        let child = go(move || {
            assert_eq!(time::now(), start);
            time::sleep(DAY);
            time::now()
        });
        time::sleep(SECOND);
        assert_eq!(time::now() - start, SECOND);
        assert_eq!(child.join().expect("it woke") - start, DAY);
        assert_eq!(time::now() - start, DAY);
        time::sleep(Duration::ZERO);
        assert_eq!(time::now() - start, DAY);
    });
}

#[test]
fn a_timer_tells_when_it_was_due_however_late_it_is_read() {
    sim::check(SEEDS, || {
        let start = time::now();
        let (early, late) = (after(5 * SECOND), at(start + 5 * SECOND));
        assert!(early.try_recv().is_err());
        assert_eq!(early.recv(), Ok(start + 5 * SECOND));
        time::sleep(DAY);
        assert_eq!(late.try_recv(), Ok(start + 5 * SECOND));
        assert!(after(Duration::ZERO).try_recv().is_ok());
    });
}

#[test]
fn deadlines_are_missed_by_a_nanosecond_or_kept() {
    const NANO: Duration = Duration::from_nanos(1);
    sim::check(SEEDS, || {
        for (wait, is_in_time) in [(5 * SECOND - NANO, true), (5 * SECOND + NANO, false)] {
            let (sender, receiver) = bounded(1);
            let hurried = go(move || receiver.recv_timeout(5 * SECOND));
            sim::settle();
            time::sleep(wait);
            assert_eq!(sender.send(1).is_ok(), is_in_time);
            assert_eq!(hurried.join().expect("it has ended").is_ok(), is_in_time);
        }
    });
}

#[test]
fn a_context_is_over_at_its_deadline_and_not_before() {
    sim::check(SEEDS, || {
        let (context, _guard) = context::background().with_timeout(5 * SECOND);
        let called = Arc::new(Mutex::new(0));
        let calls = called.clone();
        let after_it = context.after_func(move || *calls.lock() += 1);
        time::sleep(5 * SECOND - Duration::from_nanos(1));
        sim::settle();
        assert_eq!((context.err(), *called.lock()), (None, 0));
        time::sleep(Duration::from_nanos(1));
        sim::settle();
        assert_eq!(*called.lock(), 1);
        assert!(context.err().is_some() && !after_it.stop());
    });
}

#[test]
fn those_with_the_same_deadline_run_in_every_order() {
    let orders = Mutex::new(HashSet::new());
    sim::check(SEEDS, || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let sleepers = [0, 1, 2].map(|number| {
            let order = order.clone();
            go(move || {
                time::sleep(SECOND);
                order.lock().push(number);
            })
        });
        sleepers
            .into_iter()
            .for_each(|it| it.join().expect("it woke"));
        let order = order.lock().clone();
        orders.lock().insert(order);
    });
    assert_eq!(orders.lock().len(), 6);
}

#[test]
fn who_waits_for_a_condition_is_notified_over_time_in_order() {
    sim::check(SEEDS, || {
        let start = time::now();
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let waiters = [0, 1, 2].map(|number| {
            time::sleep(SECOND);
            let shared = shared.clone();
            go(move || {
                shared.1.wait(&mut shared.0.lock());
                (number, time::now() - start)
            })
        });
        for _ in 0..3 {
            time::sleep(10 * SECOND);
            shared.1.notify_one();
        }
        let woken = waiters.map(|waiter| waiter.join().expect("it was notified"));
        let times = [13, 23, 33].map(|seconds| seconds * SECOND);
        assert_eq!(woken, [(0, times[0]), (1, times[1]), (2, times[2])]);
    });
}

#[test]
fn no_time_passes_while_anybody_could_run() {
    sim::check(SEEDS, || {
        let start = time::now();
        let sleeper = go(|| time::sleep(Duration::from_nanos(1)));
        for _ in 0..100 {
            yield_now();
            assert_eq!(time::now(), start);
        }
        sleeper.join().expect("it woke");
        assert_eq!(time::now() - start, Duration::from_nanos(1));
    });
}

#[test]
fn no_time_passes_after_the_end() {
    let failure = Config::new()
        .try_run(1, || {
            go(|| time::sleep(SECOND));
        })
        .expect_err("it is left");
    assert_eq!(
        (failure.kind(), failure.time()),
        (FailureKind::Leak, Duration::ZERO)
    );
    // It would never end.
    let failure = Config::new()
        .try_run(1, || {
            let ticks = tick(SECOND);
            go(move || ticks.iter().for_each(drop));
            let (_sender, receiver) = bounded::<()>(0);
            go(move || receiver.recv());
            time::sleep(10 * SECOND);
        })
        .expect_err("they are left");
    assert_eq!(
        (failure.kind(), failure.time()),
        (FailureKind::Leak, 10 * SECOND)
    );
}

#[test]
fn a_year_of_heartbeats_passes() {
    // Who has patience runs it in a release build.
    const BEATS: u32 = if cfg!(debug_assertions) {
        100_000
    } else {
        31_536_000
    };
    let passed = sim::run(1, || {
        let start = time::now();
        let heart = go(|| (0..BEATS).for_each(|_| goroutine::sleep(SECOND)));
        heart.join().expect("it beats");
        time::now() - start
    });
    assert_eq!(passed, BEATS * SECOND);
}

#[test]
fn a_ticker_that_is_heard_keeps_its_time() {
    const BEATS: u32 = if cfg!(debug_assertions) {
        10_000
    } else {
        1_000_000
    };
    sim::run(2, || {
        let start = time::now();
        let (pulse, pulses) = bounded(1);
        let heart = go(move || {
            let ticks = tick(SECOND);
            ticks
                .iter()
                .take(BEATS as usize)
                .for_each(|at| pulse.send(at).expect("it is heard"));
        });
        for (beat, at) in (1..).zip(&pulses) {
            assert_eq!((at, time::now()), (start + beat * SECOND, at));
        }
        heart.join().expect("it beats");
        assert_eq!(time::now() - start, BEATS * SECOND);
    });
}
