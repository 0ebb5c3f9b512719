//! OTP's rules on who is restarted, and when a supervisor gives up.

use crate::support::{Fate, SECOND, Stage, every_order};
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{
    AutoShutdown, Builder, Child, ChildState, EventKind, Exit, Life, Restart, Strategy,
    SupervisorError,
};
use gorge_runtime::time;

fn three(stage: &Stage, strategy: Strategy) -> Builder {
    Supervisor::builder()
        .strategy(strategy)
        .intensity(10, SECOND)
        .child(stage.child("a"))
        .child(stage.child("b"))
        .child(stage.child("c"))
}

fn check_strategy(strategy: Strategy, expected: &str) {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = three(&stage, strategy).start(&background()).unwrap();
        assert_eq!(stage.log.settled(), "+a +b +c", "started in order");
        for fate in [Fate::Return, Fate::Fail, Fate::Panic] {
            assert_eq!(stage.after("b", fate), expected, "{fate:?}");
        }
        supervisor.shutdown().unwrap();
        assert_eq!(stage.log.take(), "-c -b -a", "stopped in reverse");
    });
}

#[test]
fn one_for_one_restarts_the_child() {
    check_strategy(Strategy::OneForOne, "-b +b");
}

#[test]
fn one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() {
    check_strategy(Strategy::OneForAll, "-b -c -a +a +b +c");
}

#[test]
fn rest_for_one_restarts_the_child_and_those_behind_it() {
    check_strategy(Strategy::RestForOne, "-b -c +b +c");
}

#[test]
fn those_who_had_ended_begin_anew_with_the_others() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .strategy(Strategy::OneForAll)
            .child(stage.child("a").restart(Restart::Transient))
            .child(stage.child("b"))
            .child(stage.child("c"))
            .start(&background())
            .unwrap();
        assert_eq!(stage.after("a", Fate::Return), "+a +b +c -a");
        supervisor.terminate_child("c").unwrap();
        assert_eq!(stage.after("b", Fate::Fail), "-c -b +a +b +c");
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn faults_at_the_same_time_are_one_restart_of_all() {
    every_order(|| {
        let (sender, starts) = gorge_channel::unbounded();
        let fails_once = |name: &str| {
            let sender = sender.clone();
            Child::new(name, move |life: &Life| {
                sender.send(life.restarts()).unwrap();
                match life.restarts() {
                    0 => life.sleep(SECOND).map_err(|_| "told").and(Err("a fault")),
                    _ => life.done().recv().map_err(|_| "told"),
                }
            })
        };
        let supervisor = Supervisor::builder()
            .strategy(Strategy::OneForAll)
            .intensity(1, SECOND)
            .child(fails_once("a"))
            .child(fails_once("b"))
            .start(&background())
            .unwrap();
        assert_eq!(starts.iter().take(4).sum::<u64>(), 2);
        time::sleep_until(time::now() + SECOND);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn a_simple_supervisor_has_identical_children() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .strategy(Strategy::SimpleOneForOne)
            .child(stage.child("w").restart(Restart::Transient))
            .start(&background())
            .unwrap();
        assert_eq!(stage.log.settled(), "", "the template is not started");
        assert_eq!(&*supervisor.start_instance().unwrap(), "w-1");
        assert_eq!(&*supervisor.start_instance_with(7).unwrap(), "w-2");
        assert_eq!(stage.log.settled(), "+w-1 +w-2");
        assert_eq!(stage.after("w-1", Fate::Fail), "-w-1 +w-1");
        assert_eq!(stage.after("w-1", Fate::Return), "-w-1");
        assert_eq!(supervisor.children().unwrap().len(), 1, "it is forgotten");
        assert!(supervisor.start_child(stage.child("x")).is_err());
        supervisor.terminate_child("w-2").unwrap();
        assert_eq!(supervisor.children().unwrap().len(), 0);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn transient_children_are_restarted_after_faults_only() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .intensity(2, SECOND)
            .child(stage.child("a").restart(Restart::Transient))
            .start(&background())
            .unwrap();
        assert_eq!(stage.after("a", Fate::Fail), "+a -a +a");
        assert_eq!(stage.after("a", Fate::Panic), "-a +a");
        assert_eq!(stage.after("a", Fate::Return), "-a");
        let children = supervisor.children().unwrap();
        assert_eq!(children[0].state, ChildState::Stopped);
        assert_eq!(children[0].restarts, 2);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn temporary_children_are_never_restarted() {
    every_order(|| {
        let stage = Stage::default();
        let temporary = |name| stage.child(name).restart(Restart::Temporary);
        let supervisor = Supervisor::builder()
            .strategy(Strategy::OneForAll)
            .child(stage.child("a"))
            .child(temporary("b"))
            .child(temporary("c"))
            .start(&background())
            .unwrap();
        assert_eq!(stage.after("b", Fate::Panic), "+a +b +c -b");
        let left = "the death of a sibling is none of its own";
        assert_eq!(stage.after("a", Fate::Fail), "-a -c +a", "{left}");
        assert_eq!(supervisor.children().unwrap().len(), 1);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn too_many_restarts_stop_all_in_reverse_and_end_with_an_error() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = three(&stage, Strategy::OneForOne)
            .intensity(2, SECOND)
            .start(&background())
            .unwrap();
        let _ = stage.log.settled();
        assert_eq!(stage.after("b", Fate::Fail), "-b +b");
        assert_eq!(stage.after("a", Fate::Fail), "-a +a");
        assert_eq!(stage.after("b", Fate::Panic), "-b -c -a");
        assert!(supervisor.children().is_err(), "it has ended");
        match supervisor.wait().unwrap_err() {
            SupervisorError::TooManyRestarts {
                child,
                exit,
                limit,
                period,
            } => {
                assert_eq!((&*child, limit, period), ("b", 2, SECOND));
                assert!(matches!(exit, Exit::Panic(panic) if panic.message().contains("wants")));
            }
            error => panic!("{error}"),
        }
    });
}

#[test]
fn old_restarts_do_not_count() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| {
            let lived = life.sleep(5 * SECOND + SECOND / 1000);
            lived.map_err(|_| "told").and(Err::<(), _>("a fault"))
        });
        let supervisor = Supervisor::builder()
            .child(child)
            .start(&background())
            .unwrap();
        time::sleep_until(time::now() + 60 * SECOND);
        assert_eq!(supervisor.children().unwrap()[0].restarts, 11);
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn no_restart_is_allowed_with_an_intensity_of_zero() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .intensity(0, SECOND)
            .child(stage.child("a"))
            .start(&background())
            .unwrap();
        stage.end("a", Fate::Return);
        assert!(supervisor.wait().is_err());
    });
}

