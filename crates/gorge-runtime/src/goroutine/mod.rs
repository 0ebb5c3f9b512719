//! Goroutines: the object behind one (G), and what users hold of it.
//!
//! A G is allocated once and lives many lives. It owns no stack until its
//! first run. Who may touch what:
//!
//! * `cell`, `timer`, `life`, `home`, `on_machine`, `next`, `id`, `origin`: atomics, anybody.
//! * `run` (fiber, stack, task): only the machine that has taken
//!   the G from a queue, or the goroutine's own code on its stack. Queues pass
//!   the ownership on, with the ordering that a queue gives.
//! * `join` and the name: under the lock of the former; see `joiner` for what is not.
//! * `runtime` and `slab`: never change.

mod builder;
mod extras;
mod handle;
mod join;
mod joiner;
mod life;
mod local;
mod no_park;
mod ops;
mod pin;
mod scope;
mod slab;
mod spawn;
mod store;
mod task;

pub use crate::goroutine_local;
pub use crate::leak::assert_no_leaks;
pub use builder::Builder;
pub use handle::{Goroutine, GoroutineId};
pub use join::JoinHandle;
pub(crate) use join::join_lent;
pub(crate) use life::Completion;
pub(crate) use local::drop_locals;
pub use local::{AccessError, LocalKey};
pub use no_park::no_park;
use no_park::park_anyhow;
pub(crate) use no_park::{check_may_park, must_not_park, refuse_to_park};
pub use ops::{current, park, park_forever, park_timeout, sleep, yield_now};
pub use pin::pin;
pub(crate) use pin::{PINNED_BODY_ENDED, exchange, unpin};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use spawn::spawn;
pub(crate) use spawn::{Spec, spawn_on, with_runtime};
pub(crate) use store::Store;

use crate::error::Failure;
use crate::park::{Owner, ParkCell};
use crate::primitive::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::scheduler::Shared;
use extras::Extras;
use gorge_coroutine::PooledStack;
use gorge_coroutine::fiber::Fiber;
use joiner::JoinSlot;
use life::Life;
use slab::Slab;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Weak};
use task::Task;

/// A pointer to a G. Its holder has a reference of its [`Life`], or has taken
/// it from a queue.
pub(crate) type GRef = NonNull<G>;

/// Any machine may run the goroutine: not started yet, or migrating.
pub(crate) const NO_HOME: u32 = 0;

/// See the module's description.
///
/// A goroutine that is started, runs and ends without a wait or a joiner touches three of its
/// four cache lines: thousands that are started together are more than the first cache holds.
#[repr(C, align(64))]
pub(crate) struct G {
    /// State word; first, because the park seam casts its address to the G's.
    pub(crate) cell: ParkCell,
    /// The machine (index + 1) on whose thread this G's stack is in use.
    pub(crate) on_machine: AtomicU32,
    /// The machine (index + 1) that this goroutine is bound to, or [`NO_HOME`].
    home: AtomicU32,
    pub(crate) life: Life,
    /// Link of the queue that the G is in: an inbox.
    pub(crate) next: AtomicPtr<G>,
    pub(crate) origin: Origin,
    pub(crate) run: UnsafeCell<Run>,
    pub(crate) id: AtomicU64,
    /// The deadline of its wait.
    pub(crate) timer: crate::timer::Slot,
    /// Changed under the join lock, and only between two lives.
    name: UnsafeCell<Option<Arc<String>>>,
    join: JoinSlot,
    /// Which runtime's store owns the G.
    runtime: Weak<Shared>,
    /// Where it lies.
    slab: NonNull<Slab>,
}

/// Where a goroutine comes from, for dumps.
pub(crate) struct Origin {
    pub(crate) parent: AtomicU64,
    pub(crate) site: AtomicPtr<Location<'static>>,
}

