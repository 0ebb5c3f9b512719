//! Futures and blocking operations on the same channels, from all kinds of parties.

use crate::common::{Census, Random, Setting, everywhere};
use futures_util::future::{Either, poll_immediate, select};
use futures_util::{FutureExt, StreamExt};
use gorge_channel::{
    Receiver, RecvTimeoutError, Select, Sender, TryRecvError, after, bounded, tick, unbounded,
};
use gorge_runtime::{block_on, time};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(3), None];

fn channel<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    capacity.map_or_else(unbounded, bounded)
}

/// Sends each in one of the ways that there are.
fn send_somehow<T: Send>(sender: &Sender<T>, mut value: T, random: &mut Random) {
    loop {
        match random.below(6) {
            0 => return sender.send(value).unwrap(),
            1 => return block_on(sender.send_async(value)).unwrap(),
            2 => {
                let permit = block_on(sender.reserve_async()).unwrap();
                return permit.send(value).unwrap();
            }
            3 => {
                // Begun and given up, if it is not quick.
                let mut send = sender.send_async(value);
                match block_on(poll_immediate(&mut send)) {
                    Some(sent) => return sent.unwrap(),
                    None => gorge_runtime::yield_now(),
                }
                match send.withdraw() {
                    Some(unsent) => value = unsent,
                    None => return,
                }
            }
            4 => return sender.reserve().unwrap().send(value).unwrap(),
            _ => {
                let mut reserve = pin!(sender.reserve_async());
                let _ = block_on(poll_immediate(&mut reserve));
                gorge_runtime::yield_now();
            }
        }
    }
}

/// The next value, received in one of the ways that there are. None at the end.
fn receive_somehow<T: Send>(receiver: &Receiver<T>, random: &mut Random) -> Option<T> {
    loop {
        match random.below(7) {
            0 => return receiver.recv().ok(),
            1 => return block_on(receiver.recv_async()).ok(),
            2 => return block_on(receiver.stream().next()),
            3 => {
                let mut select = Select::new();
                select.recv(receiver);
                return select.select().recv(receiver).ok();
            }
            4 => match receiver.try_recv() {
                Ok(value) => return Some(value),
                Err(TryRecvError::Empty) => gorge_runtime::yield_now(),
                Err(TryRecvError::Disconnected) => return None,
            },
            5 => match receiver.recv_timeout(Duration::from_micros(50)) {
                Ok(value) => return Some(value),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            },
            _ => {
                // Begun and given up, with or without a value.
                let mut receive = receiver.recv_async();
                if let Some(received) = block_on(poll_immediate(&mut receive)) {
                    return received.ok();
                }
                gorge_runtime::yield_now();
            }
        }
    }
}

