//! Join handles: waiting for a goroutine's end and taking its result.

use super::joiner::Joiner;
use super::task::Task;
use super::{G, GRef, Goroutine, park_anyhow};
use crate::cancel;
use crate::error::JoinError;
use crate::panics;
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use crate::preempt;
use crate::scheduler::{Machine, current};
use crate::sim;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

/// Owns the right to a goroutine's result.
///
/// [`join`](JoinHandle::join) waits for it; in asynchronous code, the handle is
/// a future of the same result, on any executor.
///
/// Dropping the handle detaches the goroutine: it goes on, and its result is
/// dropped when it ends.
///
/// # Panics
///
/// As a future, if it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{block_on, go};
///
/// let answer = go(|| 42);
/// let length = go(|| "four".len());
/// assert_eq!(block_on(async { answer.await.unwrap() }), 42);
/// assert_eq!(length.join().unwrap(), 4);
/// ```
pub struct JoinHandle<T> {
    /// Owns the handle's reference. Not dropped when detaching gave it up.
    goroutine: ManuallyDrop<Goroutine>,
    stage: Stage,
    result: PhantomData<fn() -> T>,
}

/// What a handle has left or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing.
    New,
    /// It has left a waker in the slot, which the goroutine may have called.
    Polled,
    /// It has taken the result.
    Taken,
}

