//! Futures under loom: every interleaving, within a bound on preemptions, of a few of
//! them and their counterparts. See `loom.rs`.

use super::{LONG, assert_drops, tokens};
use gorge_channel::{RecvError, Select, TryRecvError, bounded};
use loom::sync::Notify;
use loom::thread;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Wakes the model's thread that polls.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls until it is ready, with another waker each time.
fn drive<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    loop {
        let bell = Arc::new(Bell(Notify::new()));
        let waker = Waker::from(Arc::clone(&bell));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_receives_from_a_thread() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = bounded(capacity);
            let writer = thread::spawn(move || sender.send(Box::new(1)).unwrap());
            assert_eq!(drive(pin!(receiver.recv_async())), Ok(Box::new(1)));
            writer.join().unwrap();
            assert_eq!(drive(pin!(receiver.recv_async())), Err(RecvError));
        });
    }
}

#[test]
fn a_poll_with_another_waker_does_not_miss_the_wake_up() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let mut receive = pin!(receiver.recv_async());
        assert!(poll_once(receive.as_mut()).is_pending());
        let writer = thread::spawn(move || sender.send(Box::new(1)).unwrap());
        assert_eq!(drive(receive), Ok(Box::new(1)));
        writer.join().unwrap();
    });
}

#[test]
fn two_futures_meet() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let writer = thread::spawn(move || drive(pin!(sender.send_async(Box::new(1)))).unwrap());
        assert_eq!(drive(pin!(receiver.recv_async())), Ok(Box::new(1)));
        writer.join().unwrap();
    });
}

#[test]
fn a_dropped_receive_loses_nothing() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (drops, token) = tokens();
            let (sender, receiver) = bounded(capacity);
            let mut receive = Box::pin(receiver.recv_async());
            assert!(poll_once(receive.as_mut()).is_pending());
            let writer = thread::spawn(move || sender.send(token(1)).is_ok());
            drop(receive);
            assert_eq!(receiver.recv().ok().map(|token| token.0), Some(1));
            assert!(writer.join().unwrap());
            assert_drops(&drops, 1);
        });
    }
}

#[test]
fn a_dropped_receive_passes_on_to_one_that_waits() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let other = receiver.clone();
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll_once(receive.as_mut()).is_pending());
        let reader = thread::spawn(move || other.recv());
        let writer = thread::spawn(move || sender.send(Box::new(1)).unwrap());
        drop(receive);
        assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
        writer.join().unwrap();
    });
}

#[test]
fn the_last_receiver_goes_with_a_future_that_is_served() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll_once(receive.as_mut()).is_pending());
        let writer = thread::spawn(move || drop(sender.send(token(1))));
        drop(receive);
        drop(receiver);
        writer.join().unwrap();
        assert_drops(&drops, 1);
    });
}

#[test]
fn a_withdrawn_send_was_received_or_gives_its_value_back() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let mut send = sender.send_async(token(1));
        assert!(poll_once(Pin::new(&mut send)).is_pending());
        let reader = thread::spawn(move || receiver.try_recv().is_ok());
        let is_back = send.withdraw().is_some();
        assert_ne!(reader.join().unwrap(), is_back);
        assert_drops(&drops, 1);
    });
}

#[test]
fn a_close_and_the_drop_of_a_send_agree_on_the_value() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let mut send = Box::pin(sender.send_async(token(1)));
        assert!(poll_once(send.as_mut()).is_pending());
        let closer = thread::spawn(move || drop(receiver));
        drop(send);
        closer.join().unwrap();
        assert_drops(&drops, 1);
    });
}

#[test]
fn a_reservation_meets_a_receiver_or_lets_it_go() {
    for keeps in [true, false] {
        loom::model(move || {
            let (sender, receiver) = bounded(0);
            let mut reserve = Box::pin(sender.reserve_async());
            assert!(poll_once(reserve.as_mut()).is_pending());
            let reader = thread::spawn(move || receiver.recv());
            match keeps {
                true => drive(reserve.as_mut()).unwrap().send(Box::new(1)).unwrap(),
                false => {
                    drop(reserve);
                    sender.send(Box::new(1)).unwrap();
                }
            }
            assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
        });
    }
}

