//! Room for what a select gets, of any type: in place up to 64 bytes, else one allocation, made outside of all locks.
//!
//! One is enough for all cases of a select, since one case alone gets something. What is in
//! it stays there until it is taken: a slot that is dropped does not know what it has.
//!
//! A [`Parcel`] is a word that is moved in a register, as most values fit into that, or a
//! slot. A slot is moved in parts that are larger than the stores that wrote them, which a
//! processor can do only when those have left its store buffer. For the same reason there is
//! no flag beside the two: it would be moved together with whatever lies behind it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many words lie in place.
const WORDS: usize = 8;

/// How much room is needed for any of several values.
#[derive(Clone, Copy)]
pub(super) struct Room {
    size: usize,
    align: usize,
}

impl Room {
    pub(super) const NONE: Room = Room { size: 0, align: 1 };

    /// Enough for this, too.
    #[inline]
    pub(super) fn and(self, layout: Layout) -> Room {
        Room {
            size: self.size.max(layout.size()),
            align: self.align.max(layout.align()),
        }
    }

    #[inline]
    fn fits_in_a_word(self) -> bool {
        self.size <= size_of::<u64>() && self.align <= align_of::<u64>()
    }

    #[inline]
    fn fits_in_place(self) -> bool {
        self.size <= size_of::<[u64; WORDS]>() && self.align <= align_of::<[u64; WORDS]>()
    }
}

/// The room. It may be moved while no counterpart knows its address.
#[doc(hidden)]
pub struct Slot {
    inline: MaybeUninit<[u64; WORDS]>,
    /// Where it lies, if not in place.
    heap: Option<(NonNull<()>, Layout)>,
}

impl Slot {
    #[inline]
    pub(super) fn new(room: Room) -> Slot {
        Slot {
            inline: MaybeUninit::uninit(),
            heap: match room.fits_in_place() {
                true => None,
                false => Some(allocate(room)),
            },
        }
    }

    /// An empty slot without room for more than lies in place.
    #[inline]
    #[doc(hidden)]
    pub fn __new() -> Slot {
        Slot::new(Room::NONE)
    }

    /// Makes it an empty one of this room, whatever it was used for before.
    #[inline]
    pub(super) fn make_room(&mut self, room: Room) {
        if self.heap.is_some() || !room.fits_in_place() {
            *self = Slot::new(room);
        }
    }

    /// Gives back what was allocated, now that it is empty.
    #[inline]
    pub(super) fn free(&mut self) {
        if let Some((heap, layout)) = self.heap.take() {
            // SAFETY: allocated in `new`, with this layout.
            unsafe { dealloc(heap.as_ptr().cast(), layout) };
        }
    }

    /// Aligned, and so large, as was asked for.
    #[inline]
    pub(super) fn address(&mut self) -> NonNull<()> {
        match self.heap {
            Some((heap, _)) => heap,
            None => NonNull::from(&mut self.inline).cast(),
        }
    }
}

/// A slot to be moved with what it has.
pub(super) struct Parcel {
    word: MaybeUninit<u64>,
    /// `None`: it is in the word.
    slot: Option<Slot>,
}

impl Parcel {
    /// Lets `fill` put something into room of this size, and says what that returned.
    ///
    /// # Errors
    ///
    /// If `fill` fails.
    #[inline]
    pub(super) fn pack<R, E>(
        room: Room,
        fill: impl FnOnce(NonNull<()>) -> Result<R, E>,
    ) -> Result<(R, Parcel), E> {
        // Variables of their own, so that a compiler sees that nothing knows where they go.
        let mut word = MaybeUninit::uninit();
        if room.fits_in_a_word() {
            let filled = fill(NonNull::from(&mut word).cast())?;
            return Ok((filled, Parcel { word, slot: None }));
        }
        let mut slot = Slot::new(room);
        let filled = fill(slot.address())?;
        let slot = Some(slot);
        Ok((filled, Parcel { word, slot }))
    }

    /// Where its content lies.
    #[inline]
    pub(super) fn address(&mut self) -> NonNull<()> {
        match &mut self.slot {
            None => NonNull::from(&mut self.word).cast(),
            Some(slot) => slot.address(),
        }
    }

    /// As [`Slot::free`].
    #[inline]
    pub(super) fn free(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.free();
        }
    }
}

// SAFETY: a value in it is taken only by who has the channel's handle, which says whether
// values may be on that thread; else it stays, and is not dropped either. A promise may be
// broken anywhere. So a future may keep a slot in which it waits inside a `select!`.
unsafe impl Send for Slot {}
// SAFETY: a shared slot gives access to nothing.
unsafe impl Sync for Slot {}

#[cold]
fn allocate(room: Room) -> (NonNull<()>, Layout) {
    // The allocator refuses what has no size, as what is aligned alone.
    let layout = Layout::from_size_align(room.size.max(1), room.align);
    let layout = layout.expect("the sizes of values leave room for their alignment");
    // SAFETY: it has a size.
    let address = unsafe { alloc(layout) };
    let address = NonNull::new(address.cast()).unwrap_or_else(|| handle_alloc_error(layout));
    (address, layout)
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        self.free();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Slot { .. }")
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::Slot;
    use crate::{Select, bounded};

    /// Chooses a message of 64 bytes with a slot that was used for something else.
    fn choose_again(slot: &mut Slot) {
        let (sender, receiver) = bounded::<[u64; 8]>(1);
        sender.send([7; 8]).expect("there is room");
        let mut select = Select::new();
        select.recv(&receiver);
        let chosen = select.__try_select(slot).expect("there is a message");
        assert_eq!(chosen.recv(&receiver), Ok([7; 8]));
    }

    #[test]
    fn a_slot_is_used_again_after_whatever_it_was_used_for() {
        // Larger alignment than lies in place, but less room.
        let (sender, receiver) = bounded::<u128>(1);
        let mut slot = Slot::__new();
        let mut select = Select::new();
        select.recv(&receiver);
        assert!(select.__try_select(&mut slot).is_none());
        choose_again(&mut slot);
        // Chosen and forgotten.
        sender.send(1).expect("there is room");
        std::mem::forget(select.__try_select(&mut slot));
        choose_again(&mut slot);
        // A send beside it, and a closed channel.
        let mut both = Select::new();
        both.recv(&receiver);
        both.send(&sender);
        drop(both.__select(&mut slot).send(&sender));
        choose_again(&mut slot);
        sender.close();
        assert!(select.__select(&mut slot).recv(&receiver).is_err());
        choose_again(&mut slot);
    }
}
