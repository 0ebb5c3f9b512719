//! Receiving as a future.

use super::alarm::Alarm;
use super::party::{Party, Role};
use crate::Receiver;
use crate::channel::{Chan, Kind, Past, ReceiveStop};
use crate::error::RecvError;
use crate::never;
use crate::waiter::{Claimed, ClaimedAll};
use gorge_runtime::preempt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// A receive that is waited for with `.await`. Made by [`Receiver::recv_async`].
///
/// # Cancellation
///
/// It may be dropped at any time, as `select!` of an executor does with what is not
/// ready: a value that it was handed, and has not returned, is then the next one to be
/// received. For this moment the channel may hold more values than its capacity. Values
/// that several futures put back come in the order in which these are dropped. Forgotten
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
        match self.receiver.chan() {
            Some(chan) => self.receiving.poll(chan, cx),
            None => never::poll(),
        }
    }
}

impl<T> Drop for RecvFuture<'_, T> {
    fn drop(&mut self) {
        if let Some(chan) = self.receiver.chan() {
            self.receiving.stop(chan);
        }
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

/// What came of an attempt.
enum Attempt<T> {
    Done(Result<T, RecvError>),
    /// A sender will hand a value over, when it has made it.
    Met,
    /// The party is linked.
    Waits,
    /// There was no waker to wait with.
    Nothing,
}

impl<T> Receiving<T> {
    /// `chan` is the same one each time.
    pub(super) fn poll(
        &mut self,
        chan: &Chan<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        preempt::point_at_without_cancel("receive");
        let mut is_prepared = self.party.is_some();
        loop {
            if let Some(done) = ready!(self.poll_wait(chan, cx)) {
                return Poll::Ready(done);
            }
            // At first without one, and without a party, which both cost something.
            let mut waker = is_prepared.then(|| cx.waker().clone());
            let attempt = self.attempt(chan, &mut waker);
            // Here, as its destructor may panic.
            drop(waker);
            match attempt {
                Attempt::Done(done) => {
                    self.alarm = None;
                    if done.is_err() {
                        chan.resume_panic();
                    }
                    return Poll::Ready(done);
                }
                Attempt::Waits => {
                    self.set_alarm(chan, cx.waker());
                    return Poll::Pending;
                }
                Attempt::Met => {}
                Attempt::Nothing => is_prepared = true,
            }
        }
    }

    /// One attempt. Futures that wait to be promised something are told to look again: they
    /// find this party, which waits when they do, or what came of the attempt.
    fn attempt(&mut self, chan: &Chan<T>, waker: &mut Option<Waker>) -> Attempt<T> {
        let mut told = ClaimedAll::default();
        let received = match chan.lock().receive() {
            Err(stop) => stop.past(Past::Futures, &mut told),
            received => received,
        };
        let attempt = match received {
            Ok(value) => Attempt::Done(Ok(value)),
            Err(ReceiveStop::Closed) => Attempt::Done(Err(RecvError)),
            Err(ReceiveStop::Promised(locked, sender)) => {
                // Nobody but the sender learns of this party.
                drop(locked);
                self.meet(chan, sender);
                Attempt::Met
            }
            Err(ReceiveStop::Empty(locked)) => match waker.take() {
                Some(waker) => {
                    // SAFETY: it does not wait, and its slot is empty.
                    unsafe { Party::link(self.party(chan), locked, waker) };
                    self.waits = true;
                    Attempt::Waits
                }
                None => {
                    drop(locked);
                    Attempt::Nothing
                }
            },
        };
        told.wake();
        attempt
    }

    #[cold]
    fn meet(&mut self, chan: &Chan<T>, sender: Claimed) {
        // SAFETY: it receives and does not wait, and its slot is empty. The sender waits on
        // this channel without a place. Futures were passed over.
        unsafe { Party::meet(self.party(chan), sender) };
        self.waits = true;
    }

    fn party(&mut self, chan: &Chan<T>) -> &Arc<Party<T>> {
        self.party
            .get_or_insert_with(|| Party::new(Role::Receive, chan))
    }

    /// Sees to it that this waker is called when the next value comes by itself, if it does.
    fn set_alarm(&mut self, chan: &Chan<T>, waker: &Waker) {
        if chan.kind() != Kind::Timer {
            return;
        }
        let due = chan.lock().buffer.due();
        let is_set = match (due, &self.alarm) {
            (Some(due), Some(alarm)) => alarm.is(due, waker),
            (None, None) => true,
            _ => false,
        };
        if !is_set {
            self.alarm = due.map(|due| Alarm::new(due, waker));
        }
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
        if chan.kind() == Kind::Timer {
            // Its value comes by itself.
            if let Ok(waker) = Party::unlink(party, chan) {
                self.waits = false;
                drop(waker);
                return Poll::Ready(None);
            }
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
