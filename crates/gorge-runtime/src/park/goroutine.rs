//! The park seam for goroutines: leave the stack, let the machine commit.
//!
//! ```text
//!   goroutine's stack                  machine's stack
//!     begin: word = PARKED
//!     publish(waiter)
//!     suspend ------------------------> arm the timer
//!                                       deliver a cancel that came meanwhile
//!                                       commit()
//!                                       on_machine = 0
//!                                       (the G may be resumed from here on)
//!     <------------------------ resume after a claim and a wake
//! ```
//!
//! A waker may claim and queue the G before `on_machine` is zero (a timer or a
//! canceller even before `commit`): whoever takes it from the queue waits for
//! that word, so nobody resumes a half-parked goroutine, and `commit` may
//! borrow from the goroutine's stack.

use super::{
    CANCELLABLE, CancelMode, Claim, NO_PARK, Outcome, Owner, ParkCell, Refused, SHIELD,
    WANTS_UNPARK, Wait, Waiter,
};
use crate::cancel;
use crate::goroutine::{G, GRef};
use crate::panics;
use crate::primitive::atomic::Ordering;
use crate::scheduler::{self, AfterPark, Machine};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// # Safety
///
/// As for [`super::park`]; `machine` is the calling thread's and runs a
/// goroutine.
#[inline(always)]
pub(super) unsafe fn park<P, C>(
    machine: &Machine,
    wait: Wait,
    flags: u64,
    publish: P,
    commit: C,
) -> Result<Outcome, Refused>
where
    P: FnOnce(Waiter),
    C: FnOnce(),
{
    let g = machine.running();
    // SAFETY: the running goroutine's G is alive.
    let shared = unsafe { g.as_ref() };
    let flags = flags | begin_flags(shared, machine, wait.cancel)?;
    shared.cell.set_since(machine.shared().monitor.epoch());
    let ticket = shared.cell.begin(wait.reason, wait.object, flags);
    publish(Waiter::new(NonNull::from(&shared.cell), ticket));
    let mut commit = ManuallyDrop::new(commit);
    let after = AfterPark {
        commit: run_commit::<C>,
        data: (&raw mut commit).cast(),
        ticket,
        cancellable: flags & CANCELLABLE != 0,
        deadline: wait.deadline,
    };
    // SAFETY: this runs on the goroutine's own stack; the frame with `commit`
    // stays until the goroutine is resumed.
    unsafe { scheduler::leave(machine, g, after) };
    // From here on, `machine` may be another thread's.
    let outcome = Outcome::from_token(shared.cell.load().token());
    if wait.deadline.is_some() {
        shared.timer.disarm();
    }
    Ok(outcome)
}

/// What the wait's flags are besides PARKED.
#[inline]
fn begin_flags(g: &G, machine: &Machine, mode: CancelMode) -> Result<u64, Refused> {
    let panicking = panics::before_leaving(g, machine);
    let word = g.cell.load();
    if word.has(NO_PARK) && !panicking {
        return Err(Refused);
    }
    let withheld = mode == CancelMode::Withhold || !cancel::DELIVERABLE;
    if withheld || panicking || word.has(SHIELD) {
        return Ok(0);
    }
    if g.cell.cancel_requested() {
        Err(Refused)
    } else {
        Ok(CANCELLABLE)
    }
}

/// # Safety
///
/// `data` is the address of a `ManuallyDrop<C>` that is taken once, here.
unsafe fn run_commit<C: FnOnce()>(data: *mut ()) {
    // SAFETY: the caller's contract. The closure is moved out before it runs.
    let commit = unsafe { ManuallyDrop::take(&mut *data.cast::<ManuallyDrop<C>>()) };
    commit();
}

/// Parks the calling goroutine until its unpark token is set.
///
/// The lost token to fear: the unpark comes after the caller looked for a
/// token and before it is parked. `commit` looks again, after the word says
/// PARKED; see [`Goroutine::unpark`](crate::goroutine::Goroutine::unpark).
pub(crate) fn park_for_token(g: &G, wait: Wait) -> Result<Outcome, Refused> {
    let Some(machine) = scheduler::current::machine_in_goroutine() else {
        unreachable!("only a goroutine has a token")
    };
    let waiter = Cell::new(None);
    let take_token = || {
        // AcqRel: pairs with the swap in `unpark`.
        if g.cell.unpark_token.swap(0, Ordering::AcqRel) != 0
            && let Some(waiter) = waiter.take()
            // SAFETY: the waiter is this goroutine's own, which is parked.
            && let Some(claim) = unsafe { Waiter::claim(waiter, Outcome::Woken(0)) }
        {
            claim.wake();
        }
    };
    // SAFETY: nothing is published beyond this frame.
    unsafe {
        park(
            machine,
            wait,
            WANTS_UNPARK,
            |this| waiter.set(Some(this)),
            take_token,
        )
    }
}

/// # Safety
///
/// The caller has claimed the wait of this goroutine's cell and wakes it once.
#[inline(always)]
pub(super) unsafe fn wake(cell: NonNull<ParkCell>) {
    // The cell is the first field of its G.
    let g: GRef = cell.cast();
    // SAFETY: a claimed goroutine is alive and in no queue: the claimer passes
    // it on to one.
    unsafe { scheduler::ready(g) }
}

/// Claims the goroutine's current wait for a cancel that came while it began.
pub(crate) fn claim_cancelled(g: &G, ticket: u32) -> Option<Claim> {
    (g.cell.cancel_requested_after_begin() && g.cell.claim(ticket, Outcome::Cancelled.to_token()))
        .then(|| Claim::new(NonNull::from(&g.cell), Owner::Goroutine))
}
