//! The interface: each operation in parking_lot's forms, for guards of a mutex.

use super::core::{Core, Ended};
use crate::mutex::MutexGuard;
use gorge_runtime::{cancel, preempt, time};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Lets goroutines and OS threads wait for a condition on what a
/// [`Mutex`](crate::Mutex) protects.
///
/// Whoever holds the mutex and finds the condition not met calls
/// [`wait`](Condvar::wait), which unlocks the mutex, waits for a notification and
/// locks it again. Whoever meets the condition calls
/// [`notify_one`](Condvar::notify_one) or [`notify_all`](Condvar::notify_all),
/// best while holding the mutex, or after that. The interface is that of
/// `parking_lot::Condvar`.
///
/// Nobody is woken without a notification. The one who has waited longest is
/// notified first; a notification never goes to somebody who began to wait after
/// it. Between the notification and the return of a wait others may have had the
/// mutex, and may have changed the condition: look again, or let
/// [`wait_while`](Condvar::wait_while) do it.
///
/// Those who are notified queue up for the mutex, and wake one after the other
/// when they get it. To notify a thousand while holding the mutex wakes nobody,
/// and then one with each unlock.
///
/// # Examples
///
/// ```
/// use gorge_sync::{Condvar, Mutex};
///
/// let (queue, not_empty) = (Mutex::new(Vec::new()), Condvar::new());
/// gorge_runtime::scope(|s| {
///     s.spawn(|| {
///         let mut queue = queue.lock();
///         not_empty.wait_while(&mut queue, |queue| queue.is_empty());
///         assert_eq!(queue.pop(), Some("a job"));
///     });
///     queue.lock().push("a job");
///     not_empty.notify_one();
/// });
/// ```
///
/// # Panics
///
/// Those who wait at the same time must wait with the same mutex. To wait with
/// another one panics, with the mutex locked: "Condvar: attempted to use a
/// condition variable with more than one mutex".
///
/// # Cancellation
///
/// Every form of waiting delivers a cancel of the goroutine. It ends the wait, the
/// mutex is locked again, and only then the unwinding begins, so that the guard
/// unlocks it. Whoever was notified before the cancel came returns from the wait,
/// and the cancel stays pending; a notification after the cancel goes to another
/// waiter. So none is lost.
pub struct Condvar {
    core: Core,
}

/// Whether a wait with a time limit ended because the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl UnwindSafe for Condvar {}
// What is under its lock is whole whenever the lock is free.
impl RefUnwindSafe for Condvar {}