#[test]
fn a_receive_and_two_reservations_all_go_on() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let other = sender.clone();
        let mut first = Box::pin(sender.reserve_async());
        assert!(poll_once(first.as_mut()).is_pending());
        let second = thread::spawn(move || {
            let mut second = Box::pin(other.reserve_async());
            drive(second.as_mut()).unwrap().send(Box::new(1)).unwrap();
        });
        let reader = thread::spawn(move || drive(pin!(receiver.recv_async())));
        // Told to look again perhaps, and gone before it does.
        drop(first);
        assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
        second.join().unwrap();
    });
}

#[test]
fn a_reservation_and_a_receive_that_does_not_wait() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let mut reserve = Box::pin(sender.reserve_async());
        assert!(poll_once(reserve.as_mut()).is_pending());
        let reader = thread::spawn(move || {
            let first = receiver.try_recv();
            assert_eq!(first, Err(TryRecvError::Empty));
            receiver.recv()
        });
        drive(reserve.as_mut()).unwrap().send(Box::new(1)).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
    });
}

#[test]
fn a_reservation_and_a_receive_that_gives_up() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let mut reserve = Box::pin(sender.reserve_async());
        assert!(poll_once(reserve.as_mut()).is_pending());
        let reader = thread::spawn(move || receiver.recv_timeout(LONG).ok());
        let sent = match poll_once(reserve.as_mut()) {
            Poll::Ready(permit) => permit.is_ok_and(|permit| permit.send(1).is_ok()),
            Poll::Pending => false,
        };
        drop(reserve);
        drop(sender);
        let received = reader.join().unwrap();
        assert_eq!(received, sent.then_some(1));
    });
}

#[test]
fn a_reservation_is_found_by_a_select() {
    for keeps in [true, false] {
        loom::model(move || {
            let (sender, receiver) = bounded(0);
            let mut reserve = Box::pin(sender.reserve_async());
            assert!(poll_once(reserve.as_mut()).is_pending());
            let reader = thread::spawn(move || {
                let mut select = Select::new();
                select.recv(&receiver);
                select.select().recv(&receiver)
            });
            match keeps {
                true => drive(reserve.as_mut()).unwrap().send(Box::new(1)).unwrap(),
                false => {
                    drop(reserve);
                    sender.send(Box::new(1)).unwrap();
                }
            }
            assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
        });
    }
}

#[test]
fn a_future_meets_a_sender_that_is_none() {
    for keeps in [true, false] {
        loom::model(move || {
            let (drops, token) = tokens();
            let (sender, receiver) = bounded(0);
            let writer = thread::spawn(move || {
                let permit = sender.reserve().unwrap();
                match keeps {
                    true => assert!(permit.send(token(1)).is_ok()),
                    false => drop(permit),
                }
            });
            let received = drive(pin!(receiver.recv_async()));
            assert_eq!(received.ok().map(|token| token.0), keeps.then_some(1));
            writer.join().unwrap();
            assert_drops(&drops, usize::from(keeps));
        });
    }
}

#[test]
fn a_future_that_goes_after_it_has_met_a_sender_loses_nothing() {
    loom::model(|| {
        let (drops, token) = tokens();
        let (sender, receiver) = bounded(0);
        let writer = thread::spawn(move || {
            let permit = sender.reserve().unwrap();
            permit.send(token(1)).is_ok()
        });
        let mut receive = Box::pin(receiver.recv_async());
        let received = match poll_once(receive.as_mut()) {
            Poll::Ready(received) => received.ok(),
            Poll::Pending => {
                drop(receive);
                receiver.recv().ok()
            }
        };
        assert_eq!(received.map(|token| token.0), Some(1));
        assert!(writer.join().unwrap());
        assert_drops(&drops, 1);
    });
}

#[test]
fn a_future_finds_a_sender_behind_a_reservation() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let mut reserve = Box::pin(sender.reserve_async());
        assert!(poll_once(reserve.as_mut()).is_pending());
        let other = sender.clone();
        let writer = thread::spawn(move || other.reserve().unwrap().send(Box::new(1)).unwrap());
        assert_eq!(drive(pin!(receiver.recv_async())), Ok(Box::new(1)));
        writer.join().unwrap();
        drop(reserve);
    });
}
