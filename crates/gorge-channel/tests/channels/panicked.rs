//! Channels whose sending side has panicked: every receive goes on with the panic, after the
//! values.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use crate::common::{LONG, everywhere};
use futures_util::StreamExt;
use gorge_channel::{
    Receiver, Select, Sender, SharedPanic, bounded, select, select_biased, unbounded,
};
use gorge_runtime::{block_on, catch_panic, go, goroutine};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const TEXT: &str = "the sender has panicked";
const MESSAGE: &str = "the sending side of a channel panicked: the sender has panicked";

/// A way to receive. Each returns whether there was a value.
type Receive = fn(&Receiver<usize>) -> bool;

const RECEIVES: &[(&str, Receive)] = &[
    ("recv", |rx| rx.recv().is_ok()),
    ("try_recv", |rx| rx.try_recv().is_ok()),
    ("recv_timeout", |rx| rx.recv_timeout(LONG).is_ok()),
    ("recv_timeout of zero", |rx| {
        rx.recv_timeout(Duration::ZERO).is_ok()
    }),
    ("recv_deadline", |rx| {
        rx.recv_deadline(Instant::now() + LONG).is_ok()
    }),
    ("iter", |rx| rx.iter().next().is_some()),
    ("try_iter", |rx| rx.try_iter().next().is_some()),
    ("into_iter", |rx| rx.clone().into_iter().next().is_some()),
    ("recv_many", |rx| rx.recv_many(&mut Vec::new(), 1) == 1),
    ("recv_async", |rx| block_on(rx.recv_async()).is_ok()),
    ("stream", |rx| block_on(rx.stream().next()).is_some()),
    ("select!", |rx| {
        select! { recv(rx) -> value => value.is_ok(), default(LONG) => unreachable!() }
    }),
    ("select! of two", |rx| {
        let (_sender, other) = bounded::<u8>(0);
        select! { recv(rx) -> value => value.is_ok(), recv(other) -> _ => unreachable!() }
    }),
    ("select_biased! with default", |rx| {
        let (_sender, other) = bounded::<u8>(0);
        select_biased! {
            recv(other) -> _ => unreachable!(),
            recv(rx) -> value => value.is_ok(),
            default => unreachable!(),
        }
    }),
    ("Select", |rx| {
        let mut select = Select::new();
        select.recv(rx);
        select.select().recv(rx).is_ok()
    }),
    ("try_select", |rx| {
        let mut select = Select::new();
        select.recv(rx);
        select.try_select().unwrap().recv(rx).is_ok()
    }),
];

/// What the panic of `f` says.
fn said(f: impl FnOnce() -> bool) -> String {
    let payload = catch_panic(AssertUnwindSafe(f)).expect_err("a panic");
    text(&*payload)
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    literal.unwrap_or_else(|| payload.downcast_ref::<String>().expect("a text").clone())
}

fn panicked(sender: &Sender<usize>) -> bool {
    sender.close_with_panic(Box::new(TEXT))
}

#[test]
fn every_receive_takes_what_is_there_and_goes_on_with_the_panic() {
    for &(name, receive) in RECEIVES {
        for (sender, receiver) in [bounded(2), unbounded()] {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            assert!(panicked(&sender), "{name}");
            assert!(receive(&receiver) && receive(&receiver), "{name}");
            assert_eq!(said(|| receive(&receiver)), TEXT, "{name}");
            for _ in 0..2 {
                assert_eq!(said(|| receive(&receiver)), MESSAGE, "{name}");
            }
        }
    }
}

#[test]
fn whoever_waits_goes_on_with_the_panic() {
    everywhere(|parties| {
        for &(name, receive) in RECEIVES {
            if name.contains("try") || name.contains("zero") || name.contains("default") {
                continue;
            }
            let (sender, receiver) = bounded(0);
            let mut all = parties.scope(|scope| {
                let waiting = [(); 3].map(|()| scope.spawn(|| said(|| receive(&receiver))));
                parties.settle();
                assert!(panicked(&sender));
                waiting.map(|party| party.join()).to_vec()
            });
            all.sort();
            assert_eq!(all, [TEXT, MESSAGE, MESSAGE], "{name}");
        }
    });
}

#[test]
fn a_channel_that_is_closed_stays_as_it_is() {
    let (sender, receiver) = bounded(0);
    assert!(sender.close());
    assert!(!panicked(&sender));
    assert!(receiver.recv().is_err());

    let (sender, receiver) = bounded(0);
    assert!(panicked(&sender));
    assert!(!sender.close() && !panicked(&sender));
    assert!(sender.is_closed() && receiver.is_closed());
    assert!(sender.send(1).is_err());
    assert_eq!(said(|| receiver.recv().is_ok()), TEXT);
}

#[test]
fn to_be_ready_is_told_without_the_panic() {
    let (sender, receiver) = bounded(0);
    panicked(&sender);
    let mut select = Select::new();
    let index = select.recv(&receiver);
    assert_eq!(select.ready(), index);
    assert_eq!(select.try_ready(), Ok(index));
    assert_eq!(said(|| receiver.recv().is_ok()), TEXT);
}

