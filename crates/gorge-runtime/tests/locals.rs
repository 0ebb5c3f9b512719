//! Goroutine-locals: whose they are, when they are made, and when they are dropped.
#![expect(clippy::disallowed_methods, reason = "threads have locals, too")]

mod common;

use common::in_each_setting;
use gorge_coroutine::{Coroutine, Yielder};
use gorge_runtime::goroutine::{self, AccessError};
use gorge_runtime::{Runtime, blocking, go, goroutine_local, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

goroutine_local! {
    static NUMBER: Cell<u32> = Cell::new(7);
    static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["first"]);
}

#[test]
fn each_goroutine_has_its_own_across_waits() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let goroutine = |number| {
                move || {
                    assert_eq!(NUMBER.get(), 7);
                    NUMBER.set(number);
                    for _ in 0..50 {
                        yield_now();
                        assert_eq!(NUMBER.get(), number);
                    }
                    assert_eq!(NUMBER.replace(1), number);
                    assert_eq!((NUMBER.take(), NUMBER.get()), (1, 0));
                }
            };
            let goroutines: Vec<_> = (100..150).map(|number| go(goroutine(number))).collect();
            for goroutine in goroutines {
                goroutine.join().expect("it ends");
            }
        });
    });
}

#[test]
fn cells_of_values_that_are_borrowed() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            WORDS.with_borrow_mut(|words| words.push("second"));
            assert_eq!(WORDS.with_borrow(Vec::len), 2);
            assert_eq!(WORDS.replace(vec!["third"]), ["first", "second"]);
            assert_eq!(WORDS.take(), ["third"]);
            WORDS.set(vec!["fourth"]);
            assert_eq!(WORDS.with(|words| words.borrow()[0]), "fourth");
        });
    });
}

#[test]
fn threads_and_blocking_calls_have_those_of_their_thread() {
    thread::spawn(|| {
        NUMBER.set(1);
        assert_eq!(thread::spawn(|| NUMBER.get()).join().expect("it ends"), 7);
        assert_eq!(NUMBER.get(), 1);
    })
    .join()
    .expect("it ends");
    in_each_setting(|runtime| {
        runtime.run(|| {
            NUMBER.set(2);
            blocking(|| NUMBER.set(3));
            assert_eq!(NUMBER.get(), 2);
        });
    });
}

#[test]
fn a_pinned_goroutine_has_those_of_its_thread() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            NUMBER.set(5);
            goroutine::pin(|| assert_eq!(NUMBER.replace(6), 7));
            assert_eq!(NUMBER.get(), 5);
            goroutine::pin(|| assert_eq!(NUMBER.get(), 7, "a thread of its own again"));
        });
    });
}

thread_local! {
    /// A coroutine that one goroutine leaves to another one of its thread.
    static LEFT: Cell<Option<Coroutine<(), (), u32>>> = const { Cell::new(None) };
}

#[test]
fn one_that_a_coroutine_uses_outlives_its_goroutine() {
    let builder = Runtime::builder().max_procs(1);
    let runtime = builder.build().expect("a runtime");
    let count = Arc::new(AtomicUsize::new(0));
    runtime.run(|| {
        let counted = Arc::clone(&count);
        let leaving = go(move || {
            let uses = move |yielder: &Yielder<(), ()>, ()| {
                NUMBER.set(8);
                COUNTED.with(|values| {
                    values.borrow_mut().push(Counted::new(&counted));
                    NUMBER.with(|number| {
                        yielder.suspend(());
                        number.get() + values.borrow().len() as u32
                    })
                })
            };
            let mut coroutine = Coroutine::new(uses);
            coroutine.resume(());
            LEFT.set(Some(coroutine));
        });
        leaving.join().expect("it left the coroutine behind");
        assert_eq!(count.load(Ordering::Relaxed), 1, "it is in use");
        let other = go(|| {
            NUMBER.set(100);
            let mut coroutine = LEFT.take().expect("a coroutine");
            coroutine.resume(()).as_return()
        });
        assert_eq!(other.join().expect("it went on"), Some(9));
        assert_eq!(count.load(Ordering::Relaxed), 0);
    });
}

/// Uses a local when it is woken.
struct WakesWithLocals(Arc<AtomicUsize>);

impl Wake for WakesWithLocals {
    fn wake(self: Arc<Self>) {
        COUNTED.with_borrow_mut(|values| values.push(Counted::new(&self.0)));
    }
}

#[test]
fn one_that_a_waker_uses_at_the_end_is_dropped() {
    in_each_setting(|runtime| {
        let count = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            let go_on = Arc::new(AtomicUsize::new(0));
            let may_end = Arc::clone(&go_on);
            let mut ending = go(move || {
                while may_end.load(Ordering::Relaxed) == 0 {
                    yield_now();
                }
            });
            let waker = Waker::from(Arc::new(WakesWithLocals(Arc::clone(&count))));
            let polled = Pin::new(&mut ending).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            drop(waker);
            go_on.store(1, Ordering::Relaxed);
            while Arc::strong_count(&count) > 1 {
                yield_now();
            }
            assert_eq!(count.load(Ordering::Relaxed), 0);
            ending.join().expect("it ended");
        });
    });
}

/// Counts how many there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

goroutine_local! {
    static COUNTED: RefCell<Vec<Counted>> = RefCell::default();
}

