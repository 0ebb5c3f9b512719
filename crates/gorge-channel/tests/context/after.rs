//! Functions that run when a context is done: once, on a goroutine of their own, or never.

use crate::common::{LONG, Random, everywhere, in_virtual_time};
use gorge_channel::context::{self, Context};
use gorge_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded, time, unbounded};
use gorge_runtime::{Runtime, goroutine, num_goroutines};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A function that tells when it has run, and whether it will.
fn told() -> (impl FnOnce() + Send + 'static, Receiver<()>) {
    let (sender, receiver) = bounded(1);
    let f = move || sender.send(()).expect("it is waited for");
    (f, receiver)
}

// TestAfterFuncCalledAfterCancel
#[test]
fn a_function_runs_once_when_the_context_is_cancelled() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let (f, ran) = told();
        let after = context.with_value(1).after_func(f);
        assert_eq!(ran.try_recv(), Err(TryRecvError::Empty));
        guard.cancel();
        assert_eq!(ran.recv_timeout(LONG), Ok(()));
        assert!(!after.stop());
        guard.cancel();
        assert_eq!(ran.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    });
}

// TestAfterFuncCalledAfterTimeout
#[test]
fn a_function_runs_when_the_deadline_passes() {
    everywhere(|_| {
        let (context, _guard) = context::background().with_timeout(3 * MS);
        let (f, ran) = told();
        let after = context.after_func(f);
        assert_eq!(ran.recv_timeout(LONG), Ok(()));
        assert!(context.err().is_some() && !after.stop());
    });
    in_virtual_time(|| {
        let start = time::now();
        let (context, _guard) = context::background().with_timeout(50 * MS);
        let (child, _child_guard) = context.with_cancel();
        for context in [context, child] {
            let (ran, runs) = unbounded();
            let after = context.after_func(move || _ = ran.send(time::now()));
            if time::now() == start {
                time::sleep(49 * MS);
                assert_eq!(runs.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(runs.recv(), Ok(start + 50 * MS));
            }
            assert!(!after.stop());
        }
    });
}

// TestAfterFuncCalledImmediately
#[test]
fn a_function_runs_at_once_if_the_context_is_done() {
    everywhere(|_| {
        let (canceled, guard) = context::background().with_cancel();
        guard.cancel();
        let (late, _guard) = context::background().with_timeout(Duration::ZERO);
        for context in [canceled, late] {
            let (f, ran) = told();
            let after = context.after_func(f);
            assert!(!after.stop());
            assert_eq!(ran.recv_timeout(LONG), Ok(()));
        }
    });
}

// TestAfterFuncNotCalledAfterStop
#[test]
fn a_function_that_was_stopped_is_dropped_and_never_runs() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let (timed, timed_guard) = context.with_timeout(LONG);
        for context in [&context, &timed] {
            let (f, ran) = told();
            let after = context.after_func(f);
            assert!(after.stop());
            assert!(!after.stop());
            // With the function its sender is gone.
            assert_eq!(ran.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
        }
        timed_guard.cancel();
        guard.cancel();
    });
}

// TestAfterFuncCalledAsynchronously
#[test]
fn a_function_does_not_run_on_the_stack_of_who_cancels() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let (answer, question) = bounded::<()>(0);
        let (f, ran) = told();
        context.after_func(move || {
            question.recv().expect("it is sent");
            f();
        });
        guard.cancel();
        assert_eq!(ran.try_recv(), Err(TryRecvError::Empty));
        answer.send(()).expect("the function waits");
        assert_eq!(ran.recv_timeout(LONG), Ok(()));
    });
}

#[test]
fn a_function_may_do_with_the_context_what_it_likes() {
    everywhere(|_| {
        let (context, guard) = context::background().with_cancel();
        let (f, ran) = told();
        let own = context.clone();
        context.after_func(move || {
            assert!(own.err().is_some());
            own.after_func(f);
        });
        guard.cancel();
        assert_eq!(ran.recv_timeout(LONG), Ok(()));
    });
}

