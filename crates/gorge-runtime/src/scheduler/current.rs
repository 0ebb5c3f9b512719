//! The thread-locals: which machine this thread is, or for whom it works.
//!
//! Const-initialised and without a destructor, so that destructors of other
//! thread-locals may still ask. Read by a function that is never inlined: a
//! migrating goroutine may continue on another thread after any switch, and
//! the compiler must not keep the address of the old thread's variable. For
//! the same reason nothing obtained here is held across a switch.

use super::{Machine, Shared};
use crate::goroutine::GRef;
use crate::primitive::clock;
use crate::report::report;
use std::cell::Cell;
use std::ptr::{from_ref, null};
use std::sync::Arc;

thread_local! {
    static MACHINE: Cell<*const Machine> = const { Cell::new(null()) };
    /// The runtime on whose behalf a thread of a blocking pool works.
    static RUNTIME: Cell<*const Arc<Shared>> = const { Cell::new(null()) };
}

/// The machine of this thread, if it is a worker. The reference is good until
/// the next switch of stacks.
#[inline(never)]
pub(crate) fn machine<'a>() -> Option<&'a Machine> {
    // SAFETY: a worker sets the pointer to its machine, which outlives
    // everything that runs on the thread, and clears it before the machine goes.
    unsafe { MACHINE.get().as_ref() }
}

/// As [`machine`], but only where a goroutine runs: not on the scheduler's own
/// stack.
#[inline(always)]
pub(crate) fn machine_in_goroutine<'a>() -> Option<&'a Machine> {
    machine().filter(|machine| machine.is_running())
}

/// The goroutine that calls this.
pub(crate) fn goroutine() -> Option<GRef> {
    machine().and_then(Machine::running_or_none)
}

/// The goroutine on whose stack this thread is, also while it runs a closure as
/// a plain thread would.
#[inline]
pub(crate) fn stack_owner() -> Option<GRef> {
    machine().and_then(Machine::on_stack_of)
}

/// The runtime that a spawn on this thread belongs to, if there is one.
pub(crate) fn runtime() -> Option<Arc<Shared>> {
    match machine() {
        Some(machine) => Some(Arc::clone(machine.shared())),
        // SAFETY: set while `inside` borrows it, on this thread.
        None => unsafe { RUNTIME.get().as_ref() }.cloned(),
    }
}

/// Makes `runtime` the one that spawns belong to while `f` runs on this thread,
/// which is no worker.
pub(crate) fn inside(runtime: &Arc<Shared>, f: impl FnOnce()) {
    let outer = RUNTIME.replace(from_ref(runtime));
    f();
    RUNTIME.set(outer);
}

/// Makes `machine` the one of this thread while `f` runs.
pub(super) fn with(machine: &Machine, f: impl FnOnce()) {
    set(machine);
    // A worker that unwound would leave its machine's address behind, and its
    // goroutines for ever.
    let guard = AbortOnUnwind;
    f();
    std::mem::forget(guard);
    set(null());
}

/// Ends the process when it is dropped.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        report(format_args!("gorge: a worker thread panicked; aborting"));
        std::process::abort();
    }
}

#[inline(never)]
fn set(machine: *const Machine) {
    MACHINE.set(machine);
    // What the thread knows of the time is another runtime's.
    clock::forget();
}
