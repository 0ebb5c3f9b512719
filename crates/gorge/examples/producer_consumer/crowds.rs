//! One or many producers, one or many consumers, one channel.
//!
//! The channel is all they share. It makes producers wait when it is full, which keeps
//! the memory bounded, and consumers when it is empty; each value goes to one consumer;
//! and it ends by itself, when the last producer has dropped its sender: a consumer's
//! loop is over when there is nothing left, and nothing to come.

use gorge::channel::{bounded, unbounded};
use gorge::scope;

/// What a producer makes: its own number, and how many it made before.
pub(crate) type Item = (usize, usize);

/// One producer, one consumer: values arrive in the order in which they were sent.
///
/// A channel without room hands each value over by itself; one with room lets the
/// producer run ahead by so many.
pub(crate) fn one_to_one(room: usize, count: usize) -> Vec<usize> {
    let (sender, receiver) = bounded(room);
    scope(|s| {
        s.spawn(move || {
            for number in 0..count {
                sender.send(number).expect("the consumer takes all");
            }
        });
        receiver.iter().collect()
    })
}

/// One producer, many consumers: they share the work, each value goes to one of them.
/// Returns what each of them got.
///
/// Each has its values in the order in which they were sent. Who gets how many depends
/// on who is free: that is what makes a pool of workers of it.
pub(crate) fn one_to_many(room: usize, count: usize, consumers: usize) -> Vec<Vec<usize>> {
    let (sender, receiver) = bounded(room);
    scope(|s| {
        let consumers: Vec<_> = (0..consumers)
            .map(|_| {
                let receiver = receiver.clone();
                s.spawn(move || receiver.iter().collect())
            })
            .collect();
        for number in 0..count {
            sender.send(number).expect("there are consumers");
        }
        // Without this, they would wait for more.
        drop(sender);
        let join = |consumer: gorge::goroutine::ScopedJoinHandle<'_, Vec<usize>>| consumer.join();
        let all = consumers.into_iter().map(join);
        all.map(|it| it.expect("no panic")).collect()
    })
}

/// Many producers, one consumer: it sees the values of each producer in order, and those
/// of different producers in any.
pub(crate) fn many_to_one(room: usize, producers: usize, each: usize) -> Vec<Item> {
    let (sender, receiver) = bounded(room);
    scope(|s| {
        for producer in 0..producers {
            let sender = sender.clone();
            s.spawn(move || {
                for number in 0..each {
                    sender.send((producer, number)).expect("it takes all");
                }
            });
        }
        // The producers have clones; the channel ends with the last of those.
        drop(sender);
        receiver.iter().collect()
    })
}

/// Many producers, many consumers, and a second channel that brings together what the
/// consumers made of it. Returns the items with the number of the consumer that had it.
pub(crate) fn many_to_many(
    room: usize,
    producers: usize,
    consumers: usize,
    each: usize,
) -> Vec<(usize, Item)> {
    let (sender, receiver) = bounded(room);
    let (done, results) = unbounded();
    scope(|s| {
        for producer in 0..producers {
            let sender = sender.clone();
            s.spawn(move || (0..each).try_for_each(|number| sender.send((producer, number))));
        }
        for consumer in 0..consumers {
            let (receiver, done) = (receiver.clone(), done.clone());
            s.spawn(move || {
                receiver
                    .iter()
                    .try_for_each(|item| done.send((consumer, item)))
            });
        }
        // What is left are the goroutines' own.
        drop((sender, receiver, done));
        results.iter().collect()
    })
}

pub(crate) fn tell() {
    println!("  1 to 1: {} values in order", one_to_one(4, 1000).len());
    let shares = one_to_many(4, 1000, 4);
    let shares: Vec<_> = shares.iter().map(Vec::len).collect();
    println!("  1 to 4: shares of {shares:?}");
    println!("  4 to 1: {} values", many_to_one(4, 4, 250).len());
    println!("  3 to 5: {} values", many_to_many(4, 3, 5, 300).len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: [usize; 4] = [0, 1, 4, 1000];

    fn all(producers: usize, each: usize) -> Vec<Item> {
        let of = |producer| (0..each).map(move |number| (producer, number));
        (0..producers).flat_map(of).collect()
    }

    #[test]
    fn one_consumer_gets_all_in_order() {
        gorge::run(|| {
            for room in ROOMS {
                for count in [0, 1, 500] {
                    assert!(one_to_one(room, count).into_iter().eq(0..count));
                }
            }
        });
    }

    #[test]
    fn many_consumers_get_each_value_once_and_their_own_in_order() {
        gorge::run(|| {
            for room in ROOMS {
                for consumers in [1, 2, 5] {
                    let shares = one_to_many(room, 500, consumers);
                    assert_eq!(shares.len(), consumers);
                    assert!(shares.iter().all(|share| share.is_sorted()));
                    let mut together = shares.concat();
                    together.sort_unstable();
                    assert!(together.into_iter().eq(0..500));
                }
            }
        });
    }

    #[test]
    fn one_consumer_gets_the_values_of_each_producer_in_order() {
        gorge::run(|| {
            for room in ROOMS {
                for producers in [1, 2, 5] {
                    let mut items = many_to_one(room, producers, 100);
                    // A stable sort by producer leaves the order of each.
                    items.sort_by_key(|(producer, _)| *producer);
                    assert_eq!(items, all(producers, 100));
                }
            }
        });
    }

    #[test]
    fn a_crowd_loses_nothing_and_doubles_nothing() {
        gorge::run(|| {
            for room in ROOMS {
                for (producers, consumers) in [(1, 1), (1, 3), (3, 1), (3, 5), (7, 2)] {
                    let results = many_to_many(room, producers, consumers, 60);
                    for consumer in 0..consumers {
                        let of_one = results.iter().filter(|(by, _)| *by == consumer);
                        let mut next = vec![0; producers];
                        for (_, (producer, number)) in of_one {
                            assert!(*number >= next[*producer], "its values come in order");
                            next[*producer] = number + 1;
                        }
                    }
                    let mut items: Vec<_> = results.into_iter().map(|(_, item)| item).collect();
                    items.sort_unstable();
                    assert_eq!(items, all(producers, 60));
                }
            }
        });
    }
}
