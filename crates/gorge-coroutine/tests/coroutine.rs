//! What users of a coroutine rely on: values, panics, drops and backtraces.

use gorge_coroutine::{Coroutine, CoroutineResult, ForcedUnwind, OwnedStack, StackPool, scope};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn counter() -> (Rc<Cell<u32>>, Counted) {
    let drops = Rc::new(Cell::new(0));
    (drops.clone(), Counted(drops))
}

#[test]
fn values_cross_both_ways() {
    let mut echo = Coroutine::new(|yielder, first: String| {
        let second = yielder.suspend(format!("{first}!"));
        let third = yielder.suspend(format!("{second}?"));
        (first, second, third)
    });
    assert_eq!(echo.resume("a".into()), CoroutineResult::Yield("a!".into()));
    assert_eq!(echo.resume("b".into()), CoroutineResult::Yield("b?".into()));
    let result = echo.resume("c".into()).as_return();
    assert_eq!(result, Some(("a".into(), "b".into(), "c".into())));
    assert!(echo.done());
}

#[test]
fn a_coroutine_suspends_from_deep_calls() {
    fn descend(depth: u32, visit: &dyn Fn(u32)) {
        if depth > 0 {
            descend(depth - 1, visit);
        }
        visit(depth);
    }
    let mut walk = Coroutine::new(|yielder, ()| descend(100, &|depth| yielder.suspend(depth)));
    let seen: Vec<_> = std::iter::from_fn(|| walk.resume(()).as_yield()).collect();
    assert_eq!(seen, (0..=100).collect::<Vec<_>>());
}

#[test]
fn a_panic_continues_in_the_resumer() {
    let (drops, guard) = counter();
    let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let _guard = guard;
        yielder.suspend(());
        panic!("out of luck");
    });
    coroutine.resume(());
    let panic = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).expect_err("a panic");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of luck"));
    assert!(coroutine.done());
    assert_eq!(drops.get(), 1);
}

#[test]
fn dropping_a_suspended_coroutine_unwinds_it() {
    let (drops, guard) = counter();
    let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let _guard = guard;
        yielder.suspend(());
        unreachable!("never resumed");
    });
    coroutine.resume(());
    drop(coroutine);
    assert_eq!(drops.get(), 1);
}

#[test]
fn dropping_an_unstarted_coroutine_drops_its_closure() {
    let (drops, guard) = counter();
    let coroutine = Coroutine::<(), (), ()>::new(move |_, ()| drop(guard));
    drop(coroutine);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_swallowed_unwind_comes_back_at_the_next_suspend() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    let mut stubborn = Coroutine::<(), u32, u32>::new(move |yielder, ()| {
        for attempt in 0..3 {
            let caught = catch_unwind(AssertUnwindSafe(|| yielder.suspend(attempt)));
            let payload = caught.expect_err("nobody resumes it");
            assert!(payload.is::<ForcedUnwind>());
            seen.borrow_mut().push(attempt);
        }
        7
    });
    stubborn.resume(());
    drop(stubborn);
    assert_eq!(*log.borrow(), [0, 1, 2]);
}

#[test]
fn results_and_closures_with_large_alignment_are_aligned() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq)]
    struct Wide([u8; 300]);
    let input = Wide([3; 300]);
    let mut coroutine = Coroutine::<(), usize, Wide>::new(move |yielder, ()| {
        let local = Wide([9; 300]);
        yielder.suspend(&raw const local as usize % 256);
        yielder.suspend(&raw const input as usize % 256);
        input
    });
    assert_eq!(coroutine.resume(()), CoroutineResult::Yield(0));
    assert_eq!(coroutine.resume(()), CoroutineResult::Yield(0));
    assert_eq!(
        coroutine.resume(()),
        CoroutineResult::Return(Wide([3; 300]))
    );
}

