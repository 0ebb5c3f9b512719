//! No operation allocates, contended or not.
#![cfg(not(gorge_loom))]
#![allow(
    clippy::disallowed_types,
    reason = "the allocator counts with a plain atomic"
)]

mod common;

use common::for_each_setting;
use gorge_sync::{Mutex, WaitGroup};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator, and a counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Worker threads of any setting, the default runtime's included; each party
/// may count the same allocation.
const WORKERS_MAX: usize = 4 * 4;

#[test]
fn locking_and_waiting_do_not_allocate() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0));
        let (begin, end) = (WaitGroup::new(), WaitGroup::new());
        begin.add(4);
        end.add(4);
        let parties: Vec<_> = (0..4)
            .map(|_| {
                let (mutex, begin, end) = (Arc::clone(&mutex), begin.clone(), end.clone());
                setting.start(move || {
                    // The thread itself allocates when it first sleeps.
                    begin.done();
                    begin.wait();
                    for round in 0..300 {
                        drop(mutex.try_lock_for(Duration::from_micros(round)));
                        let mut count = mutex.lock();
                        *count += 1;
                        if round % 50 == 0 {
                            setting.pause();
                        }
                    }
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    for round in 0..300 {
                        drop(mutex.try_lock_for(Duration::from_micros(round)));
                        let mut count = mutex.lock();
                        *count += 1;
                        if round % 50 == 0 {
                            setting.pause();
                        }
                    }
                    end.done();
                    end.wait();
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                })
            })
            .collect();
        begin.wait();
        end.wait();
        let allocated: usize = parties.into_iter().map(common::Party::join).sum();
        // Some 2400 operations allocate nothing. A worker thread that sleeps
        // for the first time in its life, for a lock inside the scheduler, has
        // the parking lot allocate its entry.
        assert!(allocated <= WORKERS_MAX, "{allocated} allocations");
    });
}
