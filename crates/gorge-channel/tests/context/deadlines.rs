//! Contexts with deadlines: when they end, and why. In virtual time, where that is exact;
//! and in every setting, where time passes by itself.

use crate::common::{self, LONG, Random, SHORT, everywhere, in_virtual_time};
use gorge_channel::context::{self, CancelGuard, Context, ContextError};
use gorge_channel::{RecvTimeoutError, TryRecvError, select, time};
use gorge_runtime::{go, goroutine};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[track_caller]
fn assert_open(context: &Context) {
    assert_eq!(context.done().try_recv(), Err(TryRecvError::Empty));
    assert_eq!((context.err(), context.done().is_closed()), (None, false));
    assert!(context.cause().is_none());
}

#[track_caller]
fn assert_ended(context: &Context, reason: ContextError) {
    assert_eq!(context.done().try_recv(), Err(TryRecvError::Disconnected));
    assert!(context.done().is_closed());
    assert_eq!(context.err(), Some(reason));
}

/// A context in the ways that it may be wrapped.
fn wrapped(context: &Context) -> Vec<(Context, Option<CancelGuard>)> {
    let (child, guard) = context.with_cancel();
    let (timed, timed_guard) = context.with_timeout(1000 * MS);
    let (grandchild, grandchild_guard) = child.with_value(5_u8).with_cancel();
    vec![
        (context.clone(), None),
        (context.with_value("text"), None),
        (child, Some(guard)),
        (timed, Some(timed_guard)),
        (grandchild, Some(grandchild_guard)),
    ]
}

// TestDeadline, TestTimeout, and the example of synctest: not at t - 1 ns, but at t.
#[test]
fn a_deadline_ends_a_context_and_all_below_it_exactly_then() {
    in_virtual_time(|| {
        let start = time::now();
        let (first, _first_guard) = context::background().with_timeout(50 * MS);
        let (second, _second_guard) = context::todo().with_deadline(start + 50 * MS);
        let all: Vec<_> = [first, second].iter().flat_map(wrapped).collect();
        assert!(
            all.iter()
                .all(|(it, _)| it.deadline() == Some(start + 50 * MS))
        );
        time::sleep_until(start + 50 * MS - Duration::from_nanos(1));
        all.iter().for_each(|(it, _)| assert_open(it));
        time::sleep_until(start + 50 * MS);
        for (it, _) in &all {
            assert_ended(it, ContextError::DeadlineExceeded);
        }
    });
}

#[test]
fn whoever_waits_is_woken_at_the_deadline() {
    in_virtual_time(|| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(50 * MS);
        let waiters: Vec<_> = wrapped(&context)
            .into_iter()
            .map(|(it, guard)| {
                go(move || {
                    let received = it.done().recv();
                    drop(guard);
                    (received.is_err(), it.err(), time::now() - start)
                })
            })
            .collect();
        for waiter in waiters {
            let expected = (true, Some(ContextError::DeadlineExceeded), 50 * MS);
            assert_eq!(waiter.join().expect("no panic"), expected);
        }
    });
}

// TestDeadline: the last two cases; TestTimeout with nothing.
#[test]
fn a_deadline_that_has_passed_ends_it_at_once() {
    everywhere(|_| {
        let now = time::now();
        for at in [
            now,
            now.checked_sub(MS).expect("the machine runs for longer"),
        ] {
            let (context, guard) = context::background().with_deadline(at);
            assert_ended(&context, ContextError::DeadlineExceeded);
            drop(guard);
            assert_ended(&context, ContextError::DeadlineExceeded);
        }
        let (context, _guard) = context::background().with_timeout(Duration::ZERO);
        assert_ended(&context, ContextError::DeadlineExceeded);
        let (child, _guard) = context.with_cancel();
        assert_ended(&child, ContextError::DeadlineExceeded);
    });
}

// TestDeadline: the child's deadline is later; and the other way round.
#[test]
fn the_earlier_deadline_counts() {
    in_virtual_time(|| {
        let start = time::now();
        let (parent, _parent_guard) = context::background().with_deadline(start + 50 * MS);
        let (later, _later_guard) = parent.with_deadline(start + 90 * MS);
        let (sooner, _sooner_guard) = parent.with_deadline(start + 20 * MS);
        assert_eq!(later.deadline(), Some(start + 50 * MS));
        assert_eq!(sooner.deadline(), Some(start + 20 * MS));
        assert_eq!(later.to_string(), format!("{parent}.WithCancel"));
        assert!(sooner.done().recv().is_err());
        assert_eq!(time::now(), start + 20 * MS);
        assert_open(&later);
        assert!(later.done().recv().is_err());
        assert_eq!(time::now(), start + 50 * MS);
    });
}

// TestCanceledTimeout
#[test]
fn a_cancel_before_the_deadline_is_a_cancel() {
    everywhere(|_| {
        let (context, guard) = context::background().with_timeout(LONG);
        let all = wrapped(&context);
        all.iter().for_each(|(it, _)| assert_open(it));
        guard.cancel();
        for (it, _) in &all {
            assert_ended(it, ContextError::Canceled);
        }
    });
}

/// Nobody has looked since: the deadline came before the cancel even so.
#[test]
fn a_cancel_after_the_deadline_changes_nothing() {
    in_virtual_time(|| {
        let (root, root_guard) = context::background().with_cancel();
        let (timed, timed_guard) = root.with_timeout_cause(50 * MS, "slow");
        let (child, child_guard) = timed.with_cancel();
        let (sibling, _sibling_guard) = root.with_cancel();
        time::sleep(50 * MS);
        match goroutine_number() % 3 {
            0 => root_guard.cancel_with("stop"),
            1 => timed_guard.cancel_with("stop"),
            _ => child_guard.cancel_with("stop"),
        }
        for it in [&timed, &child] {
            assert_ended(it, ContextError::DeadlineExceeded);
            assert_eq!(it.cause().expect("it has ended").to_string(), "slow");
        }
        root_guard.cancel();
        assert_ended(&sibling, ContextError::Canceled);
        assert_ended(&root, ContextError::Canceled);
    });
}

