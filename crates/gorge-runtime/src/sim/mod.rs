//! Simulations: a program on one thread, with a clock of its own and a scheduler that a
//! seed decides, so that what went wrong once goes wrong again.
//!
//! Concurrent programs go wrong in one order of events out of very many, and rarely in
//! front of a debugger. In a simulation the order is a matter of a number, the *seed*:
//! [`check`] tries many of them, and tells the one that failed; [`run`] with this seed
//! fails at the same step, every time, on every machine.
//!
//! ```
//! use gorge_runtime::{go, sim, time};
//! use std::time::Duration;
//!
//! let (answer, passed) = sim::run(42, || {
//!     let start = time::now();
//!     let slow = go(|| {
//!         time::sleep(Duration::from_secs(365 * 24 * 3600));
//!         6 * 7
//!     });
//!     (slow.join().unwrap(), time::now() - start)
//! });
//! assert_eq!((answer, passed.as_secs()), (42, 31_536_000));
//! ```
//!
//! # What is decided by the seed
//!
//! Which goroutine runs next, of those that could; which case a select chooses; in which
//! order those run who were woken together; what comes first at one instant, a deadline or
//! what others do then. Before every operation of the runtime another goroutine may run, as
//! if there were a processor for each ([`Config::forced_yields`]), so that operations
//! interleave in every way. Where a program reads and writes shared memory without any,
//! put a [`checkpoint`](crate::checkpoint()) between, to let it interleave there, too.
//!
//! # Time
//!
//! [`time::now`](crate::time::now) shows the simulation's clock. It stands still while
//! anybody could run, and when nobody could it jumps to the next deadline that is waited for:
//! to sleep for a year takes as long as to wake up. [`settle`] waits until nobody else could
//! run, in no time. When the closure has returned, the clock stands still for good.
//!
//! # What fails
//!
//! * A panic of the closure, and one of a goroutine that nobody has asked for the result when
//!   all has ended: its handle was dropped, or put away, or is what the closure returned.
//! * A deadlock: everybody waits, and no timer is left.
//! * A leak: the closure has returned, and goroutines are left that wait. (Those that could
//!   run do so first.)
//! * No end: more steps than are [allowed](Config::max_steps).
//!
//! [`Failure`] has the seed, the last steps and what each goroutine did, and prints them.
//!
//! # What does not belong into one
//!
//! Whatever the seed does not decide: threads that one starts itself, the system's clock
//! and its random numbers, the order of a `HashMap` with std's hasher, addresses, files
//! that change. Nothing may wake a goroutine from outside, because the simulation does not
//! wait for it, and calls it a deadlock. Descriptors cannot be registered with the
//! [`netpoll`](crate::netpoll), other runtimes not be waited for, and simulations not be
//! nested: all that is refused. What is given to [`blocking`](crate::blocking()) runs right
//! there, while everybody else stands still: where it would have to wait it panics.
//!
//! * `world`: who runs next, what happened, how it ends. `strategy` and `trace` are its
//!   parts.
//! * `point`: where the rest of the runtime tells of what happens.
//! * `engine`: one simulation on its thread. `config`: its options. `failure`: how it
//!   failed. `settle`. `refusal`: waits where nobody can end them.

mod config;
mod engine;
mod failure;
mod point;
mod refusal;
mod settle;
mod strategy;
mod trace;
mod world;

pub use config::{Config, Observed};
pub use failure::{Failure, FailureKind};
pub(crate) use point::{after_start, forgotten, heard, panicked, point, started};
#[doc(hidden)]
pub use point::{deadline_passes, is_simulated, precedes_deadline, stands_at};
pub(crate) use refusal::{check_may_wait, panic_if_refused, refuses};
pub use settle::settle;
pub use strategy::Strategy;
pub use trace::{Action, Step, Trace};
pub(crate) use world::{Idle, Next, Plan, World};

/// Runs `f` as the main goroutine of a simulation, and returns its value when all other
/// goroutines have ended, too. `f` may borrow from the caller.
///
/// With the same seed, the same happens: see the [module's description](self). The
/// simulation runs on a thread of its own; the caller, a thread or a goroutine, waits for
/// it.
///
/// # Panics
///
/// If the simulation fails: then the message tells everything that is known. If `f` panicked
/// with something that is no text, that panic continues here. Also inside of a simulation.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, sim, yield_now};
/// use std::sync::Mutex;
///
/// let order = Mutex::new(Vec::new());
/// let first = |seed| sim::run(seed, || {
///     let children = [1, 2, 3].map(|n| go(move || n));
///     gorge_runtime::scope(|s| {
///         s.spawn(|| order.lock().unwrap().push('a'));
///         s.spawn(|| order.lock().unwrap().push('b'));
///     });
///     children.map(|child| child.join().unwrap());
///     order.lock().unwrap().drain(..).collect::<String>()
/// });
/// assert_eq!(first(1), first(1));
/// assert!((2..100).any(|seed| first(seed) != first(1)));
/// ```
#[track_caller]
pub fn run<F, T>(seed: u64, f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    Config::new().run(seed, f)
}

/// Simulates `f` with so many seeds, from zero on, one after the other, until one fails.
///
/// If the environment variable `GORGE_SIM_SEED` is a number, that seed only is tried, and
/// all its steps are printed, with where in the program they are.
///
/// # Panics
///
/// As [`run`], for the first seed that fails.
///
/// # Examples
///
/// ```should_panic
/// use gorge_runtime::{go, sim};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// sim::check(1000, || {
///     let count = Arc::new(AtomicU32::new(0));
///     let adders = [0, 1].map(|_| {
///         let count = count.clone();
///         go(move || {
///             let seen = count.load(Relaxed);
///             // What is read may be old by now.
///             gorge_runtime::checkpoint();
///             count.store(seen + 1, Relaxed);
///         })
///     });
///     adders.map(|adder| adder.join().unwrap());
///     assert_eq!(count.load(Relaxed), 2);
/// });
/// ```
#[track_caller]
pub fn check<F>(iterations: u64, f: F)
where
    F: Fn() + Sync,
{
    Config::new().check(iterations, f);
}
