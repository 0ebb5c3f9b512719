//! Whether a context is done, and why: one byte.
//!
//! | from → to | by | then |
//! | --- | --- | --- |
//! | open → settled, with the reason | the first `announce`, if there is no done channel yet | |
//! | open → announced, with the reason | the first `announce`, if there is one | it closes that |
//! | announced → settled | anybody, once that is closed | |
//! | open → doomed | the last that could have cancelled it | nothing ever changes |
//!
//! Beside that, a flag says that the done channel has been made. It is set, and the
//! reason announced, under the node's lock; all else needs none.
//!
//! The reason is there before the channel is closed, so whoever finds the
//! channel closed finds a reason. Whoever finds a reason that is announced only
//! closes the channel itself before it tells anybody: so a reason that was told
//! means a closed channel. If there is no channel yet, it will be closed when it is
//! first seen.

use super::ContextError;
use gorge_runtime::primitive::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const CANCELED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 2;
const DOOMED: u8 = 3;
const STATE: u8 = 3;
const SETTLED: u8 = 4;
const HAS_DONE: u8 = 8;

pub(super) struct Status(AtomicU8);

/// What a look at the status says.
#[must_use]
pub(super) enum Look {
    Open,
    /// Nothing will ever cancel it.
    Doomed,
    /// Close the done channel, [settle](Status::settle), then tell the reason.
    Announced(ContextError),
    Settled(ContextError),
}

impl Status {
    pub(super) fn open() -> Status {
        Status(AtomicU8::new(OPEN))
    }

    /// Under the lock: sets the reason. True for the one call that does, which must
    /// close the done channel and [settle](Self::settle), if there is one.
    pub(super) fn announce(&self, reason: ContextError) -> bool {
        self.leave_open(match reason {
            ContextError::Canceled => CANCELED,
            ContextError::DeadlineExceeded => DEADLINE_EXCEEDED,
        })
    }

    /// Under the lock: nothing will ever cancel it.
    pub(super) fn doom(&self) -> bool {
        self.leave_open(DOOMED)
    }

    fn leave_open(&self, state: u8) -> bool {
        // Under the lock, and nobody settles what is open: so nobody else writes.
        let before = self.0.load(Ordering::Relaxed);
        let is_open = before & STATE == OPEN;
        if is_open {
            let settled = match before & HAS_DONE {
                0 => SETTLED,
                _ => 0,
            };
            // Release: pairs with the Acquire of `look`, so that what was done
            // before the cancel, and the cause, is seen by whoever sees the reason.
            self.0.store(before | state | settled, Ordering::Release);
        }
        is_open
    }

    /// The done channel is closed, or there is none.
    pub(super) fn settle(&self) {
        // Release: pairs with the Acquire of `look`: the channel is closed for
        // whoever sees the flag. A read-modify-write, so that it continues the
        // release of `announce` when a third party runs it.
        self.0.fetch_or(SETTLED, Ordering::Release);
    }

    #[inline]
    pub(super) fn look(&self) -> Look {
        // Acquire: pairs with `announce` and `settle`.
        let status = self.0.load(Ordering::Acquire);
        let reason = match status & STATE {
            CANCELED => Some(ContextError::Canceled),
            DEADLINE_EXCEEDED => Some(ContextError::DeadlineExceeded),
            _ => None,
        };
        match reason {
            // First, since then the reason is the answer, without a further look at what it is.
            _ if status & SETTLED != 0 => reason.map_or(Look::Doomed, Look::Settled),
            Some(reason) => Look::Announced(reason),
            None if status & STATE == OPEN => Look::Open,
            None => Look::Doomed,
        }
    }

    /// Whether a reason was announced.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.look(), Look::Announced(_) | Look::Settled(_))
    }

    /// Whether the done channel has been made.
    #[inline]
    pub(super) fn has_done(&self) -> bool {
        // Acquire: pairs with `made_done`: the channel is there.
        self.0.load(Ordering::Acquire) & HAS_DONE != 0
    }

    /// Under the lock: the done channel has been made.
    pub(super) fn made_done(&self) {
        // Release: pairs with the Acquire of `has_done`.
        self.0.fetch_or(HAS_DONE, Ordering::Release);
    }
}
