//! Many values through selects of all three forms: in order, none lost, none twice, and
//! none of the channels forgotten.

use crate::common::{LONG, Setting, everywhere};
use crate::ways::{Either, Patience, WAYS, Way};
use gorge_channel::{Receiver, Select, Sender, after, bounded, tick, unbounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ROUNDS: usize = 60;

/// Two channels, and one that says when a round is over.
fn in_rounds(
    parties: Setting,
    way: Way,
    capacities: [Option<usize>; 2],
    others: impl Fn(&[Sender<usize>], &[Receiver<usize>], usize) + Sync,
    selects: impl Fn(Way, &[Sender<usize>], &[Receiver<usize>], usize),
) {
    let (senders, receivers): (Vec<_>, Vec<_>) = capacities
        .map(|capacity| capacity.map_or_else(unbounded, bounded))
        .into_iter()
        .unzip();
    let (over, is_over) = bounded::<()>(100);
    parties.scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                others(&senders, &receivers, round);
                is_over.recv().unwrap();
            }
        });
        for round in 0..ROUNDS {
            selects(way, &senders, &receivers, round);
            over.send(()).unwrap();
        }
    });
}

#[test]
fn values_of_two_channels_are_received_in_order() {
    everywhere(|parties| {
        for way in WAYS {
            in_rounds(
                parties,
                way,
                [None, Some(0)],
                |senders, _, round| senders.iter().for_each(|it| it.send(round).unwrap()),
                |way, _, receivers, round| {
                    let mut seen = [false; 2];
                    for _ in 0..2 {
                        let (index, value) = way.receive(receivers, Patience::Forever).unwrap();
                        assert_eq!(value, Ok(round));
                        assert!(!std::mem::replace(&mut seen[index], true));
                    }
                },
            );
        }
    });
}

#[test]
fn values_to_two_channels_are_sent_in_order() {
    everywhere(|parties| {
        for way in WAYS {
            in_rounds(
                parties,
                way,
                [Some(0), Some(0)],
                |_, receivers, round| {
                    let values = [0, 1].map(|index: usize| receivers[index].recv().unwrap());
                    assert!(
                        values == [2 * round, 2 * round + 1],
                        "{values:?} in {round}"
                    );
                },
                |way, senders, _, round| {
                    for number in 0..2 {
                        let sent = way.send(senders, 2 * round + number, Patience::Forever);
                        assert_eq!(sent, Some((number, Ok(()))), "in the order of receives");
                    }
                },
            );
        }
    });
}

#[test]
fn values_come_from_one_channel_and_go_to_the_other() {
    everywhere(|parties| {
        for way in WAYS {
            in_rounds(
                parties,
                way,
                [Some(0), Some(0)],
                |senders, receivers, round| {
                    senders[0].send(round).unwrap();
                    assert_eq!(receivers[1].recv(), Ok(round));
                },
                |way, senders, receivers, round| {
                    let done = [0; 2].map(|_| {
                        let (from, to) = (&receivers[0], &senders[1]);
                        way.either(from, to, round, Patience::Forever).unwrap()
                    });
                    assert_eq!(done, [Either::Received(Ok(round)), Either::Sent(Ok(()))]);
                },
            );
        }
    });
}

#[test]
fn values_survive_selects_that_time_out_on_both_sides() {
    everywhere(|parties| {
        // Who only asks what is ready is nobody's partner: one side waits otherwise.
        for (sends, receives) in [
            (Way::Macro, Way::Builder),
            (Way::Builder, Way::Ready),
            (Way::Ready, Way::Macro),
        ] {
            let (sender, receiver) = bounded::<usize>(0);
            let (full, _keeps) = bounded(0);
            let (_idle, nothing) = bounded(0);
            let senders = [sender, full];
            parties.scope(|scope| {
                scope.spawn(move || {
                    for number in 0..ROUNDS {
                        let sent =
                            again_and_again(|patience| sends.send(&senders, number, patience));
                        assert_eq!(sent, (0, Ok(())));
                    }
                });
                let receivers = [nothing, receiver];
                for number in 0..ROUNDS {
                    let received =
                        again_and_again(|patience| receives.receive(&receivers, patience));
                    assert_eq!(received, (1, Ok(number)));
                }
            });
        }
    });
}

