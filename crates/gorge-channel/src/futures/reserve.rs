//! Reserving as a future.

use super::party::{Party, Role};
use crate::Sender;
use crate::error::SendError;
use crate::permit::Permit;
use crate::promise::PromiseStop;
use gorge_runtime::park::Outcome;
use gorge_runtime::preempt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A reservation that is waited for with `.await`. Made by [`Sender::reserve_async`].
///
/// # Cancellation
///
/// It may be dropped at any time: what it was promised goes to the next sender. Forgotten
/// ([`std::mem::forget`]) while it waits, it keeps room, or a receiver, for ever.
#[must_use = "futures do nothing unless they are awaited"]
pub struct ReserveFuture<'a, T> {
    sender: &'a Sender<T>,
    party: Option<Arc<Party<T>>>,
    waits: bool,
}

impl<T> Sender<T> {
    /// Waits until one value can be sent without waiting, for code that is written with
    /// `async`; see [`reserve`](Sender::reserve). So nothing is lost when the wait is given
    /// up: the value need not be there yet.
    ///
    /// On a channel of capacity zero, a receiver that has met this future waits until it is
    /// polled and its permit used, or either is dropped.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Sender::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::block_on;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(1);
    /// let permit = block_on(sender.reserve_async())?;
    /// permit.send("hello").expect("it is not closed");
    /// assert_eq!(receiver.recv(), Ok("hello"));
    /// # Ok::<_, gorge_channel::SendError<()>>(())
    /// ```
    pub fn reserve_async(&self) -> ReserveFuture<'_, T> {
        ReserveFuture {
            sender: self,
            party: None,
            waits: false,
        }
    }
}

impl<'a, T> Future for ReserveFuture<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        preempt::point_without_cancel();
        let this = &mut *self;
        let sender: &'a Sender<T> = this.sender;
        let chan = sender.chan();
        if let (true, Some(party)) = (this.waits, &this.party) {
            ready!(party.poll(cx));
            this.waits = false;
            if party.outcome() == Outcome::Closed {
                return Poll::Ready(Err(SendError(())));
            }
            // SAFETY: this party was woken, and takes once what it was promised.
            if let Some(promise) = unsafe { Party::<T>::promise(party.message()) } {
                return Poll::Ready(Ok(Permit::new(chan, Some(promise))));
            }
        }
        let party = this
            .party
            .get_or_insert_with(|| Party::new(Role::Reserve, chan));
        let mut waker = None;
        loop {
            match chan.lock().promise() {
                Ok(promise) => return Poll::Ready(Ok(Permit::new(chan, Some(promise)))),
                Err(PromiseStop::Closed) => return Poll::Ready(Err(SendError(()))),
                Err(PromiseStop::Full) => {}
            }
            let waker = waker.take().unwrap_or_else(|| cx.waker().clone());
            let locked = chan.lock();
            if !locked.has_room(None) {
                // SAFETY: it does not wait.
                unsafe { Party::link(party, locked, waker) };
                this.waits = true;
                return Poll::Pending;
            }
            // There is room, or a receiver that waits: promised in the next round.
            drop(locked);
        }
    }
}

impl<T> Drop for ReserveFuture<'_, T> {
    fn drop(&mut self) {
        if let (true, Some(party)) = (self.waits, &self.party) {
            Party::leave(party, self.sender.chan());
        }
    }
}

impl<T> fmt::Debug for ReserveFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("ReserveFuture { .. }")
    }
}
