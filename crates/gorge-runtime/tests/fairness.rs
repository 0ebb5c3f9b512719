//! Who gets to run beside goroutines that compute, or make one system call after
//! another, and never wait for anybody.
//!
//! What is adopted of Go's tests has the Go test's name above it.

#![allow(
    clippy::disallowed_methods,
    reason = "blocking threads is part of this"
)]

mod common;

use common::{in_each_placement, wait_for};
use gorge_runtime::netpoll::Pollable;
use gorge_runtime::{
    JoinHandle, Runtime, blocking, checkpoint, go, goroutine, scope, time, yield_now,
};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Waits for each of its turns, and passes the turn on, without ever calling the
/// runtime.
fn spin_for_turns(turn: &AtomicUsize, place: usize, places: usize, turns: usize) {
    for round in 0..turns {
        while turn.load(Ordering::Acquire) != round * places + place {
            std::hint::spin_loop();
        }
        turn.fetch_add(1, Ordering::Release);
    }
}

// TestPreemption
#[test]
fn two_that_spin_for_their_turn_both_get_it_on_one_processor() {
    in_each_placement(1, |runtime| {
        let turn = Arc::new(AtomicUsize::new(0));
        let players = [0, 1].map(|place| {
            let turn = turn.clone();
            runtime.go(move || spin_for_turns(&turn, place, 2, 5))
        });
        players
            .into_iter()
            .for_each(|it| it.join().expect("it ended"));
        assert_eq!(turn.load(Ordering::Acquire), 10);
    });
}

/// A runtime in which a goroutine keeps its processor for as long as it likes.
fn without_slices(migrating: bool, procs: usize) -> Runtime {
    let builder = Runtime::builder()
        .max_procs(procs)
        .time_slice(Duration::from_secs(3600));
    let builder = if migrating {
        // SAFETY: these goroutines hold no reference into a thread-local and no
        // thread-bound value across a park point.
        unsafe { builder.migrating() }
    } else {
        builder
    };
    builder.build().expect("a runtime")
}

/// As many goroutines as processors spin for their turns: that takes all of them
/// at once, as nobody's slice ever ends.
fn all_processors_take_turns(runtime: &Runtime, procs: usize) {
    for _ in 0..3 {
        let turn = Arc::new(AtomicUsize::new(0));
        let players: Vec<_> = (0..procs)
            .map(|place| {
                let turn = turn.clone();
                runtime.go(move || spin_for_turns(&turn, place, procs, 3))
            })
            .collect();
        players
            .into_iter()
            .for_each(|it| it.join().expect("it ended"));
    }
}

// TestGoroutineParallelism
#[test]
fn as_many_as_processors_run_at_once() {
    for (migrating, procs) in [(false, 2), (false, 4), (true, 2), (true, 4)] {
        all_processors_take_turns(&without_slices(migrating, procs), procs);
    }
}

/// A burst of goroutines that are short, and start others.
fn burst(depth: u32) {
    if depth > 0 {
        let children = [go(move || burst(depth - 1)), go(move || burst(depth - 1))];
        children
            .into_iter()
            .for_each(|it| it.join().expect("it ended"));
    }
}

// TestGoroutineParallelism2
#[test]
fn as_many_as_processors_run_at_once_after_a_burst_and_beside_the_poller() {
    const PROCS: usize = 4;
    for migrating in [false, true] {
        let runtime = without_slices(migrating, PROCS);
        runtime.run(|| burst(8));
        all_processors_take_turns(&runtime, PROCS);
        let (path, listener) = runtime.run(|| {
            let path = env_path(migrating);
            let listener = UnixListener::bind(&path).expect("bound");
            (path, Arc::new(Pollable::new(listener).expect("registered")))
        });
        let accepting = listener.clone();
        let accept = runtime.go(move || accepting.wait_readable(None).is_err());
        wait_for(|| runtime.metrics().waiting == 1);
        all_processors_take_turns(&runtime, PROCS);
        listener.close();
        assert!(accept.join().expect("a value"), "nobody came");
        std::fs::remove_file(path).expect("it was there");
    }
}

