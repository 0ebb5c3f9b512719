//! Loom models: machines that fall asleep and wake, those who have work for
//! them, and whoever takes permits away, in every interleaving.
//!
//! The code under test is the scheduler's own: `permits`, `crew`, `sleeper`, `starts` and
//! `inbox`. What is left out is what runs goroutines: common work is a number,
//! homed work a node in an inbox, a thread's sleep loom's. A lost wake-up shows
//! as a deadlock, since a world ends only when everything posted was run.

mod machine;
mod parker;
mod starts;
mod world;

use super::crew::Crew;
use loom::model::Builder;
use loom::thread;
use std::rc::Rc;
use world::{Block, World};

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// Another thread that acts on the world.
fn aside(world: &Rc<World>, act: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
    let world = Rc::clone(world);
    thread::spawn(move || act(&world))
}

#[test]
fn work_that_is_posted_to_a_machine_that_goes_to_rest_is_run() {
    check(3, || {
        let world = World::new(1, 2);
        world.start_machine();
        world.post();
        world.post();
        world.end();
    });
}

#[test]
fn two_machines_run_what_is_posted_while_they_fall_asleep() {
    check(2, || {
        let world = World::new(2, 2);
        world.start_machine();
        world.post();
        world.post();
        world.end();
    });
}

#[test]
fn a_poster_who_finds_no_permit_fails_nobody_who_relied_on_it() {
    check(4, || {
        let world = World::new(1, 2);
        world.add_idle_machine();
        let other = aside(&world, World::post);
        world.post();
        other.join().unwrap();
        world.end();
    });
}

#[test]
fn a_machine_with_work_of_its_own_gets_a_permit() {
    check(3, || {
        let world = World::new(1, 2);
        let first = world.start_machine();
        world.deliver(first);
        world.post();
        world.end();
    });
}

#[test]
fn a_machine_in_line_gets_the_permit_of_one_that_goes_to_rest() {
    check(2, || {
        let world = World::new(1, 2);
        // Holds the permit, until it rests.
        world.start_machine();
        let other = world.add_idle_machine();
        world.post();
        world.deliver(other);
        world.end();
    });
}

#[test]
fn a_permit_that_is_freed_by_a_machine_apart_is_used() {
    check(3, || {
        let world = World::new(1, 2);
        world.add_idle_machine();
        let apart = world.add_machine_apart();
        world.deliver(apart);
        world.post();
        world.end();
    });
}

#[test]
fn a_permit_that_is_taken_from_a_blocked_machine_is_used_once() {
    check(3, || {
        let world = World::new(1, 2);
        world.blocks.set(Some(Block::AMoment));
        let first = world.start_machine();
        world.post();
        world.post();
        world.take_away(first);
        world.end();
    });
}

#[test]
fn work_behind_a_machine_that_blocks_for_long_is_run() {
    check(2, || {
        let world = World::new(1, 2);
        world.blocks.set(Some(Block::UntilTheLast));
        let first = world.start_machine();
        world.post();
        world.post();
        world.monitor.park();
        world.take_away(first);
        world.end();
    });
}

#[test]
fn a_searcher_that_finds_something_passes_the_search_on() {
    check(2, || {
        let world = World::new(2, 2);
        world.blocks.set(Some(Block::UntilTheLast));
        world.start_machine();
        world.post();
        world.post();
        world.end();
    });
}

#[test]
fn a_timer_that_is_armed_while_machines_fall_asleep_is_seen() {
    check(2, || {
        let world = World::new(2, 2);
        world.start_machine();
        world.add_idle_machine();
        world.post();
        world.arm(1);
        world.end();
    });
}

#[test]
fn changing_the_limit_strands_nobody_and_leaves_no_search_counted() {
    check(2, || {
        let world = World::new(2, 2);
        let held = world.hold_permit();
        world.add_idle_machine();
        world.post();
        world.change_limit(1, |_| ());
        world.post();
        world.change_limit(2, |_| ());
        world.give_back(held);
        world.end();
    });
}

#[test]
fn a_machine_that_loses_the_permit_it_was_handed_gets_another() {
    check(3, || {
        let world = World::new(1, 1);
        let held = world.hold_permit();
        let other = world.add_idle_machine();
        world.deliver(other);
        world.change_limit(2, |_| ());
        world.change_limit(1, |_| ());
        world.give_back(held);
        world.end();
    });
}

#[test]
fn a_machine_that_ends_was_not_granted_a_permit() {
    check(3, || {
        let world = World::new(1, 2);
        world.lingers.set(true);
        world.add_idle_machine();
        world.add_idle_machine();
        world.post();
        world.post();
        world.end();
    });
}

#[test]
fn a_monitor_that_falls_asleep_is_woken_by_a_machine_that_gets_up() {
    check(3, || {
        let world = World::new(1, 1);
        world.is_monitored.set(true);
        world.start_machine();
        let poster = aside(&world, World::post);
        world.sleep_while_idle();
        poster.join().unwrap();
        world.end();
    });
}

#[test]
fn what_is_posted_quietly_is_found_by_who_watches() {
    check(3, || {
        let world = World::new(1, 2);
        world.watches_left.set(2);
        world.start_machine();
        world.post_quietly();
        world.post_quietly();
        world.end();
    });
}

#[test]
fn what_is_posted_quietly_is_found_though_its_watcher_is_called() {
    check(2, || {
        let world = World::new(2, 3);
        world.watches_left.set(2);
        world.start_machine();
        world.post_quietly();
        world.post();
        world.post_quietly();
        world.end();
    });
}

#[test]
fn what_is_posted_quietly_is_found_though_its_watcher_gets_no_permit() {
    check(2, || {
        let world = World::new(1, 3);
        world.watches_left.set(2);
        world.start_machine();
        let other = world.add_idle_machine();
        world.post_quietly();
        world.deliver(other);
        world.post_quietly();
        world.end();
    });
}