/// Something that differs from run to run.
fn goroutine_number() -> u64 {
    gorge_runtime::primitive::random_below(3) as u64
}

#[test]
fn a_timeout_beyond_all_clocks_never_passes() {
    in_virtual_time(|| {
        let (context, _guard) = context::background().with_timeout(Duration::MAX);
        assert_eq!(context.deadline(), None);
        let waited = context
            .done()
            .recv_timeout(Duration::from_secs(3600 * 24 * 365));
        assert_eq!(waited, Err(RecvTimeoutError::Timeout));
        assert_open(&context);
    });
}

#[test]
fn a_select_hears_of_a_deadline_in_time() {
    in_virtual_time(|| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(5 * MS);
        let timer = time::Timer::new(9 * MS);
        let is_done = select! {
            recv(context.done()) -> _ => true,
            recv(timer) -> _ => false,
        };
        assert_eq!((is_done, time::now() - start), (true, 5 * MS));
        let is_done = select! {
            recv(context.done()) -> _ => true,
            default => false,
        };
        assert!(is_done);
        let mut select = gorge_channel::Select::new();
        select.recv(context.done());
        assert_eq!(select.ready(), 0);
    });
}

// TestLayersCancel, TestLayersTimeout
#[test]
fn layers_of_all_kinds_end_together_and_keep_their_values() {
    struct Layer(usize);
    in_virtual_time(|| {
        let mut random = Random(7 + goroutine_number());
        for round in 0..20 {
            let (mut context, root_guard) = context::background().with_cancel();
            let (mut guards, mut values, mut deadlines) = (Vec::new(), Vec::new(), 0);
            for layer in 0..30 {
                match random.below(3) {
                    0 => {
                        let (next, guard) = context.with_cancel();
                        guards.push(guard);
                        context = next;
                    }
                    1 => {
                        let (next, guard) = context.with_timeout((100 + layer as u32) * MS);
                        deadlines += 1;
                        guards.push(guard);
                        context = next;
                    }
                    _ => {
                        values.push(layer);
                        context = context.with_value(Layer(layer));
                    }
                }
            }
            assert_open(&context);
            let reason = match (round % 2, deadlines) {
                (0, 1..) => {
                    time::sleep(200 * MS);
                    ContextError::DeadlineExceeded
                }
                _ => {
                    root_guard.cancel();
                    ContextError::Canceled
                }
            };
            assert_ended(&context, reason);
            let last = context.value().map(|Layer(layer)| *layer);
            assert_eq!(last, values.last().copied());
        }
    });
}

#[test]
fn real_deadlines_pass_for_whoever_waits() {
    everywhere(|parties| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(SHORT);
        parties.scope(|scope| {
            let waiting = [0; 4].map(|_| {
                let (child, child_guard) = context.with_cancel();
                scope.spawn(move || {
                    let received = child.done().recv();
                    drop(child_guard);
                    (received.is_err(), child.err())
                })
            });
            for party in waiting {
                assert_eq!(party.join(), (true, Some(ContextError::DeadlineExceeded)));
            }
        });
        assert!(time::now() - start >= SHORT);
        assert_ended(&context, ContextError::DeadlineExceeded);
    });
}

/// Whoever is told that it is done is told why, whoever noticed first.
#[test]
fn many_notice_at_once() {
    everywhere(|parties| {
        for round in 0..20 {
            let (root, root_guard) = context::background().with_cancel();
            let (context, guard) = root.with_timeout(Duration::from_micros(50 * round));
            let contexts: Vec<_> = (0..20).map(|_| context.with_cancel()).collect();
            parties.scope(|scope| {
                for part in contexts.chunks(5) {
                    scope.spawn(move || {
                        for (context, _) in part {
                            parties.until(|| context.done().is_closed());
                            assert!(context.err().is_some());
                            assert!(context.cause().is_some());
                        }
                    });
                }
                if round % 2 == 0 {
                    goroutine::yield_now();
                    root_guard.cancel();
                    assert!(context.err().is_some());
                }
            });
            drop(guard);
        }
    });
}

#[test]
fn a_deadline_does_not_keep_what_is_done_with() {
    in_virtual_time(|| {
        let dropped = std::sync::Arc::new(());
        let (context, guard) = context::background().with_timeout(3600 * 1000 * MS);
        let kept = context.with_value(dropped.clone());
        guard.forget();
        drop(context);
        assert_eq!(std::sync::Arc::strong_count(&dropped), 2);
        drop(kept);
        assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
    });
}

#[test]
fn it_says_when_it_ends() {
    let runtime = common::build(gorge_runtime::Runtime::builder().simulated(3), false);
    runtime.run(|| {
        let (context, _guard) = context::background().with_timeout(61_500 * MS);
        let context = context.with_value(7_u32).without_cancel();
        assert_eq!(
            format!("{context:?}"),
            "context.Background.WithDeadline(2000-01-01 00:01:01.500 UTC [61.5s])\
             .WithValue(type u32).WithoutCancel"
        );
        time::sleep(62_000 * MS);
        assert!(context.to_string().contains("00:01:01.500 UTC [-500ms])"));
    });
}
