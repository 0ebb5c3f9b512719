//! A four-ary min-heap of timers that knows where each goroutine's entry is.
//!
//! Four children per node: half the levels of a binary heap, and siblings
//! share a cache line. The position is stored in the G, so removal needs no
//! search.

use crate::goroutine::GRef;
use crate::scheduler::NEVER;

const CHILDREN: usize = 4;

/// Index of an entry, plus one; zero when there is none. Protected by the lock
/// of the heap that the entry is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position(u32);

/// A wait that ends at `when`.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) when: u64,
    pub(super) ticket: u32,
    pub(super) g: GRef,
}

/// See the module's description.
pub(super) struct Heap {
    entries: Vec<Entry>,
}

// SAFETY: entries are pointers to Gs, which are `Sync`; the heap is used under
// a lock.
unsafe impl Send for Heap {}

impl Heap {
    pub(super) fn new() -> Heap {
        Heap {
            entries: Vec::with_capacity(64),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn earliest(&self) -> u64 {
        self.entries.first().map_or(NEVER, |entry| entry.when)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.rise(self.entries.len() - 1);
    }

    /// Takes the earliest entry out if its time has come.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Entry> {
        let first = *self.entries.first()?;
        if first.when > now {
            return None;
        }
        self.take(0);
        Some(first)
    }

    /// Takes the goroutine's entry out; false when it has none.
    pub(super) fn remove(&mut self, g: GRef) -> bool {
        let Position(place) = self.position(g);
        if place == 0 {
            return false;
        }
        self.take(place as usize - 1);
        true
    }

    fn take(&mut self, index: usize) {
        let removed = self.entries.swap_remove(index);
        self.set_position(removed.g, Position(0));
        if index < self.entries.len() {
            self.rise(index);
            self.sink(index);
        }
    }

    /// Moves the entry at `index` up to where it belongs.
    fn rise(&mut self, mut index: usize) {
        let entry = self.entries[index];
        while index > 0 {
            let parent = (index - 1) / CHILDREN;
            if self.entries[parent].when <= entry.when {
                break;
            }
            self.put(index, self.entries[parent]);
            index = parent;
        }
        self.put(index, entry);
    }

    /// Moves the entry at `index` down to where it belongs.
    fn sink(&mut self, mut index: usize) {
        let entry = self.entries[index];
        loop {
            let first = index * CHILDREN + 1;
            let children = first..(first + CHILDREN).min(self.entries.len());
            let Some(least) = children.min_by_key(|&child| self.entries[child].when) else {
                break;
            };
            if self.entries[least].when >= entry.when {
                break;
            }
            self.put(index, self.entries[least]);
            index = least;
        }
        self.put(index, entry);
    }

    fn put(&mut self, index: usize, entry: Entry) {
        self.entries[index] = entry;
        // More timers than fit would be more goroutines than fit into memory.
        self.set_position(entry.g, Position(index as u32 + 1));
    }

    fn position(&self, g: GRef) -> Position {
        // SAFETY: the position of a G is read and written under the lock of
        // the heap that it is in, which the caller holds by having `&self`.
        unsafe { (*g.as_ref().run.get()).timer.position }
    }

    fn set_position(&self, g: GRef, position: Position) {
        // SAFETY: as in `position`. Only this field is written, through the
        // cell, so the goroutine's own use of its other fields is not touched.
        unsafe { (&raw mut (*g.as_ref().run.get()).timer.position).write(position) }
    }
}
