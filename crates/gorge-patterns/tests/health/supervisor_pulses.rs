//! Children that have to beat, and are restarted when they do not.

use crate::support::{SECOND, every_order};
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{Child, EventKind, Exit, Life, Restart};
use gorge_runtime::time;

/// Beats so often, then falls silent.
fn beats(count: u32) -> Child {
    Child::new("a", move |life: &Life| {
        for _ in 0..count {
            life.beat();
            if life.sleep(SECOND).is_err() {
                return;
            }
        }
        let _ = life.done().recv();
    })
    .restart(Restart::Transient)
}

#[test]
fn a_child_that_misses_its_pulses_is_restarted() {
    every_order(|| {
        let start = time::now();
        let supervisor = Supervisor::builder()
            .child(beats(4).heartbeat(2 * SECOND, 3))
            .start(&background())
            .unwrap();
        let mut told = Vec::new();
        for event in supervisor.events() {
            let after = (event.at - start).as_secs();
            match event.kind {
                EventKind::MissedPulse(missed) => told.push((after, missed)),
                EventKind::Ended(exit) => assert!(matches!(exit, Exit::Killed)),
                EventKind::Started if after > 0 => break,
                _ => {}
            }
        }
        // The last beat is in the fourth second. At an instant that is both the beat's and
        // the look's, either may be first.
        assert!(
            told == [(6, 1), (8, 2), (10, 3)] || told == [(8, 1), (10, 2), (12, 3)],
            "{told:?}"
        );
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn a_child_that_beats_is_left_alone() {
    every_order(|| {
        let supervisor = Supervisor::builder()
            .child(beats(1000).heartbeat(2 * SECOND, 1))
            .start(&background())
            .unwrap();
        time::sleep_until(time::now() + 500 * SECOND);
        assert_eq!(supervisor.children().unwrap()[0].restarts, 0);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn a_child_that_is_stuck_is_abandoned_and_replaced() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| {
            while life.restarts() > 0 && life.sleep(SECOND).is_ok() {
                life.beat();
            }
            if life.restarts() == 0 {
                // Hears neither of its context nor of a cancel.
                gorge_runtime::shield(|| time::sleep_until(time::now() + 100 * SECOND));
            }
        });
        let supervisor = Supervisor::builder()
            .child(child.heartbeat(3 * SECOND, 2))
            .start(&background())
            .unwrap();
        let events = supervisor.events();
        time::sleep_until(time::now() + 50 * SECOND);
        assert_eq!(supervisor.children().unwrap()[0].restarts, 1);
        let mut kinds = events.try_iter().map(|event| event.kind);
        assert!(kinds.any(|kind| matches!(kind, EventKind::Abandoned)));
        assert!(kinds.any(|kind| matches!(kind, EventKind::Started)));
        supervisor.shutdown().unwrap();
        time::sleep_until(time::now() + 100 * SECOND);
    });
}

#[test]
fn while_one_is_stopped_the_others_are_supervised() {
    every_order(|| {
        let stuck = Child::new("stuck", |_: &Life| {
            time::sleep_until(time::now() + 100 * SECOND)
        });
        let faulty = Child::new("faulty", |life: &Life| match life.restarts() {
            0 => life
                .sleep(3 * SECOND)
                .map_err(|_| "told")
                .and(Err("a fault")),
            _ => life.sleep(100 * SECOND).map_err(|_| "told"),
        });
        let start = time::now();
        let supervisor = Supervisor::builder()
            .intensity(2, 60 * SECOND)
            .child(stuck.heartbeat(SECOND, 1))
            .child(faulty)
            .start(&background())
            .unwrap();
        let starts: Vec<_> = supervisor
            .events()
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Started))
            .map(|event| (event.at - start).as_secs())
            .take(4)
            .collect();
        // One second until it is found to be stuck, and five to stop.
        assert_eq!(starts, [0, 0, 3, 6]);
        supervisor.shutdown().unwrap();
    });
}

#[test]
#[should_panic(expected = "the interval between pulses is zero")]
fn an_interval_has_a_length() {
    let _ = beats(1).heartbeat(std::time::Duration::ZERO, 1);
}
