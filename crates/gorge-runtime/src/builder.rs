//! Building a runtime: options, their defaults, and what they may be.

use crate::deadlock::DeadlockDetection;
use crate::dump::sigquit;
use crate::error::BuildError;
use crate::fault;
use crate::locks;
use crate::monitor::{self, TraceOptions};
use crate::panics::{self, PanicPolicy};
use crate::runtime::Runtime;
use crate::scheduler::{Config, Shared};
use crate::sim::Plan;
use crate::traceback::Traceback;
use gorge_coroutine::stack::DEFAULT_RESERVE;
use std::env;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The largest number of processors.
pub(crate) const MAX_PROCS: usize = 1024;

/// The largest number of worker threads.
const MAX_THREADS: u32 = 100_000;

/// Options of a runtime to be; see [`Runtime::builder`].
///
/// # Examples
///
/// ```
/// let runtime = gorge_runtime::Runtime::builder()
///     .max_procs(2)
///     .thread_name("example")
///     .build()
///     .unwrap();
/// assert_eq!(runtime.run(|| 1 + 1), 2);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    max_procs: Option<usize>,
    stack_reserve: usize,
    protected_guards: bool,
    max_blocking_threads: usize,
    thread_name: String,
    max_threads: u32,
    time_slice: Duration,
    seed: Option<u64>,
    migrating: bool,
    panic_policy: PanicPolicy,
    simulated: bool,
    records_events: bool,
    dump_on_sigquit: bool,
    deadlock_detection: DeadlockDetection,
    track_locks: bool,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// The default options.
    pub fn new() -> Builder {
        Builder {
            max_procs: None,
            stack_reserve: DEFAULT_RESERVE,
            protected_guards: false,
            max_blocking_threads: 512,
            thread_name: "gorge".to_owned(),
            max_threads: 10_000,
            time_slice: Duration::from_millis(10),
            seed: None,
            migrating: false,
            panic_policy: PanicPolicy::default(),
            simulated: false,
            records_events: false,
            dump_on_sigquit: false,
            deadlock_detection: DeadlockDetection::Auto,
            track_locks: false,
        }
    }

    /// How many goroutines run at once: the number of worker threads.
    ///
    /// Default: the environment variable `GORGE_MAXPROCS`, else the number of
    /// processors that the process may use (affinity and cgroup quota
    /// included).
    pub fn max_procs(mut self, n: usize) -> Builder {
        self.max_procs = Some(n);
        self
    }

    /// Address space per goroutine in bytes, committed page by page as it is
    /// touched. Default: 256 KiB.
    pub fn stack_reserve(mut self, bytes: usize) -> Builder {
        self.stack_reserve = bytes;
        self
    }

    /// Makes guard pages by `mprotect`, as on kernels without guard markers, so
    /// that the fallback can be tried anywhere.
    #[doc(hidden)]
    pub fn protected_guards(mut self) -> Builder {
        self.protected_guards = true;
        self
    }

    /// How many threads [`blocking`](crate::blocking()) may use at once; further
    /// calls wait in line. At least one. Default: 512.
    pub fn max_blocking_threads(mut self, n: usize) -> Builder {
        self.max_blocking_threads = n.max(1);
        self
    }

    /// How many worker threads there may be at once. A runtime has as many as
    /// processors, one more for every worker that is blocked or hogged by a
    /// goroutine, and one for every pinned goroutine; threads of the blocking
    /// pool do not count. When it needs more, the process ends with
    /// an error message. At least a few more than processors. Default: 10 000.
    pub fn max_threads(mut self, n: usize) -> Builder {
        self.max_threads = u32::try_from(n).unwrap_or(u32::MAX).min(MAX_THREADS);
        self
    }

    /// How long a goroutine may run before it is asked to give way to others.
    /// Default: 10 milliseconds.
    pub fn time_slice(mut self, slice: Duration) -> Builder {
        self.time_slice = slice;
        self
    }

    /// What happens when a goroutine ends by a panic. Default:
    /// [`PanicPolicy::Report`].
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Builder {
        self.panic_policy = policy;
        self
    }

    /// When to look for deadlocks: that every goroutine waits for another one, and
    /// nothing else can wake any. Callers of [`Runtime::run`] are told. Default:
    /// [`Auto`](DeadlockDetection::Auto), when no other threads exist that could.
    ///
    /// What could: a timer, a descriptor that somebody waits for, a closure that was
    /// given to [`blocking`](crate::blocking()). Looking costs nothing while
    /// goroutines run, and once when all have come to rest.
    pub fn deadlock_detection(mut self, detection: DeadlockDetection) -> Builder {
        self.deadlock_detection = detection;
        self
    }

    /// Whether it is kept in mind who holds which lock, and in which order locks are
    /// taken. Default: no.
    ///
    /// Dumps and deadlock reports then name the holder of a lock that somebody waits
    /// for, and locks that are taken in different orders, which can end in a deadlock,
    /// are told of on standard error when that is seen first; see [`locks`](crate::locks).
    ///
    /// It holds for all locks of the process, from now on and for good. Every
    /// acquisition and release takes a few hundred nanoseconds then.
    pub fn track_locks(mut self, on: bool) -> Builder {
        self.track_locks = on;
        self
    }

    /// One worker, a clock that jumps to the next timer when nothing is
    /// runnable, and the seed decides who runs next.
    #[doc(hidden)]
    pub fn simulated(mut self, seed: u64) -> Builder {
        self.simulated = true;
        self.max_procs = Some(1);
        self.seed(seed)
    }

    /// Records scheduling events for [`Runtime::take_events`].
    #[doc(hidden)]
    pub fn record_events(mut self) -> Builder {
        self.records_events = true;
        self
    }

    /// Whether SIGQUIT (Ctrl-\\ on a terminal) prints the goroutines of this runtime.
    /// Default: no.
    ///
    /// As in Go, the signal prints `SIGQUIT: quit` and all goroutines, of every
    /// runtime of the process that wants it, to standard error, and ends the process
    /// with status 2. A thread of its own does that, which exists as long as such a
    /// runtime does; so does the handler, and then the one that was there before
    /// comes back. A second SIGQUIT ends the process at once.
    pub fn dump_on_sigquit(mut self, on: bool) -> Builder {
        self.dump_on_sigquit = on;
        self
    }

    /// What worker threads are called; a number is appended. Default: `gorge`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Builder {
        self.thread_name = name.into();
        self
    }

    /// Seed of the scheduler's random choices. Default: differs from run to run.
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// Lets any worker thread resume the goroutines of this runtime, also
    /// after they have started: Go's scheduler in full.
    ///
    /// By default a goroutine is *homed*: the thread of its first run is its
    /// home for life, and nothing of what follows can happen.
    ///
    /// # Safety
    ///
    /// In any code that any goroutine of the runtime runs, no reference into a
    /// thread-local and no value that is bound to its thread lives across a
    /// park point (any operation that can wait). Even then, code that the
    /// compiler has given a cached address of a thread-local across such a
    /// point is formally undefined with today's compilers; the runtime itself
    /// reads its own anew after every switch.
    pub unsafe fn migrating(mut self) -> Builder {
        self.migrating = true;
        self
    }

    /// Builds the runtime and starts its worker threads.
    ///
    /// # Errors
    ///
    /// If an option or `GORGE_MAXPROCS` is out of range, or the system refuses
    /// a thread.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let max_procs = self.procs()?;
        let config = Config {
            max_procs,
            max_threads: self.max_threads,
            time_slice: self.time_slice,
            plan: self.simulated.then_some(Plan::OPEN),
            records_events: self.records_events,
            deadlock_detection: self.deadlock_detection,
            stack_reserve: self.stack_reserve,
            protected_guards: self.protected_guards,
            max_blocking_threads: self.max_blocking_threads,
            thread_name: self.thread_name,
            seed: self.seed.unwrap_or_else(random_seed),
            migrating: self.migrating,
            panic_policy: self.panic_policy,
            traceback: Traceback::from_environment(),
        };
        fault::install();
        panics::install();
        if self.track_locks {
            locks::track();
        }
        let simulated = config.is_simulated();
        let shared = Shared::new(config)?;
        let mut runtime = Runtime::from_parts(Arc::clone(&shared), None);
        if self.dump_on_sigquit {
            let sigquit = sigquit::Registration::new(&shared);
            runtime = runtime.dumped_on_sigquit(sigquit.map_err(BuildError::Thread)?);
        }
        shared.start_first_worker().map_err(BuildError::Thread)?;
        if simulated {
            return Ok(runtime);
        }
        let trace = env::var("GORGEDEBUG").unwrap_or_default();
        let monitor = monitor::start(&shared, TraceOptions::parse(&trace));
        Ok(runtime.watched_by(monitor.map_err(BuildError::Thread)?))
    }

    fn procs(&self) -> Result<usize, BuildError> {
        match self.max_procs {
            Some(value @ 1..=MAX_PROCS) => Ok(value),
            Some(value) => Err(BuildError::MaxProcs {
                value,
                max: MAX_PROCS,
            }),
            None => procs_from(env::var_os("GORGE_MAXPROCS")),
        }
    }
}

/// The number of processors that a variable's value and the system ask for.
fn procs_from(variable: Option<std::ffi::OsString>) -> Result<usize, BuildError> {
    let Some(value) = variable else {
        return Ok(thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(MAX_PROCS));
    };
    let value = value.to_string_lossy().into_owned();
    match value.trim().parse() {
        Ok(procs @ 1..=MAX_PROCS) => Ok(procs),
        _ => Err(BuildError::MaxProcsVariable {
            value,
            max: MAX_PROCS,
        }),
    }
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_variable_is_refused_with_what_to_do() {
        for bad in ["0", "-1", "many", "1025", ""] {
            let error = procs_from(Some(bad.into())).expect_err("not a number of processors");
            assert!(
                error.to_string().contains("whole number from 1 to 1024"),
                "{error}"
            );
        }
        assert!(matches!(procs_from(Some(" 8 ".into())), Ok(8)));
    }
}
