//! Who waits for a goroutine's end.
//!
//! Whoever waits leaves itself in the G's [`JoinSlot`]. There are two ways.
//!
//! # In the slot, under its lock
//!
//! So do threads, goroutines of other runtimes and futures: `join` leaves a waiter that is
//! parked, a poll of the handle a task's waker.
//!
//! The lost wake-up to fear: the goroutine ends while the handle's owner is
//! about to wait. The owner holds the slot's lock while it sets WAITING and
//! looks at DONE, in one step, and until it has filled the slot. The goroutine
//! sets DONE and looks at WAITING, in one step, and takes the lock if it finds
//! it. So if the owner's step comes first, the goroutine gets the lock after
//! the owner and finds the joiner; otherwise the owner sees DONE and does not
//! wait. WAITING stays set: the goroutine also comes for the joiner of a later
//! poll, and before it has set DONE it takes none.
//!
//! Nobody is left in the slot for the G's next life: a handle that goes takes
//! its waker out before it detaches, and a goroutine that finds WAITING empties
//! the slot before it retires. A waker's clone, wake and drop are user code,
//! which may panic or come back here: they run without the lock.
//!
//! # Expected, without a lock
//!
//! So do goroutines of the same runtime. The joiner leaves its cell's address and parks.
//! Off its stack, it sets EXPECTED and looks at DONE, in one step; the goroutine sets DONE and
//! looks at EXPECTED, in one step. So the goroutine finds the cell and claims the joiner, or the
//! joiner sees DONE and claims itself; or both try, and one wins.
//!
//! The address stays there when the wait is over, by a cancel say. The cell is there to be looked
//! at, since their runtime keeps all its Gs, and runs the goroutine that looks. That claims a wait
//! for itself alone, so of a joiner that has gone it finds none: nobody waits for the next life
//! of its G before this one is over. A second wait with the same handle (of a scope that was
//! cancelled) is one of the same joiner.
//!
//! Once EXPECTED is set, nobody comes to the slot under its lock in that life.

use super::G;
use crate::panics;
use crate::park::{Claim, Outcome, Owner, ParkCell, SHIELD, Waiter};
use crate::primitive::RawLock;
use crate::primitive::atomic::{AtomicPtr, Ordering};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull, null_mut};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// See the module's description.
pub(super) struct JoinSlot {
    pub(super) lock: RawLock,
    /// What a [`Joiner`]'s waker points to; or the cell of who is expected.
    data: AtomicPtr<()>,
    /// That of a [`Joiner`]'s waker, if there is one.
    vtable: AtomicPtr<RawWakerVTable>,
}

/// Who waits in a slot: a task, by its waker, or a parked `join`. So that both
/// take two words, the latter is a waker too, with a vtable of our own that
/// tells them apart.
pub(super) struct Joiner(Waker);

/// Its functions are never of use: whoever finds this vtable claims the waiter.
static PARKED: RawWakerVTable = RawWakerVTable::new(
    |place| RawWaker::new(place, &PARKED),
    |_| {},
    |_| {},
    |_| {},
);

impl Joiner {
    pub(super) fn polled(waker: Waker) -> Joiner {
        Joiner(waker)
    }

    /// # Safety
    ///
    /// The place stays valid, and its waiter published, until the joiner was
    /// taken out of the slot under its lock.
    pub(super) unsafe fn parked(place: &Cell<Option<Waiter>>) -> Joiner {
        // SAFETY: the vtable's functions do not touch what they are given.
        Joiner(unsafe { Waker::new(ptr::from_ref(place).cast(), &PARKED) })
    }

    fn is_parked(&self) -> bool {
        ptr::eq(self.0.vtable(), &PARKED)
    }

    /// The waiter of a parked joiner.
    ///
    /// # Safety
    ///
    /// The caller has just found the joiner in the slot, and holds the lock.
    unsafe fn waiter(&self) -> Option<Waiter> {
        if !self.is_parked() {
            return None;
        }
        // SAFETY: only `parked` uses the vtable, so this is a place; it is
        // valid by that one's contract and this one's, and was written before
        // the lock was released.
        unsafe { (*self.0.data().cast::<Cell<Option<Waiter>>>()).get() }
    }
}

impl JoinSlot {
    pub(super) fn new() -> JoinSlot {
        JoinSlot {
            lock: RawLock::new(),
            data: AtomicPtr::new(null_mut()),
            vtable: AtomicPtr::new(null_mut()),
        }
    }

