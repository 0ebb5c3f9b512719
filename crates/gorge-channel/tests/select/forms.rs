//! What `select!`, a `Select` and readiness have in common: what is chosen, what wakes
//! who waits, and when it is given up.

use crate::common::{LONG, SHORT, Setting, everywhere};
use crate::ways::{Either, Patience, WAYS, Way};
use gorge_channel::{Receiver, RecvError, Select, SendError, Sender, bounded, unbounded};
use gorge_runtime::time;
use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A test's body in every setting, with each way.
fn each_way_everywhere(body: impl Fn(Setting, Way) + Sync) {
    everywhere(|parties| {
        for way in WAYS {
            body(parties, way);
        }
    });
}

fn channels<T, const COUNT: usize>() -> ([Sender<T>; COUNT], [Receiver<T>; COUNT]) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..COUNT)
        .map(|number| {
            if number % 2 == 0 {
                unbounded()
            } else {
                bounded(2)
            }
        })
        .unzip();
    let made = (senders.try_into(), receivers.try_into());
    (made.0.ok().unwrap(), made.1.ok().unwrap())
}

#[test]
fn only_what_is_ready_is_chosen() {
    each_way_everywhere(|_, way| {
        for patience in [Patience::None, Patience::Until(LONG), Patience::Forever] {
            let (senders, receivers) = channels::<usize, 5>();
            for (number, sender) in senders.iter().enumerate() {
                sender.send(number).unwrap();
                assert_eq!(
                    way.receive(&receivers, patience),
                    Some((number, Ok(number)))
                );
            }
            let (senders, receivers) = channels::<usize, 2>();
            senders[1].send(1).unwrap();
            assert_eq!(way.receive(&receivers, patience), Some((1, Ok(1))));
        }
    });
}

#[test]
fn an_end_is_ready_at_once() {
    each_way_everywhere(|_, way| {
        for patience in [Patience::None, Patience::Until(LONG), Patience::Forever] {
            let (senders, receivers) = channels::<usize, 2>();
            let [first, second] = senders;
            drop(second);
            assert_eq!(way.receive(&receivers, patience), Some((1, Err(RecvError))));
            // A value of the other one may come first or second, but it comes.
            first.send(1).unwrap();
            let found = (0..100).find_map(|_| match way.receive(&receivers, patience) {
                Some((0, value)) => Some(value),
                other => {
                    assert_eq!(other, Some((1, Err(RecvError))));
                    None
                }
            });
            assert_eq!(found, Some(Ok(1)));
            let [(full, keeps), (gone, _)] = [(); 2].map(|()| bounded(0));
            assert_eq!(
                way.send(&[full, gone], 1, patience),
                Some((1, Err(SendError(1))))
            );
            drop(keeps);
        }
    });
}

#[test]
fn an_end_wakes_who_waits_to_receive() {
    each_way_everywhere(|parties, way| {
        for patience in [Patience::Until(LONG), Patience::Forever] {
            let (senders, receivers) = channels::<usize, 2>();
            let [_first, second] = senders;
            parties.scope(|scope| {
                let waits = scope.spawn(|| way.receive(&receivers, patience));
                parties.settle();
                drop(second);
                assert_eq!(waits.join(), Some((1, Err(RecvError))));
            });
        }
    });
}

#[test]
fn an_end_wakes_who_waits_to_send() {
    each_way_everywhere(|parties, way| {
        for patience in [Patience::Until(LONG), Patience::Forever] {
            let [(first, _keeps), (second, gone)] = [0, 1].map(bounded);
            second.send(0).unwrap();
            let senders = [first, second];
            parties.scope(|scope| {
                let waits = scope.spawn(|| way.send(&senders, 1, patience));
                parties.settle();
                drop(gone);
                assert_eq!(waits.join(), Some((1, Err(SendError(1)))));
            });
        }
    });
}

#[test]
fn where_nothing_is_ready_it_is_given_up() {
    each_way_everywhere(|_, way| {
        let (senders, receivers) = channels::<i32, 2>();
        let (full, keeps) = bounded(0);
        let full = [full.clone(), full];
        for _ in 0..2 {
            assert_eq!(way.receive(&receivers, Patience::None), None);
            assert_eq!(way.send(&full, 1, Patience::None), None);
            assert_eq!(way.either(&receivers[0], &full[0], 1, Patience::None), None);
            let start = time::now();
            assert_eq!(way.receive(&receivers, Patience::Until(SHORT)), None);
            assert_eq!(way.send(&full, 1, Patience::Until(SHORT)), None);
            assert!(time::now() >= start + 2 * SHORT, "not before");
        }
        senders[0].send(1).unwrap();
        assert_eq!(way.receive(&receivers, Patience::None), Some((0, Ok(1))));
        assert_eq!(way.receive(&receivers, Patience::Until(SHORT)), None);
        drop((senders, keeps));
    });
}

#[test]
fn after_a_timeout_a_later_select_is_served() {
    each_way_everywhere(|parties, way| {
        let (sender, receiver) = bounded(0);
        let (_idle, nothing) = bounded(0);
        let receivers = [nothing, receiver];
        assert_eq!(way.receive(&receivers, Patience::Until(SHORT)), None);
        parties.scope(|scope| {
            let sends = scope.spawn(|| sender.send(1));
            assert_eq!(
                way.receive(&receivers, Patience::Until(LONG)),
                Some((1, Ok(1)))
            );
            assert_eq!(sends.join(), Ok(()));
        });
        assert_eq!(way.receive(&receivers, Patience::Until(SHORT)), None);
        assert!(sender.try_send(2).is_err(), "nobody is left behind");
    });
}

