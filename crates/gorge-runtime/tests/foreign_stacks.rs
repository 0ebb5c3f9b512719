//! Goroutines that wait on a stack of somebody else's: where their own one lies
//! says nothing about what is free there.

use gorge_coroutine::{Coroutine, OwnedStack, Yielder};
use gorge_runtime::{Runtime, go, goroutine, stack, time, yield_now};
use std::cell::Cell;
use std::time::Duration;

/// So large that the system maps it by itself.
const WORDS: usize = 1 << 20;

#[test]
fn what_lies_between_a_goroutines_stack_and_the_one_that_it_waits_on_stays() {
    // The system maps from high addresses to low ones: the goroutine's own stack,
    // which comes last, lies below all of this.
    let stack = OwnedStack::new(64 * 1024).expect("a stack");
    let kept = vec![7u64; WORDS];
    let builder = Runtime::builder().max_procs(1);
    let runtime = builder.build().expect("a runtime");
    let sleeper = runtime.go(move || {
        let wait = |_: &Yielder<(), ()>, ()| time::sleep(Duration::from_secs(3));
        Coroutine::with_stack(stack, wait).resume(()).as_return()
    });
    assert_eq!(sleeper.join().expect("it waited"), Some(()));
    assert!(kept.iter().all(|&word| word == 7), "memory was discarded");
}

thread_local! {
    /// A coroutine that one goroutine leaves to another one of its thread.
    static LEFT: Cell<Option<Coroutine<(), (), ()>>> = const { Cell::new(None) };
}

#[test]
fn a_segment_may_be_left_on_another_goroutine_than_it_was_entered_on() {
    const SEGMENT: usize = 1 << 20;
    let builder = Runtime::builder().max_procs(1);
    let runtime = builder.build().expect("a runtime");
    runtime.run(|| {
        let enter = || {
            let on_segment = |yielder: &Yielder<(), ()>, ()| {
                stack::grow(usize::MAX, SEGMENT, || yielder.suspend(()));
            };
            let mut coroutine = Coroutine::new(on_segment);
            coroutine.resume(());
            LEFT.set(Some(coroutine));
        };
        let entering = go(move || stack::grow(usize::MAX, SEGMENT, enter));
        entering.join().expect("it left the coroutine behind");
        // Its G, which it does not need any more, is the next one's.
        let next = go(|| {
            let before = stack::remaining();
            goroutine::park();
            (before, stack::remaining())
        });
        yield_now();
        let mut coroutine = LEFT.take().expect("a coroutine");
        assert_eq!(coroutine.resume(()).as_return(), Some(()));
        next.goroutine().unpark();
        let (before, after) = next.join().expect("it measured");
        assert_eq!(before, after);
        LEFT.set(None);
    });
}

#[test]
fn a_dump_walks_no_segment_that_somebody_else_has_left() {
    const SEGMENT: usize = 1 << 20;
    let builder = Runtime::builder().max_procs(1);
    let runtime = builder.build().expect("a runtime");
    runtime.run(|| {
        let enterer = go(|| {
            let mut coroutine = Coroutine::new(|yielder: &Yielder<(), ()>, ()| {
                stack::grow(usize::MAX, SEGMENT, || yielder.suspend(()));
            });
            coroutine.resume(());
            LEFT.set(Some(coroutine));
            goroutine::park();
        });
        yield_now();
        let mut coroutine = LEFT.take().expect("a coroutine");
        assert_eq!(coroutine.resume(()).as_return(), Some(()));
        // The segment is free, and taken again.
        stack::grow(usize::MAX, SEGMENT, || {
            let dump = runtime.dump();
            let mut goroutines = dump.goroutines().iter();
            let found = goroutines.find(|it| it.id == enterer.goroutine().id());
            let text = found.expect("it is parked").to_string();
            assert!(text.contains("park\n\t"), "{text}");
        });
        enterer.goroutine().unpark();
        enterer.join().expect("it was woken");
    });
}

/// A coroutine that is in the middle of a check for leaks.
fn checking() -> Coroutine<(), (), ()> {
    let check = |yielder: &Yielder<(), ()>, ()| {
        goroutine::assert_no_leaks(|| yielder.suspend(()));
    };
    let mut coroutine = Coroutine::new(check);
    assert_eq!(coroutine.resume(()).as_yield(), Some(()));
    coroutine
}

#[test]
fn checks_for_leaks_on_a_thread_may_end_in_any_order() {
    let (mut first, mut second) = (checking(), checking());
    assert_eq!(first.resume(()).as_return(), Some(()));
    // Its stack is unmapped, and with it what the check was about.
    drop(first);
    assert_eq!(second.resume(()).as_return(), Some(()));
    drop(second);
    assert_eq!(go(|| 7).join().expect("a value"), 7);
}

#[test]
fn a_check_for_leaks_may_end_on_another_goroutine_than_it_began_on() {
    let builder = Runtime::builder().max_procs(1);
    let runtime = builder.build().expect("a runtime");
    runtime.run(|| {
        go(|| LEFT.set(Some(checking()))).join().expect("it ended");
        // The check's goroutine is gone, and this one has its place.
        let next = go(|| {
            let checked = goroutine::assert_no_leaks(|| {
                goroutine::park();
                drop(go(|| goroutine::sleep(Duration::from_millis(20))));
                time::now()
            });
            checked.elapsed()
        });
        yield_now();
        let mut coroutine = LEFT.take().expect("a coroutine");
        assert_eq!(coroutine.resume(()).as_return(), Some(()));
        next.goroutine().unpark();
        let waited = next.join().expect("nothing is left");
        assert!(waited >= Duration::from_millis(20), "{waited:?}");
    });
}
