//! Ends at any point, in every order: by the context, by a drop, by a cancel. A simulation
//! fails by itself if a goroutine is left.

use crate::common::everywhere;
use crate::support::{Fate, SECOND, Stage, quiet_panic};
use gorge_channel::context::background;
use gorge_patterns::Supervisor;
use gorge_patterns::supervisor::{Builder, Child, Life, Strategy};
use gorge_runtime::{go, num_goroutines, sim, time, yield_now};

/// Children that come and go all the time.
fn restless(strategy: Strategy) -> Builder {
    let steady = Child::new("steady", |life: &Life| {
        yield_now();
        life.ready();
        life.done().recv().map_err(|_| "told")
    });
    let faulty = Child::new("faulty", |life: &Life| match life.restarts() % 3 {
        0 => Err("a fault"),
        1 => quiet_panic(),
        _ => {
            yield_now();
            Ok(())
        }
    });
    let last = Child::new("last", |life: &Life| {
        let _ = life.done().recv();
    });
    Supervisor::builder()
        .strategy(strategy)
        .intensity(5, SECOND)
        .child(steady.says_ready())
        .child(faulty)
        .child(last)
}

#[test]
fn a_cancel_at_any_point_stops_all() {
    sim::check(1000, || {
        let strategies = [
            Strategy::OneForOne,
            Strategy::OneForAll,
            Strategy::RestForOne,
        ];
        let strategy = strategies[gorge_runtime::primitive::random_below(3)];
        let (ctx, guard) = background().with_cancel();
        let supervised = go(move || restless(strategy).start(&ctx).map(Supervisor::wait));
        for _ in 0..gorge_runtime::primitive::random_below(40) {
            yield_now();
        }
        guard.cancel();
        let _ = supervised.join().unwrap();
        assert_eq!(num_goroutines(), 1, "all have ended before it does");
    });
}

#[test]
fn a_drop_at_any_point_stops_all() {
    sim::check(1000, || {
        let Ok(supervisor) = restless(Strategy::OneForAll).start(&background()) else {
            return;
        };
        for _ in 0..gorge_runtime::primitive::random_below(40) {
            yield_now();
        }
        drop(supervisor);
    });
}

#[test]
fn a_cancel_of_who_starts_or_waits_stops_all() {
    sim::check(1000, || {
        let tree =
            Supervisor::builder().child(Child::supervisor("in", restless(Strategy::OneForOne)));
        let owner = go(move || tree.start(&background()).map(Supervisor::wait));
        for _ in 0..gorge_runtime::primitive::random_below(40) {
            yield_now();
        }
        owner.cancel();
        let _ = owner.join();
    });
}

#[test]
fn a_nested_supervisor_that_is_killed_leaves_nobody() {
    sim::check(1000, || {
        let inner = Child::supervisor("in", restless(Strategy::OneForOne));
        let kill = gorge_patterns::supervisor::Shutdown::Kill;
        let outer = Supervisor::builder().child(inner.shutdown(kill));
        let Ok(supervisor) = outer.start(&background()) else {
            return;
        };
        for _ in 0..gorge_runtime::primitive::random_below(20) {
            yield_now();
        }
        let _ = supervisor.shutdown();
    });
}

#[test]
fn commands_at_any_point_are_answered() {
    sim::check(1000, || {
        let stage = Stage::default();
        let supervisor = Supervisor::builder()
            .intensity(1, 10 * SECOND)
            .child(stage.child("a"))
            .start(&background())
            .unwrap();
        let askers = [0, 1].map(|number| {
            let (handle, child) = (supervisor.handle().clone(), stage.child("b"));
            go(move || {
                let _ = handle.start_child(child);
                let _ = handle.terminate_child(if number == 0 { "a" } else { "b" });
                let _ = handle.restart_child("a");
                let _ = handle.delete_child("b");
                handle.children().map_or(0, |children| children.len())
            })
        });
        stage.end("a", Fate::Fail);
        time::sleep_until(time::now() + SECOND / 500);
        let _ = supervisor.shutdown();
        let _ = askers.map(|asker| asker.join().unwrap());
    });
}

#[test]
fn all_of_it_ends_on_real_runtimes() {
    everywhere(|| {
        for turns in [0, 1, 5, 20, 100] {
            let Ok(supervisor) = restless(Strategy::RestForOne).start(&background()) else {
                continue;
            };
            (0..turns).for_each(|_| yield_now());
            let _ = supervisor.shutdown();
            assert_eq!(num_goroutines(), 1);
        }
    });
}
