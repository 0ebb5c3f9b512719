//! Join handles as futures: who is woken, what is taken, what is dropped.
#![allow(
    clippy::disallowed_methods,
    reason = "plain OS threads take part in these tests"
)]

mod common;
#[path = "common/gate.rs"]
mod gate;
#[path = "common/probe.rs"]
mod probe;

use common::{Setting, in_each_setting, wait_for};
use futures_util::future::{self, Either, join_all};
use gate::is_waiting;
use gorge_runtime::park::WaitReason;
use gorge_runtime::{JoinHandle, Runtime, block_on, goroutine, yield_now};
use probe::{Probe, Use};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// A goroutine that waits until it is unparked, and then returns the value.
fn parked<T: Send + 'static>(runtime: &Runtime, value: T) -> JoinHandle<T> {
    runtime.go(move || {
        goroutine::park();
        value
    })
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_handle_is_awaited_on_goroutines_threads_and_tokio() {
    in_each_setting(|runtime| {
        let spawn = || {
            runtime.go(|| {
                yield_now();
                42
            })
        };
        let handle = spawn();
        assert_eq!(runtime.run(|| block_on(handle)).expect("a value"), 42);
        assert_eq!(block_on(spawn()).expect("a value"), 42);
        let mut tokio = tokio::runtime::Builder::new_current_thread();
        let tokio = tokio.enable_time().build().expect("a runtime of tokio's");
        assert_eq!(tokio.block_on(spawn()).expect("a value"), 42);
        let handle = spawn();
        let task = tokio.spawn(async { handle.await.expect("a value") + 1 });
        assert_eq!(tokio.block_on(task).expect("a task"), 43);
    });
}

#[test]
fn handles_are_joined_and_selected_among() {
    in_each_setting(|runtime| {
        let (left, right) = (parked(runtime, 1), parked(runtime, 2));
        left.goroutine().unpark();
        let first = block_on(future::select(left, right));
        let Either::Left((Ok(1), right)) = first else {
            panic!("only the left one was unparked");
        };
        right.goroutine().unpark();
        let both = block_on(future::join(right, runtime.go(|| 3)));
        assert!(matches!(both, (Ok(2), Ok(3))), "{both:?}");
        let many = (0..1000).map(|i| runtime.go(move || i));
        let values = runtime.run(|| block_on(join_all(many)));
        assert!((0..1000).eq(values.into_iter().map(|it| it.expect("a value"))));
    });
}

#[test]
fn panics_and_cancels_arrive_as_errors() {
    in_each_setting(|runtime| {
        let panicking = runtime.go(|| -> () { panic!("on purpose") });
        let error = block_on(panicking).expect_err("it panicked");
        assert!(error.to_string().contains("on purpose"), "{error}");
        let mut waiting = parked(runtime, ());
        let probe = Probe::new(|_| ());
        assert!(poll(&mut waiting, &probe.waker()).is_pending());
        waiting.cancel();
        wait_for(|| probe.count(Use::Wake) == 1);
        let error = block_on(waiting).expect_err("it was unwound");
        assert!(error.is_cancelled());
    });
}

#[test]
fn the_last_waker_is_woken_once_and_the_others_dropped() {
    in_each_setting(|runtime| {
        let mut handle = parked(runtime, 5);
        let [first, last] = [(); 2].map(|()| Probe::new(|_| ()));
        assert!(poll(&mut handle, &first.waker()).is_pending());
        assert_eq!(first.kept(), 1);
        for _ in 0..3 {
            assert!(poll(&mut handle, &last.waker()).is_pending());
        }
        assert_eq!((first.kept(), last.kept()), (0, 1));
        assert_eq!(
            last.count(Use::Clone),
            1,
            "it will wake: no need for another"
        );
        handle.goroutine().unpark();
        wait_for(|| last.count(Use::Wake) == 1);
        assert!(matches!(
            poll(&mut handle, &first.waker()),
            Poll::Ready(Ok(5))
        ));
        wait_for(|| last.kept() == 0);
        assert_eq!((first.count(Use::Wake), last.count(Use::Wake)), (0, 1));
        assert_eq!(first.kept(), 0);
    });
}

#[test]
fn a_polled_handle_may_be_dropped_before_and_after_the_end() {
    in_each_setting(|runtime| {
        let (probe, drops) = (Probe::new(|_| ()), Arc::new(AtomicUsize::new(0)));
        let mut handle = parked(runtime, Counted(drops.clone()));
        let goroutine = handle.goroutine().clone();
        assert!(poll(&mut handle, &probe.waker()).is_pending());
        drop(handle);
        assert_eq!(probe.kept(), 0, "a handle takes its waker with it");
        goroutine.unpark();
        wait_for(|| drops.load(Ordering::SeqCst) == 1);

        let mut handle = parked(runtime, Counted(drops.clone()));
        assert!(poll(&mut handle, &probe.waker()).is_pending());
        handle.goroutine().unpark();
        wait_for(|| handle.is_finished());
        drop(handle);
        wait_for(|| drops.load(Ordering::SeqCst) == 2 && probe.kept() == 0);
        assert!(probe.count(Use::Wake) <= 1);
    });
}

