//! What becomes of a thread that a goroutine has to itself: its state stays its
//! own, and it ends with the closure.
//!
//! What is adopted of Go's tests of `LockOSThread` has the Go test's name above it.

mod common;
#[path = "common/latch.rs"]
mod latch;

use common::{in_each_placement, wait_for};
use gorge_runtime::{go, goroutine, scope, time, yield_now};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// The number that the kernel knows the calling thread by.
fn thread_id() -> libc::pid_t {
    // SAFETY: has no preconditions.
    unsafe { libc::gettid() }
}

// TestLockOSThreadExit
#[test]
fn a_thread_ends_with_the_pin() {
    in_each_placement(2, |runtime| {
        let number = runtime.run(|| goroutine::pin(thread_id));
        let task = PathBuf::from(format!("/proc/self/task/{number}"));
        wait_for(|| !task.exists());
    });
}

// TestLockOSThreadNesting
#[test]
fn the_end_of_an_inner_pin_does_not_end_the_outer_one() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            goroutine::pin(|| {
                let own = thread_id();
                for _ in 0..10 {
                    assert_eq!(goroutine::pin(thread_id), own);
                    yield_now();
                    time::sleep(Duration::from_micros(10));
                    assert_eq!(thread_id(), own);
                    assert_ne!(go(thread_id).join().expect("it ran"), own);
                }
            });
        });
    });
}

// TestYieldLockedProgress
#[test]
fn a_pinned_goroutine_that_yields_lets_another_make_progress() {
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            goroutine::pin(|| {
                let flag = Arc::new(AtomicBool::new(false));
                let setter = flag.clone();
                go(move || setter.store(true, Ordering::SeqCst));
                wait_for(|| flag.load(Ordering::SeqCst));
            });
        });
    });
}

// TestLockOSThreadVgetrandom
#[test]
fn many_pins_begin_and_end_at_once() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            for _ in 0..5 {
                let present = AtomicUsize::new(0);
                scope(|s| {
                    for _ in 0..20 {
                        s.spawn(|| {
                            goroutine::pin(|| {
                                present.fetch_add(1, Ordering::SeqCst);
                                wait_for(|| present.load(Ordering::SeqCst) == 20);
                            });
                        });
                    }
                });
            }
        });
    });
}

// TestMexitSTW
#[test]
fn pins_end_while_the_number_of_processors_changes() {
    in_each_placement(2, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let pinning: Vec<_> = (0..3)
            .map(|_| {
                let stop = stop.clone();
                runtime.go(move || {
                    let mut pins = 0;
                    while !stop.load(Ordering::SeqCst) || pins == 0 {
                        goroutine::pin(yield_now);
                        pins += 1;
                    }
                    pins
                })
            })
            .collect();
        for i in 0..100 {
            runtime.set_max_procs(1 + i % 3);
            assert!(runtime.dump().goroutines().len() <= 3);
        }
        stop.store(true, Ordering::SeqCst);
        for pins in pinning {
            assert!(pins.join().expect("it ended") > 0);
        }
    });
}

#[test]
fn a_pinned_goroutine_that_blocks_its_thread_leaves_its_processor_to_others() {
    in_each_placement(1, |runtime| {
        let (release, blocked) = latch::latch();
        let (tell, hear) = mpsc::channel();
        let pinned = runtime.go(move || {
            goroutine::pin(move || {
                tell.send(()).expect("somebody listens");
                blocked.wait();
            });
        });
        hear.recv().expect("it is pinned");
        assert_eq!(runtime.run(|| go(|| 7).join().expect("it ran")), 7);
        assert!(!pinned.is_finished());
        drop(release);
        pinned.join().expect("it was let go");
    });
}
