//! How long waits are.

use super::SECOND;
use gorge_patterns::retry::{Backoff, Jitter};
use gorge_runtime::sim;
use std::time::Duration;

const SHAPES: [fn(Duration) -> Backoff; 3] =
    [Backoff::exponential, Backoff::fibonacci, Backoff::constant];

#[test]
fn shapes_without_jitter_are_exact() {
    let waits = |backoff: Backoff, count| {
        let waits = backoff.jitter(Jitter::None).take(count);
        waits.map(|wait| wait.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(
        waits(Backoff::exponential(SECOND), 8),
        [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    );
    assert_eq!(
        waits(Backoff::exponential(SECOND).factor(1.5), 4),
        [1_000, 1_500, 2_250, 3_375]
    );
    assert_eq!(
        waits(Backoff::fibonacci(SECOND).max(4 * SECOND), 6),
        [1_000, 1_000, 2_000, 3_000, 4_000, 4_000]
    );
    assert_eq!(
        waits(Backoff::constant(100 * SECOND), 2),
        [100_000, 100_000]
    );
}

#[test]
fn attempts_are_counted_with_the_first_one() {
    for shape in SHAPES {
        assert_eq!(shape(SECOND).max_attempts(1).count(), 0);
        assert_eq!(shape(SECOND).max_attempts(5).count(), 4);
        assert_eq!(shape(SECOND).take(10_000).count(), 10_000);
    }
}

#[test]
fn jitter_stays_in_its_range_and_varies() {
    for shape in SHAPES {
        let exact: Vec<_> = shape(SECOND).jitter(Jitter::None).take(50).collect();
        let waits = |jitter| {
            shape(SECOND)
                .max(60 * SECOND)
                .jitter(jitter)
                .take(50)
                .collect::<Vec<_>>()
        };
        for (wait, exact) in waits(Jitter::Full).into_iter().zip(&exact) {
            assert!(wait <= *exact);
        }
        for (wait, exact) in waits(Jitter::Equal).into_iter().zip(&exact) {
            assert!(wait >= *exact / 2 && wait <= *exact);
        }
        let decorrelated = waits(Jitter::Decorrelated);
        let mut last = SECOND;
        for wait in &decorrelated {
            assert!(*wait >= SECOND && *wait <= (last * 3).min(60 * SECOND));
            last = *wait;
        }
        assert!(decorrelated.windows(2).any(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn a_seed_decides_chance() {
    let waits = |seed| {
        sim::run(seed, || {
            Backoff::exponential(SECOND).take(10).collect::<Vec<_>>()
        })
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn numbers_that_grow_without_end_do_not_overflow() {
    for shape in SHAPES {
        let longest = shape(Duration::MAX / 2).max(Duration::MAX);
        for jitter in [
            Jitter::None,
            Jitter::Full,
            Jitter::Equal,
            Jitter::Decorrelated,
        ] {
            assert_eq!(longest.clone().jitter(jitter).take(300).count(), 300);
        }
        assert_eq!(
            shape(Duration::ZERO).take(10).sum::<Duration>(),
            Duration::ZERO
        );
    }
}

#[test]
#[should_panic(expected = "give one or more")]
fn zero_attempts_are_refused() {
    let _backoff = Backoff::constant(SECOND).max_attempts(0);
}

#[test]
#[should_panic(expected = "not below 1")]
fn waits_that_shrink_are_refused() {
    let _backoff = Backoff::exponential(SECOND).factor(0.5);
}
