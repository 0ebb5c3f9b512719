//! Requests to a machine or to the goroutine that it runs: give way, look at
//! your permit, look at your cancel.
//!
//! Operations that return without waiting look for requests too, so that a
//! goroutine that never has to wait gives way all the same. They must find
//! out cheaply that there is none: one number of the whole process counts the
//! machines with a request. It is a hint: where it is not zero, the caller
//! looks at its own machine, whose word decides.

use super::slot::Slot;
use crate::primitive::atomic::{AtomicU32, Ordering};

/// The goroutine's time slice is over.
pub(super) const SLICE_OVER: u32 = 1;
/// The machine's permit was taken away.
pub(super) const PERMIT_LOST: u32 = 1 << 1;
/// The goroutine that ran when this was set has been cancelled.
pub(super) const CANCELLED: u32 = 1 << 2;

/// How many machines of the process have a request, now or a moment ago.
static REQUESTED: AtomicU32 = AtomicU32::new(0);

/// Whether some machine of the process has a request.
#[inline(always)]
pub(crate) fn is_anything_requested() -> bool {
    REQUESTED.load(Ordering::Relaxed) != 0
}

/// Someone wants to hear of every operation: a simulation.
pub(crate) struct Listening(());

/// As long as this is there, operations take the time to look at their machine.
pub(crate) fn listen() -> Listening {
    REQUESTED.fetch_add(1, Ordering::Relaxed);
    Listening(())
}

impl Drop for Listening {
    fn drop(&mut self) {
        REQUESTED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    /// Monitor: the running goroutine's time slice is over.
    pub(crate) fn end_slice(&self) {
        self.request(SLICE_OVER);
    }

    /// The machine's permit was taken away.
    pub(crate) fn lose_permit(&self) {
        self.request(PERMIT_LOST);
    }

    /// The goroutine that runs here was cancelled.
    pub(crate) fn cancel_running(&self) {
        self.request(CANCELLED);
    }

    /// Anybody: adds a request.
    fn request(&self, request: u32) {
        // Release: who sees the request sees why.
        if self.attention.fetch_or(request, Ordering::Release) == 0 {
            REQUESTED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The requests, without answering them.
    #[inline]
    pub(super) fn requests(&self) -> u32 {
        self.attention.load(Ordering::Relaxed)
    }

    /// Machine: answers some requests. Returns those of them that there were.
    pub(super) fn answer(&self, requests: u32) -> u32 {
        // Acquire: pairs with the Release of `request`.
        let before = self.attention.fetch_and(!requests, Ordering::Acquire);
        if before != 0 && before & !requests == 0 {
            REQUESTED.fetch_sub(1, Ordering::Relaxed);
        }
        before & requests
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.answer(u32::MAX);
    }
}
