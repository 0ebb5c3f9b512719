//! Operations as futures, polled by hand: what each poll does, and what a drop leaves.
#![allow(
    clippy::disallowed_methods,
    reason = "plain OS threads take part in these tests"
)]

use crate::polling::{Bell, poll, poll_with};
use futures_util::future::{join, poll_immediate};
use futures_util::{FutureExt, SinkExt, StreamExt, stream};
use gorge_channel::{RecvError, Select, SendError, TryRecvError, bounded, never, unbounded};
use gorge_runtime::block_on;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[test]
fn a_future_is_ready_at_once_if_it_can_be() {
    for capacity in [Some(1), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        assert_eq!(sender.send_async(1).now_or_never(), Some(Ok(())));
        assert_eq!(receiver.recv_async().now_or_never(), Some(Ok(1)));
        assert_eq!(receiver.recv_async().now_or_never(), None);
        let permit = sender.reserve_async().now_or_never().unwrap().unwrap();
        permit.send(2).unwrap();
        drop(sender);
        assert_eq!(receiver.recv_async().now_or_never(), Some(Ok(2)));
        assert_eq!(receiver.recv_async().now_or_never(), Some(Err(RecvError)));
    }
}

#[test]
fn a_waiting_receive_is_a_receiver_that_waits() {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let bell = Arc::new(Bell::default());
        let mut receive = pin!(receiver.recv_async());
        assert!(poll_with(receive.as_mut(), &bell).is_pending());
        sender.try_send(1).unwrap();
        assert!(receiver.is_empty(), "it was handed over");
        assert_eq!(bell.rung(), 1);
        assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(1)));
        assert!(poll(receive.as_mut()).is_pending());
        drop(sender);
        assert_eq!(poll(receive), Poll::Ready(Err(RecvError)));
    }
}

