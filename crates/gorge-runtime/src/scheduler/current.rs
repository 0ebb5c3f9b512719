//! The one thread-local: which machine this thread is.
//!
//! Const-initialised and without a destructor, so that destructors of other
//! thread-locals may still ask. Read by a function that is never inlined: a
//! migrating goroutine may continue on another thread after any switch, and
//! the compiler must not keep the address of the old thread's variable. For
//! the same reason nothing obtained here is held across a switch.

use super::Machine;
use crate::goroutine::GRef;
use std::cell::Cell;
use std::ptr::null;

thread_local! {
    static MACHINE: Cell<*const Machine> = const { Cell::new(null()) };
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

/// Makes `machine` the one of this thread while `f` runs.
pub(super) fn with(machine: &Machine, f: impl FnOnce()) {
    set(machine);
    f();
    set(null());
}

#[inline(never)]
fn set(machine: *const Machine) {
    MACHINE.set(machine);
}