#[test]
fn a_payload_that_nobody_takes_is_dropped_with_the_channel() {
    let payload = Arc::new(());
    let is_alone = || Arc::strong_count(&payload) == 1;
    let (sender, receiver) = bounded::<usize>(1);
    sender.close_with_panic(Box::new(Arc::clone(&payload)));
    assert!(!is_alone());
    drop(receiver);
    assert!(is_alone());
    assert!(!sender.close_with_panic(Box::new(Arc::clone(&payload))));
    assert!(is_alone());

    let (sender, receiver) = bounded::<usize>(1);
    sender.close_with_panic(Box::new(Arc::clone(&payload)));
    let taken = catch_unwind(AssertUnwindSafe(|| receiver.recv())).unwrap_err();
    drop((sender, receiver));
    assert!(!is_alone());
    drop(taken);
    assert!(is_alone());
}

#[test]
fn what_is_no_text_is_told_as_such() {
    let (sender, receiver) = bounded::<usize>(1);
    sender.close_with_panic(Box::new(7));
    let payload = catch_unwind(AssertUnwindSafe(|| receiver.recv())).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7));
    let message = said(|| receiver.recv().is_ok());
    assert!(
        message.ends_with("with a payload that is no text"),
        "{message}"
    );
}

#[test]
fn a_shared_panic_goes_to_the_first_receiver_of_all() {
    let panic = SharedPanic::new(Box::new(String::from(TEXT)));
    let ends = [(); 3].map(|()| {
        let (sender, receiver) = bounded::<usize>(0);
        assert!(sender.close_with_shared_panic(&panic));
        receiver
    });
    assert_eq!(said(|| ends[1].recv().is_ok()), TEXT);
    assert_eq!(said(|| ends[0].recv().is_ok()), MESSAGE);
    assert_eq!(said(|| ends[1].recv().is_ok()), MESSAGE);
    assert_eq!(said(|| ends[2].recv().is_ok()), MESSAGE);
    assert_eq!(format!("{panic:?}"), format!("SharedPanic({TEXT:?})"));
}

#[test]
fn it_ends_a_goroutine_as_its_own_panic_would() {
    let (sender, receiver) = bounded::<usize>(0);
    let collector = go(move || receiver.iter().sum::<usize>());
    let thread = thread::spawn(move || {
        sender.send(1).unwrap();
        panicked(&sender)
    });
    let error = collector.join().unwrap_err();
    assert!(error.is_panic());
    assert!(error.to_string().contains(TEXT), "{error}");
    assert!(thread.join().unwrap());
}

#[test]
fn a_value_that_a_future_puts_back_comes_before_the_panic() {
    let (sender, receiver) = bounded::<usize>(0);
    let mut future = Box::pin(receiver.recv_async());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    sender.send(1).unwrap();
    panicked(&sender);
    drop(future);
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(said(|| receiver.recv().is_ok()), TEXT);
}

#[test]
fn destructors_may_wait_while_it_unwinds() {
    /// Waits in its destructor.
    struct Waits(Receiver<()>);

    impl Drop for Waits {
        fn drop(&mut self) {
            _ = self.0.recv_timeout(Duration::from_millis(1));
        }
    }

    everywhere(|parties| {
        let (sender, receiver) = bounded::<usize>(0);
        panicked(&sender);
        parties.scope(|scope| {
            let both = [(); 2].map(|()| {
                scope.spawn(|| {
                    said(|| {
                        let (_keeps, never) = bounded(0);
                        let _waits = Waits(never);
                        receiver.recv().is_ok()
                    })
                })
            });
            for party in both {
                assert!(party.join().ends_with(TEXT));
            }
        });
    });
    // Goroutines of one thread, of which one is cancelled meanwhile.
    let (_keeps, never) = bounded::<()>(0);
    let waiter = go(move || never.recv());
    waiter.cancel();
    assert!(waiter.join().unwrap_err().is_cancelled());
    goroutine::yield_now();
}

/// Receives until the end when it is dropped.
struct Drains(Receiver<usize>);

impl Drop for Drains {
    fn drop(&mut self) {
        while self.0.recv().is_ok() {}
    }
}

#[test]
fn a_destructor_that_receives_while_it_unwinds_finds_the_end() {
    everywhere(|_| {
        let (sender, receiver) = unbounded();
        sender.send(1).expect("there is a receiver");
        sender.close_with_panic(Box::new(TEXT));
        let other = receiver.clone();
        let unwinding = catch_unwind(AssertUnwindSafe(move || {
            let _drains = Drains(receiver);
            panic!("another one");
        }));
        let payload = unwinding.expect_err("it panicked");
        assert_eq!(payload.downcast_ref(), Some(&"another one"));
        // The panic is still there for who can unwind with it.
        let payload = catch_panic(|| other.recv()).expect_err("it panics");
        assert_eq!(payload.downcast_ref(), Some(&TEXT));
    });
}

#[test]
fn a_cancel_that_was_caught_is_not_passed_on_as_one() {
    everywhere(|_| {
        let (sender, receiver) = unbounded::<usize>();
        let goroutine = go(move || {
            let waits = catch_unwind(AssertUnwindSafe(|| goroutine::park_forever()));
            sender.close_with_panic(waits.expect_err("it is cancelled"));
        });
        goroutine.cancel();
        let received = catch_unwind(AssertUnwindSafe(|| receiver.recv()));
        match received {
            Err(payload) => {
                let text = payload.downcast_ref::<String>().expect("a text");
                assert!(text.contains("it was cancelled"), "{text}");
            }
            // It did not start at all.
            Ok(result) => assert!(result.is_err()),
        }
        drop(goroutine.join());
    });
}
