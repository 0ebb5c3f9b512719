//! Which case of a select is tried, and when.
//!
//! Those that may be done are tried in random order, each under its channel's lock; then
//! the party waits for all at once, or looks at all at one moment before it gives up. The
//! flags by which the choice is made ([`Case::may_start`]) are hints: what they leave out
//! is found by the wait, or by the look.

use super::Select;
use super::case::Case;
use super::moment::Moment;
use super::slot::{Room, Slot};
use super::wait::{self, INLINE, Woken};
use crate::channel::Traits;
use gorge_runtime::primitive::random_below;
use gorge_runtime::{park, time};
use std::time::{Duration, Instant};

/// When to give up.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// At once.
    None,
    /// Then, or never.
    Until(Option<Instant>),
}

impl Patience {
    pub(super) fn of(timeout: Duration) -> Patience {
        Patience::Until(time::now().checked_add(timeout))
    }

    /// The deadline, or that it is over.
    fn left(self) -> Result<Option<Instant>, GaveUp> {
        match self {
            Patience::None => Err(GaveUp),
            Patience::Until(Some(deadline)) if deadline <= time::now() => Err(GaveUp),
            Patience::Until(deadline) => Ok(deadline),
        }
    }
}

/// Nothing was ready in time.
pub(super) struct GaveUp;

/// How often what was ready at a moment may be gone the next. It always is, if a value's
/// sender has to be waited for and this goroutine must not wait.
const LAST_TRIES: usize = 16;

/// So many cases without buffers are all looked at before one is tried: most of them are
/// not ready.
const FEW: usize = 4;

impl Select<'_> {
    /// The number of a case. What it has got is in the slot.
    pub(super) fn choose_into(&self, slot: &mut Slot, patience: Patience) -> Result<usize, GaveUp> {
        let cases = self.cases.as_slice();
        if self.is_biased || cases.len() > FEW || self.traits.has(Traits::BUFFER) {
            return self.choose_patiently(slot, patience, None);
        }
        self.empty(slot);
        if let Some(number) = start_one_of_few(cases, slot) {
            return Ok(number);
        }
        let Patience::Until(None) = patience else {
            return self.choose_patiently(slot, patience, None);
        };
        match wait::wait(cases, slot, self.traits, None, false) {
            Woken::Won(number) => Ok(number),
            Woken::Look(first) => self.choose_patiently(slot, patience, first),
            Woken::TimedOut => unreachable!("there is no deadline"),
        }
    }

    #[inline(never)]
    fn choose_patiently(
        &self,
        slot: &mut Slot,
        mut patience: Patience,
        mut first: Option<usize>,
    ) -> Result<usize, GaveUp> {
        let cases = self.cases.as_slice();
        self.empty(slot);
        let mut has_lingered = false;
        loop {
            first = first.filter(|_| !self.is_biased);
            if let Some(number) = self.start_one(first, slot) {
                return Ok(number);
            }
            let Ok(deadline) = patience.left() else {
                return self.choose_at_one_moment(slot);
            };
            if !has_lingered && self.traits.has(Traits::BUFFER) {
                has_lingered = true;
                if park::linger(|| cases.iter().any(Case::may_start)) {
                    continue;
                }
            }
            match wait::wait(cases, slot, self.traits, deadline, false) {
                Woken::Won(number) => return Ok(number),
                Woken::Look(number) => first = number,
                // A last look, as what is ready comes first.
                Woken::TimedOut => (first, patience) = (None, Patience::None),
            }
        }
    }

    /// Starts one of the cases for which it is worth while to try: `first` if there is one,
    /// then each as likely as the others, or in the order in which they were added.
    fn start_one(&self, first: Option<usize>, slot: &mut Slot) -> Option<usize> {
        let cases = self.cases.as_slice();
        let mut start = |number: usize| {
            // SAFETY: the slot has room for the value of any case, and is empty.
            let starts = cases[number].may_start() && unsafe { cases[number].start(slot) };
            starts.then_some(number)
        };
        if self.is_biased || first.is_some() || cases.len() > INLINE {
            return self.first_in_order(first, start);
        }
        // Before it looks at all, at channels that others are busy with.
        if !cases.is_empty()
            && let Some(number) = start(random_below(cases.len()))
        {
            return Some(number);
        }
        start_one_of_few(cases, slot)
    }

    /// Under loom, makes the slot an empty one of the receives' type, which is the same for
    /// all in a model.
    fn empty(&self, _slot: &mut Slot) {
        #[cfg(gorge_loom)]
        if let Some(case) = self.cases.as_slice().iter().find(|case| !case.sends()) {
            // SAFETY: the slot has room for it.
            unsafe { case.empty(_slot.address()) };
        }
    }

    /// The last try: there was a moment at which no case was ready, if it fails.
    #[cold]
    fn choose_at_one_moment(&self, slot: &mut Slot) -> Result<usize, GaveUp> {
        let cases = self.cases.as_slice();
        for _ in 0..LAST_TRIES {
            let number = self.ready_at_one_moment().ok_or(GaveUp)?;
            // SAFETY: the slot has room for the value of any case, and is empty.
            if unsafe { cases[number].start(slot) } {
                return Ok(number);
            }
        }
        Err(GaveUp)
    }

    /// A case that is ready at a moment at which all are looked at, under their locks: one
    /// alone may have been found not worth a lock.
    fn ready_at_one_moment(&self) -> Option<usize> {
        let cases = self.cases.as_slice();
        if cases.is_empty() {
            return None;
        }
        let start = match self.is_biased {
            true => 0,
            false => random_below(cases.len()),
        };
        let moment = Moment::of(cases);
        let mut numbers = (start..cases.len()).chain(0..start);
        numbers.find(|&number| moment.is_ready(number))
    }

    pub(super) fn find_ready(&self, mut patience: Patience) -> Result<usize, GaveUp> {
        let cases = self.cases.as_slice();
        loop {
            let is_ready = |number: usize| cases[number].is_ready().then(|| cases[number].index());
            if let Some(index) = self.first_in_order(None, is_ready) {
                return Ok(index);
            }
            let Ok(deadline) = patience.left() else {
                let number = self.ready_at_one_moment().ok_or(GaveUp)?;
                return Ok(cases[number].index());
            };
            if let Woken::TimedOut = self.watch(deadline) {
                patience = Patience::None;
            }
        }
    }

    fn watch(&self, deadline: Option<Instant>) -> Woken {
        let mut slot = Slot::new(Room::NONE);
        wait::wait(
            self.cases.as_slice(),
            &mut slot,
            self.traits,
            deadline,
            true,
        )
    }

    /// What `f` finds first: with the case `first`, if there is one, then in random
    /// order, or in that in which they were added.
    #[inline]
    fn first_in_order<R>(
        &self,
        first: Option<usize>,
        mut f: impl FnMut(usize) -> Option<R>,
    ) -> Option<R> {
        if let Some(found) = first.and_then(&mut f) {
            return Some(found);
        }
        let count = self.cases.as_slice().len();
        if self.is_biased {
            return (0..count).find_map(f);
        }
        if count > INLINE {
            let mut order: Vec<usize> = (0..count).collect();
            return shuffled(&mut order).find_map(f);
        }
        let mut order: [usize; INLINE] = std::array::from_fn(|number| number);
        shuffled(&mut order[..count]).find_map(f)
    }
}

