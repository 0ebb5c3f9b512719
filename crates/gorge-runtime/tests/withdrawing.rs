//! Cancels of goroutines that gave a closure to `blocking`: one that still waits
//! for a thread is taken back and dropped unrun, one that runs is waited for.

mod common;
#[path = "common/gate.rs"]
mod gate;
#[path = "common/marks.rs"]
mod marks;

use common::{in_each_placement, wait_for};
use gate::is_waiting;
use gorge_runtime::park::WaitReason;
use gorge_runtime::{Runtime, blocking, goroutine, shield, yield_now};
use marks::{Counted, Mark};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_cancel_during_blocking_waits_for_the_closure_and_is_delivered_after_it() {
    in_each_placement(2, |runtime| {
        let (inside, go_on) = (Mark::default(), Mark::default());
        let (enters, goes_on) = (inside.clone(), go_on.clone());
        let returned = Mark::default();
        let returns = returned.clone();
        let handle = runtime.go(move || {
            let borrowed = String::from("still there");
            let length = blocking(|| {
                enters.set();
                while !goes_on.is_set() {
                    yield_now();
                }
                borrowed.len()
            });
            assert_eq!(length, 11);
            returns.set();
            goroutine::park_forever()
        });
        wait_for(|| inside.is_set());
        handle.cancel();
        handle.cancel();
        assert!(!handle.is_finished());
        go_on.set();
        let error = handle.join().map(|never: std::convert::Infallible| never);
        assert!(error.expect_err("cancelled").is_cancelled());
        assert!(returned.is_set(), "what was computed came back first");
    });
}

/// One thread for closures, which is blocked until it is told.
fn with_a_full_pool(body: impl FnOnce(&Runtime, Mark)) {
    let builder = Runtime::builder().max_procs(2).max_blocking_threads(1);
    let runtime = builder.build().expect("a runtime");
    let (inside, go_on) = (Mark::default(), Mark::default());
    let (enters, goes_on) = (inside.clone(), go_on.clone());
    let first = runtime.go(move || {
        blocking(|| {
            enters.set();
            while !goes_on.is_set() {
                yield_now();
            }
        });
    });
    wait_for(|| inside.is_set());
    body(&runtime, go_on.clone());
    go_on.set();
    first.join().expect("it returned");
}

#[test]
fn a_cancel_takes_a_closure_out_of_the_line_and_drops_it_unrun() {
    with_a_full_pool(|runtime, _| {
        let (ran, drops) = (Mark::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let (runs, captured) = (ran.clone(), Counted(drops.clone()));
            let queued = runtime.go(move || blocking(move || (runs.set(), captured)).1);
            let id = queued.goroutine().id();
            wait_for(|| is_waiting(runtime, id, WaitReason::Blocking));
            queued.cancel();
            // The thread is still blocked: this does not wait for it.
            assert!(
                queued
                    .join()
                    .map(drop)
                    .expect_err("cancelled")
                    .is_cancelled()
            );
        }
        assert!(!ran.is_set());
        assert_eq!(drops.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn the_others_in_line_keep_their_order_when_some_are_taken_out() {
    with_a_full_pool(|runtime, go_on| {
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let queue = |number: usize| {
            let order = order.clone();
            let handle = runtime.go(move || blocking(|| order.lock().push(number)));
            // It is seen to wait a moment before it is in the line.
            wait_for(|| runtime.metrics().blocking_queue == number + 1);
            handle
        };
        let handles: Vec<_> = (0..8).map(queue).collect();
        let (cancelled, others): (Vec<_>, Vec<_>) = (0..)
            .zip(handles)
            .partition(|(number, _)| matches!(number, 0 | 3 | 4 | 7));
        cancelled.iter().for_each(|(_, handle)| handle.cancel());
        for (_, handle) in cancelled {
            assert!(handle.join().expect_err("cancelled").is_cancelled());
        }
        go_on.set();
        for (_, handle) in others {
            handle.join().expect("it ran");
        }
        assert_eq!(*order.lock(), [1, 2, 5, 6]);
    });
}

#[test]
fn a_closure_in_line_is_not_taken_out_in_a_shield() {
    with_a_full_pool(|runtime, go_on| {
        let queued = runtime.go(|| shield(|| blocking(|| 5)));
        let id = queued.goroutine().id();
        wait_for(|| is_waiting(runtime, id, WaitReason::Blocking));
        queued.cancel();
        go_on.set();
        assert_eq!(queued.join().expect("shielded, and it ended"), 5);
    });
}

#[test]
fn a_cancel_that_races_with_the_pool_loses_no_closure_and_no_result() {
    let builder = Runtime::builder().max_procs(2).max_blocking_threads(2);
    let runtime = builder.build().expect("a runtime");
    let (runs, drops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut values, mut cancels) = (0, 0);
    for round in 0..3000 {
        let (ran, captured) = (runs.clone(), Counted(drops.clone()));
        let handle = runtime.go(move || {
            blocking(|| {
                ran.fetch_add(1, Ordering::SeqCst);
                captured
            })
        });
        (0..round % 8).for_each(|_| yield_now());
        handle.cancel();
        match handle.join() {
            Ok(counted) => {
                values += 1;
                drop(counted);
            }
            Err(error) => {
                assert!(error.is_cancelled(), "{error}");
                cancels += 1;
            }
        }
        assert_eq!(drops.load(Ordering::SeqCst), round + 1);
    }
    assert_eq!(values + cancels, 3000);
    assert!(runs.load(Ordering::SeqCst) >= values);
}
