//! Events: what is told, and that nobody waits for who does not listen.

use crate::support::{SECOND, every_order, quiet_panic};
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{Child, EventKind, Exit, Life, Restart};
use gorge_runtime::{sim, time};

#[test]
fn the_life_of_a_child_is_told_in_order() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| {
            if life.restarts() == 0 {
                quiet_panic();
            }
        });
        let supervisor = Supervisor::builder()
            .name("top")
            .backoff(|_| SECOND)
            .child(child.restart(Restart::Transient))
            .start(&background())
            .unwrap();
        let events = supervisor.events();
        time::sleep_until(time::now() + 2 * SECOND);
        supervisor.shutdown().unwrap();
        let told: Vec<_> = events
            .try_iter()
            .map(|event| {
                assert_eq!(&*event.supervisor, "top");
                assert!(event.child.is_none_or(|child| &*child == "a"));
                match event.kind {
                    EventKind::Ended(Exit::Panic(panic)) => {
                        let payload = panic.take_payload().unwrap();
                        let text = payload.downcast_ref::<&str>();
                        assert_eq!(text, Some(&"a panic that the test wants"));
                        assert!(panic.take_payload().is_none());
                        "panicked"
                    }
                    EventKind::Started => "started",
                    EventKind::Restarting(delay) if delay == SECOND => "restarting",
                    EventKind::Ended(Exit::Normal) => "returned",
                    EventKind::Stopped => "stopped",
                    kind => panic!("{kind:?}"),
                }
            })
            .collect();
        let expected = [
            "started",
            "panicked",
            "restarting",
            "started",
            "returned",
            "stopped",
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn events_that_nobody_receives_are_counted_and_hold_nobody_up() {
    every_order(|| {
        for capacity in [0, 3] {
            let child = Child::new("a", |life: &Life| match life.restarts() {
                0..10 => Err("a fault"),
                _ => life.done().recv().map_err(|_| "told"),
            });
            let supervisor = Supervisor::builder()
                .events(capacity)
                .intensity(10, SECOND)
                .child(child)
                .start(&background())
                .unwrap();
            sim::settle();
            let handle = supervisor.handle().clone();
            assert_eq!(handle.children().unwrap()[0].restarts, 10);
            supervisor.shutdown().unwrap();
            // Eleven starts and ends, ten restarts, and the end of all.
            assert_eq!(handle.lost_events(), 33 - capacity as u64);
            assert_eq!(handle.events().try_iter().count(), capacity);
        }
    });
}

#[test]
fn a_panic_of_the_back_off_reaches_who_waits() {
    every_order(|| {
        let steady = Child::new("a", |life: &Life| {
            let _ = life.done().recv();
        });
        let faulty = Child::new("b", |_: &Life| Err::<(), _>("a fault"));
        let supervisor = Supervisor::builder()
            .backoff(|_| quiet_panic())
            .child(steady)
            .child(faulty)
            .start(&background())
            .unwrap();
        let caught = gorge_runtime::catch_panic(std::panic::AssertUnwindSafe(|| supervisor.wait()));
        assert!(caught.unwrap_err().is::<&str>());
    });
}
