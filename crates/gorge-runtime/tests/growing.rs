//! Deep recursion through `stack::grow`, on goroutines and on threads.

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::{go, goroutine, stack, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const RED_ZONE: usize = 32 * 1024;
const SEGMENT: usize = 1 << 20;

fn depth(n: u64) -> u64 {
    stack::grow(
        RED_ZONE,
        SEGMENT,
        || if n == 0 { 0 } else { 1 + depth(n - 1) },
    )
}

#[test]
fn a_recursion_of_a_million_frames_ends() {
    assert_eq!(depth(1_000_000), 1_000_000, "on a thread");
    in_each_setting(|runtime| {
        assert_eq!(runtime.run(|| depth(1_000_000)), 1_000_000);
    });
}

#[test]
fn what_remains_shrinks_with_depth_and_comes_back() {
    fn probe() {
        /// What so many frames of sixteen bytes at least have used.
        #[inline(never)]
        fn deeper(levels: usize, before: usize) -> usize {
            let used = match levels {
                0 => before - stack::remaining(),
                _ => deeper(levels - 1, before),
            };
            std::hint::black_box(used)
        }
        let before = stack::remaining();
        assert!(before > 64 * 1024 && deeper(256, before) >= 4096);
        stack::grow(usize::MAX, SEGMENT, || {
            assert!(stack::remaining() > SEGMENT / 2);
            stack::grow(usize::MAX, 2 * SEGMENT, || {
                assert!(stack::remaining() > SEGMENT)
            });
        });
        assert_eq!(stack::remaining(), before);
    }
    probe();
    in_each_setting(|runtime| runtime.run(probe));
}

#[test]
fn a_goroutine_may_wait_on_a_segment() {
    in_each_setting(|runtime| {
        let sum = runtime.run(|| {
            let handles: Vec<_> = (0..50u64)
                .map(|i| {
                    go(move || {
                        stack::grow(usize::MAX, SEGMENT, || {
                            for _ in 0..20 {
                                yield_now();
                            }
                            stack::grow(usize::MAX, SEGMENT, || {
                                goroutine::sleep(std::time::Duration::from_micros(i));
                                depth(1000) - 1000 + i
                            })
                        })
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().expect("a value"))
                .sum::<u64>()
        });
        assert_eq!(sum, 1225);
    });
}

#[test]
fn a_panic_passes_through_segments() {
    fn fail(n: u32) {
        stack::grow(usize::MAX, 64 * 1024, || {
            assert_ne!(n, 0, "at the bottom");
            fail(n - 1);
        });
    }
    let attempt = || catch_unwind(AssertUnwindSafe(|| fail(20))).expect_err("it fails");
    assert!(
        attempt()
            .downcast_ref::<String>()
            .is_some_and(|text| text.contains("at the bottom"))
    );
    in_each_setting(|runtime| {
        let remaining = runtime.run(|| {
            let before = stack::remaining();
            attempt();
            before == stack::remaining()
        });
        assert!(
            remaining,
            "the extent is that of the goroutine's own stack again"
        );
    });
}

#[test]
fn a_cancel_passes_through_segments() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn wait(levels: u32, drops: &Arc<AtomicUsize>, arrived: &AtomicUsize) {
        let _counted = Counted(drops.clone());
        if levels == 0 {
            arrived.fetch_add(1, Ordering::SeqCst);
            goroutine::park_forever();
        }
        stack::grow(usize::MAX, 64 * 1024, || wait(levels - 1, drops, arrived));
    }
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let arrived = Arc::new(AtomicUsize::new(0));
        let (inner_drops, inner_arrived) = (drops.clone(), arrived.clone());
        let handle = runtime.go(move || wait(9, &inner_drops, &inner_arrived));
        wait_for(|| arrived.load(Ordering::SeqCst) == 1);
        handle.cancel();
        assert!(handle.join().expect_err("it waits for ever").is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn a_segment_beyond_the_largest_stack_is_refused_with_a_reason() {
    let panic = catch_unwind(|| stack::grow(usize::MAX, 2 << 30, || ())).expect_err("too large");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(
        text.contains("no stack segment") && text.contains("1 GiB"),
        "{text}"
    );
}

#[test]
fn a_goroutine_gets_the_reserve_that_it_asks_for() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            for kib in [16, 100, 1024, 64 * 1024] {
                let spawn = |f: fn() -> usize| {
                    let builder = goroutine::Builder::new().stack_reserve(kib * 1024);
                    builder.spawn(f).expect("spawned").join().expect("a value")
                };
                let remaining = spawn(stack::remaining);
                assert!(remaining > kib * 1024 - 16 * 1024, "{kib}: {remaining}");
            }
            let greedy = goroutine::Builder::new().stack_reserve(2 << 30);
            let error = greedy
                .spawn(|| ())
                .expect("spawned")
                .join()
                .expect_err("too much");
            assert!(error.is_not_started());
            assert!(error.to_string().contains("1 GiB"), "{error}");
        });
    });
}

#[test]
fn what_does_not_fit_on_a_stack_is_dropped_where_it_lies() {
    struct Large([u8; 1 << 19], Arc<AtomicUsize>);
    impl Drop for Large {
        fn drop(&mut self) {
            self.1.fetch_add(usize::from(self.0[7]), Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let large = || Large([1; 1 << 19], Arc::clone(&drops));
    // A slice that never ends: what is cancelled below must not have started.
    let builder = gorge_runtime::Runtime::builder().max_procs(1);
    let builder = builder.time_slice(Duration::from_secs(3600));
    let runtime = builder.stack_reserve(64 << 20).build().expect("a runtime");
    let small = || goroutine::Builder::new().stack_reserve(64 * 1024);
    runtime.run(|| {
        let captured = large();
        let unstarted = small().spawn(move || captured.0[7]).expect("a runtime");
        unstarted.cancel();
        let error = unstarted.join().expect_err("cancelled");
        assert!(error.is_cancelled());
    });
    assert_eq!(drops.load(Ordering::SeqCst), 1, "a closure");
    runtime.run(|| {
        let unwanted = go({
            let result = large();
            move || result
        });
        wait_for(|| unwanted.is_finished());
        let dropper = small().spawn(move || drop(unwanted)).expect("a runtime");
        dropper.join().expect("dropped");
    });
    assert_eq!(drops.load(Ordering::SeqCst), 2, "a result");
}
