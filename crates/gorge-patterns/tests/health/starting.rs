//! Starts: in order, when the one before is ready, and at run time.

use crate::common::everywhere;
use crate::support::{Fate, Log, SECOND, Stage, every_order};
use gorge_channel::bounded;
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{
    Child, ChildError, ChildState, Exit, Life, Restart, SupervisorError,
};
use gorge_runtime::{go, time};

#[test]
fn a_child_is_started_when_the_one_before_is_ready() {
    every_order(|| {
        let log = Log::default();
        let slow = |name: &str| {
            let log = log.clone();
            Child::new(name, move |life: &Life| {
                log.add(format!("{}?", life.name()));
                let _ = life.sleep(SECOND);
                log.add(format!("{}!", life.name()));
                life.ready();
                life.done().recv().map_err(|_| life.err().unwrap())
            })
            .says_ready()
        };
        let start = time::now();
        let supervisor = Supervisor::builder()
            .child(slow("a"))
            .child(slow("b"))
            .start(&background())
            .unwrap();
        assert_eq!(time::now() - start, 2 * SECOND);
        assert_eq!(log.take(), "a? a! b? b!");
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn a_start_that_fails_stops_those_before_and_is_told() {
    for fate in ["error", "panic", "late"] {
        every_order(|| {
            let stage = Stage::default();
            let faulty = Child::new("c", move |life: &Life| match fate {
                "error" => Err("no port"),
                "panic" => crate::support::quiet_panic(),
                _ => life.done().recv().map_err(|_| "never ready"),
            });
            let error = Supervisor::builder()
                .child(stage.child("a"))
                .child(stage.child("b"))
                .child(faulty.ready_within(SECOND / 100))
                .child(stage.child("d"))
                .start(&background())
                .unwrap_err();
            assert_eq!(stage.log.take(), "+a +b -b -a");
            let SupervisorError::StartFailed { child, exit } = error else {
                panic!("{error}");
            };
            assert_eq!(&*child, "c");
            match (fate, &exit) {
                ("error", Exit::Error(error)) => assert_eq!(error.to_string(), "no port"),
                ("panic", Exit::Panic(_)) | ("late", Exit::Killed) => {}
                _ => panic!("{exit}"),
            }
        });
    }
}

#[test]
fn a_restart_that_fails_is_tried_again_and_counts() {
    every_order(|| {
        let child = Child::new("a", |life: &Life| {
            if life.restarts() == 0 {
                life.ready();
                time::sleep_until(time::now() + SECOND);
            }
            Err::<(), _>("not again")
        });
        let error = Supervisor::builder()
            .intensity(4, 10 * SECOND)
            .child(child.says_ready())
            .start(&background())
            .unwrap()
            .wait()
            .unwrap_err();
        let SupervisorError::TooManyRestarts { limit: 4, .. } = error else {
            panic!("{error}");
        };
    });
}

#[test]
fn a_context_that_is_done_before_stops_the_start() {
    every_order(|| {
        let stage = Stage::default();
        let (ctx, guard) = background().with_cancel();
        let never_ready = Child::new("b", |life: &Life| {
            let _ = life.done().recv();
        });
        let starter = go({
            let builder = Supervisor::builder()
                .child(stage.child("a"))
                .child(never_ready.says_ready());
            move || builder.start(&ctx).unwrap_err()
        });
        time::sleep_until(time::now() + SECOND / 100);
        guard.cancel();
        let error = starter.join().unwrap();
        assert!(matches!(error, SupervisorError::Stopped), "{error}");
        assert_eq!(stage.log.take(), "+a -a");
    });
}

#[test]
fn children_are_started_and_stopped_at_run_time() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .child(stage.child("a"))
            .start(&background())
            .unwrap();
        supervisor.start_child(stage.child("b")).unwrap();
        supervisor
            .start_child(stage.child("c").restart(Restart::Temporary))
            .unwrap();
        assert_eq!(stage.log.take(), "+a +b +c");
        let taken = supervisor.start_child(stage.child("b")).unwrap_err();
        assert!(matches!(taken, ChildError::AlreadyPresent(_)));

        supervisor.terminate_child("b").unwrap();
        supervisor.terminate_child("c").unwrap();
        assert_eq!(stage.log.take(), "-b -c");
        let children = supervisor.children().unwrap();
        let states: Vec<_> = children.iter().map(|it| (&*it.name, it.state)).collect();
        let left = [("a", ChildState::Running), ("b", ChildState::Stopped)];
        assert_eq!(states, left, "a temporary one is gone");
        supervisor.terminate_child("b").unwrap();

        supervisor.restart_child("b").unwrap();
        assert_eq!(stage.log.take(), "+b");
        for running in [supervisor.restart_child("b"), supervisor.delete_child("b")] {
            assert!(matches!(running.unwrap_err(), ChildError::Running(_)));
        }
        supervisor.terminate_child("b").unwrap();
        supervisor.delete_child("b").unwrap();
        for gone in [
            supervisor.restart_child("b"),
            supervisor.delete_child("b"),
            supervisor.terminate_child("b"),
        ] {
            assert!(matches!(gone.unwrap_err(), ChildError::NotFound(_)));
        }
        let unsuitable = supervisor.start_instance().unwrap_err();
        assert!(matches!(unsuitable, ChildError::Unsuitable(_)));

        let faulty = Child::new("d", |_: &Life| Err::<(), _>("no")).says_ready();
        let failed = supervisor.start_child(faulty).unwrap_err();
        assert!(matches!(failed, ChildError::StartFailed { .. }));
        assert_eq!(supervisor.children().unwrap().len(), 1, "it is not kept");

        let handle = supervisor.handle().clone();
        supervisor.shutdown().unwrap();
        assert!(matches!(handle.children().unwrap_err(), ChildError::Ended));
    });
}

