//! Pipes between coroutines, one-way and two-way.

use super::common::{cancellable, everywhere, wait_for, with_each_context};
use gorge_channel::RecvError;
use gorge_channel::context::background;
use gorge_patterns::{duplex, pipe};
use gorge_runtime::{catch_panic, go, num_goroutines, sim};
use std::panic::AssertUnwindSafe;

#[test]
fn a_pipe_has_what_its_function_sends() {
    with_each_context(|ctx| {
        let values = pipe(ctx, |out| {
            for outer in 0..10 {
                for inner in 0..outer {
                    out.send((outer, inner))?;
                }
            }
            Ok::<_, gorge_channel::SendError<_>>(())
        });
        let expected = (0..10).flat_map(|outer| (0..outer).map(move |inner| (outer, inner)));
        assert!(values.iter().eq(expected));
    });
}

#[test]
fn a_pipes_function_is_told_when_nobody_receives() {
    with_each_context(|ctx| {
        let (told, tells) = gorge_channel::bounded(1);
        let values = pipe(ctx, move |out| {
            let unsent = (0..).find_map(|n| out.send(n).err());
            told.send(unsent.map(|error| error.into_inner()))
                .expect("there is room");
        });
        assert_eq!(values.recv(), Ok(0));
        drop(values);
        assert_eq!(tells.recv(), Ok(Some(1)));
    });
}

#[test]
fn a_pipes_function_is_told_when_the_context_is_done() {
    sim::check(1000, || {
        let (ctx, guard) = cancellable();
        let values = pipe(&ctx, |out| {
            let mut number = 0;
            while out.send(number).is_ok() {
                number += 1;
            }
            assert_eq!(out.send(7).map_err(|error| error.into_inner()), Err(7));
        });
        let canceller = go(move || guard.cancel());
        let some = values.iter().take(10);
        assert!(some.enumerate().all(|(place, value)| place == value));
        canceller.join().expect("it cancels");
        assert!(values.iter().count() <= 1);
    });
}

#[test]
fn two_coroutines_take_turns() {
    with_each_context(|ctx| {
        let adder = duplex(ctx, |pipe| {
            let mut sum = 0;
            while let Ok(number) = pipe.recv() {
                sum += number;
                if pipe.send(sum).is_err() {
                    return;
                }
            }
        });
        let mut expected = 0;
        for number in 0..100 {
            expected += number;
            assert_eq!(adder.ask(number), Ok(expected));
        }
        drop(adder);
        wait_for(|| num_goroutines() == 1);
    });
}

#[test]
fn an_end_that_goes_is_noticed_by_the_other() {
    with_each_context(|ctx| {
        let end = duplex::<u8, u8, _, _>(ctx, |pipe| pipe.recv());
        assert_eq!(end.ask(1), Err(RecvError));
        assert_eq!(end.send(2).map_err(|error| error.into_inner()), Err(2));
    });
}

#[test]
fn two_coroutines_end_with_their_context() {
    sim::check(1000, || {
        let (ctx, guard) = cancellable();
        let echo = duplex(&ctx, |pipe| {
            while let Ok(value) = pipe.recv() {
                if pipe.send(value).is_err() {
                    return;
                }
            }
        });
        let canceller = go(move || guard.cancel());
        for value in 0..10 {
            match echo.ask(value) {
                Ok(answer) => assert_eq!(answer, value),
                Err(_) => break,
            }
        }
        canceller.join().expect("it cancels");
        assert_eq!(echo.ask(7), Err(RecvError));
    });
}

#[test]
fn a_panic_of_a_coroutine_gets_to_the_other_one() {
    everywhere(|| {
        let picky = duplex(&background(), |pipe| {
            while let Ok(number) = pipe.recv() {
                assert!(number < 3, "too large");
                _ = pipe.send(number);
            }
        });
        assert_eq!(picky.ask(2), Ok(2));
        let panic = catch_panic(AssertUnwindSafe(|| picky.ask(3))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"too large"));
        // Also to who comes later.
        let panic = catch_panic(AssertUnwindSafe(|| picky.ask(1))).unwrap_err();
        assert!(
            panic
                .downcast_ref::<String>()
                .expect("a message")
                .contains("too large")
        );
    });
}
