//! `Select`, whose cases are known when the program runs: choosing, completing, readiness.
#![allow(clippy::disallowed_methods, reason = "tests start threads")]

use crate::common::{self, Census, LONG, SHORT, everywhere};
use gorge_channel::{
    Receiver, Select, SelectedOperation, Sender, bounded, never, select, unbounded,
};
use gorge_runtime::{Runtime, go, goroutine, yield_now};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

#[test]
fn indices_stay_when_others_are_removed() {
    let channels = [(); 10].map(|()| unbounded::<usize>());
    let mut select = Select::new();
    channels
        .iter()
        .for_each(|(_, receiver)| _ = select.recv(receiver));
    for gone in [0, 9, 4] {
        select.remove(gone);
        channels[gone].0.send(0).unwrap();
    }
    assert!(
        select.try_select().is_err(),
        "what was removed is not chosen"
    );
    channels[5].0.send(5).unwrap();
    let operation = select.select();
    assert_eq!(operation.index(), 5);
    assert_eq!(operation.recv(&channels[5].1), Ok(5));
    for wrong in [4, 10] {
        assert!(catch_unwind(AssertUnwindSafe(|| select.remove(wrong))).is_err());
    }
}

#[test]
fn an_empty_set_waits_for_its_timeout_and_not_for_ever() {
    let mut select = Select::new();
    assert!(select.select_timeout(SHORT).is_err() && select.ready_timeout(SHORT).is_err());
    assert!(catch_unwind(|| Select::new().select()).is_err());
    assert!(catch_unwind(|| Select::new().ready()).is_err());
}

#[test]
fn an_end_comes_before_a_default_and_a_timeout() {
    everywhere(|_| {
        let (sender, receiver) = unbounded::<i32>();
        sender.send(1).unwrap();
        drop(sender);
        let (full, gone) = bounded::<i32>(1);
        full.send(0).unwrap();
        drop(gone);
        select! { recv(receiver) -> value => assert_eq!(value, Ok(1)), default => unreachable!() }
        select! { recv(receiver) -> value => assert!(value.is_err()), default(LONG) => unreachable!() }
        select! { send(full, 1) -> sent => assert!(sent.is_err()), default => unreachable!() }
        select! { send(full, 1) -> sent => assert!(sent.is_err()), default(LONG) => unreachable!() }
        let mut select = Select::new();
        select.send(&full);
        assert_eq!(
            (select.try_ready(), select.ready_timeout(LONG)),
            (Ok(0), Ok(0))
        );
    });
}

