//! Which operations wait, and which do not: nil, empty, full and closed channels, one by
//! one and in selects. (Go's `test/chan/select3.go` and `closedchan.go`.)
//!
//! That an operation waits for ever is what a deadlock report says. On OS threads,
//! which have none, the timed forms stand for it.

use crate::common::{self, SHORT, everywhere};
use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError, bounded, never, select, select_biased, unbounded,
};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{DeadlockDetection, GoroutineState, RunError, Runtime};
use std::time::Duration;

type Channel = (Sender<i32>, Receiver<i32>);
type ReceiveForm = fn(&Receiver<i32>) -> Result<i32, RecvError>;
type SendForm = fn(&Sender<i32>) -> Result<(), SendError<i32>>;

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Waits,
    Succeeds,
    Fails,
}
use Fate::{Fails, Succeeds, Waits};

/// A channel in some state, and what becomes of a send and of a receive.
struct Row {
    state: &'static str,
    make: fn() -> Channel,
    send: Fate,
    recv: Fate,
}

const fn row(state: &'static str, make: fn() -> Channel, send: Fate, recv: Fate) -> Row {
    Row {
        state,
        make,
        send,
        recv,
    }
}

fn filled(channel: Channel, count: i32) -> Channel {
    (0..count).for_each(|number| channel.0.send(number).unwrap());
    channel
}

fn closed(channel: Channel) -> Channel {
    assert!(channel.0.close());
    channel
}

fn without_receiver(channel: Channel) -> Channel {
    let (sender, _) = channel;
    (sender, never())
}

fn without_sender(channel: Channel) -> Channel {
    let (full, _room) = filled(bounded(1), 1);
    // Its receiver has gone, so nothing waits there.
    (full, channel.1)
}

const ROWS: &[Row] = &[
    row("rendezvous", || bounded(0), Waits, Waits),
    row("empty", || bounded(2), Succeeds, Waits),
    row("half full", || filled(bounded(2), 1), Succeeds, Succeeds),
    row("full", || filled(bounded(2), 2), Waits, Succeeds),
    row("full of one", || filled(bounded(1), 1), Waits, Succeeds),
    row("unbounded, empty", unbounded, Succeeds, Waits),
    row("unbounded", || filled(unbounded(), 9), Succeeds, Succeeds),
    row("closed rendezvous", || closed(bounded(0)), Fails, Fails),
    row("closed, empty", || closed(bounded(2)), Fails, Fails),
    row(
        "closed, full",
        || closed(filled(bounded(2), 2)),
        Fails,
        Succeeds,
    ),
    row("closed, unbounded", || closed(unbounded()), Fails, Fails),
    row("nil", || without_receiver(bounded(0)), Fails, Waits),
    row(
        "no receiver",
        || without_receiver(filled(bounded(2), 1)),
        Fails,
        Waits,
    ),
    row(
        "no sender, empty",
        || without_sender(bounded(2)),
        Fails,
        Fails,
    ),
    row(
        "no sender",
        || without_sender(filled(bounded(2), 1)),
        Fails,
        Succeeds,
    ),
    row(
        "no sender, unbounded",
        || without_sender(filled(unbounded(), 3)),
        Fails,
        Succeeds,
    ),
];

/// Forms of a receive that wait if they must.
const RECEIVES: &[ReceiveForm] = &[
    |receiver| receiver.recv(),
    |receiver| receiver.recv_timeout(Duration::MAX).map_err(|_| RecvError),
    |receiver| receiver.iter().next().ok_or(RecvError),
    |receiver| select! { recv(receiver) -> value => value },
    |receiver| select! { recv(receiver) -> value => value, recv(never()) -> value => value },
    |receiver| select_biased! { recv(never()) -> value => value, recv(receiver) -> value => value },
    |receiver| {
        let (full, _room) = filled(bounded(1), 1);
        select! { recv(receiver) -> value => value, send(full, 7) -> _ => unreachable!() }
    },
    |receiver| {
        let mut select = Select::new();
        select.recv(receiver);
        select.select().recv(receiver)
    },
    |receiver| {
        let mut select = Select::new();
        select.recv(receiver);
        assert_eq!(select.ready(), 0);
        receiver.try_recv().map_err(|error| {
            assert_eq!(error, TryRecvError::Disconnected);
            RecvError
        })
    },
];

