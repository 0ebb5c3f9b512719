//! Loom models of the counter: a lost wake-up shows as a deadlock, one too
//! early or a missing ordering as concurrent access to a cell.

use super::core::Core;
use gorge_runtime::time;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    core: Core,
    work: [UnsafeCell<u32>; 2],
}

// SAFETY: a cell is written by one party before its `done`, and read after a
// wait; loom checks that this is an order.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new(count: usize) -> Arc<Shared> {
        let shared = Shared {
            core: Core::new(),
            work: [UnsafeCell::new(0), UnsafeCell::new(0)],
        };
        shared.core.add(count);
        Arc::new(shared)
    }

    fn work_and_done(&self, index: usize) {
        // SAFETY: see `Sync`.
        self.work[index].with_mut(|work| unsafe { *work += 1 });
        self.core.done();
    }

    fn worked(&self, index: usize) -> u32 {
        // SAFETY: see `Sync`.
        self.work[index].with(|work| unsafe { *work })
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn(shared: &Arc<Shared>, f: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

#[test]
fn a_wait_ends_after_two_dones_and_sees_the_work_of_both() {
    check(3, || {
        let shared = Shared::new(2);
        let first = spawn(&shared, |shared| shared.work_and_done(0));
        let second = spawn(&shared, |shared| shared.work_and_done(1));
        assert_eq!(shared.core.wait(None), Ok(true));
        assert_eq!((shared.worked(0), shared.worked(1)), (1, 1));
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!((shared.core.counter(), shared.core.waiters()), (0, 0));
    });
}

#[test]
fn two_waits_end_after_one_done() {
    check(3, || {
        let shared = Shared::new(1);
        let waiter = spawn(&shared, |shared| {
            assert_eq!(shared.core.wait(None), Ok(true));
            assert_eq!(shared.worked(0), 1);
        });
        let worker = spawn(&shared, |shared| shared.work_and_done(0));
        assert_eq!(shared.core.wait(None), Ok(true));
        assert_eq!(shared.worked(0), 1);
        waiter.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn a_timed_wait_says_true_only_after_the_work() {
    check(3, || {
        let shared = Shared::new(2);
        let first = spawn(&shared, |shared| shared.work_and_done(0));
        let second = spawn(&shared, |shared| shared.work_and_done(1));
        if shared.core.wait(Some(time::now())) == Ok(true) {
            assert_eq!((shared.worked(0), shared.worked(1)), (1, 1));
        }
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!((shared.core.counter(), shared.core.waiters()), (0, 0));
        assert_eq!(shared.core.wait(None), Ok(true));
    });
}

#[test]
fn a_wait_of_the_next_round_is_not_woken_by_the_last_one() {
    check(3, || {
        let shared = Shared::new(1);
        let waiter = spawn(&shared, |shared| {
            assert_eq!(shared.core.wait(None), Ok(true))
        });
        let worker = spawn(&shared, |shared| shared.core.done());
        if shared.core.counter() == 0 {
            shared.core.add(1);
            assert_eq!(shared.core.wait(Some(time::now())), Ok(false));
            shared.core.done();
        }
        worker.join().unwrap();
        waiter.join().unwrap();
    });
}
