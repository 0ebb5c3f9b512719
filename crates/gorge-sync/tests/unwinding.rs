//! What is taken through a `catch_unwind` needs no assertion, and works afterwards.
#![cfg(not(gorge_loom))]

mod common;

use common::for_each_setting;
use gorge_sync::{Barrier, Condvar, LazyLock, Once, OnceLock, RawMutex, RawRwLock};
use gorge_sync::{Mutex, RwLock, Semaphore, WaitGroup, lock_api};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};

#[test]
fn all_that_waits_is_unwind_safe() {
    fn is<T: UnwindSafe + RefUnwindSafe>() {}
    is::<(Barrier, Condvar, Once, Semaphore, WaitGroup)>();
    is::<(RawMutex, RawRwLock, OnceLock<u8>, LazyLock<u8>)>();
    // As parking_lot's: a value that a panic left half-written may be seen by others.
    fn moves<T: UnwindSafe>() {}
    moves::<(Mutex<u8>, RwLock<u8>, lock_api::Mutex<RawMutex, u8>)>();
}

#[test]
fn a_panic_with_permits_and_counts_loses_none() {
    for_each_setting(|setting| {
        setting.run_all(4, move |_| {
            let (semaphore, group) = (Semaphore::new(2), WaitGroup::new());
            let panicked = catch_unwind(|| {
                let _permits = semaphore.acquire_many(2).expect("it is not closed");
                group.add(1);
                panic!("with all permits");
            });
            assert!(panicked.is_err());
            assert_eq!(semaphore.available_permits(), 2);
            group.done();
            group.wait();
        });
    });
}

#[test]
fn a_panic_while_others_wait_leaves_them_to_those_who_come() {
    for_each_setting(|setting| {
        let shared = std::sync::Arc::new((Barrier::new(2), Once::new(), Semaphore::new(0)));
        let theirs = shared.clone();
        let waiter = setting.start(move || {
            theirs.0.wait();
            theirs.1.call_once_force(|_| ());
            drop(theirs.2.acquire());
        });
        let panicked = catch_unwind(|| {
            let (barrier, once, semaphore) = &*shared;
            barrier.wait();
            semaphore.add_permits(1);
            once.call_once_force(|_| panic!("in the initialiser"));
        });
        waiter.join();
        // Whoever was first, the other one has run it in the end.
        assert!(shared.1.state().done());
        drop(panicked);
    });
}
