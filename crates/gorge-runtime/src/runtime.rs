//! A runtime: worker threads and everything they share.

use crate::blocking::blocking;
use crate::builder::{Builder, MAX_PROCS};
use crate::cancel::shield;
use crate::dump::{GoroutineDump, sigquit};
use crate::error::{BuildError, JoinError, RunError};
use crate::goroutine::{
    JoinHandle, Spec, check_may_park, join_lent, must_not_park, spawn_on, with_runtime,
};
use crate::leak::LeakReport;
use crate::metrics::RuntimeMetrics;
use crate::panics;
use crate::preempt;
use crate::report::report;
use crate::scheduler::{Shared, current};
use crate::shutdown::ShutdownError;
use crate::sim;
use crate::trace::{Event, EventLog};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long dropping a runtime waits for its goroutines to unwind.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// An M:N scheduler with its threads. Several may exist in a process.
///
/// Dropping it cancels the goroutines that are left and waits until they have
/// unwound, for ten seconds at most; those that would not stop are named on
/// standard error and leaked with their threads. [`shutdown`](Runtime::shutdown)
/// says so in its result, and takes a limit. Dropped on one of its own
/// goroutines, or in a closure that one of them gave to
/// [`blocking`](crate::blocking()), it begins to shut down and does not wait. In
/// a build that cannot unwind (`panic = "abort"`), goroutines that are left stay
/// where they are.
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
    monitor: Option<thread::JoinHandle<()>>,
    sigquit: Option<sigquit::Registration>,
    is_shut_down: bool,
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

    pub(crate) fn from_parts(
        shared: Arc<Shared>,
        monitor: Option<thread::JoinHandle<()>>,
    ) -> Runtime {
        Runtime {
            shared,
            monitor,
            sigquit: None,
            is_shut_down: false,
        }
    }

    /// Adds the wish to be dumped, which ends with the runtime.
    pub(crate) fn dumped_on_sigquit(mut self, sigquit: sigquit::Registration) -> Runtime {
        self.sigquit = Some(sigquit);
        self
    }

    /// Adds the monitor's thread, to be waited for.
    pub(crate) fn watched_by(mut self, monitor: thread::JoinHandle<()>) -> Runtime {
        self.monitor = Some(monitor);
        self
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
    /// and inside of a [simulation](crate::sim), `run` panics. If a deadlock is found, it panics with the report as its
    /// message; see [`try_run`](Runtime::try_run).
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
        match self.try_run(f) {
            Ok(value) => value,
            Err(RunError::Panicked(error)) => propagate(error),
            Err(RunError::Deadlock(report)) => panic!("{report}"),
        }
    }

    /// As [`run`](Runtime::run), with an error in place of a panic.
    ///
    /// # Errors
    ///
    /// [`RunError::Panicked`] if `f` panicked, or was cancelled because the runtime
    /// was shut down.
    ///
    /// [`RunError::Deadlock`] if all goroutines came to wait for each other, and
    /// nothing else could wake one: no timer, descriptor, blocking closure, or, by
    /// default, thread; see [`DeadlockDetection`](crate::DeadlockDetection). Then
    /// `f`, and so every other closure that somebody waits for in `run`, is
    /// cancelled, and has been unwound with its scopes before this returns. The
    /// other goroutines stay where they are. If `f` cannot be unwound, because it
    /// waits where cancels are withheld (for a lock, or in a destructor), the process
    /// ends with the report on standard error and exit status 2.
    ///
    /// # Cancellation
    ///
    /// As for [`run`](Runtime::run).
    #[track_caller]
    pub fn try_run<F, T>(&self, f: F) -> Result<T, RunError>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        check_may_park();
        assert!(
            !sim::is_simulated(),
            "Runtime::run inside of a simulation, which cannot wait for another runtime: start \
             goroutines with gorge::go"
        );
        let lending = self.shared.begin_lending();
        // SAFETY: `join_lent` returns or unwinds only after the goroutine's end, so
        // what `f` and `T` borrow outlives it; nothing before it panics.
        let result = unsafe {
            let handle = spawn_on(&self.shared, Spec::plain(), f);
            lending.lent_to(handle.goroutine());
            join_lent(handle)
        };
        match lending.report() {
            Some(report) => Err(RunError::Deadlock(report)),
            None => result.map_err(RunError::Panicked),
        }
    }

    /// Cancels the goroutines that are left, waits until they have unwound, and ends
    /// the runtime's threads.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] names the goroutines that would not stop within `timeout`.
    /// It comes at once if they all wait where no cancel is delivered and, by the
    /// rules of [`DeadlockDetection`](crate::DeadlockDetection), nothing can wake
    /// them; and on one of the runtime's own goroutines, which cannot wait for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::{Runtime, goroutine};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new().unwrap();
    /// runtime.go(|| goroutine::park_forever());
    /// assert!(runtime.shutdown(Duration::from_secs(10)).is_ok());
    /// ```
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), ShutdownError> {
        self.end(timeout)
    }

    fn end(&mut self, limit: Duration) -> Result<(), ShutdownError> {
        self.is_shut_down = true;
        // Also in a closure that one of them gave to `blocking`, and waits for.
        let is_inside =
            current::runtime().is_some_and(|runtime| Arc::ptr_eq(&runtime, &self.shared));
        let mut wait = || {
            self.shared.shut_down(limit, is_inside)?;
            self.shared.threads.join_all();
            if let Some(monitor) = self.monitor.take() {
                drop(monitor.join());
                // It may have started one of them.
                self.shared.threads.join_all();
            }
            Ok(())
        };
        if !is_inside && current::goroutine().is_some() && !must_not_park() {
            // Another runtime's: the one that ends may need what runs on its thread.
            shield(|| blocking(wait))
        } else {
            wait()
        }
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
        self.shared.permits.limit()
    }

    /// Changes how many goroutines run at once, while they run. Returns the
    /// former number. Of threads there may then be as many and a few more, whatever
    /// [`Builder::max_threads`] says.
    ///
    /// # Panics
    ///
    /// If `n` is zero, or more than 1024.
    pub fn set_max_procs(&self, n: usize) -> usize {
        self.shared.set_max_procs(check_procs(n))
    }

    /// What the runtime counts about itself. Looks at every goroutine.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::read(&self.shared)
    }

    /// The scheduling events since the last call, with the numbers of the workers
    /// that they happened on; empty unless the builder asked for them.
    #[doc(hidden)]
    pub fn take_events(&self) -> Vec<(u32, Event)> {
        self.shared
            .events
            .as_ref()
            .map_or(Vec::new(), EventLog::take)
    }

    /// Lists the goroutines that have not ended, but for the caller: call it when
    /// all should have. Those that certainly never will are marked.
    pub fn leak_check(&self) -> LeakReport {
        let caller = current::goroutine();
        LeakReport::take(&self.shared, |g| caller != Some(NonNull::from(g)))
    }

    /// All goroutines, with what they wait for and the calls that they are in.
    ///
    /// Nobody is stopped. Of goroutines that do not wait there are no calls, but of
    /// the one that asks, if one does. The first dump of a process reads its debug
    /// information, which takes a while; see [`dump_states`](Runtime::dump_states).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::{Runtime, goroutine, yield_now};
    ///
    /// let runtime = Runtime::new().unwrap();
    /// let idler = runtime.go(goroutine::park_forever);
    /// while !runtime.dump_states().goroutines()[0].state.is_waiting() {
    ///     yield_now();
    /// }
    /// let dump = runtime.dump();
    /// let innermost = &dump.goroutines()[0].frames[0];
    /// assert!(innermost.function.contains("park_forever"));
    /// assert!(dump.to_string().contains("[select (no cases)]:\n"));
    /// # drop(idler);
    /// ```
    // Inlined: it is the innermost call of the goroutine that dumps.
    #[inline]
    pub fn dump(&self) -> GoroutineDump {
        GoroutineDump::take(&self.shared, true)
    }

    /// As [`dump`](Runtime::dump), but without calls: nobody's stack is looked at,
    /// and a tenth of a microsecond or so is spent on each goroutine.
    pub fn dump_states(&self) -> GoroutineDump {
        GoroutineDump::take(&self.shared, false)
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
        panics::resume(error.into_panic());
    }
    panic!("{error}");
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.is_shut_down {
            return;
        }
        if let Err(error) = self.end(SHUTDOWN_LIMIT)
            && error.is_worth_telling()
        {
            report(format_args!("gorge: {error}"));
        }
    }
}

/// Runs `f` on a runtime of its own with the default options, and shuts it
/// down when `f` has returned.
///
/// # Panics
///
/// A panic of `f` continues here, and so does a deadlock's report. If the runtime
/// cannot be built, the message says why.
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
    preempt::point_at_without_cancel("count goroutines");
    with_runtime(|shared| usize::try_from(shared.live()).unwrap_or(usize::MAX))
}

/// How many goroutines of the calling goroutine's runtime run at once. On an
/// OS thread: of the default runtime.
pub fn max_procs() -> usize {
    with_runtime(|shared| shared.permits.limit())
}

/// Changes how many goroutines of the calling goroutine's runtime run at once.
/// On an OS thread: of the default runtime. Returns the former number.
///
/// # Panics
///
/// If `n` is zero, or more than 1024.
pub fn set_max_procs(n: usize) -> usize {
    let n = check_procs(n);
    with_runtime(|shared| shared.set_max_procs(n))
}

#[track_caller]
fn check_procs(n: usize) -> usize {
    assert!(
        (1..=MAX_PROCS).contains(&n),
        "set_max_procs({n}): it must be from 1 to {MAX_PROCS}"
    );
    n
}
