//! Memory for many Gs in one piece, on large pages where the system has them.
//!
//! A program that starts thousands of goroutines touches all their Gs again and again. On
//! pages of 4 KiB that is more than the first level of a processor's address translation
//! holds, and every operation then waits for the second one: some 2 ns for each page, or a
//! fifth of what a goroutine costs.
//!
//! A G stays where it is until its last handle has gone, which may be after its runtime has.
//! So a slab counts its Gs, and who frees the last one frees the slab. Whoever makes Gs in it
//! has a [`Share`] besides.

use super::{G, GRef};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::scheduler::Shared;
use std::alloc::{self, Layout};
use std::ptr::{self, NonNull};
use std::sync::Weak;

/// How many Gs the first slabs have, on small pages: most programs need no others, and those
/// that they fill are not more than a processor keeps the addresses of.
const FIRST: [usize; 3] = [128, 128, 256];

/// How many Gs each further slab has: they fill one large page.
const FURTHER: usize = LARGE_PAGE / size_of::<G>();

const LARGE_PAGE: usize = 2 << 20;

/// A slab, as its Gs know it.
pub(super) struct Slab {
    memory: NonNull<G>,
    layout: Layout,
    /// Its Gs, and one for its [`Share`].
    users: AtomicUsize,
}

/// Keeps a slab, whose places beyond those that were made are its alone.
pub(super) struct Share(NonNull<Slab>);

// SAFETY: the count is atomic, and the places are the share's, wherever it is.
unsafe impl Send for Share {}

/// All Gs of a runtime, in the order in which they were made.
#[derive(Default)]
pub(super) struct Slabs {
    all: Vec<Share>,
    /// How many were made in the last one. The others are full.
    made: usize,
}

impl Slabs {
    /// A new G, with a reference that is its store's. None if a slab has to be
    /// [offered](Slabs::offer) first, of so many Gs.
    pub(super) fn make(&mut self, runtime: &Weak<Shared>) -> Result<GRef, usize> {
        match self.all.last() {
            Some(share) if self.made < share.places() => {
                let g = share.make(self.made, runtime.clone());
                self.made += 1;
                Ok(g)
            }
            _ => Err(FIRST.get(self.all.len()).copied().unwrap_or(FURTHER)),
        }
    }

    /// Goes on in this slab. Gives it back if somebody else has offered one meanwhile.
    pub(super) fn offer(&mut self, share: Share) -> Option<Share> {
        if self
            .all
            .last()
            .is_some_and(|last| self.made < last.places())
        {
            return Some(share);
        }
        self.all.push(share);
        self.made = 0;
        None
    }

    pub(super) fn len(&self) -> usize {
        let full = self.all.iter().rev().skip(1).map(Share::places);
        full.sum::<usize>() + self.made
    }

    /// Those that were made from number `position` on.
    pub(super) fn from(&self, position: usize) -> impl Iterator<Item = GRef> {
        let mut before = 0;
        self.all
            .iter()
            .enumerate()
            .flat_map(move |(number, share)| {
                let made = match number + 1 == self.all.len() {
                    true => self.made,
                    false => share.places(),
                };
                let first = position.saturating_sub(before).min(made);
                before += made;
                (first..made).map(|place| share.place(place))
            })
    }
}

impl Share {
    /// A slab with so many places.
    pub(super) fn allocate(places: usize) -> Share {
        let layout = Layout::array::<G>(places).expect("a few megabytes");
        let is_large = layout.size() == LARGE_PAGE;
        let align = if is_large { LARGE_PAGE } else { layout.align() };
        let layout = layout.align_to(align).expect("a power of two");
        // SAFETY: a G has a size.
        let memory = unsafe { alloc::alloc(layout) };
        let Some(memory) = NonNull::new(memory) else {
            alloc::handle_alloc_error(layout);
        };
        if is_large {
            // A hint: where the system has none, or none left, the memory is as good.
            // SAFETY: it is the whole page that was allocated; its content stays.
            #[cfg(target_os = "linux")]
            unsafe {
                libc::madvise(memory.as_ptr().cast(), LARGE_PAGE, libc::MADV_HUGEPAGE);
            }
            // The page comes now, and not when somebody has a lock.
            // SAFETY: the memory is ours.
            unsafe { memory.write_volatile(0) };
        }
        let slab = Slab {
            memory: memory.cast(),
            layout,
            users: AtomicUsize::new(1),
        };
        Share(NonNull::from(Box::leak(Box::new(slab))))
    }

