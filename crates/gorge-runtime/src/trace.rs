//! Scheduling events: where an execution tracer will listen.
//!
//! Every scheduling decision passes through `emit`. It costs one branch, until
//! there is somebody who records.

use crate::goroutine::GoroutineId;
use crate::scheduler::{Machine, Shared};
use parking_lot::Mutex;

/// Something that a machine did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A goroutine became runnable.
    Ready(GoroutineId),
    /// The machine begins to run a goroutine.
    Run(GoroutineId),
    /// A goroutine left the machine to wait.
    Park(GoroutineId),
    /// A goroutine ended.
    End(GoroutineId),
    /// A goroutine started a child first: its continuation is now the newest of
    /// the machine's.
    Continuation(GoroutineId),
    /// The machine took the newest of its own continuations.
    Pop(GoroutineId),
    /// The machine took the oldest of its own continuations, because that had
    /// waited for long.
    Age(GoroutineId),
    /// A continuation of the machine's was left to whoever comes, because the
    /// machine has no permit.
    Surrender(GoroutineId),
    /// The machine took a goroutine from the processor with this number.
    Steal(GoroutineId, u32),
    /// A goroutine handed a closure to the blocking pool.
    HandOff(GoroutineId),
}

/// The events of a runtime, in an order that agrees with that of each machine.
#[derive(Default)]
pub(crate) struct EventLog(Mutex<Vec<(u32, Event)>>);

impl EventLog {
    /// Takes what was recorded so far: machine numbers and events.
    pub(crate) fn take(&self) -> Vec<(u32, Event)> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Shared {
    /// Tells whoever listens what was done to a machine by somebody else.
    pub(crate) fn emit(&self, machine: u32, event: Event) {
        if let Some(log) = &self.events {
            log.0.lock().push((machine, event));
        }
    }
}

/// Tells whoever listens.
#[inline(always)]
pub(crate) fn emit(machine: &Machine, event: impl FnOnce() -> Event) {
    if machine.records {
        record(machine, event());
    }
}

#[cold]
fn record(machine: &Machine, event: Event) {
    if let Some(world) = machine.closed_world() {
        world.note(event);
    }
    machine.shared().emit(machine.number(), event);
}
