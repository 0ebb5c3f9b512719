//! A run of values that all subscribers read without a lock.
//!
//! A broadcast's values lie in chunks, one after the other. A cell is written once, so a
//! reader that has a chunk needs nobody's leave to read what is in it, and pays no count of
//! references for each value. It gives the chunk up when it goes on to the next one; that
//! it gets from the ring, because a link from chunk to chunk would keep all that came after
//! the slowest reader.

use gorge_sync::OnceLock;

/// The largest number of values in a chunk. Fewer for small capacities: a chunk goes as a
/// whole, so a broadcast keeps up to one chunk more than it should.
const LARGEST: usize = 64;

pub(super) struct Chunk<T> {
    /// The number of the first value.
    first: u64,
    cells: Box<[OnceLock<T>]>,
}

/// How many values a chunk of a broadcast with this capacity has.
pub(super) fn length(capacity: usize) -> usize {
    capacity.div_ceil(2).min(LARGEST)
}

impl<T> Chunk<T> {
    pub(super) fn new(first: u64, length: usize) -> Chunk<T> {
        Chunk {
            first,
            cells: (0..length).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The number after that of the last value.
    pub(super) fn end(&self) -> u64 {
        self.first + self.cells.len() as u64
    }

    fn cell(&self, number: u64) -> Option<&OnceLock<T>> {
        let at = number.checked_sub(self.first)?;
        self.cells.get(usize::try_from(at).ok()?)
    }

    /// The value with this number, if it belongs here and was written.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.cell(number)?.get()
    }

    /// Writes a value, which belongs here, once.
    pub(super) fn set(&self, number: u64, value: T) {
        let set = self.cell(number).map(|cell| cell.set(value));
        debug_assert!(matches!(set, Some(Ok(()))), "each number is written once");
    }
}
