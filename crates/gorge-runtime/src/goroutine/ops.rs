//! What a goroutine does to itself: yield, sleep, park.
//!
//! Each function also works on a plain OS thread, which then yields, sleeps or
//! parks instead.

use super::Goroutine;
use crate::cancel;
use crate::park::{self, CancelMode, Outcome, Wait, WaitReason};
use crate::preempt;
use crate::primitive::atomic::Ordering;
use crate::primitive::thread;
use crate::scheduler::{Machine, current as machine};
use crate::sim;
use crate::time;
use std::time::{Duration, Instant};

/// The calling goroutine. On an OS thread, a handle to that thread.
pub fn current() -> Goroutine {
    let in_hook = || machine::machine().and_then(Machine::in_hook);
    match machine::goroutine().or_else(in_hook) {
        // SAFETY: the current goroutine is alive while it runs this.
        Some(g) => unsafe { Goroutine::new(g) },
        None => Goroutine::of_thread(thread::current()),
    }
}

/// Lets other goroutines run first: the caller goes to the tail of its queue.
///
/// # Cancellation
///
/// Delivers a cancel.
pub fn yield_now() {
    match machine::machine_in_goroutine() {
        Some(machine) => {
            if machine.yield_now() {
                cancel::deliver();
            }
        }
        None => thread::yield_now(),
    }
}

/// Waits for `duration`, at least.
///
/// # Cancellation
///
/// Delivers a cancel.
pub fn sleep(duration: Duration) {
    preempt::point_at("sleep");
    if duration.is_zero() {
        if cancel::is_pending() {
            cancel::deliver();
        }
        return;
    }
    let deadline = time::deadline(duration);
    wait_unpublished(WaitReason::Sleep, deadline);
}

/// Waits for ever, for a goroutine whose work is done by others.
///
/// # Cancellation
///
/// Delivers a cancel: that is the only way to end it.
pub fn park_forever() -> ! {
    loop {
        wait_unpublished(WaitReason::Forever, None);
    }
}

/// Waits until [`Goroutine::unpark`] is called, or returns at once when it was
/// called since the last park.
///
/// As with [`std::thread::park`], use it in a loop that checks what is waited
/// for: an unpark meant for something else may come first.
///
/// # Cancellation
///
/// Delivers a cancel.
pub fn park() {
    park_until(None);
}

/// As [`park`](fn@park), but waits for `duration` at most.
///
/// # Cancellation
///
/// Delivers a cancel.
pub fn park_timeout(duration: Duration) {
    park_until(time::deadline(duration));
}

// Inlined, as is `wait_unpublished`: a dump shows the caller as what blocks.
#[inline(always)]
fn park_until(deadline: Option<Instant>) {
    let Some(g) = machine::goroutine() else {
        sim::check_may_wait(WaitReason::Park);
        return match deadline {
            None => thread::park(),
            Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(time::now())),
        };
    };
    preempt::point_at("park");
    // SAFETY: the current goroutine is alive while it runs this.
    let shared = unsafe { g.as_ref() };
    // AcqRel, as in `unpark`: see there.
    if shared.cell.unpark_token.swap(0, Ordering::AcqRel) != 0 {
        return;
    }
    let wait = Wait {
        reason: WaitReason::Park,
        object: 0,
        deadline,
        cancel: CancelMode::Deliver,
    };
    let parked = park::park_for_token(shared, wait);
    shared.cell.unpark_token.swap(0, Ordering::AcqRel);
    match parked {
        Ok(Outcome::Woken(_) | Outcome::Closed | Outcome::TimedOut) => {}
        Ok(Outcome::Cancelled) | Err(park::Refused) => cancel::deliver(),
    }
}

/// A wait that nobody but the clock and a cancel can end.
#[inline(always)]
fn wait_unpublished(reason: WaitReason, deadline: Option<Instant>) {
    let wait = Wait {
        reason,
        object: 0,
        deadline,
        cancel: CancelMode::Deliver,
    };
    // SAFETY: nothing is published, so nothing is to be taken back.
    match unsafe { park::park(wait, |_| {}, || {}) } {
        Ok(Outcome::Cancelled) | Err(park::Refused) => cancel::deliver(),
        Ok(_) => {}
    }
}
