//! A runtime: worker threads and everything they share.

use crate::builder::Builder;
use crate::cancel;
use crate::dump::GoroutineDump;
use crate::error::{BuildError, JoinError};
use crate::goroutine::{JoinHandle, Spec, join_lent, spawn_on, with_runtime};
use crate::scheduler::{Shared, current};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long dropping a runtime waits for its goroutines to unwind.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// An M:N scheduler with its threads. Several may exist in a process.
///
/// Dropping it cancels the goroutines that are left and waits until they have
/// unwound, for ten seconds at most; those that would not stop are named on
/// standard error and leaked with their threads. Dropped on one of its own
/// goroutines, it begins to shut down and does not wait. In a build that cannot
/// unwind (`panic = "abort"`), goroutines that are left stay where they are.
///
/// # Examples
///
/// ```
/// use gorge_runtime::Runtime;
///
/// let runtime = Runtime::new().unwrap();
/// let words = vec!["goroutines", "may", "borrow"];
/// let letters = runtime.run(|| words.iter().map(|word| word.len()).sum::<usize>());
/// assert_eq!(letters, 19);
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Runtime {
    /// A runtime with the default options.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new() -> Result<Runtime, BuildError> {
        Builder::new().build()
    }

    /// Options for a runtime.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn from_parts(shared: Arc<Shared>, threads: Vec<thread::JoinHandle<()>>) -> Runtime {
        Runtime { shared, threads }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs `f` as a goroutine, waits for it, and returns its value. `f` may
    /// borrow from the caller. Other goroutines that it started go on.
    ///
    /// # Panics
    ///
    /// A panic of `f` continues here. If the runtime is shut down meanwhile,
    /// `run` panics.
    ///
    /// # Cancellation
    ///
    /// A cancel of the calling goroutine is forwarded to `f` and waited for.
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        // SAFETY: `join_lent` returns or unwinds only after the goroutine's
        // end, so what `f` and `T` borrow outlives it.
        let result = unsafe { join_lent(spawn_on(&self.shared, Spec::plain(), f)) };
        result.unwrap_or_else(|error| propagate(error))
    }

    /// Starts a goroutine of this runtime.
    #[track_caller]
    pub fn go<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: `f` and `T` are `'static`.
        unsafe { spawn_on(&self.shared, Spec::plain(), f) }
    }

    /// How many goroutines have not ended.
    pub fn num_goroutines(&self) -> usize {
        usize::try_from(self.shared.live()).unwrap_or(usize::MAX)
    }

    /// How many goroutines run at once.
    pub fn max_procs(&self) -> usize {
        self.shared.config.max_procs
    }

    /// A list of all goroutines with what they wait for.
    pub fn dump(&self) -> GoroutineDump {
        GoroutineDump::take(&self.shared)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("max_procs", &self.max_procs())
            .field("goroutines", &self.num_goroutines())
            .finish_non_exhaustive()
    }
}

/// Continues a goroutine's failure in the one that waited for it.
#[track_caller]
fn propagate(error: JoinError) -> ! {
    if error.is_panic() {
        resume_unwind(error.into_panic());
    }
    panic!("{error}");
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.begin_shutdown();
        if current::machine().is_some_and(|machine| machine.serves(&self.shared)) {
            return;
        }
        if !cancel::DELIVERABLE && !self.shared.wait_all_ended(Duration::ZERO) {
            // Nothing can make the rest end: they are left, with their threads.
            return;
        }
        if self.shared.wait_all_ended(SHUTDOWN_LIMIT) {
            for worker in self.threads.drain(..) {
                // A worker does not panic: user code is caught on its own stack.
                drop(worker.join());
            }
        } else {
            eprintln!(
                "gorge: {} goroutines did not stop within {} s of the runtime's shutdown and \
                 are leaked:\n{}",
                self.shared.live(),
                SHUTDOWN_LIMIT.as_secs(),
                self.dump()
            );
        }
    }
}

/// Runs `f` on a runtime of its own with the default options, and shuts it
/// down when `f` has returned.
///
/// # Panics
///
/// A panic of `f` continues here. If the runtime cannot be built, the message
/// says why.
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    match Runtime::new() {
        Ok(runtime) => runtime.run(f),
        Err(error) => panic!("the runtime cannot be built: {error}"),
    }
}

/// How many goroutines of the calling goroutine's runtime have not ended. On
/// an OS thread: of the default runtime.
pub fn num_goroutines() -> usize {
    with_runtime(|shared| usize::try_from(shared.live()).unwrap_or(usize::MAX))
}

/// How many goroutines of the calling goroutine's runtime run at once. On an
/// OS thread: of the default runtime.
pub fn max_procs() -> usize {
    with_runtime(|shared| shared.config.max_procs)
}
