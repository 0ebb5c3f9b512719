//! A cancel at every channel operation: it ends those that wait, is told by those
//! that need not, and takes no value along.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use gorge_channel::{Receiver, Select, Sender, bounded, context, never, select, unbounded};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{GoroutineState, JoinHandle, Runtime, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than any test takes.
const AGES: Duration = Duration::from_secs(3600);

/// Far more rounds than a cancel takes: a loop that comes to this end was not
/// told.
const ROUNDS: usize = 50_000_000;

fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = if migrating {
            // SAFETY: the goroutines hold no reference into a thread-local and no
            // thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        body(&builder.build().expect("a runtime"));
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now();
    }
}

fn wait_until_parked<T>(runtime: &Runtime, handle: &JoinHandle<T>, reason: WaitReason) {
    let id = handle.goroutine().id();
    let is_parked = || {
        let dump = runtime.dump();
        let mut all = dump.goroutines().iter();
        all.any(|it| it.id == id && it.state == GoroutineState::Waiting(reason))
    };
    wait_for(is_parked);
}

#[track_caller]
fn expect_cancelled<T>(handle: JoinHandle<T>) {
    let error = handle.join().map(drop).expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

/// A value that counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_cancel_ends_a_send_and_drops_its_value_once() {
    in_each_placement(|runtime| {
        let sends: [fn(&Sender<Counted>, Counted); 3] = [
            |sender, value| drop(sender.send(value)),
            |sender, value| drop(sender.send_timeout(value, AGES)),
            |sender, value| drop(sender.send_deadline(value, std::time::Instant::now() + AGES)),
        ];
        for (send, capacity) in sends.into_iter().flat_map(|it| [(it, 0), (it, 2)]) {
            let (sender, receiver) = bounded(capacity);
            let (inside, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::default());
            for _ in 0..capacity {
                sender.send(Counted(inside.clone())).expect("there is room");
            }
            let (value, theirs) = (Counted(Arc::clone(&dropped)), sender.clone());
            let handle = runtime.go(move || send(&theirs, value));
            wait_until_parked(runtime, &handle, WaitReason::ChannelSend);
            handle.cancel();
            expect_cancelled(handle);
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            // The channel is as it was.
            assert_eq!(
                (receiver.len(), receiver.try_iter().count()),
                (capacity, capacity)
            );
            assert_eq!(inside.load(Ordering::SeqCst), capacity);
            assert!(sender.try_send(Counted(inside.clone())).is_ok() == (capacity > 0));
        }
    });
}

#[test]
fn a_cancel_ends_a_receive_and_takes_no_value() {
    in_each_placement(|runtime| {
        let receives: [fn(&Receiver<u32>); 5] = [
            |receiver| _ = receiver.recv(),
            |receiver| _ = receiver.recv_timeout(AGES),
            |receiver| _ = receiver.recv_deadline(std::time::Instant::now() + AGES),
            |receiver| receiver.iter().for_each(drop),
            |receiver| receiver.clone().into_iter().for_each(drop),
        ];
        for (receive, capacity) in receives.into_iter().flat_map(|it| [(it, 0), (it, 2)]) {
            let (sender, receiver) = bounded(capacity);
            let theirs = receiver.clone();
            let handle = runtime.go(move || receive(&theirs));
            wait_until_parked(runtime, &handle, WaitReason::ChannelReceive);
            handle.cancel();
            expect_cancelled(handle);
            // Nobody waits there any more.
            assert_eq!(sender.try_send(7).is_ok(), capacity > 0);
            assert_eq!(receiver.try_recv().is_ok(), capacity > 0);
        }
    });
}

#[test]
fn a_cancel_ends_a_wait_for_a_context() {
    in_each_placement(|runtime| {
        let (context, guard) = context::background().with_cancel();
        let theirs = context.clone();
        let handle = runtime.go(move || _ = theirs.done().recv());
        wait_until_parked(runtime, &handle, WaitReason::ChannelReceive);
        handle.cancel();
        expect_cancelled(handle);
        assert_eq!(context.err(), None);
        drop(guard);
        assert!(context.err().is_some());
    });
}

/// What goes on for ever without having to wait.
type Step = fn(&Sender<u32>, &Receiver<u32>);

