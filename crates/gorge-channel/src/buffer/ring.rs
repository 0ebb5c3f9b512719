//! A ring of fixed capacity, allocated once. Room in it can be reserved.
//!
//! Invariant: the `len` slots from `head` on, wrapping, hold values. `len` is at most
//! `limit`, which is the capacity less what is reserved.

use std::mem::MaybeUninit;

pub(crate) struct Ring<T> {
    slots: Box<[MaybeUninit<T>]>,
    head: usize,
    len: usize,
    limit: usize,
}

impl<T> Ring<T> {
    /// # Panics
    ///
    /// Like [`Vec::with_capacity`].
    pub(crate) fn new(capacity: usize) -> Ring<T> {
        Ring {
            slots: Box::new_uninit_slice(capacity),
            head: 0,
            len: 0,
            limit: capacity,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if self.len == self.limit {
            return Err(value);
        }
        // No sum that could overflow: a ring of `()` may be as long as numbers go.
        let up_to_end = self.slots.len() - self.head;
        let tail = match self.len < up_to_end {
            true => self.head + self.len,
            false => self.len - up_to_end,
        };
        self.slots[tail].write(value);
        self.len += 1;
        Ok(())
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        // SAFETY: the ring is not empty, so the slot at its head holds a value.
        // It is read once: the head moves on.
        let value = unsafe { self.slots[self.head].assume_init_read() };
        self.head += 1;
        if self.head == self.slots.len() {
            self.head = 0;
        }
        self.len -= 1;
        Some(value)
    }

    /// Keeps room for one value, which is then pushed after [`unreserve`](Ring::unreserve).
    /// False if there is none.
    pub(crate) fn reserve(&mut self) -> bool {
        let has_room = self.len < self.limit;
        self.limit -= usize::from(has_room);
        has_room
    }

    /// Gives reserved room back; nothing, if the ring was taken out meanwhile.
    pub(crate) fn unreserve(&mut self) {
        self.limit += usize::from(self.limit < self.slots.len());
    }

    pub(crate) fn reserved(&self) -> usize {
        self.slots.len() - self.limit
    }

    /// The address of the first place.
    pub(crate) fn places(&self) -> usize {
        self.slots.as_ptr().addr()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == self.limit
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl<T> Drop for Ring<T> {
    /// Drops the values. If one of their destructors panics, the rest leaks.
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
