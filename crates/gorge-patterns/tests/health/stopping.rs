//! How children are stopped: in their time, at once, with all the time there is.

use crate::support::{SECOND, every_order};
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{Child, EventKind, Exit, Life, Restart, Shutdown, Strategy};
use gorge_runtime::{shield, time};
use std::time::Duration;

/// A child that takes its time to stop, and does not hear of cancels meanwhile if it is deaf.
fn slow(name: &str, needs: Duration, deaf: bool) -> Child {
    Child::new(name, move |life: &Life| {
        let stop = || {
            let _ = life.done().recv();
            time::sleep_until(time::now() + needs);
        };
        if deaf { shield(stop) } else { stop() }
    })
}

/// How long a shutdown takes, and what is told of the child.
fn shutdown(child: Child) -> (Duration, String) {
    let supervisor = Supervisor::builder()
        .child(child)
        .start(&background())
        .unwrap();
    let (events, start) = (supervisor.events(), time::now());
    time::sleep_until(start + SECOND);
    supervisor.shutdown().unwrap();
    let text = events.try_iter().filter_map(|event| match event.kind {
        EventKind::Ended(exit) => Some(format!("{exit}")),
        EventKind::Abandoned => Some("abandoned".to_owned()),
        _ => None,
    });
    (time::now() - start - SECOND, text.collect())
}

#[test]
fn a_child_has_five_seconds() {
    every_order(|| {
        let (took, end) = shutdown(slow("a", 4 * SECOND, false));
        assert_eq!((took, &*end), (4 * SECOND, "it was shut down"));
    });
}

#[test]
fn a_child_that_takes_longer_is_killed() {
    every_order(|| {
        let (took, end) = shutdown(slow("a", 6 * SECOND, false));
        assert_eq!((took, &*end), (5 * SECOND, "it was killed"));
        let child = slow("a", 6 * SECOND, false).shutdown(Shutdown::Timeout(2 * SECOND));
        assert_eq!(shutdown(child).0, 2 * SECOND);
    });
}

#[test]
fn a_child_that_hears_nothing_is_abandoned() {
    every_order(|| {
        let (took, end) = shutdown(slow("a", 60 * SECOND, true));
        assert_eq!((took, &*end), (6 * SECOND, "abandoned"));
        // It ends at last; a simulation does not end before.
        time::sleep_until(time::now() + 60 * SECOND);
    });
}

#[test]
fn a_child_is_killed_at_once() {
    every_order(|| {
        let (took, end) = shutdown(slow("a", SECOND, false).shutdown(Shutdown::Kill));
        assert_eq!(took, Duration::ZERO);
        assert!(end == "it was killed" || end == "it was shut down", "{end}");
    });
}

#[test]
fn a_child_may_have_all_the_time() {
    every_order(|| {
        let child = slow("a", 3600 * SECOND, false).shutdown(Shutdown::Infinity);
        assert_eq!(shutdown(child).0, 3600 * SECOND);
    });
}

#[test]
fn identical_children_stop_at_the_same_time_and_others_do_not() {
    every_order(|| {
        for (strategy, expected) in [
            (Strategy::OneForOne, 2 * SECOND),
            (Strategy::SimpleOneForOne, SECOND),
        ] {
            let supervisor = Supervisor::builder()
                .strategy(strategy)
                .child(slow("a", SECOND, false))
                .start(&background())
                .unwrap();
            if strategy == Strategy::OneForOne {
                supervisor.start_child(slow("b", SECOND, false)).unwrap();
            } else {
                supervisor.start_instance().unwrap();
                supervisor.start_instance().unwrap();
            }
            let start = time::now();
            supervisor.shutdown().unwrap();
            assert_eq!(time::now() - start, expected);
        }
    });
}

#[test]
fn an_error_while_stopping_is_told_and_not_a_reason_to_restart() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| {
            let _ = life.done().recv();
            Err::<(), _>("the file cannot be closed")
        });
        let (_, end) = shutdown(child.restart(Restart::Permanent));
        assert_eq!(end, "it failed: the file cannot be closed");
    });
}

#[test]
fn the_context_error_of_a_child_that_was_told_is_a_shutdown() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| life.sleep(3600 * SECOND));
        let (took, end) = shutdown(child);
        assert_eq!((took, &*end), (Duration::ZERO, "it was shut down"));
    });
}

#[test]
fn nested_supervisors_stop_inside_out_and_escalate() {
    every_order(|| {
        let (sink, events) = gorge_channel::bounded(1000);
        let faulty = Child::new("faulty", |life: &Life| {
            life.sleep(SECOND)
                .map_err(|_| "told")
                .and(Err::<(), _>("again"))
        });
        let inner = Supervisor::builder()
            .events_to(sink.clone())
            .intensity(2, 10 * SECOND)
            .child(Child::new("steady", |life: &Life| {
                let _ = life.done().recv();
            }))
            .child(faulty);
        let error = Supervisor::builder()
            .name("outer")
            .events_to(sink)
            .intensity(2, 60 * SECOND)
            .child(Child::supervisor("inner", inner))
            .start(&background())
            .unwrap()
            .wait()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("more than 2 restarts in 60s") && text.contains("faulty"),
            "{text}"
        );
        let events: Vec<_> = events.try_iter().collect();
        let starts = |name: &str| {
            let is_start = |kind: &EventKind| matches!(kind, EventKind::Started);
            let of_it = events.iter().filter(|it| it.child.as_deref() == Some(name));
            of_it.filter(|it| is_start(&it.kind)).count()
        };
        assert_eq!(
            (starts("inner"), starts("faulty"), starts("steady")),
            (3, 9, 3)
        );
        let stopped =
            |it: &&gorge_patterns::supervisor::Event| matches!(it.kind, EventKind::Stopped);
        let last: Vec<_> = events
            .iter()
            .filter(stopped)
            .map(|it| &*it.supervisor)
            .collect();
        assert_eq!(last, ["inner", "inner", "inner", "outer"]);
        assert!(
            events
                .iter()
                .any(|it| matches!(&it.kind, EventKind::Ended(Exit::Error(_))))
        );
    });
}
