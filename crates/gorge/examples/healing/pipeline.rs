//! The stages, and their supervisor.

use crate::faults::{Fault, Faults};
use gorge::channel::{Receiver, Sender, bounded, never};
use gorge::patterns::Supervisor;
use gorge::patterns::supervisor::{
    AutoShutdown, Child, EventKind, Life, Restart, Shutdown, SupervisorError,
};
use gorge::sync::Mutex;
use gorge::{context, go, select};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A worker that says nothing for this long is stuck.
const PULSE: Duration = Duration::from_millis(20);

/// How long the source waits for the ledger before it sends again what is not in it.
const PATIENCE: Duration = Duration::from_millis(200);

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) booked: u64,
    pub(crate) sent_again: u64,
    pub(crate) restarts: u64,
}

/// What is booked: it outlives whoever writes it.
#[derive(Default)]
struct Books {
    booked: BTreeMap<u64, u64>,
    sent_again: u64,
}

/// An item, and its price.
type Invoice = (u64, u64);

#[derive(Clone)]
struct Pipeline {
    items: u64,
    faults: Faults,
    orders: (Sender<u64>, Receiver<u64>),
    invoices: (Sender<Invoice>, Receiver<Invoice>),
    books: Arc<Mutex<Books>>,
}

/// Handles so many items, and tells what is healed.
pub(crate) fn run(
    items: u64,
    faults: Faults,
    mut tell: impl FnMut(String) + Send + 'static,
) -> Result<Report, SupervisorError> {
    let pipeline = Pipeline {
        items,
        faults,
        orders: bounded(8),
        invoices: bounded(8),
        books: Arc::default(),
    };
    // From the end to the beginning, so that whoever sends finds somebody who receives.
    let mut builder = Supervisor::builder()
        .name("pipeline")
        .intensity(10, Duration::from_secs(1))
        .exponential_backoff(Duration::from_millis(1), Duration::from_millis(50))
        .auto_shutdown(AutoShutdown::AnySignificant)
        .events(1000)
        .child(pipeline.child("ledger", Pipeline::keep_ledger));
    for number in 1..=3 {
        let worker = pipeline.child(&format!("worker {number}"), Pipeline::work);
        builder = builder.child(worker.heartbeat(PULSE, 3));
    }
    // It returns when all is booked, and that is the end of all.
    let source = pipeline.child("source", Pipeline::order);
    let source = source.restart(Restart::Transient).significant(true);
    let supervisor = builder.child(source).start(&context::background())?;

    let events = supervisor.events();
    let listener = go(move || {
        let mut restarts = 0;
        for event in events {
            let child = event.child.as_deref().unwrap_or_default();
            match event.kind {
                EventKind::Restarting(delay) => {
                    restarts += 1;
                    tell(format!("{child} is started anew in {delay:?}"));
                }
                EventKind::Ended(exit) if exit.is_abnormal() => tell(format!("{child}: {exit}")),
                EventKind::Stopped => break,
                _ => {}
            }
        }
        restarts
    });
    let ended = supervisor.wait();
    let restarts = listener.join().expect("it only prints");
    ended?;
    let books = pipeline.books.lock();
    Ok(Report {
        booked: books.booked.len() as u64,
        sent_again: books.sent_again,
        restarts,
    })
}

type Stage = fn(&Pipeline, &Life) -> Result<(), String>;

impl Pipeline {
    fn child(&self, name: &str, stage: Stage) -> Child {
        let pipeline = self.clone();
        Child::new(name, move |life: &Life| stage(&pipeline, life))
            .shutdown(Shutdown::Timeout(PULSE))
    }

