//! Reserving as a future.

use super::party::{Party, Role};
use crate::Sender;
use crate::channel::Chan;
use crate::error::SendError;
use crate::permit::Permit;
use crate::promise::{Promise, PromiseStop};
use crate::waiter::Message;
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
/// It may be dropped at any time: room that it was promised goes to the next sender.
/// Forgotten ([`std::mem::forget`]) while it waits, it may keep room for ever.
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
    /// On a channel of capacity zero this future has no place in the queue: it is told when
    /// a receiver comes, and gets that when it is polled, if the receiver still waits and
    /// no other sender was quicker. From then on the receiver waits until the permit is used
    /// or dropped. A receive that does not wait, such as
    /// [`try_recv`](crate::Receiver::try_recv), finds nobody, and no
    /// [`Select`](crate::Select) is [ready](crate::Select::ready) for this future.
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
        preempt::point_at_without_cancel("reserve");
        let this = &mut *self;
        let sender: &'a Sender<T> = this.sender;
        let chan = sender.chan();
        if let (true, Some(party)) = (this.waits, &this.party) {
            ready!(party.poll(cx));
            this.waits = false;
            if party.outcome() == Outcome::Closed {
                return Poll::Ready(Err(SendError(())));
            }
            // SAFETY: this party was woken.
            if unsafe { party.message() } == Message::Room {
                return Poll::Ready(Ok(Permit::new(chan, Some(Promise::Room))));
            }
        }
        if this.party.is_none() {
            match chan.lock().promise() {
                Err(PromiseStop::Full(locked)) => drop(locked),
                stop => return Poll::Ready(permit(chan, stop)),
            }
        }
        let party = this
            .party
            .get_or_insert_with(|| Party::new(Role::Reserve, chan));
        let waker = cx.waker().clone();
        let permit = match chan.lock().promise() {
            Err(PromiseStop::Full(locked)) => {
                // SAFETY: it does not wait.
                unsafe { Party::link(party, locked, waker) };
                this.waits = true;
                return Poll::Pending;
            }
            stop => permit(chan, stop),
        };
        // Here, as its destructor may panic.
        drop(waker);
        Poll::Ready(permit)
    }
}

/// What came of an attempt, unless the channel is full.
fn permit<'a, T>(
    chan: &'a Chan<T>,
    promised: Result<Promise, PromiseStop<'_, T>>,
) -> Result<Permit<'a, T>, SendError<()>> {
    let promise = promised.map_err(|_| SendError(()))?;
    Ok(Permit::new(chan, Some(promise)))
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
