//! Where readers wait: a room in several parts, each with a lock of its own, so that those on
//! different workers do not meet.
//!
//! The lost wake-up to fear: a reader finds nothing and takes a seat, while a sender adds a value
//! and sees nobody. The reader takes its seat, and looks once more before it leaves the part's
//! lock; the sender adds the value, and then looks which parts are occupied.
//!
//! * Of the first in a part, the mark that it is occupied, the second look, the value's number
//!   and the look at the marks are sequentially consistent: the reader sees the value, or the
//!   sender sees the mark, and comes for the lock.
//! * One that comes after the first finds the part marked. A sender that did not see that mark
//!   had added its value before the first one's second look; and that one left the lock before
//!   this one came, whose look is later still.
//! * The mark goes in the section in which a sender takes all out.

use super::waiting::{Waiting, Woken};
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_runtime::primitive::place;
use parking_lot::Mutex;
use std::mem;

/// How many parts there are: a bit each.
const PARTS: usize = 8;

pub(super) struct Lobby {
    /// Which parts somebody is in.
    occupied: AtomicU64,
    parts: [Part; PARTS],
}

/// On lines of its own. Its lock does not park a goroutine, which might not be allowed to, and
/// need not: nothing waits or is called in its sections.
#[derive(Default)]
#[repr(align(128))]
struct Part(Mutex<Vec<Waiting>>);

/// Where a reader waits, or has waited: the part.
pub(super) type Seat = usize;

impl Lobby {
    pub(super) fn new() -> Lobby {
        Lobby {
            occupied: AtomicU64::new(0),
            parts: Default::default(),
        }
    }

    /// Takes a seat, if there is still reason to. The reader may have one already, if the bell
    /// rang for something else, or if it was cancelled.
    pub(super) fn sit(
        &self,
        waiting: Waiting,
        before: Option<Seat>,
        is_reason: impl Fn() -> bool,
    ) -> Option<Seat> {
        let _left = before.and_then(|seat| self.leave(seat, waiting.number));
        let seat = place() % PARTS;
        let number = waiting.number;
        let mut part = self.parts[seat].0.lock();
        if part.is_empty() {
            // SeqCst: see the module's description.
            self.occupied.fetch_or(1 << seat, Ordering::SeqCst);
        }
        part.push(waiting);
        if is_reason() {
            return Some(seat);
        }
        let unneeded = part.pop();
        debug_assert!(unneeded.as_ref().is_some_and(|it| it.number == number));
        drop(part);
        drop(unneeded);
        None
    }

    /// Gives a seat up. None if it was taken away already.
    pub(super) fn leave(&self, seat: Seat, number: u64) -> Option<Waiting> {
        let mut part = self.parts[seat].0.lock();
        let at = part.iter().position(|waiting| waiting.number == number)?;
        Some(part.swap_remove(at))
    }

    /// A sender, with its value added: takes all out.
    pub(super) fn clear(&self) -> Woken {
        // SeqCst: see the module's description.
        let mut occupied = self.occupied.load(Ordering::SeqCst);
        let mut all = Woken(Vec::with_capacity(occupied.count_ones() as usize));
        while occupied != 0 {
            let seat = occupied.trailing_zeros() as usize;
            occupied &= occupied - 1;
            let mut part = self.parts[seat].0.lock();
            all.0.push(mem::take(&mut *part));
            // Relaxed: whoever sets it anew comes after this, by the lock.
            self.occupied.fetch_and(!(1 << seat), Ordering::Relaxed);
        }
        all
    }
}
