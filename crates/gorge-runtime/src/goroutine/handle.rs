//! What users hold of a goroutine: its identity, and the right to unpark it.

use super::{G, GRef, store};
use crate::park::{Claim, ENDED, Outcome, Owner, WANTS_UNPARK};
use crate::preempt;
use crate::primitive::atomic::Ordering;
use crate::scheduler::current;
use std::fmt;
use std::ptr::NonNull;
use std::thread::Thread;

/// A goroutine's number, never used twice in one runtime. Zero is an OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoroutineId(u64);

impl GoroutineId {
    pub(crate) const fn new(id: u64) -> GoroutineId {
        GoroutineId(id)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A handle to a goroutine, or to the OS thread that asked for
/// [`current`](super::current) outside of any goroutine.
pub struct Goroutine(Party);

enum Party {
    /// Owns a reference of the G's life.
    Goroutine(GRef),
    Thread(Thread),
}

// SAFETY: a handle owns a reference to its G, whose shared parts are atomics;
// its name does not change while a handle exists.
unsafe impl Send for Goroutine {}
// SAFETY: as above.
unsafe impl Sync for Goroutine {}

impl Goroutine {
    /// # Safety
    ///
    /// The caller passes on a reference of the G's life.
    #[inline]
    pub(super) unsafe fn from_reference(g: GRef) -> Goroutine {
        Goroutine(Party::Goroutine(g))
    }

    /// # Safety
    ///
    /// `g` is alive: the caller has a reference, or runs on it.
    pub(super) unsafe fn new(g: GRef) -> Goroutine {
        // SAFETY: the caller's contract; the reference is counted first.
        unsafe {
            g.as_ref().life.acquire();
            Goroutine::from_reference(g)
        }
    }

    pub(super) fn of_thread(thread: Thread) -> Goroutine {
        Goroutine(Party::Thread(thread))
    }

    fn g(&self) -> Option<&G> {
        match &self.0 {
            // SAFETY: this handle's reference keeps the G.
            Party::Goroutine(g) => Some(unsafe { g.as_ref() }),
            Party::Thread(_) => None,
        }
    }

    /// The G of this life, unless it is a thread's handle.
    #[inline]
    pub(crate) fn reference(&self) -> Option<GRef> {
        match self.0 {
            Party::Goroutine(g) => Some(g),
            Party::Thread(_) => None,
        }
    }

    /// The goroutine's number.
    pub fn id(&self) -> GoroutineId {
        self.g().map_or(GoroutineId(0), G::id)
    }

    /// The name given to [`Builder::name`](super::Builder::name), or the OS
    /// thread's name.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            // SAFETY: this handle's reference keeps the G in this life, and
            // with it the name, as long as the handle is borrowed.
            Party::Goroutine(g) => unsafe { g.as_ref().name() },
            Party::Thread(thread) => thread.name(),
        }
    }

    /// Asks the goroutine to end; see [`JoinHandle::cancel`](super::JoinHandle::cancel).
    pub(super) fn cancel(&self) {
        if let Some(g) = self.g() {
            g.cancel();
        }
    }

    /// Whether the goroutine has left its stack for good.
    pub(super) fn has_ended(&self) -> bool {
        self.g().is_some_and(|g| g.cell.load().has(ENDED))
    }

    /// Lets the goroutine's current or next [`park`](fn@super::park) return.
    /// Does nothing once the goroutine has ended.
    pub fn unpark(&self) {
        preempt::point_at_without_cancel("unpark");
        let g = match &self.0 {
            // SAFETY: this handle's reference keeps the G.
            Party::Goroutine(g) => unsafe { g.as_ref() },
            Party::Thread(thread) => return thread.unpark(),
        };
        // AcqRel: pairs with the swap in `park`. Whichever swap comes second
        // sees the other: either the goroutine finds the token, or the claim
        // below finds the goroutine parked.
        if g.cell.unpark_token.swap(1, Ordering::AcqRel) == 0
            && g.cell.claim_if(WANTS_UNPARK, Outcome::Woken(0).to_token())
        {
            Claim::new(NonNull::from(&g.cell), Owner::Goroutine).wake();
        }
    }
}

impl Clone for Goroutine {
    fn clone(&self) -> Goroutine {
        match &self.0 {
            // SAFETY: this handle's reference keeps the G.
            Party::Goroutine(g) => unsafe { Goroutine::new(*g) },
            Party::Thread(thread) => Goroutine::of_thread(thread.clone()),
        }
    }
}

impl Drop for Goroutine {
    #[inline]
    fn drop(&mut self) {
        if let Party::Goroutine(g) = self.0 {
            // SAFETY: this handle's reference is given up, once.
            unsafe { release(g) }
        }
    }
}

impl fmt::Debug for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goroutine")
            .field("id", &self.id().0)
            .field("name", &self.name())
            .finish()
    }
}

/// Gives a handle's reference up. The last one makes the G free for its next
/// life, or frees it when its runtime is gone.
///
/// # Safety
///
/// The caller owns a reference, and does not use it afterwards.
#[inline]
unsafe fn release(g: GRef) {
    // SAFETY: the caller's reference keeps the G until it is released.
    let shared = unsafe { g.as_ref() };
    if let Some(machine) = current::machine()
        && machine.owns(shared)
    {
        // This worker keeps its runtime, and so the store, alive.
        if shared.life.release_to_store() {
            machine.recycle(g);
        }
        return;
    }
    match shared.runtime() {
        Some(runtime) => {
            if shared.life.release() == 1 {
                runtime.store.put(g);
            }
        }
        // SAFETY: the store is gone or about to release its own reference.
        None => unsafe { store::free_if_last(g, shared.life.release()) },
    }
}
