//! Many values received at once.

use crate::common::{LONG, everywhere};
use gorge_channel::{Receiver, Select, Sender, after, bounded, never, unbounded};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

fn kinds<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![bounded(0), bounded(1), bounded(3), unbounded()]
}

#[test]
fn those_that_are_there_come_in_order_behind_what_there_was() {
    // More than lie in a block of the channel, and more than are moved at once.
    const COUNT: usize = 3_000;
    for (sender, receiver) in [bounded(COUNT), unbounded()] {
        for space in [0, 10, 4 * COUNT] {
            sender.send_many(1..=COUNT).unwrap();
            let mut values = Vec::with_capacity(space);
            values.push(0);
            assert_eq!(receiver.recv_many(&mut values, 1), 1);
            assert_eq!(receiver.recv_many(&mut values, 700), 700);
            assert_eq!(receiver.len(), COUNT - 701);
            assert_eq!(receiver.recv_many(&mut values, usize::MAX), COUNT - 701);
            assert!(receiver.is_empty());
            assert!(values.into_iter().eq(0..=COUNT));
        }
    }
}

#[test]
fn none_are_received_if_none_are_wanted() {
    let (sender, receiver) = bounded(1);
    assert_eq!(receiver.recv_many(&mut Vec::new(), 0), 0);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_many(&mut Vec::new(), 0), 0);
    assert_eq!(receiver.len(), 1);
    assert_eq!(never::<u8>().recv_many(&mut Vec::new(), 0), 0);
}

#[test]
fn what_is_left_in_a_closed_channel_is_received_and_then_nothing() {
    for (sender, receiver) in [bounded(5), unbounded()] {
        sender.send_many(0..5).unwrap();
        sender.close();
        let mut values = Vec::new();
        assert_eq!(receiver.recv_many(&mut values, 3), 3);
        assert_eq!(receiver.recv_many(&mut values, 3), 2);
        assert_eq!(receiver.recv_many(&mut values, 3), 0);
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn senders_that_wait_get_the_room_in_their_order() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                for party in 0..3 {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        for number in 0..50 {
                            sender.send((party, number)).unwrap();
                        }
                    });
                }
                drop(sender);
                parties.settle();
                let mut values = Vec::new();
                while receiver.recv_many(&mut values, 20) > 0 {}
                for party in 0..3 {
                    let of_party = values.iter().filter(|value| value.0 == party);
                    assert!(of_party.map(|value| value.1).eq(0..50));
                }
            });
        }
    });
}

#[test]
fn every_value_reaches_one_of_those_that_receive_many() {
    const COUNT: usize = 2_000;
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let mut all = parties.scope(|scope| {
                let receives = [1, 7, 300].map(|most| {
                    let receiver = receiver.clone();
                    scope.spawn(move || {
                        let mut values = Vec::new();
                        while receiver.recv_many(&mut values, most) > 0 {}
                        assert!(values.is_sorted(), "of one sender, in order");
                        values
                    })
                });
                scope.spawn(move || sender.send_many(0..COUNT).unwrap());
                receives.map(|party| party.join()).concat()
            });
            all.sort_unstable();
            assert!(all.into_iter().eq(0..COUNT));
        }
    });
}

#[test]
fn who_is_ready_to_send_is_told_of_the_room() {
    everywhere(|parties| {
        for capacity in [1, 3, 300] {
            let (sender, receiver) = bounded(capacity);
            sender.send_many(0..capacity).unwrap();
            parties.scope(|scope| {
                let ready = [(); 2].map(|()| {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let mut select = Select::new();
                        select.send(&sender);
                        select.ready_timeout(LONG)
                    })
                });
                parties.settle();
                let mut values = Vec::with_capacity(capacity);
                assert_eq!(receiver.recv_many(&mut values, capacity), capacity);
                for party in ready {
                    assert_eq!(party.join(), Ok(0));
                }
            });
        }
    });
}

#[test]
fn what_a_future_put_back_comes_first() {
    for (sender, receiver) in [bounded(3), unbounded()] {
        let mut receive = Box::pin(receiver.recv_async());
        let pending = Pin::as_mut(&mut receive).poll(&mut Context::from_waker(Waker::noop()));
        assert!(pending.is_pending());
        sender.send_many(0..3).unwrap();
        drop(receive);
        let mut values = Vec::new();
        assert_eq!(receiver.recv_many(&mut values, 10), 3);
        assert_eq!(values, [0, 1, 2]);
    }
}

#[test]
fn a_timer_gives_one() {
    let mut values: Vec<Instant> = Vec::new();
    assert_eq!(after(Duration::from_millis(1)).recv_many(&mut values, 5), 1);
    assert_eq!(values.len(), 1);
}

#[test]
fn values_without_size_and_large_ones_are_received_at_once() {
    let (sender, receiver) = unbounded();
    sender.send_many([(); 1_000]).unwrap();
    let mut nothing = Vec::new();
    assert_eq!(receiver.recv_many(&mut nothing, 999), 999);
    assert_eq!((nothing.len(), receiver.len()), (999, 1));

    let (sender, receiver) = unbounded();
    sender
        .send_many((0..40).map(|number| [number; 5_000]))
        .unwrap();
    let mut large: Vec<[u16; 5_000]> = Vec::new();
    assert_eq!(receiver.recv_many(&mut large, 50), 40);
    assert!(large.iter().map(|value| value[4_999]).eq(0..40));
}
