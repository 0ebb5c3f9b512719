//! Sending as a future.

use super::party::{Party, Role};
use crate::Sender;
use crate::channel::{Chan, Locked, SendStop};
use crate::error::SendError;
use gorge_runtime::park::Outcome;
use gorge_runtime::preempt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A send that is waited for with `.await`. Made by [`Sender::send_async`].
///
/// # Cancellation
///
/// It may be dropped at any time. If nobody has taken the value by then, it was not sent
/// and is dropped with the future; [`withdraw`](SendFuture::withdraw) gives it back. Where
/// a value must not be made in vain, wait for room first:
/// [`reserve_async`](Sender::reserve_async).
#[must_use = "futures do nothing unless they are awaited"]
pub struct SendFuture<'a, T> {
    sender: &'a Sender<T>,
    sending: Sending<T>,
}

impl<T> Sender<T> {
    /// Sends a value, for code that is written with `async`; see [`send`](Sender::send).
    ///
    /// It may be awaited on any executor, and mixed with blocking operations on the same
    /// channel: all are served in the order in which they began to wait.
    ///
    /// # Errors
    ///
    /// As [`send`](Sender::send).
    ///
    /// # Panics
    ///
    /// The future panics if it is polled again after it was ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::{block_on, go};
    ///
    /// let (sender, receiver) = gorge_channel::bounded(0);
    /// let reader = go(move || receiver.recv());
    /// block_on(sender.send_async("hello"))?;
    /// assert_eq!(reader.join().unwrap(), Ok("hello"));
    /// # Ok::<_, gorge_channel::SendError<&str>>(())
    /// ```
    pub fn send_async(&self, value: T) -> SendFuture<'_, T> {
        SendFuture {
            sender: self,
            sending: Sending::of(value),
        }
    }
}

impl<T> SendFuture<'_, T> {
    /// Gives up, and gives the value back unless it was sent. A future that was ready has
    /// none any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = gorge_channel::bounded(0);
    /// assert_eq!(sender.send_async(1).withdraw(), Some(1));
    /// ```
    pub fn withdraw(mut self) -> Option<T> {
        self.sending.stop(self.sender.chan())
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let chan = self.sender.chan();
        assert!(
            self.sending.is_under_way(),
            "a `SendFuture` was polled after it was ready"
        );
        self.sending.poll(chan, cx)
    }
}

// The value is moved about, and is pinned where it waits by lying on the heap.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        drop(self.sending.stop(self.sender.chan()));
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SendFuture { .. }")
    }
}

/// One send after the other, of a future or a sink.
pub(super) struct Sending<T> {
    /// What is to be sent, until it is or waits.
    value: Option<T>,
    /// Made when it first has to wait; it has the value while it does.
    party: Option<Arc<Party<T>>>,
    waits: bool,
}

impl<T> Sending<T> {
    pub(super) fn nothing() -> Sending<T> {
        Sending {
            value: None,
            party: None,
            waits: false,
        }
    }

    fn of(value: T) -> Sending<T> {
        Sending {
            value: Some(value),
            ..Sending::nothing()
        }
    }

    /// Whether there is something to be sent.
    pub(super) fn is_under_way(&self) -> bool {
        self.waits || self.value.is_some()
    }

    /// Begins the next send, when none is under way.
    pub(super) fn start(&mut self, value: T) {
        self.value = Some(value);
    }

    /// Ready when nothing is under way any more. `chan` is the same one each time.
    pub(super) fn poll(
        &mut self,
        chan: &Chan<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        preempt::point_at_without_cancel("send");
        if let (true, Some(party)) = (self.waits, &self.party) {
            ready!(party.poll(cx));
            self.waits = false;
            return Poll::Ready(match party.outcome() {
                // SAFETY: nobody took it, and who closed the channel is done.
                Outcome::Closed => Err(SendError(unsafe { party.take() })),
                _ => Ok(()),
            });
        }
        if self.value.is_none() {
            return Poll::Ready(Ok(()));
        }
        if self.party.is_none() {
            let Some(value) = self.value.take() else {
                return Poll::Ready(Ok(()));
            };
            match send_at_once(chan, value) {
                Ok(sent) => return Poll::Ready(sent),
                Err((locked, unsent)) => {
                    drop(locked);
                    self.value = Some(unsent);
                }
            }
        }
        let party = self
            .party
            .get_or_insert_with(|| Party::new(Role::Send, chan));
        // Before the value is taken: a panic of this leaves it where it is.
        let waker = cx.waker().clone();
        let Some(value) = self.value.take() else {
            return Poll::Ready(Ok(()));
        };
        match send_at_once(chan, value) {
            Ok(sent) => Poll::Ready(sent),
            Err((locked, value)) => {
                // SAFETY: it does not wait, and its slot is empty; then full.
                unsafe {
                    party.put(value);
                    Party::link(party, locked, waker);
                }
                self.waits = true;
                Poll::Pending
            }
        }
    }

    /// Ends the wait, and gives back what was not sent. `chan` is the same one as before.
    pub(super) fn stop(&mut self, chan: &Chan<T>) -> Option<T> {
        if let (true, Some(party)) = (self.waits, &self.party) {
            self.waits = false;
            return Party::leave(party, chan);
        }
        self.value.take()
    }
}

/// One attempt. Without room it keeps the lock, and gives the value back.
fn send_at_once<T>(
    chan: &Chan<T>,
    value: T,
) -> Result<Result<(), SendError<T>>, (Locked<'_, T>, T)> {
    match chan.lock().send(value) {
        Ok(()) => Ok(Ok(())),
        Err(SendStop::Closed(value)) => Ok(Err(SendError(value))),
        Err(SendStop::NeedsBlock(value, slots)) => Ok(chan.send_with_block(value, slots)),
        Err(SendStop::Full(locked, value)) => Err((locked, value)),
    }
}