/// Where a listener of this process may live.
fn env_path(migrating: bool) -> std::path::PathBuf {
    let name = format!("gorge-fairness-{}-{migrating}", std::process::id());
    std::env::temp_dir().join(name)
}

/// Starts eight goroutines that call `f` until they are stopped, each with another
/// time to spend. All of them have begun.
fn eight_callers(
    runtime: &Runtime,
    stop: &Arc<AtomicBool>,
    f: fn(Duration),
) -> Vec<JoinHandle<()>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let callers = (0..8)
        .map(|_| {
            let (stop, begun) = (stop.clone(), begun.clone());
            runtime.go(move || {
                begun.fetch_add(1, Ordering::SeqCst);
                while !stop.load(Ordering::Relaxed) {
                    for micros in [10, 100, 1000] {
                        f(Duration::from_micros(micros));
                    }
                }
            })
        })
        .collect();
    wait_for(|| begun.load(Ordering::SeqCst) == 8);
    callers
}

// TestPreemptionAfterSyscall
#[test]
fn goroutines_start_and_stop_beside_short_blocking_calls() {
    in_each_placement(2, |runtime| {
        let calls: [fn(Duration); 2] = [thread::sleep, |length| blocking(|| thread::sleep(length))];
        for f in calls {
            for _ in 0..3 {
                let stop = Arc::new(AtomicBool::new(false));
                let callers = eight_callers(runtime, &stop, f);
                assert_eq!(runtime.run(|| 7), 7);
                stop.store(true, Ordering::Relaxed);
                callers
                    .into_iter()
                    .for_each(|it| it.join().expect("it ended"));
            }
        }
    });
}

/// Writes a byte to nowhere, and reads none.
fn call_the_system(sink: &mut File, source: &mut File) {
    sink.write_all(b"x").expect("written");
    assert_eq!(source.read(&mut []).expect("read"), 0);
}

/// On one processor, two goroutines make system calls for ever, with something of
/// their own in between; a third one, which `builder` makes, sleeps a while and
/// stops them.
fn sleeps_beside_system_calls(builder: fn() -> goroutine::Builder, between: [fn(); 2]) {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, (begin, begun)) = (stop.clone(), std::sync::mpsc::channel());
        let sleeper = runtime.run(move || {
            builder().spawn(move || {
                begin.send(()).expect("somebody listens");
                time::sleep(Duration::from_millis(10));
                stopped.store(true, Ordering::Relaxed);
            })
        });
        begun.recv().expect("it runs");
        let callers = between.map(|between| {
            let stop = stop.clone();
            runtime.go(move || {
                let mut sink = File::create("/dev/null").expect("a sink");
                let mut source = File::open("/dev/zero").expect("a source");
                while !stop.load(Ordering::Relaxed) {
                    call_the_system(&mut sink, &mut source);
                    between();
                }
            })
        });
        sleeper.expect("spawned").join().expect("it woke");
        callers
            .into_iter()
            .for_each(|it| it.join().expect("it was stopped"));
    });
}

// TestGCFairness
#[test]
fn system_calls_for_ever_do_not_keep_a_sleeper_asleep_that_may_run_elsewhere() {
    // SAFETY: this goroutine holds no reference into a thread-local and no
    // thread-bound value across a park point.
    let builder = || unsafe { goroutine::Builder::new().migrating() };
    // As many as processors may go without a checkpoint.
    sleeps_beside_system_calls(builder, [|| (), checkpoint]);
}

// TestTimerFairness2
#[test]
fn system_calls_with_checkpoints_do_not_keep_a_sleeper_asleep() {
    sleeps_beside_system_calls(goroutine::Builder::new, [checkpoint; 2]);
}

