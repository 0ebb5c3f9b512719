//! Pulses: at an interval and per unit of work, and that nobody waits for them.

use crate::common::everywhere;
use crate::support::{SECOND, every_order};
use gorge_channel::bounded;
use gorge_channel::context::background;
use gorge_patterns::heartbeat::{self, Pulse};
use gorge_runtime::{num_goroutines, sim, time, yield_now};
use std::time::Duration;

#[test]
fn a_pulse_that_nobody_takes_is_dropped() {
    let (pulse, pulses) = Pulse::new();
    assert!(pulse.beat() && !pulse.clone().beat());
    assert_eq!(pulses.try_iter().count(), 1);
    assert!(pulse.beat());
    drop(pulses);
    assert!(!pulse.beat());
}

#[test]
fn work_beats_while_it_waits_for_either_side() {
    every_order(|| {
        let (ctx, _guard) = background().with_cancel();
        let (sender, input) = bounded::<u32>(0);
        let (pulses, results) = heartbeat::every(&ctx, SECOND, move |work| {
            while let Some(number) = work.receive(&input) {
                if !work.send(number * 2) {
                    return;
                }
            }
        });
        let beats_for = |seconds| {
            let end = time::now() + seconds * SECOND + SECOND / 4;
            std::iter::from_fn(|| pulses.recv_deadline(end).ok()).count()
        };
        assert_eq!(beats_for(4), 4, "it waits for its input");
        sender.send(1).unwrap();
        assert_eq!(beats_for(4), 4, "it waits for who takes its result");
        assert_eq!(results.recv(), Ok(2));
        drop(sender);
        assert!(results.recv().is_err());
        assert!(pulses.iter().count() <= 1, "an old one, and the end");
    });
}

#[test]
fn work_that_is_busy_is_silent_unless_it_says_so() {
    every_order(|| {
        let (pulses, results) = heartbeat::every(&background(), SECOND, |work| {
            for beats in [false, true] {
                for _ in 0..10 {
                    // As if it computed.
                    time::sleep_until(time::now() + SECOND / 2);
                    if beats {
                        work.beat();
                    }
                }
                work.send(());
            }
        });
        let silent = Duration::from_millis(4900);
        assert!(pulses.recv_timeout(silent).is_err());
        results.recv().unwrap();
        let lively = std::iter::from_fn(|| pulses.recv_timeout(SECOND).ok());
        assert_eq!(lively.take(9).count(), 9);
        results.recv().unwrap();
    });
}

#[test]
fn there_is_a_pulse_before_each_result() {
    every_order(|| {
        let (pulses, results) = heartbeat::per_unit(&background(), |work| {
            (0..10).all(|number| work.send(number));
        });
        for number in 0..10 {
            assert_eq!(pulses.recv(), Ok(()));
            assert_eq!(results.recv(), Ok(number));
        }
        assert!(pulses.recv().is_err() && results.recv().is_err());
    });
}

#[test]
fn results_do_not_wait_for_pulses() {
    everywhere(|| {
        let (ctx, guard) = background().with_cancel();
        let tiny = Duration::from_micros(1);
        let (_pulses, results) = heartbeat::every(&ctx, tiny, |work| {
            (0..200).all(|number| work.send(number));
        });
        assert!(results.iter().eq(0..200));
        let (_, results) = heartbeat::per_unit(&ctx, |work| {
            (0..200).all(|number| work.send(number));
        });
        assert!(results.iter().eq(0..200));
        guard.cancel();
    });
}

#[test]
fn a_cancel_at_any_point_ends_it() {
    sim::check(1000, || {
        let (ctx, guard) = background().with_cancel();
        let (pulses, numbers) = heartbeat::per_unit(&ctx, |work| {
            (0..).all(|number: u32| work.send(number));
        });
        let (_, results) = heartbeat::every(&ctx, SECOND, move |work| {
            while let Some(number) = work.receive(&numbers) {
                if !work.sleep(SECOND) || !work.send(number) {
                    return;
                }
            }
        });
        let turns = gorge_runtime::primitive::random_below(10) as u32;
        assert!(results.iter().take(turns as usize / 3).eq(0..turns / 3));
        (0..turns).for_each(|_| yield_now());
        guard.cancel();
        let _ = pulses.iter().count() + results.iter().count();
    });
}

#[test]
fn it_ends_when_nobody_wants_its_results_and_when_it_panics() {
    everywhere(|| {
        let (pulses, results) = heartbeat::per_unit(&background(), |work| while work.send(0) {});
        results.recv().unwrap();
        drop(results);
        let _ = pulses.iter().count();

        let (pulses, results) = heartbeat::per_unit(&background(), |work| {
            work.send(1);
            crate::support::quiet_panic();
        });
        assert_eq!(results.recv(), Ok(1));
        let caught = gorge_runtime::catch_panic(std::panic::AssertUnwindSafe(|| results.recv()));
        assert!(caught.unwrap_err().is::<&str>(), "the payload");
        let _ = pulses.iter().count();
        crate::common::wait_for(|| num_goroutines() == 1);
    });
}

#[test]
#[should_panic(expected = "the interval between pulses is zero")]
fn an_interval_has_a_length() {
    let _ = heartbeat::every::<(), _>(&background(), Duration::ZERO, |_| {});
}
