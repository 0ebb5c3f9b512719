//! The panic hook: says which goroutine panics, and then calls the hook that was
//! there before.

use super::policy;
use crate::park::PANICKED;
use crate::scheduler::current;
use crate::stack;
use parking_lot::Mutex;
use std::panic::{self, PanicHookInfo};
use std::thread;

/// What the hook before ours may use of the stack; printing a backtrace takes
/// the most. Where less is left, it runs on a segment.
const STACK_MIN: usize = 128 * 1024;
const STACK_BYTES: usize = 2 << 20;

/// Puts the hook in front of the one that is there, once per process.
///
/// A thread that panics must not change hooks: a runtime that is built there
/// leaves it to the next one.
pub(crate) fn install() {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock();
    if !*installed && !thread::panicking() {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| on_panic(&*previous, info)));
        *installed = true;
    }
}

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Called on the stack of whoever panics, before it unwinds.
fn on_panic(previous: &Hook, info: &PanicHookInfo<'_>) {
    let Some(machine) = current::machine_in_goroutine() else {
        return previous(info);
    };
    // SAFETY: the running goroutine is alive, and changes its own flag.
    let g = unsafe { machine.running().as_ref() };
    g.cell.set_flag(PANICKED, true);
    policy::announce(g);
    // std aborts when a second panic meets this thread inside the hook. So it
    // must not run siblings meanwhile: what waits in there blocks the thread.
    let covered = machine.cover();
    machine.set_in_hook(true);
    stack::grow_if_possible(STACK_MIN, STACK_BYTES, || {
        previous(info);
        policy::trace(machine.shared());
    });
    machine.set_in_hook(false);
    // If the permit was taken away, the machine sees to that when the goroutine
    // has left: it cannot leave in here.
    machine.uncover(covered);
}
