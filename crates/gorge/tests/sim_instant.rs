//! What happens at one instant happens in every order; what happens at two, in theirs.

use gorge::channel::{RecvTimeoutError, after, bounded, select, unbounded};
use gorge::context::{self, ContextError};
use gorge::sim::{self, Config, FailureKind, Strategy};
use gorge::sync::{Condvar, Mutex, Semaphore};
use gorge::time::{Timer, after_func};
use gorge::{checkpoint, go, goroutine, time, yield_now};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

const SEEDS: u64 = 300;
const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

/// Runs it with many seeds, each of them twice, and with both strategies. Both find each of
/// these outcomes, and no other one.
#[track_caller]
fn finds<T: Ord + Send + Debug>(outcomes: impl IntoIterator<Item = T>, f: impl Fn() -> T + Sync) {
    let wanted: BTreeSet<T> = outcomes.into_iter().collect();
    for strategy in [Strategy::Uniform, Strategy::Pct { depth: 3 }] {
        let config = Config::new().strategy(strategy);
        let mut found = BTreeSet::new();
        for seed in 0..SEEDS {
            let (first, again) = (config.observe(seed, &f), config.observe(seed, &f));
            assert_eq!(first.trace.digest(), again.trace.digest(), "seed {seed}");
            let outcome = first.result.expect("it passes");
            assert_eq!(again.result.expect("it passes"), outcome, "seed {seed}");
            found.insert(outcome);
        }
        assert_eq!(found, wanted, "{strategy:?}");
    }
}

#[test]
fn a_value_that_comes_at_the_deadline_is_received_or_not() {
    finds([true, false], || {
        let (sender, receiver) = bounded(1);
        let hurried = go(move || receiver.recv_timeout(LIMIT));
        time::sleep(LIMIT);
        _ = sender.try_send(1);
        let received = hurried.join().expect("it has ended");
        assert!(matches!(received, Ok(1) | Err(RecvTimeoutError::Timeout)));
        received.is_ok()
    });
}

#[test]
fn a_select_whose_time_ends_when_a_value_comes_chooses_either() {
    finds([true, false], || {
        let (sender, receiver) = bounded(1);
        let hurried = go(move || {
            select! {
                recv(receiver) -> it => it.is_ok(),
                default(LIMIT) => false,
            }
        });
        time::sleep(LIMIT);
        sender.send(1).ok();
        hurried.join().expect("it has ended")
    });
    finds([true, false], || {
        let (sender, receiver) = unbounded();
        let hurried = go(move || {
            let limit = after(LIMIT);
            select! {
                recv(receiver) -> it => it.is_ok(),
                recv(limit) -> _ => false,
            }
        });
        time::sleep(LIMIT);
        sender.send(1).ok();
        hurried.join().expect("it has ended")
    });
}

#[test]
fn locks_conditions_and_permits_come_at_the_deadline_or_too_late() {
    finds([true, false], || {
        let mutex = Arc::new(Mutex::new(()));
        let locked = mutex.lock();
        let other = mutex.clone();
        let hurried = go(move || other.try_lock_for(LIMIT).is_some());
        time::sleep(LIMIT);
        drop(locked);
        hurried.join().expect("it has ended")
    });
    finds([true, false], || {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let other = shared.clone();
        let hurried = go(move || !other.1.wait_for(&mut other.0.lock(), LIMIT).timed_out());
        time::sleep(LIMIT);
        shared.1.notify_one();
        hurried.join().expect("it has ended")
    });
    finds([true, false], || {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = semaphore.clone();
        let hurried = go(move || other.acquire_timeout(LIMIT).is_ok());
        time::sleep(LIMIT);
        semaphore.add_permits(1);
        hurried.join().expect("it has ended")
    });
}

