//! What a `LazyLock` does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

#[path = "common/cancels.rs"]
mod cancels;
mod common;

use cancels::{expect_cancelled, in_each_placement, wait_for, wait_until_parked};
use common::for_each_setting;
use gorge_runtime::park::WaitReason;
use gorge_runtime::{checkpoint, goroutine, yield_now};
use gorge_sync::LazyLock;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static STATIC: LazyLock<Vec<u32>> = LazyLock::new(|| vec![1, 2, 3]);

#[test]
fn it_lives_in_a_static_and_has_stds_bounds() {
    fn is_sync<T: Sync + Send>(_: &T) {}
    is_sync(&STATIC);
    // The initialiser need not be `Sync`.
    let cell = Cell::new(4);
    let lazy = LazyLock::new(move || cell.get());
    is_sync(&lazy);
    assert_eq!(*lazy, 4);
    assert_eq!(STATIC.len(), 3);
}

#[test]
fn it_is_computed_once_when_it_is_first_used_and_all_see_it() {
    for_each_setting(|setting| {
        for _ in 0..20 {
            let runs = Arc::new(AtomicUsize::new(0));
            let counted = runs.clone();
            let lazy = Arc::new(LazyLock::new(move || {
                setting.pause();
                counted.fetch_add(1, Ordering::Relaxed) + 92
            }));
            assert_eq!(runs.load(Ordering::Relaxed), 0);
            setting.run_all(10, move |_| assert_eq!(**lazy, 92));
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn an_initialiser_that_panics_poisons_it_for_those_who_wait_and_for_later_ones() {
    for_each_setting(|setting| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let lazy = Arc::new(LazyLock::new(move || -> u32 {
            counted.fetch_add(1, Ordering::Relaxed);
            setting.pause();
            panic!("in the initialiser");
        }));
        let texts: Vec<_> = (0..5)
            .map(|_| {
                let lazy = lazy.clone();
                setting.start(move || drop(LazyLock::force(&lazy).to_string()))
            })
            .map(common::Party::panic_message)
            .collect();
        let first = texts.iter().filter(|text| *text == "in the initialiser");
        assert_eq!(first.count(), 1);
        let later = "LazyLock: its initialiser has panicked";
        assert_eq!(texts.iter().filter(|text| *text == later).count(), 4);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
        let again = catch_unwind(AssertUnwindSafe(|| **lazy));
        assert_eq!(again.expect_err("poisoned").downcast_ref(), Some(&later));
    });
}

#[test]
fn debug_shows_the_value_and_does_not_compute_it() {
    let lazy = LazyLock::new(|| 3);
    assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
    assert_eq!(LazyLock::force(&lazy), &3);
    assert_eq!(format!("{lazy:?}"), "LazyLock(3)");
    assert_eq!(*LazyLock::<u32>::default(), 0);
}

#[test]
fn what_it_holds_is_dropped_once_the_initialiser_or_the_value() {
    struct Counts<'a>(&'a Cell<u32>);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (of_f, of_value) = (Cell::new(0), Cell::new(0));
    let lazy = || {
        let held = Counts(&of_f);
        LazyLock::new(|| {
            drop(held);
            Counts(&of_value)
        })
    };
    drop(lazy());
    assert_eq!((of_f.get(), of_value.get()), (1, 0), "never used");
    let used = lazy();
    LazyLock::force(&used);
    assert_eq!(
        (of_f.get(), of_value.get()),
        (2, 0),
        "released after its run"
    );
    drop(used);
    assert_eq!((of_f.get(), of_value.get()), (2, 1));
    let poisoned = LazyLock::new({
        let held = Counts(&of_f);
        move || -> u32 {
            let _held = held;
            panic!("it fails")
        }
    });
    assert!(catch_unwind(AssertUnwindSafe(|| *poisoned)).is_err());
    assert_eq!(of_f.get(), 3);
    drop(poisoned);
    assert_eq!(of_f.get(), 3);
}

#[test]
fn a_cancel_comes_after_the_initialiser_which_everybody_needs() {
    in_each_placement(|runtime| {
        let (running, may_end) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (runs, ends) = (running.clone(), may_end.clone());
        let lazy = Arc::new(LazyLock::new(move || {
            runs.store(true, Ordering::SeqCst);
            while !ends.load(Ordering::SeqCst) {
                yield_now();
                checkpoint();
            }
            5
        }));
        let used = Arc::new(AtomicUsize::new(0));
        let start = || {
            let (lazy, used) = (lazy.clone(), used.clone());
            runtime.go(move || {
                used.fetch_add(**lazy, Ordering::SeqCst);
                goroutine::park_forever();
            })
        };
        let first = start();
        wait_for(|| running.load(Ordering::SeqCst));
        let second = start();
        wait_until_parked(runtime, &second, WaitReason::Once);
        first.cancel();
        second.cancel();
        may_end.store(true, Ordering::SeqCst);
        expect_cancelled(first);
        expect_cancelled(second);
        assert_eq!(used.load(Ordering::SeqCst), 10, "both had the value");
        assert_eq!(**lazy, 5);
    });
}
