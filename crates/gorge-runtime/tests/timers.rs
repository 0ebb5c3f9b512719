//! Sleeps and parks with a deadline: never early, never lost, in order, and
//! nothing left of those that ended otherwise.
//!
//! What is adopted of Go's tests of package time has the Go test's name above it.

#![allow(
    clippy::disallowed_methods,
    reason = "sleeps are measured against the real clock"
)]

mod common;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{Goroutine, JoinHandle, go, goroutine, yield_now};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// Many timers; fewer under ThreadSanitizer, for which each stack is several
/// mappings of its own.
const CROWD: usize = if cfg!(gorge_tsan) { 2_000 } else { 100_000 };

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let joined = handles.into_iter().map(JoinHandle::join);
    joined.map(|result| result.expect("it ended")).collect()
}

fn assert_lasts(duration: Duration) {
    let start = Instant::now();
    goroutine::sleep(duration);
    let elapsed = start.elapsed();
    assert!(elapsed >= duration, "{elapsed:?} instead of {duration:?}");
}

// TestSleep
#[test]
fn no_sleep_is_early_however_many_there_are() {
    in_each_setting(|runtime| {
        let nanos = |i: u64| Duration::from_nanos(1 << (i % 25));
        let sleepers = (0..1000).map(|i| runtime.go(move || assert_lasts(nanos(i))));
        join_all(sleepers.collect::<Vec<_>>());
    });
}

// TestSleepZeroDeadlock
#[test]
fn sleeps_of_no_time_return_while_the_world_is_looked_at() {
    in_each_setting(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let sleeper = runtime.go(move || {
            while !stopped.load(Ordering::Relaxed) {
                goroutine::sleep(Duration::ZERO);
                goroutine::current().unpark();
                goroutine::park();
                yield_now();
            }
        });
        for _ in 0..100 {
            assert!(!runtime.dump_states().goroutines().is_empty());
        }
        stop.store(true, Ordering::Relaxed);
        sleeper.join().expect("it stopped");
    });
}

// TestOverflowSleep
#[test]
fn a_sleep_without_end_does_not_disturb_a_short_one() {
    in_each_setting(|runtime| {
        let awake = Arc::new(AtomicBool::new(false));
        let endless = [
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            5_000_000 * HOUR,
        ]
        .map(|duration| {
            let awake = awake.clone();
            runtime.go(move || {
                goroutine::sleep(duration);
                awake.store(true, Ordering::Relaxed);
            })
        });
        runtime.run(|| assert_lasts(Duration::from_millis(25)));
        assert!(!awake.load(Ordering::Relaxed));
        for sleeper in endless {
            sleeper.cancel();
            assert!(sleeper.join().expect_err("it was asleep").is_cancelled());
        }
    });
}

#[test]
fn short_sleeps_end_beside_a_crowd_of_long_ones() {
    in_each_placement(2, |runtime| {
        let started = Arc::new(AtomicUsize::new(0));
        let sleepers: Vec<_> = (0..CROWD as u64)
            .map(|i| {
                let started = started.clone();
                runtime.go(move || {
                    started.fetch_add(1, Ordering::Relaxed);
                    goroutine::sleep(HOUR + Duration::from_micros(i * 7919 % 99_991));
                })
            })
            .collect();
        runtime.run(|| {
            wait_for(|| started.load(Ordering::Relaxed) == CROWD);
            for millis in 1..10 {
                assert_lasts(Duration::from_millis(millis));
            }
        });
        sleepers.iter().for_each(JoinHandle::cancel);
        for sleeper in sleepers {
            assert!(sleeper.join().expect_err("it was asleep").is_cancelled());
        }
    });
}

// TestLongAdjustTimers
#[test]
fn thousands_of_tiny_sleeps_end() {
    in_each_setting(|runtime| {
        let tiny = || goroutine::sleep(Duration::from_micros(10));
        let sleepers: Vec<_> = (0..5000).map(|_| runtime.go(tiny)).collect();
        runtime.run(|| (0..5000).for_each(|_| goroutine::sleep(Duration::from_micros(1))));
        join_all(sleepers);
    });
}

// TestAfterFuncStarvation
#[test]
fn a_pair_that_is_always_runnable_does_not_starve_a_sleep() {
    in_each_setting(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let partner = Arc::new(Mutex::new(None::<Goroutine>));
        runtime.run(|| {
            let (stopped, other) = (stop.clone(), partner.clone());
            let first = go(move || unpark_until(&stopped, &other));
            let (stopped, other) = (stop.clone(), first.goroutine().clone());
            let second = go(move || unpark_until(&stopped, &Mutex::new(Some(other))));
            *partner.lock() = Some(second.goroutine().clone());
            goroutine::sleep(Duration::from_micros(1));
            stop.store(true, Ordering::Relaxed);
            for handle in [&first, &second] {
                handle.goroutine().unpark();
            }
            join_all([first, second]);
        });
    });
}

/// Wakes the partner and waits for it to do the same.
fn unpark_until(stop: &AtomicBool, partner: &Mutex<Option<Goroutine>>) {
    while !stop.load(Ordering::Relaxed) {
        match partner.lock().as_ref() {
            Some(partner) => partner.unpark(),
            None => goroutine::current().unpark(),
        }
        goroutine::park();
    }
}

/// Parks for `timeout` at a time until the count is reached.
fn park_until(count: &AtomicUsize, reached: usize, timeout: Duration) {
    while count.load(Ordering::Acquire) < reached {
        goroutine::park_timeout(timeout);
    }
}

