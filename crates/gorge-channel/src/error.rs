//! What can go wrong, one type per operation. Names, variants, conversions and
//! texts are `crossbeam_channel`'s.
//!
//! Every failed send hands its value back. `Debug` needs nothing of the value: the errors
//! that have one show a text instead, in quotes.

use std::error::Error;
use std::fmt;

/// Nobody will receive the value any more: the channel was closed, or all its
/// receivers are gone. Returned by [`send`](crate::Sender::send), with the
/// value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why [`try_send`](crate::Sender::try_send) did not send, with the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or on a channel of capacity zero nobody receives:
    /// try again later.
    Full(T),
    /// The channel was closed, or all its receivers are gone.
    Disconnected(T),
}

/// Why [`send_timeout`](crate::Sender::send_timeout) did not send, with the
/// value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// Nobody received in time: try again.
    Timeout(T),
    /// The channel was closed, or all its receivers are gone.
    Disconnected(T),
}

/// There is no value, and there will be none: the channel is empty, and it was
/// closed or all its senders are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why [`try_recv`](crate::Receiver::try_recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value now: try again later.
    Empty,
    /// The channel is empty, and it was closed or all its senders are gone.
    Disconnected,
}

/// Why [`recv_timeout`](crate::Receiver::recv_timeout) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// No value came in time: try again.
    Timeout,
    /// The channel is empty, and it was closed or all its senders are gone.
    Disconnected,
}

/// Why [`try_select`](crate::Select::try_select) selected nothing: none of the operations
/// is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrySelectError;

/// Why [`select_timeout`](crate::Select::select_timeout) selected nothing: none of the
/// operations was ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectTimeoutError;

/// Why [`try_ready`](crate::Select::try_ready) named nothing: none of the operations is
/// ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryReadyError;

/// Why [`ready_timeout`](crate::Select::ready_timeout) named nothing: none of the
/// operations was ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyTimeoutError;

impl<T> SendError<T> {
    /// The value that was not sent.
    ///
    /// ```
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// drop(receiver);
    /// assert_eq!(sender.send("letter").unwrap_err().into_inner(), "letter");
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            TrySendError::Full(value) | TrySendError::Disconnected(value) => value,
        }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, TrySendError::Full(_))
    }

    /// Whether nobody will receive any more.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, TrySendError::Disconnected(_))
    }
}

impl<T> SendTimeoutError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendTimeoutError::Timeout(value) | SendTimeoutError::Disconnected(value) => value,
        }
    }

    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, SendTimeoutError::Timeout(_))
    }

    /// Whether nobody will receive any more.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, SendTimeoutError::Disconnected(_))
    }
}

impl TryRecvError {
    /// Whether there was no value yet.
    pub fn is_empty(&self) -> bool {
        matches!(self, TryRecvError::Empty)
    }

    /// Whether there will be no value any more.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, TryRecvError::Disconnected)
    }
}

impl RecvTimeoutError {
    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, RecvTimeoutError::Timeout)
    }

    /// Whether there will be no value any more.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, RecvTimeoutError::Disconnected)
    }
}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(SendError(value): SendError<T>) -> TrySendError<T> {
        TrySendError::Disconnected(value)
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(SendError(value): SendError<T>) -> SendTimeoutError<T> {
        SendTimeoutError::Disconnected(value)
    }
}

impl From<RecvError> for TryRecvError {
    fn from(RecvError: RecvError) -> TryRecvError {
        TryRecvError::Disconnected
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(RecvError: RecvError) -> RecvTimeoutError {
        RecvTimeoutError::Disconnected
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt("SendError(..)", f)
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            TrySendError::Full(_) => "Full(..)",
            TrySendError::Disconnected(_) => "Disconnected(..)",
        };
        fmt::Debug::fmt(text, f)
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt("SendTimeoutError(..)", f)
    }
}

/// The texts of errors. They keep to the width that a format asks for, as texts do.
macro_rules! texts {
    ($($error:ident $(<$value:ident>)? { $($variant:pat => $text:literal,)+ })+) => {$(
        impl $(<$value>)? fmt::Display for $error $(<$value>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $($variant => $text,)+
                })
            }
        }

        impl $(<$value>)? Error for $error $(<$value>)? {}
    )+};
}

texts! {
    SendError<T> {
        SendError(_) => "sending on a disconnected channel",
    }
    TrySendError<T> {
        TrySendError::Full(_) => "sending on a full channel",
        TrySendError::Disconnected(_) => "sending on a disconnected channel",
    }
    SendTimeoutError<T> {
        SendTimeoutError::Timeout(_) => "timed out waiting on send operation",
        SendTimeoutError::Disconnected(_) => "sending on a disconnected channel",
    }
    RecvError {
        RecvError => "receiving on an empty and disconnected channel",
    }
    TryRecvError {
        TryRecvError::Empty => "receiving on an empty channel",
        TryRecvError::Disconnected => "receiving on an empty and disconnected channel",
    }
    RecvTimeoutError {
        RecvTimeoutError::Timeout => "timed out waiting on receive operation",
        RecvTimeoutError::Disconnected => "channel is empty and disconnected",
    }
    TrySelectError {
        TrySelectError => "all operations in select would block",
    }
    SelectTimeoutError {
        SelectTimeoutError => "timed out waiting on select",
    }
    TryReadyError {
        TryReadyError => "all operations in select would block",
    }
    ReadyTimeoutError {
        ReadyTimeoutError => "timed out waiting on select",
    }
}