    /// Sends all orders that are not booked, until all are.
    fn order(&self, life: &Life) -> Result<(), String> {
        for round in 0.. {
            let missing: Vec<u64> = {
                let mut books = self.books.lock();
                let is_missing = |item: &u64| !books.booked.contains_key(item);
                let missing: Vec<u64> = (0..self.items).filter(is_missing).collect();
                if round > 0 {
                    books.sent_again += missing.len() as u64;
                }
                missing
            };
            if missing.is_empty() {
                break;
            }
            for item in missing {
                select! {
                    send(self.orders.0, item) -> sent => sent.expect("the pipeline has both ends"),
                    recv(life.done()) -> _ => return Ok(()),
                }
            }
            // Looks again and again while the last ones are on their way.
            let mut left = PATIENCE;
            while !self.is_complete() && !left.is_zero() {
                let pause = PATIENCE / 20;
                if life.sleep(pause).is_err() {
                    return Ok(());
                }
                left = left.saturating_sub(pause);
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.books.lock().booked.len() as u64 == self.items
    }

    /// Makes invoices of orders.
    fn work(&self, life: &Life) -> Result<(), String> {
        loop {
            life.beat();
            let item = select! {
                recv(self.orders.1) -> item => item.expect("the pipeline has both ends"),
                recv(life.done()) -> _ => return Ok(()),
                default(PULSE / 2) => continue,
            };
            match self.faults.at(item) {
                Some(Fault::Panic) => panic!("item {item} is poisoned"),
                Some(Fault::Error) => return Err(format!("item {item} has no price")),
                Some(Fault::Stall) => drop(never::<()>().recv()),
                None => {}
            }
            while !self.pass_on(life, item) {
                if life.err().is_some() {
                    return Ok(());
                }
                life.beat();
            }
        }
    }

    /// Whether the ledger's goroutine has taken the invoice, before the next beat is due.
    fn pass_on(&self, life: &Life, item: u64) -> bool {
        select! {
            send(self.invoices.0, (item, item * item)) -> sent => sent.is_ok(),
            recv(life.done()) -> _ => false,
            default(PULSE / 2) => false,
        }
    }

    /// Books invoices. One that comes twice, because it was slow, is booked once.
    fn keep_ledger(&self, life: &Life) -> Result<(), String> {
        loop {
            let (item, price) = select! {
                recv(self.invoices.1) -> invoice => invoice.expect("the pipeline has both ends"),
                recv(life.done()) -> _ => return Ok(()),
            };
            let half = self.books.lock().booked.len() as u64 * 2 >= self.items;
            if half && self.faults.at_ledger() {
                panic!("the ledger's ink is out");
            }
            self.books.lock().booked.insert(item, price);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorge::sim;

    fn heal(items: u64, faults: &[&str]) -> Report {
        let faults = Faults::parse(faults.iter().copied()).expect("faults");
        run(items, faults, |_| {}).expect("it heals")
    }

    #[test]
    fn without_faults_all_is_booked_the_first_time() {
        sim::check(30, || {
            let report = heal(50, &[]);
            let expected = Report {
                booked: 50,
                sent_again: 0,
                restarts: 0,
            };
            assert_eq!(report, expected);
        });
    }

    #[test]
    fn whatever_goes_wrong_all_is_booked() {
        sim::check(30, || {
            let faults = ["error:0", "error:7", "stall:3", "stall:29"];
            let report = heal(30, &faults);
            assert_eq!((report.booked, report.restarts), (30, 4));
            assert_eq!(report.sent_again, 4, "what they had in their hands");
        });
    }

    #[test]
    fn panics_are_healed() {
        // Each is printed, so these are few.
        sim::check(3, || {
            let report = heal(200, &["panic:17", "error:40", "ledger"]);
            assert_eq!((report.booked, report.restarts), (200, 3));
        });
    }

    #[test]
    fn too_many_faults_are_too_many() {
        sim::check(30, || {
            let faults: Vec<String> = (0..11).map(|item| format!("error:{item}")).collect();
            let faults = Faults::parse(faults.iter().map(String::as_str)).expect("faults");
            let error = run(30, faults, |_| {}).expect_err("it gives up");
            assert!(error.to_string().contains("more than 10 restarts"));
        });
    }
}