/// Lets a goroutine that parks with `timeout` and one that unparks it take
/// turns, and calls `between` after each turn of the first.
fn take_turns(turns: usize, timeout: Duration, between: fn(usize)) {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, me) = (count.clone(), goroutine::current());
    let waker = go(move || {
        for turn in 0..turns {
            park_until(&counted, 2 * turn + 1, HOUR);
            counted.fetch_add(1, Ordering::Release);
            me.unpark();
        }
    });
    for turn in 0..turns {
        count.fetch_add(1, Ordering::Release);
        waker.goroutine().unpark();
        park_until(&count, 2 * turn + 2, timeout);
        between(turn);
    }
    waker.join().expect("it ended");
}

// TestLongAdjustTimers, its second half
#[test]
fn deadlines_that_are_never_reached_leave_nothing_that_grows() {
    in_each_setting(|runtime| {
        runtime.run(|| take_turns(50_000, HOUR, |_| ()));
        runtime.run(|| assert_lasts(Duration::from_millis(1)));
    });
}

// TestTimerModifiedEarlier
#[test]
fn a_sleep_ends_though_a_later_deadline_was_abandoned_before_it() {
    in_each_setting(|runtime| {
        runtime.run(|| take_turns(500, HOUR, |_| assert_lasts(Duration::from_micros(50))));
    });
}

#[test]
fn an_earlier_deadline_that_was_abandoned_does_not_shorten_a_sleep() {
    in_each_setting(|runtime| {
        let timeout = Duration::from_micros(500);
        runtime.run(|| take_turns(50, timeout, |_| assert_lasts(Duration::from_millis(1))));
    });
}

// TestMultiWakeupTimer
#[test]
fn unparks_and_deadlines_that_race_lose_neither() {
    in_each_setting(|runtime| {
        let pairs = (0..4).map(|i| {
            let timeout = Duration::from_nanos(300 << i);
            runtime.go(move || take_turns(5000, timeout, |_| ()))
        });
        join_all(pairs.collect::<Vec<_>>());
    });
}

// TestAdjustTimers
#[test]
fn random_deadlines_and_unparks_keep_every_promise() {
    in_each_setting(|runtime| {
        let goroutines = (0..100).map(|_| {
            runtime.go(|| {
                take_turns(20, Duration::from_micros(200), |turn| match turn % 4 {
                    0 => assert_lasts(Duration::from_micros(turn as u64 * 50)),
                    1 => goroutine::park_timeout(Duration::from_nanos(1)),
                    2 => yield_now(),
                    _ => goroutine::sleep(Duration::ZERO),
                });
            })
        });
        join_all(goroutines.collect::<Vec<_>>());
    });
}

#[test]
fn a_deadline_of_an_earlier_life_does_not_wake_the_next_one() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            for _ in 0..100 {
                // Its wait ends at once, its deadline comes up in the next life.
                let first = go(|| {
                    goroutine::park_timeout(Duration::from_micros(300));
                });
                first.goroutine().unpark();
                first.join().expect("it ended");
                let is_woken = Arc::new(AtomicBool::new(false));
                let seen = is_woken.clone();
                let next = go(move || {
                    goroutine::park();
                    assert!(seen.load(Ordering::Acquire), "nobody unparked it");
                });
                goroutine::sleep(Duration::from_micros(400));
                is_woken.store(true, Ordering::Release);
                next.goroutine().unpark();
                next.join().expect("it was unparked");
            }
        });
    });
}

#[test]
fn a_cancel_ends_a_sleep_and_its_deadline_hurts_nobody() {
    in_each_setting(|runtime| {
        for _ in 0..20 {
            let started = Arc::new(AtomicUsize::new(0));
            let sleepers: Vec<_> = (1..=50)
                .map(|i| {
                    let started = started.clone();
                    runtime.go(move || {
                        started.fetch_add(1, Ordering::Relaxed);
                        goroutine::sleep(Duration::from_micros(i * 20) + HOUR * (i as u32 % 2));
                    })
                })
                .collect();
            runtime.run(|| wait_for(|| started.load(Ordering::Relaxed) == 50));
            sleepers.iter().for_each(JoinHandle::cancel);
            for sleeper in sleepers {
                // Those with a short sleep may have ended before.
                let is_cancelled = |error: gorge_runtime::JoinError| error.is_cancelled();
                assert!(sleeper.join().err().is_none_or(is_cancelled));
            }
            runtime.run(|| assert_lasts(Duration::from_millis(1)));
        }
    });
}

#[test]
fn a_runtime_ends_with_deadlines_pending_and_abandoned() {
    for _ in 0..20 {
        let sleepers = Mutex::new(Vec::new());
        in_each_setting(|runtime| {
            runtime.run(|| take_turns(10, HOUR, |_| ()));
            runtime.run(|| take_turns(10, Duration::from_millis(1), |_| ()));
            let sleeper = || runtime.go(|| goroutine::sleep(HOUR));
            let new = (0..10).map(|_| sleeper()).collect::<Vec<_>>();
            sleepers.lock().extend(new);
        });
        for sleeper in sleepers.into_inner() {
            assert!(sleeper.join().expect_err("it was asleep").is_cancelled());
        }
    }
}

// TestZeroTimer
#[test]
fn sleeps_that_are_over_when_they_begin_end() {
    in_each_setting(|runtime| {
        runtime.run(|| (0..20_000).for_each(|_| goroutine::sleep(Duration::from_nanos(1))));
    });
}
