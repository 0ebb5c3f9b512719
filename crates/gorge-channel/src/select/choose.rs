//! Which case of a select is tried, and when.
//!
//! Those that may be done are tried in random order, each under its channel's lock; then
//! the party waits for all at once, or looks at all at one moment before it gives up. The
//! flags by which the choice is made ([`Case::may_start`]) are hints: what they leave out
//! is found by the wait, or by the look.

use super::Select;
use super::case::{Case, Choice};
use super::moment::Moment;
use super::wait::{self, INLINE, Woken};
use crate::channel::Traits;
use gorge_runtime::primitive::random_below;
use gorge_runtime::time;
use std::ptr::NonNull;
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
    /// A case. What it has got is in the room.
    ///
    /// # Safety
    ///
    /// `room` is the caller's, large enough for what any case may get, and empty. So for all
    /// of these.
    pub(super) unsafe fn choose_into(
        &self,
        room: NonNull<()>,
        patience: Patience,
    ) -> Result<Choice, GaveUp> {
        let cases = self.cases.as_slice();
        // SAFETY: the caller's contract.
        unsafe {
            if self.is_biased || cases.len() > FEW || self.traits.has(Traits::BUFFER) {
                return self.choose_patiently(room, patience, None);
            }
            self.empty(room);
            if let Some(choice) = start_one_of_few(cases, room) {
                return Ok(choice);
            }
            if !matches!(patience, Patience::Until(None)) || self.traits.may_linger() {
                return self.choose_patiently(room, patience, None);
            }
            match wait::wait(cases, Some(room), self.traits, None) {
                Woken::Won(choice) => Ok(choice),
                Woken::Look(first) => self.choose_patiently(room, patience, first),
                Woken::TimedOut => unreachable!("there is no deadline"),
            }
        }
    }

    #[inline(never)]
    unsafe fn choose_patiently(
        &self,
        room: NonNull<()>,
        mut patience: Patience,
        mut first: Option<usize>,
    ) -> Result<Choice, GaveUp> {
        let cases = self.cases.as_slice();
        // SAFETY: the caller's contract.
        unsafe { self.empty(room) };
        let mut has_lingered = false;
        loop {
            first = first.filter(|_| !self.is_biased);
            // SAFETY: the caller's contract.
            if let Some(choice) = unsafe { self.start_one(first, room) } {
                return Ok(choice);
            }
            let Ok(deadline) = patience.left() else {
                // SAFETY: the caller's contract.
                return unsafe { self.choose_at_one_moment(room) };
            };
            if !has_lingered && self.traits.may_linger() {
                has_lingered = true;
                if self.traits.linger(|| cases.iter().any(Case::may_start)) {
                    continue;
                }
            }
            // SAFETY: the caller's contract.
            match unsafe { wait::wait(cases, Some(room), self.traits, deadline) } {
                Woken::Won(choice) => return Ok(choice),
                Woken::Look(number) => first = number,
                // A last look, as what is ready comes first.
                Woken::TimedOut => (first, patience) = (None, Patience::None),
            }
        }
    }

    /// Starts one of the cases for which it is worth while to try: `first` if there is one,
    /// then each as likely as the others, or in the order in which they were added.
    unsafe fn start_one(&self, first: Option<usize>, room: NonNull<()>) -> Option<Choice> {
        let cases = self.cases.as_slice();
        let start = |number: usize| match cases[number].may_start() {
            // SAFETY: the caller's contract.
            true => unsafe { start(cases, number, room) },
            false => None,
        };
        if self.is_biased || first.is_some() || cases.len() > INLINE {
            return self.first_in_order(first, start);
        }
        // Before it looks at all, at channels that others are busy with.
        if !cases.is_empty()
            && let Some(choice) = start(random_below(cases.len()))
        {
            return Some(choice);
        }
        // SAFETY: the caller's contract.
        unsafe { start_one_of_few(cases, room) }
    }

    /// Under loom, makes the room an empty one of the receives' type, which is the same for
    /// all in a model.
    unsafe fn empty(&self, _room: NonNull<()>) {
        #[cfg(gorge_loom)]
        if let Some(case) = self.cases.as_slice().iter().find(|case| case.may_receive()) {
            // SAFETY: the caller's contract.
            unsafe { case.empty(_room) };
        }
    }

    /// The last try: there was a moment at which no case was ready, if it fails.
    #[cold]
    unsafe fn choose_at_one_moment(&self, room: NonNull<()>) -> Result<Choice, GaveUp> {
        let cases = self.cases.as_slice();
        for _ in 0..LAST_TRIES {
            let number = self.ready_at_one_moment().ok_or(GaveUp)?;
            // SAFETY: the caller's contract.
            if let Some(choice) = unsafe { start(cases, number, room) } {
                return Ok(choice);
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
        // SAFETY: there is no room.
        unsafe { wait::wait(self.cases.as_slice(), None, self.traits, deadline) }
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

/// Starts one of the cases.
///
/// # Safety
///
/// As for [`Select::choose_into`].
#[inline]
unsafe fn start(cases: &[Case<'_>], number: usize, room: NonNull<()>) -> Option<Choice> {
    // SAFETY: the caller's contract.
    let won = unsafe { cases[number].start(room) }?;
    Some(Choice { number, won })
}

/// Starts one of at most 32 cases for which it is worth while to try. Of those that can be
/// done each is as likely as the others, since each is as likely to be tried next.
///
/// # Safety
///
/// As for [`Select::choose_into`].
#[inline]
unsafe fn start_one_of_few(cases: &[Case<'_>], room: NonNull<()>) -> Option<Choice> {
    let mut hopeful = 0;
    for (number, case) in cases.iter().enumerate() {
        hopeful |= u32::from(case.may_start()) << number;
    }
    while hopeful != 0 {
        let number = any_of(hopeful);
        // SAFETY: the caller's contract.
        if let Some(choice) = unsafe { start(cases, number, room) } {
            return Some(choice);
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
