//! A value that is computed when it is first used, with std's interface.
//!
//! The invariant: what the lock holds is changed only by the runner of the core,
//! which takes the initialiser out and puts the value in, before it is DONE. So
//! whoever sees DONE may share the value. A run that does not end well, in
//! whatever way, has used the initialiser up: the lock is poisoned.

use super::core::{Core, DONE, POISONED};
use gorge_runtime::{preempt, shield};
use std::cell::UnsafeCell;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A value that is computed when it is first used, by goroutines and OS threads.
///
/// The interface and the behaviour are those of [`std::sync::LazyLock`]. Whoever
/// comes while the initialiser runs waits for its end. It is also what Go's
/// `sync.OnceFunc` and `sync.OnceValue` return: a function that computes once.
///
/// # Examples
///
/// ```
/// use gorge_sync::LazyLock;
///
/// static SQUARES: LazyLock<Vec<u32>> = LazyLock::new(|| (0..100).map(|n| n * n).collect());
///
/// gorge_runtime::scope(|s| {
///     for n in 0..4 {
///         s.spawn(move || assert_eq!(SQUARES[n as usize], n * n));
///     }
/// });
/// ```
///
/// # Panics
///
/// A panic of the initialiser continues in the one who runs it. From then on the
/// lock is poisoned: whoever uses the value, or waits for it, panics with
/// "LazyLock: its initialiser has panicked".
///
/// To use the value from within its initialiser waits for ever. A runtime whose
/// goroutines all wait reports a deadlock.
///
/// # Cancellation
///
/// Using the value does not deliver a cancel, neither to those who wait nor to
/// the one who runs the initialiser: that can be run once only, so a cancel in
/// it would deprive everybody of the value. It stays pending, as in
/// [`shield`](gorge_runtime::shield()).
pub struct LazyLock<T, F = fn() -> T> {
    core: Core,
    /// Changed while the core runs; the value once it is done. Shared from then on.
    held: UnsafeCell<Held<T, F>>,
}

enum Held<T, F> {
    Initialiser(F),
    Value(T),
    /// The initialiser runs, or has failed.
    Nothing,
}

// SAFETY: a shared lock gives out references to the value, hence `T: Sync`; the
// initialiser is taken, and the value put, by any thread, hence `Send` of both.
// Nobody shares the initialiser.
unsafe impl<T: Send + Sync, F: Send> Sync for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
// After a panic of the initialiser, nobody gets at what it left.
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// One whose value `f` computes.
    #[must_use]
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock {
            core: Core::new(),
            held: UnsafeCell::new(Held::Initialiser(f)),
        }
    }

    /// The value, computed now if it has not been; what a dereference does.
    ///
    /// # Panics
    ///
    /// See [`LazyLock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::LazyLock;
    ///
    /// let lazy = LazyLock::new(|| 92);
    /// assert_eq!(LazyLock::force(&lazy), &92);
    /// assert_eq!(&*lazy, &92);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        preempt::point_at_without_cancel("force a value");
        if this.core.state() != DONE {
            this.initialise();
        }
        this.get().expect("it has a value once it is done")
    }

    #[cold]
    #[track_caller]
    fn initialise(&self) {
        match self.core.begin(false) {
            DONE => return,
            POISONED => panic!("LazyLock: its initialiser has panicked"),
            _ => {}
        }
        let mut run = Run {
            core: &self.core,
            ends: POISONED,
        };
        // SAFETY: the runner alone touches what is held before it is done.
        let held = unsafe { mem::replace(&mut *self.held.get(), Held::Nothing) };
        let Held::Initialiser(f) = held else {
            unreachable!("it is taken out once")
        };
        let value = shield(f);
        // SAFETY: as above; `f` is over.
        unsafe { *self.held.get() = Held::Value(value) };
        run.ends = DONE;
    }
}

impl<T, F> LazyLock<T, F> {
    /// The value, if it has been computed.
    #[inline]
    fn get(&self) -> Option<&T> {
        if self.core.state() != DONE {
            return None;
        }
        // SAFETY: done, so nobody writes any more while the lock is shared.
        match unsafe { &*self.held.get() } {
            Held::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// A run of the initialiser, which must end one way or the other.
struct Run<'a> {
    core: &'a Core,
    ends: u8,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.core.end(self.ends);
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> LazyLock<T> {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("LazyLock");
        match self.get() {
            Some(value) => tuple.field(value),
            None => tuple.field(&format_args!("<uninit>")),
        };
        tuple.finish()
    }
}
