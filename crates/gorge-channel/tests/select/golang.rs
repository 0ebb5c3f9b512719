//! What Go's programs in `test/chan` check of selects: see `README.md` for those that are
//! tested elsewhere.

use crate::common::{LONG, everywhere};
use gorge_channel::{Receiver, RecvError, Sender, bounded, never, select, unbounded};
use std::cell::Cell;

// test/chan/select.go: a counter is spread over two channels, and read from them.
#[test]
fn cases_come_and_go_and_the_count_stays_exact() {
    const END: usize = 100;
    fn switched(is_on: bool, receiver: &Receiver<usize>) -> Receiver<usize> {
        match is_on {
            true => receiver.clone(),
            false => never(),
        }
    }
    everywhere(|parties| {
        for capacity in [0, 1, 5] {
            let ((s1, r1), (s2, r2)) = (bounded(capacity), bounded(capacity));
            let mut seen = parties.scope(|scope| {
                scope.spawn(move || {
                    let next = Cell::new(0);
                    let value = || next.replace(next.get() + 1);
                    while next.get() < END {
                        // A value is made by the case that is chosen, and by no other.
                        select! {
                            send(s1, value()) -> sent => sent.unwrap(),
                            send(s2, value()) -> sent => sent.unwrap(),
                        }
                    }
                });
                let (mut first, mut second) = (true, true);
                let mut seen = Vec::new();
                while first || second {
                    select! {
                        recv(switched(first, &r1)) -> value => match value {
                            Ok(value) => seen.push(value),
                            Err(RecvError) => first = false,
                        },
                        recv(switched(second, &r2)) -> value => match value {
                            Ok(value) => seen.push(value),
                            Err(RecvError) => second = false,
                        },
                    }
                }
                seen
            });
            if capacity == 0 {
                assert!(seen.is_sorted(), "{seen:?}");
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..END));
        }
    });
}

// test/chan/select4.go
#[test]
fn a_ready_case_is_chosen_beside_one_that_is_not() {
    everywhere(|_| {
        let (sender, receiver) = bounded(1);
        let (rendezvous, nothing) = bounded::<i32>(0);
        sender.send(42).unwrap();
        select! {
            send(rendezvous, 5) -> _ => unreachable!("nobody receives"),
            recv(nothing) -> _ => unreachable!("nobody sends"),
            recv(receiver) -> value => assert_eq!(value, Ok(42)),
        }
    });
}

// test/chan/select7.go
#[test]
fn sends_of_every_form_meet_receives_of_every_form() {
    type Receive = fn(&Receiver<i32>) -> Result<i32, RecvError>;
    let receives: [Receive; 5] = [
        |receiver| receiver.recv(),
        |receiver| receiver.recv_timeout(LONG).map_err(|_| RecvError),
        |receiver| select! { recv(receiver) -> value => value },
        |receiver| {
            select! {
                recv(receiver) -> value => value,
                recv(never()) -> value => value,
            }
        },
        |receiver| {
            let (_idle, nothing) = bounded(0);
            select! {
                recv(nothing) -> value => value,
                recv(receiver) -> value => value,
                default(LONG) => Err(RecvError),
            }
        },
    ];
    let sends: [fn(&Sender<i32>) -> bool; 6] = [
        |sender| sender.send(7).is_ok(),
        |sender| sender.send_timeout(7, LONG).is_ok(),
        |sender| select! { send(sender, 7) -> sent => sent.is_ok() },
        |sender| {
            select! {
                send(sender, 7) -> sent => sent.is_ok(),
                recv(never::<u8>()) -> _ => false,
            }
        },
        |sender| {
            let (idle, _nothing) = bounded::<u8>(0);
            select! {
                send(idle, 1) -> _ => false,
                send(sender, 7) -> sent => sent.is_ok(),
                default(LONG) => false,
            }
        },
        |sender| sender.reserve().is_ok_and(|permit| permit.send(7).is_ok()),
    ];
    everywhere(|parties| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            for receive in receives {
                for send in sends {
                    for receiver_first in [false, true] {
                        let sent = || assert!(send(&sender));
                        let received = || assert_eq!(receive(&receiver), Ok(7));
                        let both: [&(dyn Fn() + Sync); 2] = match receiver_first {
                            true => [&received, &sent],
                            false => [&sent, &received],
                        };
                        parties.scope(|scope| {
                            scope.spawn(both[0]);
                            parties.pause();
                            both[1]();
                        });
                        assert!(receiver.is_empty());
                    }
                }
            }
        }
    });
}

// TestChanSendInterface
#[test]
fn objects_behind_traits_go_through_sends_and_selects() {
    type Job = Box<dyn FnOnce() -> usize + Send>;
    everywhere(|parties| {
        let (sender, receiver) = bounded::<Job>(1);
        let job = |number: usize| -> Job { Box::new(move || number) };
        assert!(sender.send(job(1)).is_ok());
        select! {
            send(sender, job(2)) -> _ => unreachable!("it is full"),
            default => {}
        }
        select! {
            send(sender, job(2)) -> _ => unreachable!("it is full"),
            send(sender, job(3)) -> _ => unreachable!("it is full"),
            default => {}
        }
        parties.scope(|scope| {
            scope.spawn(|| select! { send(sender, job(4)) -> sent => assert!(sent.is_ok()) });
            let sum: usize = receiver.iter().take(2).map(|job| job()).sum();
            assert_eq!(sum, 5);
        });
    });
}
