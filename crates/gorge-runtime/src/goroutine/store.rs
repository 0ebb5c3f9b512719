//! All Gs of a runtime: where a dump finds them, and free ones for new goroutines.
//!
//! A G is made when no free one is at hand and stays until the runtime is gone, so
//! that a late look at one (a timer, a dump) finds a G. Handles may outlive the
//! runtime: a G that somebody still refers to is dropped by its last handle, and its
//! memory goes with its [slab](super::slab).

use super::slab::{self, Share, Slabs};
use super::{G, GRef};
use crate::scheduler::Shared;
use parking_lot::Mutex;
use std::ptr::NonNull;
use std::sync::Weak;

/// How many free Gs a processor takes from the store at once.
const BATCH: usize = 32;

/// See the module's description.
#[derive(Default)]
pub(crate) struct Store {
    all: Mutex<Slabs>,
    free: Mutex<Vec<GRef>>,
}

// SAFETY: Gs are `Sync`, and the lists are locked.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// A free G: from `cache`, which is refilled, or a new one.
    pub(crate) fn take(&self, cache: &mut Vec<GRef>, runtime: &Weak<Shared>) -> GRef {
        if let Some(g) = cache.pop() {
            return g;
        }
        let mut free = self.free.lock();
        let keep = free.len().saturating_sub(BATCH);
        cache.extend(free.drain(keep..));
        drop(free);
        cache.pop().unwrap_or_else(|| self.allocate(runtime))
    }

    /// A free G, for a taker without a cache.
    pub(crate) fn take_one(&self, runtime: &Weak<Shared>) -> GRef {
        let free = self.free.lock().pop();
        free.unwrap_or_else(|| self.allocate(runtime))
    }

    fn allocate(&self, runtime: &Weak<Shared>) -> GRef {
        loop {
            let places = match self.all.lock().make(runtime) {
                Ok(g) => return g,
                Err(places) => places,
            };
            // Without the lock: a large page takes a while to come.
            let slab = Share::allocate(places);
            let unneeded = self.all.lock().offer(slab);
            drop(unneeded);
        }
    }

    /// Keeps a G that has only the store's reference left.
    pub(crate) fn put(&self, g: GRef) {
        self.free.lock().push(g);
    }

    /// As [`put`](Store::put), for many.
    pub(crate) fn put_all(&self, gs: impl Iterator<Item = GRef>) {
        self.free.lock().extend(gs);
    }

    /// How many Gs were ever allocated.
    pub(crate) fn len(&self) -> usize {
        self.all.lock().len()
    }

    /// Calls `f` with at most `count` Gs from `position` on. Returns where to
    /// go on, if anything is left. The lock is not held meanwhile.
    pub(crate) fn for_some(
        &self,
        position: usize,
        count: usize,
        f: impl FnMut(&G),
    ) -> Option<usize> {
        let (some, end) = {
            let all = self.all.lock();
            let some: Vec<GRef> = all.from(position).take(count).collect();
            (some, all.len())
        };
        // SAFETY: the store keeps all its Gs allocated.
        some.iter().map(|g| unsafe { g.as_ref() }).for_each(f);
        (position + count < end).then_some(position + count)
    }

    /// Some G for which `is_it` holds, of all that were allocated when it was
    /// called. The lock is not held meanwhile.
    pub(crate) fn find(&self, mut is_it: impl FnMut(GRef) -> bool) -> Option<GRef> {
        let (mut found, mut position) = (None, Some(0));
        while let (None, Some(next)) = (found, position) {
            position = self.for_some(next, BATCH * BATCH, |g| {
                let g = NonNull::from(g);
                if found.is_none() && is_it(g) {
                    found = Some(g);
                }
            });
        }
        found
    }

    /// Calls `f` with every G that was ever allocated.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&G)) {
        for g in self.all.lock().from(0) {
            // SAFETY: the store keeps all its Gs allocated.
            f(unsafe { g.as_ref() });
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for g in self.all.get_mut().from(0) {
            // SAFETY: the store's reference kept the G until here.
            unsafe { free_if_last(g, g.as_ref().life.release()) }
        }
    }
}

/// Frees a G when `remaining` references, as a release returned it, is none.
///
/// # Safety
///
/// The caller gave its reference up and does not use the G any more.
pub(super) unsafe fn free_if_last(g: GRef, remaining: u64) {
    if remaining == 0 {
        // SAFETY: nobody has a reference, so this is the only pointer.
        unsafe { slab::free(g) };
    }
}
