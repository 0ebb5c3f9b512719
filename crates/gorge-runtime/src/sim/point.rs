//! Where the rest of the runtime tells a simulation what happens.
//!
//! All of it is behind a branch that is there anyway: who looks whether a machine is asked
//! for something ([`preempt`](crate::preempt)), or whether events are recorded
//! ([`trace`](crate::trace)), finds a simulation too.

use super::failure::Cause;
use super::world::World;
use crate::cancel;
use crate::dump;
use crate::error::{Failure as TaskFailure, panic_message};
use crate::goroutine::{GRef, GoroutineId, Run};
use crate::panics;
use crate::scheduler::{Machine, current};
use std::sync::Arc;
use std::time::Instant;

/// The calling goroutine, which runs in this world, is about to do something. Others may
/// run before it does.
///
/// # Cancellation
///
/// Delivers a cancel if it `delivers` any.
#[cold]
pub(crate) fn point(machine: &Machine, world: &World, delivers: bool, operation: &'static str) {
    // While it unwinds, and where it must not park, a goroutine goes on.
    if panics::is_panicking() || crate::goroutine::must_not_park() {
        return;
    }
    if delivers && cancel::is_pending() {
        cancel::deliver();
    }
    if world.at(operation, || machine.is_alone(), place) {
        // SAFETY: the running goroutine calls this, on its stack.
        unsafe { machine.give_way() };
    }
}

/// Where in the program the calling goroutine is: the file and the line of the innermost
/// call that is not gorge's, nor that of what lies between.
fn place() -> Option<String> {
    /// Generic code on top of the locks.
    const BETWEEN: &str = "lock_api";
    let calls = dump::own_calls();
    // The first one is the call of gorge.
    let mut outside = calls.iter().skip(1).filter(|frame| {
        let file = frame.file.as_deref().unwrap_or_default();
        !frame.function.contains(BETWEEN) && !file.contains(BETWEEN)
    });
    let frame = outside.next()?;
    Some(format!("{}:{}", frame.file.as_ref()?, frame.line?))
}

/// A goroutine of this machine, or its scheduler, has started another one, and lets it run
/// first if it `leaves`.
#[cold]
pub(crate) fn started(machine: &Machine, child: GRef, leaves: bool) {
    if let Some(world) = machine.closed_world() {
        world.started(child, leaves);
    }
}

/// The caller has started another goroutine.
#[cold]
pub(crate) fn after_start() {
    if let Some(machine) = current::machine_in_goroutine()
        && let Some(world) = machine.closed_world()
    {
        point(machine, world, false, "go on after the start");
    }
}

/// A goroutine of this machine has ended by a panic, which is its result still.
///
/// # Safety
///
/// The task of the goroutine with the run part `run` holds its result, and is the caller's.
#[cold]
pub(crate) unsafe fn panicked(machine: &Machine, g: GRef, run: *mut Run) {
    // SAFETY: the goroutine is alive, as the caller has its task.
    let id = unsafe { g.as_ref() }.id();
    if let Some(world) = machine.closed_world()
        // SAFETY: the caller's contract.
        && let Some(message) = unsafe { message(run) }
    {
        match world.is_main(id.as_u64()) {
            true => world.fail(|| Cause::Panic(id, message)),
            false => world.unheard(id, message),
        }
    }
}

/// As [`panicked`], where nobody has asked for the result, nor ever will.
///
/// # Safety
///
/// As for [`panicked`].
#[cold]
pub(crate) unsafe fn forgotten(g: GRef, run: *mut Run) {
    if let Some(machine) = current::machine()
        && let Some(world) = machine.closed_world()
        // SAFETY: the caller's contract.
        && let Some(message) = unsafe { message(run) }
    {
        // SAFETY: the goroutine is alive, as the caller has its task.
        let id = unsafe { g.as_ref() }.id();
        world.fail(|| Cause::Panic(id, message));
    }
}

/// Somebody has asked how this goroutine ended, or it was another one's to hear of it.
#[cold]
pub(crate) fn heard(id: GoroutineId) {
    if let Some(world) = current::machine().and_then(Machine::closed_world) {
        world.heard(id);
    }
}

/// What the goroutine panicked with, if it did.
///
/// # Safety
///
/// As for [`panicked`].
unsafe fn message(run: *mut Run) -> Option<Arc<str>> {
    // SAFETY: the caller's contract.
    match unsafe { Run::failure(run) } {
        Some(TaskFailure::Panic(payload)) => Some(panic_message(&**payload).into()),
        _ => None,
    }
}

/// Whether the caller is part of a simulation, on a goroutine or in a closure that one gave
/// to [`blocking`](crate::blocking()).
pub fn is_simulated() -> bool {
    current::machine().is_some_and(|machine| machine.closed_world().is_some())
}

/// Whether what the caller does, at the very instant at which a deadline passes for which
/// nothing runs, comes before that. In a simulation the seed decides, unless somebody was told
/// already that one has passed at this instant; elsewhere it is too late.
pub fn precedes_deadline() -> bool {
    current::machine().is_some_and(|machine| {
        let now = machine.shared().clock.now();
        let world = machine.closed_world();
        world.is_some_and(|world| world.precedes_deadline(now))
    })
}

/// The caller is told that a deadline has passed, at this very instant, for which nothing runs.
#[cold]
pub fn deadline_passes() {
    if let Some(machine) = current::machine()
        && let Some(world) = machine.closed_world()
    {
        world.deadlines_pass(machine.shared().clock.now());
    }
}

/// Whether the caller goes by a virtual clock, and that shows this instant.
pub fn stands_at(instant: Instant) -> bool {
    current::machine()
        .is_some_and(|machine| machine.shared().clock.virtual_instant() == Some(instant))
}
