//! Round robin: consumers get the values in turn, one each.
//!
//! On one shared channel, whoever is free takes the next value, and nobody's share is
//! known before. Turns need a channel for each consumer, and somebody who keeps the
//! order.

use gorge::channel::{Receiver, Select, Sender, bounded, unbounded};
use gorge::scope;

/// Hands the values out in turn: the `n`th goes to the `n`th consumer, modulo their
/// number, and waits for it. The slowest sets the pace.
///
/// A consumer that has gone is left out from then on, and the value that it refused goes
/// to the next. Returns the value that found nobody, if all have gone.
pub(crate) fn deal<T>(from: &Receiver<T>, mut to: Vec<Sender<T>>) -> Option<T> {
    let mut turn = 0;
    'values: for mut value in from {
        while !to.is_empty() {
            turn %= to.len();
            match to[turn].send(value) {
                Ok(()) => {
                    turn += 1;
                    continue 'values;
                }
                Err(refused) => {
                    value = refused.into_inner();
                    to.remove(turn);
                }
            }
        }
        return Some(value);
    }
    None
}

/// As [`deal`], but nobody waits for a consumer that is busy: it loses its turn to the
/// next that is not. Only when all are busy, the first to be free gets the value.
pub(crate) fn deal_to_who_is_free<T>(from: &Receiver<T>, to: &[Sender<T>]) {
    let mut turn = 0;
    for value in from {
        // A biased select takes the first of them that has room.
        let mut select = Select::new_biased();
        let (before, after) = to.split_at(turn);
        for sender in after.iter().chain(before) {
            select.send(sender);
        }
        let operation = select.select();
        turn = (turn + operation.index()) % to.len();
        if operation.send(&to[turn], value).is_err() {
            return;
        }
        turn = (turn + 1) % to.len();
    }
}

/// Collects in turn what was dealt: together with [`deal`], the order is that of the
/// beginning, though many worked at the same time.
pub(crate) fn collect<T>(from: &[Receiver<T>]) -> Vec<T> {
    let turns = from.iter().cycle();
    turns.map_while(|receiver| receiver.recv().ok()).collect()
}

/// Values dealt to consumers; returns what each of them got.
pub(crate) fn shares(count: usize, consumers: usize, room: usize) -> Vec<Vec<usize>> {
    let (sender, receiver) = bounded(room);
    let (to, inboxes): (Vec<_>, Vec<_>) = (0..consumers).map(|_| bounded(room)).unzip();
    scope(|s| {
        s.spawn(move || deal(&receiver, to));
        let consumers: Vec<_> = inboxes
            .into_iter()
            .map(|inbox| s.spawn(move || inbox.iter().collect()))
            .collect();
        (0..count).for_each(|number| sender.send(number).expect("it is dealt"));
        drop(sender);
        let all = consumers.into_iter().map(|consumer| consumer.join());
        all.map(|it| it.expect("no panic")).collect()
    })
}

/// Squares numbers by many workers at once, and returns them in order.
pub(crate) fn squares(count: u64, workers: usize) -> Vec<u64> {
    let (sender, receiver) = bounded(0);
    let (to, inboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| bounded(1)).unzip();
    let (done, results): (Vec<_>, Vec<_>) = (0..workers).map(|_| bounded(1)).unzip();
    scope(|s| {
        s.spawn(move || (0..count).try_for_each(|number| sender.send(number)));
        s.spawn(move || deal(&receiver, to));
        for (inbox, done) in inboxes.into_iter().zip(done) {
            s.spawn(move || {
                inbox
                    .iter()
                    .try_for_each(|number| done.send(number * number))
            });
        }
        collect(&results)
    })
}

/// Deals to two consumers, of whom the first takes nothing until the second has had all
/// it can get. Returns their shares.
pub(crate) fn beside_a_busy_one(count: usize) -> [usize; 2] {
    let (sender, receiver) = bounded(0);
    let ((to_busy, busy), (to_free, free)) = (bounded(1), unbounded());
    scope(|s| {
        s.spawn(move || deal_to_who_is_free(&receiver, &[to_busy, to_free]));
        (0..count).for_each(|number| sender.send(number).expect("it is dealt"));
        drop(sender);
        let free = free.iter().count();
        [busy.iter().count(), free]
    })
}

pub(crate) fn tell() {
    let shares = shares(1000, 4, 2);
    let shares: Vec<_> = shares.iter().map(Vec::len).collect();
    println!("  1000 values in turn to 4: {shares:?}");
    println!("  100 beside a busy one: {:?}", beside_a_busy_one(100));
    println!("  squares by 3, in order: {:?}", squares(8, 3));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_the_same_to_the_value() {
        gorge::run(|| {
            for room in [0, 1, 5] {
                for consumers in 1..=5 {
                    for count in [0, 1, 100, 101] {
                        let shares = shares(count, consumers, room);
                        for (number, share) in shares.into_iter().enumerate() {
                            let dealt = (0..count).skip(number).step_by(consumers);
                            assert!(share.into_iter().eq(dealt));
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn whoever_has_gone_is_left_out_and_nothing_is_lost() {
        let (sender, receiver) = unbounded();
        let (to, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| unbounded()).unzip();
        let [first, second, third] = inboxes.try_into().expect("three");
        drop(second);
        sender.send_many(0..6).expect("there is a receiver");
        drop(sender);
        assert_eq!(deal(&receiver, to), None);
        assert!(first.iter().eq([0, 2, 4]));
        assert!(third.iter().eq([1, 3, 5]));
    }

    #[test]
    fn a_value_that_finds_nobody_comes_back() {
        let (sender, receiver) = unbounded();
        sender.send_many(7..9).expect("there is a receiver");
        let without_receiver = |room| bounded(room).0;
        let gone = [0, 1].map(without_receiver);
        assert_eq!(deal(&receiver, gone.into()), Some(7));
        assert_eq!(deal(&receiver, Vec::new()), Some(8));
    }

    #[test]
    fn whoever_is_busy_loses_its_turn() {
        gorge::run(|| {
            assert_eq!(beside_a_busy_one(0), [0, 0]);
            assert_eq!(beside_a_busy_one(1), [1, 0]);
            assert_eq!(beside_a_busy_one(100), [1, 99]);
        });
    }

    #[test]
    fn results_come_in_the_order_of_the_beginning() {
        gorge::run(|| {
            for workers in 1..=4 {
                let expected = (0..50).map(|number| number * number);
                assert!(squares(50, workers).into_iter().eq(expected));
            }
        });
    }
}