#[test]
fn a_waiting_send_is_a_sender_that_waits() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    let bell = Arc::new(Bell::default());
    let mut send = pin!(sender.send_async(2));
    assert!(poll_with(send.as_mut(), &bell).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(send.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn two_futures_meet_on_a_rendezvous_channel() {
    let (sender, receiver) = bounded(0);
    let both = join(sender.send_async(1), receiver.recv_async());
    assert_eq!(block_on(both), (Ok(()), Ok(1)));
    let both = join(receiver.recv_async(), sender.send_async(2));
    assert_eq!(block_on(both), (Ok(2), Ok(())));
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_called() {
    let (sender, receiver) = bounded(0);
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let mut receive = pin!(receiver.recv_async());
    assert!(poll_with(receive.as_mut(), &bells[0]).is_pending());
    assert!(poll_with(receive.as_mut(), &bells[1]).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(bells.map(|bell| bell.rung()), [0, 1]);
    assert_eq!(poll(receive), Poll::Ready(Ok(1)));
}

#[test]
fn a_dropped_receive_puts_back_what_it_was_handed() {
    for capacity in [Some(0), Some(1), Some(3), None] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        let mut receives = [0, 1].map(|_| Box::pin(receiver.recv_async()));
        for receive in &mut receives {
            assert!(poll(receive.as_mut()).is_pending());
        }
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        if capacity != Some(0) {
            sender.try_send(3).unwrap();
        }
        drop(receives);
        assert!(!receiver.is_empty());
        let expected = 2 + usize::from(capacity != Some(0));
        assert_eq!(receiver.len(), expected);
        drop(sender);
        let received: Vec<i32> = receiver.iter().collect();
        assert_eq!(received, (1..=expected as i32).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_put_back_goes_to_a_receiver_that_waits() {
    let (sender, receiver) = bounded(0);
    let mut first = Box::pin(receiver.recv_async());
    let mut second = pin!(receiver.recv_async());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    sender.try_send(1).unwrap();
    drop(first);
    assert_eq!(poll(second), Poll::Ready(Ok(1)));
}

#[test]
fn what_is_put_back_makes_a_select_ready() {
    let (sender, receiver) = bounded::<i32>(0);
    let mut receive = Box::pin(receiver.recv_async());
    assert!(poll(receive.as_mut()).is_pending());
    thread::scope(|scope| {
        let ready = scope.spawn(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            select.ready()
        });
        sender.send(1).unwrap();
        drop(receive);
        assert_eq!(ready.join().unwrap(), 0);
    });
    let mut select = Select::new();
    select.recv(&receiver);
    let chosen = select.try_select().unwrap();
    assert_eq!(chosen.recv(&receiver), Ok(1));
}

#[test]
fn a_receive_that_was_dropped_while_it_waited_takes_nothing() {
    let (sender, receiver) = bounded(0);
    assert_eq!(receiver.recv_async().now_or_never(), None);
    assert!(sender.try_send(1).is_err(), "nobody waits");
}

#[test]
fn a_value_for_a_receive_that_has_gone_is_put_back_by_its_sender() {
    let (sender, receiver) = bounded(0);
    let mut receive = Box::pin(receiver.recv_async());
    assert!(poll(receive.as_mut()).is_pending());
    let permit = sender.reserve().unwrap();
    drop(receive);
    permit.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_value_for_a_receive_comes_back_to_its_sender_if_the_channel_was_closed() {
    for is_dropped in [true, false] {
        let (sender, receiver) = bounded(0);
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll(receive.as_mut()).is_pending());
        let permit = sender.reserve().unwrap();
        sender.close();
        if is_dropped {
            drop(receive);
            assert_eq!(permit.send(1), Err(SendError(1)));
        } else {
            assert!(poll(receive.as_mut()).is_pending());
            assert_eq!(permit.send(1), Err(SendError(1)));
            assert_eq!(poll(receive.as_mut()), Poll::Ready(Err(RecvError)));
        }
    }
}

#[test]
fn what_a_future_was_handed_is_seen_by_others_before_they_find_the_end() {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll(receive.as_mut()).is_pending());
        sender.try_send(1).unwrap();
        drop(sender);
        // The future might put it back, after everybody else has left.
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(poll(receive.as_mut()), Poll::Ready(Err(RecvError)));
    }
}

#[test]
fn a_receive_goes_on_when_its_sender_gives_up() {
    let (sender, receiver) = bounded(0);
    let mut receive = pin!(receiver.recv_async());
    assert!(poll(receive.as_mut()).is_pending());
    drop(sender.reserve().unwrap());
    assert!(poll(receive.as_mut()).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(poll(receive), Poll::Ready(Ok(1)));
}

#[test]
fn a_dropped_send_has_sent_or_drops_its_value() {
    let (sender, receiver) = bounded(0);
    let value = Arc::new(());
    let mut send = Box::pin(sender.send_async(Arc::clone(&value)));
    assert!(poll(send.as_mut()).is_pending());
    drop(send);
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));

    let mut send = Box::pin(sender.send_async(Arc::clone(&value)));
    assert!(poll(send.as_mut()).is_pending());
    let received = receiver.try_recv();
    drop(send);
    assert_eq!(received.as_ref().map(Arc::strong_count), Ok(2));
}

#[test]
fn a_withdrawn_send_gives_its_value_back_unless_it_was_sent() {
    let (sender, receiver) = bounded(0);
    let mut send = Box::pin(sender.send_async(1));
    assert!(poll(send.as_mut()).is_pending());
    assert_eq!(Pin::into_inner(send).withdraw(), Some(1));

    let mut send = Box::pin(sender.send_async(2));
    assert!(poll(send.as_mut()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(Pin::into_inner(send).withdraw(), None);

    let mut send = Box::pin(sender.send_async(3));
    assert!(poll(send.as_mut()).is_pending());
    receiver.close();
    assert_eq!(Pin::into_inner(send).withdraw(), Some(3));
}

#[test]
fn a_close_hands_a_pending_send_its_value_back() {
    let (sender, receiver) = bounded(0);
    let bell = Arc::new(Bell::default());
    let mut send = pin!(sender.send_async(1));
    let mut reserve = pin!(sender.reserve_async());
    assert!(poll_with(send.as_mut(), &bell).is_pending());
    assert!(poll_with(reserve.as_mut(), &bell).is_pending());
    drop(receiver);
    assert_eq!(bell.rung(), 2);
    assert_eq!(poll(send), Poll::Ready(Err(SendError(1))));
    assert!(matches!(poll(reserve), Poll::Ready(Err(SendError(())))));
}

#[test]
fn a_dropped_reservation_passes_its_room_on() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    let mut first = Box::pin(sender.reserve_async());
    let mut second = pin!(sender.reserve_async());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(receiver.recv(), Ok(1));
    drop(first);
    let Poll::Ready(Ok(permit)) = poll(second) else {
        panic!("the room went to the next");
    };
    assert!(sender.try_send(2).is_err(), "the room is kept");
    permit.send(3).unwrap();
    assert_eq!(receiver.recv(), Ok(3));
}

#[test]
fn a_receiver_that_met_a_reservation_goes_on_when_that_is_dropped() {
    let (sender, receiver) = bounded(0);
    let mut reserve = Box::pin(sender.reserve_async());
    assert!(poll(reserve.as_mut()).is_pending());
    thread::scope(|scope| {
        let reader = scope.spawn(|| receiver.recv());
        // Woken: the receiver waits for this future alone.
        let mut reserve_ready = false;
        while !reserve_ready {
            thread::yield_now();
            reserve_ready = poll(reserve.as_mut()).is_ready();
        }
        sender.send(1).unwrap();
        assert_eq!(reader.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_receive_meets_reservations_without_waiting_in_its_poll() {
    let (sender, receiver) = bounded(0);
    let mut reserves = [0, 1].map(|_| Box::pin(sender.reserve_async()));
    for reserve in &mut reserves {
        assert!(poll(reserve.as_mut()).is_pending());
    }
    let mut receives = [0, 1].map(|_| Box::pin(receiver.recv_async()));
    for receive in &mut receives {
        assert!(poll(receive.as_mut()).is_pending());
    }
    for (value, reserve) in reserves.iter_mut().enumerate() {
        let Poll::Ready(Ok(permit)) = poll(reserve.as_mut()) else {
            panic!("a receiver waits");
        };
        permit.send(value).unwrap();
    }
    for (value, receive) in receives.iter_mut().enumerate() {
        assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(value)));
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker's panic");
        }
    }
    let (sender, receiver) = bounded::<()>(0);
    let bell = Arc::new(Bell::default());
    let mut first = pin!(receiver.recv_async());
    let mut second = pin!(receiver.recv_async());
    let panics = Waker::from(Arc::new(Panics));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&panics))
            .is_pending()
    );
    assert!(poll_with(second.as_mut(), &bell).is_pending());
    drop(sender);
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(first), Poll::Ready(Err(RecvError)));
    assert_eq!(poll(second), Poll::Ready(Err(RecvError)));
}

