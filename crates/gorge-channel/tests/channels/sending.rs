//! Sending and receiving one by one: what each operation returns, on channels
//! of every kind.
#![allow(
    clippy::disallowed_methods,
    reason = "tests run against the real clock"
)]

use crate::common::{LONG, SHORT, everywhere};
use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, unbounded,
};
use std::time::{Duration, Instant};

/// A channel of each kind: rendezvous, small and large buffers, no bound.
fn kinds<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![
        bounded(0),
        bounded(1),
        bounded(3),
        bounded(100),
        unbounded(),
    ]
}

fn buffered<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    kinds().split_off(1)
}

#[test]
fn a_buffered_value_can_be_received() {
    for (sender, receiver) in buffered() {
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(7));
        assert_eq!(sender.send(8), Ok(()));
        assert_eq!(receiver.recv(), Ok(8));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    }
}

#[test]
fn both_ends_know_the_capacity() {
    for capacity in 0..10 {
        let (sender, receiver) = bounded::<()>(capacity);
        assert_eq!(sender.capacity(), Some(capacity));
        assert_eq!(receiver.capacity(), Some(capacity));
    }
    let (sender, receiver) = unbounded::<()>();
    assert_eq!(sender.capacity(), None);
    assert_eq!(receiver.capacity(), None);
}

#[test]
fn length_emptiness_and_fullness_agree_on_both_ends() {
    fn check<T>(sender: &Sender<T>, receiver: &Receiver<T>, len: usize, full: bool) {
        assert_eq!((sender.len(), receiver.len()), (len, len));
        assert_eq!(
            (sender.is_empty(), receiver.is_empty()),
            (len == 0, len == 0)
        );
        assert_eq!((sender.is_full(), receiver.is_full()), (full, full));
    }
    let (sender, receiver) = bounded(2);
    check(&sender, &receiver, 0, false);
    sender.send(()).unwrap();
    check(&sender, &receiver, 1, false);
    sender.send(()).unwrap();
    check(&sender, &receiver, 2, true);
    receiver.recv().unwrap();
    check(&sender, &receiver, 1, false);

    let (sender, receiver) = unbounded();
    check(&sender, &receiver, 0, false);
    for len in 1..100 {
        sender.send(()).unwrap();
        check(&sender, &receiver, len, false);
    }

    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        check(&sender, &receiver, 0, true);
        parties.scope(|scope| {
            scope.spawn(|| sender.send(()).unwrap());
            receiver.recv().unwrap();
            check(&sender, &receiver, 0, true);
        });
    });
}

#[test]
fn lengths_are_exact_over_many_laps() {
    let (sender, receiver) = bounded(10);
    for lap in 0..50 {
        for len in 0..10 {
            assert_eq!(receiver.len(), len);
            sender.send(lap * 10 + len).unwrap();
        }
        for len in (0..10).rev() {
            assert_eq!(receiver.recv(), Ok(lap * 10 + 9 - len));
            assert_eq!(sender.len(), len);
        }
    }
}

#[test]
fn lengths_stay_within_the_capacity_while_two_parties_work() {
    everywhere(|parties| {
        for capacity in [0, 1, 7] {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                scope.spawn(|| {
                    for number in 0..5_000 {
                        assert_eq!(receiver.recv(), Ok(number));
                        assert!(receiver.len() <= capacity);
                    }
                });
                for number in 0..5_000 {
                    sender.send(number).unwrap();
                    assert!(sender.len() <= capacity);
                }
            });
            assert_eq!((sender.len(), receiver.len()), (0, 0));
        }
    });
}

#[test]
fn try_recv_tells_empty_from_disconnected() {
    for (sender, receiver) in buffered() {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        sender.send(7).unwrap();
        drop(sender);
        assert_eq!(receiver.try_recv(), Ok(7));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn try_send_hands_the_value_back() {
    let (sender, receiver) = bounded(1);
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(sender.try_send(3), Ok(()));
    drop(receiver);
    assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));

    let (sender, receiver) = unbounded();
    for number in 0..1_000 {
        assert_eq!(sender.try_send(number), Ok(()));
    }
    drop(receiver);
    assert_eq!(sender.try_send(777), Err(TrySendError::Disconnected(777)));
}

#[test]
fn a_rendezvous_without_counterpart_does_not_happen() {
    let (sender, receiver) = bounded(0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(
        sender.send_timeout(2, SHORT),
        Err(SendTimeoutError::Timeout(2))
    );
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn try_operations_meet_a_counterpart_that_waits() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        parties.scope(|scope| {
            scope.spawn(|| sender.send(1).unwrap());
            let mut received = None;
            parties.until(|| {
                received = receiver.try_recv().ok();
                received.is_some()
            });
            assert_eq!(received, Some(1));

            let waiting = scope.spawn(|| receiver.recv());
            parties.until(|| sender.try_send(2).is_ok());
            assert_eq!(waiting.join(), Ok(2));
        });
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn recv_waits_then_drains_then_fails() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                let reader = scope.spawn(|| {
                    let values: Vec<_> = (0..3).map(|_| receiver.recv()).collect();
                    (values, receiver.recv())
                });
                parties.settle();
                for number in 0..3 {
                    sender.send(number).unwrap();
                }
                drop(sender);
                assert_eq!(reader.join(), (vec![Ok(0), Ok(1), Ok(2)], Err(RecvError)));
            });
        }
    });
}

