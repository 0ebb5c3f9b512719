//! Closures that block, and the pool of OS threads for them.
//!
//! A homed goroutine's worker is the home of others, so [`blocking`] parks the
//! goroutine and runs the closure on a thread of the pool. The job lies on the
//! goroutine's stack: it is valid because the goroutine cannot leave its wait
//! before the pool has woken it; a cancel stays pending meanwhile.
//!
//! A goroutine that may move keeps its thread, if that is nobody's home, and runs
//! the closure right there. If that takes long, the monitor gives the thread's
//! permit to another one.
//!
//! Threads are started when a job finds none idle, up to a limit; beyond it,
//! jobs wait in line. A thread ends after ten idle seconds.

use crate::cancel;
use crate::deadlock::OwnThreads;
use crate::goroutine::{NO_HOME, check_may_park};
use crate::panics;
use crate::park::{self, CancelMode, Outcome, Wait, WaitReason, Waiter};
use crate::preempt;
use crate::scheduler::{Machine, Shared, current};
use crate::stack;
use crate::trace::{self, Event};
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// What a closure may count on when it runs on a goroutine's stack, and the
/// size of the segment that it gets where less is left: it may call C code.
const STACK_MIN: usize = 64 * 1024;
const STACK_BYTES: usize = 1 << 20;

/// Runs `f` where blocking the thread harms nobody, and returns its result.
///
/// On a goroutine, `f` runs on a thread of the runtime's blocking pool while
/// the goroutine waits; other goroutines go on. A migrating or pinned goroutine
/// runs `f` on its own thread, which costs next to nothing if `f` is short;
/// otherwise another thread takes over from it. On a plain OS thread, `f` runs
/// right there. Inside `f` there is no current goroutine; goroutines started
/// there belong to the caller's runtime.
///
/// # Panics
///
/// A panic of `f` continues in the caller.
///
/// # Cancellation
///
/// Delivers a cancel before `f` begins. One that comes later stays pending
/// until `f` has returned.
///
/// # Examples
///
/// ```
/// let text = gorge_runtime::go(|| {
///     gorge_runtime::blocking(|| std::fs::read_to_string("Cargo.toml"))
/// });
/// assert!(text.join().unwrap().unwrap().contains("gorge-runtime"));
/// ```
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if current::goroutine().is_none() {
        return f();
    }
    check_may_park();
    preempt::point();
    let Some(machine) = current::machine_in_goroutine() else {
        unreachable!("still on a goroutine")
    };
    if cancel::is_pending() {
        cancel::deliver();
    }
    // SAFETY: the running goroutine is alive.
    let g = unsafe { machine.running().as_ref() };
    let may_stay = g.home() == NO_HOME || machine.is_special();
    if may_stay && machine.may_be_blocked() {
        return stack::grow(STACK_MIN, STACK_BYTES, || covered(f));
    }
    trace::emit(machine, Event::HandOff(g.id()));
    on_the_pool(machine, f)
}

/// Runs `f` on the goroutine's own thread, which others may have to do without.
fn covered<T>(f: impl FnOnce() -> T) -> T {
    let Some(machine) = current::machine_in_goroutine() else {
        unreachable!("called on a goroutine")
    };
    let g = machine.cover();
    let result = catch_unwind(AssertUnwindSafe(f));
    // `f` cannot have changed threads: inside of it there was no goroutine.
    if machine.uncover(g) {
        machine.come_back();
    }
    result.unwrap_or_else(|panic| panics::resume(panic))
}

/// Runs `f` on a thread of the pool, while the goroutine waits.
fn on_the_pool<F, T>(machine: &Machine, f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let pool = machine.shared().blocking.clone();
    let mut errand = Errand {
        f: Some(f),
        result: None,
    };
    let job = Job {
        run: run::<F, T>,
        errand: NonNull::from(&mut errand).cast(),
        runtime: Arc::downgrade(machine.shared()),
        waiter: Cell::new(None),
    };
    let handed = Handed(NonNull::from(&job));
    let wait = Wait {
        reason: WaitReason::Blocking,
        object: 0,
        deadline: None,
        cancel: CancelMode::Withhold,
    };
    // SAFETY: `commit` hands the job to the pool, which uses it before it
    // wakes this goroutine and not after; nothing else ends the wait.
    let parked = unsafe {
        park::park(
            wait,
            |waiter| job.waiter.set(Some(waiter)),
            || pool.submit(handed),
        )
    };
    if parked == Ok(Outcome::Closed) {
        // Not one thread could be started: this one has to do.
        // SAFETY: the pool gave the job back unrun.
        unsafe { (job.run)(job.errand) };
    }
    match errand.result {
        Some(Ok(value)) => value,
        Some(Err(panic)) => panics::resume(panic),
        None => unreachable!("the pool wakes a goroutine after it ran its job"),
    }
}

