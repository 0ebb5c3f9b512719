//! The monitor: one thread that sees to what no machine can see to itself.
//!
//! It looks every 20 microseconds while there is something to do, backs off to
//! 10 milliseconds, and sleeps without bound when the runtime is idle. Each look:
//!
//! * machines that are stuck in one goroutine (`stuck`): a goroutine whose time
//!   slice is over is asked to give way; a permit whose machine blocks, or hogs a
//!   processor and does not give way, goes to another machine,
//! * threads that a pinned goroutine's must not start,
//! * timers that nobody has looked at in time, and work that no thread could be
//!   started for,
//! * deadlocks, when no machine is active (`deadlock`),
//! * memory that idle and parked stacks can give back (`memory`),
//! * the trace that `GORGEDEBUG` asked for (`schedtrace`).
//!
//! No code of users runs here.

mod memory;
mod schedtrace;
mod stuck;
mod warning;

use crate::deadlock::Lookout;
use crate::primitive::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::primitive::barrier;
use crate::scheduler::{Crew, Shared, sleep_precisely};
use memory::Memory;
use parking_lot::{Condvar, Mutex};
use schedtrace::SchedTrace;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use stuck::Watch;

pub(crate) use schedtrace::TraceOptions;

const DELAY_MIN: Duration = Duration::from_micros(20);
const DELAY_MAX: Duration = Duration::from_millis(10);

/// After so many looks that found nothing to do, the delay begins to double.
const QUIET_LOOKS: u32 = 10;

/// A timer that is due for so long was not looked at by its machine.
const OVERDUE_NS: u64 = 1_000_000;

/// What others see of the monitor.
pub(crate) struct Monitor {
    time_slice: Duration,
    /// Sleeps until somebody becomes active.
    asleep: AtomicBool,
    woken: Mutex<bool>,
    changed: Condvar,
    /// Machines whose threads it is to start.
    to_start: Mutex<Vec<u32>>,
    /// How often a machine became active.
    activations: AtomicU32,
    /// How often somebody asked for another look at a runtime at rest.
    nudges: AtomicU32,
    /// The time, in units of [`EPOCH_SHIFT`], as of the last look.
    epoch: AtomicU32,
    pub(crate) counts: Counts,
}

/// What the monitor did so far.
#[derive(Default)]
pub(crate) struct Counts {
    /// Goroutines that were asked to give way.
    pub(crate) slices_ended: AtomicU64,
    /// Permits taken from machines that hog a processor, that block unannounced,
    /// and that block in [`blocking`](crate::blocking()).
    pub(crate) hogs: AtomicU64,
    pub(crate) blocked: AtomicU64,
    pub(crate) announced: AtomicU64,
    /// Goroutines at home on the threads of the first two kinds.
    pub(crate) stranded: AtomicU64,
    /// Parked stacks that gave memory back.
    pub(crate) shrunk: AtomicU64,
}

/// Nanoseconds are shifted by so much for the coarse clock: 134 milliseconds.
pub(crate) const EPOCH_SHIFT: u32 = 27;

/// How much time lies between two readings of the coarse clock; none if the
/// second one is older, as the copies of the clock may differ a little.
pub(crate) fn span(from: u32, to: u32) -> Duration {
    let count = i32::try_from(to.wrapping_sub(from)).unwrap_or(0);
    Duration::from_nanos(u64::from(count.unsigned_abs()) << EPOCH_SHIFT)
}

impl Monitor {
    pub(crate) fn new(time_slice: Duration) -> Monitor {
        Monitor {
            time_slice,
            asleep: AtomicBool::new(false),
            woken: Mutex::new(false),
            changed: Condvar::new(),
            to_start: Mutex::default(),
            activations: AtomicU32::new(0),
            nudges: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            counts: Counts::default(),
        }
    }

    /// The time on the coarse clock.
    #[inline]
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// How often a machine became active so far.
    fn activations(&self) -> u32 {
        self.activations.load(Ordering::Relaxed)
    }

