//! Goroutines that do not give way: computing without a pause, blocking their
//! thread. Nobody else who can run starves.
//!
//! Each culprit goes on until its victim has made progress: if it does not, the
//! test hangs, and the test runner's limit ends it.

#![allow(
    clippy::disallowed_methods,
    reason = "blocking threads is what this is about"
)]

mod common;
#[path = "common/latch.rs"]
mod latch;

use common::{Setting, in_each_placement, wait_for};
use gorge_runtime::{Runtime, blocking, checkpoint, go, goroutine, time, yield_now};
use latch::{Release, latch};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How often the victim ticks before it stops the culprits.
const TICKS: usize = 20;

/// Spins, without ever calling the runtime, until it is told to stop.
fn hog(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

/// How often a goroutine that did not give way lost its permit. A hog counts as one that
/// blocks if the kernel had its thread wait for memory when the monitor looked.
fn permits_taken(runtime: &Runtime) -> u64 {
    let metrics = runtime.metrics();
    metrics.hogs + metrics.blocked_unannounced
}

fn migrating() -> goroutine::Builder {
    // SAFETY: these tests' goroutines hold no thread-local reference and no
    // thread-bound value across a park point.
    unsafe { goroutine::Builder::new().migrating() }
}

/// A goroutine that ticks every millisecond and then says stop.
fn ticker(builder: goroutine::Builder, stop: &Arc<AtomicBool>) -> gorge_runtime::JoinHandle<()> {
    let stop = stop.clone();
    let tick = move || {
        for _ in 0..TICKS {
            time::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
    };
    builder.spawn(tick).expect("spawned")
}

#[test]
fn a_hog_does_not_stop_a_ticker_that_may_run_elsewhere() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let for_hog = stop.clone();
        let ticking = runtime.run(|| {
            let ticking = ticker(migrating(), &stop);
            // Ticking before the hog comes.
            time::sleep(Duration::from_millis(2));
            go(move || hog(&for_hog));
            ticking
        });
        ticking.join().expect("it ticked");
        wait_for(|| runtime.num_goroutines() == 0);
        assert!(permits_taken(runtime) >= 1);
    });
}

#[test]
fn a_hog_does_not_keep_others_from_starting() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (for_hog, for_other) = (stop.clone(), stop.clone());
        runtime.run(|| {
            let other = go(move || for_other.store(true, Ordering::Relaxed));
            // Comes first: the latest is next.
            let first = go(move || hog(&for_hog));
            first.join().expect("it was stopped");
            other.join().expect("it ran");
        });
    });
}

/// Starts goroutines that block their threads by a plain blocking call, until
/// what this returns is dropped.
fn block_threads(count: usize) -> Vec<Release> {
    (0..count)
        .map(|_| {
            let (release, blocked) = latch();
            go(move || blocked.wait());
            release
        })
        .collect()
}

#[test]
fn fifty_blocked_threads_do_not_stop_a_ticker_that_may_run_elsewhere() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (blocked, ticking) = runtime.run(|| (block_threads(50), ticker(migrating(), &stop)));
        ticking.join().expect("it ticked");
        assert_eq!(runtime.num_goroutines(), 50);
        wait_for(|| runtime.metrics().blocked_unannounced >= 50);
        drop(blocked);
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

