//! Many parties at once: order, exactly once, and nobody left asleep.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads, against the real clock"
)]

use crate::common::{Census, LONG, Random, everywhere};
use gorge_channel::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, bounded, unbounded,
};
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn kinds<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![bounded(0), bounded(1), bounded(3), unbounded()]
}

#[test]
fn one_sender_and_one_receiver_keep_the_order() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                scope.spawn(move || {
                    for number in 0..10_000 {
                        assert_eq!(receiver.recv(), Ok(number));
                    }
                    assert!(receiver.recv().is_err());
                });
                for number in 0..10_000 {
                    sender.send(number).unwrap();
                }
                drop(sender);
            });
        }
    });
}

#[test]
fn each_value_of_many_senders_is_received_once() {
    const PARTIES: usize = 4;
    const VALUES: usize = 2_500;
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let counts: Vec<_> = (0..VALUES).map(|_| AtomicUsize::new(0)).collect();
            parties.scope(|scope| {
                for _ in 0..PARTIES {
                    let (sender, receiver, counts) = (sender.clone(), receiver.clone(), &counts);
                    scope.spawn(move || {
                        for _ in 0..VALUES {
                            let value: usize = receiver.recv().unwrap();
                            counts[value].fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    scope.spawn(move || {
                        for number in 0..VALUES {
                            sender.send(number).unwrap();
                        }
                    });
                }
            });
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            assert!(
                counts
                    .iter()
                    .all(|count| count.load(Ordering::Relaxed) == PARTIES)
            );
        }
    });
}

#[test]
fn each_senders_values_stay_in_order() {
    const SENDERS: usize = 3;
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                for party in 0..SENDERS {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        for number in 0..2_000 {
                            sender.send((party, number)).unwrap();
                        }
                    });
                }
                drop(sender);
                let mut next = [0; SENDERS];
                for (party, number) in &receiver {
                    assert_eq!(number, next[party]);
                    next[party] += 1;
                }
                assert_eq!(next, [2_000; SENDERS]);
            });
        }
    });
}

#[test]
fn one_value_goes_through_many_new_channels() {
    everywhere(|parties| {
        for round in 0..300 {
            for (sender, receiver) in kinds() {
                parties.scope(|scope| {
                    scope.spawn(move || assert_eq!(receiver.recv(), Ok(round)));
                    scope.spawn(move || sender.send(round).unwrap());
                });
            }
        }
    });
}

#[test]
fn values_survive_timeouts_on_both_sides() {
    const VALUES: usize = 40;
    everywhere(|parties| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                scope.spawn(move || {
                    let mut random = Random(7);
                    for number in 0..VALUES {
                        let mut value = number;
                        loop {
                            let timeout = Duration::from_micros(random.below(200) as u64);
                            match sender.send_timeout(value, timeout) {
                                Ok(()) => break,
                                Err(SendTimeoutError::Timeout(back)) => value = back,
                                Err(error) => panic!("{error:?}"),
                            }
                        }
                        if number % 8 == 0 {
                            parties.settle();
                        }
                    }
                });
                let mut random = Random(99);
                for number in 0..VALUES {
                    loop {
                        let timeout = Duration::from_micros(random.below(200) as u64);
                        match receiver.recv_timeout(timeout) {
                            Ok(value) => break assert_eq!(value, number),
                            Err(RecvTimeoutError::Timeout) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                    if number % 8 == 4 {
                        parties.settle();
                    }
                }
                assert_eq!(
                    receiver.recv_timeout(LONG),
                    Err(RecvTimeoutError::Disconnected)
                );
            });
        }
    });
}