/// Forms of a send that wait if they must.
const SENDS: &[SendForm] = &[
    |sender| sender.send(5),
    |sender| {
        sender
            .send_timeout(5, Duration::MAX)
            .map_err(|error| SendError(error.into_inner()))
    },
    |sender| select! { send(sender, 5) -> sent => sent },
    |sender| select! { send(sender, 5) -> sent => sent, recv(never::<u8>()) -> _ => Ok(()) },
    |sender| select_biased! { recv(never::<u8>()) -> _ => Ok(()), send(sender, 5) -> sent => sent },
    |sender| {
        let (full, _room) = filled(bounded(1), 1);
        select! { send(full, 7) -> _ => unreachable!(), send(sender, 5) -> sent => sent }
    },
    |sender| {
        let mut select = Select::new();
        select.send(sender);
        select.select().send(sender, 5)
    },
    |sender| {
        let mut select = Select::new();
        select.send(sender);
        assert_eq!(select.ready(), 0);
        sender.try_send(5).map_err(|error| {
            assert!(error.is_disconnected());
            SendError(error.into_inner())
        })
    },
    |sender| sender.reserve().map_err(|_| SendError(5))?.send(5),
];

#[test]
fn what_need_not_wait_says_at_once_how_it_went() {
    everywhere(|_| {
        for row in ROWS {
            for receive in RECEIVES.iter().filter(|_| row.recv != Waits) {
                let (_sender, receiver) = (row.make)();
                let expected = if row.recv == Succeeds {
                    Ok(0)
                } else {
                    Err(RecvError)
                };
                assert_eq!(receive(&receiver), expected, "{}", row.state);
            }
            for send in SENDS.iter().filter(|_| row.send != Waits) {
                let (sender, receiver) = (row.make)();
                let expected = if row.send == Succeeds {
                    Ok(())
                } else {
                    Err(SendError(5))
                };
                let before = receiver.len();
                assert_eq!(send(&sender), expected, "{}", row.state);
                let sent = usize::from(row.send == Succeeds);
                assert_eq!(receiver.len(), before + sent, "{}", row.state);
            }
        }
    });
}

/// What an operation waits for that never ends, if it does.
fn fate(runtime: &Runtime, operation: impl FnOnce() + Send) -> Option<WaitReason> {
    let report = match runtime.try_run(operation) {
        Ok(()) => return None,
        Err(RunError::Deadlock(report)) => report,
        Err(error) => panic!("{error}"),
    };
    let main = &report.dump().goroutines()[0];
    match main.state {
        GoroutineState::Waiting(reason) => Some(reason),
        state => panic!("{state:?}"),
    }
}

fn runtime(migrating: bool) -> Runtime {
    let builder = Runtime::builder().max_procs(1);
    common::build(
        builder.deadlock_detection(DeadlockDetection::Always),
        migrating,
    )
}

#[test]
fn what_waits_waits_for_ever() {
    for migrating in [false, true] {
        let runtime = runtime(migrating);
        for row in ROWS {
            for (number, receive) in RECEIVES.iter().enumerate() {
                let (_sender, receiver) = (row.make)();
                let reason = fate(&runtime, || _ = receive(&receiver));
                assert_eq!(
                    reason.is_some(),
                    row.recv == Waits,
                    "{} {number}",
                    row.state
                );
            }
            for (number, send) in SENDS.iter().enumerate() {
                let (sender, _receiver) = (row.make)();
                let reason = fate(&runtime, || _ = send(&sender));
                assert_eq!(
                    reason.is_some(),
                    row.send == Waits,
                    "{} {number}",
                    row.state
                );
            }
        }
    }
}

#[test]
fn what_waits_says_what_it_waits_for() {
    let runtime = runtime(false);
    let nothing = never::<i32>();
    let (sender, receiver) = bounded::<i32>(0);
    let reason = |operation: &(dyn Fn() + Sync)| fate(&runtime, operation);
    assert_eq!(
        reason(&|| _ = receiver.recv()),
        Some(WaitReason::ChannelReceive)
    );
    assert_eq!(
        reason(&|| _ = sender.send(1)),
        Some(WaitReason::ChannelSend)
    );
    assert_eq!(
        reason(&|| _ = nothing.recv()),
        Some(WaitReason::ChannelReceiveNever)
    );
    let both = || {
        select! {
            recv(receiver) -> _ => {}
            recv(nothing) -> _ => {}
        }
    };
    assert_eq!(reason(&both), Some(WaitReason::Select));
    // Go calls this `select {}`; `Select` refuses to wait for nothing.
    let error = runtime.try_run(|| _ = Select::new().select()).unwrap_err();
    assert!(matches!(error, RunError::Panicked(_)), "{error}");
}

