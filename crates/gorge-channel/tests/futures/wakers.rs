//! Wakers that do what they should not: wait, panic when they are called, panic when they
//! are dropped. And a cancel of who calls them.
#![allow(
    clippy::disallowed_methods,
    reason = "plain OS threads take part in these tests"
)]

use crate::polling::poll;
use gorge_channel::{Receiver, Select, Sender, bounded, unbounded};
use gorge_runtime::go;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Makes it likely that others wait by now. What is asserted holds anyhow.
const SETTLE: Duration = Duration::from_millis(5);

fn poll_with<F: Future>(
    future: Pin<&mut F>,
    waker: impl Wake + Send + Sync + 'static,
) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::new(waker))))
}

/// Starts a reader on a goroutine or a thread; the result waits for it.
fn read(
    on_goroutine: bool,
    body: impl FnOnce() -> i32 + Send + 'static,
) -> Box<dyn FnOnce() -> i32> {
    match on_goroutine {
        true => {
            let reader = go(body);
            Box::new(move || reader.join().unwrap())
        }
        false => {
            let reader = thread::spawn(body);
            Box::new(move || reader.join().unwrap())
        }
    }
}

fn receive(receiver: &Receiver<i32>, by_select: bool) -> i32 {
    if !by_select {
        return receiver.recv().unwrap();
    }
    let mut select = Select::new();
    select.recv(receiver);
    select.select().recv(receiver).unwrap()
}

/// Hands over that it is called, and waits until somebody takes it.
struct Knocks {
    begins: Arc<AtomicBool>,
    door: Sender<()>,
}

impl Wake for Knocks {
    fn wake(self: Arc<Self>) {
        self.begins.store(true, Ordering::SeqCst);
        self.door.send(()).unwrap();
    }
}

fn a_waker_waits_while_a_receiver_begins_to(on_goroutine: bool) {
    for by_select in [false, true] {
        let (sender, receiver) = bounded(0);
        let (door, knocks) = bounded(0);
        let begins = Arc::new(AtomicBool::new(false));
        let mut reserve = Box::pin(sender.reserve_async());
        let mut poll = || {
            let waker = Knocks {
                begins: Arc::clone(&begins),
                door: door.clone(),
            };
            poll_with(reserve.as_mut(), waker)
        };
        assert!(poll().is_pending());
        let reader = read(on_goroutine, move || receive(&receiver, by_select));
        loop {
            while !begins.swap(false, Ordering::SeqCst) {
                thread::yield_now();
            }
            // A select tries before it begins to wait: then it has not been there yet, and
            // knocks again.
            let polled = poll();
            gorge_runtime::time::sleep(SETTLE);
            assert_eq!(knocks.recv(), Ok(()));
            if let Poll::Ready(permit) = polled {
                permit.unwrap().send(7).unwrap();
                break;
            }
        }
        assert_eq!(reader(), 7);
    }
}

#[test]
fn a_waker_may_wait_while_a_goroutine_begins_to() {
    a_waker_waits_while_a_receiver_begins_to(true);
}

#[test]
fn a_waker_may_wait_while_a_thread_begins_to() {
    a_waker_waits_while_a_receiver_begins_to(false);
}

#[test]
fn a_waker_may_wait_for_somebody_who_is_woken_with_its_future() {
    for on_goroutine in [false, true] {
        let (sender, receiver) = bounded::<i32>(0);
        let (door, knocks) = bounded(0);
        let mut receive = Box::pin(receiver.recv_async());
        let waker = Knocks {
            begins: Arc::default(),
            door,
        };
        assert!(poll_with(receive.as_mut(), waker).is_pending());
        let waits = Arc::new(AtomicBool::new(false));
        let (other, begins) = (receiver.clone(), Arc::clone(&waits));
        let reader = read(on_goroutine, move || {
            begins.store(true, Ordering::SeqCst);
            assert!(other.recv().is_err());
            assert_eq!(knocks.recv(), Ok(()));
            1
        });
        while !waits.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        gorge_runtime::time::sleep(SETTLE);
        drop(sender);
        assert_eq!(reader(), 1);
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker's panic");
    }
}

