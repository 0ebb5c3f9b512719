//! What a barrier does, through its public interface.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_types, reason = "tests count with plain atomics")]

#[path = "common/cancels.rs"]
mod cancels;
mod common;

use cancels::{expect_cancelled, in_each_placement, pause_in, wait_for, wait_until_parked};
use common::for_each_setting;
use gorge_runtime::park::WaitReason;
use gorge_runtime::{JoinHandle, checkpoint, goroutine};
use gorge_sync::Barrier;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

static STATIC: Barrier = Barrier::new(1);

#[test]
fn it_is_send_sync_unwind_safe_and_lives_in_a_static() {
    fn is<T: Send + Sync + UnwindSafe + RefUnwindSafe>(_: &T) {}
    is(&STATIC);
    assert!(STATIC.wait().is_leader());
    assert_eq!(format!("{STATIC:?}"), "Barrier { .. }");
    let result = STATIC.wait();
    assert_eq!(
        format!("{result:?}"),
        "BarrierWaitResult { is_leader: true }"
    );
}

#[test]
fn at_a_barrier_of_none_or_one_nobody_waits_and_everybody_leads() {
    for_each_setting(|setting| {
        for n in [0, 1] {
            let barrier = Arc::new(Barrier::new(n));
            setting.run_all(5, move |_| {
                for _ in 0..10 {
                    assert!(barrier.wait().is_leader());
                }
            });
        }
    });
}

#[test]
fn nobody_passes_before_the_last_has_arrived_and_that_one_leads() {
    for_each_setting(|setting| {
        let (barrier, passed) = (Arc::new(Barrier::new(6)), Arc::new(AtomicUsize::new(0)));
        let parties: Vec<_> = (0..5)
            .map(|_| {
                let (barrier, passed) = (barrier.clone(), passed.clone());
                setting.start(move || {
                    let leads = barrier.wait().is_leader();
                    passed.fetch_add(1, Ordering::SeqCst);
                    leads
                })
            })
            .collect();
        (0..20).for_each(|_| setting.pause());
        assert_eq!(passed.load(Ordering::SeqCst), 0);
        // Whoever was last of the six leads, and that may be one of the others.
        let leaders = usize::from(barrier.wait().is_leader());
        let others = parties.into_iter().map(|party| usize::from(party.join()));
        assert_eq!(leaders + others.sum::<usize>(), 1);
        assert_eq!(passed.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn generations_follow_each_other_at_once_and_each_has_one_leader() {
    const PARTIES: usize = 5;
    const ROUNDS: usize = 200;
    for_each_setting(|setting| {
        let barrier = Arc::new(Barrier::new(PARTIES));
        let (leaders, arrived) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = leaders.clone();
        setting.run_all(PARTIES, move |_| {
            for round in 1..=ROUNDS {
                arrived.fetch_add(1, Ordering::Relaxed);
                if barrier.wait().is_leader() {
                    leaders.fetch_add(1, Ordering::Relaxed);
                }
                let so_far = arrived.load(Ordering::Relaxed);
                assert!(so_far >= round * PARTIES, "somebody passed early");
                assert!(so_far < (round + 1) * PARTIES, "somebody is a round ahead");
            }
        });
        assert_eq!(counted.load(Ordering::Relaxed), ROUNDS);
    });
}

#[test]
fn a_cancelled_waiter_takes_its_arrival_back() {
    in_each_placement(|runtime| {
        let barrier = Arc::new(Barrier::new(3));
        let start = || {
            let barrier = barrier.clone();
            let handle = runtime.go(move || barrier.wait().is_leader());
            wait_until_parked(runtime, &handle, WaitReason::Barrier);
            handle
        };
        let (first, second) = (start(), start());
        first.cancel();
        expect_cancelled(first);
        // There is one again: without another cancel, this one would pass.
        let third = start();
        second.cancel();
        expect_cancelled(second);
        let fourth = start();
        assert!(barrier.wait().is_leader());
        assert!(!third.join().expect("it passes"));
        assert!(!fourth.join().expect("it passes"));
    });
}

#[test]
fn a_cancel_that_is_pending_is_told_before_the_arrival() {
    in_each_placement(|runtime| {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = barrier.clone();
        let handle = runtime.go(move || {
            let told = catch_unwind(AssertUnwindSafe(|| goroutine::park_forever()));
            assert!(told.is_err());
            theirs.wait();
        });
        wait_until_parked(runtime, &handle, WaitReason::Forever);
        handle.cancel();
        expect_cancelled(handle);
        let theirs = barrier.clone();
        let other = runtime.go(move || theirs.wait().is_leader());
        wait_until_parked(runtime, &other, WaitReason::Barrier);
        assert!(barrier.wait().is_leader());
        other.join().expect("it passes");
    });
}

#[test]
fn a_cancel_that_races_with_the_completion_counts_as_one_or_the_other() {
    in_each_placement(|runtime| {
        let barrier = Arc::new(Barrier::new(2));
        for _ in 0..200 {
            let passed = Arc::new(AtomicUsize::new(0));
            let (theirs, counted) = (barrier.clone(), passed.clone());
            let victim = runtime.go(move || {
                theirs.wait();
                counted.fetch_add(1, Ordering::SeqCst);
                checkpoint();
            });
            let theirs = barrier.clone();
            let other = runtime.go(move || theirs.wait().is_leader());
            victim.cancel();
            let victim_was_cancelled = victim.join().is_err_and(|error| error.is_cancelled());
            if passed.load(Ordering::SeqCst) == 0 {
                assert!(victim_was_cancelled);
                // It did not count, so the other one waits for this one.
                barrier.wait();
            }
            other.join().expect("it passes");
        }
    });
}

#[test]
fn cancelled_crowds_leave_nobody_counted() {
    in_each_placement(|runtime| {
        let barrier = Arc::new(Barrier::new(100));
        for round in 0..50 {
            let handles: Vec<_> = (0..8)
                .map(|_| {
                    let barrier = barrier.clone();
                    runtime.go(move || barrier.wait().is_leader())
                })
                .collect();
            pause_in(round);
            handles.iter().for_each(JoinHandle::cancel);
            handles.into_iter().for_each(expect_cancelled);
        }
        let passed = Arc::new(AtomicUsize::new(0));
        let start = |n| -> Vec<_> {
            (0..n)
                .map(|_| {
                    let (barrier, passed) = (barrier.clone(), passed.clone());
                    runtime.go(move || {
                        barrier.wait();
                        passed.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect()
        };
        let most = start(99);
        wait_until_parked(runtime, &most[98], WaitReason::Barrier);
        assert_eq!(passed.load(Ordering::SeqCst), 0);
        let last = start(1);
        wait_for(|| passed.load(Ordering::SeqCst) == 100);
        for handle in most.into_iter().chain(last) {
            handle.join().expect("it passes");
        }
    });
}