#[test]
fn what_would_wait_is_left_by_its_default_or_at_its_timeout() {
    everywhere(|_| {
        for row in ROWS {
            let (sender, receiver) = (row.make)();
            if row.recv == Waits {
                assert_eq!(
                    receiver.try_recv(),
                    Err(TryRecvError::Empty),
                    "{}",
                    row.state
                );
                let nothing = never::<i32>();
                select! { recv(receiver) -> _ => panic!("{}", row.state), default => {} }
                select! {
                    recv(receiver) -> _ => panic!("{}", row.state),
                    recv(nothing) -> _ => unreachable!(),
                    default => {}
                }
                let timed = receiver.recv_timeout(SHORT / 20);
                assert_eq!(timed, Err(RecvTimeoutError::Timeout), "{}", row.state);
                let mut select = Select::new();
                select.recv(&receiver);
                assert!(select.try_ready().is_err() && select.try_select().is_err());
                assert!(select.select_timeout(SHORT / 20).is_err(), "{}", row.state);
            }
            if row.send == Waits {
                assert_eq!(
                    sender.try_send(1),
                    Err(TrySendError::Full(1)),
                    "{}",
                    row.state
                );
                select! { send(sender, 1) -> _ => panic!("{}", row.state), default => {} }
                let nothing = never::<u8>();
                select! {
                    send(sender, 1) -> _ => panic!("{}", row.state),
                    recv(nothing) -> _ => unreachable!(),
                    default(SHORT / 20) => {}
                }
                let timed = sender.send_timeout(1, SHORT / 20);
                assert_eq!(timed, Err(SendTimeoutError::Timeout(1)), "{}", row.state);
                let mut select = Select::new();
                select.send(&sender);
                assert!(select.try_ready().is_err() && select.try_select().is_err());
                assert!(select.ready_timeout(SHORT / 20).is_err(), "{}", row.state);
            }
        }
    });
}

#[test]
fn what_need_not_wait_comes_before_a_default() {
    everywhere(|_| {
        for row in ROWS {
            let nothing = never::<u8>();
            if row.recv != Waits {
                let (_sender, receiver) = (row.make)();
                let came = select! {
                    recv(receiver) -> value => value.is_ok(),
                    recv(nothing) -> _ => unreachable!(),
                    default => panic!("{}", row.state),
                };
                assert_eq!(came, row.recv == Succeeds);
                let (_sender, receiver) = (row.make)();
                assert_eq!(receiver.try_recv().is_ok(), came);
                let (_sender, receiver) = (row.make)();
                select! { recv(receiver) -> _ => {} default => panic!("{}", row.state) }
            }
            if row.send != Waits {
                let (sender, _receiver) = (row.make)();
                let went = select! {
                    send(sender, 1) -> sent => sent.is_ok(),
                    recv(nothing) -> _ => unreachable!(),
                    default => panic!("{}", row.state),
                };
                assert_eq!(went, row.send == Succeeds);
                let (sender, _receiver) = (row.make)();
                select! {
                    send(sender, 1) -> sent => assert_eq!(sent.is_ok(), went),
                    default => panic!("{}", row.state),
                }
            }
        }
    });
}

// test/chan/closedchan.go
#[test]
fn a_closed_channel_stays_as_it_is_whatever_is_done_to_it() {
    everywhere(|_| {
        for make in [|| bounded(0), || bounded(2), unbounded] {
            let (sender, receiver) = make();
            if receiver.capacity() != Some(0) {
                sender.send(1).unwrap();
            }
            assert!(sender.close());
            let left = receiver.try_iter().collect::<Vec<_>>();
            assert_eq!(left.len(), usize::from(receiver.capacity() != Some(0)));
            for _ in 0..3 {
                for receive in RECEIVES {
                    assert_eq!(receive(&receiver), Err(RecvError));
                }
                for send in SENDS {
                    assert_eq!(send(&sender), Err(SendError(5)));
                }
                // Both at once, in either order.
                select! {
                    recv(receiver) -> value => assert_eq!(value, Err(RecvError)),
                    send(sender, 2) -> sent => assert_eq!(sent, Err(SendError(2))),
                }
                assert!(!sender.close() && !receiver.close());
                assert!(sender.is_closed() && receiver.is_closed());
                assert_eq!((receiver.len(), receiver.iter().next()), (0, None));
            }
        }
    });
}
