//! A channel's operations in all their forms, with one result for each direction.

use crate::queue::{Received, Sent};
use gorge_channel::{
    Receiver, RecvTimeoutError, Select, SelectedOperation, SendTimeoutError, Sender, TryRecvError,
    TrySendError,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// The form of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Waits,
    /// Waits for so many microseconds.
    Timed(u64),
    /// Waits for so many microseconds, given as a deadline.
    Until(u64),
    Tries,
}

impl Form {
    /// A form that does not wait, for where this one would wait for ever.
    pub(crate) fn unless_waits(self, would_wait: bool) -> Form {
        match self {
            Form::Waits if would_wait => Form::Tries,
            form => form,
        }
    }
}

/// Any form; those that wait for a time do so for less than `micros`.
pub(crate) fn form(micros: u64) -> impl Strategy<Value = Form> + Clone {
    prop_oneof![
        3 => Just(Form::Tries),
        3 => Just(Form::Waits),
        2 => (0..micros).prop_map(Form::Timed),
        1 => (0..micros).prop_map(Form::Until),
    ]
}

fn deadline(micros: u64) -> Instant {
    Instant::now() + Duration::from_micros(micros)
}

/// Sends; returns what became of it, and the value if it came back.
pub(crate) fn send<T>(sender: &Sender<T>, value: T, form: Form) -> (Sent, Option<T>) {
    let result = match form {
        Form::Waits => sender.send(value).map_err(SendTimeoutError::from),
        Form::Timed(micros) => sender.send_timeout(value, Duration::from_micros(micros)),
        Form::Until(micros) => sender.send_deadline(value, deadline(micros)),
        Form::Tries => sender.try_send(value).map_err(|error| match error {
            TrySendError::Full(value) => SendTimeoutError::Timeout(value),
            TrySendError::Disconnected(value) => SendTimeoutError::Disconnected(value),
        }),
    };
    match result {
        Ok(()) => (Sent::Done, None),
        Err(SendTimeoutError::Timeout(value)) => (Sent::Full, Some(value)),
        Err(SendTimeoutError::Disconnected(value)) => (Sent::Closed, Some(value)),
    }
}

/// Receives; returns what became of it. `number` tells a value's number.
pub(crate) fn receive<T>(
    receiver: &Receiver<T>,
    form: Form,
    number: impl Fn(T) -> u32,
) -> Received {
    let result = match form {
        Form::Waits => receiver.recv().map_err(RecvTimeoutError::from),
        Form::Timed(micros) => receiver.recv_timeout(Duration::from_micros(micros)),
        Form::Until(micros) => receiver.recv_deadline(deadline(micros)),
        Form::Tries => receiver.try_recv().map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Timeout,
            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
        }),
    };
    match result {
        Ok(value) => Received::Value(number(value)),
        Err(RecvTimeoutError::Timeout) => Received::Empty,
        Err(RecvTimeoutError::Disconnected) => Received::Closed,
    }
}

pub(crate) fn select<'a>(select: &mut Select<'a>, form: Form) -> Option<SelectedOperation<'a>> {
    match form {
        Form::Waits => Some(select.select()),
        Form::Timed(micros) => select.select_timeout(Duration::from_micros(micros)).ok(),
        Form::Until(micros) => select.select_deadline(deadline(micros)).ok(),
        Form::Tries => select.try_select().ok(),
    }
}

pub(crate) fn ready(select: &mut Select<'_>, form: Form) -> Option<usize> {
    match form {
        Form::Waits => Some(select.ready()),
        Form::Timed(micros) => select.ready_timeout(Duration::from_micros(micros)).ok(),
        Form::Until(micros) => select.ready_deadline(deadline(micros)).ok(),
        Form::Tries => select.try_ready().ok(),
    }
}

pub(crate) fn new_select<'a>(biased: bool) -> Select<'a> {
    match biased {
        true => Select::new_biased(),
        false => Select::new(),
    }
}