// XTestCancelRemoves, XTestCustomContextGoroutines: no goroutine waits for a context.
#[test]
fn contexts_need_no_goroutines() {
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    runtime.run(|| {
        let (context, guard) = context::background().with_cancel();
        let (child, _child_guard) = context.with_timeout(LONG);
        let after = context.after_func(|| {});
        assert_eq!(num_goroutines(), 1);
        assert!(after.stop());
        // One, to wait for the deadline, as long as the function is to run.
        let after = child.after_func(|| {});
        assert_eq!(num_goroutines(), 2);
        assert!(after.stop());
        wait_until(|| num_goroutines() == 1);
        child.after_func(|| {});
        guard.cancel();
        wait_until(|| num_goroutines() == 1);
    });
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        goroutine::yield_now();
    }
}

#[test]
fn whether_a_function_runs_or_was_stopped_exactly_one_holds() {
    everywhere(|parties| {
        let mut random = Random(11);
        for round in 0..200 {
            let (context, guard) = context::background().with_cancel();
            let (child, _child_guard) = match round % 2 {
                0 => context.with_cancel(),
                _ => context.with_timeout(LONG),
            };
            let (f, ran) = told();
            let after = child.after_func(f);
            let yields = random.below(3);
            let stopped = parties.scope(|scope| {
                let stopper = scope.spawn(|| {
                    (0..yields).for_each(|_| parties.pause());
                    after.stop()
                });
                guard.cancel();
                stopper.join()
            });
            match stopped {
                true => assert_eq!(ran.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected)),
                false => assert_eq!(ran.recv_timeout(LONG), Ok(())),
            }
        }
    });
}

/// Counts how many of its clones are left.
type Counted = Arc<()>;

fn register(context: &Context, counted: &Counted) {
    let counted = counted.clone();
    drop(context.after_func(move || drop(counted)));
}

