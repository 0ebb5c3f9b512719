//! What contexts and timers allocate, and that they leave nothing behind.
#![cfg(not(gorge_loom))]

use gorge_channel::context;
use gorge_channel::time::{Ticker, Timer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

thread_local! {
    /// Of this thread alone, since tests run beside each other.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator, and counters.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + 1);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often it allocates; all of it must be freed in the end.
#[track_caller]
fn allocations(f: impl Fn()) -> usize {
    f();
    let before = (ALLOCATED.get(), FREED.get());
    f();
    let (allocated, freed) = (ALLOCATED.get() - before.0, FREED.get() - before.1);
    assert_eq!(allocated, freed, "something is left, or gone");
    allocated
}

// TestAllocs
#[test]
fn a_context_is_one_allocation_and_its_channel_another() {
    let (parent, _guard) = context::background().with_cancel();
    assert_eq!(allocations(|| drop(context::background())), 1);
    assert_eq!(allocations(|| drop(parent.with_cancel())), 1);
    assert_eq!(allocations(|| drop(parent.with_timeout(HOUR))), 1);
    assert_eq!(allocations(|| drop(parent.with_timeout(Duration::ZERO))), 1);
    assert_eq!(allocations(|| drop(parent.without_cancel())), 1);
    assert_eq!(allocations(|| drop(parent.clone())), 0);
    let with_value = || {
        let context = parent.with_value(7_u64);
        assert_eq!(context.value(), Some(&7_u64));
    };
    assert_eq!(allocations(with_value), 2);
    let cancelled_and_asked = || {
        let (context, guard) = parent.with_cancel();
        guard.cancel();
        assert!(context.err().is_some());
    };
    assert_eq!(allocations(cancelled_and_asked), 1);
    let waited_for = || {
        let (context, guard) = parent.with_timeout(HOUR);
        assert!(context.done().try_recv().is_err());
        drop(guard);
        assert!(context.done().recv().is_err());
    };
    assert_eq!(allocations(waited_for), 2);
}

#[test]
fn what_was_registered_goes_with_its_context_or_its_stop() {
    let (parent, _guard) = context::background().with_cancel();
    let stopped = || {
        let after = parent.after_func(|| {});
        assert!(after.stop());
    };
    // A function that holds nothing takes no room.
    assert_eq!(allocations(stopped), 1);
    let forgotten = || {
        let (context, guard) = context::background().with_cancel();
        drop(context.after_func(|| {}));
        guard.forget();
    };
    assert_eq!(allocations(forgotten), 3);
}

// TestTimerGC
#[test]
fn nothing_is_left_of_timers_and_tickers() {
    assert_eq!(allocations(|| drop(Timer::new(HOUR))), 1);
    assert_eq!(allocations(|| drop(Ticker::new(HOUR))), 1);
    let used = || {
        let (timer, ticker) = (Timer::new(HOUR), Ticker::new(HOUR));
        assert!(timer.reset(Duration::ZERO) && timer.recv().is_ok());
        assert!(!timer.reset(HOUR) && timer.stop());
        ticker.reset(HOUR);
        ticker.stop();
    };
    assert_eq!(allocations(used), 2);
}
