//! The frames of the goroutine that asks: it walks its own stack.

use super::addresses::{Addresses, Trail};
use super::symbols::{Purpose, Symbols};
use super::{Frame, GoroutineSnapshot, snapshot, with_room};
use crate::goroutine::Run;
use crate::scheduler::current;
use crate::stack::Extent;
use std::sync::Arc;

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

/// The calls that the calling goroutine is in, innermost first; none on an OS thread.
pub(crate) fn own_calls() -> Arc<[Frame]> {
    if current::stack_owner().is_none() {
        return Arc::new([]);
    }
    with_room(|| {
        let captured = capture_current();
        Symbols::default()
            .resolve_all(&captured, Purpose::Dump)
            .frames
    })
}

impl GoroutineSnapshot {
    /// The calling goroutine, which panicked: with the frames that it captured in the
    /// panic hook, from the function that panicked on. `None` on an OS thread.
    pub(crate) fn of_panic(captured: Addresses) -> Option<GoroutineSnapshot> {
        let g = current::stack_owner()?;
        // SAFETY: the goroutine runs this, so it is alive.
        let reading = snapshot::read(unsafe { g.as_ref() }, 0, None)?;
        let trace = with_room(|| Symbols::default().resolve_all(&captured, Purpose::Panic));
        Some(GoroutineSnapshot::new(reading, Some(true), trace))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use parking_lot::Mutex;
    use std::panic;

    #[test]
    fn a_panic_is_shown_from_the_function_that_panicked_on() {
        const PLAN: &str = "a failure as planned";
        #[inline(never)]
        fn fails() {
            panic!("{PLAN}");
        }
        static CAPTURED: Mutex<Option<String>> = Mutex::new(None);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Other tests panic too.
            let is_planned = info.to_string().contains(PLAN);
            match GoroutineSnapshot::of_panic(capture_current()) {
                Some(goroutine) if is_planned => *CAPTURED.lock() = Some(goroutine.to_string()),
                _ => before(info),
            }
        }));
        let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
        let failed = runtime.go(fails).join();
        assert!(failed.is_err_and(|error| error.is_panic()));
        drop(panic::take_hook());
        let text = CAPTURED.lock().take().expect("the hook was called");
        let first = text.lines().nth(1).unwrap_or_default();
        assert!(text.starts_with("goroutine 1 [running]:\n"), "{text}");
        assert!(first.contains("fails"), "{text}");
        assert!(capture_current().iter().next().is_none(), "on a thread");
    }
}
