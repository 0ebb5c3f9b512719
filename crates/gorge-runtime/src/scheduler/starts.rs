//! The starts of a processor: goroutines that have not run yet. Its machine adds and takes the
//! newest; thieves take the oldest, one or many at once.
//!
//! A deque after Chase and Lev (*Dynamic circular work-stealing deque*, 2005), with the indices
//! `front` (the oldest) and `back` (behind the newest). What is added here is that a thief takes
//! up to [`BATCH`] with one step of `front`, so that who starts a thousand goroutines does not lose
//! the line that both write to a thousand times.
//!
//! # The races to fear
//!
//! *The owner and a thief take the same one.* The owner lowers `back` to what it wants, and then
//! reads `front`; a thief reads `front` (or steps it, to announce itself) and then `back`. All
//! four are sequentially consistent. So of a thief that found `front` moved since the owner read
//! it, the owner knows: it reads `back` after the owner lowered it, and leaves what the owner
//! wants. (1)
//!
//! * Of one that takes *a single one*, and found `front` as the owner did, it knows what it takes:
//!   the first. So the owner has anything but the first for itself, and the first is
//!   whose compare-and-swap of `front` succeeds.
//! * Of one that takes *many*, it does not: that one's `back` may be old. It takes [`BATCH`] at
//!   most, so the owner has for itself what is beyond as many. For what is nearer, the thief
//!   announces itself first, by a bit in `front`, and reads `back` after that. If the owner does
//!   not find the bit, (1) holds; if it does, it calls it off, and the thief's compare-and-swap
//!   fails.
//!
//! *A compare-and-swap succeeds though `front` was another one meanwhile.* The index only grows,
//! and how often the bit was called off is counted beside it, modulo 2^32 and 2^31: a thief would
//! have to sleep between two steps for minutes, and until one of the two has come round to the
//! very number, while the other stands still.
//!
//! *A thief reads a ring that is no more, or a slot that has another use.* Rings are kept until
//! the deque goes; each has at least twice as many slots as the one before, so that all have less
//! than twice as many as the last. A slot is used again only when `front` has passed it, and then
//! the compare-and-swap fails.

use crate::primitive::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::primitive::spin_hint;
use crossbeam_utils::CachePadded;
use std::ptr::{NonNull, null_mut};

/// How many a thief takes at once, at most.
const BATCH: u32 = if cfg!(gorge_loom) { 2 } else { 64 };

/// How many the first ring holds.
const FIRST_RING: u32 = if cfg!(gorge_loom) { 2 } else { 256 };

/// Pointers, which are not looked at.
pub(super) struct Starts<T> {
    owner: CachePadded<Owner<T>>,
    front: CachePadded<AtomicU64>,
}

/// Written by the owner.
struct Owner<T> {
    back: AtomicU32,
    /// Where the front was at some time. Used by the owner alone.
    front_was: AtomicU32,
    ring: AtomicPtr<Ring<T>>,
}

struct Ring<T> {
    slots: Box<[AtomicPtr<T>]>,
    /// The one before, in which a thief may still look; or null.
    smaller: *mut Ring<T>,
}

/// What `front` says: an index, whether somebody is about to take many from there, and how often
/// that was called off.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Front(u64);

impl Front {
    const ANNOUNCED: u64 = 1 << 32;
    const CALLED_OFF: u64 = 1 << 33;

    fn index(self) -> u32 {
        self.0 as u32
    }

    fn is_announced(self) -> bool {
        self.0 & Front::ANNOUNCED != 0
    }

    /// So many further, with nobody announced.
    fn advanced(self, count: u32) -> Front {
        let index = self.index().wrapping_add(count);
        Front(self.0 & !(Front::ANNOUNCED | u64::from(u32::MAX)) | u64::from(index))
    }

    /// With nobody announced who is now.
    fn called_off(self) -> Front {
        Front((self.0 & !Front::ANNOUNCED).wrapping_add(Front::CALLED_OFF))
    }

    /// Announced, in place of who is now.
    fn announced(self) -> Front {
        let free = if self.is_announced() {
            self.called_off()
        } else {
            self
        };
        Front(free.0 | Front::ANNOUNCED)
    }
}

// The pointers are not used, and what they lead to is passed on with them: the users say who
// may have it. So `Starts` is `Send` and `Sync` as its atomics are.