#[test]
fn coroutines_nest_and_interleave() {
    let mut outer = Coroutine::<(), u32, ()>::new(|yielder, ()| {
        let mut inner = Coroutine::<(), u32, ()>::new(|yielder, ()| {
            yielder.suspend(1);
            yielder.suspend(2);
        });
        while let CoroutineResult::Yield(value) = inner.resume(()) {
            yielder.suspend(value * 10);
        }
    });
    let mut other = Coroutine::<(), u32, ()>::new(|yielder, ()| yielder.suspend(5));
    assert_eq!(outer.resume(()), CoroutineResult::Yield(10));
    assert_eq!(other.resume(()), CoroutineResult::Yield(5));
    assert_eq!(outer.resume(()), CoroutineResult::Yield(20));
    assert_eq!(other.resume(()), CoroutineResult::Return(()));
    assert_eq!(outer.resume(()), CoroutineResult::Return(()));
}

#[test]
fn a_stack_can_be_used_again_after_its_coroutine_ended() {
    let pool = StackPool::new(64 * 1024).expect("a reserve within bounds");
    let mut stack = pool.take().expect("a stack");
    for round in 0..1000u32 {
        let mut coroutine =
            Coroutine::<u32, u32, u32, _>::with_stack(stack, |yielder, n| n + yielder.suspend(n));
        assert_eq!(coroutine.resume(round), CoroutineResult::Yield(round));
        assert_eq!(coroutine.resume(1), CoroutineResult::Return(round + 1));
        stack = coroutine.into_stack();
    }
}

#[test]
fn resuming_a_finished_coroutine_panics_with_the_reason() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|_, ()| ());
    coroutine.resume(());
    let panic = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).expect_err("finished");
    let text = panic.downcast_ref::<&str>().expect("a literal");
    assert!(text.contains("finished"), "{text}");
}

#[inline(never)]
fn a_function_named_inside() -> String {
    Backtrace::force_capture().to_string()
}

#[inline(never)]
fn a_function_named_outside() -> String {
    let mut coroutine = Coroutine::<(), String, String>::new(|yielder, ()| {
        yielder.suspend(String::new());
        a_function_named_inside()
    });
    coroutine.resume(());
    coroutine.resume(()).as_return().expect("it returns")
}

#[test]
fn a_backtrace_shows_both_stacks() {
    let text = a_function_named_outside();
    let inside = text
        .find("a_function_named_inside")
        .expect("the coroutine's frames");
    let outside = text
        .find("a_function_named_outside")
        .expect("the resumer's frames");
    assert!(inside < outside, "{text}");
}

#[test]
fn locals_survive_switches_in_registers_and_memory() {
    let mut mix = Coroutine::<u64, u64, u64>::new(|yielder, first| {
        let mut state = [first; 16];
        let mut float = first as f64;
        for round in 0..1000 {
            let input = yielder.suspend(state[round % 16]);
            state[round % 16] = state[round % 16].rotate_left(7) ^ input;
            float += input as f64;
        }
        state.iter().fold(float as u64, |a, b| a ^ b)
    });
    let mut value = mix.resume(1);
    let mut rounds = 0u64;
    let result = loop {
        match value {
            CoroutineResult::Yield(_) => value = mix.resume(rounds),
            CoroutineResult::Return(result) => break result,
        }
        rounds += 1;
    };
    let mut state = [1u64; 16];
    let mut float = 1f64;
    for round in 0..1000u64 {
        let slot = &mut state[round as usize % 16];
        *slot = slot.rotate_left(7) ^ round;
        float += round as f64;
    }
    assert_eq!(result, state.iter().fold(float as u64, |a, b| a ^ b));
}

#[test]
fn a_scoped_coroutine_ends_with_its_scope_even_if_its_handle_is_leaked() {
    let drops = Cell::new(0);
    struct Borrowing<'a>(&'a Cell<u32>);
    impl Drop for Borrowing<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let stack = || OwnedStack::new(64 * 1024).expect("a stack");
    let suspend_with_a_borrow = |yielder: &gorge_coroutine::Yielder<(), ()>, ()| {
        let _borrowing = Borrowing(&drops);
        yielder.suspend(());
    };
    scope(stack(), suspend_with_a_borrow, |mut coroutine| {
        coroutine.resume(());
        // Nothing that the user does with the handle matters.
        let _ = std::mem::ManuallyDrop::new(coroutine);
    });
    assert_eq!(drops.get(), 1);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        scope(stack(), suspend_with_a_borrow, |mut coroutine| {
            coroutine.resume(());
            panic!("in the body");
        })
    }));
    assert!(panic.is_err());
    assert_eq!(drops.get(), 2);
}
