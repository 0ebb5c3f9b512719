//! `Broadcast`: what becomes of subscribers that are too slow.

use crate::common::everywhere;
use crate::tools::SEEDS;
use gorge_channel::context::background;
use gorge_channel::{RecvError, TryRecvError};
use gorge_patterns::{Broadcast, BroadcastError, OnLag, TryBroadcastError};
use gorge_runtime::{go, sim, time};
use std::time::Duration;

#[test]
fn the_oldest_are_lost() {
    everywhere(|| {
        for capacity in [1, 2, 3, 40] {
            let news = Broadcast::new(capacity);
            let mut reader = news.subscribe();
            news.send(0).unwrap();
            assert_eq!(reader.try_recv(), Ok(0));
            let count = 3 * capacity;
            (1..=count).for_each(|number| _ = news.send(number).unwrap());
            for number in count - capacity + 1..=count {
                assert_eq!(reader.try_recv(), Ok(number));
            }
            assert_eq!(reader.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(reader.dropped(), 2 * capacity as u64);
            assert_eq!(news.stats().dropped, 2 * capacity as u64);
        }
    });
}

#[test]
fn one_that_has_begun_to_read_loses_what_overtakes_it() {
    everywhere(|| {
        let news = Broadcast::new(4);
        let mut reader = news.subscribe();
        (1..=4).for_each(|number| _ = news.send(number).unwrap());
        assert_eq!(reader.recv(), Ok(1));
        (5..=7).for_each(|number| _ = news.send(number).unwrap());
        assert_eq!((reader.recv(), reader.dropped()), (Ok(4), 2));
    });
}

#[test]
fn the_newest_are_lost() {
    everywhere(|| {
        let news = Broadcast::new(3);
        let mut reader = news.subscribe_with(OnLag::DropNewest, 0);
        (1..=5).for_each(|number| _ = news.send(number).unwrap());
        assert_eq!(reader.try_recv(), Ok(1));
        news.send(6).unwrap();
        news.send(7).unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| reader.try_recv().ok()).collect();
        assert_eq!((rest, reader.dropped()), (vec![2, 3, 6], 3));
        drop(news);
        assert_eq!(reader.recv(), Err(RecvError));
    });
}

#[test]
fn a_slow_one_is_cut_off() {
    everywhere(|| {
        let news = Broadcast::new(2);
        let mut reader = news.subscribe_with(OnLag::Disconnect, 0);
        let mut quick = news.subscribe();
        news.send(1).unwrap();
        news.send(2).unwrap();
        assert_eq!(
            (reader.recv(), reader.recv()),
            (Ok(1), Ok(2)),
            "just in time"
        );
        (3..=5).for_each(|number| _ = news.send(number).unwrap());
        assert_eq!(reader.recv(), Err(RecvError));
        assert!(reader.is_cut_off());
        assert_eq!(reader.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!((news.stats().disconnected, quick.recv()), (1, Ok(4)));
    });
}

#[test]
fn senders_wait_for_one_that_blocks() {
    everywhere(|| {
        let news = Broadcast::new(2);
        let mut reader = news.subscribe_with(OnLag::Block, 0);
        news.send(1).unwrap();
        news.send(2).unwrap();
        assert_eq!(news.try_send(3), Err(TryBroadcastError::Full(3)));
        let sender = go({
            let news = news.clone();
            move || (3..=20).for_each(|number| _ = news.send(number).unwrap())
        });
        drop(news);
        assert!(reader.iter().eq(1..=20));
        sender.join().unwrap();
        assert_eq!(reader.dropped(), 0);
    });
}

#[test]
fn all_who_block_get_all_values_in_any_order_of_events() {
    sim::check(SEEDS, || {
        let news = Broadcast::new(2);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = news.subscribe_with(OnLag::Block, 0);
                go(move || reader.iter().collect::<Vec<_>>())
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|first| {
                let news = news.clone();
                go(move || {
                    for number in 0..3 {
                        news.send(first * 10 + number).unwrap();
                    }
                })
            })
            .collect();
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        drop(news);
        for reader in readers {
            let mut values = reader.join().unwrap();
            values.sort();
            assert_eq!(values, [0, 1, 2, 10, 11, 12]);
        }
    });
}

#[test]
fn one_that_leaves_is_not_waited_for() {
    sim::check(SEEDS, || {
        let news = Broadcast::new(1);
        let (mut stays, leaves) = (
            news.subscribe_with(OnLag::Block, 0),
            news.subscribe_with(OnLag::Block, 0),
        );
        news.send(1).unwrap();
        let sender = go({
            let news = news.clone();
            move || news.send(2).unwrap()
        });
        assert_eq!(stays.recv(), Ok(1));
        drop(leaves);
        assert_eq!(stays.recv(), Ok(2));
        assert!((1..=2).contains(&sender.join().unwrap()));
    });
}

#[test]
fn a_send_gives_up_with_its_context_and_at_the_end() {
    sim::check(200, || {
        let news = Broadcast::new(1);
        let _reader = news.subscribe_with(OnLag::Block, 0);
        news.send(1).unwrap();
        let (ctx, _guard) = background().with_timeout(Duration::from_secs(1));
        let begin = time::now();
        let error = news.send_with(&ctx, 2).unwrap_err();
        assert!(matches!(error, BroadcastError::Cancelled(2, reason) if reason.is_timeout()));
        assert_eq!(time::now() - begin, Duration::from_secs(1));
        let sender = go({
            let news = news.clone();
            move || news.send(3).unwrap_err().into_inner()
        });
        sim::settle();
        news.close();
        assert_eq!(sender.join().unwrap(), 3);
    });
}

#[test]
fn each_has_its_own_policy() {
    everywhere(|| {
        let news = Broadcast::new(2);
        let mut oldest = news.subscribe();
        let mut newest = news.subscribe_with(OnLag::DropNewest, 0);
        let mut cut = news.subscribe_with(OnLag::Disconnect, 0);
        let mut block = news.subscribe_with(OnLag::Block, 0);
        for number in 0..4 {
            news.send(number).unwrap();
            assert_eq!(block.recv(), Ok(number));
        }
        drop(news);
        assert!(oldest.iter().eq([2, 3]));
        assert!(newest.iter().eq([0, 1]));
        assert!(cut.iter().eq([]));
        assert!(cut.is_cut_off() && !oldest.is_cut_off());
    });
}
