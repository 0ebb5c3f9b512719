//! The park seam: the one way to block, for goroutines and OS threads alike.
//!
//! A blocking operation calls [`park`] with a [`Wait`] that says why and how,
//! a `publish` function that puts the [`Waiter`] where wakers find it, and a
//! `commit` function that runs once the caller is off its stack: typically it
//! releases the lock under which `publish` ran. A waker [claims](Waiter::claim)
//! the waiter, does its part (say, copies a value), and [wakes](Claim::wake)
//! it. Exactly one of the wakers, the deadline and a cancel ends a wait.
//!
//! ```text
//!   blocked party                            waker
//!     lock object
//!     park: publish(waiter)                  lock object
//!           leave the stack                  take waiter from the queue
//!           commit: unlock object            claim(token)   one winner
//!           ...                              write the value
//!           <---------------------------- wake, after unlock
//!     outcome
//! ```
//!
//! Two rules make this safe to build on. The blocked party's frame stays valid
//! between claim and wake, so the winner may write through pointers into it.
//! And whoever published a waiter takes it back, under the object's lock,
//! before the operation returns: no queue ever holds a waiter that has gone.

#[cfg(not(gorge_loom))]
mod cell;
#[cfg(gorge_loom)]
pub(crate) mod cell;
#[cfg(not(gorge_loom))]
mod goroutine;
#[cfg(not(gorge_loom))]
mod linger;
#[cfg(all(test, gorge_loom))]
mod loom;
mod reason;
mod task;
mod thread;

#[cfg(not(gorge_loom))]
pub(crate) use cell::{
    CANCELLABLE, CLAIMED, ENDED, MID_PANIC, NO_PARK, PANICKED, PARKED, PINNED, SHIELD, WANTS_UNPARK,
};
pub(crate) use cell::{Owner, ParkCell};
#[cfg(not(gorge_loom))]
pub(crate) use goroutine::{claim_cancelled, park_for_token};
#[cfg(not(gorge_loom))]
pub use linger::{linger, linger_for_one, may_linger};
pub use reason::WaitReason;
pub use task::Task;

use std::ptr::NonNull;
use std::time::Instant;

/// Loom explores every order anyway.
#[cfg(gorge_loom)]
pub fn may_linger() -> bool {
    false
}

/// Loom explores every order anyway.
#[cfg(gorge_loom)]
pub fn linger(_has_come: impl Fn() -> bool) -> bool {
    false
}

/// Loom explores every order anyway.
#[cfg(gorge_loom)]
pub fn linger_for_one(_has_come: impl Fn() -> bool) -> bool {
    false
}

/// Why and how somebody waits.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// What a dump shows.
    pub reason: WaitReason,
    /// The address of what is waited for; zero when there is none.
    pub object: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// Whether a cancel ends the wait.
    pub cancel: CancelMode,
}

/// Whether a cancel of the goroutine ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelMode {
    /// The wait ends with [`Outcome::Cancelled`], or does not begin.
    Deliver,
    /// The cancel stays pending until a later wait delivers it.
    Withhold,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// A waker claimed it, for the given case of a select (zero otherwise).
    Woken(u16),
    /// A waker claimed it because the object was closed.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// The goroutine was cancelled.
    Cancelled,
}

const TOKEN_TIMED_OUT: u16 = 1;
const TOKEN_CANCELLED: u16 = 2;
const TOKEN_CLOSED: u16 = 3;
const TOKEN_WOKEN: u16 = 4;

impl Outcome {
    #[inline]
    pub(crate) fn to_token(self) -> u16 {
        match self {
            Outcome::TimedOut => TOKEN_TIMED_OUT,
            Outcome::Cancelled => TOKEN_CANCELLED,
            Outcome::Closed => TOKEN_CLOSED,
            Outcome::Woken(case) => TOKEN_WOKEN
                .checked_add(case)
                .expect("a select has at most 65531 cases"),
        }
    }

    #[inline]
    pub(crate) fn from_token(token: u16) -> Outcome {
        match token {
            TOKEN_TIMED_OUT => Outcome::TimedOut,
            TOKEN_CANCELLED => Outcome::Cancelled,
            TOKEN_CLOSED => Outcome::Closed,
            _ => Outcome::Woken(token - TOKEN_WOKEN),
        }
    }
}

/// A wait did not begin, because a cancel is pending or the caller must not
/// wait here: neither `publish` nor `commit` ran. The operation undoes what it
/// began and calls [`cancel::deliver`](crate::cancel::deliver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Names one wait of one goroutine or thread. Valid from `publish` until the
/// operation that published it has taken it back.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    cell: NonNull<ParkCell>,
    ticket: u32,
}

// SAFETY: a waiter is an address and a number; `claim`'s contract says when
// the address may be used, on any thread: the cell is made of atomics.
unsafe impl Send for Waiter {}
// SAFETY: as above.
unsafe impl Sync for Waiter {}

impl Waiter {
    pub(crate) fn new(cell: NonNull<ParkCell>, ticket: u32) -> Waiter {
        Waiter { cell, ticket }
    }

    /// Whose wait it is.
    #[cfg(not(gorge_loom))]
    #[inline]
    pub(crate) fn cell(self) -> NonNull<ParkCell> {
        self.cell
    }

