//! Selects under loom: every interleaving, within a bound on preemptions, of a few of
//! them and their counterparts. See `loom.rs`.

use gorge_channel::{Receiver, RecvError, Select, SendError, Sender, bounded, select};
use loom::sync::Arc;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

fn either(first: &Receiver<Box<u32>>, second: &Receiver<Box<u32>>) -> u32 {
    select! {
        recv(first) -> value => *value.unwrap(),
        recv(second) -> value => *value.unwrap(),
    }
}

#[test]
fn a_select_meets_two_senders() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (s1, r1) = bounded(capacity);
            let (s2, r2) = bounded(capacity);
            let first = thread::spawn(move || s1.send(Box::new(1)).unwrap());
            let second = thread::spawn(move || s2.send(Box::new(2)).unwrap());
            let value = either(&r1, &r2);
            let other = if value == 1 { &r2 } else { &r1 };
            assert_eq!(value + *other.recv().unwrap(), 3);
            first.join().unwrap();
            second.join().unwrap();
        });
    }
}

#[test]
fn a_sending_select_meets_two_receivers() {
    loom::model(|| {
        let (s1, r1) = bounded::<Box<u32>>(0);
        let (s2, r2) = bounded::<Box<u32>>(0);
        let readers = [r1, r2].map(|receiver| thread::spawn(move || receiver.recv()));
        select! {
            send(s1, Box::new(1)) -> sent => sent.unwrap(),
            send(s2, Box::new(1)) -> sent => sent.unwrap(),
        }
        drop((s1, s2));
        let received = readers.map(|reader| reader.join().unwrap().is_ok());
        assert_ne!(received[0], received[1], "one value went to one of them");
    });
}

/// Sends a number or receives one; says which of both, and the number.
fn exchange(sender: &Sender<Box<u32>>, receiver: &Receiver<Box<u32>>, own: u32) -> Option<u32> {
    select! {
        send(sender, Box::new(own)) -> sent => {
            sent.unwrap();
            None
        }
        recv(receiver) -> value => Some(*value.unwrap()),
    }
}

#[test]
fn two_selects_on_one_rendezvous_go_together() {
    loom::model(|| {
        let (sender, receiver) = bounded(0);
        let (their_sender, their_receiver) = (sender.clone(), receiver.clone());
        let other = thread::spawn(move || exchange(&their_sender, &their_receiver, 2));
        let mine = exchange(&sender, &receiver, 1);
        match (mine, other.join().unwrap()) {
            (Some(2), None) | (None, Some(1)) => {}
            both => panic!("{both:?}"),
        }
    });
}

#[test]
fn a_receiving_select_and_a_sending_select_go_together() {
    loom::model(|| {
        let (s1, r1) = bounded::<Box<u32>>(0);
        let (s2, r2) = bounded::<Box<u32>>(0);
        let sends = thread::spawn(move || {
            select! {
                send(s1, Box::new(1)) -> sent => sent.unwrap(),
                send(s2, Box::new(2)) -> sent => sent.unwrap(),
            }
            (s1, s2)
        });
        assert!(matches!(either(&r1, &r2), 1 | 2));
        drop(sends.join().unwrap());
    });
}

#[test]
fn a_close_meets_a_waiting_select() {
    for sends in [false, true] {
        loom::model(move || {
            let (sender, receiver) = bounded::<Box<u32>>(0);
            let (idle, nothing) = bounded::<Box<u32>>(0);
            let closer = thread::spawn({
                let sender = sender.clone();
                move || assert!(sender.close())
            });
            if sends {
                select! {
                    send(sender, Box::new(1)) -> sent => assert_eq!(sent, Err(SendError(Box::new(1)))),
                    recv(nothing) -> _ => unreachable!(),
                }
            } else {
                select! {
                    recv(receiver) -> value => assert_eq!(value, Err(RecvError)),
                    recv(nothing) -> _ => unreachable!(),
                }
            }
            closer.join().unwrap();
            drop(idle);
        });
    }
}

#[test]
fn a_timed_select_meets_a_sender() {
    loom::model(|| {
        let (sender, receiver) = bounded::<Box<u32>>(0);
        let (_idle, nothing) = bounded::<Box<u32>>(0);
        let writer = thread::spawn(move || sender.try_send(Box::new(1)).is_ok());
        let received = select! {
            recv(receiver) -> value => value.is_ok_and(|value| *value == 1),
            recv(nothing) -> _ => unreachable!(),
            default(LONG) => false,
        };
        assert_eq!(writer.join().unwrap(), received);
    });
}

#[test]
fn a_timed_sending_select_meets_a_receiver() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = bounded::<Box<u32>>(capacity);
            let (full, theirs) = bounded::<Box<u32>>(0);
            if capacity == 1 {
                sender.send(Box::new(0)).unwrap();
            }
            let reader = thread::spawn(move || {
                let first = receiver.recv().ok();
                (receiver.recv().is_ok(), first, receiver)
            });
            let sent = select! {
                send(sender, Box::new(1)) -> sent => sent.is_ok(),
                send(full, Box::new(2)) -> _ => unreachable!(),
                default(LONG) => false,
            };
            drop(sender);
            let (second, first, _) = reader.join().unwrap();
            assert_eq!(
                usize::from(sent) + capacity,
                usize::from(second) + usize::from(first.is_some())
            );
            drop(theirs);
        });
    }
}

