//! A four-ary min-heap of entries.
//!
//! ```text
//!                 0                children of i: 4i + 1 to 4i + 4
//!        1     2     3     4       parent of i: (i - 1) / 4
//!     5 6 7 8  9 ...
//! ```
//!
//! Four children per node: half the levels of a binary heap, and siblings
//! share one or two cache lines. An entry is a key and a pointer, and nobody
//! keeps its place, so that to move one touches nothing but this array. On one
//! machine, with a million entries, that halves the cost of taking the first
//! one against a heap that writes each entry's place into its G.

use crate::goroutine::GRef;
use crate::scheduler::NEVER;

const CHILDREN: usize = 4;

/// Says to look at `g` when it is `key`.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: u64,
    pub(super) g: GRef,
}

/// See the module's description.
pub(super) struct Heap {
    entries: Vec<Entry>,
}

// SAFETY: the heap itself only keeps the pointers, and Gs are `Sync`.
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

    /// All of them, in no useful order.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn earliest(&self) -> u64 {
        self.entries.first().map_or(NEVER, |entry| entry.key)
    }

    /// The first entry, if its time has come.
    pub(super) fn due(&self, now: u64) -> Option<Entry> {
        self.entries
            .first()
            .copied()
            .filter(|entry| entry.key <= now)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.rise(self.entries.len() - 1, 0, entry);
    }

    /// Takes out the first entry, which exists.
    pub(super) fn remove_first(&mut self) {
        if let Some(last) = self.entries.pop()
            && !self.entries.is_empty()
        {
            self.settle(0, last);
        }
    }

    /// Gives the first entry, which exists, a later key.
    pub(super) fn postpone_first(&mut self, key: u64) {
        let entry = Entry {
            key,
            ..self.entries[0]
        };
        self.settle(0, entry);
    }

    /// Drops the entries that `keep` is false for.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
        // Those with a child, from the last one up.
        let parents = (self.entries.len() + 2) / CHILDREN;
        for index in (0..parents).rev() {
            self.settle(index, self.entries[index]);
        }
    }

    /// Puts an entry into the part of the heap below `top`, in the place of
    /// the one that is there.
    ///
    /// The hole goes all the way down, and then the entry rises from there:
    /// what comes from the end or was postponed belongs near the leaves, so
    /// comparing with it on the way down would be for nothing.
    fn settle(&mut self, top: usize, entry: Entry) {
        let mut hole = top;
        loop {
            let first = hole * CHILDREN + 1;
            let Some(least) = self.least_child(first) else {
                break;
            };
            self.entries[hole] = self.entries[least];
            hole = least;
        }
        self.rise(hole, top, entry);
    }

    /// The least of the up to four entries from `first` on.
    #[inline]
    fn least_child(&self, first: usize) -> Option<usize> {
        let Some([a, b, c, d]) = self.entries.get(first..first + CHILDREN) else {
            return (first..self.entries.len()).min_by_key(|&child| self.entries[child].key);
        };
        // Which one it is cannot be predicted: these compile to no branches.
        let left = usize::from(b.key < a.key);
        let right = 2 + usize::from(d.key < c.key);
        let is_right = c.key.min(d.key) < a.key.min(b.key);
        Some(first + if is_right { right } else { left })
    }

    /// Puts an entry into the hole at `index` or above, not above `top`.
    fn rise(&mut self, mut index: usize, top: usize, entry: Entry) {
        while index > top {
            let parent = (index - 1) / CHILDREN;
            if self.entries[parent].key <= entry.key {
                break;
            }
            self.entries[index] = self.entries[parent];
            index = parent;
        }
        self.entries[index] = entry;
    }
}
