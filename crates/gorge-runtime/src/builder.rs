//! Building a runtime: options, their defaults, and what they may be.

use crate::error::BuildError;
use crate::fault;
use crate::runtime::Runtime;
use crate::scheduler::{Config, Shared, start_workers};
use gorge_coroutine::stack::DEFAULT_RESERVE;
use std::env;
use std::num::NonZero;
use std::thread;

/// The largest number of processors.
const MAX_PROCS: usize = 1024;

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
    seed: Option<u64>,
    migrating: bool,
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
            seed: None,
            migrating: false,
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
        let config = Config {
            max_procs: self.procs()?,
            stack_reserve: self.stack_reserve,
            protected_guards: self.protected_guards,
            max_blocking_threads: self.max_blocking_threads,
            thread_name: self.thread_name,
            seed: self.seed.unwrap_or_else(random_seed),
            migrating: self.migrating,
        };
        fault::install();
        let shared = Shared::new(config)?;
        match start_workers(&shared) {
            Ok(threads) => Ok(Runtime::from_parts(shared, threads)),
            Err(error) => {
                shared.begin_shutdown();
                Err(BuildError::Thread(error))
            }
        }
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
