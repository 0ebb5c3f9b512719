//! The protocol under loom: every interleaving, within a bound on preemptions,
//! of a few operations.
//!
//! ```text
//! RUSTFLAGS="--cfg gorge_loom" LOOM_MAX_PREEMPTIONS=2 \
//!     cargo test --release -p gorge-channel --test loom
//! ```
//!
//! Loom has no clock: a wait with a deadline may time out at any moment. That a
//! party sleeps for ever shows as a deadlock, a value lost or doubled by the
//! [`Token`]s, and an unordered access to a value's place by loom's cells.
#![cfg(gorge_loom)]
#![allow(
    clippy::disallowed_methods,
    reason = "a deadline is needed, but never compared"
)]

#[path = "loom/context.rs"]
mod context;
#[path = "loom/futures.rs"]
mod futures;
#[path = "loom/order.rs"]
mod order;
#[path = "loom/select.rs"]
mod select;

use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, unbounded,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// A value that counts its drops.
struct Token(u32, Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

fn tokens() -> (Arc<AtomicUsize>, impl Fn(u32) -> Token + Clone) {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = drops.clone();
    (drops, move |number| Token(number, counted.clone()))
}

fn assert_drops(drops: &AtomicUsize, expected: usize) {
    assert_eq!(drops.load(Ordering::Relaxed), expected, "values dropped");
}

#[test]
fn rendezvous_hands_a_value_over() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let writer = thread::spawn(move || {
            sender.send(Box::new(1)).unwrap();
            sender.send(Box::new(2)).unwrap();
        });
        assert_eq!(receiver.recv(), Ok(Box::new(1)));
        assert_eq!(receiver.recv(), Ok(Box::new(2)));
        assert_eq!(receiver.recv(), Err(RecvError));
        writer.join().unwrap();
    });
}

#[test]
fn a_sender_waiting_for_room_keeps_the_order() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let writer = thread::spawn(move || {
            for number in 0..3 {
                sender.send(Box::new(number)).unwrap();
            }
        });
        for number in 0..3 {
            assert_eq!(receiver.recv(), Ok(Box::new(number)));
        }
        writer.join().unwrap();
    });
}

#[test]
fn many_values_are_received_beside_senders_that_wait() {
    for capacity in [Some(0), Some(1), Some(2), None] {
        loom::model(move || {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let writer = thread::spawn(move || {
                for number in 0..3 {
                    sender.send(Box::new(number)).unwrap();
                }
            });
            let mut values = Vec::new();
            while receiver.recv_many(&mut values, 2) > 0 {}
            assert!(values.into_iter().map(|value| *value).eq(0..3));
            writer.join().unwrap();
        });
    }
}

#[test]
fn an_unbounded_channel_passes_values() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        let writers = [1, 2].map(|number| {
            let sender: Sender<Box<u32>> = sender.clone();
            thread::spawn(move || sender.send(Box::new(number)).unwrap())
        });
        drop(sender);
        let first = *receiver.recv().unwrap();
        let second = *receiver.recv().unwrap();
        assert_eq!(first + second, 3);
        assert_eq!(receiver.recv(), Err(RecvError));
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn two_senders_meet_one_receiver() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = bounded(capacity);
            let writers = [1, 2].map(|number| {
                let sender: Sender<Box<u32>> = sender.clone();
                thread::spawn(move || sender.send(Box::new(number)).unwrap())
            });
            drop(sender);
            let first = *receiver.recv().unwrap();
            let second = *receiver.recv().unwrap();
            assert_eq!(first + second, 3);
            for writer in writers {
                writer.join().unwrap();
            }
        });
    }
}

#[test]
fn two_receivers_meet_one_sender() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let readers = [0; 2].map(|_| {
            let receiver: Receiver<Box<u32>> = receiver.clone();
            thread::spawn(move || receiver.recv().is_ok_and(|value| *value == 1))
        });
        sender.send(Box::new(1)).unwrap();
        drop(sender);
        let received = readers.map(|reader| usize::from(reader.join().unwrap()));
        assert_eq!(received.iter().sum::<usize>(), 1);
    });
}

