//! Whether a context is done, and why: one byte.
//!
//! | from → to | by | then |
//! | --- | --- | --- |
//! | open → announced, with the reason | the first `announce` | it closes the done channel |
//! | announced → settled | anybody, once the channel is closed | |
//!
//! The reason is there before the channel is closed, so whoever finds the
//! channel closed finds a reason. Whoever finds a reason that is announced only
//! closes the channel itself before it tells anybody: so a reason that was told
//! means a closed channel.

use super::ContextError;
use gorge_runtime::primitive::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const CANCELED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 2;
const SETTLED: u8 = 4;

pub(super) struct Status(AtomicU8);

/// What a look at the status says.
#[must_use]
pub(super) enum Look {
    Open,
    /// Close the done channel, [settle](Status::settle), then tell the reason.
    Announced(ContextError),
    Settled(ContextError),
}

impl Status {
    pub(super) fn open() -> Status {
        Status(AtomicU8::new(OPEN))
    }

    /// Sets the reason. True for the one call that does, which must close the
    /// done channel and [settle](Self::settle).
    pub(super) fn announce(&self, reason: ContextError) -> bool {
        let reason = match reason {
            ContextError::Canceled => CANCELED,
            ContextError::DeadlineExceeded => DEADLINE_EXCEEDED,
        };
        // Release: pairs with the Acquire of `look`, so that what was done
        // before the cancel is seen by whoever sees the reason.
        self.0
            .compare_exchange(OPEN, reason, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// The done channel is closed.
    pub(super) fn settle(&self) {
        // Release: pairs with the Acquire of `look`: the channel is closed for
        // whoever sees the flag. A read-modify-write, so that it continues the
        // release of `announce` when a third party runs it.
        self.0.fetch_or(SETTLED, Ordering::Release);
    }

    pub(super) fn look(&self) -> Look {
        // Acquire: pairs with `announce` and `settle`.
        let status = self.0.load(Ordering::Acquire);
        let reason = match status & !SETTLED {
            OPEN => return Look::Open,
            CANCELED => ContextError::Canceled,
            _ => ContextError::DeadlineExceeded,
        };
        if status & SETTLED != 0 {
            Look::Settled(reason)
        } else {
            Look::Announced(reason)
        }
    }
}
