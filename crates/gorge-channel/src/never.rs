//! What is done with a receiver that has no channel, because it never receives anything
//! ([`never`](crate::never)).

use crate::error::{RecvTimeoutError, TryRecvError};
use gorge_runtime::park::{CancelMode, Outcome, Wait, WaitReason, park};
use gorge_runtime::{cancel, preempt};
use std::task::Poll;
use std::time::Instant;

/// Waits as a receive does: until the deadline, or a cancel.
#[cold]
#[inline(never)]
pub(crate) fn wait_until(deadline: Option<Instant>) -> RecvTimeoutError {
    preempt::point_at("receive");
    let wait = Wait {
        reason: WaitReason::ChannelReceiveNever,
        object: 0,
        deadline,
        cancel: CancelMode::Deliver,
    };
    // SAFETY: nobody is told of the wait, so nothing is to be taken back.
    match unsafe { park(wait, |_| (), || ()) } {
        Ok(Outcome::TimedOut) => RecvTimeoutError::Timeout,
        Ok(Outcome::Cancelled) | Err(_) => cancel::deliver(),
        Ok(Outcome::Woken(_) | Outcome::Closed) => unreachable!("nobody knows of the wait"),
    }
}

/// Finds nothing.
#[cold]
#[inline(never)]
pub(crate) fn try_receive() -> TryRecvError {
    preempt::point_at_without_cancel("try to receive");
    TryRecvError::Empty
}

/// As [`wait_until`] without a deadline.
#[cold]
#[inline(never)]
pub(crate) fn wait() -> ! {
    wait_until(None);
    unreachable!("there is no deadline")
}

/// As a future does.
pub(crate) fn poll<R>() -> Poll<R> {
    preempt::point_at_without_cancel("receive");
    Poll::Pending
}
