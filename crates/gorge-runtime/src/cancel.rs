//! Cancelling: a sticky request, delivered as an unwinding at a park point.
//!
//! Operations that wait learn of it from the park seam and call [`deliver`]
//! once they have undone what they began. The unwinding does not call the
//! panic hook and ends at the goroutine's root, where it becomes a
//! [`JoinError`](crate::JoinError) that says so. Code that catches it is told
//! again at its next park point, but not for ever.

#[cfg(not(gorge_loom))]
use crate::{
    goroutine::{self, G},
    panics,
    park::{self, CancelMode, NO_PARK, SHIELD, Wait, WaitReason},
    scheduler::current,
};
use std::any::Any;
#[cfg(not(gorge_loom))]
use std::marker::PhantomData;
use std::panic::resume_unwind;
#[cfg(not(gorge_loom))]
use std::panic::{UnwindSafe, catch_unwind};
#[cfg(not(gorge_loom))]
use std::thread;

/// Whether this build can unwind at all. Without, a cancel is never delivered to
/// a goroutine that has started: it stays where it is, and keeps its stack.
#[cfg(not(gorge_loom))]
pub(crate) const DELIVERABLE: bool = cfg!(panic = "unwind");

/// How often a goroutine may catch its cancel.
#[cfg(not(gorge_loom))]
const DELIVERIES_MAX: u8 = 32;

/// The payload of a cancel's unwinding.
#[derive(Debug)]
pub(crate) struct Cancelled;

/// Unwinds the calling goroutine because it was cancelled.
///
/// For operations built on the park seam, after
/// [`Refused`](crate::park::Refused) or
/// [`Outcome::Cancelled`](crate::park::Outcome::Cancelled).
///
/// A goroutine that has caught its cancel 32 times is parked for good instead,
/// and named on standard error.
///
/// # Panics
///
/// Inside [`no_park`](crate::goroutine::no_park), and in a simulation inside
/// [`blocking`](crate::blocking()): then the wait was refused for that.
#[cold]
#[cfg_attr(not(gorge_loom), track_caller)]
pub fn deliver() -> ! {
    #[cfg(not(gorge_loom))]
    if let Some(g) = current::goroutine() {
        if goroutine::must_not_park() {
            goroutine::refuse_to_park();
        }
        // SAFETY: the calling goroutine is alive.
        let g = unsafe { g.as_ref() };
        if g.cell.count_delivery() >= DELIVERIES_MAX {
            park_for_good(g);
        }
        panics::unwinding_begins();
    } else {
        crate::sim::panic_if_refused();
    }
    resume_unwind(Box::new(Cancelled))
}

/// Nothing can make the goroutine end, and nothing may end its frames.
#[cfg(not(gorge_loom))]
fn park_for_good(g: &G) -> ! {
    crate::report::report(format_args!(
        "gorge: {} has caught its cancel {DELIVERIES_MAX} times and went on; it is parked for \
         good: catch panics with gorge::catch_panic, which lets a cancel through",
        panics::Identity(g)
    ));
    let wait = Wait {
        reason: WaitReason::Forever,
        object: 0,
        deadline: None,
        cancel: CancelMode::Withhold,
    };
    loop {
        // SAFETY: nothing is published, so nothing is to be taken back.
        let _ = unsafe { park::park(wait, |_| {}, || {}) };
    }
}

/// As [`resume_unwind`], for operations that hand on a panic that was printed where it
/// began: the goroutine, which may wait in destructors on the way, is known to unwind.
pub fn resume_panic(payload: Box<dyn Any + Send>) -> ! {
    #[cfg(not(gorge_loom))]
    panics::unwinding_begins();
    resume_unwind(payload)
}

/// Whether the calling goroutine unwinds, from a panic or a cancel; on an OS thread, whether
/// that does. Another panic would end the process.
pub fn is_unwinding() -> bool {
    #[cfg(not(gorge_loom))]
    return panics::is_panicking();
    #[cfg(gorge_loom)]
    return std::thread::panicking();
}

/// Whether this is the payload of a cancel's unwinding, for code that catches it
/// to put something right and then resumes it.
pub fn is_cancel(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Cancelled>()
}

