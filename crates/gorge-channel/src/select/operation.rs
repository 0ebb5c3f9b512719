//! What a select has chosen, to be completed.

use super::case::Case;
use super::slot::{Parcel, Slot};
use super::table::Won;
use crate::channel::Chan;
use crate::error::{RecvError, SendError};
use crate::permit::Permit;
use crate::place;
use crate::receiver::Receiver;
use crate::sender::Sender;
use gorge_runtime::preempt;
use std::fmt;
use std::ptr::NonNull;
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
    /// `None`: it was completed.
    won: Option<Won>,
    /// With what the case has got.
    parcel: Parcel,
}

/// A [`SelectedOperation`] whose slot is the caller's. `select!` has one in its frame, where
/// it need not be moved, and outlives the borrow of the handles.
#[doc(hidden)]
#[must_use = "a selected operation must be completed"]
pub struct Chosen<'s, 'a> {
    case: Case<'a>,
    /// `None`: it was completed.
    won: Option<Won>,
    /// With what the case has got.
    slot: &'s mut Slot,
}

impl<'a> SelectedOperation<'a> {
    /// # Safety
    ///
    /// The parcel has what the case has got.
    #[inline]
    pub(super) unsafe fn new(case: Case<'a>, won: Won, parcel: Parcel) -> SelectedOperation<'a> {
        SelectedOperation {
            case,
            won: Some(won),
            parcel,
        }
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
    #[inline]
    pub fn send<T>(mut self, sender: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        preempt::point_at_without_cancel("send what was reserved");
        check_sender(self.case, sender);
        // SAFETY: the parcel has what this case has got, and that is taken once.
        let promise = self
            .won
            .take()
            .and_then(|won| unsafe { won.promise(self.parcel.address()) });
        match promise {
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
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let chan = check_receiver(self.case, receiver);
        // SAFETY: as was checked.
        unsafe { self.take() }.inspect_err(|_| chan.resume_panic())
    }

    /// As [`recv`](SelectedOperation::recv), without the [panic](Receiver::__panic).
    #[inline]
    #[doc(hidden)]
    pub fn __recv_quietly<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        check_receiver(self.case, receiver);
        // SAFETY: as was checked.
        unsafe { self.take() }
    }

    /// The value, if there is one.
    ///
    /// # Safety
    ///
    /// The case receives of a channel of this type.
    #[inline]
    unsafe fn take<T>(mut self) -> Result<T, RecvError> {
        if self.won.take() != Some(Won::Value) {
            return Err(RecvError);
        }
        // SAFETY: the parcel holds a value, which is of this channel's type and is taken once.
        let value = unsafe { place::take(self.parcel.address()) };
        self.parcel.free();
        Ok(value)
    }
}

impl<'s, 'a> Chosen<'s, 'a> {
    /// # Safety
    ///
    /// The slot has what the case has got.
    #[inline]
    pub(super) unsafe fn new(case: Case<'a>, won: Won, slot: &'s mut Slot) -> Chosen<'s, 'a> {
        Chosen {
            case,
            won: Some(won),
            slot,
        }
    }

    /// As [`SelectedOperation::index`].
    #[inline(always)]
    pub fn index(&self) -> usize {
        self.case.index()
    }

    /// For a send, whose value may panic, or leave the function.
    #[inline]
    pub fn send<T>(mut self, sender: &'a Sender<T>) -> Permit<'a, T> {
        check_sender(self.case, sender);
        // SAFETY: the slot has what this case has got, and that is taken once.
        let promise = self
            .won
            .take()
            .and_then(|won| unsafe { won.promise(self.slot.address()) });
        Permit::new(sender.chan(), promise)
    }

    /// As [`SelectedOperation::recv`].
    #[inline(always)]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let chan = check_receiver(self.case, receiver);
        if self.won.take() != Some(Won::Value) {
            chan.resume_panic();
            return Err(RecvError);
        }
        // SAFETY: the slot holds a value, which is of this channel's type and is taken once.
        let value = unsafe { place::take(self.slot.address()) };
        self.slot.free();
        Ok(value)
    }
}

#[inline(always)]
fn check_sender<T>(case: Case<'_>, sender: &Sender<T>) {
    assert!(
        case.is_of(sender.chan()) && case.sends(),
        "passed a sender that wasn't selected"
    );
}

/// The channel, which is the case's.
#[inline(always)]
fn check_receiver<'r, T>(case: Case<'_>, receiver: &'r Receiver<T>) -> &'r Chan<T> {
    match receiver.chan() {
        Some(chan) if case.is_of(chan) && !case.sends() => chan,
        _ => panic!("passed a receiver that wasn't selected"),
    }
}

impl Drop for SelectedOperation<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(won) = self.won.take() {
            // SAFETY: the parcel has what this case has got, and that is taken once.
            unsafe { drop_uncompleted(self.case, won, self.parcel.address()) };
        }
    }
}

impl Drop for Chosen<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(won) = self.won.take() {
            // SAFETY: the slot has what this case has got, and that is taken once.
            unsafe { drop_uncompleted(self.case, won, self.slot.address()) };
        }
    }
}

/// # Safety
///
/// As for [`Won::promise`].
#[cold]
#[inline(never)]
unsafe fn drop_uncompleted(case: Case<'_>, won: Won, room: NonNull<()>) {
    // SAFETY: the caller's contract.
    if let Some(promise) = unsafe { won.promise(room) } {
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
