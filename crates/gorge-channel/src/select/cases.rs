//! The cases of a select: eight in place, more in a vector.

use super::case::Case;
use super::wait::INLINE;
use std::mem::MaybeUninit;

#[derive(Clone)]
pub(super) struct Cases<'a> {
    inline: [MaybeUninit<Case<'a>>; INLINE],
    /// How many are in place; none when they are in the vector.
    count: usize,
    spilled: Vec<Case<'a>>,
}

impl<'a> Cases<'a> {
    #[inline]
    pub(super) const fn new() -> Cases<'a> {
        Cases {
            inline: [const { MaybeUninit::uninit() }; INLINE],
            count: 0,
            spilled: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, case: Case<'a>) {
        match self.inline.get_mut(self.count) {
            Some(place) if self.spilled.is_empty() => {
                place.write(case);
                self.count += 1;
            }
            _ => self.spill(case),
        }
    }

    #[cold]
    fn spill(&mut self, case: Case<'a>) {
        if !self.spilled.is_empty() {
            return self.spilled.push(case);
        }
        let mut all = Vec::with_capacity(2 * INLINE);
        all.extend_from_slice(self.as_slice());
        all.push(case);
        self.spilled = all;
        self.count = 0;
    }

    pub(super) fn remove(&mut self, place: usize) {
        if self.spilled.is_empty() {
            self.inline.copy_within(place + 1..self.count, place);
            self.count -= 1;
        } else {
            self.spilled.remove(place);
        }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[Case<'a>] {
        if !self.spilled.is_empty() {
            return &self.spilled;
        }
        // SAFETY: the first `count` were written, and an uninitialised cell of a type
        // has that type's layout.
        unsafe { std::slice::from_raw_parts(self.inline.as_ptr().cast(), self.count) }
    }
}