#[test]
fn every_value_arrives_once_however_futures_come_and_go() {
    const EACH: usize = 300;
    for capacity in CAPACITIES {
        everywhere(|parties| {
            let census = Census::default();
            let (sender, receiver) = channel(capacity);
            let received: Vec<_> = (0..3 * EACH).map(|_| AtomicUsize::new(0)).collect();
            parties.scope(|scope| {
                for part in 0..3 {
                    let (sender, census) = (sender.clone(), &census);
                    scope.spawn(move || {
                        let mut random = Random(7 + part as u64);
                        for number in part * EACH..(part + 1) * EACH {
                            send_somehow(&sender, census.value(number), &mut random);
                        }
                    });
                }
                drop(sender);
                for part in 0..3 {
                    let (receiver, received) = (receiver.clone(), &received);
                    scope.spawn(move || {
                        let mut random = Random(70 + part);
                        while let Some(value) = receive_somehow(&receiver, &mut random) {
                            received[value.number].fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            assert!(received.into_iter().all(|times| times.into_inner() == 1));
            assert_eq!((census.alive(), census.dropped()), (0, 3 * EACH));
        });
    }
}

/// One receiver that gives up again and again sees the values in order.
#[test]
fn receives_that_are_given_up_keep_the_order() {
    for capacity in CAPACITIES {
        everywhere(|parties| {
            let (sender, receiver) = channel(capacity);
            parties.scope(|scope| {
                scope.spawn(|| {
                    let sender = sender;
                    let mut random = Random(5);
                    for number in 0..500 {
                        send_somehow(&sender, number, &mut random);
                    }
                });
                let mut random = Random(6);
                for number in 0..500 {
                    assert_eq!(receive_somehow(&receiver, &mut random), Some(number));
                }
                assert_eq!(receive_somehow(&receiver, &mut random), None);
            });
        });
    }
}

#[test]
fn waiting_futures_and_blocked_parties_are_served_in_turn() {
    everywhere(|parties| {
        let (sender, receiver) = bounded(0);
        let mut first = pin!(receiver.recv_async());
        assert!(block_on(poll_immediate(&mut first)).is_none());
        let waiting = AtomicUsize::new(0);
        parties.scope(|scope| {
            let second = scope.spawn(|| {
                waiting.fetch_add(1, Ordering::SeqCst);
                receiver.recv().unwrap()
            });
            parties.until(|| waiting.load(Ordering::SeqCst) == 1);
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            assert_eq!(second.join(), 2);
        });
        assert_eq!(block_on(first), Ok(1));
    });
}

#[test]
fn a_close_ends_all_futures_that_wait() {
    everywhere(|parties| {
        for capacity in [0, 2] {
            let (sender, receiver) = bounded::<usize>(capacity);
            parties.scope(|scope| {
                let readers = [0, 1, 2].map(|_| scope.spawn(|| block_on(receiver.recv_async())));
                parties.settle();
                sender.close();
                for reader in readers {
                    assert!(reader.join().is_err());
                }
            });
        }
    });
}

#[test]
fn channels_of_the_clock_can_be_awaited() {
    everywhere(|_| {
        let start = time::now();
        let soon = after(Duration::from_millis(5));
        let due = block_on(soon.recv_async()).unwrap();
        assert!(due >= start + Duration::from_millis(5));
        assert!(time::now() >= due);
        assert_eq!(soon.recv_async().now_or_never(), None);

        let ticks: Vec<_> = block_on(tick(Duration::from_millis(2)).stream().take(3).collect());
        assert!(
            ticks
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= Duration::from_millis(2))
        );

        let late = after(Duration::from_secs(3600));
        let soon = after(Duration::from_millis(1));
        let first = block_on(select(late.recv_async(), soon.recv_async()));
        assert!(
            matches!(first, Either::Right(_)),
            "the other alarm is called off"
        );
    });
}

#[test]
fn a_cancelled_goroutine_that_awaits_loses_no_value() {
    everywhere(|parties| {
        if matches!(parties, Setting::Threads) {
            return;
        }
        for _ in 0..50 {
            let (sender, receiver) = bounded(0);
            let awaits = receiver.clone();
            let reader = gorge_runtime::go(move || block_on(awaits.recv_async()));
            let sender = gorge_runtime::go(move || sender.send(1));
            gorge_runtime::yield_now();
            reader.cancel();
            match reader.join() {
                Ok(received) => assert_eq!(received, Ok(1)),
                Err(_) => assert_eq!(receiver.recv(), Ok(1)),
            }
            sender.join().unwrap().unwrap();
        }
    });
}

#[test]
fn another_executor_and_goroutines_talk() {
    let (questions, asked) = bounded::<u32>(0);
    let (answers, answered) = bounded::<u32>(1);
    let asker = gorge_runtime::go(move || {
        for question in 0..200 {
            questions.send(question).unwrap();
            assert_eq!(answered.recv(), Ok(question + 1));
        }
    });
    let executor = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    executor.block_on(async move {
        let workers = [0, 1].map(|_| {
            let (asked, answers) = (asked.clone(), answers.clone());
            tokio::spawn(async move {
                while let Ok(question) = asked.recv_async().await {
                    answers.send_async(question + 1).await.unwrap();
                }
            })
        });
        drop((asked, answers));
        for worker in workers {
            worker.await.unwrap();
        }
    });
    asker.join().unwrap();
}