// SAFETY: the handle gives the result, a `T: Send` by spawn's bounds, to
// whoever joins; the G's shared parts are atomics.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: as above; `&JoinHandle` gives no access to the result.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The caller passes on the handle's reference to a G whose task ends with
    /// a result of type `T`.
    #[inline]
    pub(crate) unsafe fn new(g: GRef) -> JoinHandle<T> {
        // SAFETY: the reference is passed on.
        let goroutine = unsafe { Goroutine::from_reference(g) };
        JoinHandle {
            goroutine: ManuallyDrop::new(goroutine),
            stage: Stage::New,
            result: PhantomData,
        }
    }

    #[inline]
    fn reference(&self) -> GRef {
        match self.goroutine.reference() {
            Some(g) => g,
            None => unreachable!("a join handle is never a thread's"),
        }
    }

    fn g(&self) -> &G {
        // SAFETY: the handle's reference keeps the G.
        unsafe { self.reference().as_ref() }
    }

    /// Waits for the goroutine to end, and returns its value.
    ///
    /// On an OS thread, the thread waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] when the goroutine panicked, was cancelled, or could not
    /// be started.
    ///
    /// # Panics
    ///
    /// If the handle was polled as a future and was ready: the result is gone.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the *calling* goroutine; the joined one goes on,
    /// detached.
    #[inline]
    pub fn join(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // By parts, so that a handle that is joined at once is never in memory.
        // SAFETY: this is a move: the handle is not used, nor dropped, after it.
        unsafe { join_by_parts(this.reference(), this.stage) }
    }

    /// Whether the goroutine has ended, so that [`join`](JoinHandle::join)
    /// returns at once.
    pub fn is_finished(&self) -> bool {
        preempt::point_at_without_cancel("look at a goroutine");
        self.has_ended()
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.g().life.is_done()
    }

    /// Asks the goroutine to end: it unwinds at its next park point, now if it
    /// waits at one. A goroutine that has not started does not start.
    ///
    /// The request is sticky, and [`join`](JoinHandle::join) tells whether it
    /// took effect: a goroutine that ends on its own has a value as ever.
    pub fn cancel(&self) {
        preempt::point_at_without_cancel("cancel");
        self.g().cancel();
    }

    /// The goroutine's identity, and the right to unpark it.
    pub fn goroutine(&self) -> &Goroutine {
        &self.goroutine
    }

    /// Drops the handle. If the goroutine is done, and its result not taken,
    /// `look` is told whether it panicked; otherwise the goroutine itself finds
    /// that nobody will join it.
    #[inline]
    pub(super) fn detach(mut self, look: impl FnOnce(bool)) {
        // Dropped last, also when the result's destructor panics.
        let _waker = self.withdraw();
        let mut this = ManuallyDrop::new(self);
        let g = this.reference();
        let taken = this.stage == Stage::Taken;
        // SAFETY: this handle's reference keeps the G until it is given up.
        if taken || unsafe { g.as_ref() }.life.detach() {
            // SAFETY: the handle still has its reference and gives it up once,
            // also when the result's destructor panics.
            let _goroutine = unsafe { ManuallyDrop::take(&mut this.goroutine) };
            if !taken {
                // SAFETY: the life is done, so the result is this handle's to
                // look at and to drop, and the reference is still there.
                unsafe {
                    let run = g.as_ref().run.get();
                    look((*run).panicked);
                    if (*run).panicked {
                        sim::heard(g.as_ref().id());
                    }
                    if (*run).unreported {
                        panics::report_unasked(g.as_ref(), run);
                    }
                    Task::drop_result(&raw mut (*run).task);
                }
            }
        }
    }

    /// # Panics
    ///
    /// If the result was taken.
    #[track_caller]
    fn expect_result(&self, wanted_by: &str) {
        assert!(
            self.stage != Stage::Taken,
            "JoinHandle::{wanted_by} after the handle was ready as a future: its result is taken"
        );
    }

    /// Takes the result of a goroutine that is done. The handle still has the
    /// result.
    fn take(&mut self) -> Result<T, JoinError> {
        debug_assert!(self.stage != Stage::Taken, "checked by the callers");
        self.stage = Stage::Taken;
        // SAFETY: the life is done, so the result is the handle's, of type `T`
        // by `new`'s contract; it is taken once, as the stage now says.
        let result = unsafe { Task::take_result::<T>(&raw mut (*self.g().run.get()).task) };
        result.map_err(|failure| {
            // SAFETY: as above.
            unsafe { (*self.g().run.get()).unreported = false };
            sim::heard(self.goroutine.id());
            let name = self.goroutine.name().map(Into::into);
            JoinError::new(self.goroutine.id(), name, failure)
        })
    }

    /// Waits until the goroutine is done. False when a cancel came first. The
    /// handle has no waker in the slot.
    fn wait(&self, cancel: CancelMode) -> bool {
        let g = self.g();
        if g.life.is_done() {
            return true;
        }
        let wait = Wait {
            reason: WaitReason::Join,
            object: ptr::from_ref(g).addr(),
            deadline: None,
            cancel,
        };
        match current::machine_in_goroutine() {
            Some(machine) if machine.owns(g) => self.wait_expected(machine, wait),
            _ => self.wait_in_slot(wait),
        }
    }

    /// As [`wait`](JoinHandle::wait), for a goroutine of the same runtime.
    fn wait_expected(&self, machine: &Machine, wait: Wait) -> bool {
        let g = self.g();
        let place = Cell::new(None);
        let publish = |waiter: Waiter| {
            place.set(Some(waiter));
            g.join.expect(waiter);
        };
        let announce = || {
            if !g.life.expect()
                && let Some(waiter) = place.get()
                // SAFETY: the waiter is this goroutine's own, which is parked.
                && let Some(claim) = unsafe { waiter.claim(Outcome::Woken(0)) }
            {
                claim.wake();
            }
        };
        // SAFETY: the machine is this thread's, and runs this goroutine. No lock is held, and
        // neither function panics or parks. The waiter may stay where it is: a goroutine of this
        // runtime is waited for, and the slot's argument says why that may claim it at any time.
        let parked = unsafe { park::park_here(machine, wait, publish, announce) };
        matches!(parked, Ok(Outcome::Woken(_) | Outcome::Closed))
    }

    /// As [`wait`](JoinHandle::wait), for anybody.
    #[inline(never)]
    fn wait_in_slot(&self, wait: Wait) -> bool {
        let g = self.g();
        let slot = &g.join;
        slot.lock.lock();
        if !g.life.announce_joiner() {
            // SAFETY: locked above.
            unsafe { slot.lock.unlock() };
            return true;
        }
        let place = Cell::new(None);
        let publish = |waiter: Waiter| {
            place.set(Some(waiter));
            // SAFETY: under the slot's lock. The place is on this frame, and
            // the joiner is taken out before the frame goes.
            unsafe { drop(slot.replace(Some(Joiner::parked(&place)))) }
        };
        // SAFETY: the waiter is taken back below, under the lock; `commit`
        // releases the one lock that is held.
        let parked = unsafe { park::park(wait, publish, || slot.lock.unlock()) };
        match parked {
            Ok(Outcome::Woken(_) | Outcome::Closed) => return true,
            Ok(Outcome::TimedOut | Outcome::Cancelled) => slot.lock.lock(),
            Err(Refused) => {}
        }
        // SAFETY: the lock is held in both cases that come here.
        unsafe {
            drop(slot.replace(None));
            slot.lock.unlock();
        }
        false
    }

    /// Leaves the waker in the slot, in place of an earlier one. False when the
    /// goroutine is done.
    fn register(&mut self, waker: &Waker) -> bool {
        let g = self.g();
        let slot = &g.join;
        if self.stage == Stage::Polled && slot.will_wake(waker) {
            // Still there, so the goroutine has not come for it.
            return true;
        }
        let joiner = Joiner::polled(waker.clone());
        slot.lock.lock();
        let announced = g.life.announce_joiner();
        // SAFETY: locked above.
        let unneeded = unsafe {
            let unneeded = if announced {
                slot.replace(Some(joiner))
            } else {
                Some(joiner)
            };
            slot.lock.unlock();
            unneeded
        };
        // First, because a waker's drop may panic.
        if announced {
            self.stage = Stage::Polled;
        }
        drop(unneeded);
        announced
    }

    /// Takes a waker that an earlier poll has left out of the slot, for the
    /// caller to drop.
    #[inline]
    fn withdraw(&mut self) -> Option<Joiner> {
        if self.stage != Stage::Polled {
            return None;
        }
        self.stage = Stage::New;
        let slot = &self.g().join;
        slot.lock.lock();
        // SAFETY: locked above.
        unsafe {
            let joiner = slot.replace(None);
            slot.lock.unlock();
            joiner
        }
    }
}

