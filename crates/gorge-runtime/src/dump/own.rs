//! The frames of the goroutine that asks: it walks its own stack.

use super::addresses::{Addresses, Trail};
use crate::goroutine::Run;
use crate::scheduler::current;
use crate::stack::Extent;

/// The addresses of the calling goroutine's frames; none on an OS thread. A pinned
/// goroutine's end where it was pinned.
pub(crate) fn capture_current() -> Addresses {
    let mut trail = Trail::new();
    if let Some(g) = current::stack_owner() {
        // SAFETY: the goroutine's own code asks, so its run part is there, and
        // changes by this code only, which does nothing else meanwhile.
        let stacks = unsafe { stacks(g.as_ref().run.get()) };
        let mut here = None;
        backtrace::trace(|frame| {
            let position = frame.sp().addr();
            let is_on = |stack: &Extent| (stack.limit..stack.top).contains(&position);
            let Some(stack) = stacks.iter().position(is_on) else {
                return false;
            };
            if here.replace(stack).is_some_and(|last| last != stack) {
                trail.end_stack();
            }
            trail.push(frame.ip().addr())
        });
        trail.end_stack();
    }
    trail.addresses()
}

/// The stacks that the goroutine may have frames on.
///
/// # Safety
///
/// `run` is the run part of a goroutine, whose own code calls this.
unsafe fn stacks(run: *const Run) -> Vec<Extent> {
    // SAFETY: the caller's contract.
    let (extras, stack) = unsafe { (&(*run).extras, &(*run).stack) };
    let segments = extras.iter().flat_map(|extras| &extras.grown.segments);
    segments
        .copied()
        .chain(stack.as_ref().map(Extent::of))
        .collect()
}
