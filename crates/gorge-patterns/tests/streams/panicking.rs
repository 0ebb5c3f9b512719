//! Panics get to whoever collects, behind the values before them.

use super::common::{everywhere, wait_for, with_each_context};
use super::stages::STAGES;
use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, bounded, select};
use gorge_patterns::*;
use gorge_runtime::{block_on, catch_panic, go, num_goroutines, sim};
use std::any::Any;
use std::panic::{AssertUnwindSafe, panic_any};
use std::time::Duration;

/// A stage with one output.
type Step = fn(&Context, Receiver<u64>) -> Receiver<u64>;

const TEXT: &str = "a panic that the test wants";

/// What the panic of `f` says.
fn said<R>(f: impl FnOnce() -> R) -> String {
    let payload = match catch_panic(AssertUnwindSafe(f)) {
        Ok(_) => panic!("there is no panic"),
        Err(payload) => payload,
    };
    text(&*payload)
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    literal.unwrap_or_else(|| payload.downcast_ref::<String>().expect("a text").clone())
}

/// A stream that ends with a panic, of a goroutine.
fn panicking(ctx: &Context, values: u64) -> Receiver<u64> {
    generate(
        ctx,
        (0..values).chain(std::iter::from_fn(|| panic_any(TEXT))),
    )
}

/// Receives to the end, which is a panic; how many values there were, and what it says.
fn collect(output: &Receiver<u64>) -> (usize, String) {
    let mut count = 0;
    let said = said(|| output.iter().for_each(|_| count += 1));
    (count, said)
}

#[test]
fn every_stage_hands_the_panic_of_its_input_on() {
    for (name, stage) in STAGES {
        with_each_context(|ctx| {
            let consumers: Vec<_> = stage(ctx, panicking(ctx, 5))
                .into_iter()
                .map(|output| go(move || collect(&output)))
                .collect();
            let ends: Vec<_> = consumers
                .into_iter()
                .map(|it| it.join().expect("it collects"))
                .collect();
            let originals = ends.iter().filter(|(_, said)| said == TEXT).count();
            assert_eq!(originals, 1, "{name}: the payload gets to one: {ends:?}");
            assert!(
                ends.iter().all(|(_, said)| said.ends_with(TEXT)),
                "{name}: {ends:?}"
            );
        });
    }
}

#[test]
fn every_stage_hands_a_panic_on_in_any_order_of_events() {
    for (name, stage) in STAGES {
        eprintln!("{name}");
        sim::check(100, || {
            let (ctx, _guard) = background().with_cancel();
            let outputs = stage(&ctx, panicking(&ctx, 2));
            let consumers: Vec<_> = outputs
                .into_iter()
                .map(|output| go(move || collect(&output).1))
                .collect();
            for consumer in consumers {
                assert!(consumer.join().expect("it collects").ends_with(TEXT));
            }
        });
    }
}

#[test]
fn the_values_before_a_panic_come_first() {
    let keep_all: &[(&str, Step)] = &[
        ("map", |ctx, rx| map(ctx, rx, |n| n)),
        ("batch", |ctx, rx| {
            let batches = batch(ctx, rx, 3, Duration::from_secs(60));
            flat_map(ctx, batches, |batch| batch)
        }),
        ("buffer", |ctx, rx| buffer(ctx, rx, 100)),
        ("fan_in", |ctx, rx| fan_in(ctx, [rx])),
        ("merge", |ctx, rx| merge(ctx, [rx])),
        ("fan_out", |ctx, rx| {
            fan_out(ctx, rx, 1, |n| n).pop().expect("one")
        }),
        ("ordered", |ctx, rx| ordered_parallel_map(ctx, rx, 3, |n| n)),
    ];
    for (name, stage) in keep_all {
        with_each_context(|ctx| {
            let output = stage(ctx, panicking(ctx, 5));
            assert_eq!(collect(&output), (5, TEXT.to_owned()), "{name}");
        });
    }
    // Those that hold one value back.
    with_each_context(|ctx| {
        let quiet = Duration::from_secs(60);
        for edge in [Edge::Trailing, Edge::Both] {
            let values = [
                debounce(ctx, panicking(ctx, 5), quiet, edge),
                throttle(ctx, panicking(ctx, 5), quiet, edge),
            ];
            for output in values {
                let mut last = None;
                let said = said(|| output.iter().for_each(|value| last = Some(value)));
                assert_eq!((last, said.as_str()), (Some(4), TEXT));
            }
        }
    });
}

