//! What can be chosen of a simulation, and running it.

use super::engine::{Setting, on_a_thread, simulate};
use super::failure::Failure;
use super::strategy::Strategy;
use super::trace::Trace;
use super::world::Plan;
use crate::report::report;
use std::env;
use std::panic::Location;

/// Options of simulations.
///
/// [`sim::run`](super::run) and [`sim::check`](super::check) are those of the default
/// options.
///
/// # Examples
///
/// ```
/// use gorge_runtime::sim::{Config, FailureKind, Strategy};
/// use gorge_runtime::{go, yield_now};
///
/// let config = Config::new().strategy(Strategy::Uniform).max_steps(10_000);
/// let failure = config.try_check(100, || loop { yield_now() }).unwrap_err();
/// assert_eq!(failure.kind(), FailureKind::StepLimit);
/// assert_eq!((failure.seed(), failure.step()), (0, 10_000));
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until something is run with them"]
pub struct Config {
    first_seed: u64,
    strategy: Strategy,
    forced_yields: bool,
    max_steps: Option<u64>,
    max_steps_at_once: u64,
    trace_len: usize,
    stack_reserve: Option<usize>,
}

/// The result of a simulation, with what happened in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Observed<T> {
    /// What the closure returned, or why the simulation failed.
    pub result: Result<T, Failure>,
    /// What happened, also if all went well.
    pub trace: Trace,
}

/// So many steps a check allows one simulation, unless it is told otherwise.
const CHECK_STEPS: u64 = 20_000_000;

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

impl Config {
    /// The default options.
    pub fn new() -> Config {
        Config {
            first_seed: 0,
            strategy: Strategy::default(),
            forced_yields: true,
            max_steps: None,
            max_steps_at_once: 10_000_000,
            trace_len: 200,
            stack_reserve: None,
        }
    }

    /// The first seed that a check tries; it goes on by one. Default: zero, so that a
    /// check that passes once passes until the program changes.
    pub fn first_seed(mut self, seed: u64) -> Config {
        self.first_seed = seed;
        self
    }

    /// How the next goroutine is chosen. Default: [`Strategy::Alternate`].
    pub fn strategy(mut self, strategy: Strategy) -> Config {
        self.strategy = strategy;
        self
    }

    /// Whether another goroutine may run before every operation of the runtime: a lock, an
    /// unlock, a send, a start, a [`checkpoint`](crate::checkpoint()), and so on. Default:
    /// yes, as on a machine with many processors. Otherwise goroutines run until they wait
    /// or yield.
    pub fn forced_yields(mut self, on: bool) -> Config {
        self.forced_yields = on;
        self
    }

    /// After how many steps a simulation fails. Default: 20 million in a check, else none.
    pub fn max_steps(mut self, steps: u64) -> Config {
        self.max_steps = Some(steps);
        self
    }

    /// After how many steps without time passing a simulation fails: what goes on for so
    /// long without waiting for time is taken for a livelock. Default: 10 million.
    pub fn max_steps_at_once(mut self, steps: u64) -> Config {
        self.max_steps_at_once = steps;
        self
    }

    /// How many of the last steps a [`Trace`] keeps. Default: 200.
    pub fn trace_len(mut self, steps: usize) -> Config {
        self.trace_len = steps;
        self
    }

    /// Address space per goroutine in bytes; see
    /// [`Builder::stack_reserve`](crate::Builder::stack_reserve).
    pub fn stack_reserve(mut self, bytes: usize) -> Config {
        self.stack_reserve = Some(bytes);
        self
    }

    /// As [`sim::run`](super::run).
    ///
    /// # Panics
    ///
    /// As [`sim::run`](super::run).
    #[track_caller]
    pub fn run<F, T>(&self, seed: u64, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        match self.try_run(seed, f) {
            Ok(value) => value,
            Err(failure) => fail(failure),
        }
    }

