//! Deadlocks in every kind of wait but those of `deadlock.rs`: the report says for
//! what each goroutine waits, and who waits for the same.
#![cfg(not(gorge_loom))]

use gorge_runtime::park::WaitReason;
use gorge_runtime::{DeadlockDetection, DeadlockReport, GoroutineState, RunError, Runtime, go};
use gorge_sync::{
    Barrier, Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, Semaphore,
    WaitGroup,
};
use std::sync::Arc;

/// The report of the deadlock in which `main` ends, in each placement.
fn reports_of(main: impl Fn() + Copy + Send + 'static, check: impl Fn(&DeadlockReport)) {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = builder.deadlock_detection(DeadlockDetection::Always);
        let builder = if migrating {
            // SAFETY: the tests' goroutines hold no reference into a thread-local and
            // no thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        let runtime = builder.build().expect("a runtime");
        match runtime.try_run(main) {
            Err(RunError::Deadlock(report)) => check(&report),
            other => panic!("no deadlock: {other:?}"),
        }
    }
}

/// So many goroutines wait for one object, for this reason, and the text says so.
#[track_caller]
fn assert_waiters(report: &DeadlockReport, reason: WaitReason, count: usize) {
    let state = GoroutineState::Waiting(reason);
    let goroutines = report.dump().goroutines().iter();
    let waiting: Vec<_> = goroutines.filter(|it| it.state == state).collect();
    let text = report.to_string();
    assert_eq!(waiting.len(), count, "{text}");
    for goroutine in waiting {
        assert_eq!(goroutine.object, report_object(report, state), "{text}");
        assert!(report.waiters(goroutine.object).contains(&goroutine.id));
    }
    assert!(text.contains(&format!(" [{reason}]")), "{text}");
}

fn report_object(report: &DeadlockReport, state: GoroutineState) -> usize {
    let mut goroutines = report.dump().goroutines().iter();
    let first = goroutines.find(|it| it.state == state);
    first.expect("somebody waits so").object
}

fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}

#[test]
fn readers_behind_a_writer_that_never_leaves() {
    let main = || {
        let lock = shared(RwLock::new(0));
        let _writing = lock.write();
        let readers = [0, 1].map(|_| {
            let lock = lock.clone();
            go(move || assert_eq!(*lock.read(), 0))
        });
        readers
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::RwLockRead, 2);
    });
}

#[test]
fn a_reader_that_wants_to_write_waits_for_itself() {
    let main = || {
        let stuck = go(|| {
            let lock = RwLock::new(0);
            let _reading = lock.read();
            *lock.write() += 1;
        });
        stuck.join().expect("it ends");
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::RwLockWrite, 1);
    });
}

#[test]
fn two_who_read_and_want_to_write() {
    let main = || {
        let lock = shared(RwLock::new(0));
        let both_read = WaitGroup::new();
        both_read.add(2);
        let others = [0, 1].map(|_| {
            let (lock, both_read) = (lock.clone(), both_read.clone());
            go(move || {
                let _reading: RwLockReadGuard<'_, _> = lock.read();
                both_read.done();
                both_read.wait();
                *lock.write() += 1;
            })
        });
        others
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::RwLockWrite, 2);
    });
}

#[test]
fn an_upgrade_beside_a_reader_who_waits_for_it() {
    let main = || {
        let lock = shared(RwLock::new(0));
        let reads = shared(OnceLock::new());
        let (theirs, they_read) = (lock.clone(), reads.clone());
        let upgraded = shared(OnceLock::new());
        let until = upgraded.clone();
        let reader = go(move || {
            let _reading = theirs.read();
            they_read.set(()).expect("it is the first");
            let () = until.wait();
        });
        let () = reads.wait();
        let upgrader = go(move || {
            let upgradable = lock.upgradable_read();
            *RwLockUpgradableReadGuard::upgrade(upgradable) += 1;
            upgraded.set(()).expect("it is the first");
        });
        drop((reader.join(), upgrader.join()));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::RwLockWrite, 1);
        assert_waiters(report, WaitReason::Once, 1);
    });
}

#[test]
fn permits_that_nobody_gives_back() {
    let main = || {
        let semaphore = shared(Semaphore::new(3));
        let others = [0, 1].map(|_| {
            let semaphore = semaphore.clone();
            go(move || {
                let first = semaphore.acquire_many(2).expect("it is not closed");
                drop((first, semaphore.acquire_many(2)));
            })
        });
        others
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::Semaphore, 2);
    });
}

#[test]
fn a_party_that_never_arrives() {
    let main = || {
        let barrier = shared(Barrier::new(4));
        let others = [0, 1].map(|_| {
            let barrier = barrier.clone();
            go(move || _ = barrier.wait())
        });
        barrier.wait();
        others
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::Barrier, 3);
    });
}

#[test]
fn a_value_that_nobody_writes() {
    let main = || {
        let value = shared(OnceLock::<i32>::new());
        let theirs = value.clone();
        drop(go(move || *theirs.wait()));
        value.wait();
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::Once, 2);
    });
}

#[test]
fn a_lock_of_each_kind_in_a_ring() {
    let main = || {
        let locks = shared((Mutex::new(0), RwLock::new(0)));
        let both = WaitGroup::new();
        both.add(2);
        let (theirs, both_have_one) = (locks.clone(), both.clone());
        let first = go(move || {
            let _guard = theirs.0.lock();
            both_have_one.done();
            both_have_one.wait();
            *theirs.1.write() += 1;
        });
        let second = go(move || {
            let _reading = locks.1.read();
            both.done();
            both.wait();
            *locks.0.lock() += 1;
        });
        drop((first.join(), second.join()));
    };
    reports_of(main, |report| {
        assert_waiters(report, WaitReason::MutexLock, 1);
        assert_waiters(report, WaitReason::RwLockWrite, 1);
    });
}
