//! Starting a goroutine that a wait group counts.

use super::WaitGroup;
use gorge_runtime::JoinHandle;

impl WaitGroup {
    /// Starts a goroutine, and counts it until it has ended.
    ///
    /// It is counted before `go` returns, so a [`wait`](WaitGroup::wait) that
    /// follows waits for it. It counts as done once `f` has returned or
    /// panicked and what `f` captured was dropped; also if it was cancelled, or
    /// could not be started. That may be before its [`JoinHandle`] says that it
    /// is finished.
    ///
    /// In Go, a group whose function panics is never done, so that nobody goes
    /// on before the panic has ended the process. Here a panic ends a goroutine
    /// and not the process; it is reported, and [`JoinHandle::join`] returns it.
    /// So whoever only waits may go on and leaves it to others to know whether
    /// all went well.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_sync::{Mutex, WaitGroup};
    /// use std::sync::Arc;
    ///
    /// let sum = Arc::new(Mutex::new(0));
    /// let group = WaitGroup::new();
    /// for i in 1..=10 {
    ///     let sum = Arc::clone(&sum);
    ///     group.go(move || *sum.lock() += i);
    /// }
    /// group.wait();
    /// assert_eq!(*sum.lock(), 55);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`add`](WaitGroup::add).
    #[track_caller]
    pub fn go<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.add(1);
        let job = Job {
            f,
            done: DoneOnDrop(self.clone()),
        };
        spawn(move || job.run())
    }
}

/// Where the group's goroutines come from.
#[track_caller]
fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    gorge_runtime::go(f)
}

/// What the goroutine runs. In this order, a job that is dropped without being
/// run drops what `f` captured first, too.
struct Job<F> {
    f: F,
    done: DoneOnDrop,
}

impl<F> Job<F> {
    fn run<T>(self) -> T
    where
        F: FnOnce() -> T,
    {
        let Job { f, done } = self;
        let _done = done;
        f()
    }
}

/// Counts down when it is dropped: on return and on unwinding.
struct DoneOnDrop(WaitGroup);

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        self.0.done();
    }
}
