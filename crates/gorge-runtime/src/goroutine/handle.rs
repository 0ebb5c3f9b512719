//! What users hold of a goroutine: its identity, and the right to unpark it.

use super::{GRef, store};
use crate::park::{Claim, Outcome, Owner, WANTS_UNPARK};
use crate::primitive::atomic::Ordering;
use crate::scheduler::current;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
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
pub struct Goroutine {
    id: GoroutineId,
    name: Option<Arc<str>>,
    party: Party,
}

enum Party {
    Goroutine(GRef),
    Thread(Thread),
}

// SAFETY: a handle owns a reference to its G, whose shared parts are atomics.
unsafe impl Send for Goroutine {}
// SAFETY: as above.
unsafe impl Sync for Goroutine {}

impl Goroutine {
    /// # Safety
    ///
    /// `g` is alive: the caller has a reference, or runs on it.
    pub(crate) unsafe fn new(g: GRef) -> Goroutine {
        // SAFETY: the caller's contract.
        let shared = unsafe { g.as_ref() };
        shared.life.acquire();
        Goroutine {
            id: shared.id(),
            name: shared.name(),
            party: Party::Goroutine(g),
        }
    }

    pub(super) fn of_thread(thread: Thread) -> Goroutine {
        let name = thread.name().map(Arc::from);
        Goroutine {
            id: GoroutineId::new(0),
            name,
            party: Party::Thread(thread),
        }
    }

    /// The goroutine's number.
    pub fn id(&self) -> GoroutineId {
        self.id
    }

    /// The name given to [`Builder::name`](super::Builder::name).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Lets the goroutine's current or next [`park`](super::park) return.
    /// Does nothing once the goroutine has ended.
    pub fn unpark(&self) {
        let g = match &self.party {
            // SAFETY: this handle's reference keeps the G.
            Party::Goroutine(g) => unsafe { g.as_ref() },
            Party::Thread(thread) => return thread.unpark(),
        };
        // AcqRel: pairs with the swap in `park`. Whichever swap comes second
        // sees the other: either the goroutine finds the token, or the claim
        // below finds the goroutine parked.
        if g.unpark_token.swap(1, Ordering::AcqRel) == 0
            && g.cell.claim_if(WANTS_UNPARK, Outcome::Woken(0).to_token())
        {
            Claim::new(NonNull::from(&g.cell), Owner::Goroutine).wake();
        }
    }
}

impl Clone for Goroutine {
    fn clone(&self) -> Goroutine {
        let party = match &self.party {
            Party::Goroutine(g) => {
                // SAFETY: this handle's reference keeps the G.
                unsafe { g.as_ref() }.life.acquire();
                Party::Goroutine(*g)
            }
            Party::Thread(thread) => Party::Thread(thread.clone()),
        };
        Goroutine {
            id: self.id,
            name: self.name.clone(),
            party,
        }
    }
}

impl Drop for Goroutine {
    fn drop(&mut self) {
        if let Party::Goroutine(g) = self.party {
            // SAFETY: this handle's reference is given up, once.
            unsafe { release(g) }
        }
    }
}

impl fmt::Debug for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goroutine")
            .field("id", &self.id.0)
            .field("name", &self.name)
            .finish()
    }
}

/// Gives a handle's reference up. The last one makes the G free for its next
/// life, or frees it when its runtime is gone.
///
/// # Safety
///
/// The caller owns a reference, and does not use it afterwards.
pub(super) unsafe fn release(g: GRef) {
    // SAFETY: the caller's reference keeps the G until it is released.
    let shared = unsafe { g.as_ref() };
    if let Some(machine) = current::machine()
        && machine.owns(shared)
    {
        // This worker keeps its runtime, and so the store, alive.
        if shared.life.release() == 1 {
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
