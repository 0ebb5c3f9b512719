//! `Monitor`: one after the other, panics, ends.

use crate::common::{cancellable, everywhere, wait_for};
use crate::tools::{SEEDS, cancelled_at_any_point, text};
use gorge_channel::bounded;
use gorge_channel::context::background;
use gorge_patterns::{Monitor, MonitorError};
use gorge_runtime::{catch_panic, go, sim, time, yield_now};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn the_teller_serves_one_after_the_other() {
    sim::check(SEEDS, || {
        let account = Monitor::new(&background(), 100_i64);
        let customers: Vec<_> = (0..3)
            .map(|_| {
                let account = account.clone();
                go(move || {
                    let withdraw = |balance: &mut i64| {
                        let seen = *balance;
                        yield_now();
                        if seen >= 40 {
                            *balance = seen - 40;
                        }
                        seen >= 40
                    };
                    account.call(&background(), withdraw).unwrap()
                })
            })
            .collect();
        let served = customers
            .into_iter()
            .filter(|_| true)
            .map(|it| it.join().unwrap());
        assert_eq!(served.filter(|it| *it).count(), 2);
        assert_eq!(account.stop(), Ok(20));
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_monitor_goes_on() {
    everywhere(|| {
        let monitor = Monitor::new(&background(), 1);
        let call = || {
            monitor.call(&background(), |state| {
                *state += 1;
                panic!("a panic that the test wants")
            })
        };
        let payload = catch_panic(AssertUnwindSafe(|| -> Result<(), _> { call() })).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants");
        assert_eq!(monitor.call(&background(), |state| *state), Ok(2));
        assert_eq!(monitor.stop(), Ok(2));
    });
}

#[test]
fn a_panic_of_a_cast_ends_it_and_reaches_whoever_stops_it() {
    everywhere(|| {
        let monitor = Monitor::new(&background(), 1);
        monitor
            .cast(|_| panic!("a panic that the test wants"))
            .unwrap();
        assert_eq!(
            monitor.call(&background(), |state| *state),
            Err(MonitorError::Ended)
        );
        wait_for(|| monitor.has_ended());
        assert_eq!(monitor.cast(|_| ()), Err(MonitorError::Ended));
        let payload = catch_panic(AssertUnwindSafe(|| monitor.stop())).unwrap_err();
        assert_eq!(text(&*payload), "a panic that the test wants");
    });
}

#[test]
fn what_is_in_the_mailbox_is_done_before_it_stops() {
    everywhere(|| {
        let monitor = Monitor::bounded(&background(), 2, Vec::new());
        let other = monitor.clone();
        for number in 0..20 {
            monitor.cast(move |list| list.push(number)).unwrap();
        }
        assert!(monitor.stop().unwrap().into_iter().eq(0..20));
        assert_eq!(other.stop(), Err(MonitorError::Ended));
    });
}

#[test]
fn a_caller_leaves_and_what_has_not_begun_is_left_out() {
    sim::check(SEEDS, || {
        let monitor = Monitor::new(&background(), 0);
        let (release, released) = bounded::<()>(0);
        monitor
            .cast(move |_| assert!(released.recv().is_err()))
            .unwrap();
        let (ctx, _guard) = background().with_timeout(Duration::from_secs(1));
        let begin = time::now();
        let left = monitor.call(&ctx, |state| *state += 1).unwrap_err();
        assert!(matches!(left, MonitorError::Cancelled(reason) if reason.is_timeout()));
        assert_eq!(time::now() - begin, Duration::from_secs(1));
        drop(release);
        assert_eq!(monitor.stop(), Ok(0));
    });
}

#[test]
fn a_result_that_nobody_wants_may_panic_when_it_is_dropped() {
    struct Explosive;
    impl Drop for Explosive {
        fn drop(&mut self) {
            resume_unwind(Box::new("a panic that the test wants"));
        }
    }
    sim::check(SEEDS, || {
        let monitor = Monitor::new(&background(), 1);
        let (ctx, guard) = background().with_cancel();
        let (begun, has_begun) = bounded::<()>(0);
        let leaves = go(move || {
            has_begun.recv().unwrap();
            guard.cancel();
        });
        let (left, has_left) = bounded::<()>(0);
        let called = monitor.call(&ctx, move |state| {
            *state += 1;
            begun.send(()).unwrap();
            assert!(has_left.recv().is_err());
            Explosive
        });
        assert!(matches!(called, Err(MonitorError::Cancelled(_))));
        drop(left);
        assert_eq!(monitor.call(&background(), |state| *state), Ok(2));
        leaves.join().unwrap();
        assert_eq!(monitor.stop(), Ok(2));
    });
}

#[test]
fn it_ends_with_its_context_and_with_its_last_handle() {
    everywhere(|| {
        let (ctx, guard) = cancellable();
        let state = Arc::new(());
        let monitor = Monitor::new(&ctx, state.clone());
        drop(monitor);
        wait_for(|| Arc::strong_count(&state) == 1);
        let monitor = Monitor::new(&ctx, state.clone());
        guard.cancel();
        wait_for(|| monitor.has_ended());
        assert_eq!(
            monitor.call(&background(), |_| ()),
            Err(MonitorError::Ended)
        );
        assert!(monitor.stop().is_ok(), "the state is still there to be had");
    });
}

#[test]
fn a_call_from_within_is_refused() {
    everywhere(|| {
        let monitor = Monitor::new(&background(), 0);
        let inner = monitor.clone();
        let call = || monitor.call(&background(), move |_| inner.call(&background(), |_| ()));
        let payload = catch_panic(AssertUnwindSafe(call)).unwrap_err();
        assert!(text(&*payload).contains("would wait for itself"));
    });
}

#[test]
fn a_cancel_at_any_point_leaves_nobody() {
    cancelled_at_any_point(|ctx| {
        let monitor = Monitor::bounded(ctx, 1, 0);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (monitor, ctx) = (monitor.clone(), ctx.clone());
                go(move || _ = monitor.call(&ctx, |state| *state += 1))
            })
            .collect();
        _ = monitor.cast(|state| *state += 1);
        _ = monitor.call(ctx, |state| *state);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(monitor.stop().is_ok());
    });
}