    /// As [`sim::run`](super::run), with an error in place of a panic.
    ///
    /// # Errors
    ///
    /// What the simulation failed by.
    ///
    /// # Panics
    ///
    /// Inside of a simulation.
    #[track_caller]
    pub fn try_run<F, T>(&self, seed: u64, f: F) -> Result<T, Failure>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        self.observe(seed, f).result
    }

    /// As [`try_run`](Config::try_run), with what happened.
    ///
    /// # Panics
    ///
    /// Inside of a simulation.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::{go, sim};
    ///
    /// let digest = |seed| {
    ///     let observed = sim::Config::new().observe(seed, || {
    ///         for child in [1, 2, 3].map(|n| go(move || n)) {
    ///             child.join().unwrap();
    ///         }
    ///     });
    ///     observed.trace.digest()
    /// };
    /// assert_eq!(digest(7), digest(7));
    /// ```
    #[track_caller]
    pub fn observe<F, T>(&self, seed: u64, f: F) -> Observed<T>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        refuse_nesting();
        let setting = self.setting(seed, u64::MAX);
        let (result, trace) = on_a_thread(move || simulate(setting, f));
        Observed { result, trace }
    }

    /// As [`sim::check`](super::check).
    ///
    /// # Panics
    ///
    /// As [`sim::check`](super::check).
    #[track_caller]
    pub fn check<F>(&self, iterations: u64, f: F)
    where
        F: Fn() + Sync,
    {
        if let Err(failure) = self.try_check(iterations, f) {
            fail(failure);
        }
    }

    /// As [`sim::check`](super::check), with an error in place of a panic.
    ///
    /// # Errors
    ///
    /// What the first simulation that failed did so by.
    ///
    /// # Panics
    ///
    /// Inside of a simulation, or if `GORGE_SIM_SEED` is no number.
    #[track_caller]
    pub fn try_check<F>(&self, iterations: u64, f: F) -> Result<(), Failure>
    where
        F: Fn() + Sync,
    {
        refuse_nesting();
        if let Some(seed) = seed_from_environment() {
            return self.replay(seed, &f);
        }
        let f = &f;
        for iteration in 0..iterations {
            let setting = self.setting(self.first_seed.wrapping_add(iteration), CHECK_STEPS);
            on_a_thread(move || simulate(setting, f)).0?;
        }
        Ok(())
    }

    /// Runs this seed only, and prints every step, and where in the program it is.
    #[track_caller]
    fn replay<F: Fn() + Sync>(&self, seed: u64, f: &F) -> Result<(), Failure> {
        let config = self.clone().trace_len(TRACED_MAX);
        let mut setting = config.setting(seed, CHECK_STEPS);
        setting.plan.locates = true;
        let (result, trace) = on_a_thread(move || simulate(setting, f));
        if result.is_ok() {
            report(format_args!(
                "simulation passed with seed {seed} (GORGE_SIM_SEED), {} steps:\n{trace}",
                trace.len()
            ));
        }
        result
    }

    #[track_caller]
    fn setting(&self, seed: u64, steps_max: u64) -> Setting {
        Setting {
            plan: Plan {
                strategy: self.strategy,
                is_closed: true,
                forces_yields: self.forced_yields,
                steps_max: self.max_steps.unwrap_or(steps_max),
                steps_at_once_max: self.max_steps_at_once,
                trace_len: self.trace_len,
                locates: false,
            },
            seed,
            stack_reserve: self.stack_reserve,
            site: Location::caller(),
        }
    }
}

/// So many steps are printed of a seed that is asked for, at most.
const TRACED_MAX: usize = 1_000_000;

/// The variable that asks a check for one seed.
const SEED_VARIABLE: &str = "GORGE_SIM_SEED";

#[track_caller]
fn seed_from_environment() -> Option<u64> {
    let value = env::var_os(SEED_VARIABLE)?;
    let text = value.to_string_lossy();
    let text = text.trim();
    let seed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match seed {
        Ok(seed) => Some(seed),
        Err(_) => panic!("{SEED_VARIABLE} is {text:?}: set it to a seed, a number, or unset it"),
    }
}

#[track_caller]
fn refuse_nesting() {
    assert!(
        !super::is_simulated(),
        "gorge::sim: a simulation inside of a simulation: each has its own clock and its own \
         goroutines, which could never wait for each other"
    );
}

/// Fails as the simulation did: with its message, or with the value that it panicked with
/// if that is none.
#[track_caller]
fn fail(failure: Failure) -> ! {
    let text = failure.to_string();
    if let Some(payload) = failure.into_panic()
        && !payload.is::<String>()
        && !payload.is::<&'static str>()
    {
        report(format_args!("{text}"));
        std::panic::resume_unwind(payload);
    }
    panic!("{text}");
}
