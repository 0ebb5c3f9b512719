//! Calls that are told how long they may take.

use super::SECOND;
use gorge_channel::context::{ContextError, background};
use gorge_patterns::{WithinError, within};
use gorge_runtime::{go, sim, time};
use std::error::Error;

#[test]
fn it_says_why_a_call_failed() {
    sim::check(50, || {
        let start = time::now();
        let late = within(&background(), SECOND, |ctx| ctx.sleep(60 * SECOND)).unwrap_err();
        assert_eq!(late, WithinError::TimedOut(ContextError::DeadlineExceeded));
        assert!(late.is_timeout() && late.source().is_some());
        assert_eq!(time::now() - start, SECOND);
        let failed = within(&background(), SECOND, |_| Err::<(), _>("no")).unwrap_err();
        assert_eq!((failed.is_timeout(), failed.into_inner()), (false, "no"));
        let (context, _guard) = background().with_timeout(SECOND);
        let outer = within(&context, 60 * SECOND, |ctx| ctx.sleep(90 * SECOND)).unwrap_err();
        assert!(matches!(
            outer,
            WithinError::Cancelled(ContextError::DeadlineExceeded, _)
        ));
    });
}

#[test]
fn what_succeeds_late_succeeds() {
    sim::run(1, || {
        let answer = within(&background(), SECOND, |_| {
            time::sleep(5 * SECOND);
            Ok::<_, ()>(42)
        });
        assert_eq!(answer, Ok(42));
    });
}

#[test]
fn an_outer_cancel_reaches_the_call() {
    sim::check(1000, || {
        let (context, guard) = background().with_cancel();
        let calling = go(move || within(&context, SECOND, |ctx| ctx.sleep(60 * SECOND)));
        guard.cancel();
        let error = calling.join().expect("it ends").unwrap_err();
        assert_eq!(
            error,
            WithinError::Cancelled(ContextError::Canceled, ContextError::Canceled)
        );
    });
}

#[test]
fn what_the_call_derived_ends_with_it() {
    let mut inside = None;
    let answer = within(&background(), SECOND, |ctx| {
        inside = Some(ctx.clone());
        Ok::<_, ()>(())
    });
    assert_eq!(
        (answer, inside.and_then(|ctx| ctx.err())),
        (Ok(()), Some(ContextError::Canceled))
    );
}
