//! `Broadcast`: everybody gets everything; replay, ends, waits.

use crate::common::{cancellable, everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point};
use gorge_channel::context::background;
use gorge_channel::{RecvError, RecvTimeoutError, TryRecvError};
use gorge_patterns::{Broadcast, OnLag, TryBroadcastError};
use gorge_runtime::primitive::random_below;
use gorge_runtime::{catch_panic, go, sim, time, yield_now};
use gorge_sync::Mutex;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn every_subscriber_gets_every_value_in_order() {
    everywhere(|| {
        let news = Broadcast::new(1000);
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let mut reader = news.subscribe();
                go(move || assert!(reader.iter().eq(0..500)))
            })
            .collect();
        for number in 0..500 {
            assert_eq!(news.send(number), Ok(10));
            if number % 50 == 0 {
                yield_now();
            }
        }
        drop(news);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_crowd_is_woken_again_and_again() {
    everywhere(|| {
        let news = Broadcast::new(4);
        let (done, ends) = gorge_channel::unbounded();
        let readers: Vec<_> = (0..200)
            .map(|_| {
                let (mut reader, done) = (news.subscribe(), done.clone());
                go(move || {
                    while let Ok(number) = reader.recv() {
                        done.send(number).unwrap();
                    }
                })
            })
            .collect();
        for number in 0..20 {
            news.send(number).unwrap();
            assert!(ends.iter().take(200).all(|it| it == number));
        }
        drop(news);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn no_wake_up_is_lost_between_senders_and_readers() {
    sim::check(SEEDS, || {
        let news = Broadcast::new(16);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = news.subscribe();
                go(move || reader.iter().count())
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|number| {
                let news = news.clone();
                go(move || (0..3).for_each(|_| _ = news.send(number).unwrap()))
            })
            .collect();
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        drop(news);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 6);
        }
    });
}

#[test]
fn values_across_many_chunks_come_in_order() {
    everywhere(|| {
        for capacity in [1, 2, 3, 7, 63, 64, 65, 200] {
            let news = Broadcast::new(capacity);
            let mut reader = news.subscribe();
            let mut expected = 0;
            for round in 0..300 {
                let burst = (round % capacity) + 1;
                (0..burst).for_each(|offset| _ = news.send(expected + offset).unwrap());
                for _ in 0..burst {
                    assert_eq!(reader.try_recv(), Ok(expected));
                    expected += 1;
                }
                assert_eq!(reader.try_recv(), Err(TryRecvError::Empty));
            }
            assert_eq!((reader.received(), reader.dropped()), (expected as u64, 0));
        }
    });
}

#[test]
fn the_last_values_are_replayed() {
    everywhere(|| {
        for on_lag in [
            OnLag::DropOldest,
            OnLag::DropNewest,
            OnLag::Block,
            OnLag::Disconnect,
        ] {
            let news = Broadcast::new(4);
            let mut early = news.subscribe_with(on_lag, 3);
            assert!(early.try_recv().unwrap_err().is_empty());
            drop(early);
            (0..10).for_each(|number| _ = news.send(number).unwrap());
            for (replay, first) in [(0, 10), (1, 9), (3, 7), (4, 6), (100, 6)] {
                let mut reader = news.subscribe_with(on_lag, replay);
                for number in first..10 {
                    assert_eq!(reader.try_recv(), Ok(number), "{on_lag:?}, {replay}");
                }
                assert!(reader.try_recv().unwrap_err().is_empty());
            }
        }
    });
}

#[test]
fn what_was_sent_is_read_after_the_end() {
    everywhere(|| {
        let news = Broadcast::new(4);
        let mut reader = news.subscribe();
        news.send(1).unwrap();
        let other = news.clone();
        drop(news);
        other.send(2).unwrap();
        assert!(other.close() && !other.close());
        assert_eq!(other.send(3).unwrap_err().into_inner(), 3);
        assert_eq!(other.try_send(4), Err(TryBroadcastError::Closed(4)));
        assert_eq!(
            (reader.recv(), reader.recv(), reader.recv()),
            (Ok(1), Ok(2), Err(RecvError))
        );
    });
}

#[test]
fn a_send_to_nobody_is_no_error() {
    everywhere(|| {
        let news = Broadcast::new(2);
        assert_eq!(news.send(1), Ok(0));
        let reader = news.subscribe();
        assert_eq!((news.send(2), news.subscribers()), (Ok(1), 1));
        drop(reader);
        assert_eq!((news.send(3), news.subscribers()), (Ok(0), 0));
    });
}

#[test]
fn a_reader_waits_for_a_time_or_for_its_context() {
    sim::check(200, || {
        let news = Broadcast::new(2);
        let mut reader = news.subscribe();
        let begin = time::now();
        let second = Duration::from_secs(1);
        assert_eq!(reader.recv_timeout(second), Err(RecvTimeoutError::Timeout));
        assert_eq!(time::now() - begin, second);
        let (ctx, _guard) = background().with_timeout(second);
        assert_eq!(reader.recv_with(&ctx), Err(RecvTimeoutError::Timeout));
        assert_eq!(time::now() - begin, 2 * second);
        let sender = go({
            let news = news.clone();
            move || {
                time::sleep(second);
                (1..=3).for_each(|number| _ = news.send(number).unwrap());
            }
        });
        let first = reader.recv_timeout(5 * second);
        assert!(matches!(first, Ok(1 | 2)), "woken, and perhaps overtaken");
        sender.join().unwrap();
        if first == Ok(1) {
            assert_eq!(reader.recv(), Ok(2));
        }
        let (ctx, _guard) = cancellable();
        assert_eq!(reader.recv_with(&ctx), Ok(3));
        drop(news);
        assert_eq!(reader.recv_with(&ctx), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_reader_that_stops_waiting_is_off_the_list() {
    sim::check(SEEDS, || {
        let news = Broadcast::new(8);
        let [mut first, mut second] = [news.subscribe(), news.subscribe()];
        let first = go(move || first.recv());
        let second = go(move || second.recv());
        yield_now();
        first.cancel();
        drop(first.join());
        news.send(1).unwrap();
        assert_eq!(second.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_reader_whose_wait_was_cancelled_may_wait_elsewhere() {
    sim::check(SEEDS, || {
        let news = Broadcast::new(8);
        let reader = Arc::new(Mutex::new(news.subscribe()));
        let waits = || {
            let reader = reader.clone();
            go(move || reader.lock().recv())
        };
        let first = waits();
        (0..random_below(4)).for_each(|_| yield_now());
        first.cancel();
        assert!(first.join().unwrap_err().is_cancelled());
        let second = waits();
        (0..random_below(4)).for_each(|_| yield_now());
        news.send(1).unwrap();
        assert_eq!(second.join().unwrap(), Ok(1));
    });
}

#[test]
fn values_are_dropped_when_nobody_can_read_them_any_more() {
    everywhere(|| {
        let value = Arc::new(());
        let news = Broadcast::new(3);
        let mut reader = news.subscribe();
        for _ in 0..100 {
            news.send(value.clone()).unwrap();
        }
        assert!(
            Arc::strong_count(&value) <= 1 + 3 + 2,
            "the ring, and at most a chunk"
        );
        assert!(reader.recv().is_ok());
        drop((reader, news));
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_clone_that_panics_harms_nobody_else() {
    #[derive(Debug)]
    struct Fragile(bool);
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            assert!(!self.0, "a panic that the test wants");
            Fragile(false)
        }
    }
    everywhere(|| {
        let news = Broadcast::new(4);
        let mut readers = [news.subscribe(), news.subscribe()];
        news.send(Fragile(true)).unwrap();
        news.send(Fragile(false)).unwrap();
        for reader in &mut readers {
            assert!(catch_panic(AssertUnwindSafe(|| reader.recv())).is_err());
        }
        drop(news);
    });
    for on_lag in [OnLag::Block, OnLag::DropNewest] {
        everywhere(move || {
            let news = Broadcast::new(1);
            let mut readers = [0; 2].map(|_| news.subscribe_with(on_lag, 0));
            news.send(Fragile(true)).unwrap();
            for reader in &mut readers {
                // However often: it has still to be read, or is gone.
                assert!(catch_panic(AssertUnwindSafe(|| reader.recv())).is_err());
                let again = catch_panic(AssertUnwindSafe(|| reader.try_recv()));
                assert_eq!(again.is_err(), on_lag == OnLag::Block);
            }
            drop(readers);
            // No sender waits for who has gone.
            assert_eq!(news.send(Fragile(false)).unwrap(), 0);
            assert_eq!(news.send(Fragile(false)).unwrap(), 0);
        });
    }
}

#[test]
fn os_threads_may_send_and_read() {
    let news = Broadcast::new(10_000);
    std::thread::scope(|scope| {
        for _ in 0..70 {
            let mut reader = news.subscribe();
            scope.spawn(move || assert_eq!(reader.iter().count(), 100));
        }
        for number in 0..100 {
            news.send(number).unwrap();
        }
        news.close();
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    for on_lag in [
        OnLag::DropOldest,
        OnLag::DropNewest,
        OnLag::Block,
        OnLag::Disconnect,
    ] {
        cancelled_at_any_point(move |ctx| {
            let news = Broadcast::new(2);
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let (mut reader, ctx) = (news.subscribe_with(on_lag, 0), ctx.clone());
                    go(move || while reader.recv_with(&ctx).is_ok() {})
                })
                .collect();
            for number in 0..4 {
                if news.send_with(ctx, number).is_err() {
                    break;
                }
            }
            drop(news);
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }
}

#[test]
#[should_panic(expected = "at least one value")]
fn a_broadcast_of_nothing_is_refused() {
    let _ = Broadcast::<()>::new(0);
}

#[test]
fn subscribers_come_and_go_while_values_are_sent() {
    everywhere(|| {
        let news = Broadcast::new(8);
        let crowd: Vec<_> = (0..20)
            .map(|number| {
                let news = news.clone();
                go(move || {
                    let on_lag = [OnLag::DropOldest, OnLag::DropNewest, OnLag::Block][number % 3];
                    for _ in 0..20 {
                        let mut reader = news.subscribe_with(on_lag, number % 5);
                        yield_now();
                        let mut last = None;
                        while let Ok(value) = reader.try_recv() {
                            assert!(last < Some(value), "in order");
                            last = Some(value);
                        }
                    }
                })
            })
            .collect();
        let mut number = 0;
        wait_for(|| crowd.iter().any(|it| it.is_finished()) || news.try_send(0).is_ok());
        while crowd.iter().any(|it| !it.is_finished()) {
            number += 1;
            _ = news.try_send(number);
            yield_now();
        }
        crowd.into_iter().for_each(|it| it.join().unwrap());
    });
}
