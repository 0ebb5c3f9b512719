//! What Go's own tests check of channels: `runtime/chan_test.go` and the programs in
//! `test/chan` and `test/ken`. What is tested elsewhere is listed in `README.md`.

use crate::common::{Setting, everywhere};
use gorge_channel::{
    Receiver, RecvError, Select, Sender, TryRecvError, TrySendError, bounded, select,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

// TestChan
#[test]
fn a_channel_of_any_capacity_blocks_when_it_must_and_only_then() {
    everywhere(|parties| {
        for capacity in [0, 1, 2, 3, 10, 63, 64, 65, 199] {
            let (sender, receiver) = bounded(capacity);
            assert_eq!((receiver.len(), receiver.capacity()), (0, Some(capacity)));
            let went = AtomicBool::new(false);
            parties.scope(|scope| {
                let waits = scope.spawn(|| {
                    let value = receiver.recv();
                    went.store(true, Ordering::SeqCst);
                    value
                });
                parties.settle();
                assert!(!went.load(Ordering::SeqCst), "there is no value");
                select! { recv(receiver) -> _ => unreachable!(), default => {} }
                sender.send(0).unwrap();
                assert_eq!(waits.join(), Ok(0));
            });

            (0..capacity).for_each(|number| sender.send(number).unwrap());
            assert_eq!((sender.len(), sender.is_full()), (capacity, true));
            went.store(false, Ordering::SeqCst);
            parties.scope(|scope| {
                let waits = scope.spawn(|| {
                    sender.send(capacity).unwrap();
                    went.store(true, Ordering::SeqCst);
                });
                parties.settle();
                assert!(!went.load(Ordering::SeqCst), "there is no room");
                select! { send(sender, 7) -> _ => assert_eq!(capacity, 0), default => {} }
                let values: Vec<_> = (0..=capacity).map(|_| receiver.recv().unwrap()).collect();
                assert!(values.into_iter().eq(0..=capacity));
                waits.join();
            });
            assert!(receiver.is_empty());
        }
    });
}

// TestChan
#[test]
fn a_hundred_values_keep_their_order_at_any_capacity() {
    everywhere(|parties| {
        for capacity in (0..200).step_by(13) {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                scope.spawn(move || {
                    sender.send_many(0..100).unwrap();
                    sender.close();
                });
                assert!((&receiver).into_iter().eq(0..100));
                assert_eq!(receiver.recv().ok(), None);
            });
        }
    });
}

// test/chan/fifo.go
#[test]
fn relays_of_rendezvous_keep_the_order() {
    everywhere(|parties| {
        const VALUES: usize = 200;
        parties.scope(|scope| {
            let (sender, mut receiver) = bounded(0);
            for _ in 0..10 {
                let (to, next) = bounded(0);
                let from = std::mem::replace(&mut receiver, next);
                scope.spawn(move || from.iter().for_each(|value| to.send(value).unwrap()));
            }
            scope.spawn(move || sender.send_many(0..VALUES).unwrap());
            assert!(receiver.iter().eq(0..VALUES));
        });
    });
}

// test/chan/fifo.go
#[test]
fn each_rendezvous_of_a_chain_lets_the_next_one_go() {
    everywhere(|parties| {
        let order = &gorge_sync::Mutex::new(Vec::new());
        parties.scope(|scope| {
            let (start, mut before) = bounded::<()>(0);
            for number in 0..10 {
                let (done, after) = bounded(0);
                let mine = std::mem::replace(&mut before, after);
                scope.spawn(move || {
                    mine.recv().unwrap();
                    order.lock().push(number);
                    done.send(()).unwrap();
                });
            }
            start.send(()).unwrap();
            before.recv().unwrap();
        });
        assert!(order.lock().iter().copied().eq(0..10));
    });
}

// test/chan/goroutines.go
#[test]
fn a_value_goes_down_a_long_chain() {
    everywhere(|parties| {
        const LENGTH: usize = 100;
        parties.scope(|scope| {
            let (leftmost, mut left) = bounded(0);
            for _ in 0..LENGTH {
                let (to, right) = bounded(0);
                let from = std::mem::replace(&mut left, right);
                scope.spawn(move || to.send(from.recv().unwrap() + 1).unwrap());
            }
            leftmost.send(0).unwrap();
            assert_eq!(left.recv(), Ok(LENGTH));
        });
    });
}

// test/chan/nonblock.go
#[test]
fn operations_that_never_wait_do_their_work_for_every_type() {
    fn check<T: Send + Sync + Copy + PartialEq + std::fmt::Debug>(parties: Setting, value: T) {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded::<T>(capacity);
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            select! { recv(receiver) -> _ => unreachable!(), default => {} }
            let (goes_on, go_on) = bounded::<()>(0);
            parties.scope(|scope| {
                let receives = scope.spawn(|| {
                    go_on.recv().unwrap();
                    receiver.recv()
                });
                if capacity == 0 {
                    assert_eq!(sender.try_send(value), Err(TrySendError::Full(value)));
                } else {
                    assert_eq!(sender.try_send(value), Ok(()));
                    assert_eq!(sender.try_send(value), Err(TrySendError::Full(value)));
                }
                goes_on.send(()).unwrap();
                parties.until(|| capacity == 1 || sender.try_send(value).is_ok());
                assert_eq!(receives.join(), Ok(value));

                let sends = scope.spawn(|| {
                    go_on.recv().unwrap();
                    sender.send(value)
                });
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                goes_on.send(()).unwrap();
                parties.until(|| {
                    select! {
                        recv(receiver) -> got => { assert_eq!(got, Ok(value)); true }
                        default => false,
                    }
                });
                assert_eq!(sends.join(), Ok(()));
            });
        }
    }
    everywhere(|parties| {
        check(parties, 7i32);
        check(parties, true);
        check(parties, "text");
        check(parties, [7u64; 9]);
        check(parties, ());
    });
}

