//! One step by several goroutines: who gets what, and in which order.

use super::common::{everywhere, settle, sorted, with_each_context};
use gorge_channel::{Receiver, bounded};
use gorge_patterns::*;
use gorge_runtime::{sim, time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const STRATEGIES: [Dispatch; 3] = [
    Dispatch::Shared,
    Dispatch::RoundRobin,
    Dispatch::LeastLoaded,
];

#[test]
fn every_value_passes_once_with_every_strategy() {
    with_each_context(|ctx| {
        for strategy in STRATEGIES {
            for n in [1, 3, 16] {
                let outputs = fan_out_by(ctx, generate(ctx, 0..500), n, strategy, |n| n * 2);
                assert_eq!(outputs.len(), n);
                let all = sorted(fan_in(ctx, outputs));
                assert!(all.into_iter().eq((0..500).map(|n| n * 2)), "{strategy:?}");
            }
        }
    });
}

#[test]
fn by_turns_it_is_known_who_gets_what() {
    with_each_context(|ctx| {
        let outputs = fan_out_by(ctx, generate(ctx, 0..30), 3, Dispatch::RoundRobin, |n| n);
        for round in 0..10 {
            for (place, output) in outputs.iter().enumerate() {
                assert_eq!(output.recv(), Ok(round * 3 + place));
            }
        }
    });
}

#[test]
fn who_has_least_to_do_gets_the_next_value() {
    // The first goroutine is busy for long with its first value.
    sim::check(50, || {
        let (ctx, _guard) = super::common::cancellable();
        let minute = Duration::from_secs(60);
        let outputs = fan_out_by(
            &ctx,
            generate(&ctx, 0..20),
            2,
            Dispatch::LeastLoaded,
            move |n| {
                if n == 0 {
                    time::sleep(minute);
                }
                n
            },
        );
        let start = time::now();
        let all: Vec<i32> = fan_in(&ctx, outputs).iter().take(18).collect();
        assert!(time::now() - start < minute, "18 have passed: {all:?}");
        time::sleep(2 * minute);
    });
}

#[test]
fn the_others_go_on_without_one_whose_consumer_has_gone() {
    with_each_context(|ctx| {
        for strategy in STRATEGIES {
            let mut outputs = fan_out_by(ctx, generate(ctx, 0..100), 3, strategy, |n| n);
            drop(outputs.pop());
            let rest = fan_in(ctx, outputs).iter().count();
            // The one that it works on, and the one that waits for it.
            assert!((98..=100).contains(&rest), "{strategy:?}: {rest}");
        }
    });
}

#[test]
fn all_end_when_all_consumers_have_gone() {
    with_each_context(|ctx| {
        for strategy in STRATEGIES {
            drop(fan_out_by(ctx, generate(ctx, 0..), 3, strategy, |n| n));
        }
    });
}

#[test]
fn a_parallel_map_keeps_the_order() {
    with_each_context(|ctx| {
        for (n, ahead) in [(1, 1), (3, 1), (3, 6), (8, 100)] {
            let mapped =
                ordered_parallel_map_ahead(ctx, generate(ctx, 0..300), n, ahead, |n| n + 1);
            assert!(mapped.iter().eq(1..301), "{n} {ahead}");
        }
    });
    sim::check(300, || {
        let (ctx, _guard) = super::common::cancellable();
        let mapped = ordered_parallel_map(&ctx, generate(&ctx, 0..10u64), 3, |n| {
            time::sleep(Duration::from_millis(n * 7 % 5));
            n
        });
        assert!(mapped.iter().eq(0..10));
    });
}

#[test]
fn a_parallel_map_works_at_the_same_time() {
    sim::check(20, || {
        let (ctx, _guard) = super::common::cancellable();
        let start = time::now();
        let mapped = ordered_parallel_map(&ctx, generate(&ctx, 0..12), 4, |n| {
            time::sleep(Duration::from_secs(1));
            n
        });
        assert!(mapped.iter().eq(0..12));
        assert_eq!(time::now() - start, Duration::from_secs(3));
    });
}

#[test]
fn a_parallel_map_looks_ahead_so_far_and_no_further() {
    everywhere(|| {
        let (ctx, _guard) = super::common::cancellable();
        let taken = Arc::new(AtomicUsize::new(0));
        let numbers = (0..100).inspect({
            let taken = Arc::clone(&taken);
            move |_| {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (release, released) = bounded::<()>(0);
        let mapped = ordered_parallel_map_ahead(&ctx, generate(&ctx, numbers), 3, 5, move |n| {
            // The first one takes very long.
            if n == 0 {
                assert!(released.recv().is_err(), "released by disconnecting");
            }
            n
        });
        let come = |mapped: &Receiver<i32>| mapped.try_recv().is_ok();
        for _ in 0..20 {
            settle();
            assert!(!come(&mapped));
        }
        // Five were received, and the source has one ready.
        assert!(taken.load(Ordering::Relaxed) <= 6);
        drop(release);
        assert!(mapped.iter().eq(0..100));
    });
}
