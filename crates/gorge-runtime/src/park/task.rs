//! The park seam for what is neither a goroutine nor an OS thread: a future that is
//! pending.
//!
//! Nothing of it sleeps here. A [`Task`] is the cell that wakers claim, and the function
//! that they then call; what that does, with a [`std::task::Waker`] say, is up to whoever
//! made the task.

use super::cell::{Owner, ParkCell};
use super::{Outcome, TOKEN_CANCELLED, WaitReason, Waiter};
use std::ptr::NonNull;

/// A party that does not block: it is told by a call that its wait has ended.
///
/// A wait of it has neither a deadline nor a cancel. Whoever drops the future takes the
/// waiter back, and [withdraws](Task::withdraw) it if nobody has claimed it.
#[repr(C)]
pub struct Task {
    /// First: a cell's address is its task's.
    cell: ParkCell,
    wake: unsafe fn(NonNull<Task>),
}

impl Task {
    /// A task that does not wait. `wake` is called once for each wait that somebody has
    /// claimed, by the claimer, where it would wake a goroutine: not under the lock of
    /// the object. It is given the pointer with which the wait began. A panic of it goes on in
    /// the claimer, which may have others to wake: there must be none.
    pub fn new(wake: unsafe fn(NonNull<Task>)) -> Task {
        Task {
            cell: ParkCell::new(Owner::Task),
            wake,
        }
    }

    /// Begins a wait, which somebody may claim as soon as the waiter is published.
    ///
    /// # Safety
    ///
    /// The last wait of this task is over: its claimer has called the function, or it was
    /// withdrawn. Nobody else begins one. The pointer stays valid until then again, and may
    /// be used for whatever the function uses it for.
    pub unsafe fn begin(this: NonNull<Task>, reason: WaitReason, object: usize) -> Waiter {
        // SAFETY: valid by the caller's contract; the cell is the first field.
        let ticket = unsafe { this.as_ref() }.cell.begin(reason, object, 0);
        Waiter::new(this.cast(), ticket)
    }

    /// Whether it waits, and nobody has claimed that yet.
    pub fn is_waiting(&self) -> bool {
        self.cell.is_parked()
    }

    /// Ends a wait that nobody has claimed, and nobody can find any more.
    pub fn withdraw(&self) {
        let withdrawn = self.cell.claim(self.cell.ticket(), TOKEN_CANCELLED);
        debug_assert!(withdrawn, "nobody else could claim it");
    }

    /// How the last wait ended.
    ///
    /// # Panics
    ///
    /// If no wait ever did.
    pub fn outcome(&self) -> Outcome {
        let token = self.cell.load().token();
        assert_ne!(token, 0, "a wait has ended");
        Outcome::from_token(token)
    }
}

/// # Safety
///
/// The caller has claimed the wait of this task's cell and wakes it once.
pub(super) unsafe fn wake(cell: NonNull<ParkCell>) {
    let task = cell.cast::<Task>();
    // SAFETY: the cell is the first field of a task, which stays valid until the call.
    unsafe {
        let wake = (*task.as_ptr()).wake;
        wake(task);
    }
}
