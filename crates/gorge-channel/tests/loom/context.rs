//! Contexts: a cancel against children, registered functions and guards that come and go, and
//! against those who ask. And a timer that is set anew while somebody waits for it.

use gorge_channel::context::{self, ContextError};
use gorge_channel::time::Timer;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::time::Duration;

#[test]
fn a_child_made_during_a_cancel_is_cancelled() {
    loom::model(|| {
        let (parent, guard) = context::background().with_cancel();
        let canceller = thread::spawn(move || guard.cancel());
        let (child, child_guard) = parent.with_cancel();
        canceller.join().unwrap();
        assert_eq!(child.err(), Some(ContextError::Canceled));
        assert!(child.done().is_closed());
        drop(child_guard);
    });
}

#[test]
fn a_child_dropped_during_a_cancel_is_freed_once() {
    loom::model(|| {
        let (parent, guard) = context::background().with_cancel();
        let (child, child_guard) = parent.with_cancel();
        child_guard.forget();
        let canceller = thread::spawn(move || guard.cancel());
        drop(child);
        canceller.join().unwrap();
        assert_eq!(parent.err(), Some(ContextError::Canceled));
    });
}

#[test]
fn an_error_means_that_done_is_closed() {
    loom::model(|| {
        let (context, guard) = context::background().with_cancel();
        let canceller = thread::spawn(move || guard.cancel());
        if context.err().is_some() {
            assert!(context.done().is_closed());
        } else if context.done().is_closed() {
            assert!(context.err().is_some());
        }
        canceller.join().unwrap();
    });
}

#[test]
fn whoever_asks_for_the_channel_during_a_cancel_finds_it_closed_in_the_end() {
    loom::model(|| {
        let (context, guard) = context::background().with_cancel();
        let asker = thread::spawn({
            let context = context.clone();
            move || context.done().recv().is_err()
        });
        let canceller = thread::spawn(move || guard.cancel());
        if context.err().is_some() {
            assert!(context.done().is_closed());
        }
        canceller.join().unwrap();
        assert!(asker.join().unwrap());
    });
}

#[test]
fn two_who_ask_for_the_channel_get_the_same() {
    loom::model(|| {
        let (context, guard) = context::background().with_cancel();
        let asker = thread::spawn({
            let context = context.clone();
            move || context.done().clone()
        });
        let own = context.done().clone();
        drop(guard);
        assert!(own.is_closed());
        assert!(own.same_channel(&asker.join().unwrap()));
    });
}

#[test]
fn a_cause_is_seen_with_the_reason_and_is_that_of_the_first() {
    loom::model(|| {
        let (parent, parent_guard) = context::background().with_cancel();
        let (child, child_guard) = parent.with_cancel();
        let canceller = thread::spawn(move || parent_guard.cancel_with("parent"));
        child_guard.cancel_with("child");
        let first = child.cause().unwrap().to_string();
        canceller.join().unwrap();
        assert_eq!(parent.cause().unwrap().to_string(), "parent");
        assert_eq!(child.cause().unwrap().to_string(), first);
    });
}

/// A function that counts its runs, and by its clones whether it is there.
fn counting() -> (impl FnOnce() + Send, Arc<AtomicUsize>, std::sync::Arc<()>) {
    let (ran, kept) = (Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(()));
    let (its, held) = (ran.clone(), kept.clone());
    let f = move || {
        let _held = held;
        its.fetch_add(1, Ordering::Relaxed);
    };
    (f, ran, kept)
}

#[test]
fn a_function_runs_or_was_stopped() {
    loom::model(|| {
        let (context, guard) = context::background().with_cancel();
        let (f, ran, kept) = counting();
        let after = context.after_func(f);
        let canceller = thread::spawn(move || guard.cancel());
        let stopped = after.stop();
        canceller.join().unwrap();
        assert_ne!(stopped, ran.load(Ordering::Relaxed) == 1);
        drop((context, after));
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    });
}

#[test]
fn a_function_registered_during_a_cancel_runs_once() {
    loom::model(|| {
        let (context, guard) = context::background().with_cancel();
        let (f, ran, kept) = counting();
        let canceller = thread::spawn(move || guard.cancel());
        drop(context.after_func(f));
        canceller.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    });
}

#[test]
fn a_function_goes_with_the_last_guard() {
    loom::model(|| {
        let (parent, parent_guard) = context::background().with_cancel();
        let (child, child_guard) = parent.with_cancel();
        let (f, ran, kept) = counting();
        let forgetter = thread::spawn(move || parent_guard.forget());
        drop(child.after_func(f));
        child_guard.forget();
        drop((parent, child));
        forgetter.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    });
}

#[test]
fn a_guard_is_forgotten_while_the_parent_is_cancelled() {
    loom::model(|| {
        let (parent, parent_guard) = context::background().with_cancel();
        let (child, child_guard) = parent.with_cancel();
        let (f, ran, kept) = counting();
        drop(child.after_func(f));
        let canceller = thread::spawn(move || parent_guard.cancel());
        child_guard.forget();
        drop(child);
        canceller.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    });
}

#[test]
fn whoever_waits_for_a_timer_is_woken_when_it_is_set_earlier() {
    loom::model(|| {
        let timer = Arc::new(Timer::new(Duration::MAX));
        let waiter = thread::spawn({
            let timer = timer.clone();
            move || timer.recv().is_ok()
        });
        timer.reset(Duration::ZERO);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn a_timer_is_received_or_stopped() {
    loom::model(|| {
        let timer = Arc::new(Timer::new(Duration::ZERO));
        let receiver = thread::spawn({
            let timer = timer.clone();
            move || timer.try_recv().is_ok()
        });
        let stopped = timer.stop();
        assert_ne!(receiver.join().unwrap(), stopped);
    });
}