/// Whether the calling goroutine was cancelled and may be told now.
#[cfg(not(gorge_loom))]
pub(crate) fn is_pending() -> bool {
    current::goroutine().is_some_and(|g| {
        // SAFETY: the current goroutine is alive while it runs this.
        let cell = unsafe { &g.as_ref().cell };
        DELIVERABLE
            && cell.cancel_requested()
            && !cell.load().has(SHIELD | NO_PARK)
            && !panics::is_panicking()
    })
}

/// Calls `f`, in which no cancel is delivered to the calling goroutine.
///
/// For work that must not stop half-way, such as a protocol's farewell. A
/// cancel that comes meanwhile stays pending, and is delivered at the first
/// park point after `f`. On an OS thread, which nobody can cancel, `f` is simply
/// called.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, shield, yield_now};
///
/// let worker = go(|| {
///     shield(yield_now);
///     "all said"
/// });
/// worker.cancel();
/// // Cancelled before it began, or after the farewell.
/// assert!(worker.join().map_or_else(|error| error.is_cancelled(), |said| said == "all said"));
/// ```
#[cfg(not(gorge_loom))]
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    let _shielded = Shielded::new();
    f()
}

/// As [`shield`], for what is no single closure: no cancel is delivered to the goroutine that
/// made it until it is dropped. Those that overlap are dropped in the reverse order.
///
/// # Examples
///
/// ```
/// use gorge_runtime::cancel::Shielded;
/// use gorge_runtime::{go, goroutine, yield_now};
///
/// let worker = go(|| {
///     let shielded = Shielded::new();
///     yield_now(); // It is not unwound here,
///     drop(shielded);
///     goroutine::park_forever() // but here.
/// });
/// worker.cancel();
/// assert!(worker.join().unwrap_err().is_cancelled());
/// ```
#[cfg(not(gorge_loom))]
#[must_use = "the shield ends when this is dropped"]
#[derive(Debug)]
pub struct Shielded {
    /// The flag before.
    was_on: bool,
    /// It is the flag of one goroutine.
    _stays: PhantomData<*const ()>,
}

#[cfg(not(gorge_loom))]
impl Shielded {
    /// Shields the calling goroutine from here on.
    #[allow(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Shielded {
        Shielded {
            was_on: set_shield(true),
            _stays: PhantomData,
        }
    }
}

#[cfg(not(gorge_loom))]
impl Drop for Shielded {
    fn drop(&mut self) {
        set_shield(self.was_on);
        // The request may have been answered inside, where it was not told.
        if is_pending()
            && let Some(machine) = current::machine_in_goroutine()
        {
            machine.ask_to_end();
        }
    }
}

/// Sets the calling goroutine's flag; returns what it was.
#[cfg(not(gorge_loom))]
fn set_shield(on: bool) -> bool {
    current::goroutine().is_some_and(|g| {
        // SAFETY: the current goroutine is alive while it runs this.
        unsafe { g.as_ref() }.cell.set_flag(SHIELD, on)
    })
}

/// As [`std::panic::catch_unwind`], but lets the cancel of a goroutine through.
///
/// Code that must not end by a panic, such as a server's loop around its
/// handlers, uses this. With `catch_unwind` it would catch a cancel too, and
/// get it again at its next park point.
///
/// # Errors
///
/// The payload of the panic of `f`.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{catch_panic, go, goroutine};
///
/// let server = go(|| {
///     let caught = catch_panic(|| panic!("one bad request")).is_err();
///     assert!(caught);
///     catch_panic(|| goroutine::park_forever())
/// });
/// server.cancel();
/// assert!(server.join().unwrap_err().is_cancelled());
/// ```
#[cfg(not(gorge_loom))]
pub fn catch_panic<F, T>(f: F) -> thread::Result<T>
where
    F: FnOnce() -> T + UnwindSafe,
{
    catch_unwind(f).map_err(|payload| {
        if payload.is::<Cancelled>() {
            panics::unwinding_begins();
            resume_unwind(payload);
        }
        payload
    })
}
