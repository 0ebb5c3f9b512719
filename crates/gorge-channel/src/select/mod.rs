//! Selecting: the first of several sends and receives that can be done.
//!
//! * [`case`]: one operation, without the type of its values.
//! * [`table`]: what can be done with it, for each type of values.
//! * [`slot`]: room for a value of any type.
//! * [`choose`]: which case is tried, and when.
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
mod choose;
#[macro_use]
mod macros;
mod moment;
mod operation;
mod slot;
mod table;
mod wait;

pub use operation::{Chosen, SelectedOperation};
pub use slot::Slot;

use crate::channel::Traits;
use crate::error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use crate::receiver::Receiver;
use crate::sender::Sender;
use case::{Case, Choice};
use cases::Cases;
use choose::{GaveUp, Patience};
use gorge_runtime::preempt;
use slot::{Parcel, Room};
use std::fmt;
use std::time::{Duration, Instant};

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
    /// What any of the channels is like.
    traits: Traits,
}

impl<'a> Select<'a> {
    /// An empty set.
    #[inline]
    pub fn new() -> Select<'a> {
        Select {
            cases: Cases::new(),
            room: Room::NONE,
            next_index: 0,
            is_biased: false,
            traits: Traits::NONE,
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
        let case = match receiver.chan() {
            Some(chan) => Case::receive(chan, self.next_index),
            None => Case::never(self.next_index),
        };
        self.add(case)
    }

    #[inline]
    fn add(&mut self, case: Case<'a>) -> usize {
        self.cases.push(case);
        self.room = self.room.and(case.layout());
        self.traits = self.traits.and(case.traits());
        self.next_index += 1;
        case.index()
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
            .position(|case| case.index() == index);
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
        preempt::point_at_without_cancel("try to select");
        self.choose(Patience::None).map_err(|GaveUp| TrySelectError)
    }

    /// As [`try_select`](Select::try_select), for `select!`.
    #[inline]
    #[doc(hidden)]
    pub fn __try_select<'s>(&mut self, slot: &'s mut Slot) -> Option<Chosen<'s, 'a>> {
        preempt::point_at_without_cancel("try to select");
        self.choose_in(slot, Patience::None).ok()
    }

    /// Waits until an operation can be done.
    ///
    /// # Panics
    ///
    /// If the set is empty.
    #[inline]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.check_is_not_empty();
        preempt::point_at("select");
        match self.choose(Patience::Until(None)) {
            Ok(operation) => operation,
            Err(GaveUp) => unreachable!("there is no deadline"),
        }
    }

    /// As [`select`](Select::select), for `select!`.
    #[inline]
    #[doc(hidden)]
    pub fn __select<'s>(&mut self, slot: &'s mut Slot) -> Chosen<'s, 'a> {
        self.check_is_not_empty();
        preempt::point_at("select");
        match self.choose_in(slot, Patience::Until(None)) {
            Ok(chosen) => chosen,
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

    /// As [`select_timeout`](Select::select_timeout), for `select!`.
    #[doc(hidden)]
    pub fn __select_timeout<'s>(
        &mut self,
        slot: &'s mut Slot,
        timeout: Duration,
    ) -> Option<Chosen<'s, 'a>> {
        let patience = Patience::of(timeout);
        preempt::point_at("select");
        self.choose_in(slot, patience).ok()
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
        preempt::point_at("select");
        self.choose(patience).map_err(|GaveUp| SelectTimeoutError)
    }

    /// The index of an operation that is ready: a try of it would probably not wait. It
    /// is not done, and another party may come first.
    ///
    /// # Errors
    ///
    /// If none is.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        preempt::point_at_without_cancel("try to select");
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
        preempt::point_at("select");
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
        preempt::point_at("select");
        self.find_ready(patience)
            .map_err(|GaveUp| ReadyTimeoutError)
    }

    #[inline]
    fn check_is_not_empty(&self) {
        assert!(
            !self.cases.as_slice().is_empty(),
            "no operations have been added to `Select`"
        );
    }

    #[inline]
    fn choose(&self, patience: Patience) -> Result<SelectedOperation<'a>, GaveUp> {
        // SAFETY: the room is enough for any case, empty, and in this frame.
        let fill = |room| unsafe { self.choose_into(room, patience) };
        let (Choice { number, won }, parcel) = Parcel::pack(self.room, fill)?;
        let case = self.cases.as_slice()[number];
        // SAFETY: this case has put it there.
        Ok(unsafe { SelectedOperation::new(case, won, parcel) })
    }

    #[inline]
    fn choose_in<'s>(
        &self,
        slot: &'s mut Slot,
        patience: Patience,
    ) -> Result<Chosen<'s, 'a>, GaveUp> {
        slot.make_room(self.room);
        // SAFETY: the room is enough for any case, empty, and borrowed from the caller.
        let Choice { number, won } = unsafe { self.choose_into(slot.address(), patience) }?;
        // SAFETY: this case has put it there.
        Ok(unsafe { Chosen::new(self.cases.as_slice()[number], won, slot) })
    }
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