#[test]
fn a_cancel_at_a_contexts_deadline_comes_first_or_not() {
    finds(["canceled", "overdue"], || {
        let (context, guard) = context::background().with_timeout(LIMIT);
        let waits = go(move || {
            assert!(context.done().recv().is_err());
            let reason = context.err().expect("it is done");
            assert_eq!(context.err(), Some(reason));
            reason
        });
        time::sleep(LIMIT);
        guard.cancel();
        match waits.join().expect("it has ended") {
            ContextError::Canceled => "canceled",
            ContextError::DeadlineExceeded => "overdue",
        }
    });
}

#[test]
fn a_cancel_after_a_contexts_deadline_comes_too_late() {
    let overdue = || ContextError::DeadlineExceeded.to_string();
    // There is no moment before a deadline that has passed.
    finds([overdue()], || {
        let (context, guard) = context::background().with_timeout(Duration::ZERO);
        guard.cancel();
        context.err().expect("it is over").to_string()
    });
    // It has passed when all has happened that is to happen at its instant, ..
    finds([overdue()], || {
        let (context, guard) = context::background().with_timeout(LIMIT);
        time::sleep(LIMIT);
        sim::settle();
        guard.cancel();
        context.err().expect("it is over").to_string()
    });
    // .. when somebody's wait has ended by it, ..
    finds([overdue()], || {
        let (context, guard) = context::background().with_timeout(LIMIT);
        let (child, _child_guard) = context.with_cancel();
        assert!(child.done().recv().is_err());
        guard.cancel();
        child.err().expect("it is over").to_string()
    });
    // .. and when somebody has looked: who has been told is not told anything else.
    finds([overdue()], || {
        let (context, guard) = context::background().with_timeout(LIMIT);
        time::sleep(LIMIT);
        assert!(context.err().is_some_and(|reason| reason.is_timeout()));
        guard.cancel();
        context.err().expect("it is over").to_string()
    });
}

#[test]
fn a_function_that_is_stopped_when_it_is_due_runs_or_not() {
    finds([true, false], || {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let timer = after_func(LIMIT, move || _ = counted.fetch_add(1, Relaxed));
        time::sleep(LIMIT);
        let was_stopped = timer.stop();
        sim::settle();
        assert_eq!(runs.load(Relaxed), u32::from(!was_stopped));
        was_stopped
    });
    finds([true, false], || {
        let (context, _guard) = context::background().with_timeout(LIMIT);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let registered = context.after_func(move || _ = counted.fetch_add(1, Relaxed));
        time::sleep(LIMIT);
        let was_stopped = registered.stop();
        sim::settle();
        assert_eq!(runs.load(Relaxed), u32::from(!was_stopped));
        was_stopped
    });
}

#[test]
fn a_goroutine_that_is_cancelled_when_it_wakes_is_cancelled_or_not() {
    finds([true, false], || {
        let sleeper = go(|| time::sleep(LIMIT));
        time::sleep(LIMIT);
        sleeper.cancel();
        sleeper.join().is_err()
    });
}

#[test]
fn those_who_sleep_until_one_instant_wake_in_every_order() {
    finds([[0, 1], [1, 0]], || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let sleepers = [0, 1].map(|number| {
            let order = order.clone();
            go(move || {
                time::sleep(LIMIT);
                order.lock().push(number);
            })
        });
        _ = sleepers.map(|it| it.join().expect("it woke"));
        let order = order.lock();
        [order[0], order[1]]
    });
    // One of them goes on and on before the other one wakes, or the other way round.
    finds([0, 1, 2], || {
        let steps = Arc::new(AtomicU32::new(0));
        let counted = steps.clone();
        let busy = go(move || {
            time::sleep(LIMIT);
            for _ in 0..2 {
                checkpoint();
                counted.fetch_add(1, Relaxed);
            }
        });
        time::sleep(LIMIT);
        let seen = steps.load(Relaxed);
        busy.join().expect("it has ended");
        seen
    });
}

#[test]
fn whoever_goes_on_at_an_instant_lets_the_others_wake() {
    sim::check(SEEDS, || {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let other = go(move || {
            time::sleep(LIMIT);
            ends.store(true, Relaxed);
        });
        time::sleep(LIMIT);
        while !is_over.load(Relaxed) {
            checkpoint();
        }
        other.join().expect("it has ended");
    });
}

