//! Deadlocks: finding out that nothing can ever run again, and telling `run`.
//!
//! * `look`: whether the runtime is asleep for good, and what comes of it.
//! * `lookout`: when the monitor looks.
//! * `mains`: who is to be told: those who wait in `run`, or for a shutdown.
//! * `threads`: the OS threads of the process, and whose they are.
//! * `report`, `graph`: what is told, and who waits for whom.
//!
//! What counts as a deadlock, and why it is never found where there is none, and
//! always where there is one: `README.md` beside this file. Nothing here is on the
//! path of an operation: a runtime with work pays for a counter that changes
//! under a lock that is held anyway.

mod graph;
mod look;
mod lookout;
mod mains;
mod report;
mod threads;

pub(crate) use lookout::Lookout;
pub use report::DeadlockReport;
pub(crate) use threads::{OwnThreads, enter_as_servant};

use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::scheduler::Shared;
use mains::Mains;
use std::sync::{Arc, Weak};

/// When a runtime looks for deadlocks; see
/// [`Builder::deadlock_detection`](crate::Builder::deadlock_detection).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeadlockDetection {
    /// When no thread foreign to the runtime exists, which could still wake one of
    /// its goroutines: all threads of the process are the runtime's own, or wait in
    /// its [`run`](crate::Runtime::run), or for
    /// [SIGQUIT](crate::Builder::dump_on_sigquit).
    ///
    /// So never under a test harness, which has threads of its own. A thread of
    /// another runtime is foreign, too. If a foreign thread ends when everybody is
    /// asleep already, and wakes nobody, the deadlock that it leaves may be missed.
    #[default]
    Auto,
    /// Whatever other threads exist: for a program, or a test, in which none of
    /// them ever wakes a goroutine of this runtime that nobody else would.
    Always,
    /// Never.
    Off,
}

/// What a runtime knows about deadlocks.
pub(crate) struct Deadlocks {
    mode: DeadlockDetection,
    pub(crate) threads: Arc<OwnThreads>,
    mains: Mains,
    /// How much may come from outside that no parked goroutine shows.
    outside: AtomicUsize,
    /// The runtime shuts down, and the goroutines that are left never end.
    is_hopeless: AtomicBool,
}

impl Deadlocks {
    pub(crate) fn new(mode: DeadlockDetection, threads: Arc<OwnThreads>) -> Deadlocks {
        Deadlocks {
            mode,
            threads,
            mains: Mains::default(),
            outside: AtomicUsize::new(0),
            is_hopeless: AtomicBool::new(false),
        }
    }

    /// The goroutines that a shutdown waits for never end.
    pub(crate) fn lose_hope(&self) {
        self.is_hopeless.store(true, Ordering::Release);
    }

    /// Whether the goroutines that a shutdown waits for never end.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.is_hopeless.load(Ordering::Acquire)
    }
}

/// Something may wake goroutines from outside of the runtime, as long as this
/// exists: there is no deadlock meanwhile.
///
/// Whoever drops it has claimed before whom it was going to wake, if anybody.
pub(crate) struct Outside {
    runtime: Weak<Shared>,
}

impl Shared {
    /// Announces something that may wake goroutines, and that no goroutine's own
    /// wait tells of: signals, threads that serve the runtime.
    pub(crate) fn expect_from_outside(&self) -> Outside {
        // Relaxed: whoever begins this runs on a goroutine, which has a permit, or
        // on a thread that counts as foreign.
        self.deadlocks.outside.fetch_add(1, Ordering::Relaxed);
        Outside {
            runtime: self.weak().clone(),
        }
    }

    /// What a look for deadlocks saw may have changed although no machine was given
    /// a permit.
    pub(crate) fn look_again(&self) {
        if self.deadlocks.mode == DeadlockDetection::Off {
            return;
        }
        if self.config.is_simulated() {
            // There, the machine itself looks before it sleeps.
            self.slots.iter().for_each(|slot| slot.parker.unpark());
        } else {
            self.monitor.nudge();
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Some(shared) = self.runtime.upgrade() {
            // Release: pairs with the Acquire of the look that sees it gone, and
            // then sees who was claimed.
            if shared.deadlocks.outside.fetch_sub(1, Ordering::Release) == 1 {
                shared.look_again();
            }
        }
    }
}
