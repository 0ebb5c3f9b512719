//! One simulation, from its beginning to its end: on a thread of its own, which is the one
//! machine of a runtime of its own.
//!
//! A thread of its own, because what thread-locals hold would otherwise be left from the
//! simulation before, and decide something in this one.
//!
//! A simulation that failed is unwound: its goroutines are cancelled, and run until all have
//! ended, or it seems that they do not. Those that are left are never run again, and what
//! they are made of is leaked: stacks, thread-locals' users and all. So nothing that they
//! borrow is ever used again, which is why a closure that borrows may be given up, too.

use super::failure::{Cause, Facts, Failure};
use super::trace::Trace;
use super::world::{Plan, World};
use crate::deadlock::{DeadlockDetection, DeadlockReport};
use crate::dump::GoroutineDump;
use crate::fault;
use crate::goroutine::{GoroutineId, JoinHandle, Spec, spawn_on};
use crate::locks;
use crate::panics::{self, PanicPolicy};
use crate::preempt;
use crate::scheduler::{self, Config, Machine, Shared};
use crate::traceback::Traceback;
use gorge_coroutine::stack::DEFAULT_RESERVE;
use parking_lot::Mutex;
use std::any::Any;
use std::mem;
use std::panic::Location;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often goroutines are run after a failure, all of them together, to unwind: so often
/// at least, and each of them [`TURNS_EACH`] times.
const UNWINDING_TURNS: u64 = 100_000;
const TURNS_EACH: u64 = 16;

/// The first goroutine of a simulation.
const MAIN: GoroutineId = GoroutineId::new(1);

/// Runtimes with goroutines that could not be unwound. Kept in sight, so that whoever looks
/// for leaks sees that they are meant.
static LEFT: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

/// Runs `f` as the main goroutine of a simulation, on the calling thread, which is new.
pub(super) fn simulate<F, T>(setting: Setting, f: F) -> (Result<T, Failure>, Trace)
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fault::install();
    panics::install();
    let shared = match Shared::new(setting.config()) {
        Ok(shared) => shared,
        Err(error) => panic!("gorge::sim: no stacks: {error}"),
    };
    let _member = shared.deadlocks.threads.enter();
    let _alternate = fault::AlternateStack::install();
    let mut main = None;
    let mut outcome = None;
    let machine = scheduler::on_this_thread(&shared, |machine, world| {
        // Operations tell the machine of themselves as long as this is there.
        let _listening = (preempt::listen(), locks::listen());
        // SAFETY: the goroutine has ended, or is never run again, when this function
        // returns: see the module's description.
        main = Some(unsafe { spawn_on(&shared, setting.spec(), f) });
        machine.run_simulation();
        outcome = Some(end(&shared, machine, world));
    });
    let (Some(main), Some(outcome)) = (main, outcome) else {
        unreachable!("the closure was called")
    };
    let trace = machine.into_trace();
    (finish(&shared, main, setting.seed, outcome, &trace), trace)
}

/// What is given for one simulation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) plan: Plan,
    pub(super) seed: u64,
    pub(super) stack_reserve: Option<usize>,
    /// Where it was asked for.
    pub(super) site: &'static Location<'static>,
}

impl Setting {
    fn config(&self) -> Config {
        Config {
            max_procs: 1,
            max_threads: 1,
            time_slice: Duration::MAX,
            plan: Some(self.plan),
            records_events: false,
            // The world finds them, at once.
            deadlock_detection: DeadlockDetection::Off,
            stack_reserve: self.stack_reserve.unwrap_or(DEFAULT_RESERVE),
            protected_guards: false,
            max_blocking_threads: 1,
            thread_name: "gorge-sim".to_owned(),
            seed: self.seed,
            migrating: false,
            panic_policy: PanicPolicy::Report,
            traceback: Traceback::from_environment(),
        }
    }

    /// The main goroutine's.
    fn spec(&self) -> Spec<'_> {
        Spec {
            site: self.site,
            ..Spec::plain()
        }
    }
}

/// How it went.
struct Outcome {
    went_wrong: Option<WentWrong>,
    strategy: super::Strategy,
    /// Nobody is left.
    is_complete: bool,
}

struct WentWrong {
    cause: Cause,
    time: Duration,
    report: Option<DeadlockReport>,
    dump: GoroutineDump,
}

/// Nobody runs any more: sees what there is, and unwinds it if it is not as it should be.
fn end(shared: &Arc<Shared>, machine: &Machine, world: &World) -> Outcome {
    let went_wrong = world.cause().map(|cause| {
        let report = matches!(cause, Cause::Deadlock).then(|| DeadlockReport::take(shared));
        let has_frames = shared.config.traceback != Some(Traceback::None);
        let dump = match &report {
            Some(report) => report.dump().clone(),
            None => GoroutineDump::take(shared, has_frames),
        };
        WentWrong {
            cause,
            time: Duration::from_nanos(shared.clock.now()),
            report,
            dump,
        }
    });
    if went_wrong.is_some() && !shared.is_all_retired() {
        world.begin_unwinding(UNWINDING_TURNS.max(TURNS_EACH * shared.live()));
        shared.begin_shutdown();
        machine.run_simulation();
    }
    machine.leave_simulation();
    Outcome {
        went_wrong,
        strategy: world.strategy(),
        is_complete: shared.is_all_retired(),
    }
}

/// What comes of it.
fn finish<T>(
    shared: &Arc<Shared>,
    main: JoinHandle<T>,
    seed: u64,
    outcome: Outcome,
    trace: &Trace,
) -> Result<T, Failure> {
    if !outcome.is_complete {
        // Whoever is left is never run again, and stays where it is.
        LEFT.lock().push(Arc::clone(shared));
    }
    let result = match main.is_finished() {
        true => Some(main.join()),
        false => {
            mem::forget(main);
            None
        }
    };
    let (result, payload) = match result {
        Some(Ok(value)) => (Some(value), None),
        Some(Err(error)) if error.is_panic() => (None, Some(error.into_panic())),
        _ => (None, None),
    };
    match (outcome.went_wrong, result) {
        (None, Some(value)) => Ok(value),
        (went_wrong, result) => {
            drop(result);
            let went_wrong = went_wrong.unwrap_or_else(cancelled);
            let is_mains = matches!(went_wrong.cause, Cause::Panic(id, _) if id == MAIN);
            Err(failure(
                went_wrong,
                seed,
                outcome.strategy,
                trace,
                payload.filter(|_| is_mains),
            ))
        }
    }
}

/// The main goroutine has no result, and nothing went wrong.
fn cancelled() -> WentWrong {
    WentWrong {
        cause: Cause::Panic(MAIN, "it was cancelled".into()),
        time: Duration::ZERO,
        report: None,
        dump: GoroutineDump::empty(),
    }
}

fn failure(
    went_wrong: WentWrong,
    seed: u64,
    strategy: super::Strategy,
    trace: &Trace,
    payload: Option<Box<dyn Any + Send>>,
) -> Failure {
    Failure(Box::new(Facts {
        seed,
        strategy,
        cause: went_wrong.cause,
        time: went_wrong.time,
        trace: trace.clone(),
        report: went_wrong.report,
        dump: went_wrong.dump,
        payload: Mutex::new(payload),
    }))
}

/// Runs `f` on a new thread, and waits for it.
pub(super) fn on_a_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let run = || {
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("gorge-sim".to_owned());
            match builder.spawn_scoped(scope, f) {
                Ok(thread) => thread.join(),
                Err(error) => panic!("gorge::sim: no thread: {error}"),
            }
        })
    };
    // A goroutine waits as for anything else that blocks a thread.
    match crate::blocking(run) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