#[test]
fn a_polled_handle_may_be_joined() {
    in_each_setting(|runtime| {
        let probe = Probe::new(|_| ());
        for wait in [false, true] {
            let mut handle = parked(runtime, 6);
            assert!(poll(&mut handle, &probe.waker()).is_pending());
            handle.goroutine().unpark();
            if wait {
                wait_for(|| handle.is_finished());
            }
            assert_eq!(runtime.run(|| handle.join()).expect("a value"), 6);
        }
        wait_for(|| probe.kept() == 0);
    });
}

#[test]
fn a_cancelled_join_of_a_polled_handle_leaves_nothing_behind() {
    in_each_setting(|runtime| {
        let probe = Probe::new(|_| ());
        let mut handle = parked(runtime, ());
        let goroutine = handle.goroutine().clone();
        assert!(poll(&mut handle, &probe.waker()).is_pending());
        let joiner = runtime.go(move || handle.join());
        joiner.cancel();
        assert!(joiner.join().expect_err("unwound").is_cancelled());
        assert_eq!((probe.kept(), probe.count(Use::Wake)), (0, 0));
        goroutine.unpark();
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

#[test]
fn the_result_is_taken_once_and_the_handle_stays_of_use() {
    fn message(caught: thread::Result<()>) -> String {
        let payload = caught.expect_err("it panicked");
        *payload.downcast::<String>().expect("a formatted message")
    }
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut handle = runtime.go({
            let result = Counted(drops.clone());
            move || result
        });
        drop(block_on(&mut handle).expect("a value"));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(handle.is_finished() && handle.goroutine().name().is_none());
        handle.cancel();
        let again = catch_unwind(AssertUnwindSafe(|| drop(block_on(&mut handle))));
        let text = message(again);
        assert!(
            text.contains("JoinHandle::poll after the handle was ready"),
            "{text}"
        );
        let joined = catch_unwind(AssertUnwindSafe(|| drop(handle.join())));
        let text = message(joined);
        assert!(
            text.contains("JoinHandle::join after the handle was ready"),
            "{text}"
        );
        wait_for(|| runtime.num_goroutines() == 0);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

/// A reaction that panics at one use, without a message.
fn panics_at(wanted: Use) -> impl Fn(Use) + Send + Sync {
    move |used| {
        if used == wanted {
            resume_unwind(Box::new("a waker's panic"));
        }
    }
}

#[test]
fn a_panic_of_wakers_harms_neither_the_goroutine_nor_the_handle() {
    in_each_setting(|runtime| {
        let in_clone = Probe::new(panics_at(Use::Clone));
        let mut handle = parked(runtime, 1);
        let waker = in_clone.waker();
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut handle, &waker))).is_err());
        assert_eq!(in_clone.kept(), 1, "the one that was to be cloned");

        let in_wake = Probe::new(panics_at(Use::Wake));
        assert!(poll(&mut handle, &in_wake.waker()).is_pending());
        handle.goroutine().unpark();
        wait_for(|| in_wake.count(Use::Wake) == 1);
        assert_eq!(block_on(handle).expect("the result is fine"), 1);
        wait_for(|| in_wake.kept() == 0);

        let mut handle = parked(runtime, 2);
        let in_drop = Probe::new(panics_at(Use::Drop));
        let waker = ManuallyDrop::new(in_drop.waker());
        assert!(poll(&mut handle, &waker).is_pending());
        let next = Waker::noop();
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut handle, next))).is_err());
        assert!(
            poll(&mut handle, &waker).is_pending(),
            "the next one is kept"
        );
        let goroutine = handle.goroutine().clone();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err());
        goroutine.unpark();
        wait_for(|| runtime.num_goroutines() == 0);
        assert_eq!(in_drop.kept(), 1, "the one that was polled with");
        let last = || drop(ManuallyDrop::into_inner(waker));
        assert!(catch_unwind(AssertUnwindSafe(last)).is_err());
    });
}