#[test]
fn a_goroutine_that_yields_for_ever_keeps_neither_new_nor_started_ones_waiting() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let stop = AtomicBool::new(false);
            scope(|s| {
                s.spawn(|| wait_for(|| stop.load(Ordering::Relaxed)));
                for _ in 0..100 {
                    time::sleep(Duration::from_micros(10));
                    s.spawn(|| ()).join().expect("it ran");
                }
                stop.store(true, Ordering::Relaxed);
            });
        });
    });
}

/// Starts two that do the same, until it is told to stop.
fn multiply(stop: &Arc<AtomicBool>) {
    for _ in 0..2 {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let stop = Arc::clone(stop);
        drop(go(move || multiply(&stop)));
    }
}

#[test]
fn one_that_was_started_early_runs_beside_ever_newer_ones() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        runtime.run(|| {
            let early = {
                let stop = Arc::clone(&stop);
                go(move || stop.store(true, Ordering::Relaxed))
            };
            // Newer ones displace it from where it would run next, and there are always some.
            multiply(&stop);
            early.join().expect("it ended");
        });
    });
}

#[test]
fn the_last_of_many_that_never_wait_has_its_turn_after_about_a_slice_of_each() {
    const MANY: u64 = 50;
    in_each_placement(2, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..MANY)
            .map(|_| {
                let stop = stop.clone();
                runtime.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        checkpoint();
                    }
                })
            })
            .collect();
        let last = stop.clone();
        let last = runtime.go(move || last.store(true, Ordering::Relaxed));
        last.join().expect("it had its turn");
        let slices = runtime.metrics().slices_ended;
        assert!(slices <= 8 * MANY, "it had to wait for {slices} slices");
        busy.into_iter().for_each(|it| it.join().expect("it ended"));
    });
}

#[test]
fn those_that_are_woken_come_before_most_of_those_that_are_new() {
    const MANY: usize = 200;
    in_each_placement(1, |runtime| {
        let [begun, ended] = [0; 2].map(|zero| Arc::new(AtomicUsize::new(zero)));
        let (early, places): (usize, Vec<usize>) = runtime.run(|| {
            let woken: Vec<_> = (0..MANY)
                .map(|_| {
                    let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                    go(move || {
                        begun.fetch_add(1, Ordering::Relaxed);
                        goroutine::park();
                        ended.fetch_add(1, Ordering::Relaxed)
                    })
                })
                .collect();
            wait_for(|| begun.load(Ordering::Relaxed) == MANY);
            let new: Vec<_> = (0..MANY)
                .map(|_| {
                    let ended = Arc::clone(&ended);
                    go(move || ended.fetch_add(1, Ordering::Relaxed))
                })
                .collect();
            woken.iter().for_each(|it| it.goroutine().unpark());
            // If it was interrupted meanwhile, some have been.
            let early = ended.load(Ordering::Relaxed);
            for it in new {
                it.join().expect("it ended");
            }
            let place = |it: JoinHandle<usize>| it.join().expect("it ended");
            (early, woken.into_iter().map(place).collect())
        });
        // They have two turns of three, so the last one comes after half as many new ones.
        let last = places.into_iter().max().expect("there are some");
        assert!(
            last < early + 2 * MANY * 7 / 8,
            "the last one was number {last} after {early}"
        );
    });
}

#[test]
fn whoever_starts_others_and_yields_does_not_outrun_them() {
    const STARTS: usize = 8;
    in_each_placement(1, |runtime| {
        let alive = Arc::new(AtomicUsize::new(0));
        let most = runtime.run(|| {
            let rounds = (0..1000).map(|_| {
                for _ in 0..STARTS {
                    alive.fetch_add(1, Ordering::Relaxed);
                    let alive = Arc::clone(&alive);
                    drop(go(move || alive.fetch_sub(1, Ordering::Relaxed)));
                }
                yield_now();
                alive.load(Ordering::Relaxed)
            });
            rounds.max()
        });
        // Now and then it comes before them, lest it be kept waiting by ever newer ones.
        assert!(most <= Some(4 * STARTS), "{most:?} were left");
    });
}
