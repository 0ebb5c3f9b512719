//! What a `Once` does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::for_each_setting;
use gorge_sync::{Once, OnceState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_first_runs_it_and_all_see_what_it_did() {
    for_each_setting(|setting| {
        for _ in 0..20 {
            let once = Arc::new(Once::new());
            let (started, finished) =
                (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            setting.run_all(10, move |_| {
                once.call_once(|| {
                    started.fetch_add(1, Ordering::Relaxed);
                    setting.pause();
                    finished.fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(started.load(Ordering::Relaxed), 1);
                assert_eq!(finished.load(Ordering::Relaxed), 1);
            });
        }
    });
}

#[test]
fn a_panic_poisons_it_until_somebody_forces_it() {
    static ONCE: Once = Once::new();
    assert_eq!(ONCE.state(), OnceState::New);
    let panicked = catch_unwind(|| ONCE.call_once(|| panic!("in the initialiser")));
    let payload = panicked.expect_err("it continues in the caller");
    assert_eq!(payload.downcast_ref(), Some(&"in the initialiser"));
    assert!(ONCE.state().poisoned());
    let refused = catch_unwind(|| ONCE.call_once(|| unreachable!("poisoned")));
    let payload = refused.expect_err("poisoned");
    let text = payload.downcast_ref::<&str>().expect("a text");
    assert!(text.contains("Once") && text.contains("panicked"), "{text}");
    ONCE.call_once_force(|state| assert!(state.poisoned()));
    assert!(ONCE.state().done());
    ONCE.call_once(|| unreachable!("done"));
    ONCE.call_once_force(|_| unreachable!("done"));
}

#[test]
fn those_who_wait_for_an_initialiser_that_panics_panic_too() {
    for_each_setting(|setting| {
        let once = Arc::new(Once::new());
        let poisoned = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (once.clone(), poisoned.clone());
        setting.run_all(5, move |_| {
            let call = || {
                shared.call_once(|| {
                    setting.pause();
                    panic!("it fails");
                });
            };
            if catch_unwind(AssertUnwindSafe(call)).is_err() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(poisoned.load(Ordering::Relaxed), 5);
        assert!(once.state().poisoned());
    });
}

#[test]
fn the_state_says_that_it_runs() {
    let once = Once::default();
    once.call_once(|| assert_eq!(once.state(), OnceState::InProgress));
    assert_eq!(format!("{once:?}"), "Once { state: Done }");
}