/// Starts one of at most 32 cases for which it is worth while to try. Of those that can be
/// done each is as likely as the others, since each is as likely to be tried next.
#[inline]
fn start_one_of_few(cases: &[Case<'_>], slot: &mut Slot) -> Option<usize> {
    let mut hopeful = 0;
    for (number, case) in cases.iter().enumerate() {
        hopeful |= u32::from(case.may_start()) << number;
    }
    while hopeful != 0 {
        let number = any_of(hopeful);
        // SAFETY: the slot has room for the value of any case, and is empty.
        if unsafe { cases[number].start(slot) } {
            return Some(number);
        }
        hopeful &= !(1 << number);
    }
    None
}

/// The number of one of the bits that are set, each as likely as the others.
#[inline]
fn any_of(mut bits: u32) -> usize {
    let count = bits.count_ones() as usize;
    if count > 1 {
        for _ in 0..random_below(count) {
            bits &= bits - 1;
        }
    }
    bits.trailing_zeros() as usize
}

/// Each of them once, in random order (Fisher and Yates), shuffled as far as it is asked
/// for.
///
/// For a few, one random number is enough: a fraction of which each choice uses up its
/// share. Of the 32 bits, 16 are left after eight choices.
#[inline]
fn shuffled(order: &mut [usize]) -> impl Iterator<Item = usize> {
    let draw = || (random_below(1 << 32) as u64) << 32;
    let mut fraction = draw();
    (0..order.len()).map(move |place| {
        if order.len() > INLINE && place > 0 {
            fraction = draw();
        }
        let product = u128::from(fraction) * (order.len() - place) as u128;
        fraction = product as u64;
        let choice = place + (product >> 64) as usize;
        order.swap(place, choice);
        order[place]
    })
}
