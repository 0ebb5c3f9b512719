//! The stages that go by the clock, in virtual time.

use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, bounded};
use gorge_patterns::{Edge, batch, debounce, throttle};
use gorge_runtime::{go, sim, time};
use std::time::Duration;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A stream of values that come at these times, in milliseconds, and its end.
fn at_times<T: Send + 'static>(values: Vec<(u64, T)>, end: u64) -> Receiver<T> {
    let (sender, receiver) = bounded(0);
    let start = time::now();
    go(move || {
        for (at, value) in values {
            time::sleep_until(start + ms(at));
            if sender.send(value).is_err() {
                return;
            }
        }
        time::sleep_until(start + ms(end));
    });
    receiver
}

/// What comes out, with the time in milliseconds, in simulations.
#[track_caller]
fn assert_comes<T, U>(
    values: &[(u64, T)],
    end: u64,
    stage: impl Fn(&Context, Receiver<T>) -> Receiver<U> + Sync,
    expected: &[(u64, U)],
) where
    T: Clone + Send + Sync + 'static,
    U: PartialEq + std::fmt::Debug + Send + Sync,
{
    let (with_cancel, _guard) = background().with_cancel();
    for ctx in [background(), with_cancel] {
        sim::check(20, || {
            let start = time::now();
            let output = stage(&ctx, at_times(values.to_vec(), end));
            let timed = output.iter().map(|value| {
                let now = time::now() - start;
                (now.as_millis() as u64, value)
            });
            assert_eq!(timed.collect::<Vec<_>>(), expected);
        });
    }
}

fn letters(text: &str, times: &[u64]) -> Vec<(u64, char)> {
    times.iter().copied().zip(text.chars()).collect()
}

#[test]
fn a_batch_goes_when_it_is_full_or_its_time_is_over_and_at_the_end() {
    assert_comes(
        &letters("abcdefg", &[0, 1, 2, 3, 20, 31, 32]),
        35,
        |ctx, rx| batch(ctx, rx, 3, ms(10)),
        &[
            (2, vec!['a', 'b', 'c']),
            (13, vec!['d']),
            // The time counts from the first value.
            (30, vec!['e']),
            (35, vec!['f', 'g']),
        ]
        .map(|(at, values)| (at, values)),
    );
}

#[test]
fn a_batch_without_a_limit_in_time_waits_for_its_values() {
    assert_comes(
        &letters("abcd", &[0, 1000, 2000, 3000]),
        9000,
        |ctx, rx| batch(ctx, rx, 3, Duration::MAX),
        &[(2000, vec!['a', 'b', 'c']), (9000, vec!['d'])],
    );
}

#[test]
fn a_burst_is_over_when_nothing_has_come_for_a_while() {
    let values = letters("abcdef", &[0, 5, 14, 100, 200, 209]);
    let debounced = |edge| move |ctx: &Context, rx| debounce(ctx, rx, ms(10), edge);
    assert_comes(
        &values,
        300,
        debounced(Edge::Trailing),
        &letters("cdf", &[24, 110, 219]),
    );
    assert_comes(
        &values,
        300,
        debounced(Edge::Leading),
        &letters("ade", &[0, 100, 200]),
    );
    assert_comes(
        &values,
        300,
        debounced(Edge::Both),
        &letters("acdef", &[0, 24, 100, 200, 219]),
    );
}

#[test]
fn what_is_held_back_goes_at_the_end() {
    let values = letters("ab", &[0, 5]);
    for edge in [Edge::Trailing, Edge::Both] {
        let expected = match edge {
            Edge::Trailing => letters("b", &[6]),
            _ => letters("ab", &[0, 6]),
        };
        assert_comes(
            &values,
            6,
            |ctx, rx| debounce(ctx, rx, ms(10), edge),
            &expected,
        );
        assert_comes(
            &values,
            6,
            |ctx, rx| throttle(ctx, rx, ms(10), edge),
            &expected,
        );
    }
}

#[test]
fn one_value_passes_in_a_period() {
    let values = letters("abcdefg", &[0, 1, 2, 12, 15, 40, 45]);
    let throttled = |edge| move |ctx: &Context, rx| throttle(ctx, rx, ms(10), edge);
    assert_comes(
        &values,
        100,
        throttled(Edge::Both),
        &letters("acefg", &[0, 10, 20, 40, 50]),
    );
    assert_comes(
        &values,
        100,
        throttled(Edge::Leading),
        &letters("adf", &[0, 12, 40]),
    );
    assert_comes(
        &values,
        100,
        throttled(Edge::Trailing),
        &letters("ceg", &[10, 20, 50]),
    );
}

#[test]
fn a_hurry_without_end_is_throttled_and_not_debounced() {
    let values: Vec<(u64, u64)> = (0..100).map(|at| (at, at)).collect();
    assert_comes(
        &values,
        500,
        |ctx, rx| debounce(ctx, rx, ms(10), Edge::Trailing),
        &[(109, 99)],
    );
    sim::check(20, || {
        let output = throttle(
            &background(),
            at_times(values.clone(), 500),
            ms(10),
            Edge::Both,
        );
        let shown: Vec<u64> = output.iter().collect();
        assert!((10..=12).contains(&shown.len()), "{shown:?}");
        assert!(
            shown.windows(2).all(|pair| pair[1] - pair[0] >= 9),
            "{shown:?}"
        );
        assert_eq!((shown[0], shown.last()), (0, Some(&99)));
    });
}
