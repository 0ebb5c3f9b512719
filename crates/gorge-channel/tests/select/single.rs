//! A select of one case does what the plain operation does; and what a dynamic select's
//! choice may be completed with, or not at all.

use crate::common::{LONG, SHORT, everywhere};
use crate::ways::{Patience, WAYS};
use gorge_channel::{
    Receiver, RecvError, Select, SendError, Sender, bounded, never, select, unbounded,
};
use gorge_runtime::time;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::from_ref;

const CAPACITIES: [Option<usize>; 3] = [Some(0), Some(1), None];

fn channel<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    capacity.map_or_else(unbounded, bounded)
}

#[test]
fn one_receive_tries_waits_and_times_out() {
    everywhere(|parties| {
        for way in WAYS {
            for capacity in CAPACITIES {
                let (sender, receiver) = channel(capacity);
                let other = sender.clone();
                let receive = |patience| way.receive(from_ref(&receiver), patience);
                assert_eq!(receive(Patience::None), None);
                let start = time::now();
                assert_eq!(receive(Patience::Until(SHORT)), None);
                assert!(time::now() >= start + SHORT, "not before");
                parties.scope(|scope| {
                    let sends = scope.spawn(move || (0..3).all(|it| other.send(it).is_ok()));
                    assert_eq!(receive(Patience::Forever), Some((0, Ok(0))));
                    assert_eq!(receive(Patience::Until(LONG)), Some((0, Ok(1))));
                    let mut last = None;
                    parties.until(|| {
                        last = receive(Patience::None);
                        last.is_some()
                    });
                    assert_eq!(last, Some((0, Ok(2))));
                    assert!(sends.join());
                    let waits = scope.spawn(|| receive(Patience::Forever));
                    parties.settle();
                    drop(sender);
                    assert_eq!(waits.join(), Some((0, Err(RecvError))));
                });
                assert_eq!(receive(Patience::None), Some((0, Err(RecvError))));
                assert_eq!(receive(Patience::Until(LONG)), Some((0, Err(RecvError))));
            }
        }
    });
}

#[test]
fn one_send_tries_waits_and_times_out() {
    everywhere(|parties| {
        for way in WAYS {
            for capacity in [0, 1] {
                let (sender, receiver) = bounded(capacity);
                let send = |value, patience| way.send(from_ref(&sender), value, patience);
                for number in 0..capacity {
                    assert_eq!(send(number, Patience::None), Some((0, Ok(()))));
                }
                assert_eq!(send(9, Patience::None), None);
                let start = time::now();
                assert_eq!(send(9, Patience::Until(SHORT)), None);
                assert!(time::now() >= start + SHORT, "not before");
                parties.scope(|scope| {
                    let receives = scope.spawn(|| {
                        let values = receiver.iter().take(capacity + 3);
                        assert!(values.eq(0..capacity + 3));
                        receiver
                    });
                    assert_eq!(send(capacity, Patience::Forever), Some((0, Ok(()))));
                    assert_eq!(send(capacity + 1, Patience::Until(LONG)), Some((0, Ok(()))));
                    parties.until(|| send(capacity + 2, Patience::None).is_some());
                    let receiver = receives.join();
                    sender.send_many(0..capacity).unwrap();
                    let waits = scope.spawn(|| send(7, Patience::Forever));
                    parties.settle();
                    drop(receiver);
                    assert_eq!(waits.join(), Some((0, Err(SendError(7)))));
                });
                assert_eq!(send(8, Patience::None), Some((0, Err(SendError(8)))));
                assert_eq!(send(8, Patience::Until(LONG)), Some((0, Err(SendError(8)))));
            }
        }
    });
}

