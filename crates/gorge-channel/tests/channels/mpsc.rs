//! Channels that live briefly: one value, one hop, one handshake; and what happens when
//! an end goes in the middle of it. (What std tests of its `mpsc`.)
#![allow(
    clippy::disallowed_methods,
    reason = "tests run on real threads, against the real clock"
)]

use crate::common::{self, LONG, everywhere};
use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryRecvError, TrySendError, bounded,
    unbounded,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn kinds<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![bounded(0), bounded(1), bounded(5), unbounded()]
}

fn buffered<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    kinds().split_off(1)
}

#[test]
fn one_value_comes_or_its_channel_ends_on_one_thread() {
    for (sender, receiver) in kinds::<Box<i32>>() {
        drop(receiver);
        assert_eq!(sender.send(Box::new(1)), Err(SendError(Box::new(1))));
        // Whoever tries again is refused again, with the new value.
        assert_eq!(sender.send(Box::new(2)), Err(SendError(Box::new(2))));
        let refused = Err(TrySendError::Disconnected(Box::new(3)));
        assert_eq!(sender.try_send(Box::new(3)), refused);
    }
    for (sender, receiver) in kinds::<Box<i32>>() {
        drop(sender);
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
    for (sender, receiver) in buffered::<Box<i32>>() {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(sender.try_send(Box::new(10)), Ok(()));
        assert_eq!((receiver.len(), receiver.is_closed()), (1, false));
        drop(sender);
        assert_eq!((receiver.len(), receiver.is_closed()), (1, true));
        assert_eq!(receiver.recv(), Ok(Box::new(10)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
    // With a value inside, and with clones.
    for (sender, receiver) in buffered::<Box<i32>>() {
        let other = sender.clone();
        other.send(Box::new(1)).unwrap();
        drop((other, receiver));
        assert_eq!(sender.send(Box::new(2)), Err(SendError(Box::new(2))));
    }
}

#[test]
fn one_value_comes_or_its_channel_ends_between_two() {
    everywhere(|parties| {
        for (sender, receiver) in kinds::<Box<i32>>() {
            parties.scope(|scope| {
                let receives = scope.spawn(|| receiver.recv());
                sender.send(Box::new(10)).unwrap();
                assert_eq!(receives.join(), Ok(Box::new(10)));
            });
        }
        for (sender, receiver) in kinds::<Box<i32>>() {
            parties.scope(|scope| {
                let ends = scope.spawn(move || drop(sender));
                let panic = catch_unwind(AssertUnwindSafe(|| receiver.recv().unwrap()));
                assert!(panic.is_err(), "there was no value");
                ends.join();
            });
        }
    });
}

/// Many short races between what one party does with the sender and another with the
/// receiver.
fn race(
    send: fn(Sender<Box<i32>>) -> Option<bool>,
    receive: fn(Receiver<Box<i32>>) -> Option<bool>,
) {
    everywhere(|parties| {
        for round in 0..60 {
            for (sender, receiver) in kinds() {
                parties.scope(|scope| {
                    let sends = scope.spawn(move || {
                        if round % 2 == 0 {
                            parties.pause();
                        }
                        send(sender)
                    });
                    let received = receive(receiver);
                    let sent = sends.join();
                    match (sent, received) {
                        // Who receives has it from a sender who sent.
                        (Some(sent), Some(received)) => assert_eq!(sent, received),
                        // A buffer takes it, and drops it with the receiver.
                        (Some(_), None) => {}
                        (None, received) => assert_ne!(received, Some(true)),
                    }
                });
            }
        }
    });
}

#[test]
fn a_sender_and_a_receiver_that_go_at_the_same_time() {
    race(
        |sender| {
            drop(sender);
            None
        },
        |receiver| {
            drop(receiver);
            None
        },
    );
}

#[test]
fn a_send_and_a_receiver_that_goes() {
    race(
        |sender| Some(sender.send(Box::new(1)).is_ok()),
        |receiver| {
            drop(receiver);
            None
        },
    );
}

#[test]
fn a_receive_and_a_sender_that_goes() {
    race(
        |sender| {
            drop(sender);
            None
        },
        |receiver| Some(receiver.recv().is_ok()),
    );
}

#[test]
fn a_send_and_a_receive() {
    race(
        |sender| Some(sender.send(Box::new(1)).is_ok()),
        |receiver| Some(receiver.recv() == Ok(Box::new(1))),
    );
}

#[test]
fn a_send_that_waits_and_a_receiver_that_goes_when_it_has_had_enough() {
    everywhere(|parties| {
        for taken in 0..4 {
            for (sender, receiver) in kinds() {
                parties.scope(|scope| {
                    let sends = scope.spawn(move || {
                        let refused = (0..).find_map(|number| sender.send(number).err());
                        let SendError(number) = refused.unwrap();
                        // And again: it stays so.
                        assert_eq!(sender.send(-1), Err(SendError(-1)));
                        number
                    });
                    for number in 0..taken {
                        assert_eq!(receiver.recv(), Ok(number));
                    }
                    drop(receiver);
                    assert!(sends.join() >= taken);
                });
            }
        }
    });
}

#[test]
fn receivers_of_channels_that_end_unanswered() {
    everywhere(|parties| {
        for (sender, receiver) in kinds::<u8>() {
            parties.scope(|scope| {
                let other = sender.clone();
                scope.spawn(move || drop(sender));
                scope.spawn(move || drop(other));
                // Sooner or later, and then for ever.
                parties.until(|| receiver.try_recv() == Err(TryRecvError::Disconnected));
                assert_eq!(receiver.recv(), Err(RecvError));
            });
        }
    });
}

#[test]
fn two_senders_that_wait_both_get_their_values_back() {
    everywhere(|parties| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|_| sender.send(0).unwrap());
            let results = parties.scope(|scope| {
                let sender = &sender;
                let waits = [1, 2].map(|number| scope.spawn(move || sender.send(number)));
                parties.settle();
                drop(receiver);
                waits.map(|party| party.join())
            });
            assert_eq!(results, [Err(SendError(1)), Err(SendError(2))]);
        }
    });
}

#[test]
fn each_hop_of_a_stream_may_have_parties_of_its_own() {
    const COUNT: usize = 30;
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let (mut sender, mut receiver) = (sender, receiver);
            parties.scope(|scope| {
                for number in 0..COUNT {
                    // Each party is handed its end by the one before, and sends it on.
                    let sends = scope.spawn(move || {
                        sender.send(Box::new(number)).unwrap();
                        sender
                    });
                    let receives = scope.spawn(move || {
                        assert_eq!(receiver.recv(), Ok(Box::new(number)));
                        receiver
                    });
                    (sender, receiver) = (sends.join(), receives.join());
                }
            });
        }
    });
}

