//! Futures that wait to be promised something, and promises to futures: who goes together
//! with whom, and that nobody waits for a future to be polled.

use crate::common::{LONG, SHORT, Setting, everywhere};
use crate::polling::{Bell, poll, poll_with};
use futures_util::FutureExt;
use gorge_channel::{
    Permit, Receiver, RecvError, RecvTimeoutError, Select, SendError, Sender, TryRecvError, bounded,
};
use gorge_runtime::block_on;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Waits until a sender that is no future waits to be promised something.
fn until_one_waits<T>(parties: Setting, receiver: &Receiver<T>) {
    parties.until(|| {
        let mut select = Select::new();
        select.recv(receiver);
        select.try_ready().is_ok()
    });
}

/// Receives, from somebody who comes only when this waits.
fn receive_in_one_of_the_ways(receiver: &Receiver<i32>, way: usize) -> i32 {
    match way {
        0 => receiver.recv().unwrap(),
        1 => receiver.recv_timeout(LONG).unwrap(),
        2 => block_on(receiver.recv_async()).unwrap(),
        _ => {
            let nothing = gorge_channel::never::<()>();
            let mut select = Select::new();
            select.recv(&nothing);
            select.recv(receiver);
            select.select().recv(receiver).unwrap()
        }
    }
}

#[test]
fn who_does_not_wait_finds_no_reservation_and_tells_it_to_look() {
    everywhere(|_| {
        let (sender, receiver) = bounded::<i32>(0);
        let other = gorge_channel::never::<()>();
        let bell = Arc::new(Bell::default());
        let mut reserve = pin!(sender.reserve_async());
        let mut wait = || assert!(poll_with(reserve.as_mut(), &bell).is_pending());

        wait();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(bell.rung(), 1);
        wait();
        assert_eq!(receiver.try_iter().next(), None);
        assert_eq!(bell.rung(), 1);
        wait();
        let mut select = Select::new();
        select.recv(&receiver);
        assert!(select.try_select().is_err());
        assert_eq!(bell.rung(), 1);
        wait();
        select.recv(&other);
        assert!(select.try_select().is_err());
        assert_eq!(bell.rung(), 1);
        wait();
        assert!(select.try_ready().is_err(), "a try would find nothing");
        assert!(select.ready_timeout(SHORT).is_err());
        assert_eq!(bell.rung(), 0);
    });
}

#[test]
fn a_wait_beside_a_reservation_that_is_not_polled_ends_in_time() {
    everywhere(|_| {
        for is_forgotten in [false, true] {
            let (sender, receiver) = bounded::<i32>(0);
            let mut reserve = Box::pin(sender.reserve_async());
            let bell = Arc::new(Bell::default());
            assert!(poll_with(reserve.as_mut(), &bell).is_pending());
            let mut reserve = Some(reserve);
            if is_forgotten {
                mem::forget(reserve.take());
            }
            let received = receiver.recv_timeout(SHORT);
            assert_eq!(received, Err(RecvTimeoutError::Timeout));
            assert_eq!(bell.rung(), 1, "it could have been in time");
            if let Some(reserve) = &mut reserve {
                assert!(poll_with(reserve.as_mut(), &bell).is_pending());
            }
            let mut select = Select::new();
            select.recv(&receiver);
            assert!(select.select_timeout(SHORT).is_err());
            assert_eq!(bell.rung(), usize::from(!is_forgotten));
            drop(reserve);
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn a_reservation_finds_the_receiver_that_waits() {
    everywhere(|parties| {
        for way in 0..4 {
            let (sender, receiver) = bounded(0);
            let mut first = pin!(sender.reserve_async());
            let mut dropped = Box::pin(sender.reserve_async());
            assert!(poll(first.as_mut()).is_pending());
            assert!(poll(dropped.as_mut()).is_pending());
            parties.scope(|scope| {
                let reader = scope.spawn(|| receive_in_one_of_the_ways(&receiver, way));
                block_on(first).unwrap().send(7).unwrap();
                drop(dropped);
                assert_eq!(reader.join(), 7);
            });
        }
    });
}

#[test]
fn a_receiver_that_waits_goes_on_when_a_reservation_is_dropped() {
    everywhere(|parties| {
        for way in 0..4 {
            let (sender, receiver) = bounded(0);
            let mut reserve = Box::pin(sender.reserve_async());
            assert!(poll(reserve.as_mut()).is_pending());
            parties.scope(|scope| {
                let reader = scope.spawn(|| receive_in_one_of_the_ways(&receiver, way));
                let permit = block_on(reserve.as_mut()).unwrap();
                drop(permit);
                drop(reserve);
                sender.send(8).unwrap();
                assert_eq!(reader.join(), 8);
            });
        }
    });
}

/// Waits to be promised something, and again whenever it is told to look, until `is_over`.
fn reserve_again_and_again(parties: Setting, sender: &Sender<i32>, is_over: &AtomicBool) {
    let mut reserve = pin!(sender.reserve_async());
    while !is_over.load(Ordering::SeqCst) {
        match poll(reserve.as_mut()) {
            Poll::Ready(permit) => drop(permit),
            Poll::Pending => parties.pause(),
        }
    }
}

#[test]
fn a_blocked_sender_among_reservations_is_found() {
    everywhere(|parties| {
        for waits in [false, true] {
            let (sender, receiver) = bounded(0);
            let is_over = AtomicBool::new(false);
            parties.scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| reserve_again_and_again(parties, &sender, &is_over));
                }
                let blocked = scope.spawn(|| {
                    for number in 0..20 {
                        sender.reserve().unwrap().send(number).unwrap();
                    }
                });
                for number in 0..20 {
                    let mut received = None;
                    parties.until(|| {
                        received = match waits {
                            true => receiver.recv_timeout(LONG).ok(),
                            false => receiver.try_recv().ok(),
                        };
                        received.is_some()
                    });
                    assert_eq!(received, Some(number));
                }
                is_over.store(true, Ordering::SeqCst);
                blocked.join();
            });
        }
    });
}