#[test]
fn functions_go_when_nothing_can_end_their_context() {
    let counted = Counted::default();
    // Never, from the start.
    register(&context::background(), &counted);
    register(&context::todo().with_value(1), &counted);
    assert_eq!(Arc::strong_count(&counted), 1);

    let (context, guard) = context::background().with_cancel();
    register(&context, &counted);
    drop(context);
    assert_eq!(Arc::strong_count(&counted), 2, "its guard is there");
    guard.forget();
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn functions_stay_while_a_context_above_may_be_cancelled() {
    everywhere(|parties| {
        let counted = Counted::default();
        let (root, root_guard) = context::background().with_cancel();
        let (child, child_guard) = root.with_cancel();
        let (grandchild, grandchild_guard) = child.with_value("x").with_cancel();
        register(&grandchild, &counted);
        register(&child, &counted);
        grandchild_guard.forget();
        child_guard.forget();
        drop((child, grandchild));
        assert_eq!(Arc::strong_count(&counted), 3);
        drop(root_guard);
        parties.until(|| Arc::strong_count(&counted) == 1);
    });
    // And go when the last one that could have cancelled them gives up.
    let counted = Counted::default();
    let (root, root_guard) = context::background().with_cancel();
    let (child, child_guard) = root.with_cancel();
    let (other, other_guard) = root.with_cancel();
    for context in [&root, &child, &other] {
        register(context, &counted);
    }
    child_guard.forget();
    root_guard.forget();
    assert_eq!(Arc::strong_count(&counted), 2, "the other one's");
    other_guard.forget();
    assert_eq!(Arc::strong_count(&counted), 1);
    assert!([&root, &child, &other].iter().all(|it| it.err().is_none()));
    let (late, late_guard) = other.with_cancel();
    register(&late, &counted);
    late_guard.forget();
    assert_eq!(Arc::strong_count(&counted), 1);
    assert!(late.done().try_recv().is_err_and(|error| error.is_empty()));
}

#[test]
fn guards_are_forgotten_while_others_cancel() {
    everywhere(|parties| {
        for round in 0..100 {
            let counted = Counted::default();
            let (root, root_guard) = context::background().with_cancel();
            let (child, child_guard) = root.with_cancel();
            let (grandchild, grandchild_guard) = child.with_cancel();
            for context in [&root, &child, &grandchild] {
                register(context, &counted);
            }
            parties.scope(|scope| {
                scope.spawn(move || child_guard.forget());
                scope.spawn(move || match round % 2 {
                    0 => grandchild_guard.forget(),
                    _ => grandchild_guard.cancel(),
                });
                match round % 3 {
                    0 => root_guard.forget(),
                    _ => root_guard.cancel(),
                }
            });
            parties.until(|| Arc::strong_count(&counted) == 1);
            let ends = round % 3 != 0;
            assert_eq!(root.err().is_some(), ends);
            assert_eq!(child.err().is_some(), ends);
            assert_eq!(grandchild.err().is_some(), ends || round % 2 != 0);
        }
    });
}

#[test]
fn many_functions_run_after_one_cancel() {
    const COUNT: usize = 5000;
    everywhere(|parties| {
        let (context, guard) = context::background().with_cancel();
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..COUNT {
            let ran = ran.clone();
            context.after_func(move || _ = ran.fetch_add(1, Ordering::SeqCst));
        }
        guard.cancel();
        parties.until(|| ran.load(Ordering::SeqCst) == COUNT);
    });
}

#[test]
fn a_chain_of_a_hundred_thousand_gives_its_functions_up() {
    let counted = Counted::default();
    let (root, guard) = context::background().with_cancel();
    let mut last = root.clone();
    for _ in 0..100_000 {
        let (next, guard) = last.with_cancel();
        guard.forget();
        last = next;
    }
    register(&last, &counted);
    assert_eq!(Arc::strong_count(&counted), 2);
    guard.forget();
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn contexts_and_functions_come_and_go_during_a_cancel() {
    everywhere(|parties| {
        for _ in 0..20 {
            let (root, guard) = context::background().with_cancel();
            let (ran, stopped) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
            parties.scope(|scope| {
                for number in 0..3 {
                    let (root, ran, stopped) = (&root, &ran, &stopped);
                    scope.spawn(move || {
                        for i in 0..100 {
                            let (child, child_guard) = root.with_cancel();
                            let ran = ran.clone();
                            let run = move || _ = ran.fetch_add(1, Ordering::SeqCst);
                            let after = child.after_func(run);
                            if (i + number) % 2 == 0 && after.stop() {
                                stopped.fetch_add(1, Ordering::SeqCst);
                            }
                            drop((child, child_guard));
                        }
                    });
                }
                parties.pause();
                guard.cancel();
            });
            let all = || ran.load(Ordering::SeqCst) + stopped.load(Ordering::SeqCst);
            parties.until(|| all() == 300);
        }
    });
}

/// A value whose destructor panics.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("a value's destructor");
    }
}

/// A child that is dropped while a cancel is at it is freed by that, with its values.
#[test]
fn a_destructor_that_panics_does_not_keep_a_cancel_from_the_rest() {
    everywhere(|parties| {
        for _ in 0..20 {
            let (parent, guard) = context::background().with_cancel();
            let (f, ran) = told();
            let _registered = parent.after_func(f);
            let (doomed, others): (Vec<_>, Vec<_>) = (0..20)
                .map(|_| {
                    let explosive = parent.with_value(Explosive).with_cancel();
                    (explosive, parent.with_cancel())
                })
                .unzip();
            parties.scope(|scope| {
                scope.spawn(|| {
                    for child in doomed {
                        drop(catch_unwind(AssertUnwindSafe(|| drop(child))));
                    }
                });
                drop(catch_unwind(AssertUnwindSafe(|| guard.cancel())));
            });
            for (other, _guard) in &others {
                assert_eq!(other.err(), Some(context::ContextError::Canceled));
            }
            assert_eq!(ran.recv_timeout(LONG), Ok(()));
        }
    });
}
