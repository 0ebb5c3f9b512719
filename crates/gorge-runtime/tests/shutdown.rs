//! The end of a runtime: nothing is left running, nothing is freed too early.

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::{Runtime, blocking, go, goroutine, time, yield_now};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn dropping_a_runtime_unwinds_every_goroutine() {
    in_each_setting(|_| ());
    for procs in [1, 3] {
        let drops = Arc::new(AtomicUsize::new(0));
        let runtime = Runtime::builder()
            .max_procs(procs)
            .build()
            .expect("a runtime");
        for i in 0..300 {
            let counted = Counted(drops.clone());
            runtime.go(move || {
                let _counted = counted;
                match i % 4 {
                    0 => goroutine::park_forever(),
                    1 => goroutine::sleep(Duration::from_secs(3600)),
                    2 => loop {
                        yield_now();
                    },
                    _ => blocking(|| ()),
                }
            });
        }
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 300);
    }
}

#[test]
fn destructors_that_spawn_and_wait_during_shutdown_do_not_hang_it() {
    struct Busy;
    impl Drop for Busy {
        fn drop(&mut self) {
            let child = go(|| ());
            // The child is cancelled at birth; this goroutine still joins it.
            assert!(child.join().is_err());
            yield_now();
        }
    }
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    for _ in 0..50 {
        runtime.go(|| {
            let _busy = Busy;
            goroutine::park_forever();
        });
    }
    wait_for(|| runtime.num_goroutines() == 50);
    drop(runtime);
}

#[test]
fn handles_outlive_their_runtime() {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let finished = runtime.go(|| String::from("kept"));
    let parked = runtime.go(|| goroutine::park_forever());
    let identity = parked.goroutine().clone();
    wait_for(|| finished.is_finished());
    drop(runtime);
    assert_eq!(finished.join().expect("a value"), "kept");
    identity.unpark();
    parked.cancel();
    assert!(parked.is_finished());
    drop(parked);
    identity.unpark();
}

#[test]
fn a_runtime_dropped_on_its_own_goroutine_ends_by_itself() {
    let drops = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let counted = Counted(drops.clone());
    runtime.go(move || {
        let _counted = counted;
        goroutine::park_forever();
    });
    let shared = Arc::new(runtime);
    let inner = shared.clone();
    let handle = shared.go(move || drop(inner));
    handle.join().expect("it returned");
    drop(shared);
    wait_for(|| drops.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_runtime_dropped_in_a_blocking_call_of_its_own_ends_by_itself() {
    let drops = Arc::new(AtomicUsize::new(0));
    let runtime = Arc::new(Runtime::builder().max_procs(2).build().expect("a runtime"));
    let (inner, counted) = (runtime.clone(), Counted(drops.clone()));
    let start = time::now();
    let handle = runtime.go(move || {
        let _counted = counted;
        blocking(move || {
            wait_for(|| Arc::strong_count(&inner) == 1);
            drop(inner);
        });
    });
    drop(runtime);
    handle.join().expect("it returned");
    assert!(time::now() - start < Duration::from_secs(5));
    wait_for(|| drops.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_scope_in_a_section_without_parks_ends_though_a_sibling_panics_meanwhile() {
    /// Its drop, which a panic makes, waits.
    struct Waits(Arc<AtomicUsize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            wait_for(|| self.0.load(Ordering::SeqCst) == 2);
        }
    }
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    let steps = Arc::new(AtomicUsize::new(0));
    let error = runtime.run(|| {
        let waits = Waits(steps.clone());
        let panics = go(move || {
            let _waits = waits;
            panic!("on purpose");
        });
        wait_for(|| steps.load(Ordering::SeqCst) == 1);
        let steps = &steps;
        let inner = steps.clone();
        let careless = go(move || {
            // The thread panics, as far as std can tell.
            goroutine::no_park(|| {
                goroutine::scope(|scope| {
                    scope.spawn(|| time::sleep(Duration::from_millis(50)));
                    inner.fetch_add(1, Ordering::SeqCst);
                    drop(panics.join());
                });
            });
        });
        let error = careless.join().expect_err("it waited where it must not");
        steps.store(2, Ordering::SeqCst);
        error
    });
    assert!(error.is_panic(), "{error}");
}

#[test]
fn goroutines_of_one_runtime_wait_for_those_of_another() {
    let first = Runtime::builder().max_procs(2).build().expect("a runtime");
    let second = Arc::new(Runtime::builder().max_procs(1).build().expect("a runtime"));
    let answer = first.run(|| {
        let inner = second.clone();
        second.run(|| inner.go(|| 21).join().expect("a value") * 2)
    });
    assert_eq!(answer, 42);
}

#[test]
fn creating_and_dropping_runtimes_leaks_no_thread() {
    let threads = || fs::read_dir("/proc/self/task").expect("procfs").count();
    let before = threads();
    for _ in 0..50 {
        let runtime = Runtime::builder().max_procs(3).build().expect("a runtime");
        runtime.run(|| go(|| blocking(|| ())).join().expect("a value"));
    }
    // Idle pool threads end when they are told; other tests run threads too.
    wait_for(|| threads() <= before + 40);
}