    /// Joiner, a goroutine of the same runtime: leaves its cell's address.
    #[inline]
    pub(super) fn expect(&self, waiter: Waiter) {
        // Relaxed: released by `Life::expect`, and acquired by `Life::complete`.
        self.data
            .store(waiter.cell().as_ptr().cast(), Ordering::Relaxed);
    }

    /// # Safety
    ///
    /// The caller holds the lock, and drops a task's joiner only without it.
    pub(super) unsafe fn replace(&self, joiner: Option<Joiner>) -> Option<Joiner> {
        let joiner = joiner.map(|joiner| ManuallyDrop::new(joiner.0));
        let (data, vtable) = match &joiner {
            Some(waker) => (
                waker.data().cast_mut(),
                ptr::from_ref(waker.vtable()).cast_mut(),
            ),
            None => (null_mut(), null_mut()),
        };
        // SAFETY: the caller's contract. It is taken out, and so dropped once.
        let old = unsafe { self.joiner() };
        // Relaxed: the lock orders them.
        self.data.store(data, Ordering::Relaxed);
        self.vtable.store(vtable, Ordering::Relaxed);
        old.map(ManuallyDrop::into_inner)
    }

    /// What is in the slot, where it stays.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, and uses it no longer.
    unsafe fn joiner(&self) -> Option<ManuallyDrop<Joiner>> {
        // Relaxed: the lock orders them.
        let vtable = self.vtable.load(Ordering::Relaxed);
        let data = self.data.load(Ordering::Relaxed);
        // SAFETY: there is none, or they are the parts of a waker, whose vtable is static.
        let waker = unsafe { vtable.as_ref().map(|vtable| Waker::new(data, vtable)) };
        waker.map(|waker| ManuallyDrop::new(Joiner(waker)))
    }

    /// Whether the slot holds this very waker, or its like.
    pub(super) fn will_wake(&self, waker: &Waker) -> bool {
        self.lock.lock();
        // SAFETY: locked above. Comparing wakers runs no code of theirs.
        unsafe {
            let same = self
                .joiner()
                .is_some_and(|joiner| joiner.0.will_wake(waker));
            self.lock.unlock();
            same
        }
    }
}

impl G {
    /// Goroutine's end: wakes the goroutine of its runtime that waits for the result.
    #[inline]
    pub(crate) fn wake_expected(&self) {
        // Relaxed: acquired by `Life::complete`, which found EXPECTED.
        let Some(cell) = NonNull::new(self.join.data.load(Ordering::Relaxed)) else {
            unreachable!("who is expected leaves its cell")
        };
        let cell: NonNull<ParkCell> = cell.cast();
        // SAFETY: EXPECTED is set, so it is the cell of a G of this goroutine's runtime, which
        // runs it and keeps its Gs.
        let waits = unsafe { cell.as_ref() };
        if waits.claim_wait_for(ptr::from_ref(self).addr(), Outcome::Woken(0).to_token()) {
            Claim::new(cell, Owner::Goroutine).wake();
        }
    }

    /// Goroutine's end: wakes whoever waits for the result in the slot.
    #[cold]
    pub(crate) fn wake_joiner(&self) {
        let slot = &self.join;
        slot.lock.lock();
        // SAFETY: under the slot's lock; a waiter found there has not been
        // taken back, and is claimed before the lock is released.
        let (joiner, claim) = unsafe {
            let joiner = slot.replace(None);
            let waiter = joiner.as_ref().and_then(|joiner| joiner.waiter());
            let claim = waiter.and_then(|waiter| waiter.claim(Outcome::Woken(0)));
            slot.lock.unlock();
            (joiner, claim)
        };
        if let Some(claim) = claim {
            claim.wake();
        } else if let Some(joiner) = joiner
            && !joiner.is_parked()
        {
            self.wake_task(joiner.0);
        }
    }

    /// Goroutine, with its result passed on: calls a task's waker.
    fn wake_task(&self, waker: Waker) {
        // A cancel has come too late, and must not end the waker half-way if it
        // gets to a park point.
        self.cell.set_flag(SHIELD, true);
        // Nothing is there to catch what leaves the end of a goroutine.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            // SAFETY: the goroutine itself calls this, at its end.
            unsafe { panics::judge_late(self, self.run.get(), payload) };
        }
    }
}