#[test]
fn forgotten_futures_keep_a_channel_from_nothing_but_what_they_hold() {
    let (sender, receiver) = bounded(0);
    let mut receive = Box::pin(receiver.recv_async());
    assert!(poll(receive.as_mut()).is_pending());
    mem::forget(receive);
    let value = Arc::new(1);
    sender.try_send(Arc::clone(&value)).unwrap();
    let mut send = Box::pin(sender.send_async(Arc::new(2)));
    assert!(poll(send.as_mut()).is_pending());
    mem::forget(send);
    assert_eq!(receiver.recv(), Ok(Arc::new(2)));
    let mut receive = Box::pin(receiver.recv_async());
    assert!(poll(receive.as_mut()).is_pending());
    mem::forget(receive);
    drop((sender, receiver));
    assert_eq!(Arc::strong_count(&value), 1, "dropped with the channel");
}

#[test]
fn a_send_that_was_ready_panics_when_it_is_polled_again() {
    let (sender, _receiver) = bounded(1);
    let mut send = pin!(sender.send_async(1));
    assert_eq!(poll(send.as_mut()), Poll::Ready(Ok(())));
    let again = catch_unwind(AssertUnwindSafe(|| poll(send.as_mut())));
    let panic = again.expect_err("it panics");
    let text = panic.downcast_ref::<&str>().expect("a text");
    assert!(text.contains("polled after it was ready"), "{text}");
}

#[test]
fn a_stream_ends_with_its_channel_and_a_sink_keeps_one_value() {
    let (sender, receiver) = bounded(1);
    let feed = async move {
        let mut sink = sender.into_sink();
        sink.send_all(&mut stream::iter(0..100).map(Ok))
            .await
            .unwrap();
        sink.close().await.unwrap();
    };
    let ((), values) = block_on(join(feed, receiver.into_stream().collect::<Vec<_>>()));
    assert_eq!(values, (0..100).collect::<Vec<_>>());

    let (sender, receiver) = bounded(1);
    let mut sink = sender.sink();
    assert_eq!(sink.feed(1).now_or_never(), Some(Ok(())));
    assert_eq!(sink.feed(2).now_or_never(), Some(Ok(())));
    assert_eq!(sink.feed(3).now_or_never(), None, "it has one");
    assert_eq!(sink.withdraw(), Some(2));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1]);
    drop(receiver);
    assert_eq!(block_on(sink.send(4)), Err(SendError(4)));
}

#[test]
fn a_stream_that_is_dropped_puts_its_value_back() {
    let (sender, receiver) = bounded(2);
    let mut stream = receiver.stream();
    assert_eq!(block_on(poll_immediate(stream.next())), None);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(stream);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn nothing_is_ever_received_of_never() {
    let never = never::<()>();
    assert_eq!(never.recv_async().now_or_never(), None);
    let mut stream = never.stream();
    assert_eq!(stream.next().now_or_never(), None);
    assert_eq!(never.clone().into_stream().next().now_or_never(), None);
    let waits = poll_immediate(never.recv_async());
    assert_eq!(block_on(waits), None);
}
