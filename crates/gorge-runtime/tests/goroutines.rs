//! Starting, joining, panicking, cancelling.

mod common;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{Runtime, blocking, go, goroutine, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn every_goroutine_runs_once_and_joins_with_its_value() {
    in_each_setting(|runtime| {
        let sum = runtime.run(|| {
            let handles: Vec<_> = (0..1000u64).map(|i| go(move || i)).collect();
            handles
                .into_iter()
                .map(|h| h.join().expect("a value"))
                .sum::<u64>()
        });
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn main_may_borrow_and_returns_its_value() {
    in_each_setting(|runtime| {
        let mut words = vec!["a".to_owned()];
        let length = runtime.run(|| {
            words.push("b".to_owned());
            words.len()
        });
        assert_eq!((length, words.join("")), (2, "ab".to_owned()));
    });
}

#[test]
fn a_panic_reaches_join_with_its_message_and_the_others_go_on() {
    in_each_setting(|runtime| {
        let sibling = runtime.go(|| {
            for _ in 0..100 {
                yield_now();
            }
            "fine"
        });
        let handle = goroutine_named(runtime, "unlucky", || {
            panic!("boom {}", std::hint::black_box(7))
        });
        let error = handle.join().expect_err("it panicked");
        assert!(error.is_panic() && !error.is_cancelled());
        let text = error.to_string();
        assert!(text.contains("\"unlucky\" panicked: boom 7"), "{text}");
        let payload = error.into_panic();
        assert_eq!(
            payload.downcast_ref::<String>().map(String::as_str),
            Some("boom 7")
        );
        assert_eq!(sibling.join().expect("it went on"), "fine");
    });
}

fn goroutine_named(
    runtime: &Runtime,
    name: &str,
    f: impl FnOnce() + Send + 'static,
) -> gorge_runtime::JoinHandle<()> {
    let name = name.to_owned();
    runtime.run(move || {
        goroutine::Builder::new()
            .name(name)
            .spawn(f)
            .expect("spawned")
    })
}

#[test]
fn a_panic_of_main_continues_in_run() {
    in_each_setting(|runtime| {
        let panic = catch_unwind(AssertUnwindSafe(|| runtime.run(|| panic!("main fails"))));
        let payload = panic.expect_err("it panicked");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"main fails"));
        assert_eq!(runtime.run(|| 1), 1, "the runtime goes on");
    });
}

#[test]
fn large_closures_and_results_are_moved_intact() {
    in_each_setting(|runtime| {
        let input = [7u8; 5000];
        let output = runtime
            .go(move || input.map(|byte| byte + 1))
            .join()
            .expect("a value");
        assert_eq!(output, [8u8; 5000]);
    });
}

#[test]
fn captures_are_dropped_before_join_returns() {
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let capture = Counted(drops.clone());
        runtime.go(move || drop(capture)).join().expect("a value");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_detached_result_is_dropped_once_on_either_order() {
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let before = Counted(drops.clone());
        drop(runtime.go(move || before));
        let after = Counted(drops.clone());
        let handle = runtime.go(move || after);
        wait_for(|| handle.is_finished());
        drop(handle);
        wait_for(|| drops.load(Ordering::SeqCst) == 2);
        wait_for(|| runtime.num_goroutines() == 0);
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_cancel_ends_a_parked_goroutine_by_unwinding() {
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let capture = Counted(drops.clone());
        let parked = Arc::new(AtomicBool::new(false));
        let signal = parked.clone();
        let handle = runtime.go(move || {
            let _capture = capture;
            signal.store(true, Ordering::SeqCst);
            goroutine::park_forever()
        });
        wait_for(|| parked.load(Ordering::SeqCst));
        handle.cancel();
        let error = handle.join().map(|never: std::convert::Infallible| never);
        assert!(error.expect_err("it cannot return").is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_goroutine_cancelled_before_it_starts_does_not_run() {
    in_each_placement(1, |runtime| {
        let ran = Arc::new(AtomicBool::new(false));
        let flag = ran.clone();
        let error = runtime.run(move || {
            let handle = go(move || flag.store(true, Ordering::SeqCst));
            handle.cancel();
            handle.join().expect_err("cancelled")
        });
        assert!(error.is_cancelled());
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn a_cancelled_goroutine_that_swallows_it_is_told_again() {
    in_each_setting(|runtime| {
        let handle = runtime.go(|| {
            let mut told = 0;
            while told < 3 {
                told += u32::from(catch_unwind(yield_now).is_err());
            }
            told
        });
        handle.cancel();
        // It returns a value if it was running, or never ran.
        match handle.join() {
            Ok(told) => assert_eq!(told, 3),
            Err(error) => assert!(error.is_cancelled()),
        }
    });
}

#[test]
fn blocking_returns_the_value_and_passes_a_panic_on() {
    in_each_setting(|runtime| {
        let text = String::from("borrowed");
        let length = runtime.run(|| blocking(|| text.len()));
        assert_eq!(length, 8);
        let error = runtime.go(|| blocking(|| panic!("in the pool"))).join();
        assert!(
            error
                .expect_err("it panicked")
                .to_string()
                .contains("in the pool")
        );
        assert_eq!(blocking(|| 5), 5, "on an OS thread it runs right there");
        assert!(runtime.run(|| blocking(|| blocking(|| true))), "nested");
    });
}

#[test]
fn a_blocked_pool_thread_does_not_stop_other_goroutines() {
    in_each_placement(1, |runtime| {
        let released = Arc::new(AtomicBool::new(false));
        let flag = released.clone();
        let blocked = runtime.go(move || {
            blocking(|| {
                while !flag.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            });
        });
        let releaser = runtime.go(move || released.store(true, Ordering::SeqCst));
        releaser.join().expect("it ran although another one blocks");
        blocked.join().expect("released");
    });
}

#[test]
fn jobs_wait_in_line_when_the_pool_is_full() {
    let runtime = Runtime::builder()
        .max_procs(2)
        .max_blocking_threads(2)
        .build();
    let sum = runtime.expect("a runtime").run(|| {
        let handles: Vec<_> = (0..200u64)
            .map(|i| go(move || blocking(move || i)))
            .collect();
        handles
            .into_iter()
            .map(|h| h.join().expect("a value"))
            .sum::<u64>()
    });
    assert_eq!(sum, 19_900);
}

#[test]
fn a_goroutine_knows_its_name_and_number() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let named = goroutine::Builder::new()
                .name("worker")
                .spawn(|| {
                    let me = goroutine::current();
                    (me.id(), me.name().map(str::to_owned))
                })
                .expect("spawned");
            let id = named.goroutine().id();
            assert_eq!(
                named.join().expect("a value"),
                (id, Some("worker".to_owned()))
            );
            assert_ne!(goroutine::current().id(), id);
            let unnamed = go(|| goroutine::current().name().map(str::to_owned));
            assert_eq!(
                unnamed.join().expect("a value"),
                None,
                "names are not inherited"
            );
        });
    });
}

// Go's TestGetgThreadSwitch
#[test]
fn a_goroutine_knows_itself_wherever_it_resumes() {
    in_each_placement(4, |runtime| {
        let goroutines: Vec<_> = (0..20_u64)
            .map(|i| {
                runtime.go(move || {
                    let id = goroutine::current().id();
                    for round in 0..200 {
                        match (i + round) % 4 {
                            0 => goroutine::sleep(Duration::from_micros(1)),
                            1 => blocking(|| ()),
                            2 => goroutine::current().unpark(),
                            _ => yield_now(),
                        }
                        assert_eq!(goroutine::current().id(), id);
                    }
                    id
                })
            })
            .collect();
        for goroutine in goroutines {
            let id = goroutine.goroutine().id();
            assert_eq!(goroutine.join().expect("a value"), id);
        }
    });
}

// Go's TestNumGoroutine
#[test]
fn the_number_of_goroutines_is_that_of_the_headers_in_a_dump() {
    let headers = |runtime: &Runtime| {
        let text = runtime.dump().to_string();
        let lines = text.lines();
        lines.filter(|line| line.starts_with("goroutine ")).count()
    };
    in_each_setting(|runtime| {
        assert_eq!((runtime.num_goroutines(), headers(runtime)), (0, 0));
        let parked: Vec<_> = (0..30).map(|_| runtime.go(goroutine::park)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let running = runtime.go(move || wait_for(|| flag.load(Ordering::SeqCst)));
        assert_eq!((runtime.num_goroutines(), headers(runtime)), (31, 31));
        runtime.run(|| assert_eq!(gorge_runtime::num_goroutines(), 32));
        stop.store(true, Ordering::SeqCst);
        running.join().expect("it ended");
        for parked in parked {
            parked.goroutine().unpark();
            parked.join().expect("it ended");
        }
        wait_for(|| (runtime.num_goroutines(), headers(runtime)) == (0, 0));
    });
}

#[test]
fn spawning_outside_of_a_runtime_uses_the_default_one() {
    let procs = go(gorge_runtime::max_procs).join().expect("a value");
    assert_eq!(procs, gorge_runtime::max_procs());
}
