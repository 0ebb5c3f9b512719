//! No operation allocates, contended or not.
#![cfg(not(gorge_loom))]
#![allow(
    clippy::disallowed_types,
    reason = "the allocator counts with a plain atomic"
)]

mod common;

use common::{Setting, for_each_setting};
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

/// Allocations of the runtime itself, a handful in thousands of operations: a
/// queue that grows, or a worker that sleeps for the first time in its life.
const OF_THE_RUNTIME: usize = 16;

#[test]
fn locking_and_waiting_do_not_allocate() {
    for_each_setting(|setting| {
        let mutex = Arc::new(Mutex::new(0));
        let [warm, begin, end] = [4, 1, 4].map(|count| {
            let group = WaitGroup::new();
            group.add(count);
            group
        });
        for _ in 0..4 {
            let (mutex, warm, begin, end) =
                (mutex.clone(), warm.clone(), begin.clone(), end.clone());
            setting.start(move || {
                // A thread allocates when it first sleeps.
                contend(setting, &mutex);
                warm.done();
                begin.wait();
                contend(setting, &mutex);
                end.done();
            });
        }
        warm.wait();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        begin.done();
        end.wait();
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert!(allocated <= OF_THE_RUNTIME, "{allocated} allocations");
    });
}

/// Locks in every way, some hundred times.
fn contend(setting: Setting, mutex: &Mutex<u32>) {
    for round in 0..300 {
        drop(mutex.try_lock_for(Duration::from_micros(round)));
        *mutex.lock() += 1;
        if round % 50 == 0 {
            setting.pause();
        }
    }
}
