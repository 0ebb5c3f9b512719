//! Running something once, with parking_lot's interface, and what std builds on it.
//!
//! * [`core`]: the state, and those who wait for it to change.
//! * `cell`: [`OnceLock`](cell::OnceLock), a value that is written once.
//! * `lazy`: [`LazyLock`](lazy::LazyLock), a value that is computed when first used.

#[cfg(not(gorge_loom))]
pub(crate) mod cell;
mod core;
#[cfg(not(gorge_loom))]
pub(crate) mod lazy;

#[cfg(all(test, gorge_loom))]
mod loom;
#[cfg(all(test, not(gorge_loom)))]
mod tests;

use self::core::{Core, DONE, NEW, POISONED, RUNNING};
use gorge_runtime::{cancel, preempt};
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};

/// Runs an initialiser once, whoever comes first, for goroutines and OS threads.
///
/// The interface is that of `parking_lot::Once`. Whoever comes while the
/// initialiser runs waits for its end, and sees what it did.
///
/// # Panics
///
/// If the initialiser panics, the `Once` is poisoned: a later
/// [`call_once`](Once::call_once) panics, [`call_once_force`](Once::call_once_force)
/// runs its own.
///
/// A call from within the initialiser waits for ever, and so do two initialisers
/// that wait for each other. A runtime whose goroutines all wait reports a
/// deadlock.
///
/// # Cancellation
///
/// Waiting for another one's initialiser does not deliver a cancel. An
/// initialiser that is cancelled leaves the `Once` as if it had not begun.
///
/// # Examples
///
/// ```
/// use gorge_sync::Once;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static START: Once = Once::new();
/// static RUNS: AtomicUsize = AtomicUsize::new(0);
///
/// gorge_runtime::scope(|s| {
///     for _ in 0..4 {
///         s.spawn(|| START.call_once(|| RUNS.store(1, Ordering::Relaxed)));
///     }
/// });
/// assert_eq!(RUNS.load(Ordering::Relaxed), 1);
/// ```
pub struct Once {
    core: Core,
}

/// How far a [`Once`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceState {
    /// No initialiser has run.
    New,
    /// An initialiser has panicked.
    Poisoned,
    /// An initialiser runs.
    InProgress,
    /// An initialiser has run.
    Done,
}

impl UnwindSafe for Once {}
// What is under its lock is whole whenever the lock is free; and what an initialiser
// that panicked left is what poisoning tells of.
impl RefUnwindSafe for Once {}

impl OnceState {
    /// Whether an initialiser has panicked.
    pub fn poisoned(self) -> bool {
        self == OnceState::Poisoned
    }

    /// Whether an initialiser has run.
    pub fn done(self) -> bool {
        self == OnceState::Done
    }

    fn of(state: u8) -> OnceState {
        match state {
            NEW => OnceState::New,
            RUNNING => OnceState::InProgress,
            DONE => OnceState::Done,
            _ => OnceState::Poisoned,
        }
    }
}

impl Once {
    /// One that has not run.
    #[cfg(not(gorge_loom))]
    pub const fn new() -> Once {
        Once { core: Core::new() }
    }

    /// One that has not run.
    #[cfg(gorge_loom)]
    pub fn new() -> Once {
        Once { core: Core::new() }
    }

    /// How far it has come.
    pub fn state(&self) -> OnceState {
        preempt::point_at_without_cancel("look at a once");
        OnceState::of(self.core.state())
    }

    /// Runs `f` if no initialiser has run before, and returns when one has.
    ///
    /// # Panics
    ///
    /// If an initialiser has panicked before. A panic of `f` continues here.
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        preempt::point_at_without_cancel("call once");
        if self.core.state() != DONE {
            self.call_slow(false, |_| f());
        }
    }

    /// As [`call_once`](Once::call_once), but runs `f` also if an initialiser has
    /// panicked before; the state says whether.
    ///
    /// # Panics
    ///
    /// A panic of `f` continues here.
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(OnceState)) {
        preempt::point_at_without_cancel("call once");
        self.call_always(f);
    }

    /// As [`call_once_force`](Once::call_once_force), for what is built on it.
    #[inline]
    #[track_caller]
    fn call_always(&self, f: impl FnOnce(OnceState)) {
        if self.core.state() != DONE {
            self.call_slow(true, f);
        }
    }

    #[cold]
    #[track_caller]
    fn call_slow(&self, force: bool, f: impl FnOnce(OnceState)) {
        let before = self.core.begin(force);
        match before {
            DONE => return,
            POISONED if !force => panic!("Once: an earlier initialiser has panicked"),
            _ => {}
        }
        let run = catch_unwind(AssertUnwindSafe(|| f(OnceState::of(before))));
        let Err(payload) = run else {
            return self.core.end(DONE);
        };
        let is_cancel = cancel::is_cancel(&*payload);
        self.core.end(if is_cancel { before } else { POISONED });
        resume_unwind(payload)
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("state", &OnceState::of(self.core.state()))
            .finish()
    }
}
