//! Why a context ended: the first reason and its cause count, whoever gave them.

use crate::common::{LONG, everywhere};
use gorge_channel::context::{self, CancelGuard, Context, ContextError};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A cause of its own type.
#[derive(Debug, PartialEq)]
struct Why(&'static str);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Why {}

const PARENT: Why = Why("parentCause");
const CHILD: Why = Why("childCause");
const SLOW: Why = Why("tooSlow");

#[track_caller]
fn assert_why(context: &Context, reason: ContextError, why: Why) {
    assert_eq!(context.err(), Some(reason));
    let cause = context.cause().expect("it has ended");
    assert_eq!(cause.downcast_ref::<Why>(), Some(&why), "{cause}");
}

/// The cause is the reason.
#[track_caller]
fn assert_plain(context: &Context, reason: ContextError) {
    assert_eq!(context.err(), Some(reason));
    let cause = context.cause().expect("it has ended");
    assert_eq!(cause.downcast_ref::<ContextError>(), Some(&reason));
}

#[track_caller]
fn assert_none(context: &Context) {
    assert_eq!(context.err(), None);
    assert!(context.cause().is_none());
}

fn pair() -> ((Context, CancelGuard), (Context, CancelGuard)) {
    let parent = context::background().with_cancel();
    let child = parent.0.with_cancel();
    (parent, child)
}

// TestCause: Background, TODO, WithCancel, WithCancelCause
#[test]
fn a_cause_is_what_the_canceller_says_or_the_reason() {
    assert_none(&context::background());
    assert_none(&context::todo());
    let (context, guard) = context::background().with_cancel();
    assert_none(&context);
    guard.cancel();
    assert_plain(&context, ContextError::Canceled);

    let (context, guard) = context::background().with_cancel();
    guard.cancel_with(PARENT);
    assert_why(&context, ContextError::Canceled, PARENT);
    guard.cancel_with(CHILD);
    drop(guard);
    assert_why(&context, ContextError::Canceled, PARENT);
}

// TestCause: parent before child, parent after child, and with nothing said
#[test]
fn the_first_cause_counts_and_goes_down_but_not_up() {
    let ((parent, parent_guard), (child, child_guard)) = pair();
    parent_guard.cancel_with(PARENT);
    child_guard.cancel_with(CHILD);
    assert_why(&parent, ContextError::Canceled, PARENT);
    assert_why(&child, ContextError::Canceled, PARENT);

    let ((parent, parent_guard), (child, child_guard)) = pair();
    child_guard.cancel_with(CHILD);
    assert_none(&parent);
    parent_guard.cancel_with(PARENT);
    assert_why(&parent, ContextError::Canceled, PARENT);
    assert_why(&child, ContextError::Canceled, CHILD);

    let ((parent, parent_guard), (child, child_guard)) = pair();
    parent_guard.cancel();
    child_guard.cancel_with(CHILD);
    assert_plain(&parent, ContextError::Canceled);
    assert_plain(&child, ContextError::Canceled);

    let ((parent, parent_guard), (child, child_guard)) = pair();
    child_guard.cancel();
    parent_guard.cancel_with(PARENT);
    assert_plain(&child, ContextError::Canceled);
    assert_why(&parent, ContextError::Canceled, PARENT);
}

// TestCause: WithTimeout, WithTimeoutCause and what is stacked on them
#[test]
fn a_deadlines_cause_counts_if_it_passes() {
    let (late, guard) = context::background().with_timeout(Duration::ZERO);
    assert_plain(&late, ContextError::DeadlineExceeded);
    guard.cancel_with(CHILD);
    assert_plain(&late, ContextError::DeadlineExceeded);

    let (canceled, guard) = context::background().with_timeout(LONG);
    guard.cancel();
    assert_plain(&canceled, ContextError::Canceled);

    let (late, _guard) = context::background().with_timeout_cause(Duration::ZERO, SLOW);
    assert_why(&late, ContextError::DeadlineExceeded, SLOW);

    let (canceled, guard) = context::background().with_timeout_cause(LONG, SLOW);
    guard.cancel();
    assert_plain(&canceled, ContextError::Canceled);

    let (parent, parent_guard) = context::background().with_cancel();
    let (late, _late_guard) = parent.with_timeout_cause(Duration::ZERO, SLOW);
    parent_guard.cancel_with(PARENT);
    assert_why(&late, ContextError::DeadlineExceeded, SLOW);

    let (parent, parent_guard) = context::background().with_cancel();
    let (timed, _timed_guard) = parent.with_timeout_cause(LONG, SLOW);
    parent_guard.cancel_with(PARENT);
    assert_why(&timed, ContextError::Canceled, PARENT);

    let now = gorge_channel::time::now();
    let (late, _guard) = context::background().with_deadline_cause(now, SLOW);
    let (child, child_guard) = late.with_cancel();
    child_guard.cancel_with(CHILD);
    assert_why(&child, ContextError::DeadlineExceeded, SLOW);
}

// TestCause: WithoutCancel; TestWithoutCancel
#[test]
fn without_cancel_there_is_neither_reason_nor_deadline_nor_cause() {
    let (parent, parent_guard) = context::background().with_cancel();
    let (late, _guard) = parent.with_value(7_u8).with_timeout(Duration::ZERO);
    parent_guard.cancel_with(PARENT);
    for parent in [parent, late] {
        let free = parent.without_cancel();
        assert_none(&free);
        assert_eq!(free.deadline(), None);
        assert!(!free.is_cancellable());
        assert!(free.done().try_recv().is_err_and(|error| error.is_empty()));
        assert_eq!(free.value::<u8>(), parent.value::<u8>());
        let (child, child_guard) = free.with_cancel();
        assert_none(&child);
        child_guard.cancel_with(CHILD);
        assert_why(&child, ContextError::Canceled, CHILD);
        assert_none(&free);
    }
}

// TestWithCancelCanceledParent
#[test]
fn a_child_of_a_cancelled_context_has_its_cause() {
    let (parent, guard) = context::background().with_cancel();
    guard.cancel_with(PARENT);
    let (child, _child_guard) = parent.with_value(1).with_cancel();
    assert!(child.done().is_closed());
    assert_why(&child, ContextError::Canceled, PARENT);
    let (timed, _timed_guard) = parent.with_timeout_cause(Duration::ZERO, SLOW);
    assert_why(&timed, ContextError::Canceled, PARENT);
}

// TestCauseRace
#[test]
fn a_cause_is_seen_whole_or_not_at_all() {
    everywhere(|parties| {
        for _ in 0..100 {
            let (context, guard) = context::background().with_cancel();
            let (child, _child_guard) = context.with_cancel();
            parties.scope(|scope| {
                for context in [&context, &child] {
                    scope.spawn(move || {
                        parties.until(|| context.cause().is_some());
                        assert_why(context, ContextError::Canceled, PARENT);
                    });
                }
                guard.cancel_with(PARENT);
            });
        }
    });
}

#[test]
fn of_many_who_cancel_one_is_believed_by_all() {
    everywhere(|parties| {
        for _ in 0..50 {
            let (context, guard) = context::background().with_cancel();
            let (child, child_guard) = context.with_cancel();
            parties.scope(|scope| {
                for why in [PARENT, CHILD, SLOW] {
                    let guard = &guard;
                    scope.spawn(move || guard.cancel_with(why));
                }
            });
            let of = |context: &Context| context.cause().expect("it has ended").to_string();
            assert_eq!(of(&context), of(&child));
            child_guard.cancel_with("late");
            assert_eq!(of(&context), of(&child));
        }
    });
}

#[test]
fn a_cause_may_be_an_error_or_a_text() {
    let text = |cancel: &dyn Fn(&CancelGuard)| {
        let (context, guard) = context::background().with_cancel();
        cancel(&guard);
        context.cause().expect("it has ended").to_string()
    };
    assert_eq!(text(&|guard| guard.cancel_with("a text")), "a text");
    assert_eq!(
        text(&|guard| guard.cancel_with(String::from("owned"))),
        "owned"
    );
    assert_eq!(
        text(&|guard| guard.cancel_with(io::Error::other("io"))),
        "io"
    );
    let boxed = || Box::<dyn Error + Send + Sync>::from("boxed");
    assert_eq!(text(&|guard| guard.cancel_with(boxed())), "boxed");
    // One context's cause, passed on to another one, is the same one.
    let (first, first_guard) = context::background().with_cancel();
    let (second, second_guard) = context::background().with_cancel();
    first_guard.cancel_with(SLOW);
    let cause = first.cause().expect("it has ended");
    second_guard.cancel_with(Arc::clone(&cause));
    assert!(Arc::ptr_eq(&cause, &second.cause().expect("it has ended")));
}

/// What is dropped under a lock would find it taken.
#[test]
fn causes_and_values_may_use_contexts_where_they_are_dropped() {
    #[derive(Debug)]
    struct Busy(Context);
    impl fmt::Display for Busy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("busy")
        }
    }
    impl Error for Busy {}
    impl Drop for Busy {
        fn drop(&mut self) {
            let (child, guard) = self.0.with_cancel();
            drop(guard);
            assert!(child.err().is_some());
        }
    }
    let (context, guard) = context::background().with_cancel();
    let (child, child_guard) = context.with_cancel();
    let child = child.with_value(Arc::new(Busy(context.clone())));
    guard.cancel_with(Busy(context::todo()));
    guard.cancel_with(Busy(context.clone()));
    child_guard.cancel_with(Busy(child.clone()));
    drop(child);
}

