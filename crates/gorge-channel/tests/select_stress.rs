//! Goroutines select at random over channels of all kinds, time out and are cancelled,
//! and no value is lost or doubled.
//!
//! `GORGE_STRESS_SECONDS` makes it run longer.
#![cfg(not(gorge_loom))]
#![allow(clippy::disallowed_methods, reason = "the test's length is real time")]

mod common;

use common::Random;
use gorge_channel::{Receiver, Select, Sender, bounded, unbounded};
use gorge_runtime::{Runtime, go, yield_now};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const GOROUTINES: u64 = 64;

/// Where the values are. Each is counted by its fate.
#[derive(Default)]
struct Ledger {
    made: AtomicUsize,
    received: AtomicUsize,
    dropped: AtomicUsize,
}

/// A value that knows whether somebody received it.
struct Value(Arc<Ledger>, Box<bool>);

impl Value {
    fn new(ledger: &Arc<Ledger>) -> Value {
        ledger.made.fetch_add(1, Ordering::Relaxed);
        Value(ledger.clone(), Box::new(true))
    }

    fn receive(self) {
        self.0.received.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert!(std::mem::take(&mut *self.1), "a value was dropped twice");
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

type Channel = (Sender<Value>, Receiver<Value>);

/// How many values a goroutine sent and received, also if it is cancelled.
#[derive(Default)]
struct Totals {
    sent: AtomicUsize,
    received: AtomicUsize,
}

/// One select, of up to four cases on channels at random.
fn select_once(channels: &[Channel], random: &mut Random, ledger: &Arc<Ledger>, totals: &Totals) {
    let mut select = Select::new();
    let mut cases = Vec::new();
    for _ in 0..=random.below(4) {
        let (sender, receiver) = &channels[random.below(channels.len())];
        let sends = random.below(2) == 0;
        match sends {
            true => select.send(sender),
            false => select.recv(receiver),
        };
        cases.push((sends, sender, receiver));
    }
    let operation = match random.below(4) {
        0 => select.try_select().ok(),
        1 => Some(select.select()),
        2 => {
            let micros = random.below(300) as u64;
            select.select_timeout(Duration::from_micros(micros)).ok()
        }
        _ => match select.ready_timeout(Duration::from_micros(50)) {
            Ok(_) => select.try_select().ok(),
            Err(_) => None,
        },
    };
    let Some(operation) = operation else { return };
    let (sends, sender, receiver) = cases[operation.index()];
    if sends {
        // Now and then the value takes its time.
        if random.below(8) == 0 {
            yield_now();
        }
        let sent = operation.send(sender, Value::new(ledger));
        totals
            .sent
            .fetch_add(usize::from(sent.is_ok()), Ordering::Relaxed);
    } else if let Ok(value) = operation.recv(receiver) {
        value.receive();
        totals.received.fetch_add(1, Ordering::Relaxed);
    }
}

/// A plain operation, or one with a permit that may be given back.
fn operate_once(channels: &[Channel], random: &mut Random, ledger: &Arc<Ledger>, totals: &Totals) {
    let (sender, receiver) = &channels[random.below(channels.len())];
    let timeout = Duration::from_micros(random.below(200) as u64);
    let (sent, received) = match random.below(5) {
        0 => (sender.try_send(Value::new(ledger)).is_ok(), None),
        1 => (
            sender.send_timeout(Value::new(ledger), timeout).is_ok(),
            None,
        ),
        2 => (false, receiver.try_recv().ok()),
        3 => (false, receiver.recv_timeout(timeout).ok()),
        _ => match (sender.reserve(), random.below(2)) {
            (Ok(permit), 0) => {
                yield_now();
                (permit.send(Value::new(ledger)).is_ok(), None)
            }
            _ => (false, None),
        },
    };
    totals.sent.fetch_add(usize::from(sent), Ordering::Relaxed);
    if let Some(value) = received {
        value.receive();
        totals.received.fetch_add(1, Ordering::Relaxed);
    }
}

fn live(channels: &[Channel], seed: u64, ledger: &Arc<Ledger>, totals: &Totals) {
    let mut random = Random(seed);
    for _ in 0..200 {
        match random.below(8) {
            0 => operate_once(channels, &mut random, ledger, totals),
            1 => yield_now(),
            _ => select_once(channels, &mut random, ledger, totals),
        }
    }
}

fn channels() -> Arc<[Channel]> {
    let capacities = [
        Some(0),
        Some(0),
        Some(1),
        Some(1),
        Some(2),
        Some(3),
        Some(3),
        None,
    ];
    capacities
        .map(|capacity| capacity.map_or_else(unbounded, bounded))
        .into()
}

/// Starts the goroutines, cancels some of them, closes the channels when all but those that
/// wait have ended, and balances the books.
fn one_round(seed: u64) {
    let ledger = Arc::new(Ledger::default());
    let totals = Arc::new(Totals::default());
    let channels = channels();
    let mut random = Random(seed);
    let goroutines: Vec<_> = (0..GOROUTINES)
        .map(|number| {
            let (channels, ledger, totals) = (channels.clone(), ledger.clone(), totals.clone());
            let seed = seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            go(move || live(&channels, seed | 1, &ledger, &totals))
        })
        .collect();
    for _ in 0..200 {
        yield_now();
        if random.below(8) == 0 {
            goroutines[random.below(goroutines.len())].cancel();
        }
    }
    // Who waits for ever does so on a channel that is open.
    for (sender, _) in &*channels {
        sender.close();
    }
    for goroutine in goroutines {
        if let Err(error) = goroutine.join() {
            assert!(error.is_cancelled(), "{error}");
        }
    }
    let left: usize = channels
        .iter()
        .map(|(_, receiver)| receiver.try_iter().count())
        .sum();
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    assert_eq!(
        count(&totals.sent),
        count(&totals.received) + left,
        "sent and received"
    );
    assert_eq!(count(&ledger.received), count(&totals.received));
    assert_eq!(
        count(&ledger.made),
        count(&ledger.dropped),
        "made and dropped"
    );
}

fn run_for(length: Duration, migrating: bool) {
    let builder = Runtime::builder().max_procs(2);
    let builder = match migrating {
        // SAFETY: no thread-bound value lives across a park point.
        true => unsafe { builder.migrating() },
        false => builder,
    };
    let runtime = builder.build().unwrap();
    let end = Instant::now() + length;
    let mut seed = 0x5eed;
    while Instant::now() < end {
        seed += 1;
        runtime.run(move || one_round(seed));
    }
}

#[test]
fn random_selects_lose_and_double_nothing() {
    let seconds = env::var("GORGE_STRESS_SECONDS").ok();
    let seconds = seconds.map_or(2, |text| text.parse().expect("a number of seconds"));
    for migrating in [false, true] {
        run_for(Duration::from_secs(seconds) / 2, migrating);
    }
}
