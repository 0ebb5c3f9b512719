//! Loom models: a lost wake-up shows as a deadlock, a second run or a missing
//! ordering as concurrent access to a cell.

use super::core::{Core, DONE, NEW};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    core: Core,
    runs: UnsafeCell<u32>,
}

// SAFETY: the cell is written by the runner, and read after DONE; loom checks
// that this is an order.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// Runs it, if nobody has; the run ends with `state`.
    fn call(&self, state: u8) {
        if self.core.state() != DONE && self.core.begin(false) == NEW {
            // SAFETY: see `Sync`.
            self.runs.with_mut(|runs| unsafe { *runs += 1 });
            self.core.end(state);
        }
    }

    /// Calls until it is done, and looks at what was done.
    fn ensure(&self) -> u32 {
        self.call(DONE);
        assert_eq!(self.core.state(), DONE);
        // SAFETY: see `Sync`.
        self.runs.with(|runs| unsafe { *runs })
    }
}

fn check(preemptions: usize, model: impl Fn(Arc<Shared>) + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        model(Arc::new(Shared {
            core: Core::new(),
            runs: UnsafeCell::new(0),
        }));
    });
}

#[test]
fn of_three_callers_one_runs_and_all_see_what_it_did() {
    check(2, |shared| {
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || assert_eq!(shared.ensure(), 1))
            })
            .collect();
        assert_eq!(shared.ensure(), 1);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn after_a_run_that_was_cancelled_a_waiter_runs_it() {
    check(3, |shared| {
        let first = Arc::clone(&shared);
        let cancelled = thread::spawn(move || first.call(NEW));
        let second = Arc::clone(&shared);
        let other = thread::spawn(move || second.ensure());
        cancelled.join().unwrap();
        let runs = other.join().unwrap();
        assert!((1..=2).contains(&runs));
    });
}
