//! Selects that do not wait: where at every moment one case is ready, none may say that
//! there is none.
//!
//! What is adopted of Go's tests has the Go test's name above it.

use crate::common::{Setting, everywhere};
use gorge_channel::{Receiver, Select, Sender, bounded, select, unbounded};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const ROUNDS: usize = 200;

type Channel = (Sender<i32>, Receiver<i32>);

/// One party puts a value into the first channel and then takes one by `take`, which says
/// whether there was one. The other meanwhile puts a value into the second, and only then
/// empties the first: at every moment there is a value in one of them.
fn always_one(
    parties: Setting,
    channels: [Channel; 2],
    take: impl Fn(&Channel, &Channel) -> bool + Sync,
) {
    let [first, second] = &channels;
    let (start, started) = bounded::<()>(0);
    let (end, ended) = bounded::<()>(0);
    // Counted, so that a party that misses one does not leave the other waiting.
    let missed = AtomicUsize::new(0);
    parties.scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                start.send(()).unwrap();
                first.0.send(1).unwrap();
                missed.fetch_add(usize::from(!take(first, second)), Ordering::Relaxed);
                end.send(()).unwrap();
                let _ = second.1.try_recv();
            }
        });
        for _ in 0..ROUNDS {
            started.recv().unwrap();
            second.0.send(1).unwrap();
            let _ = first.1.try_recv();
            ended.recv().unwrap();
        }
    });
    assert_eq!(missed.into_inner(), 0, "one of the channels has a value");
}

fn always_one_everywhere(take: impl Fn(&Channel, &Channel) -> bool + Sync) {
    everywhere(|parties| {
        always_one(parties, [bounded(1), bounded(1)], &take);
        always_one(parties, [unbounded(), unbounded()], &take);
    });
}

// TestNonblockSelectRace
#[test]
fn a_default_is_not_taken_while_one_of_the_channels_has_a_value() {
    always_one_everywhere(|(_, first), (_, second)| {
        select! {
            recv(first) -> value => value.is_ok(),
            recv(second) -> value => value.is_ok(),
            default => false,
        }
    });
}

#[test]
fn a_timeout_of_zero_is_not_taken_while_one_of_the_channels_has_a_value() {
    always_one_everywhere(|(_, first), (_, second)| {
        select! {
            recv(first) -> value => value.is_ok(),
            recv(second) -> value => value.is_ok(),
            default(Duration::ZERO) => false,
        }
    });
}

#[test]
fn a_try_of_a_dynamic_select_finds_what_is_there_at_every_moment() {
    always_one_everywhere(|(_, first), (_, second)| {
        let mut select = Select::new();
        select.recv(first);
        select.recv(second);
        match select.try_select() {
            Ok(operation) if operation.index() == 0 => operation.recv(first).is_ok(),
            Ok(operation) => operation.recv(second).is_ok(),
            Err(_) => false,
        }
    });
}

#[test]
fn readiness_is_found_where_it_is_at_every_moment() {
    always_one_everywhere(|(_, first), (_, second)| {
        let mut select = Select::new();
        select.recv(first);
        select.recv(second);
        let tried = select.try_ready().is_ok();
        tried && select.ready_timeout(Duration::ZERO).is_ok()
    });
}

// TestNonblockSelectRace2
#[test]
fn a_default_is_not_taken_while_one_channel_has_a_value_or_another_is_closed() {
    everywhere(|parties| {
        for _ in 0..ROUNDS / 10 {
            let (full, first) = bounded::<i32>(1);
            let (idle, second) = bounded::<i32>(0);
            full.send(1).unwrap();
            parties.scope(|scope| {
                let selects = scope.spawn(|| {
                    select! {
                        recv(first) -> _ => true,
                        recv(second) -> _ => true,
                        default => false,
                    }
                });
                idle.close();
                let _ = first.try_recv();
                assert!(selects.join(), "one of the cases was ready");
            });
        }
    });
}

// TestNonblockRecvRace
#[test]
fn a_value_in_a_channel_that_is_closed_meanwhile_is_there_or_the_end_is() {
    everywhere(|parties| {
        for _ in 0..ROUNDS / 10 {
            let (sender, receiver) = bounded::<i32>(1);
            sender.send(1).unwrap();
            parties.scope(|scope| {
                let polls = scope.spawn(|| {
                    select! {
                        recv(receiver) -> _ => true,
                        default => false,
                    }
                });
                sender.close();
                let _ = receiver.recv();
                assert!(polls.join(), "there was a value or an end");
            });
        }
    });
}

#[test]
fn readiness_that_moves_to_and_fro_is_always_found() {
    everywhere(|parties| {
        let [first, second] = &[unbounded::<i32>(), unbounded::<i32>()];
        let done = AtomicBool::new(false);
        first.0.send(0).unwrap();
        parties.scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for (from, to) in [(first, second), (second, first)] {
                        to.0.send(0).unwrap();
                        from.1.recv().unwrap();
                        parties.pause();
                    }
                }
            });
            let mut select = Select::new();
            select.recv(&first.1);
            select.recv(&second.1);
            let always = (0..ROUNDS).all(|_| {
                parties.pause();
                select.try_ready().is_ok()
            });
            done.store(true, Ordering::Relaxed);
            assert!(always, "one of the channels has a value");
        });
    });
}

/// The same for sends: one of two channels has room at every moment.
#[test]
fn a_default_is_not_taken_while_one_of_the_channels_has_room() {
    everywhere(|parties| {
        let [first, second] = [bounded::<i32>(1), bounded::<i32>(1)];
        let (start, started) = bounded::<()>(0);
        let (end, ended) = bounded::<()>(0);
        second.0.send(0).unwrap();
        parties.scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    start.send(()).unwrap();
                    select! {
                        send(first.0, 1) -> sent => sent.unwrap(),
                        send(second.0, 1) -> sent => sent.unwrap(),
                        default => panic!("one of the channels has room"),
                    }
                    end.send(()).unwrap();
                    started_again(&first, &second);
                    end.send(()).unwrap();
                }
            });
            for _ in 0..ROUNDS {
                started.recv().unwrap();
                let _ = second.1.try_recv();
                let _ = first.0.try_send(0);
                ended.recv().unwrap();
                ended.recv().unwrap();
            }
        });
    });
}

/// The first has room, and the second has none.
fn started_again(first: &Channel, second: &Channel) {
    let _ = first.1.try_recv();
    let _ = second.0.try_send(0);
}
