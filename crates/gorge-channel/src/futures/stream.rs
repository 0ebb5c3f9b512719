//! Receiving as a [`Stream`].

use super::receive::Receiving;
use crate::Receiver;
use crate::never;
use futures_core::stream::{FusedStream, Stream};
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The values to come, as a [`Stream`]. Made by [`Receiver::stream`] and
/// [`Receiver::into_stream`]. It ends when the channel is disconnected and empty.
///
/// # Cancellation
///
/// As for [`RecvFuture`](crate::RecvFuture).
#[must_use = "streams do nothing unless they are polled"]
pub struct RecvStream<'a, T> {
    receiver: Held<'a, Receiver<T>>,
    receiving: Receiving<T>,
    is_terminated: bool,
}

/// A handle, by value or by reference.
pub(super) enum Held<'a, H> {
    Owned(H),
    Borrowed(&'a H),
}

impl<H> Deref for Held<'_, H> {
    type Target = H;

    fn deref(&self) -> &H {
        match self {
            Held::Owned(handle) => handle,
            Held::Borrowed(handle) => handle,
        }
    }
}

impl<T> Receiver<T> {
    /// The values to come, for code that is written with `async`; see
    /// [`recv_async`](Receiver::recv_async).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use gorge_runtime::block_on;
    ///
    /// let (sender, receiver) = gorge_channel::unbounded();
    /// sender.send_many([1, 2, 3]).expect("the receiver is there");
    /// drop(sender);
    /// let values: Vec<i32> = block_on(receiver.stream().collect());
    /// assert_eq!(values, [1, 2, 3]);
    /// ```
    pub fn stream(&self) -> RecvStream<'_, T> {
        RecvStream::of(Held::Borrowed(self))
    }

    /// As [`stream`](Receiver::stream), with the receiver in it.
    pub fn into_stream<'a>(self) -> RecvStream<'a, T>
    where
        T: 'a,
    {
        RecvStream::of(Held::Owned(self))
    }
}

impl<'a, T> RecvStream<'a, T> {
    fn of(receiver: Held<'a, Receiver<T>>) -> RecvStream<'a, T> {
        RecvStream {
            receiver,
            receiving: Receiving::default(),
            is_terminated: false,
        }
    }
}

impl<T> Stream for RecvStream<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.is_terminated {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let Some(chan) = this.receiver.chan() else {
            return never::poll();
        };
        let received = ready!(this.receiving.poll(chan, cx));
        this.is_terminated = received.is_err();
        Poll::Ready(received.ok())
    }
}

impl<T> FusedStream for RecvStream<'_, T> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<T> Drop for RecvStream<'_, T> {
    fn drop(&mut self) {
        if let Some(chan) = self.receiver.chan() {
            self.receiving.stop(chan);
        }
    }
}

impl<T> fmt::Debug for RecvStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("RecvStream { .. }")
    }
}
