//! The scheduler: G (goroutine), M (machine, an OS thread), P (processor).
//!
//! `README.md` beside this file describes the protocols. In order of use:
//!
//! * `current`: which machine is this thread.
//! * `slot`: what others touch of a machine; in it `inbox` (homed goroutines
//!   woken from elsewhere), `parker`, `thread_clock`, and `processor` (P: queues
//!   and caches; among them `starts`).
//! * `permits`: which machines may run, and which sleep; `crew` (waking one for
//!   new work) and `sleeper` (going to sleep, and coming back): the protocol.
//! * `machine` (M: its state), `queueing` (where it queues what became runnable), `worker`
//!   (its loop), `search` and `steal` (what others have), `rest` (what `sleeper` asks of it),
//!   `watch` (looking on while others do well), `execute` (running one goroutine), `preempt`
//!   (requests to give way).
//! * `readiness`: machines and the netpoller.
//! * `simulated`: the machine of a simulation.
//! * `shared` (the runtime's common state), `threads` (starting and ending them).

mod crew;
pub(crate) mod current;
mod execute;
mod inbox;
mod machine;
mod parker;
pub(crate) mod permits;
pub(crate) mod preempt;
mod processor;
mod queueing;
mod random;
mod readiness;
mod rest;
mod search;
mod shared;
mod simulated;
mod sleeper;
mod slot;
mod starts;
mod steal;
mod thread_clock;
mod threads;
mod turns;
mod watch;
mod worker;

pub(crate) use crew::{Crew, NEVER};
pub(crate) use execute::{AfterPark, leave, leave_to_move};
pub(crate) use machine::Machine;
pub(crate) use random::Random;
pub(crate) use shared::{Config, End, Shared};
pub(crate) use simulated::on_this_thread;
pub(crate) use slot::Slot;
pub(crate) use thread_clock::{ThreadClock, sleep_precisely};

use crate::goroutine::GRef;

/// Makes a goroutine runnable whose wait the caller has claimed.
///
/// # Safety
///
/// The goroutine is alive and in no queue; the caller passes it on.
#[inline(always)]
pub(crate) unsafe fn ready(g: GRef) {
    // SAFETY: the goroutine is alive until somebody runs it.
    let shared_g = unsafe { g.as_ref() };
    match current::machine() {
        Some(machine) if machine.owns(shared_g) => machine.ready(g),
        _ => ready_from_outside(g),
    }
}

/// As [`ready`], for a machine without a permit, which looks for one right
/// after.
///
/// # Safety
///
/// As for [`ready`].
pub(crate) unsafe fn leave_runnable(g: GRef) {
    // SAFETY: as in `ready`.
    let shared_g = unsafe { g.as_ref() };
    match current::machine() {
        Some(machine) if machine.owns(shared_g) => machine.shared().leave(g),
        _ => ready_from_outside(g),
    }
}

/// A thread that is no worker of the goroutine's runtime keeps the runtime
/// alive while it wakes one: the goroutine's end may be the runtime's.
#[cold]
#[inline(never)]
fn ready_from_outside(g: GRef) {
    // SAFETY: as in `ready`.
    if let Some(shared) = unsafe { g.as_ref() }.runtime() {
        shared.ready(g);
    }
}
