//! Stewards: that silence is healed, that streams go on, that they nest and end.

use crate::common::everywhere;
use crate::support::{SECOND, every_order, quiet_panic};
use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, bounded, unbounded};
use gorge_patterns::heartbeat::{self, Pulse};
use gorge_patterns::steward::{StewardEvent, streaming};
use gorge_patterns::{Steward, bridge, generate, map};
use gorge_runtime::primitive::random_below;
use gorge_runtime::{go, num_goroutines, sim, time, yield_now};
use std::time::Duration;

/// Sends the values until one is negative: a fault, after which it is gone.
fn faulty(ctx: &Context, interval: Duration) -> (Receiver<()>, Receiver<i32>) {
    heartbeat::every(ctx, interval, |work| {
        for value in [1, 2, -1, 3] {
            if value < 0 || !work.send(value) {
                return;
            }
        }
    })
}

#[test]
fn two_starts_of_one_steward_leave_each_other_alone() {
    sim::check(100, || {
        let (ctx, guard) = background().with_cancel();
        let (steward, streams) = streaming(2 * SECOND, |ctx: &Context, interval| {
            heartbeat::every(ctx, interval, |work| while work.send(1) {})
        });
        let events = steward.events();
        let pulses = [steward.start(&ctx, SECOND), steward.start(&ctx, SECOND)];
        let both: Vec<_> = streams.iter().take(2).collect();
        for _ in 0..20 {
            time::sleep(SECOND);
            assert!(both.iter().all(|stream| stream.recv() == Ok(1)));
        }
        let silent = events
            .try_iter()
            .filter(|event| matches!(event, StewardEvent::Silent));
        assert_eq!(silent.count(), 0);
        drop((guard, pulses));
    });
}

#[test]
fn the_stream_goes_on_after_a_fault() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let (steward, streams) = streaming(2 * SECOND, faulty);
        let pulses = steward.start(&ctx, SECOND);
        let values = bridge(&ctx, streams);
        assert!(values.iter().take(7).eq([1, 2, 1, 2, 1, 2, 1]));
        assert_eq!(pulses.recv(), Ok(()));
        guard.cancel();
        drop(steward);
        assert!(values.iter().count() <= 1);
    });
}

/// Sends two values and panics.
fn explosive(ctx: &Context, interval: Duration) -> (Receiver<()>, Receiver<i32>) {
    heartbeat::every(ctx, interval, |work| {
        if work.send(1) && work.send(2) {
            quiet_panic();
        }
    })
}

#[test]
fn the_stream_goes_on_after_a_panic() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let (steward, streams) = streaming(2 * SECOND, explosive);
        let events = steward.events();
        let pulses = steward.start(&ctx, SECOND);
        let values = bridge(&ctx, streams);
        assert!(values.iter().take(7).eq([1, 2, 1, 2, 1, 2, 1]));
        assert_eq!(pulses.recv(), Ok(()));
        let told: Vec<_> = events.iter().take(4).collect();
        let panicked = StewardEvent::Panicked("a panic that the test wants".to_owned());
        use StewardEvent::{Silent, Started};
        assert_eq!(told, [Started, panicked, Silent, Started]);
        guard.cancel();
        drop(steward);
        assert!(values.iter().count() <= 1);
    });
}

#[test]
fn pulses_that_end_with_a_panic_do_not_end_the_steward() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let steward = Steward::new(SECOND, |ctx, _| {
            let pulse = generate(ctx, [(), ()]);
            map(ctx, pulse, |()| quiet_panic())
        });
        let events = steward.events();
        let pulses = steward.start(&ctx, SECOND);
        let panicked = |event: &StewardEvent| matches!(event, StewardEvent::Panicked(_));
        assert_eq!(events.iter().filter(panicked).take(3).count(), 3);
        guard.cancel();
        assert!(pulses.iter().count() <= 2, "it ends");
    });
}

#[test]
fn the_stream_goes_on_after_a_ward_that_is_stuck() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let (steward, streams) = streaming(2 * SECOND, |_: &Context, _| {
            let ((_, pulses), (sender, values)) = (Pulse::new(), bounded(1));
            go(move || {
                sender.send(1).unwrap();
                // It hears of nothing, and keeps its end of the stream.
                time::sleep_until(time::now() + 1000 * SECOND);
                assert!(sender.send(2).is_err(), "its stream was closed");
            });
            (pulses, values)
        });
        drop(steward.start(&ctx, SECOND));
        let start = time::now();
        let values = bridge(&ctx, streams);
        assert!(values.iter().take(4).eq([1; 4]));
        assert_eq!(time::now() - start, 6 * SECOND, "two seconds for each");
        guard.cancel();
        // The last one's stream is not closed by a steward that has ended.
        drop((steward, values));
        time::sleep_until(time::now() + 1000 * SECOND);
    });
}

