//! Closures that block, and the pool of OS threads for them.
//!
//! A homed goroutine's worker is the home of others, so [`blocking`] parks the
//! goroutine and runs the closure on a thread of the pool. The job lies on the
//! goroutine's stack: the goroutine stays until the pool has woken it, or until it
//! has taken the job back out of the line.
//!
//! A cancel ends the wait of a goroutine whose job is in line. Whether it still is
//! there the goroutine finds out under the pool's lock, under which a thread takes
//! a job, and also reports it ended. If a thread has it, the goroutine waits
//! again, for its end, and the cancel stays pending.
//!
//! The lost wake-up to fear: the job ends when the goroutine is awake because of a
//! cancel, and finds nobody to wake. It leaves word in the job, where the goroutine
//! looks, under the lock, before it waits again.
//!
//! A goroutine that may move keeps its thread, if that is nobody's home, and runs
//! the closure right there. If that takes long, the monitor gives the thread's
//! permit to another one.
//!
//! Threads are started when a job finds none idle, up to a limit; beyond it,
//! jobs wait in line. A thread ends after ten idle seconds.
//!
//! To wake a thread takes longer than most short jobs, and it is done twice for each: for the
//! job, and for its end. So the thread that has ended a job looks for the next one for some
//! microseconds before it sleeps, one thread of the pool at a time; and so does a machine
//! without work whose goroutines have jobs here (see `scheduler/search.rs`). A job that meets
//! the thread that looks wakes nobody. That thread says that it gives up under the lock, where it
//! finds the job that came at the last moment.

use crate::cancel;
use crate::deadlock::OwnThreads;
use crate::goroutine::{NO_HOME, check_may_park};
use crate::panics;
use crate::park::{self, CancelMode, Claim, Outcome, Refused, Wait, WaitReason, Waiter};
use crate::preempt;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::{may_spin, spin_hint};
use crate::scheduler::{Machine, Shared, current};
use crate::stack;
use crate::trace::{self, Event};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How often a thread looks for the next job before it sleeps: for some twenty microseconds.
const LOOKS: u32 = 2_000;

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
/// otherwise another thread takes over from it. So does a homed one when the system
/// refuses the pool its first thread. On a plain OS thread, `f` runs
/// right there. Inside `f` there is no current goroutine; goroutines started
/// there belong to the caller's runtime.
///
/// # Panics
///
/// A panic of `f` continues in the caller.
///
/// In a simulation `f` runs while everybody else stands still. There it panics where it would
/// have to wait for a goroutine or for time, and ends the process if it was panicking already.
///
/// # Cancellation
///
/// Delivers a cancel before `f` begins, also while it waits for a thread: `f` is
/// dropped unrun. One that comes later stays pending until `f` has returned.
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
    preempt::point_at("block");
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
    trace::emit(machine, || Event::HandOff(g.id()));
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
    let _underway = pool.shared.begin_errand();
    let mut errand = Errand {
        f: Some(f),
        result: None,
    };
    let job = Job {
        run: run::<F, T>,
        errand: NonNull::from(&mut errand).cast(),
        runtime: Arc::downgrade(machine.shared()),
        waiter: Cell::new(None),
        end: Cell::new(None),
        number: Cell::new(0),
    };
    let wait = Wait {
        reason: WaitReason::Blocking,
        object: 0,
        deadline: None,
        cancel: CancelMode::Deliver,
    };
    // SAFETY: `commit` hands the job, with the waiter, to the pool. Whoever reports
    // the job's end takes the waiter out, and otherwise it is taken back below.
    let parked = unsafe {
        park::park(
            wait,
            |waiter| job.waiter.set(Some(waiter)),
            || pool.submit(&job),
        )
    };
    let outcome = match parked {
        Ok(Outcome::Cancelled) => after_cancel(&pool, &job),
        Ok(outcome) => Some(outcome),
        Err(Refused) => None,
    };
    if outcome == Some(Outcome::Closed) {
        // Not one thread could be started: this one has to do, for its siblings too.
        stack::grow(STACK_MIN, STACK_BYTES, || {
            // SAFETY: the pool gave the job back unrun.
            covered(|| unsafe { (job.run)(job.errand) });
        });
    }
    match errand.result {
        Some(Ok(value)) => value,
        Some(Err(panic)) => panics::resume(panic),
        // The unwinding drops the closure.
        None => cancel::deliver(),
    }
}

