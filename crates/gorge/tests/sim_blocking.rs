//! What is given to `blocking` in a simulation, where everybody else stands still.

use gorge::channel::{bounded, select, unbounded};
use gorge::sim::{self, Config, FailureKind};
use gorge::sync::{Barrier, Condvar, Mutex, Once, RwLock, Semaphore, WaitGroup};
use gorge::{block_on, blocking, go, goroutine, time};
use std::env;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a closure panics with that waits.
fn refusal(wait: impl FnOnce() + Send) -> String {
    let waited = catch_unwind(AssertUnwindSafe(|| blocking(wait)));
    *waited.expect_err("it waits").downcast().expect("a text")
}

#[track_caller]
fn is_refused(reason: &str, wait: impl FnOnce() + Send) {
    let refusal = refusal(wait);
    for part in [
        "(seed 7, step ",
        "a closure that was given to `blocking`",
        reason,
    ] {
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
}

#[test]
fn what_does_not_have_to_wait_is_done() {
    sim::check(20, || {
        let (sender, receiver) = bounded(1);
        let mutex = Mutex::new(1);
        let child = go(|| 3);
        sim::settle();
        let sum = blocking(|| {
            sender.send(2).expect("there is room");
            *mutex.lock() + receiver.recv().expect("it is there") + child.join().expect("it ended")
        });
        assert_eq!(sum, 6);
        assert_eq!(blocking(|| blocking(|| 4)), 4);
    });
}

#[test]
fn a_wait_is_a_panic_and_a_failure_with_its_seed() {
    let fails = || {
        let waits = || {
            let mutex = Mutex::new(1);
            let _locked = mutex.lock();
            blocking(|| drop(mutex.lock()));
        };
        let failure = Config::new().try_run(7, waits).expect_err("it waits");
        assert_eq!((failure.kind(), failure.seed()), (FailureKind::Panic, 7));
        failure.message()
    };
    let message = fails();
    for part in ["(seed 7, step ", "(sync.Mutex.Lock)"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(fails(), message);
}

#[test]
fn locks_are_refused_and_left_as_they_were() {
    sim::run(7, || {
        let mutex = Mutex::new(1);
        let locked = mutex.lock();
        is_refused("(sync.Mutex.Lock)", || drop(mutex.lock()));
        is_refused("(sync.Mutex.Lock)", || drop(mutex.try_lock_for(LONG)));
        drop(locked);
        assert_eq!(*mutex.try_lock().expect("it is free"), 1);
        let lock = RwLock::new(1);
        let read = lock.read();
        is_refused("(sync.RWMutex.Lock)", || drop(lock.write()));
        assert!(lock.try_read().is_some());
        drop(read);
        let written = lock.write();
        is_refused("(sync.RWMutex.RLock)", || drop(lock.read()));
        drop(written);
        assert!(lock.try_write().is_some());
        let changed = Condvar::new();
        is_refused("(sync.Cond.Wait)", || changed.wait(&mut mutex.lock()));
        assert!(!changed.notify_one() && mutex.try_lock().is_some());
    });
}

#[test]
fn channels_are_refused_and_left_as_they_were() {
    sim::run(7, || {
        let (sender, receiver) = bounded(0);
        is_refused("(chan receive)", || _ = receiver.recv());
        is_refused("(chan receive)", || _ = receiver.recv_timeout(LONG));
        is_refused("(chan send)", || _ = sender.send(1));
        let (other, others) = unbounded::<u32>();
        is_refused("(select)", || {
            select! {
                recv(receiver) -> _ => {}
                recv(others) -> _ => {}
            }
        });
        // Nobody waits there any more.
        assert!(sender.try_send(2).is_err() && receiver.try_recv().is_err());
        let child = go(move || sender.send(3));
        assert_eq!(receiver.recv(), Ok(3));
        child.join().expect("it ends").expect("it is received");
        drop(other);
    });
}

#[test]
fn all_other_waits_are_refused() {
    sim::run(7, || {
        is_refused("(sleep)", || time::sleep(LONG));
        is_refused("(park)", goroutine::park);
        is_refused("(park)", || goroutine::park_timeout(LONG));
        is_refused("(scope)", || goroutine::scope(|s| drop(s.spawn(|| ()))));
        is_refused("(block_on)", || block_on(pending()));
        let child = go(|| time::sleep(SECOND));
        is_refused("(join)", || drop(child.join()));
        let group = WaitGroup::new();
        group.add(1);
        is_refused("(sync.WaitGroup.Wait)", || group.wait());
        group.done();
        group.wait();
        let semaphore = Semaphore::new(0);
        is_refused("(semacquire)", || drop(semaphore.acquire()));
        semaphore.add_permits(1);
        assert!(semaphore.try_acquire().is_ok());
        let barrier = Barrier::new(2);
        is_refused("(barrier wait)", || _ = barrier.wait());
        let shared = Arc::new((Once::new(), bounded::<()>(0)));
        let runs = shared.clone();
        let runner = go(move || runs.0.call_once(|| _ = runs.1.1.recv()));
        sim::settle();
        is_refused("(sync.Once)", || shared.0.call_once(|| ()));
        shared.1.0.send(()).expect("it listens");
        runner.join().expect("it ends");
        // The child ends, too.
        time::sleep(2 * SECOND);
    });
}

#[test]
fn open_simulations_refuse_too() {
    let runtime = gorge::Runtime::builder().simulated(7).build();
    runtime.expect("a runtime").run(|| {
        is_refused("(sleep)", || time::sleep(LONG));
    });
}

/// Set for a child.
const CHILD: &str = "GORGE_TEST_SIM_BLOCKING_CHILD";

#[test]
fn a_wait_while_it_panics_ends_the_process_with_a_reason() {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            time::sleep(LONG);
        }
    }
    if env::var_os(CHILD).is_some() {
        sim::run(7, || {
            blocking(|| {
                let _waits = Waits;
                panic!("first");
            });
        });
    }
    let mut command = Command::new(env::current_exe().expect("this program"));
    let test = "a_wait_while_it_panics_ends_the_process_with_a_reason";
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "yes");
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["first", "(seed 7, step ", "(sleep)", "; aborting"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}