#[test]
fn a_close_meets_a_send() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (drops, token) = tokens();
            let (sender, receiver) = bounded(capacity);
            let closer = sender.clone();
            let writer = thread::spawn({
                let token = token.clone();
                move || match sender.send(token(1)) {
                    Ok(()) => true,
                    Err(SendError(value)) => {
                        assert_eq!(value.0, 1);
                        false
                    }
                }
            });
            assert!(closer.close());
            let received = receiver.recv().is_ok_and(|value| value.0 == 1);
            assert_eq!(writer.join().unwrap(), received);
            assert_drops(&drops, 1);
        });
    }
}

#[test]
fn a_close_meets_a_receive() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = bounded::<u32>(capacity);
            let reader = thread::spawn({
                let receiver = receiver.clone();
                move || receiver.recv()
            });
            assert!(receiver.close());
            assert_eq!(reader.join().unwrap(), Err(RecvError));
            assert_eq!(sender.send(1), Err(SendError(1)));
        });
    }
}

#[test]
fn a_close_wakes_all_that_wait() {
    loom::model(|| {
        let (sender, receiver) = bounded::<u32>(0);
        let readers = [0; 2].map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.recv())
        });
        drop(sender);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Err(RecvError));
        }
    });
}

#[test]
fn the_receivers_drop_meets_sends() {
    for capacity in [Some(0), Some(1), None] {
        loom::model(move || {
            let (drops, token) = tokens();
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let writer = thread::spawn(move || {
                let first = sender.send(token(1)).is_ok();
                let second = sender.send(token(2)).is_ok();
                assert!(first || !second, "once disconnected, always disconnected");
            });
            drop(receiver);
            writer.join().unwrap();
            assert_drops(&drops, 2);
        });
    }
}

#[test]
fn the_senders_drop_meets_a_polling_receiver() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let writer = thread::spawn(move || sender.send(Box::new(1)).unwrap());
        let result = loop {
            match receiver.try_recv() {
                Err(TryRecvError::Empty) => thread::yield_now(),
                result => break result,
            }
        };
        assert_eq!(result, Ok(Box::new(1)));
        writer.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn a_receives_timeout_meets_a_send() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let writer = thread::spawn(move || match sender.try_send(token(1)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        });
        let received = match receiver.recv_timeout(LONG) {
            Ok(value) => value.0 == 1,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        };
        assert_eq!(writer.join().unwrap(), received);
        assert_drops(&drops, 1);
    });
}

#[test]
fn a_sends_timeout_meets_a_receive() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (drops, token) = tokens();
            let (sender, receiver) = bounded(capacity);
            if capacity == 1 {
                assert!(sender.send(token(0)).is_ok());
            }
            let writer = thread::spawn({
                let token = token.clone();
                move || match sender.send_timeout(token(1), LONG) {
                    Ok(()) => true,
                    Err(SendTimeoutError::Timeout(value)) => {
                        assert_eq!(value.0, 1);
                        false
                    }
                    Err(SendTimeoutError::Disconnected(_)) => panic!("there is a receiver"),
                }
            });
            if capacity == 1 {
                assert_eq!(receiver.recv().unwrap().0, 0);
            }
            let early = receiver.try_recv().is_ok();
            let sent = writer.join().unwrap();
            let received = early || receiver.try_recv().is_ok();
            assert_eq!(sent, received);
            assert_drops(&drops, 1 + capacity);
        });
    }
}

#[test]
fn a_timed_out_sender_does_not_hold_up_the_next() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let impatient = thread::spawn({
            let (sender, token) = (sender.clone(), token.clone());
            move || sender.send_timeout(token(1), LONG).is_ok()
        });
        let patient = thread::spawn(move || assert!(sender.send(token(2)).is_ok()));
        let mut received = Vec::new();
        while let Ok(Token(number, _)) = receiver.recv().as_ref() {
            received.push(*number);
        }
        patient.join().unwrap();
        let both = impatient.join().unwrap();
        received.sort_unstable();
        assert_eq!(received, if both { vec![1, 2] } else { vec![2] });
        assert_drops(&drops, 2);
    });
}

#[test]
fn a_timeout_meets_a_close() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let writer = thread::spawn(move || {
            let error = sender.send_timeout(token(1), LONG).unwrap_err();
            assert_eq!(error.into_inner().0, 1);
        });
        receiver.close();
        writer.join().unwrap();
        assert_drops(&drops, 1);
    });
}