#[test]
fn a_waker_may_panic_while_a_receiver_begins_to_wait() {
    for (on_goroutine, by_select) in [(false, false), (false, true), (true, false), (true, true)] {
        let (sender, receiver) = bounded(0);
        let mut reserve = Box::pin(sender.reserve_async());
        assert!(poll_with(reserve.as_mut(), Panics).is_pending());
        let reader = read(on_goroutine, move || receive(&receiver, by_select));
        // It is told once, and then waits.
        loop {
            match poll(reserve.as_mut()) {
                Poll::Ready(permit) => break permit.unwrap().send(7).unwrap(),
                Poll::Pending => thread::yield_now(),
            }
        }
        assert_eq!(reader(), 7);
    }
}

/// Says that it was called, by an operation that delivers a cancel.
struct Says(Sender<()>);

impl Wake for Says {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_cancel_of_who_wakes_a_future_does_not_end_the_waker() {
    for _ in 0..20 {
        let (sender, receiver) = unbounded();
        let (says, said) = unbounded();
        let mut receive = Box::pin(receiver.recv_async());
        assert!(poll_with(receive.as_mut(), Says(says)).is_pending());
        let [begins, is_cancelled] = [false; 2].map(|no| Arc::new(AtomicBool::new(no)));
        let (has_begun, goes_on) = (Arc::clone(&begins), Arc::clone(&is_cancelled));
        let writer = go(move || {
            has_begun.store(true, Ordering::SeqCst);
            while !goes_on.load(Ordering::SeqCst) {
                hint::spin_loop();
            }
            sender.try_send(1).unwrap();
        });
        while !begins.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        writer.cancel();
        is_cancelled.store(true, Ordering::SeqCst);
        writer.join().unwrap();
        assert_eq!(said.try_recv(), Ok(()));
        assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(1)));
    }
}

struct PanicsWhenDropped;

impl Wake for PanicsWhenDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the panic of a waker that is dropped");
    }
}

/// Polls with such a waker, which has its last reference in the future then.
fn poll_with_one_that_panics<F: Future>(future: Pin<&mut F>) {
    assert!(poll_with(future, PanicsWhenDropped).is_pending());
}

fn drop_panics(dropped: impl Sized) {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(dropped)));
    assert!(panic.is_err(), "of the waker");
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_keeps_nothing_back() {
    let value = Arc::new(());
    let (sender, receiver) = bounded(0);
    let mut send = Box::pin(sender.send_async(Arc::clone(&value)));
    poll_with_one_that_panics(send.as_mut());
    drop_panics(send);
    assert_eq!(Arc::strong_count(&value), 1, "it was dropped");

    let mut receive = Box::pin(receiver.recv_async());
    poll_with_one_that_panics(receive.as_mut());
    drop_panics(receive);
    assert!(sender.try_send(Arc::clone(&value)).is_err(), "nobody waits");

    let mut receive = Box::pin(receiver.recv_async());
    poll_with_one_that_panics(receive.as_mut());
    let permit = sender.reserve().unwrap();
    drop_panics(receive);
    permit.send(Arc::clone(&value)).unwrap();
    assert_eq!(receiver.try_recv().as_ref().map(Arc::strong_count), Ok(2));

    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    let mut reserve = Box::pin(sender.reserve_async());
    poll_with_one_that_panics(reserve.as_mut());
    drop_panics(reserve);
    assert_eq!(receiver.recv(), Ok(1));
    sender.try_send(2).expect("the room is there");
}

#[test]
fn a_waker_that_panics_when_it_is_cloned_leaves_the_value_with_the_send() {
    const PANICS: RawWakerVTable = RawWakerVTable::new(
        |_| panic!("the panic of a waker that is cloned"),
        |_| {},
        |_| {},
        |_| {},
    );
    // SAFETY: the functions use nothing of what they are given.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &PANICS)) };
    let (sender, _receiver) = bounded(0);
    let mut send = sender.send_async(5);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        Pin::new(&mut send).poll(&mut Context::from_waker(&waker))
    }));
    assert!(polled.is_err());
    assert_eq!(send.withdraw(), Some(5));
}
