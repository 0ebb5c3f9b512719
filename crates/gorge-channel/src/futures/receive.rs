//! Receiving as a future.

use super::alarm::Alarm;
use super::party::{Party, Role};
use crate::Receiver;
use crate::channel::{Chan, Kind, Locked, ReceiveStop};
use crate::error::RecvError;
use crate::waiter::ClaimedAll;
use gorge_runtime::preempt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A receive that is waited for with `.await`. Made by [`Receiver::recv_async`].
///
/// # Cancellation
///
/// It may be dropped at any time, as `select!` of an executor does with what is not
/// ready: a value that it was handed, and has not returned, is then the next one to be
/// received. For this moment the channel may hold more values than its capacity. Forgotten
/// ([`std::mem::forget`]) while it waits, it swallows a value.
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvFuture<'a, T> {
    receiver: &'a Receiver<T>,
    receiving: Receiving<T>,
}

impl<T> Receiver<T> {
    /// Receives a value, for code that is written with `async`; see
    /// [`recv`](Receiver::recv).
    ///
    /// It may be awaited on any executor, and mixed with blocking operations on the same
    /// channel: all are served in the order in which they began to wait. A channel of the
    /// clock ([`after`](crate::after) and the like) needs goroutines for it, and starts
    /// the default runtime if it is awaited outside one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::block_on;
    ///
    /// let (sender, receiver) = gorge_channel::bounded(0);
    /// gorge_runtime::go(move || sender.send("hello"));
    /// assert_eq!(block_on(receiver.recv_async()), Ok("hello"));
    /// ```
    pub fn recv_async(&self) -> RecvFuture<'_, T> {
        RecvFuture {
            receiver: self,
            receiving: Receiving::default(),
        }
    }
}

impl<T> Future for RecvFuture<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let chan = self.receiver.chan();
        self.receiving.poll(chan, cx)
    }
}

impl<T> Drop for RecvFuture<'_, T> {
    fn drop(&mut self) {
        self.receiving.stop(self.receiver.chan());
    }
}

impl<T> fmt::Debug for RecvFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("RecvFuture { .. }")
    }
}

/// One receive after the other, of a future or a stream.
pub(super) struct Receiving<T> {
    /// Made when it first has to wait.
    party: Option<Arc<Party<T>>>,
    waits: bool,
    alarm: Option<Alarm>,
}

impl<T> Default for Receiving<T> {
    fn default() -> Self {
        Receiving {
            party: None,
            waits: false,
            alarm: None,
        }
    }
}

/// Nothing was received.
enum Nothing<'a, T> {
    Yet(Locked<'a, T>),
    Ever,
}

impl<T> Receiving<T> {
    /// `chan` is the same one each time.
    pub(super) fn poll(
        &mut self,
        chan: &Chan<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        preempt::point_without_cancel();
        if let Some(done) = ready!(self.poll_wait(chan, cx)) {
            return Poll::Ready(done);
        }
        let mut told = ClaimedAll::default();
        if self.party.is_none() {
            let received = receive_at_once(chan, &mut told);
            let received = received.map_err(|nothing| matches!(nothing, Nothing::Ever));
            told.wake();
            match received {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(true) => return Poll::Ready(Err(RecvError)),
                Err(false) => told = ClaimedAll::default(),
            }
        }
        let party = self
            .party
            .get_or_insert_with(|| Party::new(Role::Receive, chan));
        let waker = cx.waker().clone();
        let (polled, due) = match receive_at_once(chan, &mut told) {
            Ok(value) => (Poll::Ready(Ok(value)), None),
            Err(Nothing::Ever) => (Poll::Ready(Err(RecvError)), None),
            Err(Nothing::Yet(locked)) => {
                let due = locked.buffer.due();
                // SAFETY: it does not wait, and its slot is empty.
                unsafe { Party::link(party, locked, waker) };
                self.waits = true;
                (Poll::Pending, due)
            }
        };
        told.wake();
        self.alarm = due.map(|due| Alarm::new(due, cx.waker().clone()));
        polled
    }

    /// Looks after a wait that goes on. None: nothing came of it, or there is none.
    fn poll_wait(
        &mut self,
        chan: &Chan<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, RecvError>>> {
        let (true, Some(party)) = (self.waits, &self.party) else {
            return Poll::Ready(None);
        };
        if chan.kind() == Kind::Timer && Party::unlink(party, chan) {
            // Its value comes by itself.
            self.waits = false;
            return Poll::Ready(None);
        }
        ready!(party.poll(cx));
        self.waits = false;
        // None: the sender that had claimed it gave up, or another receiver was quicker
        // when the channel was closed.
        Poll::Ready(chan.lock().take_from(party).map(Ok))
    }

    /// Ends the wait; `chan` is the same one as before.
    pub(super) fn stop(&mut self, chan: &Chan<T>) {
        if let (true, Some(party)) = (self.waits, &self.party) {
            self.waits = false;
            Party::leave(party, chan);
        }
    }
}

/// One attempt. Senders that make their values later are told to look again: they find
/// this party, which waits when they do, or what came of the attempt.
fn receive_at_once<'a, T>(chan: &'a Chan<T>, told: &mut ClaimedAll) -> Result<T, Nothing<'a, T>> {
    let mut locked = chan.lock();
    loop {
        locked = match locked.receive() {
            Ok(value) => return Ok(value),
            Err(ReceiveStop::Empty(locked)) => return Err(Nothing::Yet(locked)),
            Err(ReceiveStop::Closed) => return Err(Nothing::Ever),
            Err(ReceiveStop::Promised(locked, sender)) => {
                sender.tell_to_look(told);
                locked
            }
        };
    }
}