#[test]
fn they_are_gone_before_a_join_returns() {
    in_each_setting(|runtime| {
        let count = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            let hold = || {
                let count = Arc::clone(&count);
                move || COUNTED.with_borrow_mut(|values| values.push(Counted::new(&count)))
            };
            for _ in 0..3 {
                go(hold()).join().expect("it ends");
                assert_eq!(count.load(Ordering::Relaxed), 0);
            }
            let hold_then = hold();
            let panics = go(move || {
                hold_then();
                panic!("meant");
            });
            assert!(panics.join().is_err());
            assert_eq!(count.load(Ordering::Relaxed), 0);
            let hold_then = hold();
            let waits = go(move || {
                hold_then();
                goroutine::park_forever();
            });
            while count.load(Ordering::Relaxed) == 0 {
                yield_now();
            }
            waits.cancel();
            assert!(waits.join().is_err());
            assert_eq!(count.load(Ordering::Relaxed), 0);
            hold()();
        });
        // The main goroutine's, too.
        assert_eq!(count.load(Ordering::Relaxed), 0);
        let of_thread = Arc::clone(&count);
        let holder =
            move || COUNTED.with_borrow_mut(|values| values.push(Counted::new(&of_thread)));
        thread::spawn(holder).join().expect("it ends");
        assert_eq!(count.load(Ordering::Relaxed), 0);
    });
}

/// Uses a local when it is dropped.
struct UsesCounted(Arc<AtomicUsize>);

impl Drop for UsesCounted {
    fn drop(&mut self) {
        COUNTED.with_borrow_mut(|values| values.push(Counted::new(&self.0)));
    }
}

goroutine_local! {
    static USER: RefCell<Option<UsesCounted>> = RefCell::default();
}

#[test]
fn destructors_may_use_others() {
    in_each_setting(|runtime| {
        let count = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            let used = Arc::clone(&count);
            let user = go(move || USER.set(Some(UsesCounted(used))));
            user.join().expect("it ends");
            assert_eq!(
                count.load(Ordering::Relaxed),
                0,
                "what a local's destructor has made"
            );
            let used = Arc::clone(&count);
            let is_detached = Arc::new(AtomicBool::new(false));
            let may_end = Arc::clone(&is_detached);
            let detached = go(move || {
                // Had it ended before, its result would be its handle's to drop.
                while !may_end.load(Ordering::Acquire) {
                    yield_now();
                }
                UsesCounted(used)
            });
            drop(detached);
            is_detached.store(true, Ordering::Release);
            while Arc::strong_count(&count) > 1 {
                yield_now();
            }
            assert_eq!(
                count.load(Ordering::Relaxed),
                0,
                "what the result's destructor has made"
            );
        });
    });
}

/// Asks for its own key when it is dropped.
struct AsksAgain(Arc<AtomicUsize>);

impl Drop for AsksAgain {
    fn drop(&mut self) {
        let again = ASKER.try_with(|_| ());
        assert!(matches!(again, Err(AccessError { .. })));
        let message = catch_unwind(AssertUnwindSafe(|| ASKER.with(|_| ()))).expect_err("it panics");
        let message = message.downcast_ref::<String>().expect("a text");
        assert!(message.contains("use `try_with`"), "{message}");
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("meant: a destructor that panics");
    }
}

goroutine_local! {
    static ASKER: RefCell<Option<AsksAgain>> = RefCell::default();
}

#[test]
fn one_that_was_dropped_is_not_made_again_and_its_panic_harms_nobody() {
    in_each_setting(|runtime| {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::new(AtomicUsize::new(0));
        runtime.run(|| {
            let (asker, count) = (Arc::clone(&asked), Arc::clone(&counted));
            let goroutine = go(move || {
                COUNTED.with_borrow_mut(|values| values.push(Counted::new(&count)));
                ASKER.set(Some(AsksAgain(asker)));
                "result"
            });
            assert_eq!(goroutine.join().expect("it ends"), "result");
        });
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(counted.load(Ordering::Relaxed), 0);
    });
}

goroutine_local! {
    static OUTER: u32 = INNER.with(|inner| inner + 1);
    static INNER: u32 = { yield_now(); 1 };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static RECURSIVE: u32 = {
        DEPTH.set(DEPTH.get() + 1);
        match DEPTH.get() {
            1 => RECURSIVE.with(|inner| inner + 10),
            _ => 1,
        }
    };
}

#[test]
fn initialisers_may_wait_and_use_others_and_themselves() {
    in_each_setting(|runtime| {
        runtime.run(|| {
            let goroutines: Vec<_> = (0..10).map(|_| go(|| OUTER.with(|outer| *outer))).collect();
            for goroutine in goroutines {
                assert_eq!(goroutine.join().expect("it ends"), 2);
            }
            // The first that is there stays: somebody may look at it.
            assert_eq!(RECURSIVE.with(|value| *value), 1);
        });
    });
}

#[test]
fn a_value_stays_where_it_is_when_others_are_added() {
    goroutine_local! {
        static FIRST: String = "first".to_owned();
        static SECOND: String = "second".to_owned();
        static THIRD: [u64; 100] = [3; 100];
    }
    in_each_setting(|runtime| {
        runtime.run(|| {
            FIRST.with(|first| {
                SECOND.with(|second| {
                    THIRD.with(|third| assert_eq!(third, &[3; 100]));
                    assert_eq!((first.as_str(), second.as_str()), ("first", "second"));
                });
                assert_eq!(first, "first");
            });
        });
    });
}
