//! What a select has chosen, to be completed.

use super::case::{Case, Won};
use super::slot::Slot;
use crate::error::{RecvError, SendError};
use crate::permit::Permit;
use crate::place;
use crate::promise::Promise;
use crate::receiver::Receiver;
use crate::sender::Sender;
use std::fmt;
use std::thread;

/// The operation that a [`Select`](crate::Select) has chosen. It must be completed, with
/// the handle that was added: by [`send`](SelectedOperation::send) or
/// [`recv`](SelectedOperation::recv).
///
/// # Panics
///
/// Dropping it panics otherwise, if the thread does not panic already. No other party
/// is kept waiting by that: one that was chosen goes on to the next, a value that was
/// received is leaked. If it is forgotten ([`std::mem::forget`]), a party that waits for
/// its value waits for ever.
#[must_use = "a selected operation must be completed"]
pub struct SelectedOperation<'a> {
    case: Case<'a>,
    /// With what the case has got.
    slot: Slot,
}

/// A [`SelectedOperation`] whose slot is the caller's. `select!` has one in its frame, where
/// it need not be moved, and outlives the borrow of the handles.
#[doc(hidden)]
#[must_use = "a selected operation must be completed"]
pub struct Chosen<'s, 'a> {
    case: Case<'a>,
    slot: &'s mut Slot,
}

impl<'a> SelectedOperation<'a> {
    /// The slot has what the case has got.
    #[inline]
    pub(super) fn new(case: Case<'a>, slot: Slot) -> SelectedOperation<'a> {
        SelectedOperation { case, slot }
    }

    /// What [`Select::send`](crate::Select::send) or [`Select::recv`](crate::Select::recv)
    /// returned for it.
    #[inline]
    pub fn index(&self) -> usize {
        self.case.index()
    }

    /// Sends the value: at once, if the channel has not been closed.
    ///
    /// # Errors
    ///
    /// If nobody will receive any more, with the value.
    ///
    /// # Panics
    ///
    /// If it is another operation that was selected.
    pub fn send<T>(mut self, sender: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        match promise(self.case, &mut self.slot, sender) {
            Some(promise) => sender.chan().keep_promise(promise, value),
            None => Err(SendError(value)),
        }
    }

    /// The value that was received.
    ///
    /// # Errors
    ///
    /// If there is none, and there will be none.
    ///
    /// # Panics
    ///
    /// If it is another operation that was selected.
    #[inline]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        // SAFETY: the slot has what this case has got.
        unsafe { take(self.case, &mut self.slot, receiver) }
    }
}

impl<'s, 'a> Chosen<'s, 'a> {
    /// The slot has what the case has got.
    #[inline]
    pub(super) fn new(case: Case<'a>, slot: &'s mut Slot) -> Chosen<'s, 'a> {
        Chosen { case, slot }
    }

    /// As [`SelectedOperation::index`].
    #[inline(always)]
    pub fn index(&self) -> usize {
        self.case.index()
    }

    /// For a send, whose value may panic, or leave the function.
    #[inline]
    pub fn send<T>(self, sender: &'a Sender<T>) -> Permit<'a, T> {
        let promise = promise(self.case, self.slot, sender);
        Permit::new(sender.chan(), promise)
    }

    /// As [`SelectedOperation::recv`].
    #[inline(always)]
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        // SAFETY: the slot has what this case has got.
        unsafe { take(self.case, self.slot, receiver) }
    }
}

/// What the send has been promised, unless the channel is closed.
#[inline]
fn promise<T>(case: Case<'_>, slot: &mut Slot, sender: &Sender<T>) -> Option<Promise> {
    assert!(
        case.is_of(sender.chan()) && case.sends(),
        "passed a sender that wasn't selected"
    );
    match slot.won.take() {
        Some(Won::Promise(promise)) => Some(promise),
        _ => None,
    }
}

/// # Safety
///
/// The slot has what the case has got.
#[inline(always)]
unsafe fn take<T>(case: Case<'_>, slot: &mut Slot, receiver: &Receiver<T>) -> Result<T, RecvError> {
    assert!(
        case.is_of(receiver.chan()) && !case.sends(),
        "passed a receiver that wasn't selected"
    );
    match slot.won.take() {
        Some(Won::Value) => {
            // SAFETY: the caller's contract: the slot holds a value, which is of this
            // channel's type and is taken once.
            let value = unsafe { place::take(slot.address()) };
            slot.free();
            Ok(value)
        }
        _ => Err(RecvError),
    }
}

impl Drop for SelectedOperation<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(won) = self.slot.won.take() {
            drop_uncompleted(self.case, won);
        }
    }
}

impl Drop for Chosen<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(won) = self.slot.won.take() {
            drop_uncompleted(self.case, won);
        }
    }
}

#[cold]
#[inline(never)]
fn drop_uncompleted(case: Case<'_>, won: Won) {
    if let Won::Promise(promise) = won {
        case.break_promise(promise);
    }
    // A value stays in the slot: this may be a thread on which it must not be used.
    assert!(
        thread::panicking(),
        "dropped `SelectedOperation` without completing the operation"
    );
}

impl fmt::Debug for Chosen<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Chosen { .. }")
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SelectedOperation { .. }")
    }
}