/// Joins with the handle of a goroutine, which was at this stage.
///
/// # Safety
///
/// As for [`JoinHandle::new`].
unsafe fn join_by_parts<T>(g: GRef, stage: Stage) -> Result<T, JoinError> {
    // SAFETY: the caller's contract.
    let mut handle = unsafe { JoinHandle::<T>::new(g) };
    handle.stage = stage;
    handle.expect_result("join");
    preempt::point_at("join");
    drop(handle.withdraw());
    if !handle.wait(CancelMode::Deliver) {
        drop(handle);
        cancel::deliver();
    }
    let result = handle.take();
    let mut handle = ManuallyDrop::new(handle);
    // SAFETY: nothing is left to drop but this, which is dropped once. There is no waker.
    unsafe { ManuallyDrop::drop(&mut handle.goroutine) };
    result
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.expect_result("poll");
        preempt::point_at_without_cancel("join");
        if !this.has_ended() && this.register(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(this.take())
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        let (g, stage) = (self.reference(), self.stage);
        // SAFETY: this handle's reference keeps the G until it is given up.
        if stage == Stage::New && !unsafe { g.as_ref() }.life.detach() {
            return;
        }
        // By parts, so that a handle that is dropped at once is never in memory.
        // SAFETY: `self` is not used after its drop, so this is a move.
        unsafe { drop_slowly::<T>(g, stage) };
    }
}

/// Drops a handle of a goroutine that is done, or that has a waker.
///
/// # Safety
///
/// As for [`JoinHandle::new`], of a handle that was at this stage.
#[cold]
#[inline(never)]
unsafe fn drop_slowly<T>(g: GRef, stage: Stage) {
    // SAFETY: the caller's contract.
    let mut handle = unsafe { JoinHandle::<T>::new(g) };
    handle.stage = stage;
    handle.detach(|panicked| {
        if panicked {
            // SAFETY: the result is still there, and the handle's.
            unsafe { sim::forgotten(g, g.as_ref().run.get()) }
        }
    });
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("goroutine", &self.goroutine)
            .field("finished", &self.has_ended())
            .finish()
    }
}

/// Waits for a goroutine that was lent references into the caller's frame:
/// whatever happens, it returns or unwinds only after the goroutine's end. A
/// cancel of the caller is forwarded, waited for, and then delivered.
pub(crate) fn join_lent<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    if handle.wait(CancelMode::Deliver) {
        return handle.take();
    }
    handle.cancel();
    park_anyhow(|| while !handle.wait(CancelMode::Withhold) {});
    drop(handle.take());
    cancel::deliver()
}
