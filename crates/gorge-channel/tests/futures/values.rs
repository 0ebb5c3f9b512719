//! What becomes of values that futures were handed: how they are counted, in which order
//! they come back, and what a destructor that panics keeps from being dropped.

use crate::polling::poll;
use futures_util::{FutureExt, SinkExt, StreamExt};
use gorge_channel::{
    RecvFuture, RecvStream, ReserveFuture, SendFuture, SendSink, TryRecvError, bounded, unbounded,
};
use gorge_runtime::block_on;
use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

#[test]
fn a_closed_channel_that_is_empty_has_nothing_to_be_received() {
    for capacity in [Some(0), Some(1), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        let mut receives = [0, 1, 2].map(|_| Box::pin(receiver.recv_async()));
        for (number, receive) in receives.iter_mut().enumerate() {
            assert!(poll(receive.as_mut()).is_pending());
            sender.try_send(number).unwrap();
        }
        let [first, mut second, third] = receives;
        assert_eq!(receiver.len(), 0, "they are the futures'");
        sender.close();
        assert_eq!(
            (receiver.len(), sender.len()),
            (3, 3),
            "anybody may take them"
        );
        drop(third);
        assert_eq!(receiver.len(), 3, "put back");
        assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(1)));
        assert_eq!(receiver.len(), 2);
        for left in [1, 0] {
            assert!(receiver.try_recv().is_ok());
            assert_eq!(receiver.len(), left);
        }
        assert!(receiver.is_empty());
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        drop(first);
        assert!(receiver.is_empty());
    }
}

#[test]
fn values_that_are_put_back_come_in_the_order_in_which_their_futures_went() {
    let (sender, receiver) = bounded(0);
    let mut receives = [0, 1, 2].map(|_| Box::pin(receiver.recv_async()));
    for (number, receive) in receives.iter_mut().enumerate() {
        assert!(poll(receive.as_mut()).is_pending());
        sender.try_send(number).unwrap();
    }
    let [first, second, third] = receives;
    drop(second);
    drop(third);
    drop(first);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 0]);
}

/// Counts its drop; one that is the first panics then.
struct Counted {
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "the panic of a value that is dropped");
    }
}

/// `MANY` values that were handed to futures, which are forgotten or put them back; then
/// the last receiver goes.
fn drop_values_of_futures(are_forgotten: bool, panics_at: usize) {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = bounded(0);
    let mut receives: Vec<_> = (0..MANY).map(|_| Box::pin(receiver.recv_async())).collect();
    for receive in &mut receives {
        assert!(poll(receive.as_mut()).is_pending());
    }
    for number in 0..MANY {
        let value = Counted {
            drops: Arc::clone(&drops),
            panics: number == panics_at,
        };
        assert!(sender.try_send(value).is_ok());
    }
    match are_forgotten {
        true => receives.into_iter().for_each(mem::forget),
        false => drop(receives),
    }
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
    assert_eq!(dropped.is_err(), panics_at < MANY);
    let expected = (panics_at + 1).min(MANY);
    assert_eq!(drops.load(Ordering::SeqCst), expected, "the rest leaks");
    assert!(sender.is_empty(), "nobody could receive what is left");
}

const MANY: usize = 50_000;

#[test]
fn values_of_futures_are_dropped_one_by_one_up_to_a_destructor_that_panics() {
    for are_forgotten in [false, true] {
        for panics_at in [0, MANY / 2, MANY] {
            drop_values_of_futures(are_forgotten, panics_at);
        }
    }
}

#[test]
fn futures_can_be_taken_over_by_who_catches_a_panic() {
    fn check<F: UnwindSafe + RefUnwindSafe>() {}
    check::<RecvFuture<'_, Cell<u8>>>();
    check::<RecvStream<'_, Cell<u8>>>();
    check::<SendFuture<'_, Cell<u8>>>();
    check::<SendSink<'_, Cell<u8>>>();
    check::<ReserveFuture<'_, Cell<u8>>>();
}

#[test]
fn streams_and_sinks_own_handles_of_values_that_borrow() {
    let text = String::from("a text that is lent");
    let (sender, receiver) = bounded(1);
    let mut sink = pin!(sender.into_sink());
    block_on(sink.send(text.as_str())).unwrap();
    let mut stream = pin!(receiver.into_stream());
    assert_eq!(stream.next().now_or_never(), Some(Some(text.as_str())));
}