#[test]
fn fifty_blocked_threads_do_not_keep_others_from_starting() {
    in_each_placement(1, |runtime| {
        let (blocked, other, last) = runtime.run(|| {
            let blocked = block_threads(49);
            let other = go(|| ());
            // The latest comes first, the other one last.
            (blocked, other, block_threads(1))
        });
        other.join().expect("it ran");
        drop((blocked, last));
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

#[test]
fn blocking_calls_that_were_announced_do_not_stop_a_ticker() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let mut releases = Vec::new();
        let ticking = runtime.run(|| {
            let ticking = ticker(goroutine::Builder::new(), &stop);
            for _ in 0..20 {
                let (release, blocked) = latch();
                releases.push(release);
                go(move || blocking(move || blocked.wait()));
            }
            ticking
        });
        ticking.join().expect("it ticked");
        drop(releases);
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

/// A hog beside a goroutine that yields for ever. Returns how often that one ran
/// meanwhile; `None` when chance gave them different homes.
fn hog_beside_a_sibling() -> Option<usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(AtomicUsize::new(0));
    let (counter, (tell, home)) = (progress.clone(), mpsc::channel());
    let sibling = go(move || {
        tell.send(thread::current().id()).expect("somebody listens");
        loop {
            yield_now();
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    wait_for(|| progress.load(Ordering::Relaxed) > 10);
    let home = home.recv().expect("it runs");
    // Who can run elsewhere gets to run only once the permit has changed hands:
    // the hog, which comes later, is next.
    let for_observer = stop.clone();
    let observer = migrating().spawn(move || for_observer.store(true, Ordering::Relaxed));
    let hogging = goroutine::Builder::new().name("the hog").spawn(move || {
        let before = progress.load(Ordering::Relaxed);
        hog(&stop);
        let meanwhile = progress.load(Ordering::Relaxed) - before;
        (thread::current().id() == home).then_some(meanwhile)
    });
    let meanwhile = hogging.expect("spawned").join().expect("it was stopped");
    observer.expect("spawned").join().expect("it ran");
    sibling.cancel();
    let end = sibling.join().map(|never: std::convert::Infallible| never);
    assert!(end.is_err_and(|error| error.is_cancelled()));
    meanwhile
}

#[test]
fn siblings_of_a_hog_wait_and_are_counted() {
    let setting = Setting {
        migrating: false,
        procs: 1,
    };
    loop {
        let runtime = setting.runtime();
        let meanwhile = runtime.run(hog_beside_a_sibling);
        // The observer may also have come before the hog, and the hog may have
        // ended before the monitor counted its siblings.
        let metrics = runtime.metrics();
        if let (Some(meanwhile), 1..) = (meanwhile, metrics.stranded) {
            assert_eq!(meanwhile, 0, "the sibling cannot run elsewhere");
            assert!(permits_taken(&runtime) >= 1, "{metrics:?}");
            return;
        }
    }
}

#[test]
fn a_goroutine_that_keeps_standard_error_locked_does_not_stop_the_monitor() {
    let setting = Setting {
        migrating: false,
        procs: 1,
    };
    let runtime = setting.runtime();
    let stop = Arc::new(AtomicBool::new(false));
    let (for_sibling, for_hog) = (stop.clone(), stop.clone());
    let hogging = runtime.run(|| {
        go(move || {
            let _locked = std::io::stderr().lock();
            wait_for(|| for_sibling.load(Ordering::Relaxed));
        });
        yield_now();
        go(move || hog(&for_hog))
    });
    // With work that waits, the hog loses its permit, and is warned of.
    runtime.go(|| ()).join().expect("it ran");
    wait_for(|| runtime.metrics().stranded > 0);
    let (release, blocked) = latch();
    let blocking = runtime.go(move || blocked.wait());
    let last = runtime.go(move || stop.store(true, Ordering::Relaxed));
    last.join().expect("it ran");
    hogging.join().expect("it was stopped");
    drop(release);
    blocking.join().expect("it was let go");
}

#[test]
fn endless_loops_do_not_exhaust_threads_and_checkpoints_end_them() {
    const LOOPS: usize = if cfg!(gorge_tsan) { 500 } else { 20_000 };
    // Two that work, two for the hogs and the monitor. On a busy machine a thread that
    // the system does not let run looks blocked, and gets a spare.
    const THREADS: usize = 32;
    in_each_placement(2, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        // As many as processors never give way. They have begun before the first of
        // the others does, none of which is then at home with one of them.
        let begun = Arc::new(AtomicUsize::new(0));
        let hogs = [(); 2].map(|()| {
            let (begun, stop) = (begun.clone(), stop.clone());
            runtime.go(move || {
                begun.fetch_add(1, Ordering::SeqCst);
                hog(&stop);
            })
        });
        wait_for(|| begun.load(Ordering::SeqCst) == 2);
        let endless = || loop {
            checkpoint();
        };
        let loops: Vec<_> = (0..LOOPS).map(|_| runtime.go(endless)).collect();
        wait_for(|| permits_taken(runtime) >= 2);
        assert!(runtime.metrics().threads <= THREADS);
        loops.iter().for_each(gorge_runtime::JoinHandle::cancel);
        for endless in loops {
            let result = endless.join().map(|never: std::convert::Infallible| never);
            assert!(result.is_err_and(|error| error.is_cancelled()));
        }
        stop.store(true, Ordering::Relaxed);
        hogs.into_iter()
            .for_each(|hog| hog.join().expect("it was stopped"));
        assert!(runtime.metrics().threads <= THREADS);
    });
}

#[test]
fn computing_goroutines_with_checkpoints_take_turns() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..8).map(|_| AtomicUsize::new(0)).collect());
        runtime.run(|| {
            let all: Vec<_> = (0..8)
                .map(|i| {
                    let (counts, stop) = (counts.clone(), stop.clone());
                    go(move || {
                        while !stop.load(Ordering::Relaxed) {
                            counts[i].fetch_add(1, Ordering::Relaxed);
                            checkpoint();
                        }
                    })
                })
                .collect();
            // Each of them keeps the processor for a slice, and this one is
            // started and resumed nevertheless.
            wait_for(|| counts.iter().all(|count| count.load(Ordering::Relaxed) > 0));
            stop.store(true, Ordering::Relaxed);
            all.into_iter().for_each(|it| it.join().expect("it ends"));
        });
        assert!(runtime.metrics().slices_ended > 0);
    });
}

