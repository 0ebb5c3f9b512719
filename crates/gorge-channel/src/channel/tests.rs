//! Who waits in a channel's lists, and in which order they are served.

use super::*;
use crate::counter;
use gorge_runtime::time;
use std::thread;
use std::time::Duration;

fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

#[test]
fn waiting_senders_are_served_in_the_order_they_came() {
    for capacity in [0, 1, 2] {
        let (sending, receiving) = counter::new(Chan::new(Some(capacity)));
        let sending = &sending;
        for number in 0..capacity {
            assert!(sending.try_send(number).is_ok());
        }
        thread::scope(|scope| {
            let writers = [0, 1, 2, 3].map(|number| {
                let send = move || sending.send(capacity + number, None).is_ok();
                let writer = scope.spawn(send);
                until(|| sending.lock().senders.len() == number + 1);
                writer
            });
            for number in 0..capacity + 4 {
                assert_eq!(receiving.receive(None), Ok(number));
            }
            // Joined one by one: a sanitizer does not see a scope's own join.
            for writer in writers {
                assert!(writer.join().expect("no panic"));
            }
        });
        assert_eq!(sending.lock().senders.len(), 0);
    }
}

#[test]
fn waiting_receivers_are_served_in_the_order_they_came() {
    let (sending, receiving) = counter::new(Chan::new(Some(0)));
    let receiving = &receiving;
    thread::scope(|scope| {
        let readers = [0, 1, 2, 3].map(|number| {
            let reader = scope.spawn(move || receiving.receive(None));
            until(|| receiving.lock().receivers.len() == number + 1);
            reader
        });
        for (number, reader) in readers.into_iter().enumerate() {
            assert!(sending.try_send(number).is_ok());
            assert_eq!(reader.join().expect("no panic"), Ok(number));
        }
    });
    assert_eq!(receiving.lock().receivers.len(), 0);
}

#[test]
fn whoever_times_out_leaves_the_queue() {
    let (sending, receiving) = counter::new(Chan::new(Some(0)));
    let sending = &sending;
    thread::scope(|scope| {
        let mut writers = Vec::new();
        for number in 0..3 {
            let timeout = (number == 1).then_some(Duration::from_millis(20));
            let deadline = timeout.map(|timeout| time::now() + timeout);
            let writer = scope.spawn(move || sending.send(number, deadline).is_ok());
            if number == 1 {
                assert!(!writer.join().expect("no panic"));
            } else {
                until(|| sending.lock().senders.len() == number.min(1) + 1);
                writers.push(writer);
            }
        }
        assert_eq!(receiving.try_receive(), Ok(0));
        assert_eq!(receiving.try_receive(), Ok(2));
        assert_eq!(receiving.try_receive(), Err(TryRecvError::Empty));
        for writer in writers {
            assert!(writer.join().expect("no panic"));
        }
    });
}

#[test]
fn who_received_many_values_leaves_the_flags_right() {
    for capacity in [Some(1), Some(3), None] {
        let (sending, receiving) = counter::new(Chan::new(capacity));
        let flags = || (sending.head().may_receive(), sending.head().may_send());
        let mut values = Vec::new();
        let sent = capacity.unwrap_or(300);
        for _ in 0..2 {
            (0..sent).for_each(|value| assert!(sending.send(value, None).is_ok()));
            if sent > 1 {
                assert_eq!(receiving.receive_many(&mut values, sent - 1), sent - 1);
                assert_eq!(flags(), (true, true));
            }
            assert_eq!(receiving.receive_many(&mut values, 2), 1);
            assert!(sending.head().may_send());
        }
        assert_eq!(receiving.receive_many(&mut values, 2), 0);
        assert_eq!(flags(), (false, true));
        assert!(sending.send(1, None).is_ok());
        assert!(sending.head().may_receive());
        sending.close();
        assert_eq!(receiving.receive_many(&mut values, 2), 1);
        assert_eq!(flags(), (true, true), "the end is there to be received");
        assert_eq!(receiving.receive_many(&mut values, 2), 0);
        assert_eq!(values.len(), 2 * sent + 1);
    }
}

/// What the flags say of a channel with room for one value: whether one may be received, and
/// whether one may be sent.
#[test]
fn the_flags_of_one_place_say_at_once_what_may_be_done() {
    let (sending, receiving) = counter::new(Chan::new(Some(1)));
    let flags = || (sending.head().may_receive(), sending.head().may_send());
    let (empty, full) = ((false, true), (true, false));
    let promise = || match sending.lock().promise() {
        Ok(promise) => promise,
        Err(_) => unreachable!("there is room"),
    };
    assert_eq!(flags(), empty);
    for way in 0..4 {
        match way {
            0 => assert!(sending.try_send(way).is_ok()),
            1 => assert!(sending.send(way, None).is_ok()),
            _ => {
                let promised = promise();
                assert_eq!(
                    flags(),
                    (false, false),
                    "the room is taken, the value not there"
                );
                assert!(sending.keep_promise(promised, way).is_ok());
            }
        }
        assert_eq!(flags(), full);
        match way {
            2 => assert_eq!(receiving.receive(None), Ok(way)),
            _ => assert_eq!(receiving.try_receive(), Ok(way)),
        }
        assert_eq!(flags(), empty);
    }
    sending.break_promise(promise());
    assert_eq!(flags(), empty);
    assert!(sending.try_send(4).is_ok());
    thread::scope(|scope| {
        let sending = &sending;
        let writer = scope.spawn(|| sending.send(5, None).is_ok());
        until(|| sending.lock().senders.len() == 1);
        assert_eq!(receiving.try_receive(), Ok(4));
        assert_eq!(flags(), full, "the room went to the sender that waited");
        assert!(writer.join().expect("no panic"));
    });
    sending.close();
    assert_eq!(flags(), (true, true));
    assert_eq!(receiving.try_receive(), Ok(5));
    assert_eq!(
        flags(),
        (true, true),
        "nobody has to wait to learn of the end"
    );
}

/// What sends and receives touch under the lock lies in two cache lines: each more would be
/// one more that travels between processors with every message. With debug assertions the
/// lock is larger.
#[cfg(not(debug_assertions))]
#[test]
fn an_operation_touches_two_cache_lines_of_a_channel() {
    use crate::buffer::{Blocks, Buffer, Ring};
    use crate::waiter::WaitList;
    use std::mem::offset_of;
    const LINE: usize = 64;
    let state = offset_of!(Chan<usize>, state);
    let first = offset_of!(Head, lock) / LINE;
    let receivers = state + offset_of!(State<usize>, receivers);
    assert_eq!((receivers + size_of::<WaitList>() - 1) / LINE, first);
    let senders = state + offset_of!(State<usize>, senders);
    assert_eq!(senders / LINE, first + 1);
    let buffer = state + offset_of!(State<usize>, buffer);
    let tag = size_of::<Buffer<usize>>() - size_of::<Blocks<usize>>();
    let spare_block = size_of::<usize>();
    let end_of_ring = buffer + tag + size_of::<Ring<usize>>();
    let end_of_blocks = buffer + tag + size_of::<Blocks<usize>>() - spare_block;
    assert!(end_of_ring.max(end_of_blocks) <= (first + 2) * LINE);
}