#[test]
fn a_cancel_is_told_by_operations_that_need_not_wait() {
    let steps: [Step; 6] = [
        |sender, receiver| {
            sender.send(1).expect("open");
            receiver.recv().expect("there is one");
        },
        |sender, receiver| {
            sender.send(1).expect("open");
            receiver.try_recv().expect("there is one");
        },
        |sender, receiver| {
            sender.try_send(1).expect("there is room");
            receiver.recv().expect("there is one");
        },
        |sender, receiver| {
            sender.send_timeout(1, AGES).expect("open");
            receiver.try_recv().expect("there is one");
        },
        |sender, receiver| {
            sender.try_send(1).expect("there is room");
            receiver.recv_timeout(AGES).expect("there is one");
        },
        |sender, receiver| {
            sender.try_send(1).expect("there is room");
            assert_eq!(receiver.iter().take(1).count(), 1);
        },
    ];
    in_each_placement(|runtime| {
        for (number, step) in steps.into_iter().enumerate() {
            for channel in [bounded(3), unbounded()] {
                let started = Arc::new(AtomicBool::new(false));
                let starts = started.clone();
                let handle = runtime.go(move || {
                    starts.store(true, Ordering::SeqCst);
                    (0..ROUNDS).for_each(|_| step(&channel.0, &channel.1));
                });
                wait_for(|| started.load(Ordering::SeqCst));
                handle.cancel();
                let error = handle.join().expect_err("it was cancelled");
                assert!(error.is_cancelled(), "step {number}: {error}");
            }
        }
    });
}

#[test]
fn try_forms_deliver_no_cancel() {
    in_each_placement(|runtime| {
        let (inside, go_on) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (enters, goes_on): (_, Arc<AtomicBool>) = (inside.clone(), Arc::clone(&go_on));
        let handle = runtime.go(move || {
            let (sender, receiver) = bounded(1);
            enters.store(true, Ordering::SeqCst);
            let mut rounds = 0;
            while rounds < 1000 {
                sender.try_send(1).expect("there is room");
                receiver.try_recv().expect("there is one");
                rounds += u32::from(goes_on.load(Ordering::SeqCst));
            }
            rounds
        });
        wait_for(|| inside.load(Ordering::SeqCst));
        handle.cancel();
        go_on.store(true, Ordering::SeqCst);
        assert_eq!(handle.join().expect("nothing told it"), 1000);
    });
}

/// A receiver and a sender that are both cancelled while a value goes from one to
/// the other.
#[test]
fn a_hand_over_that_races_with_cancels_happens_on_both_sides_or_on_none() {
    in_each_placement(|runtime| {
        let mut handed_over = 0;
        for round in 0..2000u32 {
            let (sender, receiver) = bounded(0);
            let dropped = Arc::new(AtomicUsize::new(0));
            let value = Counted(dropped.clone());
            let receiving = runtime.go(move || receiver.recv().is_ok());
            let sending = runtime.go(move || sender.send(value).is_ok());
            (0..round % 5).for_each(|_| thread::yield_now());
            if round % 2 == 0 {
                sending.cancel();
            }
            receiving.cancel();
            sending.cancel();
            // An end that goes down with its goroutine fails the other side.
            let sent = sending.join().is_ok_and(|sent| sent);
            let received = receiving.join().is_ok_and(|received| received);
            assert_eq!(sent, received, "round {round}");
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            handed_over += u32::from(sent);
        }
        eprintln!("{handed_over} of 2000 handed over");
    });
}

#[test]
fn who_waits_for_what_never_comes_is_cancelled() {
    use WaitReason::{ChannelReceiveNever, Select as Selecting};
    type Wait = fn(&Receiver<i32>);
    let waits: [(WaitReason, Wait); 6] = [
        (ChannelReceiveNever, |nothing| _ = nothing.recv()),
        (ChannelReceiveNever, |nothing| {
            _ = nothing.recv_timeout(AGES)
        }),
        (ChannelReceiveNever, |nothing| {
            _ = nothing.recv_many(&mut Vec::new(), 1)
        }),
        (ChannelReceiveNever, |nothing| _ = nothing.iter().next()),
        (Selecting, |nothing| {
            let mut select = Select::new();
            select.recv(nothing);
            select.ready();
        }),
        (Selecting, |nothing| {
            select! { recv(nothing) -> _ => {}, recv(never::<String>()) -> _ => {} }
        }),
    ];
    in_each_placement(|runtime| {
        for (reason, wait) in waits {
            let waiting = runtime.go(move || wait(&never()));
            wait_until_parked(runtime, &waiting, reason);
            waiting.cancel();
            expect_cancelled(waiting);
        }
    });
}
