//! Producers and consumers who do not wait for ever.
//!
//! What a timeout returns is as good as a value: a producer gets its own back, and may
//! keep it, try again or drop it; a consumer knows that there was nothing, and may do
//! something else. Nothing is lost in between: a value is either received, or given back.

use gorge::channel::{RecvTimeoutError, SendTimeoutError, after, bounded};
use gorge::{scope, select};
use std::time::Duration;

/// What became of the values of a producer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fates {
    pub(crate) received: Vec<u32>,
    pub(crate) given_up: Vec<u32>,
}

/// A producer that gives a value up if nobody takes it in time, and a consumer that
/// stops after some of them.
///
/// The consumer keeps its end open, so the producer cannot know that it has stopped.
pub(crate) fn impatient_producer(count: u32, takes: usize, patience: Duration) -> Fates {
    let (sender, receiver) = bounded(0);
    let (receiver, stays) = (&receiver, receiver.clone());
    scope(|s| {
        let consumer = s.spawn(move || receiver.iter().take(takes).collect());
        let mut given_up = Vec::new();
        for number in 0..count {
            match sender.send_timeout(number, patience) {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(number)) => given_up.push(number),
                Err(SendTimeoutError::Disconnected(_)) => unreachable!("`stays` is an end too"),
            }
        }
        // Now the consumer is told, should it still wait for more.
        drop((sender, stays));
        let received = consumer.join().expect("no panic");
        Fates { received, given_up }
    })
}

/// A consumer that counts how often nothing came in time, until the producer, which
/// makes a pause after each value, has gone.
pub(crate) fn impatient_consumer(
    count: u32,
    pause: Duration,
    patience: Duration,
) -> (Vec<u32>, usize) {
    let (sender, receiver) = bounded(0);
    scope(|s| {
        s.spawn(move || {
            for number in 0..count {
                sender.send(number).expect("the consumer stays to the end");
                gorge::goroutine::sleep(pause);
            }
        });
        let (mut received, mut times_nothing) = (Vec::new(), 0);
        loop {
            match receiver.recv_timeout(patience) {
                Ok(number) => received.push(number),
                Err(RecvTimeoutError::Timeout) => times_nothing += 1,
                Err(RecvTimeoutError::Disconnected) => break (received, times_nothing),
            }
        }
    })
}

/// A consumer that stops at the end of its working day, however much is offered. Returns
/// how much it did, and what the producer was left with.
///
/// One timer for the whole day: `after` in the loop would begin anew with each value.
pub(crate) fn working_day(length: Duration) -> (u64, u64) {
    let (sender, receiver) = bounded(0);
    scope(|s| {
        let producer = s.spawn(move || {
            let refused = (0..).find_map(|number: u64| sender.send(number).err());
            refused.expect("it ends by a refusal").into_inner()
        });
        let evening = after(length);
        let mut done = 0;
        loop {
            select! {
                recv(receiver) -> number => {
                    assert_eq!(number, Ok(done));
                    done += 1;
                }
                recv(evening) -> _ => break,
            }
        }
        // The producer, which waits with the next value, gets it back.
        drop(receiver);
        (done, producer.join().expect("no panic"))
    })
}

pub(crate) fn tell() {
    let ms = Duration::from_millis;
    let fates = impatient_producer(5, 3, ms(5));
    println!(
        "  received {:?}, given up {:?}",
        fates.received, fates.given_up
    );
    let (received, nothing) = impatient_consumer(3, ms(10), ms(4));
    println!("  received {received:?}, and {nothing} times nothing");
    println!("  {} done in a day of 20 ms", working_day(ms(20)).0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn every_value_is_received_or_given_up() {
        gorge::run(|| {
            for (patience, takes) in [(MS, 0), (MS, 3), (MS / 100, 7), (Duration::ZERO, 7)] {
                let fates = impatient_producer(10, takes, patience);
                assert!(fates.received.len() <= takes);
                assert!(fates.received.is_sorted() && fates.given_up.is_sorted());
                let mut all = [fates.received, fates.given_up].concat();
                all.sort_unstable();
                assert!(all.into_iter().eq(0..10));
            }
        });
    }

    #[test]
    fn whoever_has_patience_gives_nothing_up() {
        gorge::run(|| {
            let fates = impatient_producer(10, 10, LONG);
            assert!(fates.given_up.is_empty() && fates.received.into_iter().eq(0..10));
        });
    }

    #[test]
    fn a_timeout_of_the_consumer_loses_no_value() {
        gorge::run(|| {
            for patience in [Duration::ZERO, MS / 10, MS, LONG] {
                let (received, nothing) = impatient_consumer(8, MS / 2, patience);
                assert!(received.into_iter().eq(0..8));
                assert!(patience < LONG || nothing == 0);
            }
        });
    }

    #[test]
    fn the_day_ends_and_the_next_value_comes_back() {
        gorge::run(|| {
            for length in [Duration::ZERO, MS, 5 * MS] {
                let (done, left) = working_day(length);
                assert_eq!(done, left);
            }
        });
    }
}