#[test]
fn a_broken_promise_sends_the_receiver_on() {
    loom::model(|| {
        let (sender, receiver) = bounded::<Box<u32>>(0);
        let reader = thread::spawn(move || receiver.recv());
        let permit = sender.reserve().unwrap();
        drop(permit);
        sender.send(Box::new(1)).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(Box::new(1)));
    });
}

#[test]
fn a_promise_of_room_that_is_broken_goes_to_the_next_sender() {
    loom::model(|| {
        let (sender, receiver) = bounded::<Box<u32>>(1);
        let permit = sender.reserve().unwrap();
        let writer = thread::spawn({
            let sender = sender.clone();
            move || sender.send(Box::new(1)).unwrap()
        });
        drop(permit);
        writer.join().unwrap();
        assert_eq!(receiver.recv(), Ok(Box::new(1)));
    });
}

#[test]
fn a_close_meets_a_permit() {
    for capacity in [0, 1] {
        loom::model(move || {
            let (sender, receiver) = bounded::<Box<u32>>(capacity);
            let reader = thread::spawn({
                let receiver = receiver.clone();
                move || receiver.recv().is_ok()
            });
            let closer = thread::spawn(move || assert!(receiver.close()));
            let sent = match sender.reserve() {
                Ok(permit) => permit.send(Box::new(1)).is_ok(),
                Err(SendError(())) => false,
            };
            closer.join().unwrap();
            assert_eq!(reader.join().unwrap(), sent);
        });
    }
}

#[test]
fn at_every_moment_one_is_ready_and_a_try_finds_it() {
    loom::model(|| {
        let channels = Arc::new([bounded::<Box<u32>>(1), bounded::<Box<u32>>(1)]);
        let [first, second] = &*channels;
        // The cases are tried in this order: the value moves on to the one behind.
        second.0.send(Box::new(1)).unwrap();
        let mover = thread::spawn({
            let channels = channels.clone();
            move || {
                let [first, second] = &*channels;
                first.0.send(Box::new(2)).unwrap();
                let _ = second.1.try_recv();
            }
        });
        select! {
            recv(first.1) -> value => assert!(value.is_ok()),
            recv(second.1) -> value => assert!(value.is_ok()),
            default => panic!("there was a value all the time"),
        }
        mover.join().unwrap();
    });
}

#[test]
fn readiness_is_told_to_who_watches() {
    loom::model(|| {
        let (sender, receiver) = bounded::<Box<u32>>(0);
        let (_idle, nothing) = bounded::<Box<u32>>(1);
        let writer = thread::spawn(move || sender.send(Box::new(1)).unwrap());
        let mut select = Select::new();
        let index = select.recv(&receiver);
        select.recv(&nothing);
        assert_eq!(select.ready(), index);
        assert_eq!(receiver.recv(), Ok(Box::new(1)));
        writer.join().unwrap();
    });
}

#[test]
fn room_is_told_to_who_watches() {
    for permit in [false, true] {
        loom::model(move || {
            let (sender, receiver) = bounded::<Box<u32>>(1);
            let other = sender.clone();
            let room = match permit {
                true => Some(other.reserve().unwrap()),
                false => {
                    sender.send(Box::new(0)).unwrap();
                    None
                }
            };
            let watcher = thread::spawn({
                let sender = sender.clone();
                move || {
                    let mut select = Select::new();
                    select.send(&sender);
                    select.ready();
                    sender.try_send(Box::new(1)).unwrap();
                }
            });
            match room {
                Some(room) => drop(room),
                None => assert!(receiver.recv().is_ok()),
            }
            watcher.join().unwrap();
            assert_eq!(receiver.recv(), Ok(Box::new(1)));
        });
    }
}

#[test]
fn a_value_that_panics_leaves_the_receiver_waiting() {
    loom::model(|| {
        let (sender, receiver) = bounded::<Box<u32>>(0);
        let reader = thread::spawn(move || receiver.recv());
        let mut select = Select::new();
        select.send(&sender);
        let operation = select.select();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(operation))).is_err());
        drop(sender);
        assert_eq!(reader.join().unwrap(), Err(RecvError));
    });
}

/// Each sends, then looks at the other's channel: both cannot find it empty, although a
/// select does not take a lock that is not worth while.
#[test]
fn of_two_that_send_and_then_look_one_sees_the_other() {
    loom::model(|| {
        let (s1, r1) = bounded::<Box<u32>>(1);
        let (s2, r2) = bounded::<Box<u32>>(1);
        let looks = |receiver: &Receiver<Box<u32>>| {
            let mut select = Select::new();
            select.recv(receiver);
            match select.try_select() {
                Ok(operation) => operation.recv(receiver).is_ok(),
                Err(_) => false,
            }
        };
        // The flags say now that there was nothing.
        assert!(!looks(&r1) && !looks(&r2));
        let other = thread::spawn(move || {
            s1.send(Box::new(1)).unwrap();
            (looks(&r2), r2)
        });
        s2.send(Box::new(2)).unwrap();
        let seen = looks(&r1);
        let (theirs, _r2) = other.join().unwrap();
        assert!(seen || theirs, "one of them came second");
    });
}
