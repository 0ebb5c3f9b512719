//! Cancelling: a sticky request, delivered as an unwinding at a park point.
//!
//! Operations that wait learn of it from the park seam and call [`deliver`]
//! once they have undone what they began. The unwinding does not call the
//! panic hook and ends at the goroutine's root, where it becomes a
//! [`JoinError`](crate::JoinError) that says so.

/// Whether this build can unwind at all. Without, a cancel is never delivered to
/// a goroutine that has started: it stays where it is, and keeps its stack.
#[cfg(not(gorge_loom))]
pub(crate) const DELIVERABLE: bool = cfg!(panic = "unwind");

/// The payload of a cancel's unwinding.
#[derive(Debug)]
pub(crate) struct Cancelled;

/// Unwinds the calling goroutine because it was cancelled.
///
/// For operations built on the park seam, after
/// [`Refused`](crate::park::Refused) or
/// [`Outcome::Cancelled`](crate::park::Outcome::Cancelled).
///
/// # Panics
///
/// Inside [`no_park`](crate::goroutine::no_park): then the wait was refused
/// for that.
#[cold]
#[cfg_attr(not(gorge_loom), track_caller)]
pub fn deliver() -> ! {
    #[cfg(not(gorge_loom))]
    if crate::goroutine::must_not_park() {
        crate::goroutine::refuse_to_park();
    }
    std::panic::resume_unwind(Box::new(Cancelled))
}

/// Whether the calling goroutine was cancelled and may be told now.
#[cfg(not(gorge_loom))]
pub(crate) fn is_pending() -> bool {
    use crate::park::{NO_PARK, SHIELD};
    use crate::scheduler::current;
    current::goroutine().is_some_and(|g| {
        // SAFETY: the current goroutine is alive while it runs this.
        let cell = unsafe { &g.as_ref().cell };
        DELIVERABLE
            && cell.cancel_requested()
            && !cell.load().has(SHIELD | NO_PARK)
            && !std::thread::panicking()
    })
}
