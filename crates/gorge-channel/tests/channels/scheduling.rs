//! Channels and the scheduler: time slices, and children that run first.

use gorge_channel::{Receiver, bounded};
use gorge_runtime::trace::Event;
use gorge_runtime::{Builder, JoinHandle, Runtime, go, goroutine, yield_now};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn one_processor(migrating: bool) -> Builder {
    let builder = Runtime::builder().max_procs(1);
    if migrating {
        // SAFETY: these goroutines hold no thread-local reference and no
        // thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    }
}

/// On one processor, a goroutine that comes last stops those that `start` starts,
/// which never have to wait.
fn others_get_their_turn(start: impl Fn(&Arc<AtomicBool>) -> Vec<JoinHandle<()>> + Sync) {
    for migrating in [false, true] {
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = one_processor(migrating).build().expect("a runtime");
        runtime.run(|| {
            // Started first, and runs last.
            let third = stop.clone();
            let third = go(move || third.store(true, Ordering::Relaxed));
            let busy = start(&stop);
            third.join().expect("it ran");
            busy.into_iter().for_each(|it| it.join().expect("it ends"));
        });
    }
}

#[test]
fn goroutines_that_only_try_do_not_starve_a_third() {
    others_get_their_turn(|stop| {
        let (tx, rx) = bounded::<u32>(4);
        let sending = stop.clone();
        let sender = go(move || {
            while !sending.load(Ordering::Relaxed) {
                let _full = tx.try_send(1).is_err();
            }
        });
        let receiving = stop.clone();
        let receiver = go(move || {
            while !receiving.load(Ordering::Relaxed) {
                let _empty = rx.try_recv().is_err();
            }
        });
        vec![sender, receiver]
    });
}

#[test]
fn sends_and_receives_that_need_not_wait_do_not_starve_a_third() {
    others_get_their_turn(|stop| {
        let (tx, rx) = bounded::<u32>(4);
        let stop = stop.clone();
        vec![go(move || {
            while !stop.load(Ordering::Relaxed) {
                tx.send(1).expect("room");
                rx.recv().expect("a value");
            }
        })]
    });
}

#[test]
fn a_cancel_reaches_a_goroutine_that_never_has_to_wait() {
    for migrating in [false, true] {
        let runtime = one_processor(migrating).build().expect("a runtime");
        let running = Arc::new(AtomicBool::new(false));
        let signal = running.clone();
        let endless = runtime.go(move || {
            let (tx, rx) = bounded::<u32>(4);
            loop {
                tx.send(1).expect("room");
                rx.recv().expect("a value");
                signal.store(true, Ordering::Relaxed);
            }
        });
        while !running.load(Ordering::Relaxed) {
            yield_now();
        }
        endless.cancel();
        let end = endless.join().map(|never: std::convert::Infallible| never);
        assert!(end.is_err_and(|error| error.is_cancelled()));
    }
}

/// What the goroutines of [`fib`] did, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// The `n`th Fibonacci number, each call a goroutine that runs before the rest of
/// its caller.
fn fib(n: u32, path: String, log: &Log) -> Receiver<u32> {
    let (tx, rx) = bounded(0);
    let log = log.clone();
    let child = goroutine::Builder::new().child_first(true).spawn(move || {
        let value = if n <= 2 {
            1
        } else {
            let a = fib(n - 1, format!("{path} > fib({})", n - 1), &log);
            let b = fib(n - 2, format!("{path} > fib({})", n - 2), &log);
            a.recv().expect("a value") + b.recv().expect("a value")
        };
        // Nobody receives yet: on one processor, this send has to wait.
        log.lock().push(path);
        tx.send(value).expect("somebody receives");
    });
    drop(child.expect("spawned"));
    rx
}

#[test]
fn children_that_run_first_block_in_the_expected_order() {
    for migrating in [false, true] {
        let log = loop {
            // Time slices that do not end: the order is the scheduler's alone.
            let builder = one_processor(migrating).time_slice(Duration::from_secs(3600));
            let (runtime, log) = (builder.build().expect("a runtime"), Log::default());
            let result = runtime.run(|| fib(4, "fib(4)".to_owned(), &log).recv().expect("a value"));
            assert_eq!(result, 3);
            // Unless the system kept the thread from running, and another one took over.
            if runtime.metrics().blocked_unannounced == 0 {
                break log;
            }
        };
        let expected = [
            "fib(4) > fib(3) > fib(2)",
            "fib(4) > fib(3) > fib(1)",
            "fib(4) > fib(3)",
            "fib(4) > fib(2)",
            "fib(4)",
        ];
        assert_eq!(*log.lock(), expected);
    }
}

/// What the replayer knows of one machine.
#[derive(Default)]
struct Replay {
    /// Continuations that it has kept and not taken back, oldest first.
    kept: Vec<goroutine::GoroutineId>,
}

/// Checks the rules of continuation stealing, in each machine's own order:
///
/// 1. At a fork, the continuation becomes the newest of its machine's.
/// 2. A thief takes the oldest one.
/// 3. A machine whose goroutine waits takes its own newest one.
/// 4. It steals only when it has none left.
///
/// An event is recorded after what it tells of, so a theft may stand in the log
/// before the victim's record of the fork, and a machine may notice late that
/// all of its own were stolen. What a theft takes is therefore settled at the end
/// of the log, machine by machine.
fn replay(events: &[(u32, Event)]) {
    let surrendered = events.iter().filter_map(|(machine, event)| match *event {
        Event::Surrender(g) => Some((*machine, g)),
        _ => None,
    });
    let stolen: HashSet<_> = steals(events).chain(surrendered).collect();
    let machines: HashSet<u32> = events.iter().map(|(machine, _)| *machine).collect();
    for machine in machines {
        let mut replay = Replay::default();
        let own = events.iter().filter(|(number, _)| *number == machine);
        let mut forks = 0;
        for (_, event) in own {
            match *event {
                Event::Continuation(g) => {
                    forks += 1;
                    replay.kept.push(g);
                }
                Event::Pop(g) => {
                    // Rule 3. What is newer must not have been left, nor stolen
                    // while this one, which is older, was there (rule 2).
                    assert_eq!(replay.kept.pop(), Some(g), "the newest of {forks} forks");
                }
                Event::Age(g) => {
                    // For fairness, now and then, the other way round.
                    let place = replay.kept.iter().position(|&kept| kept == g);
                    let older = replay.kept.drain(..=place.expect("kept"));
                    for kept in older.filter(|&kept| kept != g) {
                        assert!(
                            stolen.contains(&(machine, kept)),
                            "{kept} is older than {g}"
                        );
                    }
                }
                Event::Steal(..) => {
                    // Rule 4: whatever it had, others have taken.
                    for kept in replay.kept.drain(..) {
                        assert!(stolen.contains(&(machine, kept)), "{kept} was left behind");
                    }
                }
                _ => {}
            }
        }
        for kept in replay.kept {
            assert!(stolen.contains(&(machine, kept)), "{kept} was lost");
        }
    }
}

/// Victim and goroutine of every theft.
fn steals(events: &[(u32, Event)]) -> impl Iterator<Item = (u32, goroutine::GoroutineId)> + '_ {
    events.iter().filter_map(|(_, event)| match *event {
        Event::Steal(g, victim) => Some((victim, g)),
        _ => None,
    })
}

#[test]
fn continuations_are_stolen_by_the_rules() {
    let mut thefts = 0;
    for round in 0.. {
        let builder = Runtime::builder().max_procs(2).record_events();
        // SAFETY: as in `one_processor`.
        let runtime = unsafe { builder.migrating() }.build().expect("a runtime");
        let log = Log::default();
        let result = runtime.run(|| fib(11, String::new(), &log).recv().expect("a value"));
        assert_eq!(result, 89);
        while runtime.num_goroutines() > 0 {
            yield_now();
        }
        let events = runtime.take_events();
        assert!(
            events
                .iter()
                .any(|(_, event)| matches!(event, Event::Continuation(_)))
        );
        thefts += steals(&events).count();
        replay(&events);
        // A hang is ended by the test runner's limit.
        if round >= 20 && thefts > 0 {
            break;
        }
    }
}
