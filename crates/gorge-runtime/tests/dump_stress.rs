//! Dumps of many goroutines, and of goroutines that do not keep still.

mod common;

use common::{Setting, in_each_placement, wait_for};
use gorge_runtime::{GoroutineState, Runtime, go, goroutine, stack, time, yield_now};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn waiting(runtime: &Runtime) -> usize {
    let dump = runtime.dump_states();
    let goroutines = dump.goroutines().iter();
    goroutines.filter(|it| it.state.is_waiting()).count()
}

#[inline(never)]
fn outer(levels: u32) {
    if levels > 0 {
        outer(levels - 1);
    } else {
        goroutine::park();
    }
    black_box(());
}

#[test]
fn ten_thousand_goroutines_are_dumped_in_a_moment() {
    const COUNT: usize = if cfg!(gorge_tsan) { 1_000 } else { 10_000 };
    in_each_placement(2, |runtime| {
        let handles: Vec<_> = (0..COUNT as u32)
            .map(|i| runtime.go(move || outer(i % 16)))
            .collect();
        wait_for(|| waiting(runtime) == COUNT);
        for _ in 0..2 {
            let start = time::now();
            let dump = runtime.dump();
            let taken = start.elapsed();
            let text = dump.to_string();
            let grouped = dump.grouped().to_string();
            let all = start.elapsed();
            eprintln!(
                "dumped in {taken:?}, printed by {all:?}, {} KiB",
                text.len() / 1024
            );
            assert_eq!(text.matches(" [park").count(), COUNT);
            assert_eq!(grouped.matches(" goroutines: ").count(), 16, "{grouped}");
            let deepest = dump.goroutines().iter().map(|it| it.frames.len()).max();
            assert!(deepest >= Some(17));
            // Without optimisation, and under a sanitizer, it takes what it takes.
            if cfg!(not(debug_assertions)) {
                assert!(all < Duration::from_secs(2), "{all:?}");
            }
        }
        handles.iter().for_each(|it| it.goroutine().unpark());
        handles
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
    });
}

/// What the goroutines of the stress test do, until `stop`.
mod lives {
    use super::*;

    /// Parks and is unparked, at depths that vary.
    pub(super) fn ping(stop: &'static AtomicBool) {
        let mut depth = 0;
        while !stop.load(Ordering::Relaxed) {
            depth = (depth + 7) % 40;
            let current = goroutine::current();
            let waker = go(move || current.unpark());
            deeper(depth);
            waker.join().expect("it ends");
        }
    }

    #[inline(never)]
    fn deeper(depth: u32) {
        let frame = black_box([depth; 32]);
        match depth {
            0 => goroutine::park_timeout(Duration::from_millis(1)),
            _ => deeper(depth - 1),
        }
        black_box(frame);
    }

    /// Sleeps for so long that its stack is shrunk.
    pub(super) fn doze(stop: &'static AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            goroutine::sleep(Duration::from_micros(50));
            deeper(20);
            goroutine::sleep(Duration::from_millis(1100));
        }
    }

    /// Grows, parks there, and comes back.
    pub(super) fn grow(stop: &'static AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            stack::grow(usize::MAX, 64 * 1024, || {
                deeper(3);
                stack::grow(usize::MAX, 64 * 1024, || deeper(3));
            });
        }
    }

    /// Is pinned, parks there, and comes back.
    pub(super) fn pin(stop: &'static AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            goroutine::pin(|| deeper(2));
            deeper(2);
        }
    }

    /// Starts others that end at once, or are cancelled.
    pub(super) fn spawn(stop: &'static AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let named = goroutine::Builder::new().name("short-lived");
            let short = named
                .spawn(yield_now)
                .expect("no stack of its own is asked for");
            let cancelled = go(goroutine::park_forever);
            cancelled.cancel();
            drop(cancelled.join());
            short.join().expect("it ends");
        }
    }
}

fn stress(setting: Setting, stop: &'static AtomicBool) {
    eprintln!("{setting:?}");
    let runtime = setting.runtime();
    let all: [fn(&'static AtomicBool); 5] = [
        lives::ping,
        lives::doze,
        lives::grow,
        lives::pin,
        lives::spawn,
    ];
    let handles: Vec<_> = all
        .into_iter()
        .cycle()
        .take(20)
        .map(|life| runtime.go(move || life(stop)))
        .collect();
    let (frames, dumps) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let end = time::now() + Duration::from_millis(2500);
    let dump = || {
        while time::now() < end {
            check(&runtime, &frames);
            dumps.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(dump);
        dump();
        other.join().expect("it dumped");
    });
    runtime.run(|| check(&runtime, &frames));
    stop.store(true, Ordering::Relaxed);
    handles
        .into_iter()
        .for_each(|it| it.join().expect("it ends"));
    eprintln!("{dumps:?} dumps, {frames:?} frames");
    assert!(frames.into_inner() > 0);
}

/// Takes a dump and looks whether it makes sense.
fn check(runtime: &Runtime, frames: &AtomicUsize) {
    let dump = runtime.dump();
    for goroutine in dump.goroutines() {
        if goroutine.frames.is_empty() {
            continue;
        }
        frames.fetch_add(goroutine.frames.len(), Ordering::Relaxed);
        assert!(
            goroutine.frames.len() < 150 && goroutine.frames_elided == 0,
            "{goroutine}"
        );
        assert!(goroutine.state != GoroutineState::Runnable, "{goroutine}");
        assert!(
            goroutine.frames.iter().all(|it| it.line.is_some()),
            "{goroutine}"
        );
        // Each stack was walked to its end: there is somebody's closure or function.
        let is_ours = |file: &str| file.contains("dump_stress.rs") || file.contains("ops.rs");
        let last = goroutine.frames.last().and_then(|it| it.file.as_deref());
        assert!(last.is_some_and(is_ours), "{goroutine}");
    }
}

#[test]
fn goroutines_are_dumped_while_they_change() {
    static STOP: [AtomicBool; 4] = [const { AtomicBool::new(false) }; 4];
    let settings = [(false, 1), (false, 2), (true, 1), (true, 2)];
    for (stop, (migrating, procs)) in STOP.iter().zip(settings) {
        stress(Setting { migrating, procs }, stop);
    }
}
