//! Waiting under a context: for a time, for a function, as a future, by a channel of others.

use crate::common::{self, LONG, SHORT, everywhere, in_virtual_time};
use crate::polling::{Bell, poll, poll_with};
use gorge_channel::context::{self, Context, ContextError};
use gorge_channel::{RecvError, TryRecvError, bounded, never, time};
use gorge_runtime::{Runtime, block_on, catch_panic, go, goroutine, num_goroutines};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_ends_with_its_time_or_with_the_context() {
    in_virtual_time(|| {
        let start = time::now();
        let (context, guard) = context::background().with_cancel();
        assert_eq!(context.sleep(20 * MS), Ok(()));
        assert_eq!(context.sleep_until(start + 30 * MS), Ok(()));
        assert_eq!(context.sleep_until(start), Ok(()));
        assert_eq!(context.sleep(Duration::ZERO), Ok(()));
        assert_eq!(time::now(), start + 30 * MS);

        let (timed, _timed_guard) = context.with_timeout(10 * MS);
        assert_eq!(
            timed.sleep(Duration::MAX),
            Err(ContextError::DeadlineExceeded)
        );
        assert_eq!(time::now(), start + 40 * MS);
        assert_eq!(
            timed.sleep(Duration::ZERO),
            Err(ContextError::DeadlineExceeded)
        );

        let sleeper = go({
            let context = context.clone();
            move || (context.sleep(LONG), time::now())
        });
        time::sleep(5 * MS);
        guard.cancel();
        let slept = sleeper.join().expect("no panic");
        assert_eq!(slept, (Err(ContextError::Canceled), start + 45 * MS));
        assert_eq!(context::background().sleep(MS), Ok(()));
    });
}

#[test]
fn sleepers_hear_of_a_cancel_wherever_they_are() {
    everywhere(|parties| {
        let (context, guard) = context::background().with_cancel();
        parties.scope(|scope| {
            let sleepers = [LONG, Duration::MAX].map(|duration| {
                let context = &context;
                scope.spawn(move || context.sleep(duration))
            });
            parties.settle();
            guard.cancel();
            for sleeper in sleepers {
                assert_eq!(sleeper.join(), Err(ContextError::Canceled));
            }
        });
    });
}

#[test]
fn a_function_runs_to_its_end_if_the_context_lets_it() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let words = ["lent", "to", "it"];
        let run = || context.run(|| words.map(str::len));
        assert_eq!(run(), Ok([4, 2, 2]));
        guard.cancel();
        assert_eq!(run(), Err(ContextError::Canceled));
        let never_called = context.run(|| unreachable!("the context is done"));
        assert_eq!(never_called, Err::<(), _>(ContextError::Canceled));
    });
}

#[test]
fn a_function_ends_with_the_context_wherever_it_waits() {
    everywhere(|parties| {
        let (context, guard) = context::background().with_cancel();
        let (sender, receiver) = bounded::<u8>(0);
        parties.scope(|scope| {
            let runner = scope.spawn(|| {
                context.run(|| {
                    let received = receiver.recv();
                    unreachable!("nobody sends, but {received:?}")
                })
            });
            parties.settle();
            guard.cancel();
            assert_eq!(runner.join(), Err::<(), _>(ContextError::Canceled));
        });
        assert!(sender.try_send(1).is_err(), "nobody receives any more");
    });
}

#[test]
fn what_a_function_returns_too_late_is_dropped() {
    in_virtual_time(|| {
        let (context, _guard) = context::background().with_timeout(10 * MS);
        let counted = Arc::new(());
        let late = context.run(|| {
            gorge_runtime::shield(|| {
                time::sleep(20 * MS);
                counted.clone()
            })
        });
        assert_eq!(late.map(drop), Err(ContextError::DeadlineExceeded));
        assert_eq!(Arc::strong_count(&counted), 1);
    });
}

#[test]
fn a_panic_of_the_function_goes_on() {
    everywhere(|_| {
        let (context, _guard) = context::background().with_cancel();
        let run = || context.run(|| panic!("of the function"));
        let panic = catch_panic(AssertUnwindSafe(run)).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"of the function"));
        assert_eq!(context.run(|| 1), Ok(1));
    });
}