/// Of a sender that waits to be promised something and one with a value, which waits
/// behind it.
#[test]
fn a_future_receives_from_the_sender_that_was_first() {
    everywhere(|parties| {
        for has_reservation in [false, true] {
            let (sender, receiver) = bounded(0);
            let mut reserve = Box::pin(sender.reserve_async());
            let bell = Arc::new(Bell::default());
            if has_reservation {
                assert!(poll_with(reserve.as_mut(), &bell).is_pending());
            }
            parties.scope(|scope| {
                let first = scope.spawn(|| sender.reserve().unwrap().send(1));
                until_one_waits(parties, &receiver);
                let mut second = pin!(sender.send_async(2));
                assert!(poll(second.as_mut()).is_pending());
                assert_eq!(block_on(receiver.recv_async()), Ok(1));
                assert_eq!(bell.rung(), usize::from(has_reservation));
                assert_eq!(block_on(receiver.recv_async()), Ok(2));
                first.join().unwrap();
            });
        }
    });
}

/// Runs `keeper` with the permit that a future has met, and which the future waits for.
fn with_a_future_that_waits_for_a_permit(
    parties: Setting,
    keeper: impl FnOnce(Permit<'_, i32>) + Send,
    body: impl FnOnce(
        &Sender<i32>,
        &Receiver<i32>,
        Pin<Box<dyn Future<Output = Result<i32, RecvError>> + '_>>,
        &AtomicBool,
    ),
) {
    let (sender, receiver) = bounded(0);
    let (has_permit, goes_on) = (AtomicBool::new(false), AtomicBool::new(false));
    parties.scope(|scope| {
        let keeper = scope.spawn(|| {
            let permit = sender.reserve().unwrap();
            has_permit.store(true, Ordering::SeqCst);
            parties.until(|| goes_on.load(Ordering::SeqCst));
            keeper(permit);
        });
        until_one_waits(parties, &receiver);
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll(receive.as_mut()).is_pending());
        parties.until(|| has_permit.load(Ordering::SeqCst));
        assert!(poll(receive.as_mut()).is_pending());
        body(&sender, &receiver, receive, &goes_on);
        goes_on.store(true, Ordering::SeqCst);
        keeper.join();
    });
}

#[test]
fn a_permit_that_a_future_has_met_can_be_used_dropped_or_come_too_late() {
    everywhere(|parties| {
        with_a_future_that_waits_for_a_permit(
            parties,
            |permit| permit.send(1).unwrap(),
            |_, _, receive, goes_on| {
                goes_on.store(true, Ordering::SeqCst);
                assert_eq!(block_on(receive), Ok(1));
            },
        );
        with_a_future_that_waits_for_a_permit(
            parties,
            |permit| drop(permit),
            |sender, _, receive, goes_on| {
                goes_on.store(true, Ordering::SeqCst);
                parties.scope(|scope| {
                    scope.spawn(|| sender.send(2).unwrap());
                    assert_eq!(block_on(receive), Ok(2));
                });
            },
        );
        with_a_future_that_waits_for_a_permit(
            parties,
            |permit| assert_eq!(permit.send(3), Err(SendError(3))),
            |sender, _, receive, goes_on| {
                sender.close();
                goes_on.store(true, Ordering::SeqCst);
                assert_eq!(block_on(receive), Err(RecvError));
            },
        );
    });
}

#[test]
fn what_is_sent_to_a_future_that_has_gone_is_put_back() {
    everywhere(|parties| {
        with_a_future_that_waits_for_a_permit(
            parties,
            |permit| permit.send(1).unwrap(),
            |_, receiver, receive, goes_on| {
                drop(receive);
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                goes_on.store(true, Ordering::SeqCst);
                assert_eq!(receiver.recv(), Ok(1));
                assert_eq!(receiver.recv_async().now_or_never(), None);
            },
        );
    });
}

#[test]
fn room_that_is_given_back_hides_no_value_that_was_put_back() {
    everywhere(|_| {
        let (sender, receiver) = bounded::<i32>(1);
        let mut future = Box::pin(receiver.recv_async());
        assert!(poll(future.as_mut()).is_pending());
        sender.send(1).unwrap();
        // The value that it was handed is the next to be received.
        drop(future);
        drop(sender.reserve().unwrap());
        assert_eq!(receive_in_one_of_the_ways(&receiver, 3), 1);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}
