//! The place of one value in the frame of a blocked party: a sender's value
//! waits there to be taken, a receiver's arrives there.
//!
//! The frame's owner makes it ([`Place::full`], [`Place::empty`]) and lends out
//! its [address](Place::address); a counterpart that has claimed the owner
//! [gives](give) or [takes](take) the value through it, stack to stack.
//!
//! Invariant: `owned` says whether the frame has to drop a value, and only the
//! frame touches it. Counterparts touch the slot alone, between claim and wake.

use gorge_runtime::primitive::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// What a counterpart reaches.
pub(crate) type Slot<T> = UnsafeCell<MaybeUninit<T>>;

pub(crate) struct Place<T> {
    slot: Slot<T>,
    owned: bool,
}

impl<T> Place<T> {
    /// A receiver's place.
    #[inline]
    pub(crate) fn empty() -> Place<T> {
        Place {
            slot: UnsafeCell::new(MaybeUninit::uninit()),
            owned: false,
        }
    }

    /// A sender's place: it drops the value unless that is taken.
    #[inline]
    pub(crate) fn full(value: T) -> Place<T> {
        Place {
            slot: UnsafeCell::new(MaybeUninit::new(value)),
            owned: true,
        }
    }

    /// A slot without a place, whose owner sees to its value.
    #[inline]
    pub(crate) fn empty_slot() -> Slot<T> {
        UnsafeCell::new(MaybeUninit::uninit())
    }

    /// What a counterpart needs to reach the slot. The place must not move
    /// while it is lent out.
    #[inline]
    pub(crate) fn address(&self) -> NonNull<()> {
        NonNull::from(&self.slot).cast()
    }

    /// Takes the value back out of a sender's place, or the one that arrived
    /// out of a receiver's.
    ///
    /// # Safety
    ///
    /// The slot holds a value, and nobody else can reach it any more.
    #[inline]
    pub(crate) unsafe fn take(mut self) -> T {
        self.owned = false;
        // SAFETY: the slot holds a value, which is moved out once: the place
        // is consumed, and its destructor leaves the slot alone.
        self.slot
            .with_mut(|slot| unsafe { (*slot).assume_init_read() })
    }

    /// A sender's value was taken by a counterpart.
    #[inline]
    pub(crate) fn was_taken(mut self) {
        self.owned = false;
    }
}

impl<T> Drop for Place<T> {
    #[inline]
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: an owned place holds a value that nobody has taken.
            self.slot
                .with_mut(|slot| unsafe { (*slot).assume_init_drop() });
        }
    }
}

/// Moves a value into a receiver's place.
///
/// # Safety
///
/// The address is that of a `Place<T>` whose owner the caller has claimed and
/// not yet woken, and the place is empty.
#[inline]
pub(crate) unsafe fn give<T>(place: NonNull<()>, value: T) {
    // SAFETY: the frame is there until its owner is woken, and until then the
    // slot is the claimer's alone.
    unsafe {
        let slot = place.cast::<Slot<T>>().as_ref();
        slot.with_mut(|slot| (*slot).write(value));
    }
}

/// Moves the value out of a sender's place.
///
/// # Safety
///
/// The address is that of a `Place<T>` whose owner the caller has claimed and
/// not yet woken, and the place is full. It is empty afterwards.
#[inline]
pub(crate) unsafe fn take<T>(place: NonNull<()>) -> T {
    // SAFETY: as in `give`; the owner, woken with `Woken`, leaves the value.
    unsafe {
        let slot = place.cast::<Slot<T>>().as_ref();
        slot.with_mut(|slot| (*slot).assume_init_read())
    }
}