#[test]
fn a_ward_that_beats_is_left_alone_and_one_that_is_silent_is_replaced() {
    every_order(|| {
        let (ctx, _guard) = background().with_cancel();
        let (starts, started) = unbounded();
        // Beats for ten seconds, then falls silent, and notes why it ends.
        let steward = Steward::new(2 * SECOND, move |ctx, interval| {
            assert_eq!(interval, SECOND, "half of the timeout");
            let (starts, ctx) = (starts.clone(), ctx.clone());
            let (pulse, pulses) = Pulse::new();
            starts.send(time::now()).unwrap();
            go(move || {
                for _ in 0..10 {
                    pulse.beat();
                    if ctx.sleep(interval).is_err() {
                        return;
                    }
                }
                let _ = ctx.done().recv();
            });
            pulses
        });
        let events = steward.events();
        let _pulses = steward.start(&ctx, SECOND);
        let times: Vec<_> = started.iter().take(3).collect();
        for pair in times.windows(2) {
            let lived = pair[1] - pair[0];
            assert_eq!(lived, 11 * SECOND, "nine seconds of pulses, two of silence");
        }
        let told: Vec<_> = events.iter().take(4).collect();
        use StewardEvent::{Silent, Started};
        assert_eq!(told, [Started, Silent, Started, Silent]);
    });
}

#[test]
fn a_start_that_panics_is_tried_again() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let steward = Steward::new(SECOND, |_, _| quiet_panic());
        let start = time::now();
        let pulses = steward.start(&ctx, SECOND);
        let events = steward.events();
        let panicked = |event: &StewardEvent| matches!(event, StewardEvent::StartPanicked(_));
        assert_eq!(events.iter().filter(panicked).take(3).count(), 3);
        assert_eq!(time::now() - start, 2 * SECOND);
        guard.cancel();
        assert!(pulses.iter().count() <= 2, "it ends");
    });
}

#[test]
fn stewards_nest_and_heal_a_steward_that_is_stuck() {
    every_order(|| {
        let (ctx, guard) = background().with_cancel();
        let (starts, started) = unbounded();
        // The first start hangs, and with it the inner steward.
        let inner = Steward::new(2 * SECOND, move |ctx, interval| {
            starts.send(()).unwrap();
            if starts.len() == 1 {
                let _ = ctx.done().recv();
            }
            let (pulses, results) = heartbeat::every::<(), _>(ctx, interval, |work| {
                let _ = work.receive(&gorge_channel::never::<()>());
            });
            drop(results);
            pulses
        });
        let outer = Steward::of(10 * SECOND, inner);
        let pulses = outer.start(&ctx, SECOND);
        time::sleep_until(time::now() + 100 * SECOND);
        assert_eq!(started.len(), 2);
        let events = outer.events();
        let silent = events.try_iter().filter(|it| *it == StewardEvent::Silent);
        assert_eq!(silent.count(), 1);
        guard.cancel();
        assert!(pulses.iter().count() <= 2, "old ones, and the end");
    });
}

#[test]
fn a_cancel_at_any_point_ends_steward_and_ward() {
    sim::check(1000, || {
        let (ctx, guard) = background().with_cancel();
        let ward = [faulty, explosive][random_below(2)];
        let (steward, streams) = streaming(SECOND, ward);
        let outer = Steward::of(3 * SECOND, steward);
        let pulses = outer.start(&ctx, SECOND / 2);
        let values = bridge(&ctx, streams);
        let wanted = random_below(4);
        assert_eq!(values.iter().take(wanted).count(), wanted);
        (0..random_below(10)).for_each(|_| yield_now());
        guard.cancel();
        drop(outer);
        let _ = values.iter().count() + pulses.iter().count();
    });
}

#[test]
fn it_heals_on_real_runtimes() {
    everywhere(|| {
        let (ctx, guard) = background().with_cancel();
        let (steward, streams) = streaming(Duration::from_millis(2), faulty);
        let pulses = steward.start(&ctx, Duration::from_millis(1));
        let values = bridge(&ctx, streams);
        // A slow machine may take a ward for silent: then its values are cut off.
        let values: Vec<_> = values.iter().take(20).collect();
        assert!(values.iter().all(|value| [1, 2].contains(value)));
        assert!(values.iter().filter(|value| **value == 1).count() >= 10);
        guard.cancel();
        drop(steward);
        let _ = pulses.iter().count();
        crate::common::wait_for(|| num_goroutines() == 1);
    });
}

#[test]
#[should_panic(expected = "a steward's timeout is zero")]
fn a_timeout_has_a_length() {
    let _ = Steward::new(Duration::ZERO, |_, _| gorge_channel::never());
}
