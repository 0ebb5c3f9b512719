//! Compartments: who is in, who waits, and who is turned away.

use super::SECOND;
use super::common::everywhere;
use gorge_channel::context::{ContextError, background};
use gorge_patterns::{Bulkhead, BulkheadError};
use gorge_runtime::{go, sim, time, yield_now};
use gorge_sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn there_are_never_more_inside_than_may_be() {
    everywhere(|| {
        let bulkhead = Bulkhead::new(2);
        let inside = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (bulkhead, inside) = (bulkhead.clone(), inside.clone());
                go(move || {
                    let called = bulkhead.call(&background(), || {
                        assert!(inside.fetch_add(1, Ordering::Relaxed) < 2);
                        yield_now();
                        inside.fetch_sub(1, Ordering::Relaxed);
                    });
                    called.expect("any number may wait");
                })
            })
            .collect();
        callers
            .into_iter()
            .for_each(|it| it.join().expect("it was let in"));
        assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
    });
}

#[test]
fn handles_with_other_queues_share_the_places() {
    sim::check(200, || {
        let patient = Bulkhead::new(1);
        let hasty = patient.clone().queue(1);
        let inside = hasty.enter(&background()).expect("it is empty");
        assert_eq!((patient.active(), hasty.active()), (1, 1));
        let waiting = [patient.clone(), patient.clone()].map(|bulkhead| {
            let waits = go(move || bulkhead.call(&background(), || ()));
            sim::settle();
            waits
        });
        assert_eq!((patient.waiting(), hasty.waiting()), (2, 2));
        let full = hasty.enter(&background()).unwrap_err();
        assert!(matches!(full, BulkheadError::Full { max: 1, queue: 2 }));
        drop(inside);
        for waits in waiting {
            waits.join().expect("it ends").expect("any number may wait");
        }
        assert_eq!((patient.active(), hasty.active()), (0, 0));
    });
}

#[test]
fn when_the_queue_is_full_newcomers_are_turned_away_at_once() {
    sim::check(200, || {
        let bulkhead = Bulkhead::new(1).queue(1);
        let inside = bulkhead.enter(&background()).expect("it is empty");
        assert!(matches!(
            bulkhead.try_enter(),
            Err(BulkheadError::Full { max: 1, queue: 0 })
        ));
        let waiting = go({
            let bulkhead = bulkhead.clone();
            move || bulkhead.call(&background(), || ())
        });
        sim::settle();
        let full = bulkhead.enter(&background()).unwrap_err();
        assert!(matches!(full, BulkheadError::Full { max: 1, queue: 1 }));
        assert_eq!(
            full.to_string(),
            "bulkhead: full: 1 calls proceed, and 1 wait"
        );
        drop(inside);
        waiting.join().expect("it ends").expect("it waited");
        assert!(bulkhead.try_enter().is_ok());
    });
}

#[test]
fn patience_and_contexts_end_waits() {
    sim::check(200, || {
        let bulkhead = Bulkhead::new(1).patience(5 * SECOND);
        let inside = bulkhead.enter(&background()).expect("it is empty");
        let start = time::now();
        let late = bulkhead.enter(&background()).unwrap_err();
        assert!(matches!(late, BulkheadError::TimedOut { after } if after == 5 * SECOND));
        assert_eq!(time::now() - start, 5 * SECOND);
        let (context, _guard) = background().with_timeout(SECOND);
        let late = bulkhead.enter(&context).unwrap_err();
        let reason = ContextError::DeadlineExceeded;
        assert!(matches!(late, BulkheadError::Cancelled(it, _) if it == reason));
        let (context, guard) = background().with_cancel();
        guard.cancel_with("enough");
        let cancelled = bulkhead.enter(&context).unwrap_err();
        assert_eq!(
            cancelled.to_string(),
            "bulkhead: the wait was cancelled: enough"
        );
        drop(inside);
        assert!(bulkhead.enter(&background()).is_ok());
    });
}

#[test]
fn those_who_wait_are_let_in_in_order() {
    sim::check(200, || {
        let bulkhead = Bulkhead::new(1);
        let inside = bulkhead.enter(&background()).expect("it is empty");
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters = [0, 1, 2].map(|number| {
            let (bulkhead, order) = (bulkhead.clone(), order.clone());
            let waiter = go(move || bulkhead.call(&background(), || order.lock().push(number)));
            sim::settle();
            waiter
        });
        drop(inside);
        waiters
            .into_iter()
            .for_each(|it| it.join().expect("it ends").expect("it waited"));
        assert_eq!(*order.lock(), [0, 1, 2]);
    });
}

#[test]
fn cancels_at_any_point_lose_no_place() {
    sim::check(1000, || {
        let bulkhead = Bulkhead::new(1);
        let (context, guard) = background().with_cancel();
        let callers = [0, 1, 2, 3].map(|number| {
            let bulkhead = bulkhead.clone();
            let context = if number % 2 == 0 {
                context.clone()
            } else {
                background()
            };
            go(move || _ = bulkhead.call(&context, yield_now))
        });
        yield_now();
        callers[1].cancel();
        guard.cancel();
        for (number, caller) in callers.into_iter().enumerate() {
            assert!(caller.join().is_ok() || number == 1);
        }
        assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
        assert!(bulkhead.try_enter().is_ok());
    });
}

#[test]
fn a_panic_leaves_the_compartment() {
    everywhere(|| {
        let bulkhead = Bulkhead::new(1);
        let calling = go({
            let bulkhead = bulkhead.clone();
            move || bulkhead.call(&background(), || panic!("broken"))
        });
        assert!(calling.join().is_err_and(|error| error.is_panic()));
        assert!(bulkhead.try_enter().is_ok());
    });
}

#[test]
fn a_close_turns_everybody_away() {
    sim::check(200, || {
        let bulkhead = Bulkhead::new(1);
        let inside = bulkhead.enter(&background()).expect("it is empty");
        let waiting = go({
            let bulkhead = bulkhead.clone();
            move || bulkhead.call(&background(), || ())
        });
        yield_now();
        bulkhead.close();
        assert!(matches!(
            waiting.join().expect("it ends"),
            Err(BulkheadError::Closed)
        ));
        assert!(matches!(bulkhead.try_enter(), Err(BulkheadError::Closed)));
        assert_eq!(bulkhead.active(), 1);
        drop(inside);
        assert!(matches!(
            bulkhead.enter(&background()),
            Err(BulkheadError::Closed)
        ));
    });
}

#[test]
#[should_panic(expected = "give one or more")]
fn a_compartment_for_nobody_is_refused() {
    let _bulkhead = Bulkhead::new(0);
}
