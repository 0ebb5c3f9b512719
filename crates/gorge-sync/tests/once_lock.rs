//! What a `OnceLock` does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

#[path = "common/cancels.rs"]
mod cancels;
mod common;

use cancels::{expect_cancelled, in_each_placement, wait_for, wait_until_parked};
use common::for_each_setting;
use gorge_runtime::goroutine;
use gorge_runtime::park::WaitReason;
use gorge_sync::OnceLock;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

static STATIC: OnceLock<String> = OnceLock::new();

#[test]
fn it_lives_in_a_static_and_has_stds_bounds() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Send + Sync>() {}
    is_sync::<OnceLock<u32>>();
    // What may be sent, but not shared.
    is_send::<OnceLock<Cell<u32>>>();
    assert_eq!(STATIC.get(), None);
    assert_eq!(STATIC.get_or_init(|| "first".to_owned()), "first");
    assert_eq!(STATIC.get().map(String::as_str), Some("first"));
}

#[test]
fn one_of_many_initialises_it_and_all_see_its_value() {
    for_each_setting(|setting| {
        for _ in 0..20 {
            let (lock, runs) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
            let counted = runs.clone();
            setting.run_all(10, move |i| {
                let value = *lock.get_or_init(|| {
                    setting.pause();
                    counted.fetch_add(1, Ordering::Relaxed);
                    i
                });
                assert_eq!(lock.get(), Some(&value));
            });
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn of_many_who_set_it_one_succeeds_and_the_others_get_their_value_back() {
    for_each_setting(|setting| {
        for _ in 0..20 {
            let lock = Arc::new(OnceLock::new());
            let set = Arc::new(AtomicUsize::new(0));
            let (shared, counted) = (lock.clone(), set.clone());
            setting.run_all(8, move |i| match shared.set(i) {
                Ok(()) => {
                    counted.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(shared.get(), Some(&i));
                }
                Err(back) => {
                    assert_eq!(back, i);
                    assert_ne!(shared.get(), Some(&i));
                }
            });
            assert_eq!(set.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn get_does_not_wait_for_an_initialiser() {
    let lock = OnceLock::new();
    let value = lock.get_or_init(|| {
        assert_eq!(lock.get(), None);
        assert_eq!(format!("{lock:?}"), "OnceLock(<uninit>)");
        1
    });
    assert_eq!(value, &1);
}

#[test]
fn an_initialiser_that_panics_leaves_it_empty_and_the_next_one_runs() {
    for_each_setting(|setting| {
        let (lock, panics) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
        let (shared, counted) = (lock.clone(), panics.clone());
        setting.run_all(6, move |_| {
            let initialise = || {
                *shared.get_or_init(|| {
                    setting.pause();
                    assert!(counted.load(Ordering::Relaxed) >= 3, "too early");
                    7
                })
            };
            match catch_unwind(AssertUnwindSafe(initialise)) {
                Ok(value) => assert_eq!(value, 7),
                Err(_) => {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert!(panics.load(Ordering::Relaxed) >= 3);
        assert_eq!(lock.get_or_init(|| 7), &7);
    });
    let lock = OnceLock::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.get_or_init(|| panic!("in it"))));
    assert_eq!(
        panicked.expect_err("it continues").downcast_ref(),
        Some(&"in it")
    );
    assert_eq!(lock.get(), None);
    assert_eq!(lock.set(1), Ok(()));
    assert_eq!(lock.into_inner(), Some(1));
}

#[test]
fn wait_returns_once_somebody_has_written_it() {
    for_each_setting(|setting| {
        let lock = Arc::new(OnceLock::new());
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let lock = lock.clone();
                setting.start(move || *lock.wait())
            })
            .collect();
        // A run that fails wakes them, and they wait on.
        let fails = || lock.get_or_init(|| panic!("not yet"));
        assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
        (0..5).for_each(|_| setting.pause());
        assert!(waiting.iter().all(|party| !party.is_finished()));
        assert_eq!(lock.set(9), Ok(()));
        for party in waiting {
            assert_eq!(party.join(), 9);
        }
        assert_eq!(lock.wait(), &9);
    });
}

#[test]
fn whoever_has_it_alone_may_change_it_take_it_and_begin_again() {
    let mut lock = OnceLock::new();
    assert_eq!(lock.get_mut(), None);
    assert_eq!(lock.take(), None);
    lock.set(vec![1]).expect("it is empty");
    lock.get_mut().expect("it is full").push(2);
    assert_eq!(lock.take(), Some(vec![1, 2]));
    assert_eq!(lock.get(), None);
    assert_eq!(lock.get_or_init(|| vec![3]), &[3]);
    assert_eq!(lock.into_inner(), Some(vec![3]));
    assert_eq!(OnceLock::<u32>::default().into_inner(), None);
}

#[test]
fn it_is_cloned_compared_converted_and_printed_by_its_value() {
    let (empty, full) = (OnceLock::new(), OnceLock::from("value".to_owned()));
    assert_eq!(empty.clone(), empty);
    assert_eq!(full.clone(), full);
    assert_ne!(empty, full);
    assert_eq!(full.clone().into_inner(), Some("value".to_owned()));
    assert_eq!(format!("{empty:?}"), "OnceLock(<uninit>)");
    assert_eq!(format!("{full:?}"), "OnceLock(\"value\")");
}

#[test]
fn its_value_is_dropped_once_with_it() {
    struct Counts<'a>(&'a Cell<u32>);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Cell::new(0);
    drop(OnceLock::<Counts<'_>>::new());
    assert_eq!(drops.get(), 0);
    let lock = OnceLock::from(Counts(&drops));
    assert!(lock.set(Counts(&drops)).is_err());
    assert_eq!(drops.get(), 1, "the one that was refused");
    drop(lock);
    assert_eq!(drops.get(), 2);
}

#[test]
fn it_may_hold_a_reference_to_what_is_dropped_before_it_as_stds() {
    let lock = OnceLock::new();
    let text = "text".to_owned();
    lock.set(&text).expect("it is empty");
    assert_eq!(lock.get(), Some(&&text));
}

#[test]
fn an_initialiser_that_is_cancelled_leaves_it_to_one_who_waits() {
    in_each_placement(|runtime| {
        let lock = Arc::new(OnceLock::new());
        let theirs = lock.clone();
        let first = runtime.go(move || *theirs.get_or_init(|| goroutine::park_forever()));
        wait_until_parked(runtime, &first, WaitReason::Forever);
        let others: Vec<_> = (0..3)
            .map(|i| {
                let theirs = lock.clone();
                let other = runtime.go(move || *theirs.get_or_init(|| i));
                wait_until_parked(runtime, &other, WaitReason::Once);
                other
            })
            .collect();
        first.cancel();
        expect_cancelled(first);
        wait_for(|| lock.get().is_some());
        for other in others {
            assert_eq!(Some(&other.join().expect("it ends")), lock.get());
        }
    });
}

#[test]
fn a_cancel_ends_a_wait_for_the_value() {
    in_each_placement(|runtime| {
        let lock = Arc::new(OnceLock::new());
        let start = || {
            let theirs = lock.clone();
            let waiting = runtime.go(move || *theirs.wait());
            wait_until_parked(runtime, &waiting, WaitReason::Once);
            waiting
        };
        let waiting = [start(), start(), start()];
        waiting[1].cancel();
        let [first, second, third] = waiting;
        expect_cancelled(second);
        assert_eq!(lock.set(5), Ok(()));
        assert_eq!(first.join().expect("it ends"), 5);
        assert_eq!(third.join().expect("it ends"), 5);
    });
}
