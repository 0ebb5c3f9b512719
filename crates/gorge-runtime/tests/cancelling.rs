//! A cancel in every state that a goroutine can be in: delivered once, or kept
//! back until it may be; never lost, never both a cancel and a value.

mod common;
#[path = "common/gate.rs"]
mod gate;
#[path = "common/marks.rs"]
mod marks;

use common::{in_each_placement, in_each_setting, wait_for};
use gate::{Gate, is_waiting};
use gorge_runtime::netpoll::{Direction, Pollable};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    JoinError, JoinHandle, Runtime, block_on, blocking, checkpoint, go, goroutine, scope, shield,
    yield_now,
};
use marks::{Counted, Mark};
use std::io::Read;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

/// Far more rounds than a cancel takes: a loop that comes to this end was not
/// told.
const ROUNDS: usize = 50_000_000;

#[track_caller]
fn expect_cancelled<T: std::fmt::Debug>(handle: JoinHandle<T>) {
    let error = handle.join().expect_err("it was cancelled");
    assert!(error.is_cancelled() && !error.is_panic(), "{error}");
}

/// Starts a goroutine that waits in `body`, and cancels it there: its frames are
/// unwound, once.
#[track_caller]
fn ends_while_it_waits(
    runtime: &Runtime,
    reason: WaitReason,
    body: impl FnOnce() + Send + 'static,
) {
    let drops = Arc::new(AtomicUsize::new(0));
    let captured = Counted(drops.clone());
    let handle = runtime.go(move || {
        let _captured = captured;
        body();
    });
    let id = handle.goroutine().id();
    wait_for(|| is_waiting(runtime, id, reason));
    handle.cancel();
    expect_cancelled(handle);
    assert_eq!(drops.load(Ordering::SeqCst), 1, "{reason}");
}

#[test]
fn a_cancel_ends_every_kind_of_wait() {
    in_each_placement(2, |runtime| {
        let ends = |reason, body: fn()| ends_while_it_waits(runtime, reason, body);
        ends(WaitReason::Park, goroutine::park);
        ends(WaitReason::Park, || goroutine::park_timeout(AGES));
        ends(WaitReason::Sleep, || goroutine::sleep(AGES));
        ends(WaitReason::Forever, || goroutine::park_forever());
        ends(WaitReason::BlockOn, || block_on(Gate::default()));
        ends(WaitReason::Join, || {
            // It goes on, detached, until the runtime ends.
            let _ = go(|| goroutine::park_forever()).join();
        });
        ends(WaitReason::Scope, || {
            scope(|s| drop(s.spawn(|| goroutine::park_forever())));
        });
        ends(WaitReason::Join, || {
            let other = Runtime::builder().max_procs(1).build().expect("a runtime");
            other.run(|| goroutine::park_forever());
        });
    });
}

#[test]
fn a_cancel_ends_a_wait_for_a_descriptor_and_takes_no_data() {
    in_each_placement(2, |runtime| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let reader = Arc::new(runtime.run(|| Pollable::new(reader).expect("pollable")));
        let theirs = reader.clone();
        ends_while_it_waits(runtime, WaitReason::Io, move || {
            let _ = theirs.io(Direction::Read, None, |mut pipe| pipe.read(&mut [0; 8]));
        });
        std::io::Write::write_all(&mut writer, b"kept").expect("written");
        let mut bytes = [0; 8];
        let read = reader.io(Direction::Read, None, |mut pipe| pipe.read(&mut bytes));
        assert_eq!(&bytes[..read.expect("it reads")], b"kept");
    });
}

#[test]
fn a_cancel_reaches_a_goroutine_that_never_has_to_wait() {
    in_each_setting(|runtime| {
        let finished = runtime.go(|| ());
        wait_for(|| finished.is_finished());
        let steps: [fn(); 7] = [
            checkpoint,
            yield_now,
            || goroutine::sleep(Duration::ZERO),
            || {
                goroutine::current().unpark();
                goroutine::park();
            },
            || {
                goroutine::current().unpark();
                goroutine::park_timeout(AGES);
            },
            || scope(|_| ()),
            || blocking(|| ()),
        ];
        for (number, step) in steps.into_iter().enumerate() {
            let started = Mark::default();
            let starts = started.clone();
            let handle = runtime.go(move || {
                starts.set();
                (0..ROUNDS).for_each(|_| step());
            });
            wait_for(|| started.is_set());
            handle.cancel();
            let error = handle.join().expect_err("it was cancelled");
            assert!(error.is_cancelled(), "step {number}: {error}");
        }
    });
}

#[test]
fn a_cancel_reaches_a_goroutine_that_joins_only_those_that_have_ended() {
    in_each_placement(2, |runtime| {
        let mut handles: Vec<_> = (0..10_000).map(|_| runtime.go(|| ())).collect();
        wait_for(|| handles.iter().all(JoinHandle::is_finished));
        let (started, go_on) = (Mark::default(), Mark::default());
        let (starts, goes_on) = (started.clone(), go_on.clone());
        let joiner = runtime.go(move || {
            starts.set();
            while !goes_on.is_set() {
                std::hint::spin_loop();
            }
            while let Some(handle) = handles.pop() {
                handle.join().expect("it returned");
            }
        });
        wait_for(|| started.is_set());
        joiner.cancel();
        go_on.set();
        expect_cancelled(joiner);
    });
}