#[test]
fn send_waits_while_the_channel_is_full() {
    everywhere(|parties| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            parties.scope(|scope| {
                let writer = scope.spawn(move || {
                    for number in 0..6 {
                        sender.send(number).unwrap();
                    }
                });
                parties.until(|| capacity == 0 || receiver.is_full());
                parties.settle();
                assert_eq!(receiver.len(), capacity);
                assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
                writer.join();
            });
        }
    });
}

#[test]
fn timed_receives_time_out_receive_and_disconnect() {
    everywhere(|parties| {
        for (sender, receiver) in kinds() {
            parties.scope(|scope| {
                assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
                let writer = scope.spawn(move || sender.send(7));
                assert_eq!(receiver.recv_timeout(LONG), Ok(7));
                assert_eq!(writer.join(), Ok(()));
                assert_eq!(
                    receiver.recv_timeout(LONG),
                    Err(RecvTimeoutError::Disconnected)
                );
            });
        }
    });
}

#[test]
fn timed_sends_time_out_send_and_disconnect() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(2);
        assert_eq!(sender.send_timeout(1, SHORT), Ok(()));
        assert_eq!(sender.send_timeout(2, SHORT), Ok(()));
        let start = Instant::now();
        assert_eq!(
            sender.send_timeout(3, SHORT),
            Err(SendTimeoutError::Timeout(3))
        );
        assert!(start.elapsed() >= SHORT);
        parties.scope(|scope| {
            let writer = scope.spawn(|| sender.send_timeout(4, LONG));
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(writer.join(), Ok(()));
        });
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 4]);
        drop(receiver);
        assert_eq!(
            sender.send_timeout(5, LONG),
            Err(SendTimeoutError::Disconnected(5))
        );
        assert_eq!(sender.send(6), Err(SendError(6)));
    });
}

#[test]
fn a_deadline_that_has_passed_tries_once() {
    let past = Instant::now();
    let (sender, receiver) = bounded(1);
    assert_eq!(receiver.recv_deadline(past), Err(RecvTimeoutError::Timeout));
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    assert_eq!(sender.send_deadline(1, past), Ok(()));
    assert_eq!(
        sender.send_deadline(2, past),
        Err(SendTimeoutError::Timeout(2))
    );
    assert_eq!(
        sender.send_timeout(3, Duration::ZERO),
        Err(SendTimeoutError::Timeout(3))
    );
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
    sender.send(4).unwrap();
    assert_eq!(receiver.recv_deadline(past), Ok(4));
    drop(sender);
    assert_eq!(
        receiver.recv_deadline(past),
        Err(RecvTimeoutError::Disconnected)
    );
}

#[test]
fn a_deadline_in_the_future_is_waited_for() {
    let (sender, receiver) = bounded::<u8>(0);
    let deadline = Instant::now() + SHORT;
    assert_eq!(
        receiver.recv_deadline(deadline),
        Err(RecvTimeoutError::Timeout)
    );
    assert!(Instant::now() >= deadline);
    let deadline = Instant::now() + SHORT;
    assert_eq!(
        sender.send_deadline(1, deadline),
        Err(SendTimeoutError::Timeout(1))
    );
    assert!(Instant::now() >= deadline);
}

#[test]
fn a_timeout_beyond_the_clock_waits_for_ever() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        parties.scope(|scope| {
            let reader = scope.spawn(|| receiver.recv_timeout(Duration::MAX));
            assert_eq!(sender.send_timeout(1, Duration::MAX), Ok(()));
            assert_eq!(reader.join(), Ok(1));
        });
    });
}

#[test]
fn clones_and_only_clones_are_the_same_channel() {
    let both = [kinds::<u8>(), kinds()].concat();
    for (i, (sender, receiver)) in both.iter().enumerate() {
        for (j, (other_sender, other_receiver)) in both.iter().enumerate() {
            assert_eq!(sender.same_channel(&other_sender.clone()), i == j);
            assert_eq!(receiver.same_channel(&other_receiver.clone()), i == j);
        }
    }
}

#[test]
fn values_of_size_zero_are_counted() {
    let (sender, receiver) = bounded(usize::MAX);
    for _ in 0..1_000 {
        sender.send(()).unwrap();
    }
    assert_eq!(receiver.len(), 1_000);
    assert_eq!(receiver.try_iter().count(), 1_000);
}

