//! All cases at one moment: under the locks of all their channels.
//!
//! That no case is ready is said of a moment at which none was. Looked at one after the
//! other, each might be ready just while another one is looked at.
//!
//! Invariant: the locks are taken in the order of their addresses. Everybody else holds
//! one channel's lock at a time, so nobody waits for another in a circle.

use super::case::Case;
use super::wait::INLINE;

/// The moment, which lasts until this is dropped.
pub(super) struct Moment<'s, 'a> {
    cases: &'s [Case<'a>],
    /// The cases' numbers, by the addresses of their channels: the first few of these, or
    /// all of the vector.
    inline: [usize; INLINE],
    spilled: Vec<usize>,
}

impl<'s, 'a> Moment<'s, 'a> {
    pub(super) fn of(cases: &'s [Case<'a>]) -> Moment<'s, 'a> {
        let mut moment = Moment {
            cases,
            inline: std::array::from_fn(|number| number),
            spilled: match cases.len() > INLINE {
                true => (0..cases.len()).collect(),
                false => Vec::new(),
            },
        };
        let order = match moment.spilled.is_empty() {
            true => &mut moment.inline[..cases.len()],
            false => &mut moment.spilled[..],
        };
        order.sort_unstable_by_key(|&number| cases[number].order());
        moment.each_channel(Case::lock);
        moment
    }

    /// Whether a case can be done at this moment.
    pub(super) fn is_ready(&self, number: usize) -> bool {
        // SAFETY: all locks are held.
        unsafe { self.cases[number].is_ready_locked() }
    }

    /// One case of each channel.
    fn each_channel(&self, f: impl Fn(&Case<'a>)) {
        let order = match self.spilled.is_empty() {
            true => &self.inline[..self.cases.len()],
            false => &self.spilled[..],
        };
        let mut last = None;
        for &number in order {
            let case = &self.cases[number];
            if last.replace(case.order()) != Some(case.order()) {
                f(case);
            }
        }
    }
}

impl Drop for Moment<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: all locks are held, and each is released once.
        self.each_channel(|case| unsafe { case.unlock() });
    }
}
