//! Handles and values that go: handles cloned and dropped in crowds while others wait,
//! and destructors that panic.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run on real threads"
)]

use crate::common::{self, Census, LONG, everywhere};
use gorge_channel::{
    Receiver, RecvError, SendError, SendTimeoutError, Sender, TrySendError, after, bounded, never,
    select, unbounded,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn kinds<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![bounded(0), bounded(1), bounded(3), unbounded()]
}

#[test]
fn handles_come_and_go_in_a_crowd_while_values_pass() {
    const VALUES: usize = 400;
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let done = AtomicBool::new(false);
            parties.scope(|scope| {
                for _ in 0..4 {
                    let (sender, receiver, done) = (&sender, &receiver, &done);
                    scope.spawn(move || {
                        while !done.load(Ordering::Relaxed) {
                            let handles = [(); 3].map(|()| (sender.clone(), receiver.clone()));
                            parties.pause();
                            drop(handles);
                        }
                    });
                }
                let receives = [(); 2].map(|()| {
                    let receiver = receiver.clone();
                    scope
                        .spawn(move || (0..VALUES).map(|_| receiver.recv().unwrap()).sum::<usize>())
                });
                for start in [0, VALUES] {
                    let sender = sender.clone();
                    scope.spawn(move || sender.send_many(start..start + VALUES).unwrap());
                }
                let sum: usize = receives.into_iter().map(|party| party.join()).sum();
                done.store(true, Ordering::Relaxed);
                assert_eq!(sum, (0..2 * VALUES).sum());
            });
            assert!(!sender.is_closed() && !receiver.is_closed());
            assert!(receiver.is_empty());
        }
    });
}

#[test]
fn clones_that_come_and_go_do_not_end_a_wait() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        let (other, refuses) = bounded(0);
        parties.scope(|scope| {
            let receives = scope.spawn(|| receiver.recv());
            let selects = scope.spawn(|| {
                select! {
                    recv(receiver) -> value => value,
                    recv(never()) -> value => value,
                }
            });
            let sends = scope.spawn(|| other.send(3));
            parties.settle();
            let crowd = [(); 4].map(|()| {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop((sender.clone(), refuses.clone()));
                        drop((receiver.clone(), other.clone()));
                    }
                })
            });
            crowd.into_iter().for_each(|party| party.join());
            sender.send(1).unwrap();
            sender.send(1).unwrap();
            assert_eq!((receives.join(), selects.join()), (Ok(1), Ok(1)));
            assert_eq!(refuses.recv(), Ok(3));
            assert_eq!(sends.join(), Ok(()));
        });
    });
}

#[test]
fn whichever_handle_of_a_crowd_goes_last_ends_the_channel() {
    everywhere(|parties| {
        for round in 0..50 {
            for (sender, receiver) in kinds::<i32>() {
                let waits = receiver.clone();
                parties.scope(|scope| {
                    let waits = [(); 2].map(|()| scope.spawn(|| waits.recv()));
                    for i in 0..4 {
                        let (sender, receiver) = (sender.clone(), receiver.clone());
                        scope.spawn(move || {
                            if (round + i) % 2 == 0 {
                                parties.pause();
                            }
                            drop(receiver);
                            drop(sender);
                        });
                    }
                    drop((sender, receiver));
                    assert_eq!(waits.map(|party| party.join()), [Err(RecvError); 2]);
                });
            }
        }
    });
}

#[test]
fn values_go_once_when_both_ends_of_a_crowd_go_at_the_same_time() {
    everywhere(|parties| {
        let census = Census::default();
        for round in 0..100 {
            let (sender, receiver) = if round % 2 == 0 {
                bounded(4)
            } else {
                unbounded()
            };
            for number in 0..4 {
                assert!(sender.send(census.value(number)).is_ok());
            }
            parties.scope(|scope| {
                for _ in 0..2 {
                    let (sender, receiver) = (sender.clone(), receiver.clone());
                    scope.spawn(move || drop(sender));
                    scope.spawn(move || drop(receiver.try_recv()));
                }
                drop((sender, receiver));
            });
            assert_eq!(census.alive(), 0);
        }
    });
}

#[test]
fn every_refused_value_is_dropped_once() {
    everywhere(|parties| {
        let census = Census::default();
        let (sender, receiver) = bounded(1);
        assert!(sender.send(census.value(0)).is_ok());
        parties.scope(|scope| {
            let waits = scope.spawn(|| sender.send(census.value(1)).is_err());
            let waits_long = scope.spawn(|| sender.send_timeout(census.value(2), LONG).is_err());
            let selects = scope.spawn(|| {
                select! {
                    send(sender, census.value(3)) -> sent => sent.is_err(),
                    default(LONG) => false,
                }
            });
            parties.settle();
            drop(receiver);
            assert!(waits.join() && waits_long.join() && selects.join());
        });
        assert_eq!(census.alive(), 0, "also the one in the channel");
        let now = std::time::Instant::now();
        for number in 0..3 {
            let value = census.value(number);
            let back = match number {
                0 => sender.send(value).unwrap_err().into_inner(),
                1 => sender.try_send(value).unwrap_err().into_inner(),
                _ => sender.send_deadline(value, now).unwrap_err().into_inner(),
            };
            assert_eq!((back.number, census.alive()), (number, 1));
        }
        assert_eq!(census.alive(), 0);
    });
}