#[test]
fn wakers_may_come_back_to_the_slot() {
    for migrating in [false, true] {
        let procs = 2;
        let runtime = Arc::new(Setting { migrating, procs }.runtime());
        // A dump takes the lock of every join slot for a moment.
        let looks = Arc::downgrade(&runtime);
        let probe = Probe::new(move |_| drop(looks.upgrade().map(|it| it.dump_states())));
        let polled = || {
            let mut handle = parked(&runtime, 1);
            assert!(poll(&mut handle, &probe.waker()).is_pending());
            assert!(poll(&mut handle, Waker::noop()).is_pending());
            assert!(poll(&mut handle, &probe.waker()).is_pending());
            let goroutine = handle.goroutine().clone();
            (handle, goroutine)
        };
        let (woken, goroutine) = polled();
        goroutine.unpark();
        wait_for(|| woken.is_finished() && probe.kept() == 0);

        let (dropped, goroutine) = polled();
        drop(dropped);
        assert_eq!(probe.kept(), 0);
        goroutine.unpark();

        let (joined, goroutine) = polled();
        let joiner = runtime.go(move || joined.join());
        let id = joiner.goroutine().id();
        wait_for(|| is_waiting(&runtime, id, WaitReason::Join));
        assert_eq!(probe.kept(), 0);
        goroutine.unpark();
        assert!(matches!(joiner.join(), Ok(Ok(1))));
        assert_eq!(probe.count(Use::Wake), 1);
    }
}

/// The clone of a waker lets the goroutine end in the middle of the poll.
#[test]
fn an_end_during_a_poll_is_seen_by_it() {
    for migrating in [false, true] {
        let procs = 2;
        let runtime = Arc::new(Setting { migrating, procs }.runtime());
        for polled_before in [false, true] {
            let mut handle = parked(&runtime, 4);
            let before = Probe::new(|_| ());
            if polled_before {
                assert!(poll(&mut handle, &before.waker()).is_pending());
            }
            let goroutine = handle.goroutine().clone();
            let looks = Arc::downgrade(&runtime);
            let probe = Probe::new(move |used| {
                if used == Use::Clone {
                    goroutine.unpark();
                    let runtime = looks.upgrade().expect("the test holds it");
                    wait_for(|| runtime.dump_states().goroutines().is_empty());
                }
            });
            let polled = poll(&mut handle, &probe.waker());
            assert!(matches!(polled, Poll::Ready(Ok(4))), "{polled:?}");
            assert_eq!(before.count(Use::Wake), usize::from(polled_before));
            assert_eq!((before.kept(), probe.kept()), (0, 0));
        }
    }
}

#[test]
fn a_waker_of_a_cancelled_goroutine_may_wait() {
    in_each_setting(|runtime| {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        let probe = Probe::new(move |used| {
            if used == Use::Wake {
                yield_now();
                goroutine::sleep(Duration::from_micros(1));
                flag.store(true, Ordering::SeqCst);
            }
        });
        let mut handle = parked(runtime, ());
        assert!(poll(&mut handle, &probe.waker()).is_pending());
        handle.cancel();
        wait_for(|| woken.load(Ordering::SeqCst));
        assert!(block_on(handle).expect_err("unwound").is_cancelled());
    });
}

#[test]
fn scoped_handles_are_awaited() {
    in_each_setting(|runtime| {
        let words = ["to", "be"];
        let lengths = runtime.run(|| {
            goroutine::scope(|s| {
                let [first, second] = words.map(|word| s.spawn(|| &*word));
                let failing = s.spawn(|| -> () { panic!("on purpose") });
                let (first, second) = block_on(future::join(first, second));
                // Whoever awaits a panic has taken note of it.
                assert!(block_on(failing).expect_err("it panicked").is_panic());
                [first, second].map(|word| word.expect("a word").len())
            })
        });
        assert_eq!(lengths, [2, 2]);
    });
}

#[test]
fn a_handle_may_be_awaited_when_its_runtime_is_gone() {
    for migrating in [false, true] {
        let procs = 2;
        let runtime = Setting { migrating, procs }.runtime();
        let probe = Probe::new(|_| ());
        let (mut unwound, mut unused) = (parked(&runtime, 1), parked(&runtime, 2));
        let finished = runtime.go(|| 3);
        wait_for(|| finished.is_finished());
        assert!(poll(&mut unwound, &probe.waker()).is_pending());
        assert!(poll(&mut unused, &probe.waker()).is_pending());
        drop(runtime);
        assert_eq!((probe.count(Use::Wake), probe.kept()), (2, 0));
        assert_eq!(block_on(finished).expect("a value"), 3);
        assert!(block_on(unwound).expect_err("unwound").is_cancelled());
    }
}

/// Ends and polls, joins, drops at the same moment, many times.
#[test]
fn every_end_finds_its_waker_whatever_the_handle_does() {
    in_each_setting(|runtime| {
        let (drops, probe) = (Arc::new(AtomicUsize::new(0)), Probe::new(|_| ()));
        for round in 0..3000 {
            let result = Counted(drops.clone());
            let mut handle = runtime.go(move || result);
            let polled = poll(&mut handle, &probe.waker());
            if polled.is_ready() {
                continue;
            }
            match round % 4 {
                0 => drop(handle),
                1 => drop(handle.join().expect("a value")),
                2 => drop(block_on(handle).expect("a value")),
                _ => drop(runtime.run(|| block_on(handle)).expect("a value")),
            }
        }
        wait_for(|| drops.load(Ordering::SeqCst) == 3000 && probe.kept() == 0);
    });
}
