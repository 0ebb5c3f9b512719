//! The scheduler: G (goroutine), M (machine, an OS thread), P (processor).
//!
//! `README.md` beside this file describes the protocol. In order of use:
//! `current` (which machine is this thread), `machine` (M: its state, and
//! running a goroutine), `worker` (M: where to find the next one), `processor`
//! (P: queues and caches), `steal`, `inbox` (homed goroutines woken from
//! elsewhere), `idle` (sleeping and waking machines), `shared` (the runtime's
//! common state).

pub(crate) mod current;
mod idle;
mod inbox;
mod machine;
mod processor;
mod random;
mod shared;
mod steal;
mod worker;

pub(crate) use machine::{AfterPark, Machine, leave};
pub(crate) use shared::{Config, Shared};
pub(crate) use worker::start_workers;

use crate::goroutine::GRef;

/// Makes a goroutine runnable whose wait the caller has claimed.
///
/// # Safety
///
/// The goroutine is alive and in no queue; the caller passes it on.
#[inline]
pub(crate) unsafe fn ready(g: GRef) {
    // SAFETY: the goroutine is alive until somebody runs it.
    let shared_g = unsafe { g.as_ref() };
    match current::machine() {
        Some(machine) if machine.owns(shared_g) => machine.ready(g),
        _ => ready_from_outside(g),
    }
}

/// A thread that is no worker of the goroutine's runtime keeps the runtime
/// alive while it wakes one: the goroutine's end may be the runtime's.
#[cold]
fn ready_from_outside(g: GRef) {
    // SAFETY: as in `ready`.
    if let Some(shared) = unsafe { g.as_ref() }.runtime() {
        shared.ready(g);
    }
}
