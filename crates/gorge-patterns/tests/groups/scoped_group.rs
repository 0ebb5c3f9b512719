//! `group_scope`: tasks that borrow.

use crate::common::everywhere;
use crate::tools::{cancelled_at_any_point, text};
use gorge_channel::context::background;
use gorge_patterns::{Group, OnError, group_scope};
use gorge_runtime::catch_panic;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn tasks_borrow_and_values_keep_their_order() {
    everywhere(|| {
        let words = ["some", "words", "of", "mine"];
        let lengths = group_scope(&background(), |group| {
            for word in &words {
                group.go(|| Ok::<_, String>(word.len())).unwrap();
            }
        });
        assert_eq!(lengths.unwrap(), [4, 5, 2, 4]);
    });
}

#[test]
fn the_first_error_ends_the_others() {
    everywhere(|| {
        let told = AtomicUsize::new(0);
        let result = group_scope(&background(), |group| {
            for _ in 0..3 {
                let ctx = group.context().clone();
                group
                    .go_named("waits", || {
                        assert!({ ctx }.done().recv().is_err());
                        told.fetch_add(1, Relaxed);
                        Ok(())
                    })
                    .unwrap();
            }
            group.go(|| Err("no")).unwrap();
        });
        assert_eq!(result.unwrap_err().to_string(), "task 3: no");
        assert_eq!(told.load(Relaxed), 3);
    });
}

#[test]
fn a_panic_of_a_task_or_of_the_body_continues() {
    everywhere(|| {
        let in_task = || {
            group_scope(&background(), |group| {
                group
                    .go(|| -> Result<(), String> { panic!("a panic that the test wants") })
                    .unwrap();
            })
        };
        let payload = catch_panic(AssertUnwindSafe(in_task)).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants");
        let in_body = || {
            group_scope::<(), String, _>(&background(), |group| {
                let ctx = group.context().clone();
                group
                    .go(move || {
                        assert!(ctx.done().recv().is_err());
                        Ok(())
                    })
                    .unwrap();
                panic!("a panic of the body that the test wants");
            })
        };
        let payload = catch_panic(AssertUnwindSafe(in_body)).unwrap_err();
        assert_eq!(text(&*payload), "a panic of the body that the test wants");
    });
}

#[test]
fn the_rules_are_those_of_a_group() {
    everywhere(|| {
        let builder = Group::<(), String>::builder()
            .limit(1)
            .on_error(OnError::CollectAll);
        let result = builder.scope(&background(), |group| {
            for number in 0..4 {
                group.go(move || Err::<(), _>(format!("{number}"))).unwrap();
            }
        });
        let failures = result.unwrap_err().into_failures();
        assert!(failures.iter().map(|failure| failure.index()).eq(0..4));
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let numbers = [1, 2, 3];
        let result = group_scope(ctx, |group| {
            for number in &numbers {
                let ctx = group.context().clone();
                let task = move || match number {
                    3 => {
                        assert!(ctx.done().recv().is_err());
                        Ok::<_, String>(())
                    }
                    _ => Ok(()),
                };
                if group.go(task).is_err() {
                    break;
                }
            }
        });
        assert!(result.is_ok());
    });
}