#[test]
fn a_panic_of_a_function_gets_to_the_collector() {
    fn hit(n: u64) -> u64 {
        assert!(n != 3, "{TEXT}");
        n
    }
    let stages: &[(&str, Step)] = &[
        ("map", |ctx, rx| map(ctx, rx, hit)),
        ("filter", |ctx, rx| filter(ctx, rx, |n| hit(*n) < 10)),
        ("flat_map", |ctx, rx| flat_map(ctx, rx, |n| [hit(n)])),
        ("flat_map's iterator", |ctx, rx| {
            flat_map(ctx, rx, |n| std::iter::once_with(move || hit(n)))
        }),
        ("generate", |ctx, rx| generate(ctx, rx.into_iter().map(hit))),
        ("repeat_with", |ctx, rx| {
            let mut values = rx.into_iter();
            repeat_with(ctx, move || hit(values.next().expect("one more")))
        }),
        ("merge_sorted", |ctx, rx| {
            merge_sorted_by_key(ctx, [rx, generate(ctx, [])], |n| hit(*n))
        }),
        ("fan_out", |ctx, rx| fan_in(ctx, fan_out(ctx, rx, 3, hit))),
        ("fan_out by turns", |ctx, rx| {
            fan_in(ctx, fan_out_by(ctx, rx, 3, Dispatch::RoundRobin, hit))
        }),
        ("fan_out by load", |ctx, rx| {
            fan_in(ctx, fan_out_by(ctx, rx, 3, Dispatch::LeastLoaded, hit))
        }),
        ("ordered", |ctx, rx| ordered_parallel_map(ctx, rx, 3, hit)),
        ("pipe", |ctx, rx| {
            pipe(ctx, move |out| rx.iter().try_for_each(|n| out.send(hit(n))))
        }),
    ];
    for (name, stage) in stages {
        with_each_context(|ctx| {
            let output = stage(ctx, generate(ctx, 0..));
            // Others may go on for a while.
            let (_count, said) = collect(&output);
            assert_eq!(said, TEXT, "{name}");
            drop(output);
            wait_for(|| num_goroutines() == 1);
        });
    }
}

#[test]
fn a_panic_in_order_comes_behind_all_results_before_it() {
    sim::check(300, || {
        let (ctx, _guard) = background().with_cancel();
        let output = ordered_parallel_map(&ctx, generate(&ctx, 0..10), 3, |n: u64| {
            assert!(n != 4 && n != 5, "{TEXT}");
            n
        });
        assert_eq!(collect(&output), (4, TEXT.to_owned()));
    });
}

#[test]
fn a_panic_of_a_fan_out_ends_all_its_outputs() {
    with_each_context(|ctx| {
        let outputs = fan_out(ctx, generate(ctx, 0..1000), 3, |n: u64| {
            assert!(n < 10, "{TEXT}");
            n
        });
        let consumers: Vec<_> = outputs
            .into_iter()
            .map(|output| go(move || collect(&output).1))
            .collect();
        for consumer in consumers {
            assert!(consumer.join().expect("it collects").ends_with(TEXT));
        }
    });
}

#[test]
fn a_panic_gets_to_collectors_of_every_shape() {
    everywhere(|| {
        let ctx = background();
        let collectors: &[fn(Receiver<u64>)] = &[
            |rx| _ = rx.recv(),
            |rx| rx.iter().for_each(drop),
            |rx| rx.into_iter().for_each(drop),
            |rx| _ = rx.recv_timeout(Duration::from_secs(60)),
            |rx| _ = block_on(rx.recv_async()),
            |rx| {
                select! { recv(rx) -> _ => {}, default(Duration::from_secs(60)) => {} }
            },
            |rx| {
                let (_sender, other) = bounded::<u8>(0);
                select! { recv(rx) -> _ => {}, recv(other) -> _ => {} }
            },
        ];
        for collector in collectors {
            assert_eq!(said(|| collector(panicking(&ctx, 0))), TEXT);
        }
        let stages = map(&ctx, map(&ctx, panicking(&ctx, 0), |n| n), |n| n);
        let joined = go(move || stages.iter().count()).join().unwrap_err();
        assert_eq!(text(&*joined.into_panic()), TEXT);
    });
}

#[test]
fn a_panic_of_a_signal_is_told() {
    everywhere(|| {
        let (sender, stopped) = bounded::<u8>(0);
        let (_quit, quitted) = bounded(0);
        sender.close_with_panic(Box::new(TEXT));
        assert_eq!(said(|| or([quitted, stopped]).recv()), TEXT);
    });
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic_any(TEXT);
    }
}

#[test]
fn a_panic_of_a_destructor_gets_to_the_collector() {
    with_each_context(|ctx| {
        let grenade = Grenade;
        let output = map(ctx, generate(ctx, 0..3), move |n| {
            let _owned = &grenade;
            n
        });
        assert_eq!(collect(&output), (3, TEXT.to_owned()));
    });
}

#[test]
fn a_destructor_that_panics_when_a_stage_is_cancelled_harms_nobody() {
    everywhere(|| {
        let (ctx, guard) = background().with_cancel();
        let grenade = Grenade;
        let (_silent, input) = bounded::<u64>(0);
        let output = map(&ctx, input, move |n| {
            let _owned = &grenade;
            n
        });
        super::common::settle();
        guard.cancel();
        assert_eq!(said(|| output.recv()), TEXT);
    });
}
