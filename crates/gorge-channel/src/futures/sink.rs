//! Sending as a [`Sink`].

use super::send::Sending;
use super::stream::Held;
use crate::Sender;
use crate::error::SendError;
use futures_sink::Sink;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Sends what it is fed, as a [`Sink`]. Made by [`Sender::sink`] and
/// [`Sender::into_sink`].
///
/// It keeps one value until that is sent. Closing it means to wait for that; the channel
/// stays open for other senders, and disconnects when all have gone.
///
/// # Cancellation
///
/// Dropped, it drops a value that was not sent; [`withdraw`](SendSink::withdraw) gives that
/// back.
#[must_use = "sinks do nothing unless they are polled"]
pub struct SendSink<'a, T> {
    sender: Held<'a, Sender<T>>,
    sending: Sending<T>,
}

impl<T> Sender<T> {
    /// Sends the values that it is fed, for code that is written with `async`; see
    /// [`send_async`](Sender::send_async).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::{SinkExt, stream};
    /// use gorge_runtime::block_on;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(3);
    /// let mut values = stream::iter([Ok(1), Ok(2), Ok(3)]);
    /// block_on(sender.sink().send_all(&mut values))?;
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// # Ok::<_, gorge_channel::SendError<i32>>(())
    /// ```
    pub fn sink(&self) -> SendSink<'_, T> {
        SendSink::of(Held::Borrowed(self))
    }

    /// As [`sink`](Sender::sink), with the sender in it.
    pub fn into_sink<'a>(self) -> SendSink<'a, T>
    where
        T: 'a,
    {
        SendSink::of(Held::Owned(self))
    }
}

impl<'a, T> SendSink<'a, T> {
    fn of(sender: Held<'a, Sender<T>>) -> SendSink<'a, T> {
        SendSink {
            sender,
            sending: Sending::nothing(),
        }
    }

    /// Gives the value back that was fed and is not sent yet, and is ready for the next.
    pub fn withdraw(&mut self) -> Option<T> {
        self.sending.stop(self.sender.chan())
    }
}

impl<T> Sink<T> for SendSink<'_, T> {
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_flush(cx)
    }

    /// # Panics
    ///
    /// If the value before it was not sent yet: a sink is asked first whether it is ready.
    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), SendError<T>> {
        assert!(
            !self.sending.is_under_way(),
            "`start_send` was called on a `SendSink` that is not ready"
        );
        self.sending.start(value);
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let this = &mut *self;
        this.sending.poll(this.sender.chan(), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_flush(cx)
    }
}

// The value is moved about, and is pinned where it waits by lying on the heap.
impl<T> Unpin for SendSink<'_, T> {}

impl<T> Drop for SendSink<'_, T> {
    fn drop(&mut self) {
        drop(self.sending.stop(self.sender.chan()));
    }
}

impl<T> fmt::Debug for SendSink<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SendSink { .. }")
    }
}
