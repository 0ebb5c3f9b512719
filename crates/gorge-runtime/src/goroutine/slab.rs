//! Memory for many Gs in one piece, on large pages where the system has them.
//!
//! A program that starts thousands of goroutines touches all their Gs again and again. On
//! pages of 4 KiB that is more than the first level of a processor's address translation
//! holds, and every operation then waits for the second one: some 2 ns for each page, or a
//! fifth of what a goroutine costs.
//!
//! A G stays where it is until its last handle has gone, which may be after its runtime has.
//! So a slab counts its Gs, and who frees the last one frees the slab. Whoever makes Gs in it
//! has a count of its own.

use super::{G, GRef};
use crate::primitive::atomic::{AtomicUsize, Ordering, fence};
use crate::scheduler::Shared;
use std::alloc::{self, Layout};
use std::ptr::{self, NonNull};
use std::sync::Weak;

/// How many Gs the first slab has: most programs need no other one.
const FIRST: usize = 128;

/// How many Gs each further slab has: they fill one large page.
const FURTHER: usize = LARGE_PAGE / size_of::<G>();

const LARGE_PAGE: usize = 2 << 20;

/// A slab, as its Gs know it.
pub(super) struct Slab {
    memory: NonNull<G>,
    layout: Layout,
    /// Its Gs, and one for the [`Maker`].
    users: AtomicUsize,
}

/// The one that makes Gs.
#[derive(Default)]
pub(super) struct Maker {
    /// Where the next ones go, and how many have been made there.
    slab: Option<(NonNull<Slab>, usize)>,
}

// SAFETY: its slab's places beyond those that were made are its alone.
unsafe impl Send for Maker {}

impl Maker {
    /// A new G, with a reference that is its store's.
    pub(super) fn make(&mut self, runtime: Weak<Shared>) -> GRef {
        let (slab, made) = match self.slab {
            Some((slab, made)) if made < Slab::len(slab) => (slab, made),
            full => {
                let len = if full.is_none() { FIRST } else { FURTHER };
                let next = Slab::allocate(len);
                *self = Maker {
                    slab: Some((next, 0)),
                };
                (next, 0)
            }
        };
        // SAFETY: the slab is there, as this has a count; the place is inside it, and nobody
        // else's.
        let g = unsafe {
            // Relaxed: whoever adds a count has one.
            slab.as_ref().users.fetch_add(1, Ordering::Relaxed);
            let g = slab.as_ref().memory.add(made);
            g.write(G::new(runtime, slab));
            g
        };
        self.slab = Some((slab, made + 1));
        g
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        if let Some((slab, _)) = self.slab.take() {
            // SAFETY: the count is this one's, and given up once.
            unsafe { Slab::release(slab) };
        }
    }
}

impl Slab {
    fn allocate(len: usize) -> NonNull<Slab> {
        let places = Layout::array::<G>(len).expect("a few megabytes");
        let align = if places.size() == LARGE_PAGE {
            LARGE_PAGE
        } else {
            places.align()
        };
        let layout = places.align_to(align).expect("a power of two");
        // SAFETY: a G has a size.
        let memory = unsafe { alloc::alloc(layout) };
        let Some(memory) = NonNull::new(memory.cast::<G>()) else {
            alloc::handle_alloc_error(layout);
        };
        if layout.align() == LARGE_PAGE {
            ask_for_a_large_page(memory);
        }
        let users = AtomicUsize::new(1);
        NonNull::from(Box::leak(Box::new(Slab {
            memory,
            layout,
            users,
        })))
    }

    fn len(slab: NonNull<Slab>) -> usize {
        // SAFETY: whoever asks has a count.
        unsafe { slab.as_ref() }.layout.size() / size_of::<G>()
    }

    /// Gives a count up, and frees the slab with the last one.
    ///
    /// # Safety
    ///
    /// The count is the caller's, who does not use the slab any more.
    unsafe fn release(slab: NonNull<Slab>) {
        // Release: what was done to a G comes before the slab is freed.
        // SAFETY: the caller's count has kept the slab.
        if unsafe { slab.as_ref() }
            .users
            .fetch_sub(1, Ordering::Release)
            > 1
        {
            return;
        }
        // Pairs with the Release of all others.
        fence(Ordering::Acquire);
        // SAFETY: nobody has a count, so nobody else uses the slab. It came from a box.
        let Slab { memory, layout, .. } = *unsafe { Box::from_raw(slab.as_ptr()) };
        // SAFETY: allocated with this layout, and all its Gs have been dropped.
        unsafe { alloc::dealloc(memory.as_ptr().cast(), layout) };
    }
}

/// Frees a G.
///
/// # Safety
///
/// It is the only pointer to a G that [`Maker::make`] has made.
pub(super) unsafe fn free(g: GRef) {
    // SAFETY: the caller's contract. The slab is there until its count, which was this G's,
    // is given up.
    unsafe {
        let slab = g.as_ref().slab;
        ptr::drop_in_place(g.as_ptr());
        Slab::release(slab);
    }
}

/// A hint: where the system has none, or none left, the memory is as good.
fn ask_for_a_large_page(_memory: NonNull<G>) {
    // SAFETY: the memory is a whole large page, and the caller's. Its content stays.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::madvise(_memory.as_ptr().cast(), LARGE_PAGE, libc::MADV_HUGEPAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn users(g: GRef) -> usize {
        // SAFETY: the tests ask about Gs that they have not freed.
        unsafe { g.as_ref().slab.as_ref() }
            .users
            .load(Ordering::Relaxed)
    }

    #[test]
    fn gs_have_places_of_their_own_in_more_than_one_slab() {
        let mut maker = Maker::default();
        let gs: Vec<GRef> = (0..FIRST + FURTHER + 1)
            .map(|_| maker.make(Weak::new()))
            .collect();
        let places: HashSet<usize> = gs.iter().map(|g| g.addr().get() / size_of::<G>()).collect();
        assert_eq!(places.len(), gs.len());
        assert!(gs.iter().all(|g| g.is_aligned()));
        // The maker goes on in the third one alone.
        let counts = [users(gs[0]), users(gs[FIRST]), users(gs[FIRST + FURTHER])];
        assert_eq!(counts, [FIRST, FURTHER, 2]);
        for g in gs {
            // SAFETY: made above, and freed once.
            unsafe { free(g) };
        }
    }

    #[test]
    fn a_slab_stays_until_its_last_g_has_gone() {
        let mut maker = Maker::default();
        let [first, last] = [maker.make(Weak::new()), maker.make(Weak::new())];
        drop(maker);
        assert_eq!(users(last), 2);
        // SAFETY: made above, and freed once.
        unsafe { free(first) };
        assert_eq!(users(last), 1);
        // SAFETY: it is still there.
        assert_eq!(unsafe { last.as_ref() }.id().as_u64(), 0);
        // SAFETY: as above.
        unsafe { free(last) };
    }
}