// test/chan/sieve1.go, sieve2.go
#[test]
fn a_sieve_of_filters_finds_the_primes() {
    let primes: Vec<u32> = (2..=97).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    everywhere(|parties| {
        for capacity in [0, 10] {
            parties.scope(|scope| {
                let (sender, mut numbers) = bounded(capacity);
                // The filters leave when those after them have what they want.
                scope.spawn(move || (2..).try_for_each(|number| sender.send(number)));
                let found = [(); 25].map(|()| {
                    let prime: u32 = numbers.recv().unwrap();
                    let (to, rest) = bounded(capacity);
                    let from = std::mem::replace(&mut numbers, rest);
                    scope.spawn(move || {
                        let mut rest = from.iter().filter(|number| number % prime != 0);
                        rest.try_for_each(|number| to.send(number))
                    });
                    prime
                });
                assert_eq!(found[..], primes);
            });
        }
    });
}

const EACH: usize = 10;

/// Sends its share over every channel: one by one, or by selects over two of those that
/// are not through.
fn send_share(ends: &[(Sender<usize>, Receiver<usize>)], by_select: bool) {
    let mut left = vec![EACH; ends.len()];
    for step in 0.. {
        let all = || (step..).map(|step| step % ends.len());
        let Some(first) = all().take(ends.len()).find(|&it| left[it] > 0) else {
            return;
        };
        let another = |it: &usize| left[*it] > 0 && *it != first;
        let second = all().take(ends.len()).find(another).unwrap_or(first);
        let (one, other) = (&ends[first].0, &ends[second].0);
        let sent = if by_select {
            select! {
                send(one, first) -> sent => sent.map(|()| first),
                send(other, second) -> sent => sent.map(|()| second),
            }
        } else {
            one.send(first).map(|()| first)
        };
        left[sent.expect("there are receivers")] -= 1;
    }
}

/// Counts what comes over each channel, by tries or by selects, until all is done.
fn count_all(
    parties: Setting,
    ends: &[(Sender<usize>, Receiver<usize>)],
    counts: &[AtomicUsize],
    all_done: &Receiver<()>,
    by_select: bool,
) {
    let count = |channel: usize, value: Result<usize, RecvError>| {
        assert_eq!(value, Ok(channel));
        counts[channel].fetch_add(1, Ordering::SeqCst);
    };
    let mut select = Select::new();
    ends.iter()
        .for_each(|(_, receiver)| _ = select.recv(receiver));
    let done = select.recv(all_done);
    if by_select {
        loop {
            let operation = select.select();
            match operation.index() {
                index if index == done => return assert!(operation.recv(all_done).is_err()),
                channel => count(channel, operation.recv(&ends[channel].1)),
            }
        }
    }
    for channel in (0..ends.len()).cycle() {
        select! {
            recv(ends[channel].1) -> value => count(channel, value),
            recv(all_done) -> _ => return,
            default => parties.pause(),
        }
    }
}

fn exchange(parties: Setting, capacity: usize, channels: usize, by_select: [bool; 2]) {
    let ends: Vec<_> = (0..channels).map(|_| bounded(capacity)).collect();
    let counts: Vec<_> = (0..channels).map(|_| AtomicUsize::new(0)).collect();
    let (done, all_done) = bounded::<()>(0);
    parties.scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| send_share(&ends, by_select[0]));
            scope.spawn(|| count_all(parties, &ends, &counts, &all_done, by_select[1]));
        }
        let count = |counts: &[AtomicUsize]| -> usize {
            let counts = counts.iter().map(|count| count.load(Ordering::SeqCst));
            counts.sum()
        };
        parties.until(|| count(&counts) == 2 * EACH * channels);
        done.close();
    });
    let all = counts.iter().map(|count| count.load(Ordering::SeqCst));
    assert!(all.eq(vec![2 * EACH; channels]));
    assert!(ends.iter().all(|(_, receiver)| receiver.is_empty()));
}

// test/ken/chan.go
#[test]
fn plain_and_selecting_parties_exchange_exact_totals() {
    everywhere(|parties| {
        for (capacity, channels) in [(0, 1), (0, 4), (1, 4), (10, 8), (100, 12)] {
            for by_select in [[false, false], [false, true], [true, false], [true, true]] {
                exchange(parties, capacity, channels, by_select);
            }
        }
    });
}

// test/ken/chan1.go
#[test]
fn each_of_a_thousand_values_goes_to_one_of_ten_receivers() {
    const VALUES: usize = 1000;
    everywhere(|parties| {
        let (sender, receiver) = bounded(10);
        let seen: Vec<_> = (0..VALUES).map(|_| AtomicUsize::new(0)).collect();
        let got = parties.scope(|scope| {
            let receives = [(); 10].map(|()| {
                let (receiver, seen) = (receiver.clone(), &seen);
                scope.spawn(move || {
                    receiver
                        .iter()
                        .inspect(|&value: &usize| _ = seen[value].fetch_add(1, Ordering::SeqCst))
                        .count()
                })
            });
            sender.send_many(0..VALUES).unwrap();
            sender.close();
            receives.map(|party| party.join())
        });
        assert_eq!(got.iter().sum::<usize>(), VALUES);
        assert!(seen.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    });
}
