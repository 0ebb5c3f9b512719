//! What becomes of a thread that a goroutine has to itself: its state stays its
//! own, and it ends with the closure.
//!
//! What is adopted of Go's tests of `LockOSThread` has the Go test's name above it.

mod common;
#[path = "common/latch.rs"]
mod latch;

use common::{in_each_placement, wait_for};
use gorge_runtime::{JoinHandle, go, goroutine, scope, time, yield_now};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// The number that the kernel knows the calling thread by.
fn thread_id() -> libc::pid_t {
    // SAFETY: has no preconditions.
    unsafe { libc::gettid() }
}

/// Blocks a signal for the calling thread. New threads inherit that.
fn mark_thread() {
    // SAFETY: an all-zero set may be passed to `sigemptyset`, which makes it one.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR2);
        let failure = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        assert_eq!(failure, 0);
    }
}

/// Whether [`mark_thread`] was called on the calling thread, or on one that it
/// stems from.
fn is_marked() -> bool {
    // SAFETY: as above; without a set, the mask is only read.
    unsafe {
        let mut set = std::mem::zeroed();
        let failure = libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut set);
        assert_eq!(failure, 0);
        libc::sigismember(&raw const set, libc::SIGUSR2) == 1
    }
}

/// Starts goroutines on as many threads, none of which was waiting for them, and
/// calls `then` with them. They end with whether their thread is marked.
fn keep_busy(count: usize, then: impl FnOnce(Vec<JoinHandle<bool>>)) {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicUsize::new(0));
    let start = |i| {
        // One by one: a machine that finds work starts another one if it may.
        gorge_runtime::set_max_procs(i + 2);
        let (stop, counter) = (stop.clone(), begun.clone());
        let other = go(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            while !stop.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            is_marked()
        });
        while begun.load(Ordering::SeqCst) <= i {
            std::hint::spin_loop();
        }
        other
    };
    let others = (0..count).map(start).collect();
    stop.store(true, Ordering::SeqCst);
    then(others);
}

// TestLockOSThreadAvoidsStatePropagation
#[test]
fn what_a_pinned_goroutine_changes_of_its_thread_stays_there() {
    const OTHERS: usize = 3;
    for _ in 0..10 {
        in_each_placement(1, |runtime| {
            runtime.run(|| {
                goroutine::pin(|| {
                    mark_thread();
                    keep_busy(OTHERS, |others| {
                        assert!(is_marked());
                        for other in others {
                            assert!(!other.join().expect("it ran"), "a thread inherited it");
                        }
                    });
                });
            });
            assert!(!runtime.run(is_marked), "a thread was used again");
        });
    }
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

#[test]
fn pinned_goroutines_that_hardly_wait_leave_time_for_others() {
    // So many that some machine always waits for a permit.
    const PINNED: usize = 20;
    in_each_placement(1, |runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let pinned: Vec<_> = (0..PINNED)
            .map(|i| {
                let stop = stop.clone();
                runtime.go(move || {
                    goroutine::pin(|| {
                        while !stop.load(Ordering::SeqCst) {
                            match i % 2 {
                                0 => yield_now(),
                                _ => goroutine::park_timeout(Duration::from_nanos(1)),
                            }
                        }
                    });
                })
            })
            .collect();
        wait_for(|| runtime.metrics().threads > PINNED);
        for _ in 0..20 {
            let other = runtime.go(|| go(yield_now).join());
            other.join().expect("it ran").expect("it ran");
        }
        stop.store(true, Ordering::SeqCst);
        for pinned in pinned {
            pinned.join().expect("it ended");
        }
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