/// Tries until it is done, each time with twice the patience, from none on.
fn again_and_again<R>(mut attempt: impl FnMut(Patience) -> Option<R>) -> R {
    let doubled = (0..20).map(|times| Duration::from_micros((1 << times) - 1));
    doubled
        .chain(std::iter::repeat(LONG))
        .find_map(|timeout| attempt(Patience::Until(timeout)))
        .expect("it has no end")
}

#[test]
fn selects_of_all_forms_find_partners_on_one_rendezvous() {
    everywhere(|parties| {
        const PARTIES: usize = 20;
        let (sender, receiver) = bounded(0);
        let met = AtomicUsize::new(0);
        parties.scope(|scope| {
            for own in 0..PARTIES {
                let (sender, receiver, met) = (&sender, &receiver, &met);
                scope.spawn(move || {
                    let way = if own % 2 == 0 {
                        Way::Macro
                    } else {
                        Way::Builder
                    };
                    match way.either(receiver, sender, own, Patience::Forever) {
                        Some(Either::Received(Ok(other))) => {
                            assert_ne!(other, own, "met itself");
                            met.fetch_add(1, Ordering::Relaxed);
                        }
                        done => assert_eq!(done, Some(Either::Sent(Ok(())))),
                    }
                });
            }
        });
        assert_eq!(met.into_inner(), PARTIES / 2);
        assert!(receiver.try_recv().is_err(), "nobody is left over");
    });
}

#[test]
fn receivers_go_through_channels_that_are_asked_whether_they_are_ready() {
    #[derive(Debug)]
    struct Link(Receiver<Link>);
    everywhere(|parties| {
        for capacity in [1, 2, 3] {
            let (mut sender, receiver) = bounded::<Link>(capacity);
            parties.scope(|scope| {
                scope.spawn(move || {
                    for _ in 0..40 {
                        let (next, link) = bounded(capacity);
                        let sent = Way::Ready.send(&[sender], Link(link), Patience::Until(LONG));
                        assert!(sent.is_some_and(|(_, sent)| sent.is_ok()));
                        sender = next;
                    }
                });
                let mut receiver = [receiver];
                for _ in 0..40 {
                    let received = Way::Ready.receive(&receiver, Patience::Until(LONG));
                    let (_, link) = received.expect("it comes in time");
                    receiver = [link.unwrap().0];
                }
            });
        }
    });
}

#[test]
fn a_producer_of_three_kinds_of_channels_is_heard_on_each() {
    everywhere(|parties| {
        for way in [Way::Macro, Way::Builder, Way::Ready] {
            const COUNT: usize = 300;
            const FEW: usize = 6;
            // Two are never used: the macro's select of five.
            let (_idle, nothing) = bounded(0);
            let (s1, r1) = unbounded();
            let (s2, r2) = bounded(1);
            let (s3, r3) = bounded(0);
            let receivers = [r1, r2, nothing.clone(), r3, nothing];
            let (mut hits, sent) = ([0; 5], AtomicUsize::new(0));
            parties.scope(|scope| {
                scope.spawn(|| {
                    loop {
                        if s1.is_empty() {
                            s1.send(()).unwrap();
                        }
                        let senders = [s2.clone(), s3.clone()];
                        let (_, result) =
                            Way::Builder.send(&senders, (), Patience::Forever).unwrap();
                        if result.is_err() {
                            break;
                        }
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
                // How often the one without room is met depends on who is the faster one:
                // until it was often enough, and for ever if it is forgotten.
                while hits[0] == 0 || hits[1].min(hits[3]) < FEW || hits[1] + hits[3] < COUNT {
                    let (index, value) = way.receive(&receivers, Patience::Forever).unwrap();
                    value.unwrap();
                    hits[index] += 1;
                }
                receivers[1].close();
                receivers[3].close();
            });
            hits[1] += receivers[1].try_iter().count();
            assert_eq!(hits[1] + hits[3], sent.into_inner(), "{hits:?}");
        }
    });
}

#[test]
fn readiness_is_shared_by_queues_and_timers() {
    everywhere(|_| {
        const COUNT: usize = 400;
        let (sender, queue) = unbounded();
        sender.send(gorge_runtime::time::now()).unwrap();
        let (ticks, timer) = (tick(Duration::ZERO), after(Duration::ZERO));
        let receivers = [&queue, &ticks, &timer];
        let mut select = Select::new();
        receivers.iter().for_each(|it| _ = select.recv(it));
        let mut hits = [0; 3];
        (0..COUNT).for_each(|_| hits[select.ready()] += 1);
        assert!(hits.iter().all(|hits| *hits >= COUNT / 8), "{hits:?}");
    });
}