#[test]
fn all_that_happens_at_an_instant_has_happened_when_it_is_settled() {
    sim::check(SEEDS, || {
        let woken = Arc::new(AtomicU32::new(0));
        let sleepers: Vec<_> = (0..10)
            .map(|_| {
                let woken = woken.clone();
                go(move || {
                    time::sleep(LIMIT);
                    woken.fetch_add(1, Relaxed);
                })
            })
            .collect();
        time::sleep(LIMIT - Duration::from_nanos(1));
        sim::settle();
        assert_eq!(woken.load(Relaxed), 0);
        time::sleep(Duration::from_nanos(1));
        sim::settle();
        assert_eq!(woken.load(Relaxed), 10);
        sleepers
            .into_iter()
            .for_each(|it| it.join().expect("it woke"));
    });
}

#[test]
fn what_is_due_at_two_instants_comes_in_their_order() {
    sim::check(SEEDS, || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = (0..20)
            .map(|number: u32| {
                let order = order.clone();
                // In pairs, the last ones first.
                let time = LIMIT - Duration::from_nanos((number / 2).into());
                go(move || {
                    time::sleep(time);
                    order.lock().push(time);
                })
            })
            .collect();
        sleepers
            .into_iter()
            .for_each(|it| it.join().expect("it woke"));
        assert!(order.lock().is_sorted());
    });
}

/// At what time a deadlock is told that there is from the beginning, but for what is done
/// first.
fn deadlock_after(first: impl Fn() + Sync) {
    for seed in 0..20 {
        let result = Config::new().try_run(seed, || {
            first();
            goroutine::park();
        });
        let failure = result.expect_err("nobody unparks it");
        assert_eq!(failure.kind(), FailureKind::Deadlock);
        assert_eq!(failure.time(), SECOND, "{failure}");
    }
}

#[test]
fn a_deadlock_is_told_at_its_time_whatever_was_waited_for_before() {
    const HOUR: Duration = Duration::from_secs(3600);
    deadlock_after(|| time::sleep(SECOND));
    deadlock_after(|| {
        // What comes in time ends a wait, and leaves its deadline.
        let (sender, receiver) = bounded(0);
        let child = go(move || receiver.recv_timeout(HOUR));
        time::sleep(SECOND);
        sender.send(1).expect("it listens");
        assert_eq!(child.join().expect("it has ended"), Ok(1));
    });
    deadlock_after(|| {
        let (timer, late) = (Timer::new(HOUR), after(HOUR));
        let function = after_func(HOUR, || unreachable!("it is stopped"));
        let (context, guard) = context::background().with_timeout(HOUR);
        let registered = context.after_func(|| unreachable!("it is stopped"));
        let (sender, receiver) = bounded::<()>(0);
        let child = go(move || {
            select! {
                recv(receiver) -> _ => {}
                recv(late) -> _ => {}
                recv(timer) -> _ => {}
                recv(context.done()) -> _ => {}
            }
        });
        time::sleep(SECOND);
        drop(sender);
        child.join().expect("it has ended");
        assert!(function.stop() && registered.stop());
        guard.forget();
    });
    deadlock_after(|| {
        let sleeper = go(|| time::sleep(HOUR));
        time::sleep(SECOND);
        sleeper.cancel();
        assert!(sleeper.join().is_err());
    });
}

#[test]
fn the_trace_says_that_a_timer_woke_somebody() {
    for seed in 0..20 {
        let observed = Config::new().observe(seed, || {
            let child = go(|| time::sleep(SECOND));
            time::sleep(SECOND);
            yield_now();
            child.join().expect("it has ended");
        });
        let trace = observed.trace.to_string();
        for id in [1, 2] {
            let line = format!("a timer wakes goroutine {id}\n");
            assert_eq!(trace.matches(&line).count(), 1, "{trace}");
        }
    }
}