#[test]
fn restarts_wait_for_longer_each_time_until_a_child_has_lasted() {
    every_order(|| {
        // The fifth life lasts; its end is the first fault of a new row.
        let child = Child::new("a", |life: &Life| match life.restarts() {
            0..4 => Err("a fault"),
            4 => life
                .sleep(10 * SECOND)
                .map_err(|_| "stopped")
                .and(Err("late")),
            _ => life.sleep(10 * SECOND).map_err(|_| "stopped"),
        });
        let supervisor = Supervisor::builder()
            .intensity(100, 10 * SECOND)
            .exponential_backoff(SECOND, 3 * SECOND)
            .child(child)
            .start(&background())
            .unwrap();
        let (mut delays, mut ended) = (Vec::new(), time::now());
        for event in supervisor.events() {
            match event.kind {
                EventKind::Ended(_) => ended = event.at,
                EventKind::Started if event.at > ended => delays.push(event.at - ended),
                _ => {}
            }
            if delays.len() == 5 {
                break;
            }
        }
        assert_eq!(delays, [1, 2, 3, 3, 1].map(|n| n * SECOND));
        let _ = supervisor.shutdown();
    });
}

#[test]
fn significant_children_end_their_supervisor() {
    for (auto, first, second) in [
        (AutoShutdown::AnySignificant, "-a -c -b", ""),
        (AutoShutdown::AllSignificant, "-a", "-b -c"),
    ] {
        every_order(|| {
            let stage = Stage::default();
            let supervisor = Supervisor::builder()
                .auto_shutdown(auto)
                .child(
                    stage
                        .child("a")
                        .restart(Restart::Transient)
                        .significant(true),
                )
                .child(
                    stage
                        .child("b")
                        .restart(Restart::Temporary)
                        .significant(true),
                )
                .child(stage.child("c"))
                .start(&background())
                .unwrap();
            assert_eq!(stage.after("a", Fate::Fail), "+a +b +c -a +a", "restarted");
            assert_eq!(stage.after("a", Fate::Return), first);
            assert_eq!(supervisor.is_finished(), second.is_empty());
            assert_eq!(stage.after("b", Fate::Panic), second);
            supervisor.wait().unwrap();
        });
    }
}

#[test]
#[should_panic(expected = "a significant child is permanent")]
fn significant_children_can_end() {
    let stage = Stage::default();
    let _ = Supervisor::builder()
        .child(stage.child("a").significant(true))
        .start(&background());
}

#[test]
#[should_panic(expected = "two children are called")]
fn names_are_unique() {
    let stage = Stage::default();
    let _ = Supervisor::builder()
        .child(stage.child("a"))
        .child(stage.child("a"))
        .start(&background());
}
