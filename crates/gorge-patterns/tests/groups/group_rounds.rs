//! `Group`: what holds from one wait to the next.

use crate::common::{everywhere, settle};
use crate::tools::{SEEDS, text};
use gorge_channel::context::{ContextError, background};
use gorge_channel::{Receiver, bounded};
use gorge_patterns::Group;
use gorge_runtime::primitive::random_below;
use gorge_runtime::{catch_panic, go, sim, yield_now};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

#[test]
fn a_limit_can_be_set_between_rounds() {
    everywhere(|| {
        let group = Group::<(), String>::new(&background());
        for limit in [Some(2), Some(1), None, Some(3)] {
            group.set_limit(limit);
            let (end, ends) = bounded::<()>(0);
            let task = |ends: &Receiver<()>| {
                let ends = ends.clone();
                move || Ok(_ = ends.recv())
            };
            let most = limit.unwrap_or(5);
            for _ in 0..most {
                group.try_go(task(&ends)).unwrap();
            }
            let another = group.try_go(task(&ends));
            assert_eq!(another.is_err_and(|it| it.is_full()), limit.is_some());
            let set = catch_panic(AssertUnwindSafe(|| group.set_limit(7)));
            assert!(text(&*set.unwrap_err()).contains("while tasks run"));
            drop(end);
            group.wait().unwrap();
        }
    });
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_limit_of_none_is_not_set() {
    Group::<(), String>::new(&background()).set_limit(0);
}

#[test]
fn the_context_that_came_with_a_group_ends_with_the_wait() {
    everywhere(|| {
        let (group, ctx) = Group::with_context(&background());
        group.go(|| Ok::<_, String>(1)).unwrap();
        settle();
        assert_eq!(ctx.err(), None);
        assert_eq!(group.wait().unwrap(), [1]);
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
        assert!(group.go(|| Ok(2)).is_err());
        assert!(group.wait().unwrap().is_empty());

        let (group, ctx) = Group::<(), String>::with_context(&background());
        assert!(group.wait_all().is_empty());
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
    });
}

#[test]
fn a_wait_that_is_cancelled_leaves_the_group_as_it_is() {
    sim::check(SEEDS, || {
        let (group, ctx) = Group::with_context(&background());
        let (end, ends) = bounded::<()>(0);
        group.go(move || Ok::<_, String>(_ = ends.recv())).unwrap();
        let group = Arc::new(group);
        let waiter = go({
            let group = Arc::clone(&group);
            move || drop(group.wait())
        });
        (0..random_below(5)).for_each(|_| yield_now());
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is_cancelled());
        assert_eq!(ctx.err(), None);
        drop(end);
        assert_eq!(group.wait().unwrap().len(), 1);
        assert!(ctx.err().is_some());
    });
}
