//! A value that is written once, with std's interface.
//!
//! The invariant: the slot is written only by the runner of the `Once`, before it
//! is DONE, and holds a value ever after. So whoever sees DONE may share the value,
//! and whoever has the lock for himself may do with it as he likes.

use super::Once;
use super::core::{Cancelled, DONE};
use gorge_runtime::{cancel, preempt};
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A value that is written once and read by many, goroutines and OS threads.
///
/// The interface and the behaviour are those of [`std::sync::OnceLock`]. Whoever
/// comes while somebody initialises it waits for that one's end.
///
/// # Examples
///
/// ```
/// use gorge_sync::OnceLock;
///
/// static NAME: OnceLock<String> = OnceLock::new();
///
/// assert_eq!(NAME.get(), None);
/// gorge_runtime::scope(|s| {
///     for i in 0..4 {
///         s.spawn(move || NAME.get_or_init(|| format!("goroutine {i} was first")));
///     }
/// });
/// assert!(NAME.get().unwrap().ends_with("was first"));
/// ```
///
/// # Cancellation
///
/// Waiting for another one's initialiser does not deliver a cancel, except in
/// [`wait`](OnceLock::wait). An initialiser that is cancelled leaves the lock as if
/// it had not begun.
pub struct OnceLock<T> {
    once: Once,
    /// Written while the `Once` runs; full once it is done. Shared from then on.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: a shared lock gives out references to the value, hence `T: Sync`, and
// takes in a value on one thread that another drops, hence `T: Send`.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
// A panic of the initialiser leaves it empty, never half-written.
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock {
            once: Once::new(),
            value: UnsafeCell::new(None),
        }
    }

    /// The value, if it has been written.
    ///
    /// Never waits, not even for an initialiser that runs.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        preempt::point_at_without_cancel("get a value");
        self.peek()
    }

    #[inline]
    fn peek(&self) -> Option<&T> {
        if self.once.core.state() != DONE {
            return None;
        }
        // SAFETY: done, so nobody writes any more while the lock is shared.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, if it has been written, to change it.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Waits until somebody has written the value.
    ///
    /// # Examples
    ///
    /// ```
    /// static ANSWER: gorge_sync::OnceLock<u32> = gorge_sync::OnceLock::new();
    ///
    /// let asker = gorge_runtime::go(|| *ANSWER.wait());
    /// ANSWER.set(42).unwrap();
    /// assert_eq!(asker.join().unwrap(), 42);
    /// ```
    ///
    /// # Cancellation
    ///
    /// A cancel of the goroutine is delivered here, unless the value is there.
    pub fn wait(&self) -> &T {
        preempt::point_at("wait for a value");
        if self.peek().is_none() && self.once.core.await_done() == Err(Cancelled) {
            cancel::deliver();
        }
        self.written()
    }

    /// Writes the value.
    ///
    /// Waits for an initialiser that runs, and so may fail for its sake.
    ///
    /// # Errors
    ///
    /// The value that was to be written, when there is one already.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = gorge_sync::OnceLock::new();
    /// assert_eq!(answer.set(42), Ok(()));
    /// assert_eq!(answer.set(43), Err(43));
    /// assert_eq!(answer.get(), Some(&42));
    /// ```
    #[inline]
    pub fn set(&self, value: T) -> Result<(), T> {
        preempt::point_at_without_cancel("set a value");
        let mut value = Some(value);
        self.initialise(|| value.take().expect("an initialiser runs once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; writes that of `f` first if there is none.
    ///
    /// Of several callers, one runs its `f`, and the others wait for it.
    ///
    /// # Panics
    ///
    /// A panic of `f` continues here, and the lock stays empty.
    ///
    /// To initialise the lock from within `f` waits for ever. A runtime whose
    /// goroutines all wait reports a deadlock.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = gorge_sync::OnceLock::new();
    /// assert_eq!(answer.get_or_init(|| 42), &42);
    /// assert_eq!(answer.get_or_init(|| unreachable!("there is a value")), &42);
    /// ```
    #[inline]
    pub fn get_or_init<F>(&self, f: F) -> &T
    where
        F: FnOnce() -> T,
    {
        preempt::point_at_without_cancel("get or initialise a value");
        self.initialise(f);
        self.written()
    }

    /// The value, if it has been written; the lock is gone.
    #[inline]
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, if it has been written; the lock is empty again.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut answer = gorge_sync::OnceLock::from(42);
    /// assert_eq!(answer.take(), Some(42));
    /// assert_eq!(answer.take(), None);
    /// assert_eq!(answer.set(43), Ok(()));
    /// ```
    #[inline]
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    #[inline]
    fn initialise(&self, f: impl FnOnce() -> T) {
        // Forced: what a failed initialiser left is an empty slot, as before.
        self.once.call_always(|_| {
            let value = f();
            // SAFETY: the runner alone touches the slot before it is done.
            unsafe { *self.value.get() = Some(value) };
        });
    }

    /// The value, which the caller knows to be there.
    #[inline]
    fn written(&self) -> &T {
        self.peek().expect("it is full once it is done")
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("OnceLock");
        match self.peek() {
            Some(value) => tuple.field(value),
            None => tuple.field(&format_args!("<uninit>")),
        };
        tuple.finish()
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.get()
            .cloned()
            .map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        let lock = OnceLock::new();
        let was_empty = lock.set(value).is_ok();
        debug_assert!(was_empty, "nobody else has seen it");
        lock
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}