// TestDeadlineExceededSupportsTimeout, TestDeadlineExceededIsNetError
#[test]
fn a_deadline_is_a_timeout_and_a_cancel_is_not() {
    assert!(ContextError::DeadlineExceeded.is_timeout());
    assert!(!ContextError::Canceled.is_timeout());
    let kinds = [ContextError::DeadlineExceeded, ContextError::Canceled].map(|error| {
        let error = io::Error::from(error);
        (error.kind(), error.to_string())
    });
    assert_eq!(
        kinds,
        [
            (io::ErrorKind::TimedOut, "context deadline exceeded".into()),
            (io::ErrorKind::Other, "context canceled".into()),
        ]
    );
}

// TestValues
#[test]
fn values_are_found_by_type_and_the_last_counts() {
    #[derive(Debug, PartialEq)]
    struct User(u64);
    struct Other(u64);
    let background = context::background();
    assert_eq!(background.value::<User>(), None);
    let first = background.with_value(User(1));
    let (second, _guard) = first.with_value(Other(1)).with_cancel();
    let third = second.with_value(User(3)).with_value(None::<String>);
    assert_eq!(first.value(), Some(&User(1)));
    assert_eq!(second.value(), Some(&User(1)));
    assert_eq!(third.value(), Some(&User(3)));
    assert_eq!(third.value::<Option<String>>(), Some(&None));
    assert!(first.value::<Other>().is_none());
    assert_eq!(third.value::<Other>().map(|other| other.0), Some(1));
    let (kept, _guard) = third.with_cancel();
    drop((first, second, third));
    assert_eq!(kept.value(), Some(&User(3)));
}

#[test]
fn it_shows_how_it_came_about() {
    let (context, _guard) = context::background().with_cancel();
    assert_eq!(context.to_string(), "context.Background.WithCancel");
    let context = context.with_value("no text of it").without_cancel();
    let (context, _guard) = context.with_cancel();
    assert_eq!(
        context.to_string(),
        "context.Background.WithCancel.WithValue(type &str).WithoutCancel.WithCancel"
    );
    let shown = context::todo().with_value(Box::new(1_u8)).to_string();
    assert_eq!(shown, "context.TODO.WithValue(type alloc::boxed::Box<u8>)");
}

#[test]
fn chains_of_values_may_be_long() {
    let (mut context, _guard) = context::background().with_value("first").with_cancel();
    for number in 0..100_000_u64 {
        context = context.with_value(number);
    }
    assert_eq!(context.value::<&str>(), Some(&"first"));
    assert_eq!(context.value::<u64>(), Some(&99_999));
    assert_eq!(context.to_string().matches(".WithValue").count(), 100_001);
    let (child, _child_guard) = context.with_timeout(LONG);
    assert_eq!(child.err(), None);
}
