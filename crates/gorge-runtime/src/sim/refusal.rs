//! Waits inside of what was given to [`blocking`](crate::blocking()): in a simulation that runs
//! while everybody else stands still, so they would never end. They are refused as those in a
//! [`no_park`](crate::goroutine::no_park) section are: the operation undoes what it began, and
//! then asks for its cancel to be delivered, which is where it panics.

use crate::panics;
use crate::park::WaitReason;
use crate::report::report;
use crate::scheduler::{Machine, current};

/// Whether the caller, who is about to wait for this, must not.
#[cold]
pub(crate) fn refuses(reason: WaitReason) -> bool {
    let Some(world) = current::machine()
        .filter(|machine| machine.must_not_wait())
        .and_then(Machine::world)
    else {
        return false;
    };
    if panics::is_panicking() {
        // A panic would end the process, too, and tell less.
        report(format_args!("{}; aborting", world.refusal(reason)));
        std::process::abort();
    }
    world.refuses(reason);
    true
}

/// For an operation that cannot undo what it will begin.
///
/// # Panics
///
/// If the caller must not wait.
#[track_caller]
pub(crate) fn check_may_wait(reason: WaitReason) {
    if refuses(reason) {
        panic_if_refused();
    }
}

/// The caller has undone what it began.
///
/// # Panics
///
/// If it was refused to wait.
#[track_caller]
pub(crate) fn panic_if_refused() {
    if let Some(machine) = current::machine()
        && machine.must_not_wait()
        && let Some(world) = machine.world()
        && let Some(reason) = world.take_refused()
    {
        panic!("{}", world.refusal(reason));
    }
}