/// What only the one who runs the goroutine touches.
#[repr(C)]
pub(crate) struct Run {
    /// What few goroutines have.
    pub(crate) extras: Option<Box<Extras>>,
    /// The scope that the goroutine was started in.
    pub(crate) family: Option<Arc<scope::Family>>,
    /// There as long as `stack` is.
    pub(crate) fiber: MaybeUninit<Fiber>,
    /// From the first run to the end.
    pub(crate) stack: Option<PooledStack>,
    /// KiB of stack asked for; zero for the runtime's default.
    pub(crate) reserve_kib: u32,
    /// When it was made runnable, in units of 256 ns of the runtime's clock, if
    /// that is measured; zero if not.
    pub(crate) runnable_since: u32,
    /// The wait in which its stack gave back what it did not use.
    pub(crate) shrunk_at: u32,
    pub(crate) migrating: bool,
    /// Whether the task's result is a panic.
    pub(crate) panicked: bool,
    /// The task's result is a failure that nobody has heard of.
    pub(crate) unreported: bool,
    /// Whether the G has a name, of this life or of the one before.
    is_named: bool,
    pub(crate) task: Task,
}

/// By pointers: others may look at other fields meanwhile.
impl Run {
    /// Whether any machine may resume the goroutine, as far as its placement
    /// goes.
    ///
    /// # Safety
    ///
    /// The caller is the goroutine's own code, or has its stack claimed.
    pub(crate) unsafe fn is_free_to_move(run: *const Run) -> bool {
        // SAFETY: the caller's contract.
        unsafe { (*run).migrating && (*run).extras.as_ref().is_none_or(|it| it.pinned.is_none()) }
    }

    /// The failure that is the task's result.
    ///
    /// # Safety
    ///
    /// The task holds its result, which stays while the caller looks.
    pub(crate) unsafe fn failure<'a>(run: *mut Run) -> Option<&'a Failure> {
        // SAFETY: the caller's contract.
        unsafe { Task::failure(&raw mut (*run).task) }
    }

    /// Whether the goroutine is on the stack that it was given, and neither on
    /// a segment nor on the stack of a pinned closure.
    ///
    /// # Safety
    ///
    /// The caller has the goroutine's stack claimed.
    pub(crate) unsafe fn is_on_own_stack(run: *const Run) -> bool {
        // SAFETY: the caller's contract.
        let extras = unsafe { (*run).extras.as_ref() };
        extras.is_none_or(|extras| extras.grown.segments.is_empty() && extras.pinned.is_none())
    }

    /// What the goroutine has, if it weighs more than one in a run queue.
    ///
    /// # Safety
    ///
    /// The goroutine does not run, and is the caller's to queue or to run.
    #[inline]
    pub(crate) unsafe fn weighty<'a>(run: *const Run) -> Option<&'a Extras> {
        // SAFETY: the caller's contract: its own code, which alone changes them,
        // does not run.
        unsafe { (*run).extras.as_deref().filter(|extras| extras.weight != 0) }
    }
}

impl G {
    /// Where the goroutine was started.
    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        let site = self.origin.site.load(Ordering::Relaxed);
        // SAFETY: null, or the address of a `&'static Location` from a spawn.
        unsafe { site.as_ref() }
    }

    /// The name in this life.
    ///
    /// # Safety
    ///
    /// The caller keeps the G from its next life while it uses the name.
    pub(crate) unsafe fn name(&self) -> Option<&str> {
        // SAFETY: the name changes only between two lives.
        unsafe { (*self.name.get()).as_ref() }.map(|name| name.as_str())
    }

    /// The name, for a dump, which keeps nobody from anything.
    pub(crate) fn name_now(&self) -> Option<Arc<String>> {
        self.join.lock.lock();
        // SAFETY: names change under the lock, which is held.
        unsafe {
            let name = (*self.name.get()).clone();
            self.join.lock.unlock();
            name
        }
    }

    /// # Safety
    ///
    /// The G is between two lives, and the caller's.
    #[cold]
    unsafe fn change_name(&self, name: Option<Arc<String>>) {
        self.join.lock.lock();
        // SAFETY: under the lock, against dumps; nobody else reads it now.
        let old = unsafe {
            let old = std::mem::replace(&mut *self.name.get(), name);
            self.join.lock.unlock();
            old
        };
        drop(old);
    }
}

