//! No operation allocates, contended or not.
#![cfg(not(gorge_loom))]
#![allow(
    clippy::disallowed_types,
    reason = "the allocator counts with a plain atomic"
)]

mod common;
#[path = "../../gorge-runtime/tests/common/counting.rs"]
mod counting;

use common::{Setting, for_each_setting};
use counting::ALLOCATIONS;
use gorge_sync::{
    Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, Pool, RwLock, RwLockUpgradableReadGuard,
    Semaphore, WaitGroup,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Allocations of the runtime itself, a few in ten thousand operations: a queue that
/// grows, a worker that sleeps for the first time in its life, on a busy machine a
/// thread or two that take over for one that the system does not let run.
const OF_THE_RUNTIME: usize = 64;

/// What the parties contend for.
struct Shared {
    mutex: Mutex<u32>,
    semaphore: Semaphore,
    pool: Pool<u32>,
    rwlock: RwLock<u32>,
}

/// The allocations are counted for one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn no_operation_allocates() {
    let _alone = ALONE.lock();
    for_each_setting(|setting| {
        // As below. An operation would allocate by the thousand.
        let is_few = |_| allocations_of_a_crowd(setting) <= OF_THE_RUNTIME;
        assert!((0..10).any(is_few), "it allocates");
    });
}

/// How often anybody allocates while four parties contend for everything.
fn allocations_of_a_crowd(setting: Setting) -> usize {
    let shared = Arc::new(Shared {
        mutex: Mutex::new(0),
        semaphore: Semaphore::new(3),
        pool: Pool::new(|| 0),
        rwlock: RwLock::new(0),
    });
    let [warm, begin, end] = [4, 1, 4].map(|count| {
        let group = WaitGroup::new();
        group.add(count);
        group
    });
    for _ in 0..4 {
        let (shared, warm, begin, end) = (shared.clone(), warm.clone(), begin.clone(), end.clone());
        setting.start(move || {
            // A thread allocates when it first sleeps.
            contend(setting, &shared);
            contend_for_reading(setting, &shared.rwlock);
            warm.done();
            begin.wait();
            contend(setting, &shared);
            contend_for_reading(setting, &shared.rwlock);
            end.done();
        });
    }
    warm.wait();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    begin.done();
    end.wait();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// Does everything in every way, some hundred times.
fn contend(setting: Setting, shared: &Shared) {
    for round in 0..300 {
        let timeout = Duration::from_micros(round);
        drop(shared.mutex.try_lock_for(timeout));
        *shared.mutex.lock() += 1;
        drop(shared.semaphore.acquire_many_timeout(2, timeout));
        let permit = shared.semaphore.acquire_many(round as usize % 3 + 1);
        *shared.pool.get() += 1;
        drop(permit);
        if round % 50 == 0 {
            setting.pause();
        }
    }
}

/// Reads, writes and upgrades in every way, some hundred times.
fn contend_for_reading(setting: Setting, lock: &RwLock<u32>) {
    for round in 0..300 {
        let patience = Duration::from_micros(round);
        drop(lock.try_read_for(patience));
        drop(lock.try_write_for(patience));
        *lock.write() += 1;
        let reading = lock.read();
        if round % 50 == 0 {
            setting.pause();
        }
        drop(reading);
        let upgradable = lock.upgradable_read();
        *RwLockUpgradableReadGuard::upgrade(upgradable) += 1;
    }
}

#[test]
fn meeting_and_notifying_do_not_allocate() {
    let _alone = ALONE.lock();
    for_each_setting(|setting| {
        // A runtime whose workers are kept from running starts others, which costs
        // dozens at once, but not each time. An operation would allocate each time.
        let is_few = |_| allocations_of_turns(setting) <= OF_THE_RUNTIME;
        assert!((0..10).any(is_few), "it allocates");
    });
}

fn allocations_of_turns(setting: Setting) -> usize {
    let shared = Arc::new((Barrier::new(4), Mutex::new(0), Condvar::new()));
    let counted = Arc::new(AtomicUsize::new(0));
    let counts = counted.clone();
    setting.run_all(4, move |_| {
        let (barrier, mutex, condvar) = &*shared;
        // A thread allocates when it first sleeps.
        take_turns(barrier, mutex, condvar);
        barrier.wait();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        take_turns(barrier, mutex, condvar);
        if barrier.wait().is_leader() {
            let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
            counts.store(allocated, Ordering::Relaxed);
        }
    });
    counted.load(Ordering::Relaxed)
}

/// Four parties wait for each other in every way, some hundred times.
fn take_turns(barrier: &Barrier, mutex: &Mutex<u32>, condvar: &Condvar) {
    for round in 0..300 {
        let (once, lazy, start) = (OnceLock::new(), LazyLock::new(|| round), Once::new());
        barrier.wait();
        let mut turn = mutex.lock();
        *turn += 1;
        if (*turn).is_multiple_of(4) {
            condvar.notify_all();
        } else {
            let arrived = (*turn / 4 + 1) * 4;
            condvar.wait_while(&mut turn, |turn| *turn < arrived);
        }
        let limit = Duration::from_micros(round % 20);
        condvar.wait_for(&mut turn, limit);
        drop(turn);
        start.call_once(|| assert_eq!(*lazy, round));
        start.call_once(|| unreachable!("it has run"));
        assert_eq!(*once.get_or_init(|| *lazy), round);
        assert_eq!(*once.wait(), round);
    }
}
