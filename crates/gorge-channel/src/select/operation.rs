//! What a select has chosen, to be completed.

use super::case::{Case, Won};
use super::slot::{Room, Slot};
use crate::error::{RecvError, SendError};
use crate::permit::Permit;
use crate::place;
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
    /// Taken by what completes it.
    won: Option<Won>,
    slot: Slot,
}

impl<'a> SelectedOperation<'a> {
    /// What `choose` finds: the case, and what it has got, whose value is in the slot. The
    /// slot is made where the operation will be, so that it need not be moved.
    #[inline]
    pub(super) fn chosen<E>(
        room: Room,
        choose: impl FnOnce(&mut Slot) -> Result<(Case<'a>, Won), E>,
    ) -> Result<SelectedOperation<'a>, E> {
        let mut slot = Slot::new(room);
        let (case, won) = choose(&mut slot)?;
        Ok(SelectedOperation {
            case,
            won: Some(won),
            slot,
        })
    }

    /// What [`Select::send`](crate::Select::send) or [`Select::recv`](crate::Select::recv)
    /// returned for it.
    #[inline]
    pub fn index(&self) -> usize {
        self.case.index
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
        self.check_sends(sender);
        match self.won.take() {
            Some(Won::Promise(promise)) => sender.chan().keep_promise(promise, value),
            _ => Err(SendError(value)),
        }
    }

    /// For `select!`, whose value may panic, or leave the function.
    #[inline]
    #[doc(hidden)]
    pub fn __permit<T>(mut self, sender: &'a Sender<T>) -> Permit<'a, T> {
        self.check_sends(sender);
        let promise = match self.won.take() {
            Some(Won::Promise(promise)) => Some(promise),
            _ => None,
        };
        Permit::new(sender.chan(), promise)
    }

    #[inline]
    fn check_sends<T>(&self, sender: &Sender<T>) {
        assert!(
            self.case.is_of(sender.chan()) && self.case.sends(),
            "passed a sender that wasn't selected"
        );
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
        assert!(
            self.case.is_of(receiver.chan()) && !self.case.sends(),
            "passed a receiver that wasn't selected"
        );
        match self.won.take() {
            // SAFETY: the slot holds a value of this channel's type, which is taken once.
            Some(Won::Value) => Ok(unsafe { place::take(self.slot.address()) }),
            _ => Err(RecvError),
        }
    }
}

impl Drop for SelectedOperation<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(won) = self.won.take() {
            self.drop_uncompleted(won);
        }
    }
}

impl SelectedOperation<'_> {
    #[cold]
    fn drop_uncompleted(&self, won: Won) {
        if let Won::Promise(promise) = won {
            self.case.break_promise(promise);
        }
        // A value stays in the slot: this may be a thread on which it must not be used.
        assert!(
            thread::panicking(),
            "dropped `SelectedOperation` without completing the operation"
        );
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SelectedOperation { .. }")
    }
}