impl WaitTimeoutResult {
    /// Whether the time was up before a notification came.
    #[inline]
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// One for which nobody waits.
    #[inline]
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { core: Core::new() }
    }

    /// Notifies the one who has waited longest. Returns whether somebody was.
    ///
    /// Without anybody waiting, this is one load, and has no effect on those who
    /// wait later.
    ///
    /// # Examples
    ///
    /// ```
    /// let condvar = gorge_sync::Condvar::new();
    /// assert!(!condvar.notify_one());
    /// ```
    #[inline]
    pub fn notify_one(&self) -> bool {
        preempt::point_at_without_cancel("notify one");
        self.core.notify(1) == 1
    }

    /// Notifies all who wait. Returns how many.
    ///
    /// They queue up for the mutex in the order in which they came. One of them is
    /// woken if the mutex is free, else none, until it is unlocked.
    ///
    /// # Examples
    ///
    /// ```
    /// let condvar = gorge_sync::Condvar::new();
    /// assert_eq!(condvar.notify_all(), 0);
    /// ```
    #[inline]
    pub fn notify_all(&self) -> usize {
        preempt::point_at_without_cancel("notify all");
        self.core.notify(usize::MAX)
    }

    /// Unlocks the mutex, waits for a notification, and locks it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// gorge_runtime::scope(|s| {
    ///     s.spawn(|| {
    ///         *ready.lock() = true;
    ///         changed.notify_one();
    ///     });
    ///     let mut ready = ready.lock();
    ///     while !*ready {
    ///         changed.wait(&mut ready);
    ///     }
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If somebody waits with another mutex; see [`Condvar`].
    ///
    /// # Cancellation
    ///
    /// A cancel is delivered, with the mutex locked; see [`Condvar`].
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, mutex_guard: &mut MutexGuard<'_, T>) {
        let result = self.wait_with(mutex_guard, None);
        debug_assert!(!result.0, "without a deadline there is no timing out");
    }

    /// As [`wait`](Condvar::wait), until `timeout` at most.
    ///
    /// # Panics
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Condvar::wait).
    #[track_caller]
    pub fn wait_until<T: ?Sized>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        timeout: Instant,
    ) -> WaitTimeoutResult {
        self.wait_with(mutex_guard, Some(timeout))
    }

    /// As [`wait`](Condvar::wait), for `timeout` at most.
    ///
    /// The mutex is locked again in any case, which may take longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    /// let mut guard = mutex.lock();
    /// assert!(condvar.wait_for(&mut guard, Duration::from_millis(1)).timed_out());
    /// ```
    ///
    /// # Panics
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Condvar::wait).
    #[track_caller]
    pub fn wait_for<T: ?Sized>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_with(mutex_guard, deadline_in(timeout))
    }

    /// Waits as long as `condition` holds, which is asked with the mutex locked:
    /// at once, and after each notification.
    ///
    /// # Panics
    ///
    /// As for [`wait`](Condvar::wait). A panic of `condition` continues here, with
    /// the mutex locked.
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Condvar::wait).
    #[track_caller]
    pub fn wait_while<T, F>(&self, mutex_guard: &mut MutexGuard<'_, T>, condition: F)
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        let result = self.wait_while_with(mutex_guard, condition, None);
        debug_assert!(!result.0, "without a deadline there is no timing out");
    }

    /// As [`wait_while`](Condvar::wait_while), until `timeout` at most.
    ///
    /// When the time is up, `condition` is not asked again.
    ///
    /// # Panics
    ///
    /// As for [`wait_while`](Condvar::wait_while).
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Condvar::wait).
    #[track_caller]
    pub fn wait_while_until<T, F>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        condition: F,
        timeout: Instant,
    ) -> WaitTimeoutResult
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        self.wait_while_with(mutex_guard, condition, Some(timeout))
    }

    /// As [`wait_while`](Condvar::wait_while), for `timeout` at most in all.
    ///
    /// When the time is up, `condition` is not asked again.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (done, changed) = (Mutex::new(false), Condvar::new());
    /// let mut done = done.lock();
    /// let result = changed.wait_while_for(&mut done, |done| !*done, Duration::from_millis(1));
    /// assert!(result.timed_out());
    /// ```
    ///
    /// # Panics
    ///
    /// As for [`wait_while`](Condvar::wait_while).
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Condvar::wait).
    #[track_caller]
    pub fn wait_while_for<T, F>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        condition: F,
        timeout: Duration,
    ) -> WaitTimeoutResult
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        self.wait_while_with(mutex_guard, condition, deadline_in(timeout))
    }

    #[track_caller]
    fn wait_with<T: ?Sized>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        deadline: Option<Instant>,
    ) -> WaitTimeoutResult {
        // SAFETY: the guard says that its mutex is locked by the caller, and when
        // the wait ends, in whatever way, it is again; the guard is borrowed
        // exclusively meanwhile, so nobody reaches the value through it.
        let mutex = unsafe { MutexGuard::mutex(mutex_guard).raw() };
        match self.core.wait(mutex, deadline) {
            Ended::Notified => WaitTimeoutResult(false),
            Ended::TimedOut => WaitTimeoutResult(true),
            Ended::Cancelled => cancel::deliver(),
        }
    }

    #[track_caller]
    fn wait_while_with<T, F>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        mut condition: F,
        deadline: Option<Instant>,
    ) -> WaitTimeoutResult
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        let mut result = WaitTimeoutResult(false);
        while !result.0 && condition(mutex_guard) {
            result = self.wait_with(mutex_guard, deadline);
        }
        result
    }

    /// How many wait and were not notified, for tests that must know.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.core.queued()
    }
}

/// A deadline beyond the end of time is none.
fn deadline_in(timeout: Duration) -> Option<Instant> {
    time::now().checked_add(timeout)
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Condvar { .. }")
    }
}