#[test]
fn a_cancel_during_a_shield_is_told_by_the_first_operation_after_it() {
    in_each_placement(2, |runtime| {
        let (inside, go_on) = (Mark::default(), Mark::default());
        let (enters, goes_on) = (inside.clone(), go_on.clone());
        let handle = runtime.go(move || {
            let value = shield(|| {
                enters.set();
                while !goes_on.is_set() {
                    // It answers what the goroutine is asked for.
                    gorge_runtime::preempt::point();
                }
                goroutine::sleep(Duration::from_millis(1));
                shield(yield_now);
                gorge_runtime::preempt::point();
                7
            });
            assert_eq!(value, 7);
            gorge_runtime::preempt::point();
            unreachable!("the point tells it, though it need not wait");
        });
        wait_for(|| inside.is_set());
        handle.cancel();
        go_on.set();
        expect_cancelled(handle);
    });
}

#[test]
fn an_operation_that_may_not_tell_leaves_the_cancel_to_the_next_one() {
    in_each_placement(2, |runtime| {
        let (inside, go_on) = (Mark::default(), Mark::default());
        let (enters, goes_on) = (inside.clone(), go_on.clone());
        let handle = runtime.go(move || {
            enters.set();
            while !goes_on.is_set() {
                gorge_runtime::preempt::point_without_cancel();
            }
            gorge_runtime::preempt::point_without_cancel();
            gorge_runtime::preempt::point();
            unreachable!("the second point tells it");
        });
        wait_for(|| inside.is_set());
        handle.cancel();
        go_on.set();
        expect_cancelled(handle);
    });
}

#[test]
fn no_cancel_is_delivered_where_parking_is_forbidden() {
    in_each_placement(2, |runtime| {
        let (inside, go_on) = (Mark::default(), Mark::default());
        let (enters, goes_on) = (inside.clone(), go_on.clone());
        let left = Mark::default();
        let leaves = left.clone();
        let handle = runtime.go(move || {
            goroutine::no_park(|| {
                enters.set();
                while !goes_on.is_set() {
                    checkpoint();
                }
                // A mistake is reported as one, cancelled or not.
                let parked = catch_unwind(goroutine::park).expect_err("it is refused");
                assert!(!gorge_runtime::cancel::is_cancel(&*parked));
            });
            leaves.set();
            gorge_runtime::preempt::point();
            unreachable!("the point tells it");
        });
        wait_for(|| inside.is_set());
        handle.cancel();
        go_on.set();
        expect_cancelled(handle);
        assert!(left.is_set());
    });
}

#[test]
fn one_that_has_not_started_is_cancelled_although_its_destructor_would_wait() {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            goroutine::sleep(Duration::from_secs(3600));
        }
    }
    in_each_setting(|runtime| {
        runtime.run(|| {
            let captured = Waits;
            let unstarted = go(move || drop(captured));
            unstarted.cancel();
            // Or it has, where another processor was faster, or the slice was over.
            expect_cancelled(unstarted);
        });
    });
}

#[test]
fn many_cancels_at_once_are_one() {
    in_each_placement(2, |runtime| {
        for _ in 0..200 {
            let told = Arc::new(AtomicUsize::new(0));
            let counts = told.clone();
            let handle = runtime.go(move || {
                let result = catch_unwind(|| goroutine::park_forever());
                counts.fetch_add(1, Ordering::SeqCst);
                result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            });
            thread::scope(|threads| {
                let cancels = [(); 4].map(|()| threads.spawn(|| handle.cancel()));
                cancels
                    .into_iter()
                    .for_each(|it| it.join().expect("it cancelled"));
            });
            assert!(
                handle
                    .join()
                    .map(|_: ()| ())
                    .expect_err("cancelled")
                    .is_cancelled()
            );
            // Not at all if it had not started.
            assert!(told.load(Ordering::SeqCst) <= 1);
        }
    });
}

#[test]
fn a_cancel_that_races_with_the_end_gives_a_value_or_a_cancel() {
    in_each_placement(2, |runtime| {
        let mut seen = [0; 2];
        for round in 0..3000u32 {
            let returns = Mark::default();
            let returning = returns.clone();
            let handle = runtime.go(move || {
                (0..round % 4).for_each(|_| yield_now());
                returning.set();
                Box::new(round)
            });
            (0..round % 7).for_each(|_| yield_now());
            handle.cancel();
            let result: Result<Box<u32>, JoinError> = handle.join();
            assert_eq!(result.is_ok(), returns.is_set(), "round {round}");
            match result {
                Ok(value) => assert_eq!(*value, round),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
            seen[usize::from(returns.is_set())] += 1;
        }
        eprintln!("{} cancels, {} values", seen[0], seen[1]);
    });
}

#[test]
fn a_cancel_is_forwarded_to_the_children_of_a_scope_and_delivered_after_their_end() {
    in_each_placement(2, |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = drops.clone();
        let handle = runtime.go(move || {
            let owned = Counted(counted.clone());
            scope(|s| {
                for _ in 0..3 {
                    let mine = Counted(counted.clone());
                    let owned = &owned;
                    s.spawn(move || {
                        let _mine = mine;
                        scope(|inner| drop(inner.spawn(|| goroutine::park_forever())));
                        assert_eq!(owned.0.load(Ordering::SeqCst), usize::MAX, "not reached");
                    });
                }
            });
        });
        let id = handle.goroutine().id();
        wait_for(|| is_waiting(runtime, id, WaitReason::Scope));
        wait_for(|| runtime.num_goroutines() == 7);
        handle.cancel();
        expect_cancelled(handle);
        assert_eq!(drops.load(Ordering::SeqCst), 4);
        wait_for(|| runtime.num_goroutines() == 0);
    });
}