#[test]
fn a_send_wakes_who_waits_to_receive() {
    each_way_everywhere(|parties, way| {
        for patience in [Patience::Until(LONG), Patience::Forever] {
            for capacity in [Some(0), Some(1), None] {
                let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
                let (_idle, nothing) = bounded(0);
                let receivers = [receiver, nothing];
                parties.scope(|scope| {
                    let waits = scope.spawn(|| way.receive(&receivers, patience));
                    parties.settle();
                    sender.send(1).unwrap();
                    assert_eq!(waits.join(), Some((0, Ok(1))));
                });
            }
        }
    });
}

#[test]
fn a_receive_wakes_who_waits_to_send() {
    each_way_everywhere(|parties, way| {
        for patience in [Patience::Until(LONG), Patience::Forever] {
            for capacity in [0, 1] {
                let (sender, receiver) = bounded(capacity);
                let (full, _keeps) = bounded(0);
                sender.send_many(0..capacity).unwrap();
                let senders = [full, sender];
                parties.scope(|scope| {
                    let waits = scope.spawn(|| way.send(&senders, capacity, patience));
                    parties.settle();
                    for number in 0..=capacity {
                        assert_eq!(receiver.recv(), Ok(number));
                    }
                    assert_eq!(waits.join(), Some((1, Ok(()))));
                });
            }
        }
    });
}

#[test]
fn receives_and_sends_are_both_served() {
    each_way_everywhere(|parties, way| {
        let (s1, r1) = bounded(0);
        let (s2, r2) = bounded(0);
        parties.scope(|scope| {
            let sends = scope.spawn(|| s1.send(1));
            let receives = scope.spawn(|| r2.recv());
            let done = [0; 2].map(|_| way.either(&r1, &s2, 2, Patience::Forever).unwrap());
            assert!(done.contains(&Either::Received(Ok(1))), "{done:?}");
            assert!(done.contains(&Either::Sent(Ok(()))), "{done:?}");
            assert_eq!((sends.join(), receives.join()), (Ok(()), Ok(2)));
        });
    });
}

#[test]
fn parties_that_only_try_meet_one_that_waits() {
    each_way_everywhere(|parties, way| {
        for _ in 0..3 {
            let (s1, r1) = bounded(0);
            let (s2, r2) = bounded(0);
            let done = AtomicBool::new(false);
            let met = AtomicUsize::new(0);
            parties.scope(|scope| {
                scope.spawn(|| {
                    parties.until(|| {
                        let is_sent = way.send(from_ref(&s1), 1, Patience::None).is_some();
                        met.fetch_add(usize::from(is_sent), Ordering::SeqCst);
                        is_sent || done.load(Ordering::SeqCst)
                    });
                });
                scope.spawn(|| {
                    parties.until(|| {
                        let is_received = way.receive(from_ref(&r2), Patience::None).is_some();
                        met.fetch_add(usize::from(is_received), Ordering::SeqCst);
                        is_received || done.load(Ordering::SeqCst)
                    });
                });
                let (from, to) = (&r1, &s2);
                // One that only asks what is ready does not wait as a partner.
                let by = if let Way::Ready = way {
                    Way::Builder
                } else {
                    way
                };
                let waits = scope.spawn(move || by.either(from, to, 2, Patience::Until(LONG)));
                assert!(waits.join().is_some());
                done.store(true, Ordering::SeqCst);
            });
            assert_eq!(met.into_inner(), 1);
        }
    });
}

#[test]
fn handles_that_come_and_go_while_a_select_waits_are_no_end() {
    each_way_everywhere(|parties, way| {
        let (sender, receiver) = unbounded();
        let (_idle, nothing) = bounded(0);
        let receivers = [receiver.clone(), nothing];
        parties.scope(|scope| {
            let waits = scope.spawn(|| way.receive(&receivers, Patience::Forever));
            for _ in 0..20 {
                drop((sender.clone(), receiver.clone()));
                parties.pause();
            }
            let other = sender.clone();
            drop(sender);
            other.send(1).unwrap();
            assert_eq!(waits.join(), Some((0, Ok(1))));
        });
    });
}

#[test]
fn what_was_left_before_the_end_comes_before_it() {
    each_way_everywhere(|_, way| {
        for patience in [Patience::None, Patience::Until(LONG), Patience::Forever] {
            for capacity in [Some(2), None] {
                let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
                let (_idle, nothing) = bounded(0);
                let receivers = [receiver, nothing];
                sender.send(1).unwrap();
                assert_eq!(way.receive(&receivers, patience), Some((0, Ok(1))));
                sender.send(2).unwrap();
                drop(sender);
                assert_eq!(way.receive(&receivers, patience), Some((0, Ok(2))));
                assert_eq!(way.receive(&receivers, patience), Some((0, Err(RecvError))));
            }
        }
    });
}

#[test]
fn duplicates_of_both_directions_are_all_chosen() {
    everywhere(|_| {
        let (sender, receiver) = unbounded::<()>();
        sender.send(()).unwrap();
        let mut hits = [[0; 4]; 2];
        for _ in 0..300 {
            let mut select = Select::new();
            (0..2).for_each(|_| _ = select.recv(&receiver));
            (0..2).for_each(|_| _ = select.send(&sender));
            hits[0][select.ready()] += 1;
            let operation = select.select();
            let index = operation.index();
            hits[1][index] += 1;
            if index < 2 {
                assert_eq!(operation.recv(&receiver), Ok(()));
                sender.send(()).unwrap();
            } else {
                operation.send(&sender, ()).unwrap();
                receiver.recv().unwrap();
            }
        }
        let least = hits.as_flattened().iter().min();
        assert!(least.is_some_and(|hits| *hits > 20), "{hits:?}");
    });
}
