//! Selecting: the first of several sends and receives that can be done.
//!
//! * [`case`]: one operation, without the type of its values.
//! * [`slot`]: room for a value of any type.
//! * [`moment`]: a look at all cases at once.
//! * [`wait`]: waiting for all cases at once; the protocol is argued there.
//! * [`macros`]: `select!` and `select_biased!`, made of [`Select`].
//!
//! A select first tries its cases in random order, each under its channel's lock, and
//! waits if none can be done; one that does not wait looks at them all at one moment before
//! it gives up. A receive that is chosen has its value. A send that is
//! chosen has somebody to take the value, or room for it, before the value is made
//! ([`promise`](crate::promise)).

mod case;
mod cases;
#[macro_use]
mod macros;
mod moment;
mod operation;
mod slot;
mod wait;

pub use operation::SelectedOperation;

use crate::error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use crate::receiver::Receiver;
use crate::sender::Sender;
use case::{Case, Won};
use cases::Cases;
use gorge_runtime::primitive::random_below;
use gorge_runtime::{park, preempt, time};
use moment::Moment;
use slot::{Room, Slot};
use std::fmt;
use std::time::{Duration, Instant};
use wait::{INLINE, Woken};

/// A set of sends and receives, of which one is done: the one that can be first.
///
/// The interface is that of `crossbeam_channel::Select`, for sets that are only known
/// when the program runs; [`select!`](crate::select!) is easier where they are known
/// before. Add operations, wait for one, and complete it:
///
/// ```
/// use gorge_channel::{Select, unbounded};
///
/// let (sender, receiver) = unbounded();
/// let (_idle, nothing) = unbounded::<String>();
/// sender.send(7).unwrap();
///
/// let mut select = Select::new();
/// let number = select.recv(&receiver);
/// let word = select.recv(&nothing);
/// let operation = select.select();
/// match operation.index() {
///     index if index == number => assert_eq!(operation.recv(&receiver), Ok(7)),
///     index if index == word => drop(operation.recv(&nothing)),
///     _ => unreachable!(),
/// }
/// ```
///
/// If several are ready, one of them is chosen at random, each as likely as the others.
/// An operation on a closed channel is ready.
///
/// Up to eight operations on values of up to 64 bytes allocate nothing.
///
/// # Cancellation
///
/// What waits delivers a cancel, and nothing has been done then.
#[derive(Clone)]
pub struct Select<'a> {
    cases: Cases<'a>,
    /// Enough for a value of any of the receives.
    room: Room,
    next_index: usize,
    is_biased: bool,
}

/// When to give up.
#[derive(Clone, Copy)]
enum Patience {
    /// At once.
    None,
    /// Then, or never.
    Until(Option<Instant>),
}

impl Patience {
    fn of(timeout: Duration) -> Patience {
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
struct GaveUp;

/// How often what was ready at a moment may be gone the next. It always is, if a value's
/// sender has to be waited for and this goroutine must not wait.
const LAST_TRIES: usize = 16;

impl<'a> Select<'a> {
    /// An empty set.
    #[inline]
    pub fn new() -> Select<'a> {
        Select {
            cases: Cases::new(),
            room: Room::NONE,
            next_index: 0,
            is_biased: false,
        }
    }

    /// An empty set of which the operation that was added first is chosen, if several
    /// are ready.
    pub fn new_biased() -> Select<'a> {
        Select {
            is_biased: true,
            ..Select::new()
        }
    }

