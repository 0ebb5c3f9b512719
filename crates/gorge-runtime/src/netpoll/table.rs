//! The slots of a poller: found by an event's token without a lock.
//!
//! Slots lie in chunks, each twice as long as the one before, that are never
//! moved or freed while the poller lives. A token is the slot's index and the
//! generation of its registration.
//!
//! ```text
//!   63         32 31          0
//!   +------------+------------+
//!   | generation |   index    |     the last indices name no slot
//!   +------------+------------+
//! ```

use super::once::Once;
use super::slot::Slot;
use mio::Token;
use parking_lot::Mutex;
use std::io;

const _: () = assert!(usize::BITS == 64, "a token is a word of two halves");

/// The waker's event.
pub(super) const WAKER: Token = Token(usize::MAX);
/// The alarm's event.
pub(super) const ALARM: Token = Token(usize::MAX - 1);

const FIRST_CHUNK: u32 = 64;
const CHUNKS: usize = 20;

/// Sixty-seven million: more than a process can have descriptors.
const SLOTS_MAX: u32 = FIRST_CHUNK * ((1 << CHUNKS) - 1);

/// See the module's description.
pub(super) struct Table {
    chunks: [Once<Box<[Slot]>>; CHUNKS],
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    /// Slots that were used before, the last one first: it is in the cache.
    used: Vec<u32>,
    /// From here on, no slot has been used.
    unused: u32,
    /// No slot is given out any more.
    ended: bool,
}

/// No slot is to be had.
#[derive(Debug)]
pub(super) enum NoSlot {
    Ended,
    Full,
}

impl Table {
    pub(super) fn new() -> Table {
        Table {
            chunks: std::array::from_fn(|_| Once::default()),
            free: Mutex::new(Free::default()),
        }
    }

    /// A free slot's index.
    pub(super) fn take(&self) -> Result<u32, NoSlot> {
        let mut free = self.free.lock();
        if free.ended {
            return Err(NoSlot::Ended);
        }
        if let Some(index) = free.used.pop() {
            return Ok(index);
        }
        let index = free.unused;
        if index == SLOTS_MAX {
            return Err(NoSlot::Full);
        }
        free.unused += 1;
        let (chunk, _) = place(index);
        // Under the lock, so that `end` finds every slot that was given out.
        if self.chunks[chunk].get().is_none() {
            self.chunks[chunk].fill((0..FIRST_CHUNK << chunk).map(|_| Slot::default()).collect());
        }
        Ok(index)
    }

    /// Takes a slot back.
    pub(super) fn give_back(&self, index: u32) {
        if let Some(slot) = self.get(index) {
            slot.recycle();
            self.free.lock().used.push(index);
        }
    }

    /// The slot with this index, if it was ever given out.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Slot> {
        let (chunk, offset) = place(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// Calls `f` with every slot, after the last one was given out.
    pub(super) fn end(&self, f: impl FnMut(&Slot)) {
        self.free.lock().ended = true;
        let chunks = self.chunks.iter().filter_map(Once::get);
        chunks.flat_map(|chunk| chunk.iter()).for_each(f);
    }
}

impl From<NoSlot> for io::Error {
    fn from(error: NoSlot) -> io::Error {
        match error {
            NoSlot::Ended => super::PollError::RuntimeEnded.into(),
            NoSlot::Full => io::Error::other("the poller has no room for another descriptor"),
        }
    }
}

/// The chunk and the offset in it: indices count from the first chunk's start,
/// and chunk `k` begins at `FIRST_CHUNK * (2^k - 1)`.
fn place(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST_CHUNK);
    let chunk = (shifted / u64::from(FIRST_CHUNK)).ilog2();
    let start = u64::from(FIRST_CHUNK) << chunk;
    // Both fit: they are smaller than the index.
    (chunk as usize, (shifted - start) as usize)
}

/// What the kernel hands back with each event of a registration.
pub(super) fn token(index: u32, generation: u32) -> Token {
    Token((generation as usize) << 32 | index as usize)
}

/// Index and generation of a token.
pub(super) fn parts(Token(word): Token) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected);
            expected.1 += 1;
            if expected.1 == (FIRST_CHUNK as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(SLOTS_MAX - 1).0, CHUNKS - 1);
        assert_eq!(place(SLOTS_MAX), (CHUNKS, 0));
    }

    #[test]
    fn a_token_gives_back_what_it_was_made_of() {
        for (index, generation) in [(0, 0), (7, u32::MAX), (SLOTS_MAX - 1, 12)] {
            let token = token(index, generation);
            assert_eq!(parts(token), (index, generation));
            assert!(token != WAKER && token != ALARM);
        }
    }

    #[test]
    fn a_slot_that_is_given_back_comes_again_with_another_generation() {
        let table = Table::new();
        let first = table.take().expect("a slot");
        let generation = table.get(first).expect("it").generation();
        table.give_back(first);
        let again = table.take().expect("a slot");
        assert_eq!(again, first);
        assert_ne!(table.get(again).expect("it").generation(), generation);
        table.end(|_| ());
        assert!(matches!(table.take(), Err(NoSlot::Ended)));
    }
}