// SAFETY: the fields that are not atomics or locks have the owners that the
// module's description names, and are handed on through queues and locks that
// synchronise. Closures and results are `Send` by spawn's bounds; the fiber
// of a homed goroutine is resumed on its home only, and whoever makes one
// migrate has promised that it may.
unsafe impl Send for G {}
// SAFETY: as above.
unsafe impl Sync for G {}

impl G {
    fn new(runtime: Weak<Shared>, slab: NonNull<Slab>) -> G {
        G {
            cell: ParkCell::new(Owner::Goroutine),
            on_machine: AtomicU32::new(0),
            home: AtomicU32::new(NO_HOME),
            life: Life::new(),
            next: AtomicPtr::new(null_mut()),
            origin: Origin {
                parent: AtomicU64::new(0),
                site: AtomicPtr::new(null_mut()),
            },
            run: UnsafeCell::new(Run {
                extras: None,
                family: None,
                fiber: MaybeUninit::uninit(),
                stack: None,
                reserve_kib: 0,
                runnable_since: 0,
                shrunk_at: 0,
                migrating: false,
                panicked: false,
                unreported: false,
                is_named: false,
                task: Task::empty(),
            }),
            id: AtomicU64::new(0),
            timer: crate::timer::Slot::new(),
            name: UnsafeCell::new(None),
            join: JoinSlot::new(),
            runtime,
            slab,
        }
    }

    /// The machine (index + 1) to run on, or [`NO_HOME`].
    #[inline]
    pub(crate) fn home(&self) -> u32 {
        // Relaxed: written by the home itself; a waker learns of the goroutine
        // through something that synchronises.
        self.home.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_home(&self, home: u32) {
        self.home.store(home, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn id(&self) -> GoroutineId {
        GoroutineId::new(self.id.load(Ordering::Relaxed))
    }

    /// Whether `shared` is the runtime that this G belongs to.
    #[inline]
    pub(crate) fn belongs_to(&self, shared: &Shared) -> bool {
        std::ptr::eq(self.runtime.as_ptr(), shared)
    }

    pub(crate) fn runtime(&self) -> Option<Arc<Shared>> {
        self.runtime.upgrade()
    }

    /// Asks the goroutine to end at its next park point, now if it waits at one.
    pub(crate) fn cancel(&self) {
        use crate::park::{Claim, Outcome};
        if self.cell.request_cancel(Outcome::Cancelled.to_token()) {
            Claim::new(NonNull::from(&self.cell), Owner::Goroutine).wake();
        } else if let number @ 1.. = self.on_machine.load(Ordering::Relaxed)
            && let Some(runtime) = self.runtime()
        {
            // It runs: its next operation tells it, even one that would not wait.
            runtime.slots.get(number).cancel_running();
        }
    }
}

/// Runs the task on the goroutine's stack.
///
/// # Safety
///
/// `run` is the run part of a goroutine whose task holds a closure, and the
/// caller runs it.
pub(crate) unsafe fn run(run: *mut Run) {
    // SAFETY: the caller's contract.
    unsafe { (*run).panicked = Task::run(&raw mut (*run).task) }
}

/// Ends a task without running it.
///
/// # Safety
///
/// As for [`run`].
pub(crate) unsafe fn discard(run: *mut Run, failure: Failure) {
    // SAFETY: the caller's contract.
    unsafe { (*run).panicked = Task::discard(&raw mut (*run).task, failure) }
}

/// Drops the result of a task that nobody will ask for.
///
/// # Safety
///
/// As for [`run`], with a task that holds its result.
pub(crate) unsafe fn drop_result(run: *mut Run) {
    // SAFETY: the caller's contract.
    unsafe { Task::drop_result(&raw mut (*run).task) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    const LINE: usize = 64;

    #[test]
    fn a_g_fills_four_cache_lines_and_a_short_life_touches_three() {
        assert_eq!(size_of::<G>(), 4 * LINE);
        assert_eq!(offset_of!(G, run), LINE);
        // Whoever takes it from a queue looks at the first two.
        assert_eq!(offset_of!(G, run) + offset_of!(Run, task), 2 * LINE);
        assert!(offset_of!(G, id) + size_of::<AtomicU64>() <= 3 * LINE);
    }
}
