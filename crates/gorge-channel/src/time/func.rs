//! Functions that run later.
//!
//! Each time that it is set, a goroutine waits until the function is due, or until the
//! channel is closed whose other end the timer has: by a stop, or a new setting. Whether
//! the function runs is decided by one byte, which the goroutine and a stop both want to
//! change.

use crate::{Receiver, RecvTimeoutError, Sender, bounded};
use gorge_runtime::primitive::RawLock;
use gorge_runtime::primitive::atomic::{AtomicBool, Ordering};
use gorge_runtime::{go, preempt, time};
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A function that runs later; made by [`after_func`]. Dropping this changes nothing: the
/// function runs when its time has come.
pub struct FuncTimer {
    function: Function,
    lock: RawLock,
    /// The last setting. Under the lock.
    setting: UnsafeCell<Setting>,
}

type Function = Arc<dyn Fn() + Send + Sync>;

/// One setting of a timer, as the timer sees it.
struct Setting {
    /// Whether it is decided if the function runs for it.
    is_over: Arc<AtomicBool>,
    /// Dropped, it ends the goroutine's wait.
    waits: Option<Sender<Infallible>>,
}

// SAFETY: the setting is touched under the lock, and is `Send`.
unsafe impl Send for FuncTimer {}
// SAFETY: as above.
unsafe impl Sync for FuncTimer {}

/// Runs a function on a goroutine of its own, in `duration` from now, unless it is
/// [stopped](FuncTimer::stop) before. It may run again after a [reset](FuncTimer::reset), or
/// beside itself if it takes long.
///
/// The goroutine waits from now on, and belongs to the caller's runtime: if that ends before
/// the time has come, the function does not run.
///
/// # Examples
///
/// ```
/// use gorge_channel::{bounded, time::after_func};
/// use std::time::Duration;
///
/// let (ring, bell) = bounded(1);
/// let timer = after_func(Duration::from_secs(3600), move || _ = ring.try_send("dong"));
/// assert!(timer.reset(Duration::from_millis(1)));
/// assert_eq!(bell.recv(), Ok("dong"));
/// assert!(!timer.stop());
/// ```
pub fn after_func<F>(duration: Duration, f: F) -> FuncTimer
where
    F: Fn() + Send + Sync + 'static,
{
    let function: Function = Arc::new(f);
    let setting = Setting::new(&function, time::deadline(duration));
    FuncTimer {
        function,
        lock: RawLock::new(),
        setting: UnsafeCell::new(setting),
    }
}

impl FuncTimer {
    /// Keeps the function from running: true if it would have. False if it was started,
    /// which this does not wait for, or had been stopped.
    pub fn stop(&self) -> bool {
        preempt::point_at_without_cancel("stop a timer");
        self.replace(Setting::none())
    }

    /// Lets the function run in `duration` from now, whatever was set before. True as for
    /// [`stop`](FuncTimer::stop).
    pub fn reset(&self, duration: Duration) -> bool {
        preempt::point_at_without_cancel("set a timer");
        self.replace(Setting::new(&self.function, time::deadline(duration)))
    }

    fn replace(&self, mut setting: Setting) -> bool {
        self.lock.lock();
        // SAFETY: the lock is held.
        mem::swap(unsafe { &mut *self.setting.get() }, &mut setting);
        // SAFETY: it was taken above.
        unsafe { self.lock.unlock() };
        setting.end()
    }
}

impl Setting {
    fn none() -> Setting {
        Setting {
            is_over: Arc::new(AtomicBool::new(true)),
            waits: None,
        }
    }

    fn new(function: &Function, due: Option<Instant>) -> Setting {
        let (waits, is_stopped) = bounded(0);
        let is_over = Arc::new(AtomicBool::new(false));
        if let Some(due) = due {
            let (function, is_over) = (Arc::clone(function), Arc::clone(&is_over));
            drop(go(move || run(&function, due, &is_stopped, &is_over)));
        }
        Setting {
            is_over,
            waits: Some(waits),
        }
    }

    /// The function does not run for it any more. True if it would have.
    fn end(mut self) -> bool {
        // AcqRel: pairs with `run`. What the function did that began before comes before
        // what follows a false.
        let was_over = self.is_over.swap(true, Ordering::AcqRel);
        self.waits = None;
        !was_over
    }
}

/// What the goroutine of a setting does.
fn run(function: &Function, due: Instant, stopped: &Receiver<Infallible>, is_over: &AtomicBool) {
    if let Err(RecvTimeoutError::Disconnected) = stopped.recv_deadline(due) {
        // Acquire: pairs with `Setting::end`, as below.
        if is_over.load(Ordering::Acquire) {
            return;
        }
        // Nobody stopped it: the timer was dropped.
        time::sleep_until(due);
    }
    // AcqRel: pairs with `Setting::end`.
    if !is_over.swap(true, Ordering::AcqRel) {
        function();
    }
}

impl fmt::Debug for FuncTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("FuncTimer { .. }")
    }
}

// It cannot be seen half-way.
impl UnwindSafe for FuncTimer {}
impl RefUnwindSafe for FuncTimer {}
