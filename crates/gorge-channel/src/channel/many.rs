//! Receiving many values: those that are buffered and that nobody waits for the room of with
//! the lock taken once, the others one by one.

use super::{Chan, Locked, Traits};
use gorge_runtime::preempt;

/// How many values are moved with the lock held, at most.
const MOST: usize = 256;
/// How many bytes, at most, unless it is one value.
const BYTES: usize = 8192;

/// What there is to be received when some values were taken out of the buffer.
enum Left {
    /// Nothing.
    Nothing,
    /// This many values in the buffer.
    Buffered(usize),
    /// Perhaps something.
    Unknown,
    /// Nothing in the buffer, but somebody may have something.
    WithOthers,
}

impl<T> Chan<T> {
    /// Takes what can be received at once to the end of `values`, `max` at most. Returns how
    /// many there were.
    pub(crate) fn receive_many(&self, values: &mut Vec<T>, max: usize) -> usize {
        let is_rendezvous = self.head.traits().has(Traits::RENDEZVOUS);
        let most = (BYTES / size_of::<T>().max(1)).clamp(1, MOST);
        let mut count = 0;
        while count < max && self.head.may_receive() {
            preempt::point_at_without_cancel("try to receive");
            let before = values.len();
            let space = values.capacity() - before;
            let left = match is_rendezvous {
                true => Left::WithOthers,
                false => self.lock().take(values, most.min(space).min(max - count)),
            };
            count += values.len() - before;
            match left {
                Left::Nothing => break,
                // For what is moved next: others may be faster to take the rest.
                Left::Buffered(len) if values.len() == values.capacity() => {
                    values.reserve(len.min(most).min(max - count));
                }
                Left::Buffered(_) | Left::Unknown => {}
                Left::WithOthers => {
                    let Ok(value) = self.receive_now::<false>() else {
                        break;
                    };
                    values.push(value);
                    count += 1;
                }
            }
        }
        count
    }
}

impl<T> Locked<'_, T> {
    /// Takes values out of the buffer, until it has `count`, or what is left over has to be
    /// dealt with: a block is freed and a sender woken without the lock.
    ///
    /// `values` has space for as many: nothing is allocated here.
    fn take(mut self, values: &mut Vec<T>, count: usize) -> Left {
        if self.has_returned {
            return Left::WithOthers;
        }
        let mut has_taken = false;
        for _ in 0..count {
            let Some((value, emptied)) = self.buffer.pop() else {
                break;
            };
            values.push(value);
            has_taken = true;
            if emptied.is_some() || !self.senders.is_empty() {
                self.pass_room_on();
                drop(emptied);
                return Left::Unknown;
            }
        }
        let left = match self.buffer.len() {
            0 if self.closed || !self.senders.is_empty() => Left::WithOthers,
            0 => {
                self.values_went();
                Left::Nothing
            }
            len => Left::Buffered(len),
        };
        if has_taken {
            self.pass_room_on();
        }
        left
    }
}
