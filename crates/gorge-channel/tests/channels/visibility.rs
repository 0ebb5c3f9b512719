//! What happens before what: data without any other protection is handed over by channel
//! operations, in every way that Go's memory model allows. (Go's
//! `race/testdata/chan_test.go`.)
//!
//! The values are checked anywhere; a missing edge is found by ThreadSanitizer.

use crate::common::{LONG, everywhere};
use gorge_channel::{Receiver, Sender, bounded, select, unbounded};
use std::cell::UnsafeCell;

/// A number that one party at a time may touch.
#[derive(Default)]
struct Plain(UnsafeCell<usize>);

// SAFETY: whoever touches it has been handed it, by an operation on a channel: that is
// what the tests test.
unsafe impl Sync for Plain {}

impl Plain {
    fn set(&self, value: usize) {
        // SAFETY: no other party touches it now, see above.
        unsafe { *self.0.get() = value }
    }

    fn get(&self) -> usize {
        // SAFETY: no other party writes it now, see above.
        unsafe { *self.0.get() }
    }
}

type Channel = (Sender<usize>, Receiver<usize>);

fn kinds() -> [Channel; 4] {
    [bounded(0), bounded(1), bounded(7), unbounded()]
}

type Send = fn(&Sender<usize>, usize) -> bool;
type Receive = fn(&Receiver<usize>) -> Option<usize>;

const SENDS: [Send; 5] = [
    |sender, value| sender.send(value).is_ok(),
    |sender, value| sender.send_timeout(value, LONG).is_ok(),
    |sender, value| select! { send(sender, value) -> sent => sent.is_ok() },
    |sender, value| {
        let (_idle, nothing) = bounded::<u8>(0);
        select! {
            recv(nothing) -> _ => false,
            send(sender, value) -> sent => sent.is_ok(),
        }
    },
    |sender, value| {
        sender
            .reserve()
            .is_ok_and(|permit| permit.send(value).is_ok())
    },
];

const RECEIVES: [Receive; 5] = [
    |receiver| receiver.recv().ok(),
    |receiver| receiver.recv_timeout(LONG).ok(),
    |receiver| receiver.iter().next(),
    |receiver| {
        let (_idle, nothing) = bounded(0);
        select! {
            recv(receiver) -> value => value.ok(),
            recv(nothing) -> value => value.ok(),
        }
    },
    |receiver| {
        loop {
            match receiver.try_recv() {
                Ok(value) => break Some(value),
                Err(error) if error.is_disconnected() => break None,
                Err(_) => gorge_runtime::yield_now(),
            }
        }
    },
];

#[test]
fn what_is_written_before_a_send_is_seen_after_its_receive() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            for send in SENDS {
                for receive in RECEIVES {
                    let plain = Plain::default();
                    parties.scope(|scope| {
                        scope.spawn(|| {
                            plain.set(7);
                            assert!(send(&sender, 1));
                        });
                        assert_eq!(receive(&receiver), Some(1));
                        assert_eq!(plain.get(), 7);
                        plain.set(8);
                    });
                    assert_eq!(plain.get(), 8);
                }
            }
        }
    });
}

#[test]
fn what_is_written_before_the_end_of_a_channel_is_seen_by_who_notices_it() {
    let ends: [fn(Sender<usize>, Receiver<usize>); 3] = [
        |sender, _receiver| drop(sender),
        |sender, _receiver| _ = sender.close(),
        |_sender, receiver| _ = receiver.close(),
    ];
    everywhere(|parties| {
        for end in ends {
            for receive in RECEIVES {
                for (sender, receiver) in kinds() {
                    let (plain, other) = (&Plain::default(), receiver.clone());
                    parties.scope(|scope| {
                        scope.spawn(move || {
                            plain.set(7);
                            end(sender, other);
                        });
                        assert_eq!(receive(&receiver), None);
                        assert_eq!(plain.get(), 7);
                    });
                }
            }
        }
    });
}

#[test]
fn what_is_written_before_an_end_is_seen_by_who_is_refused() {
    let ends: [fn(Sender<usize>, Receiver<usize>); 2] = [
        |_sender, receiver| drop(receiver),
        |sender, receiver| _ = (sender.close(), receiver),
    ];
    everywhere(|parties| {
        for end in ends {
            for send in SENDS {
                let (sender, receiver) = bounded(0);
                let (plain, other) = (&Plain::default(), sender.clone());
                parties.scope(|scope| {
                    scope.spawn(move || {
                        plain.set(7);
                        end(other, receiver);
                    });
                    assert!(!send(&sender, 1));
                    assert_eq!(plain.get(), 7);
                });
            }
        }
    });
}

