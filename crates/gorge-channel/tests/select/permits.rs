//! Permits: room for one value, kept for its sender.

use crate::common::{Census, SHORT, everywhere};
use gorge_channel::{RecvError, SendError, TryRecvError, TrySendError, bounded, select, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn kept_room_is_nobody_elses() {
    let (sender, receiver) = bounded(2);
    let permit = sender.reserve().unwrap();
    assert!(!sender.is_full() && sender.is_empty());
    sender.try_send(1).expect("room for one more");
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.len(), 1, "kept room is no value");
    assert!(
        sender.is_full() && receiver.is_full(),
        "but not free either"
    );
    permit.send(3).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(3)));
    assert!(!receiver.is_full());
}

#[test]
fn room_that_is_given_back_goes_to_whoever_waits_for_it() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(1);
        let permit = sender.reserve().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        parties.scope(|scope| {
            let waits = scope.spawn(|| sender.send(1));
            parties.settle();
            drop(permit);
            assert_eq!(waits.join(), Ok(()));
        });
        let (_idle, nothing) = bounded::<i32>(0);
        assert_eq!(receiver.recv(), Ok(1));
        let permit = sender.reserve().unwrap();
        parties.scope(|scope| {
            let waits = scope.spawn(|| {
                select! {
                    send(sender, 2) -> sent => sent,
                    recv(nothing) -> _ => unreachable!(),
                }
            });
            parties.settle();
            drop(permit);
            assert_eq!(waits.join(), Ok(()));
        });
        assert_eq!(receiver.recv(), Ok(2));
    });
}

#[test]
fn a_permit_that_is_used_serves_a_receiver_that_waits() {
    everywhere(|parties| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                let waits = scope.spawn(|| receiver.recv());
                parties.settle();
                let permit = sender.reserve().unwrap();
                parties.settle();
                permit.send(1).unwrap();
                assert_eq!(waits.join(), Ok(1));
            });
            assert!(receiver.is_empty());
        }
    });
}

#[test]
fn a_receiver_whose_permit_is_dropped_times_out_or_finds_another_sender() {
    everywhere(|parties| {
        let (sender, receiver) = bounded::<i32>(0);
        parties.scope(|scope| {
            // It may have given up before, and then there is no permit to be had.
            let waits = scope.spawn(|| (receiver.recv_timeout(SHORT).is_err(), receiver.close()));
            drop(sender.reserve());
            let (is_late, _) = waits.join();
            assert!(is_late, "nothing was sent");
        });
        let (sender, receiver) = bounded::<i32>(0);
        parties.scope(|scope| {
            let waits = scope.spawn(|| receiver.recv());
            drop(sender.reserve().unwrap());
            sender.send(2).unwrap();
            assert_eq!(waits.join(), Ok(2));
        });
    });
}

#[test]
fn a_closed_channel_gives_no_permit_and_takes_no_value() {
    for capacity in [Some(1), None] {
        let census = Census::default();
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        let permit = sender.reserve().unwrap();
        receiver.close();
        assert!(matches!(sender.reserve(), Err(SendError(()))));
        let SendError(value) = permit.send(census.value(1)).unwrap_err();
        assert_eq!(value.number, 1);
        assert_eq!(receiver.recv().map(|_| ()), Err(RecvError));
        drop((value, receiver));
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn permits_outlive_the_last_receiver() {
    let (sender, receiver) = bounded(2);
    let permits = [sender.reserve().unwrap(), sender.reserve().unwrap()];
    drop(receiver);
    let [first, second] = permits;
    drop(first);
    assert_eq!(second.send(1), Err(SendError(1)));
    assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
}

#[test]
fn a_permit_may_be_used_by_another_party() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(1);
        let permit = sender.reserve().unwrap();
        parties
            .scope(|scope| scope.spawn(move || permit.send(1)).join())
            .unwrap();
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn many_values_go_and_come_in_order() {
    everywhere(|parties| {
        for capacity in [Some(0), Some(1), Some(3), None] {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            parties.scope(|scope| {
                let sends = scope.spawn(move || sender.send_many(0..100));
                let mut values = Vec::new();
                while receiver.recv_many(&mut values, 7) > 0 {}
                assert_eq!(sends.join(), Ok(100));
                assert!(values.into_iter().eq(0..100));
            });
        }
    });
}

#[test]
fn an_operation_is_completed_only_with_its_own_sender() {
    let (sender, _receiver) = bounded::<u8>(1);
    let (other, _other) = bounded::<String>(1);
    let mut select = gorge_channel::Select::new();
    select.send(&sender);
    let operation = select.select();
    let text = String::from("for nobody");
    let mixed = catch_unwind(AssertUnwindSafe(|| operation.send(&other, text)));
    assert!(mixed.is_err());
    sender.try_send(1).expect("the room was given back");
}
