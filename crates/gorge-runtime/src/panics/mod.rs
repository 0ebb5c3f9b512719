//! Panics of goroutines: who panics, what is printed, what ends the process.
//!
//! std counts panics per thread, and several goroutines share one. As long as
//! none of them is parked in the middle of its panic (in a destructor that waits,
//! while it unwinds), `thread::panicking()` is the truth about the one that runs.
//! [`is_panicking`] tells the truth also when one is, from what it knows of the
//! one that runs:
//!
//! * `MID_PANIC`: it is parked in the middle of a panic. Its machine counts those.
//! * `PANICKED`: it began a panic, or was resumed in the middle of one, and has
//!   not been seen without one since.
//!
//! Two cases remain in which the answer may be wrong, both only while a sibling
//! is parked in the middle of its panic. A goroutine that has caught its own
//! panic meanwhile counts as panicking: its cancel comes late. One that unwinds by
//! a `resume_unwind` of its own code, which nobody sees begin, does not: a cancel
//! that meets a wait in one of its destructors aborts.

mod hook;
mod policy;

pub(crate) use hook::install;
pub use policy::PanicPolicy;
pub(crate) use policy::{Identity, judge, judge_late, report_unasked};

use crate::goroutine::{G, NO_HOME, Run};
use crate::park::{MID_PANIC, PANICKED, PINNED};
use crate::primitive::atomic::Ordering;
use crate::scheduler::{Machine, current};
use std::any::Any;
use std::panic;
use std::thread;

/// Whether the goroutine, which runs on `machine`, unwinds because of a panic or
/// a cancel.
#[inline]
pub(crate) fn is_panicking_on(g: &G, machine: &Machine) -> bool {
    thread::panicking() && (!machine.has_mid_panic() || g.cell.load().has(PANICKED))
}

/// Whether the calling goroutine unwinds; on an OS thread, whether that does.
#[inline]
pub(crate) fn is_panicking() -> bool {
    thread::panicking()
        && current::machine_in_goroutine().is_none_or(|machine| {
            // SAFETY: the running goroutine is alive.
            is_panicking_on(unsafe { machine.running().as_ref() }, machine)
        })
}

/// As [`std::panic::resume_unwind`], for a panic that was printed where it began.
pub(crate) fn resume(payload: Box<dyn Any + Send>) -> ! {
    unwinding_begins();
    panic::resume_unwind(payload)
}

/// The calling goroutine is about to unwind without the panic hook.
pub(crate) fn unwinding_begins() {
    if let Some(g) = current::goroutine() {
        // SAFETY: the calling goroutine is alive, and changes its own flag.
        unsafe { g.as_ref() }.cell.set_flag(PANICKED, true);
    }
}

/// Goroutine, before it leaves its stack: while it panics, a migrating one is
/// pinned to its thread, which has counted the panic. Returns whether it does.
#[inline]
pub(crate) fn before_leaving(g: &G, machine: &Machine) -> bool {
    let panicking = thread::panicking();
    (panicking || g.cell.load().has(PINNED | PANICKED)) && note(g, machine, panicking)
}

/// A migrating goroutine is pinned by the panic of a sibling, too: for a moment
/// longer than it need be.
#[cold]
fn note(g: &G, machine: &Machine, thread_panics: bool) -> bool {
    let panicking = is_panicking_on(g, machine);
    g.cell.set_flag(PANICKED, panicking);
    if panicking {
        g.cell.set_flag(MID_PANIC, true);
        machine.count_mid_panic(true);
    }
    // SAFETY: called by the goroutine itself, on its stack.
    let is_free = unsafe { Run::is_free_to_move(g.run.get()) };
    if is_free && g.cell.set_flag(PINNED, thread_panics) != thread_panics {
        g.set_home(if thread_panics {
            machine.number()
        } else {
            NO_HOME
        });
        machine.count_resident(thread_panics);
    }
    panicking
}

/// Goroutine: is back from a pinned closure that it called in the middle of a
/// panic.
#[cold]
pub(crate) fn is_back_mid_panic(g: &G) {
    if let Some(machine) = current::machine_in_goroutine() {
        machine.count_mid_panic(false);
    }
    g.cell.set_flag(PANICKED, true);
}

/// Machine, about to run a goroutine that left in the middle of a panic.
#[cold]
pub(crate) fn resumed_mid_panic(g: &G, machine: &Machine) {
    debug_assert_eq!(g.on_machine.load(Ordering::Relaxed), machine.number());
    g.cell.set_flag(MID_PANIC, false);
    machine.count_mid_panic(false);
}