#[test]
fn impatient_parties_do_not_disturb_patient_ones() {
    const VALUES: usize = 2_000;
    everywhere(|parties| {
        for capacity in [0, 1] {
            let census = Census::default();
            let (sender, receiver) = bounded(capacity);
            let timed_out = AtomicUsize::new(0);
            let received = parties.scope(|scope| {
                for impatient in [false, true] {
                    let (sender, census, timed_out) = (sender.clone(), &census, &timed_out);
                    scope.spawn(move || {
                        for number in 0..VALUES {
                            let value = census.value(number);
                            if !impatient {
                                assert!(sender.send(value).is_ok());
                            } else if sender
                                .send_timeout(value, Duration::from_micros(1))
                                .is_err()
                            {
                                timed_out.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
                drop(sender);
                let readers = [false, true].map(|impatient| {
                    let receiver = receiver.clone();
                    scope.spawn(move || {
                        let mut received = 0;
                        loop {
                            let timeout = if impatient {
                                Duration::from_micros(1)
                            } else {
                                LONG
                            };
                            match receiver.recv_timeout(timeout) {
                                Ok(_) => received += 1,
                                Err(RecvTimeoutError::Timeout) => {}
                                Err(RecvTimeoutError::Disconnected) => break received,
                            }
                        }
                    })
                });
                readers.map(|reader| reader.join()).iter().sum::<usize>()
            });
            assert_eq!(received + timed_out.load(Ordering::Relaxed), 2 * VALUES);
            assert_eq!(census.alive(), 0);
        }
    });
}

#[test]
fn every_value_is_dropped_once() {
    everywhere(|parties| {
        let mut random = Random(1);
        for _ in 0..30 {
            let (received, left) = (random.below(300), random.below(30));
            let census = Census::default();
            for (sender, receiver) in [bounded(30), unbounded()] {
                parties.scope(|scope| {
                    scope.spawn(|| {
                        for _ in 0..received {
                            assert!(receiver.recv().is_ok());
                        }
                    });
                    for number in 0..received {
                        assert!(sender.send(census.value(number)).is_ok());
                    }
                });
                for number in 0..left {
                    assert!(sender.send(census.value(number)).is_ok());
                }
                assert_eq!(census.alive(), left);
                drop((sender, receiver));
                assert_eq!(census.alive(), 0);
            }
        }
    });
}

#[test]
fn a_send_is_seen_by_the_senders_own_receive() {
    everywhere(|parties| {
        for (sender, receiver) in [bounded(4), unbounded()] {
            parties.scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..2_000 {
                            sender.send(0).unwrap();
                            assert_ne!(receiver.try_recv(), Err(TryRecvError::Empty));
                        }
                    });
                }
            });
        }
    });
}

#[test]
fn receivers_travel_through_channels() {
    everywhere(|parties| {
        for capacity in [Some(0), Some(1), None] {
            let new = || capacity.map_or_else(unbounded::<Box<dyn Any + Send>>, bounded);
            let (mut sender, mut receiver) = new();
            parties.scope(|scope| {
                scope.spawn(move || {
                    for _ in 0..300 {
                        let (next_sender, next_receiver) = new();
                        sender.send(Box::new(next_receiver)).unwrap();
                        sender = next_sender;
                    }
                });
                for _ in 0..300 {
                    let next = receiver.recv().unwrap().downcast().expect("a receiver");
                    receiver = *next;
                }
            });
        }
    });
}

#[test]
fn numbers_go_through_a_crowd_of_workers() {
    const PRIMES: [usize; 10] = [2, 3, 7, 11, 13, 17, 23, 29, 31, 37];
    const NUMBERS: usize = 10_000;
    everywhere(|parties| {
        let (work, queue) = bounded(69);
        let (done, results) = bounded(69);
        let (count, sum) = parties.scope(|scope| {
            for worker in 0..23 {
                let (queue, done) = (queue.clone(), done.clone());
                scope.spawn(move || {
                    for number in queue {
                        if PRIMES[worker % PRIMES.len()] == number {
                            parties.pause();
                        }
                        done.send(number).unwrap();
                    }
                });
            }
            drop(done);
            scope.spawn(move || {
                for i in 0..NUMBERS {
                    work.send(PRIMES[i % PRIMES.len()]).unwrap();
                }
                work.close();
            });
            results
                .iter()
                .fold((0, 0), |(count, sum), number| (count + 1, sum + number))
        });
        assert_eq!(count, NUMBERS);
        assert_eq!(sum, NUMBERS / PRIMES.len() * PRIMES.iter().sum::<usize>());
    });
}