/// A closure and the place for its result.
struct Errand<F, T> {
    f: Option<F>,
    result: Option<thread::Result<T>>,
}

/// A closure of unknown type with the goroutine that waits for it.
struct Job {
    run: unsafe fn(NonNull<()>),
    errand: NonNull<()>,
    /// Where a spawn in the closure goes.
    runtime: Weak<Shared>,
    waiter: Cell<Option<Waiter>>,
}

/// A job on its way to a thread of the pool.
#[derive(Clone, Copy)]
struct Handed(NonNull<Job>);

// SAFETY: closure and result are `Send` by `blocking`'s bounds, and only one
// side uses the job at a time: the goroutine is parked until it is woken.
unsafe impl Send for Handed {}

/// # Safety
///
/// `errand` points to an `Errand<F, T>` that nobody else uses meanwhile.
unsafe fn run<F: FnOnce() -> T, T>(errand: NonNull<()>) {
    // SAFETY: the caller's contract.
    let errand = unsafe { errand.cast::<Errand<F, T>>().as_mut() };
    let Some(f) = errand.f.take() else {
        unreachable!("a job is run once")
    };
    errand.result = Some(catch_unwind(AssertUnwindSafe(f)));
}

impl Handed {
    /// Runs the job and wakes its goroutine.
    fn run(self) {
        // SAFETY: the goroutine that owns the job is parked until it is woken
        // below, so its job is valid, and its runtime alive.
        unsafe {
            let job = self.0.as_ref();
            match job.runtime.upgrade() {
                Some(runtime) => current::inside(&runtime, || (job.run)(job.errand)),
                None => (job.run)(job.errand),
            }
        }
        self.wake(Outcome::Woken(0));
    }

    /// Wakes the goroutine.
    fn wake(self, outcome: Outcome) {
        // SAFETY: as above. The waiter is still published, because nothing but
        // this ends the wait, so the claim succeeds.
        let claim = unsafe {
            let waiter = self.0.as_ref().waiter.take();
            waiter.and_then(|waiter| waiter.claim(outcome))
        };
        match claim {
            Some(claim) => claim.wake(),
            None => unreachable!("nobody else wakes a goroutine that waits for its job"),
        }
    }
}

/// A runtime's pool. Clones share it.
#[derive(Clone)]
pub(crate) struct BlockingPool {
    shared: Arc<Pool>,
}

struct Pool {
    threads_max: usize,
    thread_name: String,
    own_threads: Arc<OwnThreads>,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Handed>,
    threads: usize,
    idle: usize,
    shut_down: bool,
}

impl BlockingPool {
    pub(crate) fn new(
        threads_max: usize,
        thread_name: String,
        own_threads: Arc<OwnThreads>,
    ) -> BlockingPool {
        let state = Mutex::new(State::default());
        BlockingPool {
            shared: Arc::new(Pool {
                threads_max,
                thread_name,
                own_threads,
                state,
                work: Condvar::new(),
            }),
        }
    }

    /// Idle threads end now, others when the line is empty.
    pub(crate) fn shut_down(&self) {
        self.shared.state.lock().shut_down = true;
        self.shared.work.notify_all();
    }

    /// How many threads there are, and how many jobs wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.shared.state.lock();
        (state.threads, state.jobs.len())
    }

    fn submit(&self, job: Handed) {
        let mut state = self.shared.state.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            drop(state);
            self.shared.work.notify_one();
        } else if state.threads < self.shared.threads_max {
            state.threads += 1;
            drop(state);
            self.start_thread();
        }
    }

    fn start_thread(&self) {
        let pool = Arc::clone(&self.shared);
        let name = format!("{}-blocking", self.shared.thread_name);
        let started = thread::Builder::new()
            .name(name)
            .spawn(move || pool.serve());
        if started.is_err() {
            let stranded = {
                let mut state = self.shared.state.lock();
                state.threads -= 1;
                // With no thread at all, nobody would ever come for the jobs.
                if state.threads == 0 {
                    std::mem::take(&mut state.jobs)
                } else {
                    VecDeque::new()
                }
            };
            stranded
                .into_iter()
                .for_each(|job| job.wake(Outcome::Closed));
        }
    }
}

impl Pool {
    /// A thread's life.
    fn serve(&self) {
        let _member = self.own_threads.enter();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job.run();
                state = self.state.lock();
                continue;
            }
            if state.shut_down {
                break;
            }
            state.idle += 1;
            let timed_out = self.work.wait_for(&mut state, IDLE_LIMIT).timed_out();
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}
