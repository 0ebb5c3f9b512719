//! Goroutines that wait on a stack of somebody else's: where their own one lies
//! says nothing about what is free there.

use gorge_coroutine::{Coroutine, OwnedStack, Yielder};
use gorge_runtime::{Runtime, time};
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
