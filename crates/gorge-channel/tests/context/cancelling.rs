//! Contexts: who is cancelled when, and who keeps whom.

use crate::common::{Random, everywhere};
use gorge_channel::context::{self, CancelGuard, Context, ContextError};
use gorge_channel::{Receiver, RecvError, TryRecvError};

fn assert_open(context: &Context) {
    assert_eq!(context.err(), None);
    assert_eq!(context.done().try_recv(), Err(TryRecvError::Empty));
}

fn assert_canceled(context: &Context) {
    assert_eq!(context.done().try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(context.err(), Some(ContextError::Canceled));
}

#[test]
fn the_root_is_never_done() {
    for root in [context::background(), context::todo()] {
        assert_open(&root);
        let done = root.done().clone();
        drop(root);
        assert_eq!(done.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn cancelling_is_seen_at_once_by_all_clones_and_descendants() {
    let (context, guard) = context::background().with_cancel();
    let (child, _child_guard) = context.with_cancel();
    let (grandchild, _grandchild_guard) = child.with_cancel();
    let all = [context.clone(), context, child, grandchild];
    all.iter().for_each(assert_open);
    guard.cancel();
    all.iter().for_each(assert_canceled);
    guard.cancel();
    all.iter().for_each(assert_canceled);
}

#[test]
fn cancelling_a_child_leaves_parent_and_siblings_alone() {
    let (parent, _parent_guard) = context::background().with_cancel();
    let (first, _first_guard) = parent.with_cancel();
    let (second, second_guard) = parent.with_cancel();
    let (third, _third_guard) = parent.with_cancel();
    second_guard.cancel();
    assert_canceled(&second);
    [parent, first, third].iter().for_each(assert_open);
}

#[test]
fn dropping_the_guard_cancels_and_forgetting_it_does_not() {
    let (parent, parent_guard) = context::background().with_cancel();
    let (dropped, guard) = parent.with_cancel();
    drop(guard);
    assert_canceled(&dropped);
    let (forgotten, guard) = parent.with_cancel();
    guard.forget();
    assert_open(&forgotten);
    drop(parent_guard);
    assert_canceled(&forgotten);
}

#[test]
fn a_child_of_a_cancelled_context_is_born_cancelled() {
    let (parent, guard) = context::background().with_cancel();
    guard.cancel();
    let (child, _guard) = parent.with_cancel();
    assert_canceled(&child);
}

#[test]
fn a_descendant_does_not_need_those_between() {
    let (parent, guard) = context::background().with_cancel();
    let (grandchild, _grandchild_guard) = {
        let (child, child_guard) = parent.with_cancel();
        child_guard.forget();
        child.with_cancel()
    };
    assert_open(&grandchild);
    guard.cancel();
    assert_canceled(&grandchild);
}

#[test]
fn dropped_children_leave_the_rest_listed() {
    let mut random = Random(5);
    for _ in 0..50 {
        let (parent, guard) = context::background().with_cancel();
        let mut children: Vec<Option<Context>> = (0..20)
            .map(|_| {
                let (child, guard) = parent.with_cancel();
                guard.forget();
                Some(child)
            })
            .collect();
        for _ in 0..15 {
            children[random.below(20)] = None;
        }
        children.iter().flatten().for_each(assert_open);
        guard.cancel();
        children.iter().flatten().for_each(assert_canceled);
    }
}

#[test]
fn a_cancel_wakes_whoever_waits() {
    everywhere(|parties| {
        let (context, guard) = context::background().with_cancel();
        parties.scope(|scope| {
            let waiting = [0; 3].map(|_| {
                let (child, child_guard) = context.with_cancel();
                scope.spawn(move || {
                    let result = child.done().recv();
                    drop(child_guard);
                    (result, child.err())
                })
            });
            parties.settle();
            guard.cancel();
            for party in waiting {
                assert_eq!(party.join(), (Err(RecvError), Some(ContextError::Canceled)));
            }
        });
    });
}

#[test]
fn receivers_cannot_end_a_context() {
    let (context, guard) = context::background().with_cancel();
    assert!(!context.done().close());
    assert_open(&context);
    let done: Receiver<()> = context.done().clone();
    guard.cancel();
    assert!(!done.close());
    assert!(done.is_closed());
}

#[test]
fn an_error_means_that_done_is_closed_and_the_other_way_round() {
    everywhere(|parties| {
        for _ in 0..300 {
            let (context, guard) = context::background().with_cancel();
            let (context, child_guard) = context.with_cancel();
            parties.scope(|scope| {
                scope.spawn(|| {
                    parties.until(|| context.err().is_some());
                    assert!(context.done().is_closed());
                });
                scope.spawn(|| {
                    parties.until(|| context.done().is_closed());
                    assert!(context.err().is_some());
                });
                guard.cancel();
            });
            drop(child_guard);
        }
    });
}

#[test]
fn a_child_made_while_the_parent_is_cancelled_is_cancelled() {
    everywhere(|parties| {
        for _ in 0..500 {
            let (parent, guard) = context::background().with_cancel();
            parties.scope(|scope| {
                let child = scope.spawn(|| parent.with_cancel());
                guard.cancel();
                let (child, _child_guard) = child.join();
                assert_canceled(&child);
            });
        }
    });
}

#[test]
fn parents_and_children_cancel_and_go_at_the_same_time() {
    fn grow(parent: &Context, depth: usize, leaves: &mut Vec<(Context, CancelGuard)>) {
        for _ in 0..3 {
            let (child, guard) = parent.with_cancel();
            if depth > 0 {
                grow(&child, depth - 1, leaves);
            }
            leaves.push((child, guard));
        }
    }
    everywhere(|parties| {
        for round in 0..20 {
            let (root, root_guard) = context::background().with_cancel();
            let mut nodes = Vec::new();
            grow(&root, 3, &mut nodes);
            let kept: Vec<_> = nodes.iter().map(|(context, _)| context.clone()).collect();
            let half = nodes.split_off(nodes.len() / 2);
            parties.scope(|scope| {
                scope.spawn(move || drop(nodes));
                scope.spawn(move || {
                    for (context, guard) in half {
                        if round % 2 == 0 {
                            guard.forget();
                        }
                        drop(context);
                    }
                });
                root_guard.cancel();
            });
            kept.iter().for_each(assert_canceled);
        }
    });
}

#[test]
fn a_chain_of_a_hundred_thousand_is_cancelled_and_dropped() {
    fn chain(root: &Context) -> Context {
        let mut last = root.clone();
        for _ in 0..100_000 {
            let (next, guard) = last.with_cancel();
            guard.forget();
            last = next;
        }
        last
    }
    let (root, guard) = context::background().with_cancel();
    let dropped = chain(&root);
    assert_open(&dropped);
    drop(dropped);
    let cancelled = chain(&root);
    guard.cancel();
    assert_canceled(&cancelled);
    drop(root);
    drop(cancelled);
}

#[test]
fn a_hundred_thousand_children_are_cancelled() {
    let (parent, guard) = context::background().with_cancel();
    let children: Vec<_> = (0..100_000).map(|_| parent.with_cancel()).collect();
    guard.cancel();
    for (child, _) in &children {
        assert_canceled(child);
    }
}

#[test]
fn contexts_and_guards_cross_threads_and_unwinding() {
    fn check<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    check::<Context>();
    check::<CancelGuard>();
    let (context, guard) = context::todo().with_cancel();
    assert_eq!(format!("{guard:?}"), "CancelGuard { .. }");
    assert_eq!(format!("{context:?}"), "context.TODO.WithCancel");
    assert_eq!(ContextError::Canceled.to_string(), "context canceled");
    assert_eq!(
        ContextError::DeadlineExceeded.to_string(),
        "context deadline exceeded"
    );
}

#[test]
fn only_contexts_with_a_guard_above_them_can_be_cancelled() {
    assert!(!context::background().is_cancellable());
    assert!(!context::todo().is_cancellable());
    let (child, _guard) = context::background().with_cancel();
    assert!(child.is_cancellable());
}