/// A value whose destructor panics if it is told to, after it has counted.
struct Bomb<'a> {
    drops: &'a AtomicUsize,
    is_live: bool,
}

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        assert!(!self.is_live, "boom");
    }
}

fn explodes(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

#[test]
fn several_panicking_destructors_are_one_panic() {
    for capacity in [Some(40), None] {
        let drops = AtomicUsize::new(0);
        let bomb = || Bomb {
            drops: &drops,
            is_live: true,
        };
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        for _ in 0..40 {
            assert!(sender.try_send(bomb()).is_ok());
        }
        drop(sender);
        assert!(explodes(|| drop(receiver)));
        // What comes after the first may leak, and is never dropped twice.
        assert!((1..=40).contains(&drops.into_inner()));
    }
}

#[test]
fn a_panicking_destructor_keeps_nobody_waiting() {
    everywhere(|parties| {
        for timed in [false, true] {
            let drops = AtomicUsize::new(0);
            let bomb = |is_live| Bomb {
                drops: &drops,
                is_live,
            };
            let (sender, receiver) = bounded(2);
            assert!(sender.send(bomb(true)).is_ok());
            assert!(sender.send(bomb(false)).is_ok());
            parties.scope(|scope| {
                let waits = [(); 3].map(|()| {
                    scope.spawn(|| match timed {
                        false => sender.send(bomb(false)).is_err(),
                        true => sender.send_timeout(bomb(false), LONG).is_err(),
                    })
                });
                parties.settle();
                assert!(explodes(|| drop(receiver)));
                assert_eq!(waits.map(|party| party.join()), [true; 3]);
            });
            assert!(sender.is_closed() && sender.is_empty());
            assert!(matches!(
                sender.try_send(bomb(false)),
                Err(TrySendError::Disconnected(_))
            ));
        }
    });
}

#[test]
fn a_destructor_that_panics_in_its_receiver_leaves_the_channel_usable() {
    everywhere(|parties| {
        let drops = AtomicUsize::new(0);
        let bomb = |is_live| Bomb {
            drops: &drops,
            is_live,
        };
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                scope.spawn(|| {
                    for number in 0..10 {
                        assert!(sender.send(bomb(number % 3 == 0)).is_ok());
                    }
                });
                let panics = (0..10).filter(|number| {
                    explodes(|| match number % 2 {
                        0 => drop(receiver.recv().ok()),
                        _ => select! { recv(receiver) -> value => drop(value.ok()) },
                    })
                });
                assert_eq!(panics.collect::<Vec<_>>(), [0, 3, 6, 9]);
            });
            assert_eq!(drops.swap(0, Ordering::SeqCst), 10);
            assert!(receiver.is_empty());
        }
    });
}

#[test]
fn a_destructor_that_panics_in_its_sender_leaves_the_channel_usable() {
    let drops = AtomicUsize::new(0);
    let bomb = |is_live| Bomb {
        drops: &drops,
        is_live,
    };
    let (sender, receiver) = bounded(1);
    assert!(sender.send(bomb(false)).is_ok());
    assert!(explodes(|| drop(sender.try_send(bomb(true)))));
    let short = common::SHORT;
    assert!(explodes(|| drop(sender.send_timeout(bomb(true), short))));
    assert!(receiver.recv().is_ok());
    receiver.close();
    assert!(explodes(|| drop(sender.send(bomb(true)))));
    assert!(receiver.recv().is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 4);
}

#[test]
fn closing_drops_no_value_and_runs_no_destructor() {
    let drops = AtomicUsize::new(0);
    let (sender, receiver) = bounded(3);
    for is_live in [false, true] {
        let drops = &drops;
        assert!(sender.send(Bomb { drops, is_live }).is_ok());
    }
    assert!(sender.close());
    drop(sender);
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    assert!(receiver.recv().is_ok());
    assert!(explodes(|| drop(receiver.recv().ok())));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

/// Whoever waits for a receiver whose thread panics is told that it has gone.
#[test]
fn a_panic_that_drops_an_end_tells_the_other_end() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        let (idle, nothing) = bounded::<i32>(0);
        parties.scope(|scope| {
            let sends = scope.spawn(|| sender.send(7));
            let times = scope.spawn(|| sender.send_timeout(8, LONG));
            let receives = scope.spawn(|| nothing.recv());
            scope.spawn(move || {
                let ends = (receiver, idle);
                parties.settle();
                assert!(explodes(move || {
                    let _ends = ends;
                    panic!("the destructors run");
                }));
            });
            assert_eq!(sends.join(), Err(SendError(7)));
            assert_eq!(times.join(), Err(SendTimeoutError::Disconnected(8)));
            assert_eq!(receives.join(), Err(RecvError));
        });
    });
}

#[test]
fn handles_of_a_timer_come_and_go_while_it_is_waited_for() {
    use std::time::Duration;
    everywhere(|parties| {
        let timer = after(Duration::from_millis(5));
        let got = AtomicUsize::new(0);
        parties.scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        drop(timer.clone());
                        let own = timer.clone();
                        let hit = own.recv_timeout(Duration::from_micros(100)).is_ok();
                        got.fetch_add(usize::from(hit), Ordering::SeqCst);
                    }
                });
            }
            let last = timer.clone();
            parties.until(|| {
                got.fetch_add(usize::from(last.try_recv().is_ok()), Ordering::SeqCst);
                got.load(Ordering::SeqCst) > 0
            });
        });
        assert_eq!(got.into_inner(), 1);
    });
}