    /// A machine has become active, at this time.
    pub(crate) fn see_activity(&self, now: u64) {
        self.epoch
            .store((now >> EPOCH_SHIFT) as u32, Ordering::Relaxed);
        self.activations.fetch_add(1, Ordering::Relaxed);
        // Pairs with the heavy barrier of `sleep_while_idle`: either that side
        // sees the permit that was taken before this, or we see it asleep.
        barrier::light();
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// What a look at a runtime at rest saw may have changed, though no machine
    /// became active.
    pub(crate) fn nudge(&self) {
        // Release: pairs with the Acquire of `nudges`: who sees the count sees what
        // has changed.
        self.nudges.fetch_add(1, Ordering::Release);
        // Pairs with the heavy barrier of `sleep_while_idle`: either that side sees
        // the count, or we see it asleep.
        barrier::light();
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    pub(crate) fn nudges(&self) -> u32 {
        self.nudges.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }

    /// Starts the thread of a machine soon; see
    /// [`Shared::start_for_another`].
    pub(crate) fn start_later(&self, number: u32) {
        self.to_start.lock().push(number);
        self.wake();
    }

    /// False when nobody woke it.
    fn sleep(&self, timeout: Option<Duration>) {
        let mut woken = self.woken.lock();
        if !*woken {
            match timeout {
                None => self.changed.wait(&mut woken),
                Some(timeout) => {
                    self.changed.wait_for(&mut woken, timeout);
                }
            }
        }
        *woken = false;
    }

    /// Sleeps until a machine becomes active, or somebody nudges it.
    fn sleep_while_idle(&self, shared: &Shared, lookout: &Lookout) {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the light barriers of `see_activity` and `nudge`.
        barrier::heavy();
        if is_idle(shared) && lookout.has_seen_all(shared) && !shared.is_over() {
            self.sleep(None);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

fn is_idle(shared: &Shared) -> bool {
    shared.permits.all_free()
}

/// Starts the thread.
///
/// # Errors
///
/// When the system refuses it.
pub(crate) fn start(
    shared: &Arc<Shared>,
    trace: TraceOptions,
) -> io::Result<thread::JoinHandle<()>> {
    let name = format!("{}-monitor", shared.config.thread_name);
    let shared = Arc::clone(shared);
    thread::Builder::new().name(name).spawn(move || {
        let _member = shared.deadlocks.threads.enter();
        sleep_precisely();
        watch(&shared, SchedTrace::new(trace));
    })
}

fn watch(shared: &Shared, mut trace: SchedTrace) {
    let monitor = &shared.monitor;
    let mut machines = Watch::default();
    let mut memory = Memory::default();
    let mut lookout = Lookout::default();
    let mut expired = Vec::with_capacity(64);
    let mut delay = DELAY_MIN;
    let delay_max = DELAY_MAX.min(monitor.time_slice).max(DELAY_MIN);
    let (mut quiet, mut idle) = (0, 0);
    while !shared.is_over() {
        let to_start = mem::take(&mut *monitor.to_start.lock());
        to_start
            .into_iter()
            .for_each(|number| shared.start_for_another(number));
        let now = shared.clock.now();
        monitor
            .epoch
            .store((now >> EPOCH_SHIFT) as u32, Ordering::Relaxed);
        if shared.earliest_timer().saturating_add(OVERDUE_NS) <= now {
            shared.pass_on_what_is_due(&mut expired);
        }
        if quiet > 0 {
            // At the second look: a machine between two polls needs no help.
            shared.see_to_netpoll();
            // The system may have refused a thread for it, but not for ever.
            if shared.global_len() != 0 {
                shared.notify();
            }
        }
        let acted = machines.look(shared, now, monitor.time_slice)
            | lookout.look(shared, delay == delay_max);
        let has_cooled = memory.look(shared, now);
        trace.look(shared, now);
        if acted {
            (delay, quiet) = (DELAY_MIN, 0);
        } else if quiet < QUIET_LOOKS {
            quiet += 1;
        } else {
            delay = (delay * 2).min(delay_max);
        }
        idle = if is_idle(shared) { 2.min(idle + 1) } else { 0 };
        // Twice at full length: not for a moment's rest.
        let rests = idle > 1 && delay == delay_max;
        let is_done = has_cooled && lookout.has_seen_all(shared);
        let is_needed = trace.is_on() || shared.lacks_poller() || shared.global_len() != 0;
        if rests && is_done && !is_needed {
            monitor.sleep_while_idle(shared, &lookout);
            (delay, quiet, idle) = (DELAY_MIN, 0, 0);
        } else {
            monitor.sleep(Some(trace.limit(delay, now)));
        }
    }
}
