//! Return addresses of one goroutine, as many as a dump keeps: the innermost and
//! the outermost, however deep the stack is.
//!
//! A [`Trail`] is filled while its goroutine is claimed, and so has its room from
//! the start; [`Addresses`] is what is kept of it.

/// How many are kept at either end, as in Go.
const KEPT: usize = 50;

/// The walk ends after so many frames: some milliseconds.
const STEPS_MAX: usize = 100_000;

/// Marks the outermost frame of a stack, below which the goroutine's next one
/// follows. No address of user space has this bit.
const SEAM: usize = 1 << (usize::BITS - 1);

/// Collects the addresses of a walk, innermost first.
pub(super) struct Trail {
    innermost: [usize; KEPT],
    /// A ring, once the other is full.
    outermost: [usize; KEPT],
    len: usize,
}

/// The addresses of one goroutine's frames, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Addresses {
    words: Vec<usize>,
    /// How many frames are missing after the first [`KEPT`].
    pub(super) elided: usize,
    /// There are more frames than anybody counted.
    pub(super) is_cut: bool,
}

/// One of [`Addresses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) address: usize,
    /// Frames are missing before this one.
    pub(super) follows_gap: bool,
    /// This one is the outermost of its stack.
    pub(super) ends_stack: bool,
}

impl Trail {
    pub(super) fn new() -> Trail {
        Trail {
            innermost: [0; KEPT],
            outermost: [0; KEPT],
            len: 0,
        }
    }

    /// Adds the next frame. False when the walk has to end.
    pub(super) fn push(&mut self, address: usize) -> bool {
        if self.len == STEPS_MAX {
            return false;
        }
        self.len += 1;
        *self.last() = address & !SEAM;
        true
    }

    /// The frames of one stack are complete.
    pub(super) fn end_stack(&mut self) {
        if self.len > 0 {
            *self.last() |= SEAM;
        }
    }

    fn last(&mut self) -> &mut usize {
        let index = self.len - 1;
        match self.innermost.get_mut(index) {
            Some(word) => word,
            None => &mut self.outermost[index % KEPT],
        }
    }

    /// What was collected. Allocates.
    pub(super) fn addresses(&self) -> Addresses {
        let mut words = self.innermost[..self.len.min(KEPT)].to_vec();
        let first = self.len.saturating_sub(KEPT).max(KEPT);
        words.extend((first..self.len).map(|index| self.outermost[index % KEPT]));
        Addresses {
            elided: self.len - words.len(),
            words,
            is_cut: self.len == STEPS_MAX,
        }
    }
}

impl Addresses {
    pub(super) fn iter(&self) -> impl Iterator<Item = Step> {
        let gap = if self.elided > 0 { KEPT } else { usize::MAX };
        let words = self.words.iter().enumerate();
        words.map(move |(index, word)| Step {
            address: word & !SEAM,
            follows_gap: index == gap,
            ends_stack: word & SEAM != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(len: usize) -> Addresses {
        let mut trail = Trail::new();
        for address in 1..=len {
            assert!(trail.push(address));
        }
        trail.end_stack();
        trail.addresses()
    }

    fn addresses(of: &Addresses) -> Vec<usize> {
        of.iter().map(|step| step.address).collect()
    }

    #[test]
    fn up_to_a_hundred_are_kept() {
        for len in [0, 1, 49, 50, 51, 99, 100] {
            let all = of(len);
            assert_eq!(addresses(&all), (1..=len).collect::<Vec<_>>());
            assert_eq!(all.elided, 0);
            assert!(all.iter().all(|step| !step.follows_gap));
            assert_eq!(
                all.iter().filter(|step| step.ends_stack).count(),
                len.min(1)
            );
        }
    }

    #[test]
    fn of_more_than_a_hundred_the_middle_is_missing() {
        for len in [101, 149, 150, 151, 1234] {
            let some = of(len);
            let kept: Vec<_> = (1..=50).chain(len - 49..=len).collect();
            assert_eq!(addresses(&some), kept, "of {len}");
            assert_eq!(some.elided, len - 100);
            let gaps: Vec<_> = some.iter().filter(|step| step.follows_gap).collect();
            assert_eq!(gaps.len(), 1);
            assert_eq!(gaps[0].address, len - 49);
        }
    }

    #[test]
    fn a_walk_has_an_end() {
        let mut trail = Trail::new();
        while trail.push(7) {}
        let addresses = trail.addresses();
        assert!(addresses.is_cut);
        assert_eq!(addresses.elided, STEPS_MAX - 100);
    }
}