#[test]
#[should_panic(expected = "capacity overflow")]
fn a_capacity_beyond_the_address_space_is_refused() {
    let _ = bounded::<u64>(usize::MAX);
}

#[test]
fn large_values_do_not_overflow_the_stack() {
    let (sender, receiver) = unbounded::<[u8; 32 << 10]>();
    sender.send([7; 32 << 10]).unwrap();
    assert_eq!(receiver.recv().unwrap()[..], [7; 32 << 10]);
}

#[test]
fn values_keep_their_alignment_and_content() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    #[derive(Clone, Debug, PartialEq)]
    struct Padded(u8, u64, u16, String);

    fn check<T: Clone + Send + Sync + PartialEq + std::fmt::Debug>(value: T) {
        everywhere(|parties| {
            for (sender, receiver) in kinds() {
                parties.scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| sender.send(value.clone()).unwrap());
                    }
                    for _ in 0..3 {
                        assert_eq!(receiver.recv().as_ref(), Ok(&value));
                    }
                });
            }
        });
    }
    check(Aligned(7));
    check([Aligned(7), Aligned(8)]);
    check(Padded(1, 2, 3, "four".into()));
    check([1u64, 2, 3, 4, 5, 6, 7, 8]);
    check((1u8, [2u8; 3]));
    check(());
}

#[test]
fn a_handle_says_no_more_than_its_name() {
    let (sender, receiver) = bounded::<u8>(0);
    assert_eq!(format!("{sender:?}"), "Sender { .. }");
    assert_eq!(format!("{receiver:?}"), "Receiver { .. }");
    assert_eq!(format!("{:?}", receiver.iter()), "Iter { .. }");
    assert_eq!(format!("{:?}", receiver.try_iter()), "TryIter { .. }");
    assert_eq!(
        format!("{:?}", receiver.clone().into_iter()),
        "IntoIter { .. }"
    );
}

#[test]
fn errors_speak_without_knowing_the_value() {
    struct Mute;
    fn texts(error: impl std::error::Error) -> (String, String) {
        (format!("{error:?}"), error.to_string())
    }
    let check = |(debug, display): (String, String), expected: [&str; 2]| {
        assert_eq!([debug, display], expected);
    };
    let gone = "sending on a disconnected channel";
    let drained = "receiving on an empty and disconnected channel";
    check(texts(SendError(Mute)), ["\"SendError(..)\"", gone]);
    check(
        texts(TrySendError::Full(Mute)),
        ["\"Full(..)\"", "sending on a full channel"],
    );
    check(
        texts(TrySendError::Disconnected(Mute)),
        ["\"Disconnected(..)\"", gone],
    );
    check(
        texts(SendTimeoutError::Timeout(Mute)),
        [
            "\"SendTimeoutError(..)\"",
            "timed out waiting on send operation",
        ],
    );
    check(
        texts(SendTimeoutError::Disconnected(Mute)),
        ["\"SendTimeoutError(..)\"", gone],
    );
    check(texts(RecvError), ["RecvError", drained]);
    check(
        texts(TryRecvError::Empty),
        ["Empty", "receiving on an empty channel"],
    );
    check(texts(TryRecvError::Disconnected), ["Disconnected", drained]);
    check(
        texts(RecvTimeoutError::Timeout),
        ["Timeout", "timed out waiting on receive operation"],
    );
    check(
        texts(RecvTimeoutError::Disconnected),
        ["Disconnected", "channel is empty and disconnected"],
    );
}

#[test]
fn errors_convert_and_answer_questions() {
    assert_eq!(
        TrySendError::from(SendError(1)),
        TrySendError::Disconnected(1)
    );
    assert_eq!(
        SendTimeoutError::from(SendError(1)),
        SendTimeoutError::Disconnected(1)
    );
    assert_eq!(TryRecvError::from(RecvError), TryRecvError::Disconnected);
    assert_eq!(
        RecvTimeoutError::from(RecvError),
        RecvTimeoutError::Disconnected
    );
    assert!(TrySendError::Full(1).is_full() && !TrySendError::Full(1).is_disconnected());
    assert!(TrySendError::Disconnected(1).is_disconnected());
    assert!(SendTimeoutError::Timeout(1).is_timeout());
    assert!(SendTimeoutError::Disconnected(1).is_disconnected());
    assert!(TryRecvError::Empty.is_empty() && TryRecvError::Disconnected.is_disconnected());
    assert!(RecvTimeoutError::Timeout.is_timeout());
    assert!(RecvTimeoutError::Disconnected.is_disconnected());
    assert_eq!(SendError(1).into_inner(), 1);
    assert_eq!(TrySendError::Full(1).into_inner(), 1);
    assert_eq!(SendTimeoutError::Timeout(1).into_inner(), 1);
}

#[test]
fn handles_cross_threads_and_unwinding() {
    fn check<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    check::<Sender<std::cell::Cell<u8>>>();
    check::<Receiver<std::cell::Cell<u8>>>();
}