    /// Adds a send. Returns its index: how many were added before it.
    #[inline]
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        let case = Case::send(sender.chan(), self.next_index);
        self.add(case)
    }

    /// Adds a receive. Returns its index: how many were added before it.
    #[inline]
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        let case = Case::receive(receiver.chan(), self.next_index);
        self.add(case)
    }

    #[inline]
    fn add(&mut self, case: Case<'a>) -> usize {
        self.cases.push(case);
        self.room = self.room.and(case.layout());
        self.next_index += 1;
        case.index
    }

    /// Takes an operation out. The indices of the others stay as they are.
    ///
    /// # Panics
    ///
    /// If there is none with this index.
    pub fn remove(&mut self, index: usize) {
        assert!(
            index < self.next_index,
            "index out of bounds; {index} >= {}",
            self.next_index
        );
        let place = self
            .cases
            .as_slice()
            .iter()
            .position(|case| case.index == index);
        self.cases
            .remove(place.expect("no operation with this index"));
    }

    /// Chooses an operation that can be done at once.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        preempt::point_without_cancel();
        self.choose(Patience::None).map_err(|GaveUp| TrySelectError)
    }

    /// Waits until an operation can be done.
    ///
    /// # Panics
    ///
    /// If the set is empty.
    #[inline]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.check_is_not_empty();
        preempt::point();
        match self.choose(Patience::Until(None)) {
            Ok(operation) => operation,
            Err(GaveUp) => unreachable!("there is no deadline"),
        }
    }

    /// Waits until an operation can be done, so long at most.
    ///
    /// # Errors
    ///
    /// If none could in time.
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_patiently(Patience::of(timeout))
    }

    /// Waits until an operation can be done, until the deadline at most.
    ///
    /// # Errors
    ///
    /// If none could in time.
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_patiently(Patience::Until(Some(deadline)))
    }

    fn select_patiently(
        &mut self,
        patience: Patience,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        preempt::point();
        self.choose(patience).map_err(|GaveUp| SelectTimeoutError)
    }

    /// The index of an operation that is ready: a try of it would probably not wait. It
    /// is not done, and another party may come first.
    ///
    /// # Errors
    ///
    /// If none is.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        preempt::point_without_cancel();
        self.find_ready(Patience::None)
            .map_err(|GaveUp| TryReadyError)
    }

    /// As [`try_ready`](Select::try_ready), but waits for it.
    ///
    /// # Panics
    ///
    /// If the set is empty.
    pub fn ready(&mut self) -> usize {
        self.check_is_not_empty();
        preempt::point();
        match self.find_ready(Patience::Until(None)) {
            Ok(index) => index,
            Err(GaveUp) => unreachable!("there is no deadline"),
        }
    }

    /// As [`ready`](Select::ready), so long at most.
    ///
    /// # Errors
    ///
    /// If none was in time.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.ready_patiently(Patience::of(timeout))
    }

    /// As [`ready`](Select::ready), until the deadline at most.
    ///
    /// # Errors
    ///
    /// If none was in time.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.ready_patiently(Patience::Until(Some(deadline)))
    }

    fn ready_patiently(&mut self, patience: Patience) -> Result<usize, ReadyTimeoutError> {
        preempt::point();
        self.find_ready(patience)
            .map_err(|GaveUp| ReadyTimeoutError)
    }

    fn check_is_not_empty(&self) {
        assert!(
            !self.cases.as_slice().is_empty(),
            "no operations have been added to `Select`"
        );
    }

    #[inline]
    fn choose(&self, patience: Patience) -> Result<SelectedOperation<'a>, GaveUp> {
        SelectedOperation::chosen(self.room, |slot| {
            let (number, won) = self.choose_into(slot, patience)?;
            Ok((self.cases.as_slice()[number], won))
        })
    }

    /// The number of a case, and what it has got. A value is in the slot.
    fn choose_into(&self, slot: &mut Slot, mut patience: Patience) -> Result<(usize, Won), GaveUp> {
        let cases = self.cases.as_slice();
        self.empty(slot);
        let (mut first, mut has_lingered) = (None, false);
        loop {
            let address = slot.address();
            // SAFETY: the slot has room for the value of any case, and is empty.
            let start = |number: usize| unsafe { cases[number].start(address) };
            if let Some(found) = self.first_that_starts(first, start) {
                return Ok(found);
            }
            let Ok(deadline) = patience.left() else {
                return self.choose_at_one_moment(slot);
            };
            if !has_lingered && cases.iter().any(Case::has_buffer) {
                has_lingered = true;
                if park::linger(|| cases.iter().any(Case::may_start)) {
                    continue;
                }
            }
            match wait::wait(cases, slot, deadline, false) {
                Woken::Won(number, won) => return Ok((number, won)),
                Woken::Look(number) => first = number.filter(|_| !self.is_biased),
                // A last look, as what is ready comes first.
                Woken::TimedOut => (first, patience) = (None, Patience::None),
            }
        }
    }

    /// The first case that `start`s, and what it has got: of those for which it is worth
    /// while to try, `first` if there is one, then each as likely as the others, or in the
    /// order in which they were added.
    #[inline]
    fn first_that_starts(
        &self,
        first: Option<usize>,
        start: impl Fn(usize) -> Option<Won>,
    ) -> Option<(usize, Won)> {
        let cases = self.cases.as_slice();
        let try_it = |number: usize| start(number).map(|won| (number, won));
        if self.is_biased || first.is_some() || cases.len() > INLINE {
            let may_start = |number: usize| cases[number].may_start();
            return self.first_in_order(first, |number| {
                may_start(number).then(|| try_it(number)).flatten()
            });
        }
        // Of any number of cases that are ready each is as likely as the others: to be
        // the first one tried, and to be chosen of those that are, if that is none.
        let first = random_below(cases.len().max(1));
        if cases.get(first).is_some_and(Case::may_start)
            && let Some(found) = try_it(first)
        {
            return Some(found);
        }
        let hopeful = |number: usize| number != first && cases[number].may_start();
        let mut hopeful = (0..cases.len()).fold(0, |bits, number| {
            bits | u32::from(hopeful(number)) << number
        });
        while hopeful != 0 {
            let number = any_of(hopeful);
            if let Some(found) = try_it(number) {
                return Some(found);
            }
            hopeful &= !(1 << number);
        }
        None
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
    fn choose_at_one_moment(&self, slot: &mut Slot) -> Result<(usize, Won), GaveUp> {
        let cases = self.cases.as_slice();
        for _ in 0..LAST_TRIES {
            let number = self.ready_at_one_moment().ok_or(GaveUp)?;
            // SAFETY: the slot has room for the value of any case, and is empty.
            if let Some(won) = unsafe { cases[number].start(slot.address()) } {
                return Ok((number, won));
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

    fn find_ready(&self, mut patience: Patience) -> Result<usize, GaveUp> {
        let cases = self.cases.as_slice();
        loop {
            let is_ready = |number: usize| cases[number].is_ready().then(|| cases[number].index);
            if let Some(index) = self.first_in_order(None, is_ready) {
                return Ok(index);
            }
            let Ok(deadline) = patience.left() else {
                let number = self.ready_at_one_moment().ok_or(GaveUp)?;
                return Ok(cases[number].index);
            };
            if let Woken::TimedOut = wait::wait(cases, &mut Slot::new(Room::NONE), deadline, true) {
                patience = Patience::None;
            }
        }
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

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Select { .. }")
    }
}
