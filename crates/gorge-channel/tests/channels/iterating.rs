//! Receiving as iteration.

use crate::common::everywhere;
use gorge_channel::{TryRecvError, bounded, unbounded};

#[test]
fn iteration_ends_with_the_channel() {
    everywhere(|parties| {
        for capacity in [0, 1, 10] {
            let (sender, receiver) = bounded(capacity);
            let (total, sum) = bounded(1);
            parties.scope(|scope| {
                scope.spawn(move || total.send(receiver.iter().sum::<i32>()).unwrap());
                for number in 1..=10 {
                    sender.send(number).unwrap();
                }
                drop(sender);
                assert_eq!(sum.recv(), Ok(55));
            });
        }
    });
}

#[test]
fn leaving_an_iteration_early_keeps_the_channel_usable() {
    let (sender, receiver) = unbounded();
    for number in 0..10 {
        sender.send(number).unwrap();
    }
    for number in &receiver {
        if number == 3 {
            break;
        }
    }
    assert_eq!(receiver.recv(), Ok(4));
}

#[test]
fn try_iter_takes_what_is_there() {
    everywhere(|parties| {
        let (request, requests) = unbounded();
        let (response, responses) = unbounded();
        parties.scope(|scope| {
            scope.spawn(move || {
                let mut seen = 0;
                while seen < 3 {
                    for number in requests.try_iter() {
                        seen += 1;
                        response.send(number * 2).unwrap();
                    }
                    parties.pause();
                }
            });
            for number in 1..=3 {
                request.send(number).unwrap();
            }
            assert_eq!(responses.iter().collect::<Vec<_>>(), [2, 4, 6]);
        });
    });
}

#[test]
fn an_owning_iteration_outlives_the_sender() {
    let (sender, receiver) = unbounded();
    let mut values = receiver.into_iter();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    assert_eq!(
        (values.next(), values.next(), values.next()),
        (Some(1), Some(2), None)
    );
    assert_eq!(values.next(), None, "an iteration that ended stays so");
}

#[test]
fn iterating_by_reference_leaves_the_receiver() {
    let (sender, receiver) = bounded(3);
    for number in 0..3 {
        sender.send(number).unwrap();
    }
    drop(sender);
    assert_eq!((&receiver).into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}