    fn slab(&self) -> &Slab {
        // SAFETY: the share keeps it.
        unsafe { self.0.as_ref() }
    }

    fn places(&self) -> usize {
        self.slab().layout.size() / size_of::<G>()
    }

    fn place(&self, number: usize) -> GRef {
        debug_assert!(number < self.places());
        // SAFETY: callers know the number of places.
        unsafe { self.slab().memory.add(number) }
    }

    fn make(&self, number: usize, runtime: Weak<Shared>) -> GRef {
        let g = self.place(number);
        // Relaxed: whoever adds a count has one.
        self.slab().users.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the place is the share's.
        unsafe { g.write(G::new(runtime, self.0)) };
        g
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // SAFETY: the share's count is given up once.
        unsafe { release(self.0) };
    }
}

/// Frees a G.
///
/// # Safety
///
/// The store has made it, and nobody has another pointer to it that he will use.
pub(super) unsafe fn free(g: GRef) {
    // SAFETY: the caller's contract. The slab is there until its count, which was this G's,
    // is given up.
    unsafe {
        let slab = g.as_ref().slab;
        ptr::drop_in_place(g.as_ptr());
        release(slab);
    }
}

/// Gives a count up, and frees the slab with the last one.
///
/// # Safety
///
/// The count is the caller's, who does not use the slab any more.
unsafe fn release(slab: NonNull<Slab>) {
    // Release: what was done to a G comes before the slab is freed. Acquire: the same of the
    // others' Gs.
    // SAFETY: the caller's count has kept the slab.
    if unsafe { slab.as_ref() }
        .users
        .fetch_sub(1, Ordering::AcqRel)
        > 1
    {
        return;
    }
    // SAFETY: nobody has a count, so nobody else uses the slab. It came from a box.
    let Slab { memory, layout, .. } = *unsafe { Box::from_raw(slab.as_ptr()) };
    // SAFETY: allocated with this layout, and all its Gs have been dropped.
    unsafe { alloc::dealloc(memory.as_ptr().cast(), layout) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn make(slabs: &mut Slabs) -> GRef {
        loop {
            match slabs.make(&Weak::new()) {
                Ok(g) => return g,
                Err(places) => assert!(slabs.offer(Share::allocate(places)).is_none()),
            }
        }
    }

    fn users(g: GRef) -> usize {
        // SAFETY: the tests ask about Gs that they have not freed.
        unsafe { g.as_ref().slab.as_ref() }
            .users
            .load(Ordering::Relaxed)
    }

    #[test]
    fn gs_have_places_of_their_own_and_are_found_in_order() {
        let mut slabs = Slabs::default();
        let small: usize = FIRST.iter().sum();
        let gs: Vec<GRef> = (0..small + FURTHER + 1).map(|_| make(&mut slabs)).collect();
        assert!(gs.iter().all(|g| g.is_aligned()));
        let places: HashSet<GRef> = gs.iter().copied().collect();
        assert_eq!(places.len(), gs.len());
        assert_eq!(slabs.len(), gs.len());
        for position in [
            0,
            1,
            FIRST[0],
            small - 1,
            small,
            small + FURTHER,
            gs.len(),
            100_000,
        ] {
            let found: Vec<GRef> = slabs.from(position).collect();
            assert_eq!(found, gs[position.min(gs.len())..], "from {position} on");
        }
        let in_each = [gs[0], gs[small - 1], gs[small], gs[small + FURTHER]].map(users);
        assert_eq!(in_each, [FIRST[0] + 1, FIRST[2] + 1, FURTHER + 1, 2]);
        for g in gs {
            // SAFETY: made above, and freed once.
            unsafe { free(g) };
        }
    }

    #[test]
    fn a_slab_stays_until_its_last_g_has_gone() {
        let mut slabs = Slabs::default();
        let [first, last] = [make(&mut slabs), make(&mut slabs)];
        drop(slabs);
        assert_eq!(users(last), 2);
        // SAFETY: made above, and freed once.
        unsafe { free(first) };
        assert_eq!(users(last), 1);
        // SAFETY: it is still there.
        assert_eq!(unsafe { last.as_ref() }.id().as_u64(), 0);
        // SAFETY: as above.
        unsafe { free(last) };
    }

    #[test]
    fn a_slab_too_many_is_given_back() {
        let mut slabs = Slabs::default();
        let g = make(&mut slabs);
        assert!(slabs.offer(Share::allocate(1)).is_some());
        assert_eq!(slabs.len(), 1);
        // SAFETY: made above, and freed once.
        unsafe { free(g) };
    }
}