// A receive from a rendezvous comes before the end of its send.
#[test]
fn what_is_written_before_a_receive_is_seen_after_a_rendezvous() {
    everywhere(|parties| {
        for send in SENDS {
            for receive in RECEIVES {
                let (sender, receiver) = bounded(0);
                let plain = Plain::default();
                parties.scope(|scope| {
                    scope.spawn(|| {
                        plain.set(7);
                        assert_eq!(receive(&receiver), Some(1));
                    });
                    assert!(send(&sender, 1));
                    assert_eq!(plain.get(), 7);
                });
            }
        }
    });
}

// The k-th receive comes before the end of the (k + C)-th send: a channel with room for
// one is a mutex, and one with more is a semaphore.
#[test]
fn a_channel_with_room_for_one_is_a_mutex() {
    const ROUNDS: usize = 300;
    everywhere(|parties| {
        for locks_by_send in [false, true] {
            for (send, receive) in SENDS.into_iter().zip(RECEIVES) {
                let (sender, receiver) = bounded(1);
                let plain = Plain::default();
                if !locks_by_send {
                    sender.send(0).unwrap();
                }
                parties.scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            for _ in 0..ROUNDS / 3 {
                                let enter = || match locks_by_send {
                                    true => send(&sender, 0),
                                    false => receive(&receiver).is_some(),
                                };
                                let leave = || match locks_by_send {
                                    true => receive(&receiver).is_some(),
                                    false => send(&sender, 0),
                                };
                                assert!(enter());
                                plain.set(plain.get() + 1);
                                assert!(leave());
                            }
                        });
                    }
                });
                assert_eq!(plain.get(), ROUNDS);
            }
        }
    });
}

#[test]
fn slots_of_a_ring_are_free_for_their_next_users() {
    const SLOTS: usize = 5;
    everywhere(|parties| {
        let (sender, receiver) = bounded(SLOTS - 2);
        let slots = <[Plain; SLOTS]>::default();
        parties.scope(|scope| {
            scope.spawn(|| {
                for number in 0..500 {
                    // The values since have been sent, so the one after the slot's last
                    // has been received: its reader has left it.
                    slots[number % SLOTS].set(number);
                    sender.send(number).unwrap();
                }
                sender.close();
            });
            let mut before = None::<usize>;
            for number in &receiver {
                assert_eq!(before.map_or(0, |before| before + 1), number);
                assert_eq!(slots[number % SLOTS].get(), number);
                before = Some(number);
            }
            assert_eq!(before, Some(499));
        });
    });
}

// Nothing of a value has to move for its operations to order what is around them.
#[test]
fn values_without_size_order_what_is_around_them() {
    everywhere(|parties| {
        for (sender, receiver) in [bounded::<()>(0), bounded(1), unbounded()] {
            let plain = Plain::default();
            parties.scope(|scope| {
                scope.spawn(|| {
                    plain.set(7);
                    sender.send(()).unwrap();
                });
                receiver.recv().unwrap();
                assert_eq!(plain.get(), 7);
            });
        }
    });
}

#[test]
fn order_goes_on_from_channel_to_channel() {
    everywhere(|parties| {
        let plain = Plain::default();
        parties.scope(|scope| {
            let (start, mut before) = bounded(0);
            for step in 0..8 {
                let (done, after) = if step % 2 == 0 {
                    bounded(1)
                } else {
                    unbounded()
                };
                let mine = std::mem::replace(&mut before, after);
                let plain = &plain;
                scope.spawn(move || {
                    mine.recv().unwrap();
                    plain.set(plain.get() + 1);
                    done.send(0).unwrap();
                });
            }
            plain.set(100);
            start.send(0).unwrap();
            before.recv().unwrap();
            assert_eq!(plain.get(), 108);
        });
    });
}

#[test]
fn a_permit_hands_over_what_is_written_while_it_is_held() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            let plain = Plain::default();
            parties.scope(|scope| {
                scope.spawn(|| {
                    let permit = sender.reserve().unwrap();
                    plain.set(7);
                    permit.send(1).unwrap();
                });
                assert_eq!(receiver.recv(), Ok(1));
                assert_eq!(plain.get(), 7);
            });
        }
    });
}
