//! The end of a channel: closing, and dropping an end.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use crate::common::{Census, LONG, Setting, everywhere};
use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, unbounded,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

fn close_from_sender(sender: &Sender<usize>, _: &Receiver<usize>) -> bool {
    sender.close()
}

fn close_from_receiver(_: &Sender<usize>, receiver: &Receiver<usize>) -> bool {
    receiver.close()
}

type Close = fn(&Sender<usize>, &Receiver<usize>) -> bool;
const CLOSES: [Close; 2] = [close_from_sender, close_from_receiver];

#[test]
fn a_channel_is_closed_once() {
    for first in CLOSES {
        for second in CLOSES {
            let (sender, receiver) = bounded(1);
            assert!(!sender.is_closed() && !receiver.is_closed());
            assert!(first(&sender, &receiver));
            assert!(!second(&sender, &receiver));
            assert!(sender.is_closed() && receiver.is_closed());
        }
    }
}

#[test]
fn exactly_one_of_many_closers_closes() {
    everywhere(|parties| {
        for _ in 0..100 {
            let (sender, receiver) = bounded(0);
            let wins = AtomicUsize::new(0);
            parties.scope(|scope| {
                for close in CLOSES.repeat(2) {
                    let (sender, receiver, wins) = (sender.clone(), receiver.clone(), &wins);
                    scope.spawn(move || {
                        wins.fetch_add(usize::from(close(&sender, &receiver)), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(wins.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn a_channel_whose_other_end_is_gone_counts_as_closed() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    drop(sender);
    assert!(receiver.is_closed() && !receiver.close());
    assert_eq!(receiver.recv(), Ok(1));

    let (sender, receiver) = unbounded::<u8>();
    drop(receiver);
    assert!(sender.is_closed() && !sender.close());
}

#[test]
fn values_sent_before_the_close_stay_readable() {
    for close in CLOSES {
        for (sender, receiver) in [bounded(3), unbounded()] {
            for number in 0..3 {
                sender.send(number).unwrap();
            }
            close(&sender, &receiver);
            assert_eq!(sender.send(7), Err(SendError(7)));
            assert_eq!(sender.try_send(8), Err(TrySendError::Disconnected(8)));
            assert_eq!(
                sender.send_timeout(9, LONG),
                Err(SendTimeoutError::Disconnected(9))
            );
            assert_eq!(receiver.len(), 3);
            assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
            for _ in 0..2 {
                assert_eq!(receiver.recv(), Err(RecvError));
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                assert_eq!(
                    receiver.recv_timeout(LONG),
                    Err(RecvTimeoutError::Disconnected)
                );
            }
        }
    }
}

#[test]
fn a_close_wakes_receivers_that_wait() {
    everywhere(|parties| {
        for close in CLOSES {
            for (sender, receiver) in [bounded(0), bounded(2), unbounded()] {
                parties.scope(|scope| {
                    let readers = [0; 3].map(|_| scope.spawn(|| receiver.recv()));
                    parties.settle();
                    close(&sender, &receiver);
                    assert_eq!(readers.map(|reader| reader.join()), [Err(RecvError); 3]);
                });
            }
        }
    });
}

#[test]
fn a_close_hands_waiting_senders_their_values_back() {
    everywhere(|parties| {
        for close in CLOSES {
            for capacity in [0, 1] {
                let (sender, receiver) = bounded(capacity);
                parties.scope(|scope| {
                    let sender = &sender;
                    (0..capacity).for_each(|number| sender.send(number).unwrap());
                    let writers = [7, 8, 9].map(|number| scope.spawn(move || sender.send(number)));
                    parties.settle();
                    close(sender, &receiver);
                    let results = writers.map(|writer| writer.join());
                    assert_eq!(results, [7, 8, 9].map(|number| Err(SendError(number))));
                    assert_eq!(receiver.iter().count(), capacity);
                });
            }
        }
    });
}

#[test]
fn dropping_the_receiver_hands_waiting_senders_their_values_back() {
    everywhere(|parties| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                let sender = &sender;
                (0..capacity).for_each(|number| sender.send(number).unwrap());
                let plain = scope.spawn(|| sender.send(7));
                let timed = scope.spawn(|| sender.send_timeout(8, LONG));
                parties.settle();
                drop(receiver);
                assert_eq!(plain.join(), Err(SendError(7)));
                assert_eq!(timed.join(), Err(SendTimeoutError::Disconnected(8)));
            });
        }
    });
}

#[test]
fn dropping_the_last_sender_wakes_waiting_receivers() {
    everywhere(|parties| {
        for (sender, receiver) in [bounded::<u8>(0), bounded(1), unbounded()] {
            let other = sender.clone();
            parties.scope(|scope| {
                let plain = scope.spawn(|| receiver.recv());
                let timed = scope.spawn(|| receiver.recv_timeout(LONG));
                drop(sender);
                parties.settle();
                drop(other);
                assert_eq!(plain.join(), Err(RecvError));
                assert_eq!(timed.join(), Err(RecvTimeoutError::Disconnected));
            });
        }
    });
}

#[test]
fn a_closed_channel_with_a_value_never_looks_unready() {
    everywhere(|parties| {
        for _ in 0..1_000 {
            let (sender, receiver) = bounded(1);
            sender.send(1).unwrap();
            parties.scope(|scope| {
                let other = scope.spawn(|| receiver.try_recv());
                sender.close();
                let mine = receiver.recv();
                match other.join() {
                    Ok(1) => assert_eq!(mine, Err(RecvError)),
                    Err(TryRecvError::Disconnected) => assert_eq!(mine, Ok(1)),
                    unready => panic!("{unready:?}"),
                }
            });
        }
    });
}

#[test]
fn what_is_not_received_is_dropped_with_the_last_receiver() {
    let census = Census::default();
    for (sender, receiver) in [bounded(100), unbounded()] {
        for number in 0..100 {
            assert!(sender.send(census.value(number)).is_ok());
        }
        let other = receiver.clone();
        drop(receiver);
        assert_eq!(census.alive(), 100);
        drop(other);
        assert_eq!(census.alive(), 0, "at once, though a sender is left");
        assert!(sender.is_empty());
        let refused = sender.send(census.value(100)).unwrap_err();
        assert_eq!(refused.into_inner().number, 100);
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn values_survive_the_sender_and_go_with_the_receiver() {
    let census = Census::default();
    for (sender, receiver) in [bounded(50), unbounded()] {
        for number in 0..50 {
            assert!(sender.send(census.value(number)).is_ok());
        }
        drop(sender);
        assert!(receiver.recv().is_ok_and(|value| value.number == 0));
        assert_eq!(census.alive(), 49);
        drop(receiver);
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn a_panicking_destructor_is_seen_once_and_drops_nothing_twice() {
    struct Bomb<'a>(usize, &'a [AtomicUsize]);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            assert_eq!(
                self.1[self.0].fetch_add(1, Ordering::Relaxed),
                0,
                "dropped twice"
            );
            if self.0 == 3 {
                panic!("boom");
            }
        }
    }
    for capacity in [Some(100), None] {
        let drops: Vec<_> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        for number in 0..100 {
            assert!(sender.send(Bomb(number, &drops)).is_ok());
        }
        let panic = catch_unwind(AssertUnwindSafe(|| drop(receiver))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"boom"));
        assert!(
            drops[..4]
                .iter()
                .all(|drops| drops.load(Ordering::Relaxed) == 1)
        );
        assert!(sender.is_closed() && sender.is_empty());
        drop(sender);
    }
}

#[test]
fn destructors_may_use_the_channel() {
    struct Curious(Option<Sender<Curious>>);
    impl Drop for Curious {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                assert!(sender.is_closed());
                assert!(sender.send(Curious(None)).is_err());
            }
        }
    }
    for (sender, receiver) in [bounded(4), unbounded()] {
        for _ in 0..4 {
            assert!(sender.send(Curious(Some(sender.clone()))).is_ok());
        }
        drop(receiver);
        drop(sender);
    }
}

#[test]
fn senders_that_race_the_receivers_drop_lose_no_value() {
    fn race(parties: Setting, capacity: Option<usize>, received: usize) {
        let census = Census::default();
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        parties.scope(|scope| {
            for _ in 0..2 {
                let (sender, census) = (sender.clone(), &census);
                scope.spawn(move || {
                    for number in 0..20 {
                        if let Err(SendError(value)) = sender.send(census.value(number)) {
                            assert_eq!(value.number, number);
                            break;
                        }
                    }
                });
            }
            for _ in 0..received {
                assert!(receiver.recv().is_ok());
            }
            drop(receiver);
        });
        assert_eq!(census.alive(), 0);
    }
    everywhere(|parties| {
        for received in 0..40 {
            for capacity in [Some(0), Some(1), Some(5), None] {
                race(parties, capacity, received);
            }
        }
    });
}
