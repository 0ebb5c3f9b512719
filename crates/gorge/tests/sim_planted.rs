//! Bugs that were planted: a check finds each, and its seed fails every time.

use gorge::channel::{Receiver, Sender, bounded, unbounded};
use gorge::sim::{Config, Failure, FailureKind};
use gorge::sync::{Condvar, Mutex, WaitGroup};
use gorge::{go, select, time};
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 10_000;

/// Finds the bug, and replays it a hundred times.
fn find(planted: fn()) -> Failure {
    let config = Config::new();
    let found = config
        .try_check(SEEDS, planted)
        .expect_err("there is a bug");
    let text = found.to_string();
    assert!(text.contains(&format!("seed {},", found.seed())), "{text}");
    for _ in 0..100 {
        let again = config.try_run(found.seed(), planted).expect_err("the same");
        let facts = |failure: &Failure| (failure.kind(), failure.step(), failure.message());
        assert_eq!(facts(&again), facts(&found));
        assert_eq!(again.trace().digest(), found.trace().digest());
        assert_eq!(again.trace().to_string(), found.trace().to_string());
    }
    found
}

/// A notification that comes between the look and the wait.
fn loses_a_wake_up() {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let waiter = go({
        let shared = shared.clone();
        move || {
            let (ready, changed) = &*shared;
            let is_ready = *ready.lock();
            if !is_ready {
                changed.wait(&mut ready.lock());
            }
        }
    });
    let (ready, changed) = &*shared;
    *ready.lock() = true;
    changed.notify_one();
    waiter.join().expect("it returns");
}

#[test]
fn a_lost_wake_up_is_found() {
    let found = find(loses_a_wake_up);
    assert_eq!(found.kind(), FailureKind::Deadlock);
    assert!(found.to_string().contains("sync.Cond.Wait"), "{found}");
}

/// Two mutexes, taken in two orders.
fn locks_in_two_orders() {
    let both = Arc::new((Mutex::new(1), Mutex::new(2)));
    let other = go({
        let both = both.clone();
        move || {
            let second = both.1.lock();
            *second + *both.0.lock()
        }
    });
    let first = both.0.lock();
    assert_eq!(*first + *both.1.lock(), 3);
    drop(first);
    assert_eq!(other.join().expect("it returns"), 3);
}

#[test]
fn a_deadlock_by_the_order_of_locks_is_found() {
    let found = find(locks_in_two_orders);
    assert_eq!(found.kind(), FailureKind::Deadlock);
    let waiting = found.dump().to_string();
    assert_eq!(waiting.matches("[sync.Mutex.Lock]").count(), 2, "{waiting}");
}

/// What was checked under the lock is acted on when it was let go.
fn checks_and_then_acts() {
    let balance = Arc::new(Mutex::new(100));
    let group = WaitGroup::new();
    for _ in 0..2 {
        let balance = balance.clone();
        group.go(move || {
            if *balance.lock() >= 80 {
                *balance.lock() -= 80;
            }
        });
    }
    group.wait();
    assert!(*balance.lock() >= 0, "the account is overdrawn");
}

#[test]
fn a_race_between_check_and_act_is_found() {
    let found = find(checks_and_then_acts);
    assert_eq!(found.kind(), FailureKind::Panic);
    assert!(found.message().contains("the account is overdrawn"));
}

/// A worker that does not look for the end while it waits to report.
fn forgets_a_case() {
    fn work(jobs: &Receiver<u32>, results: &Sender<u32>, end: &Receiver<()>) {
        loop {
            select! {
                recv(jobs) -> job => match job {
                    // Here the end belongs into a select, too.
                    Ok(job) => results.send(job * job).expect("there is a receiver"),
                    Err(_) => return,
                },
                recv(end) -> _ => return,
            }
        }
    }
    let ((job, jobs), (result, results), (end, ended)) = (unbounded(), bounded(0), bounded(0));
    let worker = go(move || work(&jobs, &result, &ended));
    job.send(1).expect("the worker is there");
    let first = results.recv().expect("the worker is there");
    assert_eq!(first, 1);
    job.send(2).expect("the worker is there");
    drop(end);
    worker.join().expect("it returns");
    drop((job, results));
}

#[test]
fn a_select_without_a_case_is_found() {
    let found = find(forgets_a_case);
    assert_eq!(found.kind(), FailureKind::Deadlock);
    assert!(found.dump().to_string().contains("[chan send]"));
}

/// A party that has lost patience when the answer comes, which then nobody takes: who
/// answers keeps the channel open itself.
fn leaks_on_timeout() {
    let (answer, answers) = bounded(0);
    let kept = answers.clone();
    go(move || {
        time::sleep(Duration::from_secs(2));
        answer.send(42).ok();
        drop(kept);
    });
    select! {
        recv(answers) -> _ => {}
        default(Duration::from_secs(1)) => {}
    }
}

#[test]
fn a_goroutine_that_is_left_is_found() {
    let found = find(leaks_on_timeout);
    assert_eq!((found.kind(), found.seed()), (FailureKind::Leak, 0));
    assert_eq!(found.dump().goroutines().len(), 1);
}

#[test]
fn what_was_mended_passes() {
    gorge::sim::check(2000, || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let waiter = go({
            let shared = shared.clone();
            move || {
                let (ready, changed) = &*shared;
                changed.wait_while(&mut ready.lock(), |ready| !*ready);
            }
        });
        *shared.0.lock() = true;
        shared.1.notify_one();
        waiter.join().expect("it returns");
    });
}