#[test]
fn a_cancel_of_the_caller_reaches_the_function() {
    for migrating in [false, true] {
        let runtime = common::build(Runtime::builder().max_procs(2), migrating);
        runtime.run(|| {
            let (began, begins) = bounded(0);
            let (ended, ends) = bounded(1);
            let caller = go(move || {
                let (context, _guard) = context::background().with_cancel();
                context.run(|| {
                    let _ended = ended;
                    began.send(()).expect("it is waited for");
                    goroutine::park_forever()
                })
            });
            begins.recv().expect("it begins");
            caller.cancel();
            assert!(caller.join().expect_err("cancelled").is_cancelled());
            assert_eq!(ends.try_recv(), Err::<(), _>(TryRecvError::Disconnected));
        });
    }
}

#[test]
fn a_future_is_ready_when_the_context_is_done() {
    everywhere(|parties| {
        let (context, guard) = context::background().with_cancel();
        let (child, _child_guard) = context.with_value(1).with_cancel();
        let bell = Arc::new(Bell::default());
        {
            let mut dropped = pin!(child.cancelled());
            assert_eq!(poll_with(dropped.as_mut(), &bell), Poll::Pending);
        }
        let mut future = pin!(child.cancelled());
        assert_eq!(poll_with(future.as_mut(), &bell), Poll::Pending);
        guard.cancel();
        parties.until(|| bell.rung() > 0);
        for _ in 0..2 {
            let polled = poll(future.as_mut());
            assert_eq!(polled, Poll::Ready(ContextError::Canceled));
        }
        assert_eq!(block_on(context.cancelled()), ContextError::Canceled);
    });
}

#[test]
fn a_future_is_woken_by_a_deadline() {
    everywhere(|_| {
        let (context, _guard) = context::background().with_timeout(SHORT);
        assert_eq!(
            block_on(context.cancelled()),
            ContextError::DeadlineExceeded
        );
    });
    in_virtual_time(|| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(50 * MS);
        let (child, _child_guard) = context.with_cancel();
        assert_eq!(block_on(child.cancelled()), ContextError::DeadlineExceeded);
        assert_eq!(time::now(), start + 50 * MS);
    });
}

// TestCustomContextPropagation
#[test]
fn a_foreign_channel_ends_a_context_and_those_below() {
    everywhere(|_| {
        for by_value in [false, true] {
            let (stop, done) = bounded(1);
            let context = Context::from_done(done.clone());
            let (child, _guard) = context.with_value(1).with_cancel();
            assert_eq!((context.err(), child.err()), (None, None));
            match by_value {
                true => stop.send(()).expect("there is room"),
                false => drop(stop),
            }
            assert_eq!(child.done().recv(), Err(RecvError));
            assert_eq!(child.err(), Some(ContextError::Canceled));
            assert_eq!(context.err(), Some(ContextError::Canceled));
            assert_eq!(done.len(), usize::from(by_value), "it is not taken");
            let late = Context::from_done(done);
            assert_eq!(late.err(), Some(ContextError::Canceled));
        }
    });
}

#[test]
fn a_foreign_channel_of_a_context_ends_with_its_deadline() {
    in_virtual_time(|| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(50 * MS);
        let foreign = Context::from_done(context.done().clone());
        assert_eq!(foreign.deadline(), None);
        assert_eq!(foreign.sleep(LONG), Err(ContextError::Canceled));
        assert_eq!(time::now(), start + 50 * MS);
    });
}

#[test]
fn nobody_waits_for_a_foreign_channel_that_nobody_asks_for() {
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    runtime.run(|| {
        let (_stop, done) = bounded(0);
        let context = Context::from_done(done);
        let child = context.with_value(1);
        assert_eq!(num_goroutines(), 2);
        drop(context);
        goroutine::yield_now();
        assert_eq!((num_goroutines(), child.err()), (2, None));
        assert_eq!(
            child.to_string(),
            "context.Background.WithCancel.FromDone.WithValue(type i32)"
        );
        drop(child);
        while num_goroutines() > 1 {
            goroutine::yield_now();
        }
        let endless = Context::from_done(never());
        assert_eq!((num_goroutines(), endless.is_cancellable()), (1, false));
    });
}

#[test]
fn a_context_may_be_dropped_by_who_unwinds() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _guard = guard;
            let (_child, _child_guard) = context.with_timeout(LONG);
            panic!("on purpose");
        }));
        assert!(unwound.is_err());
        assert_eq!(context.err(), Some(ContextError::Canceled));
    });
}