/// For a goroutine whose wait a cancel has ended: takes its job back, or waits for
/// its end. `None` if it was taken back.
fn after_cancel(pool: &BlockingPool, job: &Job) -> Option<Outcome> {
    if pool.withdraw(job) {
        return None;
    }
    let wait = Wait {
        reason: WaitReason::Blocking,
        object: 0,
        deadline: None,
        cancel: CancelMode::Withhold,
    };
    let waiter = Cell::new(None);
    let publish = |this| waiter.set(Some(this));
    let commit = || {
        waiter
            .get()
            .map_or((), |waiter| pool.expect_end(job, waiter))
    };
    // SAFETY: whoever reports the job's end takes the waiter out; nothing else ends
    // the wait.
    match unsafe { park::park(wait, publish, commit) } {
        Ok(outcome) => Some(outcome),
        Err(Refused) => unreachable!("the first wait was not refused"),
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
    /// The rest is touched under the pool's lock, once the job was submitted. Who
    /// is to be woken at the end.
    waiter: Cell<Option<Waiter>>,
    /// How the job has ended: it was run, or there is no thread for it.
    end: Cell<Option<Outcome>>,
    /// Its number in the line.
    number: Cell<u64>,
}

/// A job on its way to a thread of the pool.
#[derive(Clone, Copy)]
struct Handed(NonNull<Job>);

// SAFETY: closure and result are `Send` by `blocking`'s bounds, and the goroutine
// leaves them alone until the job has ended, or was taken back; what both sides use
// is touched under the pool's lock.
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
    /// Runs the job.
    fn run(self) {
        // SAFETY: a thread has the job, so its goroutine stays until it has seen
        // the end, under the lock: the job is valid, and the closure the thread's.
        unsafe {
            let job = self.0.as_ref();
            match job.runtime.upgrade() {
                Some(runtime) => current::inside(&runtime, || (job.run)(job.errand)),
                None => (job.run)(job.errand),
            }
        }
    }

    /// Under the pool's lock: says how the job has ended. The caller wakes the
    /// goroutine. If there is no claim, it is awake because of a cancel, and the
    /// job may be gone as soon as the lock is released.
    fn end(self, how: Outcome) -> Option<Claim> {
        // SAFETY: as in `run`; a waiter that is found here was not taken back.
        unsafe {
            let job = self.0.as_ref();
            job.end.set(Some(how));
            job.waiter.take().and_then(|waiter| waiter.claim(how))
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
    /// How many jobs are in line, for the thread that looks without the lock.
    in_line: AtomicUsize,
    /// How many goroutines wait for their jobs, and how many have done so.
    errands: AtomicUsize,
    errands_ended: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// With their numbers, which increase.
    jobs: VecDeque<(u64, Handed)>,
    next_number: u64,
    threads: usize,
    idle: usize,
    /// Whether a thread looks for jobs, without the lock.
    is_watched: bool,
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
                in_line: AtomicUsize::new(0),
                errands: AtomicUsize::new(0),
                errands_ended: AtomicUsize::new(0),
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

    /// If goroutines wait for jobs: how many have done so before.
    pub(crate) fn errands_ended(&self) -> Option<usize> {
        // Relaxed: a hint.
        let is_any = self.shared.errands.load(Ordering::Relaxed) != 0;
        is_any.then(|| self.shared.errands_ended.load(Ordering::Relaxed))
    }

    fn submit(&self, job: &Job) {
        let mut state = self.shared.state.lock();
        let number = state.next_number;
        state.next_number += 1;
        job.number.set(number);
        state.jobs.push_back((number, Handed(NonNull::from(job))));
        self.shared.tell(&state);
        let jobs = state.jobs.len() - usize::from(state.is_watched);
        if jobs == 0 {
            // The thread that looks for jobs sees it.
        } else if state.idle >= jobs {
            drop(state);
            self.shared.work.notify_one();
        } else if state.threads < self.shared.threads_max {
            state.threads += 1;
            drop(state);
            self.start_thread();
        }
    }

    /// Goroutine, awake because of a cancel: takes its job out of the line. False
    /// if a thread has it.
    fn withdraw(&self, job: &Job) -> bool {
        let mut state = self.shared.state.lock();
        job.waiter.set(None);
        let place = state
            .jobs
            .binary_search_by_key(&job.number.get(), |it| it.0);
        let is_withdrawn = place.is_ok_and(|place| state.jobs.remove(place).is_some());
        self.shared.tell(&state);
        is_withdrawn
    }

    /// Goroutine, off its stack: waits for the end of a job that a thread has.
    fn expect_end(&self, job: &Job, waiter: Waiter) {
        let claim = {
            let _state = self.shared.state.lock();
            match job.end.get() {
                // SAFETY: the caller's own waiter, which waits and was not published.
                Some(end) => unsafe { waiter.claim(end) },
                None => {
                    job.waiter.set(Some(waiter));
                    None
                }
            }
        };
        if let Some(claim) = claim {
            claim.wake();
        }
    }

    fn start_thread(&self) {
        let pool = Arc::clone(&self.shared);
        let name = format!("{}-blocking", self.shared.thread_name);
        let started = thread::Builder::new()
            .name(name)
            .spawn(move || pool.serve());
        if started.is_err() {
            let stranded: Vec<_> = {
                let mut state = self.shared.state.lock();
                state.threads -= 1;
                let jobs = match state.threads {
                    // Nobody would ever come for them.
                    0 => mem::take(&mut state.jobs),
                    _ => VecDeque::new(),
                };
                self.shared.tell(&state);
                let claim = |(_, job): (u64, Handed)| job.end(Outcome::Closed);
                jobs.into_iter().filter_map(claim).collect()
            };
            stranded.into_iter().for_each(Claim::wake);
        }
    }
}

/// Counts a goroutine that waits for its job.
struct Underway<'a>(&'a Pool);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.errands.fetch_sub(1, Ordering::Relaxed);
        self.0.errands_ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pool {
    fn begin_errand(&self) -> Underway<'_> {
        self.errands.fetch_add(1, Ordering::Relaxed);
        Underway(self)
    }

    /// A thread's life.
    fn serve(&self) {
        let _member = self.own_threads.enter();
        let may_look = may_spin();
        let mut state = self.state.lock();
        let mut has_served = false;
        loop {
            if let Some((_, job)) = state.jobs.pop_front() {
                self.tell(&state);
                drop(state);
                job.run();
                state = self.state.lock();
                if let Some(claim) = job.end(Outcome::Woken(0)) {
                    MutexGuard::unlocked(&mut state, || claim.wake());
                }
                has_served = true;
                continue;
            }
            if state.shut_down {
                break;
            }
            if mem::take(&mut has_served) && may_look && !state.is_watched {
                state.is_watched = true;
                MutexGuard::unlocked(&mut state, || self.look_for_jobs());
                state.is_watched = false;
                continue;
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

    /// Under the lock, after a change.
    fn tell(&self, state: &State) {
        // Relaxed: who sees it takes the lock.
        self.in_line.store(state.jobs.len(), Ordering::Relaxed);
    }

    /// Until there is one, or for as long as it takes to wake a thread.
    fn look_for_jobs(&self) {
        for _ in 0..LOOKS {
            if self.in_line.load(Ordering::Relaxed) != 0 {
                return;
            }
            spin_hint();
        }
    }
}
