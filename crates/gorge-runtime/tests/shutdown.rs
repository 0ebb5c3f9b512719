//! The end of a runtime: nothing is left running, nothing is freed too early.

#![allow(clippy::disallowed_types, reason = "a lock that is held for a moment")]

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::{
    DeadlockDetection, GoroutineDump, Runtime, blocking, go, goroutine, time, yield_now,
};
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

#[test]
fn shutting_down_says_that_all_have_stopped() {
    in_each_setting(|_| ());
    for procs in [1, 3] {
        let runtime = Runtime::builder().max_procs(procs);
        let runtime = runtime.build().expect("a runtime");
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let counted = Counted(drops.clone());
            runtime.go(move || {
                let _counted = counted;
                goroutine::park_forever();
            });
        }
        let end = runtime.shutdown(Duration::from_secs(60));
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(drops.load(Ordering::SeqCst), 100);
    }
}

#[test]
fn shutting_down_names_those_that_would_not_stop() {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let (release, held) = std::sync::mpsc::channel::<()>();
    // Before it is inside its closure, a cancel would end it.
    let (enters, entered) = std::sync::mpsc::channel();
    let named = goroutine::Builder::new().name("busy");
    let started = runtime.run(|| {
        let body = move || {
            blocking(move || {
                enters.send(()).expect("the test waits");
                assert!(held.recv().is_err());
            });
        };
        named.spawn(body).expect("spawned")
    });
    entered.recv().expect("it runs");
    let error = runtime.shutdown(Duration::from_millis(50));
    let error = error.expect_err("one is left");
    assert!(!error.is_hopeless());
    assert_eq!(error.goroutines().len(), 1);
    let text = error.to_string();
    let headline = "1 goroutine did not stop within 0.05 s of the runtime's shutdown";
    assert!(text.starts_with(headline), "{text}");
    assert!(text.contains(" [blocking] \"busy\":\n"), "{text}");
    drop(release);
    started.join().expect("it ended, since its closure did");
}

#[test]
fn shutting_down_does_not_wait_for_what_can_never_end() {
    struct Stuck;
    impl Drop for Stuck {
        fn drop(&mut self) {
            goroutine::park_forever();
        }
    }
    for procs in [1, 3] {
        let builder = Runtime::builder().max_procs(procs);
        let builder = builder.deadlock_detection(DeadlockDetection::Always);
        let runtime = builder.build().expect("a runtime");
        for index in 0..10 {
            runtime.go(move || {
                let _stuck = (index == 0).then_some(Stuck);
                goroutine::park_forever();
            });
        }
        let are_asleep = |it: GoroutineDump| it.goroutines().iter().all(|it| it.state.is_waiting());
        wait_for(|| are_asleep(runtime.dump()));
        let start = time::now();
        let error = runtime.shutdown(Duration::from_secs(3600));
        let error = error.expect_err("one is left");
        assert!(error.is_hopeless(), "{error}");
        assert_eq!(error.goroutines().len(), 1);
        assert!(time::now() - start < Duration::from_secs(60));
    }
}

#[test]
fn shutting_down_on_one_of_its_own_goroutines_is_an_error() {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let shared = Arc::new(std::sync::Mutex::new(None));
    let inner = shared.clone();
    let handle = runtime.go(move || {
        let own: Runtime = loop {
            let taken = inner.lock().expect("not poisoned").take();
            match taken {
                Some(runtime) => break runtime,
                None => yield_now(),
            }
        };
        own.shutdown(Duration::from_secs(3600)).is_err()
    });
    *shared.lock().expect("not poisoned") = Some(runtime);
    assert!(handle.join().expect("it returned"));
}