impl<T> Starts<T> {
    pub(super) fn new() -> Starts<T> {
        Starts {
            owner: CachePadded::new(Owner {
                back: AtomicU32::new(0),
                front_was: AtomicU32::new(0),
                ring: AtomicPtr::new(Ring::new(FIRST_RING, null_mut())),
            }),
            front: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// For tests: as after so many have come and gone.
    #[cfg(test)]
    pub(super) fn after(count: u32) -> Starts<T> {
        let starts = Starts::new();
        starts.front.store(u64::from(count), Ordering::Relaxed);
        starts.owner.back.store(count, Ordering::Relaxed);
        starts.owner.front_was.store(count, Ordering::Relaxed);
        starts
    }

    /// How many there are, about.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let back = self.owner.back.load(Ordering::Relaxed);
        let front = Front(self.front.load(Ordering::Relaxed));
        between(front.index(), back) as usize
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that changes with every one that is added.
    pub(super) fn end(&self) -> u32 {
        self.owner.back.load(Ordering::Relaxed)
    }

    /// Owner: adds the newest.
    #[inline]
    pub(super) fn push(&self, g: NonNull<T>) {
        // Relaxed: the owner's own.
        let back = self.owner.back.load(Ordering::Relaxed);
        self.ring_with_room(back, 1).put(back, g.as_ptr());
        // Release: whoever finds it acquires the goroutine, its slot and its ring.
        self.owner
            .back
            .store(back.wrapping_add(1), Ordering::Release);
    }

    /// Owner: takes the newest.
    #[inline]
    pub(super) fn pop(&self) -> Option<NonNull<T>> {
        // Relaxed: the owner's own; and a front that is old is just further away.
        let back = self.owner.back.load(Ordering::Relaxed);
        let front = Front(self.front.load(Ordering::Relaxed));
        let newest = back.wrapping_sub(1);
        match back.wrapping_sub(front.index()) {
            0 => None,
            // As a thief would: the back stays.
            1 => {
                let oldest = self.ring().get(newest);
                let taken = self.swap_front(front, front.advanced(1));
                taken.map_or_else(|_| self.steal(), |()| found(oldest))
            }
            _ => self.pop_behind(newest),
        }
    }

    /// Owner: takes the newest, which probably is not the first.
    #[inline]
    fn pop_behind(&self, newest: u32) -> Option<NonNull<T>> {
        // SeqCst: see the module's description. Release besides, as in `push`.
        self.owner.back.swap(newest, Ordering::SeqCst);
        sequential();
        let front = Front(self.front.load(Ordering::SeqCst));
        let ahead = newest.wrapping_sub(front.index()) as i32;
        let is_own = ahead >= BATCH as i32 || (ahead > 0 && !front.is_announced());
        if is_own || self.settle(front, newest) {
            found(self.ring().get(newest))
        } else {
            None
        }
    }

    /// Owner: of what thieves may take as well, with `back` lowered to it. True when it is
    /// the owner's.
    #[cold]
    fn settle(&self, mut front: Front, newest: u32) -> bool {
        loop {
            let ahead = newest.wrapping_sub(front.index()) as i32;
            if ahead > 0 && !front.is_announced() {
                return true;
            }
            let settled = match ahead {
                ..0 => Ok(()),
                0 => self.swap_front(front, front.advanced(1)),
                _ => self.swap_front(front, front.called_off()),
            };
            if let Err(now) = settled {
                front = now;
                continue;
            }
            if ahead <= 0 {
                // Nothing is left: the back is where it was, and the front with it.
                let back = newest.wrapping_add(1);
                self.owner.back.store(back, Ordering::Release);
            }
            return ahead >= 0;
        }
    }

    /// Anybody: takes the oldest.
    pub(super) fn steal(&self) -> Option<NonNull<T>> {
        loop {
            // SeqCst: see the module's description.
            let front = Front(self.front.load(Ordering::SeqCst));
            sequential();
            let back = self.owner.back.load(Ordering::SeqCst);
            if between(front.index(), back) == 0 {
                return None;
            }
            let oldest = self.ring().get(front.index());
            if self.swap_front(front, front.advanced(1)).is_ok() {
                return found(oldest);
            }
            spin_hint();
        }
    }

    /// Owner of `own`: takes the older half, but not more than [`BATCH`]: the oldest for itself, and
    /// the others for `own`.
    pub(super) fn steal_half(&self, own: &Starts<T>) -> Option<NonNull<T>> {
        // Acquire: pairs with the Release in `push`. These are just looks.
        let seen = Front(self.front.load(Ordering::Acquire));
        let back = self.owner.back.load(Ordering::Acquire);
        if between(seen.index(), back) > 2 {
            let front = seen.announced();
            if self.swap_front(seen, front).is_ok()
                && let Some(oldest) = self.take_many(front, own)
            {
                return Some(oldest);
            }
        }
        // The owner is near, and quick: it does not mind who takes a single one.
        self.steal()
    }

    /// Thief who is announced, with `front`: takes many, unless it is called off.
    fn take_many(&self, front: Front, own: &Starts<T>) -> Option<NonNull<T>> {
        // SeqCst: see the module's description.
        sequential();
        let back = self.owner.back.load(Ordering::SeqCst);
        let count = between(front.index(), back).div_ceil(2).min(BATCH);
        if count == 0 {
            return None;
        }
        let ring = self.ring();
        let oldest = ring.get(front.index());
        // Relaxed: the owner's own.
        let own_back = own.owner.back.load(Ordering::Relaxed);
        let own_ring = own.ring_with_room(own_back, count - 1);
        for offset in 1..count {
            // Nobody looks behind the back.
            let g = ring.get(front.index().wrapping_add(offset));
            own_ring.put(own_back.wrapping_add(offset - 1), g);
        }
        self.swap_front(front, front.advanced(count)).ok()?;
        // Release: as in `push`.
        own.owner
            .back
            .store(own_back.wrapping_add(count - 1), Ordering::Release);
        found(oldest)
    }

    fn swap_front(&self, from: Front, to: Front) -> Result<(), Front> {
        // SeqCst: see the module's description.
        self.front
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
            .map_err(Front)
    }

    #[inline]
    fn ring(&self) -> &Ring<T> {
        // Acquire: pairs with the Release in `grow`. A thief has acquired the back before, and
        // so finds the ring in which that was put, or a later one.
        let ring = self.owner.ring.load(Ordering::Acquire);
        // SAFETY: rings live as long as the deque.
        unsafe { &*ring }
    }

    /// Owner: the ring, with room for so many from `back` on.
    #[inline]
    fn ring_with_room(&self, back: u32, count: u32) -> &Ring<T> {
        let ring = self.ring();
        // Relaxed: the owner's own.
        let front_was = self.owner.front_was.load(Ordering::Relaxed);
        if back.wrapping_add(count).wrapping_sub(front_was) <= ring.capacity() {
            return ring;
        }
        self.make_room(back, count)
    }

    #[cold]
    fn make_room(&self, back: u32, count: u32) -> &Ring<T> {
        // Acquire: what thieves have read there comes before what is put there.
        let front = Front(self.front.load(Ordering::Acquire)).index();
        self.owner.front_was.store(front, Ordering::Relaxed);
        let needed = back.wrapping_add(count).wrapping_sub(front);
        if needed > self.ring().capacity() {
            self.grow(front, back, needed);
        }
        self.ring()
    }

    fn grow(&self, front: u32, back: u32, needed: u32) {
        let old = self.owner.ring.load(Ordering::Relaxed);
        let ring = Ring::new(needed.next_power_of_two(), old);
        let mut index = front;
        while index != back {
            // SAFETY: both live as long as the deque.
            unsafe { (*ring).put(index, (*old).get(index)) };
            index = index.wrapping_add(1);
        }
        // Release: pairs with the Acquire in `ring`.
        self.owner.ring.store(ring, Ordering::Release);
    }
}

impl<T> Drop for Starts<T> {
    fn drop(&mut self) {
        let mut ring = self.owner.ring.load(Ordering::Relaxed);
        while !ring.is_null() {
            // SAFETY: made by `Box::into_raw` in `Ring::new`, and in no other's `smaller`; nobody
            // has a reference any more.
            ring = unsafe { Box::from_raw(ring) }.smaller;
        }
    }
}

impl<T> Ring<T> {
    fn new(capacity: u32, smaller: *mut Ring<T>) -> *mut Ring<T> {
        let slots = (0..capacity).map(|_| AtomicPtr::new(null_mut()));
        Box::into_raw(Box::new(Ring {
            slots: slots.collect(),
            smaller,
        }))
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Relaxed, here and below: the back orders them.
    #[inline]
    fn put(&self, index: u32, g: *mut T) {
        self.slot(index).store(g, Ordering::Relaxed);
    }

    /// For a thief that is too late, what has been there since, or null.
    #[inline]
    fn get(&self, index: u32) -> *mut T {
        self.slot(index).load(Ordering::Relaxed)
    }

    #[inline]
    fn slot(&self, index: u32) -> &AtomicPtr<T> {
        // In bounds, as the optimiser sees: a length is a power of two.
        &self.slots[index as usize & (self.slots.len() - 1)]
    }
}

/// What was taken from a slot.
#[inline]
fn found<T>(g: *mut T) -> Option<NonNull<T>> {
    debug_assert!(!g.is_null(), "what the back has passed was put there");
    NonNull::new(g)
}

/// How many indices there are from one to another; none if they have crossed.
#[inline]
fn between(front: u32, back: u32) -> u32 {
    (back.wrapping_sub(front) as i32).max(0) as u32
}

/// Between two operations that are sequentially consistent; loom takes them for less.
#[inline]
fn sequential() {
    #[cfg(gorge_loom)]
    crate::primitive::atomic::fence(Ordering::SeqCst);
}

#[cfg(all(test, not(gorge_loom)))]
mod tests;