#[test]
fn a_lot_is_buffered_and_received_in_order() {
    const COUNT: usize = 10_000;
    for (sender, receiver) in [bounded(COUNT), unbounded()] {
        (0..COUNT).for_each(|number| sender.send(number).unwrap());
        assert_eq!(receiver.len(), COUNT);
        assert!(receiver.try_iter().eq(0..COUNT));
    }
}

#[test]
fn more_than_a_hundred_clones_send_one_value_each() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let count = if matches!(parties, common::Setting::Threads) {
                30
            } else {
                130
            };
            parties.scope(|scope| {
                for number in 0..count {
                    let sender = sender.clone();
                    scope.spawn(move || sender.send(number).unwrap());
                }
                drop(sender);
                let mut numbers: Vec<_> = receiver.iter().collect();
                numbers.sort_unstable();
                assert!(numbers.into_iter().eq(0..count));
            });
        }
    });
}

#[test]
fn a_receiver_with_a_timeout_hears_all_senders_however_late() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                for number in 0..8 {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        gorge_runtime::goroutine::sleep(Duration::from_micros(300) * number);
                        sender.send(number).unwrap();
                    });
                }
                drop(sender);
                let mut heard = 0;
                loop {
                    match receiver.recv_timeout(Duration::from_micros(500)) {
                        Ok(_) => heard += 1,
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
                assert_eq!(heard, 8);
            });
        }
    });
}

#[test]
fn the_states_of_a_channel_follow_a_handshake() {
    everywhere(|parties| {
        let (sender, receiver) = unbounded();
        let (go_on, goes_on) = bounded::<()>(0);
        let (done, is_done) = bounded::<()>(0);
        parties.scope(|scope| {
            scope.spawn(move || {
                goes_on.recv().unwrap();
                sender.send(1).unwrap();
                done.send(()).unwrap();
                goes_on.recv().unwrap();
                drop(sender);
                done.send(()).unwrap();
            });
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            go_on.send(()).unwrap();
            is_done.recv().unwrap();
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            go_on.send(()).unwrap();
            is_done.recv().unwrap();
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        });
    });
}

#[test]
fn a_receiver_may_go_while_a_clone_of_the_sender_lives() {
    everywhere(|parties| {
        let (sender, receiver) = unbounded();
        let (go_on, goes_on) = bounded::<()>(0);
        parties.scope(|scope| {
            let other = sender.clone();
            let holds = scope.spawn(move || {
                go_on.send(()).unwrap();
                while other.send(1).is_ok() {
                    parties.pause();
                }
            });
            goes_on.recv().unwrap();
            drop(receiver);
            holds.join();
            assert!(sender.send(2).is_err());
        });
    });
}

#[test]
fn crossed_tries_end() {
    everywhere(|parties| {
        for _ in 0..100 {
            let (sender, receiver) = bounded::<()>(3);
            let (other, answer) = bounded::<()>(3);
            parties.scope(|scope| {
                scope.spawn(move || {
                    receiver.recv().unwrap();
                    other.try_send(()).unwrap();
                });
                sender.try_send(()).unwrap();
                assert_eq!(answer.recv_timeout(LONG), Ok(()));
            });
        }
    });
}
