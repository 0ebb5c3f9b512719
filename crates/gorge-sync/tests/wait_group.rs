//! What a wait group does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

mod common;

use common::for_each_setting;
use gorge_sync::WaitGroup;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_wait_for_nothing_returns_at_once() {
    let group = WaitGroup::new();
    group.wait();
    group.add(0);
    assert!(group.wait_timeout(Duration::ZERO));
    assert_eq!(format!("{group:?}"), "WaitGroup { counter: 0 }");
}

#[test]
fn two_groups_make_a_barrier_that_nobody_passes_early() {
    for_each_setting(|setting| {
        let (arrived, leave) = (WaitGroup::new(), WaitGroup::new());
        for _ in 0..8 {
            arrived.add(16);
            leave.add(1);
            let left = Arc::new(AtomicUsize::new(0));
            let parties: Vec<_> = (0..16)
                .map(|_| {
                    let (arrived, leave) = (arrived.clone(), leave.clone());
                    let left = Arc::clone(&left);
                    setting.start(move || {
                        arrived.done();
                        leave.wait();
                        left.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            arrived.wait();
            assert_eq!(left.load(Ordering::Relaxed), 0);
            leave.done();
            parties.into_iter().for_each(common::Party::join);
            assert_eq!(left.load(Ordering::Relaxed), 16);
        }
    });
}

#[test]
fn a_wait_is_not_over_before_the_last_done() {
    for_each_setting(|setting| {
        for _ in 0..1000 {
            let group = WaitGroup::new();
            let count = Arc::new(AtomicUsize::new(0));
            group.add(2);
            let parties: Vec<_> = (0..2)
                .map(|_| {
                    let (group, count) = (group.clone(), Arc::clone(&count));
                    setting.start(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                        group.done();
                    })
                })
                .collect();
            group.wait();
            assert_eq!(count.load(Ordering::Relaxed), 2);
            parties.into_iter().for_each(common::Party::join);
        }
    });
}

#[test]
fn a_group_may_be_used_again_while_earlier_waits_still_return() {
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        for _ in 0..300 {
            group.add(1);
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let group = group.clone();
                    setting.start(move || group.wait())
                })
                .collect();
            group.done();
            group.add(1);
            let finished = Arc::new(AtomicBool::new(false));
            let (worker, flag) = (group.clone(), Arc::clone(&finished));
            let party = setting.start(move || {
                flag.store(true, Ordering::Relaxed);
                worker.done();
            });
            group.wait();
            assert!(
                finished.load(Ordering::Relaxed),
                "woken by the round before"
            );
            party.join();
            waiters.into_iter().for_each(common::Party::join);
        }
    });
}

#[test]
fn a_timed_wait_says_whether_zero_was_reached() {
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        group.add(1);
        assert!(!group.wait_timeout(Duration::from_millis(2)));
        assert!(!group.wait_timeout(Duration::ZERO));
        let patient = group.clone();
        let waiter = setting.start(move || patient.wait_timeout(Duration::from_secs(600)));
        group.done();
        assert!(waiter.join());
        assert!(group.wait_timeout(Duration::MAX));
    });
}

#[test]
fn timed_waits_that_give_up_take_no_wake_up_from_others() {
    for_each_setting(|setting| {
        for round in 0..200 {
            let group = WaitGroup::new();
            group.add(1);
            let parties: Vec<_> = (0..4)
                .map(|party| {
                    let group = group.clone();
                    setting.start(move || match party {
                        0 => group.wait(),
                        _ => drop(group.wait_timeout(Duration::from_micros(round))),
                    })
                })
                .collect();
            setting.pause();
            group.done();
            parties.into_iter().for_each(common::Party::join);
        }
    });
}

#[test]
fn too_many_dones_panic_with_the_rule_and_change_nothing() {
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        let misused = group.clone();
        let message = setting.start(move || misused.done()).panic_message();
        assert_eq!(
            message,
            "WaitGroup: negative counter: done() was called more often than add() counted"
        );
        group.add(1);
        group.done();
        group.wait();
    });
}

#[test]
fn too_high_a_counter_panics_and_changes_nothing() {
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        group.add(i32::MAX as usize);
        for n in [1, usize::MAX] {
            let misused = group.clone();
            let message = setting.start(move || misused.add(n)).panic_message();
            assert!(
                message.starts_with("WaitGroup: counter overflow"),
                "{message}"
            );
        }
        assert_eq!(format!("{group:?}"), "WaitGroup { counter: 2147483647 }");
    });
}

#[test]
fn what_a_started_goroutine_did_is_visible_after_the_wait() {
    for_each_setting(|_| {
        let group = WaitGroup::new();
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let count = Arc::clone(&count);
            group.go(move || count.fetch_add(1, Ordering::Relaxed));
        }
        group.wait();
        assert_eq!(count.load(Ordering::Relaxed), 50);
        assert_eq!(group.go(|| 7).join().unwrap(), 7);
    });
}

#[test]
fn a_started_goroutine_drops_what_it_captured_before_the_wait_is_over() {
    struct Slow(Arc<AtomicUsize>, common::Setting);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.1.pause();
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for_each_setting(|setting| {
        let group = WaitGroup::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        for fails in [false, true] {
            let slow = Slow(Arc::clone(&dropped), setting);
            group.go(move || {
                let _slow = &slow;
                assert!(!fails, "on purpose");
            });
        }
        group.wait();
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_started_goroutine_that_panics_counts_as_done_and_says_so_when_joined() {
    for_each_setting(|_| {
        let group = WaitGroup::new();
        let handle = group.go(|| panic!("on purpose"));
        group.wait();
        assert!(handle.join().is_err());
    });
}
