//! What a runtime counts about itself.

mod histogram;

pub use histogram::DurationHistogram;
pub(crate) use histogram::Histogram;

use crate::dump::{GoroutineDump, GoroutineState};
use crate::park::WaitReason;
use crate::primitive::atomic::Ordering;
use crate::scheduler::permits::ACTIVE;
use crate::scheduler::{Shared, Slot};
use std::time::Duration;

/// Numbers about a runtime at some moment; see
/// [`Runtime::metrics`](crate::Runtime::metrics).
///
/// Each number is true of some moment during the call. Totals never decrease.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeMetrics {
    /// How many goroutines may run at once.
    pub max_procs: usize,
    /// Of those, how many more could run now.
    pub idle_procs: usize,
    /// Goroutines that have not ended.
    pub goroutines: usize,
    /// Of those: waiting for their turn.
    pub runnable: usize,
    /// Running on a worker thread.
    pub running: usize,
    /// Parked.
    pub waiting: usize,
    /// In a closure given to [`blocking`](crate::blocking()).
    pub blocking: usize,
    /// Goroutines started so far.
    pub goroutines_created: u64,
    /// OS threads: workers and those of the blocking pool.
    pub threads: usize,
    /// Threads of the blocking pool, and closures that wait for one.
    pub blocking_threads: usize,
    /// See [`blocking_threads`](RuntimeMetrics::blocking_threads).
    pub blocking_queue: usize,
    /// Goroutines in the queue that all workers share.
    pub global_queue: usize,
    /// The worker threads. One that has ended leaves its numbers behind.
    pub workers: Vec<WorkerMetrics>,
    /// How long goroutines waited between becoming runnable and running: a
    /// sample of about one in sixty.
    pub scheduling_latencies: DurationHistogram,
    /// Goroutines that were asked to give way because their time slice was over.
    pub slices_ended: u64,
    /// Times that a goroutine computed for longer than its time slice without a
    /// pause, and its processor's right to run went to another thread.
    pub hogs: u64,
    /// The same for goroutines that blocked their thread without
    /// [`blocking`](crate::blocking()), and with it.
    pub blocked_unannounced: u64,
    /// See [`blocked_unannounced`](RuntimeMetrics::blocked_unannounced).
    pub blocked_announced: u64,
    /// Goroutines that were at home on the threads of the first two kinds, and
    /// may have waited for that.
    pub stranded: u64,
    /// Stacks of parked goroutines that gave memory back.
    pub stacks_shrunk: u64,
}

/// Numbers about a worker thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Whether it runs goroutines or looks for some.
    pub is_active: bool,
    /// Goroutines in its run queue that any worker may take.
    pub local_queue: usize,
    /// How often it looked for a goroutine to run; a little more than it found.
    pub runs: u32,
    /// How often it fell asleep.
    pub park_count: u64,
    /// How long it was active in all, up to the last time it fell asleep.
    pub busy_duration: Duration,
    /// Times that it took goroutines from another worker's queue.
    pub steals: u64,
    /// Goroutines that have started on it and must end there.
    pub residents: usize,
    /// Waits with a deadline that it keeps.
    pub timers: usize,
}

impl RuntimeMetrics {
    pub(crate) fn read(shared: &Shared) -> RuntimeMetrics {
        let counts = &shared.monitor.counts;
        let total = |count: &crate::primitive::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let (blocking_threads, blocking_queue) = shared.blocking.load();
        let mut scheduling_latencies = DurationHistogram::default();
        for slot in shared.slots.iter() {
            slot.processor.latencies.add_to(&mut scheduling_latencies);
        }
        let mut metrics = RuntimeMetrics {
            max_procs: shared.permits.limit(),
            idle_procs: shared.permits.free(),
            goroutines: usize::try_from(shared.live()).unwrap_or(usize::MAX),
            runnable: 0,
            running: 0,
            waiting: 0,
            blocking: 0,
            goroutines_created: shared.spawned(),
            threads: shared.permits.machines() + blocking_threads,
            blocking_threads,
            blocking_queue,
            global_queue: shared.global_len(),
            workers: shared.slots.iter().map(WorkerMetrics::read).collect(),
            scheduling_latencies,
            slices_ended: total(&counts.slices_ended),
            hogs: total(&counts.hogs),
            blocked_unannounced: total(&counts.blocked),
            blocked_announced: total(&counts.announced),
            stranded: total(&counts.stranded),
            stacks_shrunk: total(&counts.shrunk),
        };
        metrics.count_states(shared);
        metrics
    }

    fn count_states(&mut self, shared: &Shared) {
        GoroutineDump::for_each_state(shared, |state| match state {
            GoroutineState::Runnable => self.runnable += 1,
            GoroutineState::Running => self.running += 1,
            GoroutineState::Waiting(WaitReason::Blocking) => self.blocking += 1,
            GoroutineState::Waiting(_) => self.waiting += 1,
        });
        let announced = |slot: &Slot| slot.blocking_steps() % 2 == 1;
        let covered = shared.slots.iter().filter(|slot| announced(slot)).count();
        self.running = self.running.saturating_sub(covered);
        self.blocking += covered;
    }
}

impl WorkerMetrics {
    fn read(slot: &Slot) -> WorkerMetrics {
        WorkerMetrics {
            is_active: slot.standing.load(Ordering::Relaxed) == ACTIVE,
            local_queue: slot.processor.queued(),
            runs: slot.processor.tick(),
            park_count: slot.rests(),
            busy_duration: Duration::from_nanos(slot.busy_ns()),
            steals: slot.processor.stolen.load(Ordering::Relaxed),
            residents: slot.residents() as usize,
            timers: slot.processor.timers.len(),
        }
    }
}
