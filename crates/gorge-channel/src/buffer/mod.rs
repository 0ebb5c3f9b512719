//! Where a channel keeps the values that were sent and not yet received.
//!
//! [`Buffer::push`] and [`Buffer::pop`] run under the channel's lock. So they
//! neither allocate nor free, nor drop a value: what is needed or left over is
//! handed out, and the caller deals with it after the unlock.

mod block;
mod blocks;
mod ring;
mod timer;

pub(crate) use block::Block;
pub(crate) use blocks::{Blocks, Slots};
pub(crate) use ring::Ring;
pub(crate) use timer::Timer;

use crate::overdue;
use std::time::Instant;

pub(crate) enum Buffer<T> {
    /// Up to a fixed number of values; none for a rendezvous.
    Ring(Ring<T>),
    /// Any number.
    Blocks(Blocks<T>),
    /// One, which comes by itself.
    Timer(Timer<T>),
    /// None. The channel is as good as closed at this instant.
    Expiry(Instant),
}

/// A value did not go into the buffer.
pub(crate) enum PushError<T> {
    /// There is no room.
    Full(T),
    /// There is, once a block of so many slots is [offered](Buffer::offer).
    NeedsBlock(T, Slots),
}

impl<T> Buffer<T> {
    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self {
            Buffer::Ring(ring) => ring.push(value).map_err(PushError::Full),
            Buffer::Blocks(blocks) => blocks
                .push(value)
                .map_err(|(value, slots)| PushError::NeedsBlock(value, slots)),
            Buffer::Timer(_) | Buffer::Expiry(_) => Err(PushError::Full(value)),
        }
    }

    /// The oldest value, and perhaps a block to be freed after the unlock.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<(T, Option<Block<T>>)> {
        match self {
            Buffer::Ring(ring) => ring.pop().map(|value| (value, None)),
            Buffer::Blocks(blocks) => blocks.pop(),
            Buffer::Timer(timer) => timer.pop().map(|value| (value, None)),
            Buffer::Expiry(_) => None,
        }
    }

    /// Takes a block for later pushes, unless there is one in store.
    pub(crate) fn offer(&mut self, block: &mut Option<Block<T>>) {
        if let Buffer::Blocks(blocks) = self {
            blocks.offer(block);
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Buffer::Ring(ring) => ring.len(),
            Buffer::Blocks(blocks) => blocks.len(),
            Buffer::Timer(timer) => timer.len(),
            Buffer::Expiry(_) => 0,
        }
    }

    /// Keeps room for one value, if there is any.
    pub(crate) fn reserve(&mut self) -> bool {
        match self {
            Buffer::Ring(ring) => ring.reserve(),
            Buffer::Blocks(_) => true,
            Buffer::Timer(_) | Buffer::Expiry(_) => false,
        }
    }

    /// Gives kept room back.
    pub(crate) fn unreserve(&mut self) {
        if let Buffer::Ring(ring) = self {
            ring.unreserve();
        }
    }

    /// For how many values room is kept.
    pub(crate) fn reserved(&self) -> usize {
        match self {
            Buffer::Ring(ring) => ring.reserved(),
            Buffer::Blocks(_) | Buffer::Timer(_) | Buffer::Expiry(_) => 0,
        }
    }

    /// Whether a push would not find room.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Buffer::Ring(ring) => ring.is_full(),
            Buffer::Blocks(_) => false,
            Buffer::Timer(_) | Buffer::Expiry(_) => true,
        }
    }

    /// The address of the first place, if the places stay where they are.
    pub(crate) fn places(&self) -> usize {
        match self {
            Buffer::Ring(ring) => ring.places(),
            _ => 0,
        }
    }

    /// When a value comes by itself, or the end, if one does.
    #[inline]
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Buffer::Timer(timer) => timer.due(),
            Buffer::Expiry(due) => Some(*due),
            _ => None,
        }
    }

    /// Whether the time is over at which the channel is as good as closed.
    pub(crate) fn has_expired(&self) -> bool {
        matches!(self, Buffer::Expiry(due) if overdue::has_passed(*due))
    }

    /// Takes everything out, to be dropped after the unlock. Nothing may be
    /// pushed any more.
    pub(crate) fn take(&mut self) -> Buffer<T> {
        let nothing = match self {
            Buffer::Ring(_) | Buffer::Timer(_) | Buffer::Expiry(_) => Buffer::Ring(Ring::new(0)),
            Buffer::Blocks(_) => Buffer::Blocks(Blocks::new()),
        };
        std::mem::replace(self, nothing)
    }
}