#[test]
fn a_choice_is_completed_with_a_clone_of_the_handle() {
    everywhere(|parties| {
        for capacity in CAPACITIES {
            let (sender, receiver) = channel::<i32>(capacity);
            let (other_sender, other_receiver) = (sender.clone(), receiver.clone());
            parties.scope(|scope| {
                let receives = scope.spawn(|| other_receiver.recv());
                let mut select = Select::new();
                select.send(&sender);
                select.select().send(&other_sender, 1).unwrap();
                assert_eq!(receives.join(), Ok(1));
                let sends = scope.spawn(|| other_sender.send(2));
                let mut select = Select::new();
                select.recv(&receiver);
                assert_eq!(select.select().recv(&other_receiver), Ok(2));
                assert_eq!(sends.join(), Ok(()));
            });
        }
    });
}

#[test]
fn a_choice_is_not_completed_with_another_channels_handle() {
    let (sender, receiver) = bounded::<i32>(1);
    let (other_sender, other_receiver) = bounded::<i32>(1);
    let panics = |body: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(body)).is_err();
    let mut select = Select::new();
    select.send(&sender);
    assert!(panics(&mut || _ = select.select().send(&other_sender, 1)));
    sender.try_send(2).expect("the room was given back");
    let mut select = Select::new();
    select.recv(&receiver);
    assert!(panics(&mut || _ = select.select().recv(&other_receiver)));
    assert!(other_sender.is_empty() && receiver.is_empty());
}

#[test]
fn a_received_value_that_nobody_takes_harms_nobody() {
    everywhere(|parties| {
        for capacity in CAPACITIES {
            for is_forgotten in [false, true] {
                let (sender, receiver) = channel::<i32>(capacity);
                parties.scope(|scope| {
                    let sends = scope.spawn(|| sender.send_many(1..=2));
                    let mut select = Select::new();
                    select.recv(&receiver);
                    let operation = select.select();
                    match is_forgotten {
                        true => mem::forget(operation),
                        false => {
                            assert!(catch_unwind(AssertUnwindSafe(|| drop(operation))).is_err());
                        }
                    }
                    assert_eq!(receiver.recv(), Ok(2), "the first one is gone");
                    assert_eq!(sends.join(), Ok(2));
                });
                drop(receiver);
                assert_eq!(sender.send(3), Err(SendError(3)));
            }
        }
    });
}

#[test]
fn a_select_is_used_again_and_again() {
    everywhere(|parties| {
        const COUNT: usize = 300;
        let (s1, r1) = bounded::<usize>(0);
        let (s2, r2) = bounded::<usize>(1);
        let nothing = never::<usize>();
        parties.scope(|scope| {
            let sends = scope.spawn(|| {
                let mut select = Select::new();
                let first = select.send(&s1);
                select.send(&s2);
                for number in 0..COUNT {
                    let operation = select.select();
                    let to = if operation.index() == first { &s1 } else { &s2 };
                    operation.send(to, number).unwrap();
                }
            });
            let mut select = Select::new();
            let receivers = [&r1, &nothing, &r2];
            receivers.iter().for_each(|it| _ = select.recv(it));
            let mut sum = 0;
            for _ in 0..COUNT {
                let operation = select.select();
                let index = operation.index();
                sum += operation.recv(receivers[index]).unwrap();
            }
            sends.join();
            assert_eq!(sum, (0..COUNT).sum());
            assert!(select.try_select().is_err() && select.try_ready().is_err());
        });
    });
}

#[test]
fn a_senders_handle_that_panics_leaves_nothing_behind() {
    everywhere(|_| {
        let (sender, receiver) = bounded::<i32>(0);
        let (room, taken) = bounded::<i32>(1);
        let panics = || -> &Sender<i32> { panic!("no handle") };
        let result = catch_unwind(AssertUnwindSafe(|| {
            select! {
                recv(receiver) -> _ => unreachable!(),
                send(room, 1) -> _ => unreachable!(),
                send(panics(), 2) -> _ => unreachable!(),
            }
        }));
        assert!(result.is_err());
        assert!(sender.try_send(1).is_err(), "nobody waits");
        assert!(taken.is_empty() && room.try_send(1).is_ok());
    });
}