#[test]
fn an_instance_finds_its_value_after_restarts_too() {
    every_order(|| {
        let (sender, values) = bounded(10);
        let template = Child::new("w", move |life: &Life| {
            sender.send(*life.value::<u32>().unwrap()).unwrap();
            if life.restarts() == 0 {
                return Err("once");
            }
            life.done().recv().map_err(|_| "told")
        });
        let supervisor = Supervisor::builder()
            .strategy(gorge_patterns::supervisor::Strategy::SimpleOneForOne)
            .child(template)
            .start(&background())
            .unwrap();
        supervisor.start_instance_with(7_u32).unwrap();
        assert!(values.iter().take(2).eq([7, 7]));
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn a_terminated_child_is_not_restarted_by_its_delay() {
    every_order(|| {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .backoff(|_| SECOND)
            .child(stage.child("a"))
            .start(&background())
            .unwrap();
        assert_eq!(stage.after("a", Fate::Fail), "+a -a");
        let state = supervisor.children().unwrap()[0].state;
        assert_eq!(state, ChildState::Restarting);
        supervisor.terminate_child("a").unwrap();
        time::sleep_until(time::now() + 2 * SECOND);
        assert_eq!(stage.log.settled(), "");
        supervisor.shutdown().unwrap();
    });
}

#[test]
fn it_works_on_real_runtimes_and_for_threads() {
    let scenario = || {
        let (starts, started) = bounded(100);
        let child = |name: &str| {
            let starts = starts.clone();
            Child::new(name, move |life: &Life| {
                starts.send(life.name().to_owned()).unwrap();
                if life.name() == "b" && life.restarts() < 3 {
                    return Err("a fault");
                }
                life.done().recv().map_err(|_| "told")
            })
        };
        let supervisor = Supervisor::builder()
            .strategy(gorge_patterns::supervisor::Strategy::OneForAll)
            .intensity(3, 60 * SECOND)
            .child(child("a"))
            .child(child("b"))
            .start(&background())
            .unwrap();
        assert_eq!(started.iter().filter(|name| name == "b").take(4).count(), 4);
        assert_eq!(supervisor.children().unwrap().len(), 2);
        supervisor.shutdown().unwrap();
    };
    everywhere(scenario);
    scenario();
}
