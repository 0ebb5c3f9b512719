//! Waiting until everybody else waits.

use super::world::World;
use crate::cancel;
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason};
use crate::scheduler::{Machine, current};
use std::cell::Cell;

/// Waits until every other goroutine of the simulation is *durably blocked*: until it could
/// go on only if this one did something, or time passed.
///
/// It is what a test says between having done something and looking what came of it, where
/// it would otherwise sleep. No time passes. All that the others did before they blocked
/// happens before this returns.
///
/// In a simulation every wait is durable, for a lock as for a value, since nothing comes
/// from outside. Sleeping is, too. If several goroutines settle, one of them goes on when
/// all others wait, and the next one when that one waits.
///
/// # Panics
///
/// Outside of a simulation, where there is no telling what others may do.
///
/// # Cancellation
///
/// Delivers a cancel.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, sim, time};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use std::time::Duration;
///
/// sim::run(1, || {
///     let done = Arc::new(AtomicBool::new(false));
///     let worker = go({
///         let done = done.clone();
///         move || {
///             time::sleep(Duration::from_secs(60));
///             done.store(true, Relaxed);
///         }
///     });
///     time::sleep(Duration::from_nanos(59_999_999_999));
///     sim::settle();
///     assert!(!done.load(Relaxed));
///     time::sleep(Duration::from_nanos(1));
///     sim::settle();
///     assert!(done.load(Relaxed));
///     worker.join().unwrap();
/// });
/// ```
#[track_caller]
pub fn settle() {
    assert!(
        current::machine_in_goroutine().is_some_and(|machine| machine.world().is_some()),
        "gorge::sim::settle outside of a simulation: call it on a goroutine inside of \
         gorge::sim::run or check"
    );
    let wait = Wait {
        reason: WaitReason::Settle,
        object: 0,
        deadline: None,
        cancel: CancelMode::Deliver,
    };
    let place = Cell::new(None);
    // SAFETY: the waiter is taken back below.
    let waited = unsafe {
        park::park(
            wait,
            |waiter| {
                place.set(Some(waiter));
                with_world(|world| world.settles(waiter));
            },
            || {},
        )
    };
    match (waited, place.get()) {
        // Whoever woke it took it out.
        (Ok(Outcome::Woken(_)), _) => {}
        (Ok(_), Some(waiter)) => {
            with_world(|world| world.has_settled(waiter));
            cancel::deliver();
        }
        (Err(Refused), _) | (_, None) => cancel::deliver(),
    }
}

fn with_world(f: impl FnOnce(&World)) {
    if let Some(world) = current::machine().and_then(Machine::world) {
        f(world);
    }
}
