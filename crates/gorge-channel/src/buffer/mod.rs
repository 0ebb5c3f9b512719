//! Where a channel keeps the values that were sent and not yet received.
//!
//! [`Buffer::push`] and [`Buffer::pop`] run under the channel's lock. So they
//! neither allocate nor free, nor drop a value: what is needed or left over is
//! handed out, and the caller deals with it after the unlock.

mod blocks;
mod ring;

pub(crate) use blocks::{Block, Blocks};
pub(crate) use ring::Ring;

pub(crate) enum Buffer<T> {
    /// Up to a fixed number of values; none for a rendezvous.
    Ring(Ring<T>),
    /// Any number.
    Blocks(Blocks<T>),
}

/// A value did not go into the buffer.
pub(crate) enum PushError<T> {
    /// There is no room.
    Full(T),
    /// There is, once a block is [offered](Buffer::offer).
    NeedsBlock(T),
}

impl<T> Buffer<T> {
    #[inline]
    pub(crate) fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self {
            Buffer::Ring(ring) => ring.push(value).map_err(PushError::Full),
            Buffer::Blocks(blocks) => blocks.push(value).map_err(PushError::NeedsBlock),
        }
    }

    /// The oldest value, and perhaps a block to be freed after the unlock.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(T, Option<Box<Block<T>>>)> {
        match self {
            Buffer::Ring(ring) => ring.pop().map(|value| (value, None)),
            Buffer::Blocks(blocks) => blocks.pop(),
        }
    }

    /// Takes a block for later pushes, unless there is one in store.
    pub(crate) fn offer(&mut self, block: &mut Option<Box<Block<T>>>) {
        if let Buffer::Blocks(blocks) = self {
            blocks.offer(block);
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Buffer::Ring(ring) => ring.len(),
            Buffer::Blocks(blocks) => blocks.len(),
        }
    }

    /// Takes everything out, to be dropped after the unlock. Nothing may be
    /// pushed any more.
    pub(crate) fn take(&mut self) -> Buffer<T> {
        let nothing = match self {
            Buffer::Ring(_) => Buffer::Ring(Ring::new(0)),
            Buffer::Blocks(_) => Buffer::Blocks(Blocks::new()),
        };
        std::mem::replace(self, nothing)
    }
}