#[test]
fn a_goroutine_that_is_cancelled_while_it_computes_ends_at_a_checkpoint() {
    in_each_placement(2, |runtime| {
        let running = Arc::new(AtomicBool::new(false));
        let signal = running.clone();
        let endless = runtime.go(move || {
            signal.store(true, Ordering::Relaxed);
            loop {
                checkpoint();
            }
        });
        wait_for(|| running.load(Ordering::Relaxed));
        endless.cancel();
        let result = endless.join().map(|never: std::convert::Infallible| never);
        assert!(result.is_err_and(|error| error.is_cancelled()));
    });
}

#[test]
fn what_a_hog_starts_without_a_permit_runs_beside_goroutines_that_never_rest() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (for_hog, for_last) = (stop.clone(), stop.clone());
        let is_hog = Arc::new(AtomicBool::new(false));
        let has_lost = is_hog.clone();
        let hogging = runtime.go(move || {
            hog(&has_lost);
            go(move || for_last.store(true, Ordering::Relaxed));
            hog(&for_hog);
        });
        let yielding = runtime.go(move || wait_for(|| stop.load(Ordering::Relaxed)));
        wait_for(|| permits_taken(runtime) >= 1);
        is_hog.store(true, Ordering::Relaxed);
        hogging.join().expect("it was stopped");
        yielding.join().expect("it saw that");
    });
}

#[test]
fn a_hog_that_falls_asleep_makes_room_for_another() {
    in_each_placement(1, |runtime| {
        let (computed, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (release, blocked) = latch();
        let (for_first, for_second) = (Arc::clone(&computed), stop.clone());
        let first = runtime.go(move || {
            hog(&for_first);
            blocked.wait();
        });
        wait_for(|| runtime.metrics().running == 1);
        runtime.go(|| ()).join().expect("it ran");
        wait_for(|| permits_taken(runtime) >= 1);
        computed.store(true, Ordering::Relaxed);
        let second = runtime.go(move || hog(&for_second));
        wait_for(|| runtime.metrics().running == 2);
        let last = runtime.go(move || stop.store(true, Ordering::Relaxed));
        last.join().expect("it ran");
        second.join().expect("it was stopped");
        drop(release);
        first.join().expect("it was let go");
    });
}

#[test]
fn what_comes_from_outside_does_not_wait_for_goroutines_that_compute_in_turns() {
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let computing: Vec<_> = (0..3)
            .map(|_| {
                let stop = stop.clone();
                runtime.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        checkpoint();
                    }
                })
            })
            .collect();
        wait_for(|| runtime.metrics().slices_ended > 3);
        for _ in 0..3 {
            let before = runtime.metrics().slices_ended;
            runtime.go(|| ()).join().expect("it ran");
            let waited = runtime.metrics().slices_ended - before;
            assert!(waited < 30, "{waited}");
        }
        stop.store(true, Ordering::Relaxed);
        let ended = |it: gorge_runtime::JoinHandle<()>| it.join().expect("it was stopped");
        computing.into_iter().for_each(ended);
    });
}

#[test]
fn the_pool_runs_as_many_closures_at_once_as_it_may() {
    const LIMIT: usize = 100;
    let builder = Runtime::builder().max_procs(2).max_blocking_threads(LIMIT);
    let runtime = builder.build().expect("a runtime");
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    runtime.run(|| {
        let ticking = ticker(goroutine::Builder::new(), &stop);
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let (now, most) = (now.clone(), most.clone());
                go(move || {
                    blocking(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        // Until the pool is full once, nobody leaves.
                        while most.load(Ordering::SeqCst) < LIMIT {
                            thread::yield_now();
                        }
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                })
            })
            .collect();
        all.into_iter().for_each(|it| it.join().expect("it ends"));
        ticking.join().expect("it ticked");
    });
    assert_eq!(most.load(Ordering::SeqCst), LIMIT);
}

#[test]
fn processors_may_be_added_and_taken_away_under_load() {
    in_each_placement(2, |runtime| {
        let rounds = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        runtime.run(|| {
            let all: Vec<_> = (0..20)
                .map(|i| {
                    let (rounds, stop) = (rounds.clone(), stop.clone());
                    go(move || {
                        while !stop.load(Ordering::Relaxed) {
                            match i % 4 {
                                0 => yield_now(),
                                1 => time::sleep(Duration::from_micros(20)),
                                2 => blocking(|| ()),
                                _ => drop(go(|| ()).join()),
                            }
                            rounds.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let mut former = gorge_runtime::max_procs();
            for i in 0..1000 {
                let n = 1 + i % 7;
                assert_eq!(gorge_runtime::set_max_procs(n), former);
                former = n;
                let before = rounds.load(Ordering::Relaxed);
                if i % 50 == 0 {
                    wait_for(|| rounds.load(Ordering::Relaxed) > before + 20);
                }
            }
            stop.store(true, Ordering::Relaxed);
            all.into_iter().for_each(|it| it.join().expect("it ends"));
        });
    });
}

#[test]
#[should_panic(expected = "from 1 to 1024")]
fn no_processors_at_all_are_refused() {
    gorge_runtime::set_max_procs(0);
}
