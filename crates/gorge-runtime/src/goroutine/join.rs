//! Join handles: waiting for a goroutine's end and taking its result.

use super::task::Task;
use super::{G, GRef, Goroutine};
use crate::cancel;
use crate::error::JoinError;
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// Owns the right to a goroutine's result.
///
/// Dropping the handle detaches the goroutine: it goes on, and its result is
/// dropped when it ends.
pub struct JoinHandle<T> {
    g: GRef,
    /// Owns the handle's reference. Not dropped when detaching gave it up.
    goroutine: ManuallyDrop<Goroutine>,
    result: PhantomData<fn() -> T>,
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
    pub(crate) unsafe fn new(g: GRef) -> JoinHandle<T> {
        // SAFETY: the reference is passed on.
        let goroutine = unsafe { Goroutine::from_reference(g) };
        JoinHandle {
            g,
            goroutine: ManuallyDrop::new(goroutine),
            result: PhantomData,
        }
    }

    fn g(&self) -> &G {
        // SAFETY: the handle's reference keeps the G.
        unsafe { self.g.as_ref() }
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
    /// # Cancellation
    ///
    /// Delivers a cancel of the *calling* goroutine; the joined one goes on,
    /// detached.
    pub fn join(self) -> Result<T, JoinError> {
        if !self.wait(CancelMode::Deliver) {
            drop(self);
            cancel::deliver();
        }
        self.take()
    }

    /// Whether the goroutine has ended, so that [`join`](JoinHandle::join)
    /// returns at once.
    pub fn is_finished(&self) -> bool {
        self.g().life.is_done()
    }

    /// Asks the goroutine to end: it unwinds at its next park point, now if it
    /// waits at one. A goroutine that has not started does not start.
    ///
    /// The request is sticky, and [`join`](JoinHandle::join) tells whether it
    /// took effect: a goroutine that ends on its own has a value as ever.
    pub fn cancel(&self) {
        self.g().cancel();
    }

    /// The goroutine's identity, and the right to unpark it.
    pub fn goroutine(&self) -> &Goroutine {
        &self.goroutine
    }

    /// Drops the handle. If the goroutine is done, `look` is told whether it
    /// panicked; otherwise the goroutine itself finds that nobody will join it.
    pub(super) fn detach(self, look: impl FnOnce(bool)) {
        let mut this = ManuallyDrop::new(self);
        if this.g().life.detach() {
            // SAFETY: the handle still has its reference and gives it up once,
            // also when the result's destructor panics.
            let _goroutine = unsafe { ManuallyDrop::take(&mut this.goroutine) };
            let run = this.g().run.get();
            // SAFETY: the life is done, so the result is this handle's to look
            // at and to drop.
            unsafe {
                look((*run).panicked);
                Task::drop_result(&raw mut (*run).task);
            }
        }
    }

    /// Takes the result of a goroutine that is done.
    fn take(self) -> Result<T, JoinError> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the life is done, so the result is the handle's, of type `T`
        // by `new`'s contract; `this` is not dropped, so the result and the
        // reference are taken once.
        let (result, goroutine) = unsafe {
            (
                Task::take_result::<T>(&raw mut (*this.g.as_ref().run.get()).task),
                ManuallyDrop::take(&mut this.goroutine),
            )
        };
        result.map_err(|failure| {
            JoinError::new(goroutine.id(), goroutine.name().map(Into::into), failure)
        })
    }

    /// Waits until the goroutine is done. False when a cancel came first.
    fn wait(&self, cancel: CancelMode) -> bool {
        let g = self.g();
        let slot = &g.join;
        if g.life.is_done() {
            return true;
        }
        slot.lock.lock();
        if !g.life.announce_joiner() {
            // SAFETY: locked above.
            unsafe { slot.lock.unlock() };
            return true;
        }
        let wait = Wait {
            reason: WaitReason::Join,
            object: self.g.as_ptr().addr(),
            deadline: None,
            cancel,
        };
        let publish = |waiter: Waiter| {
            // SAFETY: under the slot's lock.
            unsafe { *slot.waiter.get() = Some(waiter) }
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
            *slot.waiter.get() = None;
            slot.lock.unlock();
        }
        false
    }
}

impl G {
    /// Goroutine's end: wakes whoever waits for the result.
    pub(crate) fn wake_joiner(&self) {
        let slot = &self.join;
        slot.lock.lock();
        // SAFETY: under the slot's lock; a waiter found there has not been
        // taken back, and is claimed before the lock is released.
        let claim = unsafe {
            let waiter = (*slot.waiter.get()).take();
            let claim = waiter.and_then(|waiter| waiter.claim(Outcome::Woken(0)));
            slot.lock.unlock();
            claim
        };
        if let Some(claim) = claim {
            claim.wake();
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: `self` is not used after its drop, so this is a move.
        let this = unsafe { std::ptr::read(self) };
        this.detach(|_| {});
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("goroutine", &self.goroutine)
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Waits for a goroutine that was lent references into the caller's frame:
/// whatever happens, it returns or unwinds only after the goroutine's end. A
/// cancel of the caller is forwarded, waited for, and then delivered.
pub(crate) fn join_lent<T>(handle: JoinHandle<T>) -> Result<T, JoinError> {
    if handle.wait(CancelMode::Deliver) {
        return handle.take();
    }
    handle.cancel();
    while !handle.wait(CancelMode::Withhold) {}
    drop(handle.take());
    cancel::deliver()
}
