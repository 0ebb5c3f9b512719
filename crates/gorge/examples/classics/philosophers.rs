//! Dining philosophers (Dijkstra, 1965): five of them, five forks, and whoever eats
//! needs the two forks beside the plate.
//!
//! If each takes the left fork and then waits for the right one, all of them can
//! starve. Three cures: take forks in one order; let four to the table at most; put the
//! first fork back if the second one is taken.

use gorge::sync::{Mutex, Semaphore, WaitGroup};
use gorge::{DeadlockDetection, DeadlockReport, RunError, Runtime, go, scope, yield_now};
use std::sync::Arc;
use std::time::Duration;

const SEATS: usize = 5;

/// Counts the meals that were eaten with it.
type Fork = Mutex<u32>;

/// Each takes the left fork, and then waits for the right one, when all have the left
/// one: the report of the deadlock.
pub(crate) fn starve() -> Box<DeadlockReport> {
    let builder = Runtime::builder().deadlock_detection(DeadlockDetection::Always);
    let runtime = builder.build().expect("a runtime");
    let result = runtime.try_run(|| {
        let forks: Arc<[Fork; SEATS]> = Arc::default();
        let all_have_one = WaitGroup::new();
        all_have_one.add(SEATS);
        let philosophers = [0, 1, 2, 3, 4].map(|seat| {
            let (forks, all_have_one) = (forks.clone(), all_have_one.clone());
            go(move || {
                let _left = forks[seat].lock();
                all_have_one.done();
                all_have_one.wait();
                let _right = forks[(seat + 1) % SEATS].lock();
            })
        });
        for philosopher in philosophers {
            philosopher.join().expect("it ate");
        }
    });
    let Err(RunError::Deadlock(report)) = result else {
        panic!("somebody ate: {result:?}");
    };
    // A wait for a lock cannot be cancelled: the runtime says who is left.
    let left = runtime.shutdown(Duration::from_secs(10));
    assert_eq!(left.expect_err("five wait").goroutines().len(), SEATS);
    Box::new(report)
}

/// All eat so often, in this manner. Returns how often each fork was eaten with.
fn dine(meals: u32, eat: impl Fn(&[Fork; SEATS], usize) + Sync) -> [u32; SEATS] {
    let forks: [Fork; SEATS] = Default::default();
    scope(|table| {
        for seat in 0..SEATS {
            let (forks, eat) = (&forks, &eat);
            table.spawn(move || (0..meals).for_each(|_| eat(forks, seat)));
        }
    });
    forks.map(Mutex::into_inner)
}

/// Whoever needs two forks takes the one with the lower number first, so no ring of
/// philosophers can wait for each other.
pub(crate) fn in_order(meals: u32) -> [u32; SEATS] {
    dine(meals, |forks, seat| {
        let right = (seat + 1) % SEATS;
        let mut first = forks[seat.min(right)].lock();
        let mut second = forks[seat.max(right)].lock();
        *first += 1;
        *second += 1;
    })
}

/// A waiter lets four to the table at most: one of them gets both forks.
pub(crate) fn with_a_waiter(meals: u32) -> [u32; SEATS] {
    let chairs = Semaphore::new(SEATS - 1);
    dine(meals, |forks, seat| {
        let _chair = chairs.acquire().expect("it is never closed");
        let mut left = forks[seat].lock();
        let mut right = forks[(seat + 1) % SEATS].lock();
        *left += 1;
        *right += 1;
    })
}

/// Nobody waits with a fork in the hand. Politeness alone could go on for ever (see
/// the hallway); who yields lets others finish.
pub(crate) fn politely(meals: u32) -> [u32; SEATS] {
    dine(meals, |forks, seat| {
        loop {
            let mut left = forks[seat].lock();
            if let Some(mut right) = forks[(seat + 1) % SEATS].try_lock() {
                *left += 1;
                *right += 1;
                return;
            }
            drop(left);
            yield_now();
        }
    })
}

pub(crate) fn tell() {
    let report = starve();
    println!(
        "  each with one fork: {} goroutines, a deadlock",
        report.dump().goroutines().len()
    );
    gorge::run(|| {
        println!("  forks in one order: {:?} meals per fork", in_order(100));
        println!("  four at the table: {:?}", with_a_waiter(100));
        println!("  a fork is put back: {:?}", politely(100));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorge::GoroutineState;

    #[test]
    fn each_with_one_fork_starves() {
        let report = starve();
        let waits = |reason: &str| {
            let is_it = |state: GoroutineState| state.to_string() == reason;
            let goroutines = report.dump().goroutines().iter();
            goroutines.filter(|it| is_it(it.state)).count()
        };
        assert_eq!(waits("sync.Mutex.Lock"), SEATS, "{report}");
    }

    #[test]
    fn every_cure_feeds_all() {
        gorge::run(|| {
            for cure in [in_order, with_a_waiter, politely] {
                assert_eq!(cure(200), [400; SEATS]);
            }
        });
    }
}
