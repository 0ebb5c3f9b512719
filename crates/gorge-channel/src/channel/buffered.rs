//! Send and receive on a channel with room for values, and the waiting of both on any
//! channel: an attempt, then a look around, if the caller is a thread that may run meanwhile,
//! then a wait.

use super::{Chan, Head, Locked, ReceiveStop, SendStop};
use crate::buffer::Slots;
use crate::channel::Past;
use crate::error::{RecvTimeoutError, SendError, SendTimeoutError};
use crate::waiter::ClaimedAll;
use gorge_runtime::cancel;
use gorge_runtime::park::Refused;
use std::time::Instant;

impl<T> Chan<T> {
    #[inline]
    pub(super) fn send_buffered<const MAY_BE_SLOT: bool>(
        &self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        match self.lock().send_if::<MAY_BE_SLOT>(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Full(locked, value)) => self.send_slow(locked, value, deadline),
            Err(SendStop::Closed(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(SendStop::NeedsBlock(value, slots)) => Ok(self.send_with_block(value, slots)?),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn send_slow<'a>(
        &'a self,
        locked: Locked<'a, T>,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        if !self.head.may_linger() {
            return locked.wait_to_send(value, deadline);
        }
        locked.room_went();
        drop(locked);
        self.send_looking(value, deadline)
    }

    /// Sends to a channel that was full, for which it looks a moment before it waits.
    #[cold]
    #[inline(never)]
    pub(super) fn send_looking(
        &self,
        value: T,
        deadline: Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        self.head.linger(Head::may_send);
        match self.lock().send(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Full(locked, value)) => locked.wait_to_send(value, deadline),
            Err(SendStop::Closed(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(SendStop::NeedsBlock(..)) => unreachable!("it was full, so it is bounded"),
        }
    }

    /// Sends with a new block for the buffer, allocated before the lock is
    /// taken.
    #[cold]
    #[inline(never)]
    pub(crate) fn send_with_block(&self, value: T, slots: Slots) -> Result<(), SendError<T>> {
        let mut block = Some(slots.allocate());
        let mut locked = self.lock();
        if !locked.closed {
            locked.buffer.offer(&mut block);
        }
        match locked.send(value) {
            Ok(()) => Ok(()),
            Err(SendStop::Closed(value)) => Err(SendError(value)),
            Err(SendStop::Full(..) | SendStop::NeedsBlock(..)) => {
                unreachable!("an unbounded channel has room, and a block in store")
            }
        }
        // What the buffer did not take of the block is freed here, after the
        // unlock.
    }

    #[inline]
    pub(super) fn receive_buffered<const MAY_BE_SLOT: bool>(
        &self,
        deadline: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        match self.lock().receive_if::<MAY_BE_SLOT>() {
            Ok(value) => Ok(value),
            stop => self.receive_slow(stop, deadline),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn receive_slow<'a>(
        &'a self,
        received: Result<T, ReceiveStop<'a, T>>,
        deadline: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        match received {
            Ok(value) => Ok(value),
            Err(ReceiveStop::Empty(locked)) if self.head.may_linger() => {
                drop(locked);
                self.receive_looking(deadline)
            }
            Err(stop) => self.receive_waiting(stop, deadline),
        }
    }

    /// Receives from a channel that was empty, for which it looks a moment before it waits.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_looking(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        self.head.linger(Head::may_receive);
        match self.lock().receive() {
            Ok(value) => Ok(value),
            Err(stop) => self.receive_waiting(stop, deadline),
        }
    }

    fn receive_waiting<'a>(
        &'a self,
        mut stop: ReceiveStop<'a, T>,
        deadline: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        loop {
            let mut told = ClaimedAll::default();
            let value = match stop.past(Past::All, &mut told) {
                Ok(value) => {
                    told.wake();
                    return Ok(value);
                }
                Err(ReceiveStop::Empty(locked)) => locked.wait_to_receive(deadline, told)?,
                // Nobody was told, or this one was, too.
                Err(ReceiveStop::Promised(locked, sender)) => match locked.meet(sender) {
                    Ok(value) => value,
                    Err(Refused) => cancel::deliver(),
                },
                Err(ReceiveStop::Closed) => {
                    told.wake();
                    return Err(RecvTimeoutError::Disconnected);
                }
            };
            if let Some(value) = value {
                return Ok(value);
            }
            stop = match self.lock().receive() {
                Ok(value) => return Ok(value),
                Err(stop) => stop,
            };
        }
    }
}