#[test]
fn operations_that_are_not_completed_harm_nobody() {
    for capacity in [Some(0), Some(1), None] {
        let census = Census::default();
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        thread::scope(|threads| {
            let peer = threads.spawn(|| receiver.recv().map(|it: common::Counted<'_>| it.number));
            let mut select = Select::new();
            select.send(&sender);
            let operation = select.select();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(operation))).is_err());
            assert!(sender.send(census.value(1)).is_ok());
            assert_eq!(peer.join().unwrap(), Ok(1));
        });
        // Forgotten, it costs its room, and no more.
        if capacity != Some(0) {
            let mut select = Select::new();
            select.send(&sender);
            std::mem::forget(select.select());
        }
        drop((sender, receiver));
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn operations_are_completed_with_the_handle_that_was_added() {
    type Complete<'a> = &'a dyn Fn(SelectedOperation<'_>);
    const NO_SENDER: &str = "passed a sender that wasn't selected";
    const NO_RECEIVER: &str = "passed a receiver that wasn't selected";
    let ((sender, receiver), (other_sender, other)) = (bounded(1), bounded(1));
    let expect_panic = |message, operation: SelectedOperation<'_>, complete: Complete<'_>| {
        let completed = catch_unwind(AssertUnwindSafe(|| complete(operation)));
        let payload = completed.expect_err("it panics");
        assert_eq!(payload.downcast_ref(), Some(&message));
    };
    // The other end of the channel is as wrong as another channel.
    let no_receives: [(_, Complete<'_>); 3] = [
        (NO_RECEIVER, &|operation| _ = operation.recv(&other)),
        (NO_RECEIVER, &|operation| {
            _ = operation.recv(&never::<i32>())
        }),
        (NO_SENDER, &|operation| _ = operation.send(&sender, 1)),
    ];
    for (message, complete) in no_receives {
        sender.try_send(1).unwrap();
        let mut select = Select::new();
        select.recv(&receiver);
        expect_panic(message, select.select(), complete);
    }
    let no_sends: [(_, Complete<'_>); 2] = [
        (NO_SENDER, &|operation| _ = operation.send(&other_sender, 1)),
        (NO_RECEIVER, &|operation| _ = operation.recv(&receiver)),
    ];
    for (message, complete) in no_sends {
        let mut select = Select::new();
        select.send(&sender);
        expect_panic(message, select.select(), complete);
    }
    // What was chosen is gone, or its room free again.
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn channels_go_through_channels() {
    type Link = (Sender<Box<dyn Any + Send>>, Receiver<Box<dyn Any + Send>>);
    everywhere(|parties| {
        for capacity in [0, 1, 2] {
            let (mut sender, mut receiver): Link = bounded(capacity);
            parties.scope(|scope| {
                scope.spawn(move || {
                    for _ in 0..100 {
                        let (next, end): Link = bounded(capacity);
                        select! { send(sender, Box::new(end)) -> sent => sent.unwrap(), default(LONG) => {} }
                        sender = next;
                    }
                });
                scope.spawn(move || {
                    for _ in 0..100 {
                        let next = select! {
                            recv(receiver) -> value => value.unwrap().downcast::<Receiver<_>>(),
                            default(LONG) => unreachable!(),
                        };
                        receiver = *next.unwrap();
                    }
                });
            });
        }
    });
}

#[test]
fn a_receiver_that_meets_a_sender_who_is_cancelled_waits_for_the_next() {
    let runtime = Runtime::builder().max_procs(2).build().unwrap();
    runtime.run(|| {
        for plain in [false, true] {
            let (sender, receiver) = bounded::<i32>(0);
            let (begun, begins) = bounded::<()>(1);
            let theirs = sender.clone();
            let makes = go(move || {
                let (_idle, nothing) = bounded::<i32>(0);
                select! {
                    send(theirs, { begun.send(()).unwrap(); nothing.recv().unwrap() }) -> _ => {}
                    recv(nothing) -> _ => {}
                }
            });
            goroutine::sleep(SHORT / 5);
            let receives = go(move || match plain {
                true => receiver.recv().ok(),
                false => select! { recv(receiver) -> value => value.ok(), default(LONG) => None },
            });
            begins.recv().unwrap();
            // It has met its sender: a cancel waits until that is over.
            receives.goroutine();
            yield_now();
            makes.cancel();
            assert!(makes.join().unwrap_err().is_cancelled());
            sender.send(7).unwrap();
            assert_eq!(receives.join().unwrap(), Some(7));
        }
    });
}

#[test]
fn a_runtime_ends_while_its_parties_meet() {
    for _ in 0..20 {
        let (sender, receiver) = bounded::<i32>(0);
        let (begun, begins) = bounded::<()>(1);
        let theirs = receiver.clone();
        let outside = thread::spawn(move || theirs.recv());
        let runtime = Runtime::builder().max_procs(2).build().unwrap();
        runtime.run(move || {
            drop(go(move || {
                let (_idle, nothing) = bounded::<i32>(0);
                select! {
                    send(sender, { begun.send(()).unwrap(); nothing.recv().unwrap() }) -> _ => {}
                    recv(nothing) -> _ => {}
                }
            }));
            begins.recv().unwrap();
        });
        drop((runtime, receiver));
        assert!(outside.join().unwrap().is_err(), "the sender has gone");
    }
}
