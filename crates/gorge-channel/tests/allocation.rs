//! Operations that are over leave nothing behind: none of them allocates, but for an
//! unbounded channel that grows. (Go's `test/chan/select2.go`, and more.)
#![cfg(not(gorge_loom))]

mod common;
#[path = "../../gorge-runtime/tests/common/counting.rs"]
mod counting;

use common::{LONG, everywhere};
use counting::ALLOCATIONS;
use gorge_channel::{Receiver, Select, Sender, bounded, never, select, unbounded};
use gorge_sync::Mutex;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

type Channel = (Sender<usize>, Receiver<usize>);

const ROUNDS: usize = 300;

/// Allocations of the runtime itself: a queue that grows, a worker that sleeps for the
/// first time in its life. Far fewer than one per round.
const OF_THE_RUNTIME: usize = ROUNDS / 4;

/// What never comes is a constant.
const NOTHING: Receiver<String> = never();

/// A channel on which nothing comes, of the largest values that a select has room for.
static IDLE: LazyLock<Receiver<[u64; 8]>> = LazyLock::new(|| {
    let (sender, receiver) = bounded(0);
    std::mem::forget(sender);
    receiver
});

/// A channel without room.
static FULL: LazyLock<(Sender<u8>, Receiver<u8>)> = LazyLock::new(|| {
    let channel = bounded(1);
    channel.0.send(0).expect("there is room for one");
    channel
});

/// The allocations are counted for one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs two parties, one at each end of a channel, until a run of theirs costs next to
/// nothing. What allocates does so each time; a runtime whose workers are kept from
/// running starts others, which does not happen each time.
fn expect_no_allocations(
    channels: fn() -> Vec<Channel>,
    send: fn(&Sender<usize>, usize),
    receive: fn(&Receiver<usize>) -> usize,
) {
    let _alone = ALONE.lock();
    everywhere(|parties| {
        for (sender, receiver) in channels() {
            let exchange = || {
                let (begin, begun) = bounded::<()>(0);
                parties.scope(|scope| {
                    scope.spawn(|| {
                        // A thread allocates when it first sleeps.
                        (0..ROUNDS).for_each(|number| send(&sender, number));
                        begun.recv().unwrap();
                        (0..ROUNDS).for_each(|number| send(&sender, number));
                    });
                    (0..ROUNDS).for_each(|number| assert_eq!(receive(&receiver), number));
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    begin.send(()).unwrap();
                    (0..ROUNDS).for_each(|number| assert_eq!(receive(&receiver), number));
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                })
            };
            let allocated = || (0..10).map(|_| exchange());
            assert!(
                allocated().any(|count| count <= OF_THE_RUNTIME),
                "{parties:?}, capacity {:?}: it allocates",
                sender.capacity(),
            );
        }
    });
}

fn with_bounds() -> Vec<Channel> {
    vec![bounded(0), bounded(1), bounded(8)]
}

#[test]
fn plain_operations_do_not_allocate() {
    expect_no_allocations(
        with_bounds,
        |sender, number| sender.send(number).unwrap(),
        |receiver| receiver.recv().unwrap(),
    );
}

#[test]
fn many_values_go_without_allocation_where_there_is_space_for_them() {
    let _alone = ALONE.lock();
    for (sender, receiver) in [bounded(ROUNDS), unbounded()] {
        let mut values = Vec::with_capacity(ROUNDS);
        // The tests' own harness may allocate meanwhile.
        let mut receive = || {
            values.clear();
            sender.send_many(0..ROUNDS).unwrap();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            assert_eq!(receiver.recv_many(&mut values, ROUNDS), ROUNDS);
            ALLOCATIONS.load(Ordering::Relaxed) - before
        };
        assert!((0..10).any(|_| receive() == 0));
    }
}

#[test]
fn timed_operations_do_not_allocate() {
    expect_no_allocations(
        with_bounds,
        |sender, number| sender.send_timeout(number, LONG).unwrap(),
        |receiver| receiver.recv_timeout(LONG).unwrap(),
    );
}

#[test]
fn operations_that_time_out_do_not_allocate() {
    const BRIEF: Duration = Duration::from_micros(1);
    expect_no_allocations(
        with_bounds,
        |sender, number| {
            assert!(FULL.0.send_timeout(1, BRIEF).is_err());
            sender.send(number).unwrap();
        },
        |receiver| {
            assert!(IDLE.recv_timeout(BRIEF).is_err());
            assert!(NOTHING.recv_timeout(BRIEF).is_err());
            receiver.recv().unwrap()
        },
    );
}

#[test]
fn selects_do_not_allocate() {
    expect_no_allocations(
        with_bounds,
        |sender, number| {
            select! {
                send(sender, number) -> sent => sent.unwrap(),
                recv(*IDLE) -> _ => unreachable!(),
                recv(NOTHING) -> _ => unreachable!(),
            }
        },
        |receiver| {
            select! {
                recv(*IDLE) -> _ => unreachable!(),
                recv(never::<u8>()) -> _ => unreachable!(),
                recv(receiver) -> value => value.unwrap(),
                recv(receiver) -> value => value.unwrap(),
                default(LONG) => unreachable!(),
            }
        },
    );
}

#[test]
fn dynamic_selects_of_eight_do_not_allocate() {
    expect_no_allocations(
        with_bounds,
        |sender, number| {
            let mut select = Select::new();
            (0..8).for_each(|_| _ = select.send(sender));
            let operation = select.select();
            operation.send(sender, number).unwrap();
        },
        |receiver| {
            let mut select = Select::new();
            (0..8).for_each(|_| _ = select.recv(receiver));
            loop {
                select.ready();
                if let Ok(operation) = select.try_select() {
                    break operation.recv(receiver).unwrap();
                }
            }
        },
    );
}

#[test]
fn an_unbounded_channel_that_is_emptied_does_not_allocate() {
    let _alone = ALONE.lock();
    everywhere(|parties| {
        let (sender, receiver) = unbounded();
        let exchange = || {
            for number in 0..ROUNDS {
                sender.send(number).unwrap();
                assert_eq!(receiver.recv(), Ok(number));
            }
        };
        exchange();
        let is_free = |_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            exchange();
            ALLOCATIONS.load(Ordering::Relaxed) - before <= OF_THE_RUNTIME
        };
        assert!((0..10).any(is_free), "{parties:?}: it allocates");
    });
}