    /// Tries to win the wait. The winner must [wake](Claim::wake) the waiter,
    /// which then returns from [`park`] with `outcome`.
    ///
    /// # Safety
    ///
    /// The waiter has not been taken back: the caller found it published, and
    /// holds the lock under which it would be taken back.
    #[inline]
    pub unsafe fn claim(self, outcome: Outcome) -> Option<Claim> {
        // SAFETY: a published waiter's cell is alive, by this contract.
        let cell = unsafe { self.cell.as_ref() };
        let claim = Claim {
            cell: self.cell,
            owner: cell.owner(),
        };
        cell.claim(self.ticket, outcome.to_token()).then_some(claim)
    }

    /// Whether nobody has won the wait yet: no waker, no deadline and no cancel.
    /// The next moment, somebody may.
    ///
    /// For a waker that passes a waiter on to another object without winning it.
    ///
    /// # Safety
    ///
    /// As for [`claim`](Waiter::claim).
    #[inline]
    pub unsafe fn is_waiting(self) -> bool {
        // SAFETY: a published waiter's cell is alive, by this contract.
        unsafe { self.cell.as_ref() }.waits(self.ticket)
    }

    /// Whether both name the same wait, as the cases of one select do.
    pub fn is_same_wait(self, other: Waiter) -> bool {
        self.cell == other.cell && self.ticket == other.ticket
    }
}

/// The right and the duty to wake a waiter. Until then, the waiter's frame
/// stays as it is.
#[must_use = "a claimed waiter sleeps until it is woken"]
#[derive(Debug)]
pub struct Claim {
    cell: NonNull<ParkCell>,
    owner: Owner,
}

// SAFETY: the right to wake may move to another thread; the cell is made of
// atomics and stays valid until `wake`.
unsafe impl Send for Claim {}

impl Claim {
    pub(crate) fn new(cell: NonNull<ParkCell>, owner: Owner) -> Claim {
        Claim { cell, owner }
    }

    /// As [`wake`](Claim::wake), for a machine without a permit.
    #[cfg(not(gorge_loom))]
    pub(crate) fn leave(self) {
        match self.owner {
            // SAFETY: the cell is the first field of its G, which is claimed,
            // and woken once: here.
            Owner::Goroutine => unsafe { crate::scheduler::leave_runnable(self.cell.cast()) },
            Owner::Thread | Owner::Task => self.wake(),
        }
    }

    /// Makes the waiter runnable. Call it after releasing the object's lock.
    #[inline(always)]
    pub fn wake(self) {
        match self.owner {
            #[cfg(not(gorge_loom))]
            // SAFETY: claimed, and woken once: here.
            Owner::Goroutine => unsafe { goroutine::wake(self.cell) },
            // SAFETY: as above.
            Owner::Task => unsafe { task::wake(self.cell) },
            // SAFETY: as above.
            _ => unsafe { thread::wake(self.cell) },
        }
    }
}

/// Blocks the calling goroutine or OS thread until it is woken.
///
/// `publish` runs at once, on the caller's stack. `commit` runs after the
/// caller has left its stack, on the same OS thread; a waker cannot make the
/// caller continue before `commit` has returned.
///
/// # Errors
///
/// [`Refused`] when a cancel is pending and `wait` delivers cancels; and whatever `wait`
/// says inside [`no_park`](crate::goroutine::no_park), and in a simulation inside
/// [`blocking`](crate::blocking()).
///
/// # Safety
///
/// Before the operation returns, the caller takes the waiter back from
/// wherever `publish` put it. Neither closure panics or parks. Both run
/// without holding a lock that a waker would need, other than those that
/// `commit` releases.
#[inline(always)]
pub unsafe fn park<P, C>(wait: Wait, publish: P, commit: C) -> Result<Outcome, Refused>
where
    P: FnOnce(Waiter),
    C: FnOnce(),
{
    #[cfg(not(gorge_loom))]
    if let Some(machine) = crate::scheduler::current::machine_in_goroutine() {
        // SAFETY: the caller's contract; `machine` is this thread's.
        return unsafe { park_here(machine, wait, publish, commit) };
    }
    // SAFETY: the caller's contract.
    unsafe { park_thread(&wait, publish, commit) }
}

/// As [`park`], on a machine's thread that runs a goroutine.
///
/// # Errors
///
/// As for [`park`].
///
/// # Safety
///
/// As for [`park`]; the machine is this thread's.
#[cfg(not(gorge_loom))]
#[inline(always)]
pub(crate) unsafe fn park_here<P, C>(
    machine: &crate::scheduler::Machine,
    wait: Wait,
    publish: P,
    commit: C,
) -> Result<Outcome, Refused>
where
    P: FnOnce(Waiter),
    C: FnOnce(),
{
    // SAFETY: the caller's contract.
    unsafe { goroutine::park(machine, wait, 0, publish, commit) }
}

/// # Safety
///
/// As for [`park`].
#[inline(never)]
unsafe fn park_thread<P, C>(wait: &Wait, publish: P, commit: C) -> Result<Outcome, Refused>
where
    P: FnOnce(Waiter),
    C: FnOnce(),
{
    #[cfg(not(gorge_loom))]
    if crate::sim::refuses(wait.reason) {
        return Err(Refused);
    }
    // SAFETY: the caller's contract.
    Ok(unsafe { thread::park(wait, publish, commit) })
}
