//! The idle items of a pool: a cache for every processor of the machine, made when
//! the first item is given back.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use super::cache::{Cache, Refused};
use crossbeam_utils::CachePadded;
use gorge_runtime::primitive::atomic::{AtomicPtr, Ordering};
#[cfg(not(gorge_loom))]
use gorge_runtime::primitive::place;
use std::marker::PhantomData;
use std::ptr;

#[cfg(gorge_loom)]
use super::loom::place;

/// More caches than this would take longer to look through than they save.
const CACHES_MAX: usize = 64;

/// See the module's description.
pub(super) struct Idle<T> {
    /// Null until the first item comes.
    caches: AtomicPtr<Caches<T>>,
    /// How many items each cache keeps.
    capacity: usize,
    /// Makes this `Send` and `Sync` where the caches are.
    owns: PhantomData<Caches<T>>,
}

/// A power of two of them.
struct Caches<T>(Box<[CachePadded<Cache<T>>]>);

#[cfg(not(gorge_loom))]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(gorge_loom)]
fn processors() -> usize {
    2
}

impl<T> Caches<T> {
    fn new(capacity: usize) -> Caches<T> {
        let count = processors().next_power_of_two().min(CACHES_MAX);
        let cache = || CachePadded::new(Cache::new(capacity));
        Caches((0..count).map(|_| cache()).collect())
    }

    /// The cache of the place where the caller runs now.
    #[inline]
    fn own(&self) -> usize {
        place() & (self.0.len() - 1)
    }

    /// All caches, from the one after `own` on to `own` itself.
    fn after(&self, own: usize) -> impl Iterator<Item = &Cache<T>> {
        let mask = self.0.len() - 1;
        (1..=self.0.len()).map(move |i| &*self.0[(own + i) & mask])
    }
}

impl<T> Idle<T> {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new(capacity: usize) -> Idle<T> {
        Idle {
            caches: AtomicPtr::new(ptr::null_mut()),
            capacity,
            owns: PhantomData,
        }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new(capacity: usize) -> Idle<T> {
        Idle {
            caches: AtomicPtr::new(ptr::null_mut()),
            capacity,
            owns: PhantomData,
        }
    }

    /// An item: from the cache here, or else from another one.
    #[inline]
    pub(super) fn take(&self) -> Option<T> {
        let caches = self.caches()?;
        let own = caches.own();
        caches.0[own]
            .try_pop()
            .or_else(|| caches.after(own).find_map(Cache::try_pop))
    }

    /// Takes an item in: into the cache here, or else into another one that has
    /// room. If none has, the item is dropped.
    #[inline]
    pub(super) fn put(&self, item: T) {
        if self.capacity == 0 {
            return drop(item);
        }
        let caches = self.caches().unwrap_or_else(|| self.make_caches());
        let own = caches.own();
        if let Err(refused) = caches.0[own].try_push(item, self.capacity) {
            self.put_elsewhere(caches, own, refused);
        }
    }

    #[cold]
    #[inline(never)]
    fn put_elsewhere(&self, caches: &Caches<T>, own: usize, mut refused: Refused<T>) {
        let was_busy = matches!(refused, Refused::Busy(_));
        for cache in caches.after(own) {
            let (Refused::Full(item) | Refused::Busy(item)) = refused;
            refused = if cache.len() == self.capacity {
                Refused::Full(item)
            } else {
                match cache.try_push(item, self.capacity) {
                    Ok(()) => return,
                    Err(refused) => refused,
                }
            };
        }
        let (Refused::Full(item) | Refused::Busy(item)) = refused;
        if was_busy {
            // An item is worth waiting for somebody who is about to unlock. If it
            // does not fit, it is dropped here, without the lock.
            drop(caches.0[own].push(item, self.capacity));
        }
    }

    /// Drops what nobody has taken since the last call of this.
    pub(super) fn shrink(&self) {
        for cache in self.all() {
            drop(cache.take_untouched(self.capacity));
        }
    }

    /// Drops what is there.
    pub(super) fn clear(&self) {
        for cache in self.all() {
            drop(cache.take_all(self.capacity));
        }
    }

    /// About how many items there are.
    pub(super) fn len(&self) -> usize {
        self.all().map(Cache::len).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Cache<T>> {
        let caches = self.caches().map_or(&[][..], |caches| &caches.0);
        caches.iter().map(|cache| &**cache)
    }

    #[inline]
    fn caches(&self) -> Option<&Caches<T>> {
        // Acquire: pairs with the Release that published the caches.
        let caches = self.caches.load(Ordering::Acquire);
        // SAFETY: null, or made by `make_caches` and freed with `self`.
        unsafe { caches.as_ref() }
    }

    #[cold]
    #[inline(never)]
    fn make_caches(&self) -> &Caches<T> {
        let made = Box::into_raw(Box::new(Caches::new(self.capacity)));
        // Release: pairs with the Acquire in `caches`. Acquire on failure: the
        // same, for the caches of whoever was faster.
        let published = self.caches.compare_exchange(
            ptr::null_mut(),
            made,
            Ordering::Release,
            Ordering::Acquire,
        );
        match published {
            // SAFETY: just made, and from now on freed with `self`.
            Ok(_) => unsafe { &*made },
            Err(others) => {
                // SAFETY: just made, and seen by nobody.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: published, and freed with `self`.
                unsafe { &*others }
            }
        }
    }
}

impl<T> Drop for Idle<T> {
    fn drop(&mut self) {
        let caches = self.caches.load(Ordering::Relaxed);
        if !caches.is_null() {
            // SAFETY: made by `make_caches`, and nobody borrows `self` any more.
            drop(unsafe { Box::from_raw(caches) });
        }
    }
}
