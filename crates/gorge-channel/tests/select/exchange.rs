//! Selects that meet selects: everybody finds a partner, nobody itself, and nothing is
//! left over.
//!
//! What is adopted of Go's tests has the Go test's name above it.

use crate::common::{self, Setting, everywhere};
use gorge_channel::{Receiver, RecvError, Select, Sender, bounded, never, select, unbounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Sends its number or receives another one's.
fn exchange(sender: &Sender<usize>, receiver: &Receiver<usize>, own: usize) -> Option<usize> {
    select! {
        send(sender, own) -> sent => { sent.unwrap(); None }
        recv(receiver) -> value => value.ok(),
    }
}

fn match_up(parties: Setting, selecting: usize, alone: bool) {
    let (sender, receiver) = bounded(0);
    let met = AtomicUsize::new(0);
    parties.scope(|scope| {
        for own in 0..selecting {
            let (sender, receiver, met) = (&sender, &receiver, &met);
            scope.spawn(move || {
                if let Some(other) = exchange(sender, receiver, own) {
                    assert_ne!(other, own, "met itself");
                    met.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        if alone {
            sender.send(selecting).unwrap();
        }
    });
    assert_eq!(met.into_inner(), selecting.div_ceil(2));
    assert!(receiver.try_recv().is_err(), "nobody is left over");
}

#[test]
fn everybody_finds_a_partner_on_one_rendezvous() {
    everywhere(|parties| match_up(parties, 44, false));
}

#[test]
fn whoever_is_left_over_finds_a_plain_sender() {
    everywhere(|parties| match_up(parties, 55, true));
}

// TestSelfSelect
#[test]
fn two_that_send_and_receive_on_one_channel_do_not_meet_themselves() {
    everywhere(|parties| {
        for capacity in [0, 10] {
            let (sender, receiver) = &bounded(capacity);
            parties.scope(|scope| {
                for own in [0, 1] {
                    scope.spawn(move || {
                        for round in 0..500 {
                            let got = match round % 2 {
                                0 => exchange(sender, receiver, own),
                                _ => select! {
                                    recv(receiver) -> value => value.ok(),
                                    send(sender, own) -> sent => { sent.unwrap(); None }
                                },
                            };
                            assert!(capacity > 0 || got != Some(own), "received its own");
                        }
                    });
                }
            });
        }
    });
}

#[test]
fn a_rendezvous_never_pairs_with_itself_and_a_queue_takes_the_value() {
    everywhere(|_| {
        let (sender, receiver) = bounded::<i32>(0);
        select! {
            send(sender, 1) -> _ => unreachable!(),
            recv(receiver) -> _ => unreachable!(),
            default(Duration::from_millis(2)) => {}
        }
        let mut select = Select::new();
        select.send(&sender);
        select.recv(&receiver);
        assert!(select.ready_timeout(Duration::from_millis(2)).is_err());
        let (sender, receiver) = unbounded();
        select! {
            recv(receiver) -> _ => unreachable!(),
            send(sender, 1) -> sent => sent.unwrap(),
        }
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn a_value_may_be_received_from_the_channel_it_is_sent_to() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        let (_idle, nothing) = bounded::<i32>(0);
        parties.scope(|scope| {
            let feeds = scope.spawn(|| while sender.send(1).is_ok() {});
            let receives = scope.spawn(|| receiver.iter().all(|value| value == 1));
            for _ in 0..20 {
                select! {
                    send(sender, receiver.recv().unwrap()) -> sent => sent.unwrap(),
                    recv(nothing) -> _ => unreachable!(),
                }
            }
            sender.close();
            feeds.join();
            assert!(receives.join());
        });
    });
}

// TestSelectStress
#[test]
fn plain_and_selecting_parties_share_four_channels() {
    const COUNT: usize = 200;
    everywhere(|parties| {
        let channels = &[0, 0, 2, 3].map(bounded::<usize>);
        parties.scope(|scope| {
            for (sender, receiver) in channels {
                scope.spawn(move || assert_eq!(sender.send_many(0..COUNT).unwrap(), COUNT));
                scope.spawn(move || assert_eq!(receiver.iter().take(COUNT).count(), COUNT));
            }
            for sends in [true, false] {
                scope.spawn(move || {
                    let mut left = [COUNT; 4];
                    let mut select = Select::new();
                    for (sender, receiver) in channels {
                        if sends {
                            select.send(sender)
                        } else {
                            select.recv(receiver)
                        };
                    }
                    while left != [0; 4] {
                        let operation = select.select();
                        let index = operation.index();
                        let (sender, receiver) = &channels[index];
                        match sends {
                            true => operation.send(sender, index).unwrap(),
                            false => assert!(operation.recv(receiver).is_ok()),
                        }
                        left[index] -= 1;
                        if left[index] == 0 {
                            select.remove(index);
                        }
                    }
                });
            }
        });
        assert!(
            channels
                .iter()
                .all(|(_, receiver)| receiver.try_recv().is_err())
        );
    });
}

// test/chan/doubleselect.go
#[test]
fn numbers_that_a_select_sends_over_four_channels_come_once() {
    const COUNT: usize = 1000;
    everywhere(|parties| {
        let channels = [0, 0, 1, 1].map(bounded::<usize>);
        let [(s1, r1), (s2, r2), (s3, r3), (s4, r4)] = channels;
        let (out, all) = bounded(0);
        parties.scope(|scope| {
            scope.spawn(move || {
                for number in 0..COUNT {
                    select! {
                        send(s1, number) -> sent => sent.unwrap(),
                        send(s2, number) -> sent => sent.unwrap(),
                        send(s3, number) -> sent => sent.unwrap(),
                        send(s4, number) -> sent => sent.unwrap(),
                    }
                }
            });
            for receiver in [r1, r2, r3, r4] {
                let out = out.clone();
                scope.spawn(move || receiver.iter().for_each(|number| out.send(number).unwrap()));
            }
            drop(out);
            let mut numbers: Vec<_> = all.iter().collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..COUNT));
        });
    });
}

// TestSelectDuplicateChannel, test/chan/select6.go
#[test]
fn a_select_that_is_over_leaves_nobody_in_the_queues() {
    everywhere(|parties| {
        let [(s1, r1), (s2, r2)] = [0, 0].map(bounded::<i32>);
        parties.scope(|scope| {
            let selects = scope.spawn(|| {
                select! {
                    recv(r1) -> value => value,
                    recv(r1) -> value => value,
                    recv(r2) -> value => value,
                }
            });
            let behind = scope.spawn(|| r1.recv());
            parties.settle();
            s2.send(2).unwrap();
            assert_eq!(selects.join(), Ok(2));
            s1.send(1).unwrap();
            assert_eq!(behind.join(), Ok(1));
            assert!(s1.try_send(3).is_err() && s2.try_send(3).is_err());
        });
    });
}

// TestPseudoRandomSend, TestSelectFairness
#[test]
fn ready_cases_share_the_choices() {
    for capacity in [1, 2, 100] {
        let (sender, receiver) = bounded(capacity);
        let mut ones = 0;
        for _ in 0..1000 {
            select! {
                send(sender, 1) -> sent => sent.unwrap(),
                send(sender, 0) -> sent => sent.unwrap(),
            }
            ones += receiver.recv().unwrap();
        }
        assert!((300..=700).contains(&ones), "{ones}");
    }
    let mut select = Select::new();
    let channels = [(); 5].map(|()| unbounded::<()>());
    channels
        .iter()
        .for_each(|(sender, _)| sender.send(()).unwrap());
    channels
        .iter()
        .for_each(|(_, receiver)| _ = select.recv(receiver));
    let mut hits = [[0; 5]; 2];
    for _ in 0..1000 {
        hits[0][select.ready()] += 1;
        let operation = select.select();
        let index = operation.index();
        operation.recv(&channels[index].1).unwrap();
        channels[index].0.send(()).unwrap();
        hits[1][index] += 1;
    }
    assert!(
        hits.as_flattened().iter().all(|hits| *hits > 100),
        "{hits:?}"
    );
}

#[test]
fn a_select_is_shared_cloned_and_used_again() {
    everywhere(|parties| {
        let (sender, receiver) = unbounded::<usize>();
        let nothing = never::<usize>();
        let mut select = Select::new();
        let first = select.recv(&receiver);
        select.recv(&nothing);
        let select = &select;
        parties.scope(|scope| {
            for _ in 0..8 {
                let receiver = receiver.clone();
                scope.spawn(move || {
                    let mut own = select.clone();
                    for _ in 0..50 {
                        let operation = own.select();
                        assert_eq!(operation.index(), first);
                        // With a clone of the handle that was added.
                        assert!(operation.recv(&receiver).is_ok());
                    }
                });
            }
            sender.send_many(0..400).unwrap();
        });
        assert!(receiver.is_empty());
    });
}

#[test]
fn a_close_comes_to_a_waiting_select_before_its_timeout() {
    everywhere(|parties| {
        let (sender, receiver) = bounded::<i32>(0);
        let (other, nothing) = bounded::<i32>(0);
        let long = common::LONG;
        parties.scope(|scope| {
            let receives = scope.spawn(|| {
                select! {
                    recv(receiver) -> value => value,
                    recv(nothing) -> value => value,
                    default(long) => unreachable!(),
                }
            });
            parties.settle();
            // The clone's drop is not the channel's end.
            drop(sender.clone());
            sender.close();
            assert_eq!(receives.join(), Err(RecvError));
            let sends = scope.spawn(|| {
                select! {
                    send(other, 1) -> sent => sent.is_err(),
                    default(long) => false,
                }
            });
            parties.settle();
            nothing.close();
            assert!(sends.join());
        });
    });
}
