//! A value under a short lock, which a wait lets go of once it is off its stack.
//!
//! * [`Guarded::lock`]: takes the lock; what it returns is the lock, held.
//! * [`Locked::edit`]: gives out the value, for the length of a closure.
//! * [`Locked::unlock`]: lets go. By reference, because the commit callback of a park
//!   calls it, and the frame that parks owns the lock until then. Dropping it lets
//!   go too, unless that has happened.
//!
//! ```text
//!   lock ──► HELD ──unlock, drop──► ENDED
//!            │  ▲                     ▲
//!        edit│  │its end              │drop, if the closure panicked
//!            ▼  │                     │
//!           EDITING ──────────────────┘
//! ```
//!
//! The invariant: the value is referred to in EDITING only, by one reference. So a
//! closure that edits again, or lets go, is refused by a panic.

use gorge_runtime::primitive::{RawLock, UnsafeCell};
use std::cell::Cell;

/// See the module's description.
pub(crate) struct Guarded<T> {
    lock: RawLock,
    /// Under the lock.
    value: UnsafeCell<T>,
}

// SAFETY: the value is referred to under the lock only, by whoever has it, and may be
// sent from one to the next.
unsafe impl<T: Send> Sync for Guarded<T> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Held,
    Editing,
    Ended,
}

/// The lock of a [`Guarded`], held.
#[must_use = "dropping it lets go of the lock"]
pub(crate) struct Locked<'a, T> {
    guarded: &'a Guarded<T>,
    phase: Cell<Phase>,
}

impl<T> Guarded<T> {
    #[cfg(not(gorge_loom))]
    pub(crate) const fn new(value: T) -> Guarded<T> {
        Guarded {
            lock: RawLock::new(),
            value: UnsafeCell::new(value),
        }
    }

    #[cfg(gorge_loom)]
    pub(crate) fn new(value: T) -> Guarded<T> {
        Guarded {
            lock: RawLock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock. Whoever has it already waits for ever.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        self.lock.lock();
        Locked {
            guarded: self,
            phase: Cell::new(Phase::Held),
        }
    }
}

impl<T> Locked<'_, T> {
    /// Gives out the value to `f`, which uses this lock in no way.
    #[inline]
    pub(crate) fn edit<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        assert_eq!(self.phase.get(), Phase::Held);
        self.phase.set(Phase::Editing);
        // SAFETY: the lock is held, so nobody else refers to the value, and neither
        // does this party: it was not editing before, and cannot begin meanwhile.
        let result = self
            .guarded
            .value
            .with_mut(|value| f(unsafe { &mut *value }));
        self.phase.set(Phase::Held);
        result
    }

    /// Lets go, once.
    #[inline]
    pub(crate) fn unlock(&self) {
        assert_eq!(self.phase.get(), Phase::Held);
        self.phase.set(Phase::Ended);
        // SAFETY: locked in `lock`, and not unlocked before: the phase was Held.
        unsafe { self.guarded.lock.unlock() };
    }

    /// Whether it has let go.
    pub(crate) fn has_ended(&self) -> bool {
        self.phase.get() == Phase::Ended
    }
}

impl<T> Drop for Locked<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_ended() {
            // SAFETY: locked in `lock`, and not unlocked before. No closure edits any
            // more: it borrowed this.
            unsafe { self.guarded.lock.unlock() };
        }
    }
}

#[cfg(all(test, not(gorge_loom)))]
mod tests {
    use super::Guarded;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn panics(f: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(f)).is_err()
    }

    #[test]
    fn it_lets_go_when_it_is_dropped_and_when_it_is_told() {
        let guarded = Guarded::new(1);
        guarded.lock().edit(|value| *value += 1);
        let locked = guarded.lock();
        assert!(!guarded.lock.try_lock());
        locked.unlock();
        assert!(locked.has_ended());
        let next = guarded.lock();
        // What has let go does not do so for the next one.
        drop(locked);
        assert!(!guarded.lock.try_lock());
        assert_eq!(next.edit(|value| *value), 2);
    }

    #[test]
    fn a_panic_while_it_edits_lets_go() {
        let guarded = Guarded::new(1);
        assert!(panics(|| guarded.lock().edit(|_| panic!("an edit's"))));
        assert_eq!(guarded.lock().edit(|value| *value), 1);
    }

    #[test]
    fn who_edits_can_neither_edit_nor_let_go() {
        let guarded = Guarded::new(1);
        let locked = guarded.lock();
        assert!(panics(|| locked.edit(|_| locked.edit(|value| *value += 1))));
        drop(locked);
        let locked = guarded.lock();
        assert!(panics(|| locked.edit(|_| locked.unlock())));
        drop(locked);
        assert_eq!(guarded.lock().edit(|value| *value), 1);
    }

    #[test]
    fn what_has_let_go_gives_nothing_out() {
        let guarded = Guarded::new(1);
        let locked = guarded.lock();
        locked.unlock();
        assert!(panics(|| locked.unlock()));
        assert!(panics(|| locked.edit(|value| *value += 1)));
        assert_eq!(guarded.lock().edit(|value| *value), 1);
    }
}
