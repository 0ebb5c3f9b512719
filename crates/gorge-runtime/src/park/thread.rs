//! The park seam for OS threads: one cell per thread.
//!
//! The cell is a thread-local and not part of the parked frame, because a
//! waiter stays published until the operation takes it back, which is after
//! [`park`] has returned: until then a waker may still look at the cell, and
//! finds its wait over.
//!
//! The thread spins briefly, then sleeps in the parking lot under the address
//! of its cell. A waker first sets the token (claim), later WOKEN, and then, if
//! the thread had said that it sleeps, unparks that address: between WOKEN and
//! the unpark the cell may already be gone, which is why only its address is used
//! from there on. At worst a later wait at the same address wakes early, looks, and
//! sleeps again.
//!
//! The lost wake-up to fear: the thread falls asleep while the waker sees it awake.
//! ASLEEP and WOKEN are set in one word, each in a step that shows whether the other
//! is there: the waker finds ASLEEP, or the thread finds WOKEN.
//!
//! A `commit` may run a stranger's code, the waker of a future, and that may wait in
//! its turn. So a thread has several cells, one for each wait that began within the
//! `commit` of another.

#[cfg(not(gorge_loom))]
use super::cell::ASLEEP;
use super::cell::{Owner, ParkCell, WOKEN};
use super::{Outcome, TOKEN_TIMED_OUT, Wait, Waiter};
#[cfg(not(gorge_loom))]
use std::cell::Cell;
use std::ptr::NonNull;

/// # Safety
///
/// As for [`super::park`].
pub(super) unsafe fn park<P, C>(wait: &Wait, publish: P, commit: C) -> Outcome
where
    P: FnOnce(Waiter),
    C: FnOnce(),
{
    with_sleeper(|sleeper| {
        let ticket = sleeper.cell.begin(wait.reason, wait.object, 0);
        publish(Waiter::new(NonNull::from(&sleeper.cell), ticket));
        commit();
        sleeper.sleep(wait, ticket);
        Outcome::from_token(sleeper.cell.load().token())
    })
}

/// So many waits may begin within each other.
#[cfg(not(gorge_loom))]
const DEPTH: usize = 4;

// They have no destructors, so they are there for as long as the thread is, also
// while the destructors of other thread-locals run.
#[cfg(not(gorge_loom))]
thread_local! {
    static SLEEPERS: [Sleeper; DEPTH] = const { [const { Sleeper::new() }; DEPTH] };
    /// How many of them are in use.
    static USED: Cell<usize> = const { Cell::new(0) };
    /// The thread has looked around before its next wait.
    static HAS_LINGERED: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread has looked around for what it is going to wait for.
#[cfg(not(gorge_loom))]
pub(super) fn has_lingered() {
    HAS_LINGERED.set(true);
}

/// Runs a wait with a cell that is not in use.
#[cfg(not(gorge_loom))]
fn with_sleeper<R>(wait: impl FnOnce(&Sleeper) -> R) -> R {
    let used = USED.get();
    if used == DEPTH {
        crate::report::report(format_args!(
            "gorge: a thread waits in a waker that was called where it waits, {DEPTH} times within \
             each other: wakers of futures must not wait; aborting"
        ));
        std::process::abort();
    }
    USED.set(used + 1);
    let result = SLEEPERS.with(|sleepers| wait(&sleepers[used]));
    USED.set(used);
    result
}

#[cfg(gorge_loom)]
loom::thread_local! {
    static SLEEPER: Sleeper = Sleeper::new();
}

#[cfg(gorge_loom)]
fn with_sleeper<R>(wait: impl FnOnce(&Sleeper) -> R) -> R {
    SLEEPER.with(wait)
}

/// # Safety
///
/// The caller has claimed the wait of this cell and wakes it once.
pub(super) unsafe fn wake(cell: NonNull<ParkCell>) {
    // SAFETY: the thread does not return before it sees WOKEN.
    unsafe { Sleeper::wake(cell) }
}

#[cfg(not(gorge_loom))]
#[repr(C)]
struct Sleeper {
    cell: ParkCell,
}

#[cfg(not(gorge_loom))]
impl Sleeper {
    /// How often a thread looks before it sleeps: about ten microseconds, the
    /// order of a sleep and a wake-up.
    const SPINS: u32 = 1000;

    /// If it has looked before it began to wait: only for who was just coming.
    const SPINS_AFTER_LINGERING: u32 = 100;

    const fn new() -> Sleeper {
        Sleeper {
            cell: ParkCell::new(Owner::Thread),
        }
    }

    fn sleep(&self, wait: &Wait, ticket: u32) {
        let spins = match HAS_LINGERED.take() {
            true => Self::SPINS_AFTER_LINGERING,
            false => Self::SPINS,
        };
        for _ in 0..spins {
            if self.cell.load().has(WOKEN) {
                return;
            }
            crate::primitive::spin_hint();
        }
        if self.cell.falls_asleep() {
            self.sleep_long(wait, ticket);
        }
        // Whoever ended the wait is done with the word.
        self.cell.set_flag(ASLEEP, false);
    }

    fn sleep_long(&self, wait: &Wait, ticket: u32) {
        let mut deadline = wait.deadline;
        while !self.cell.load().has(WOKEN) {
            if !self.sleep_until(deadline) && deadline.is_some() {
                // Timed out. If a waker was faster, wait for it to finish.
                if self.cell.claim(ticket, TOKEN_TIMED_OUT) {
                    return;
                }
                deadline = None;
            }
        }
    }

    /// False when the deadline passed.
    fn sleep_until(&self, deadline: Option<std::time::Instant>) -> bool {
        let not_woken = || !self.cell.load().has(WOKEN);
        // SAFETY: the key is this cell's address, used by no other parking;
        // the callbacks neither panic nor call the parking lot.
        let result = unsafe {
            parking_lot_core::park(
                std::ptr::from_ref(&self.cell).addr(),
                not_woken,
                || {},
                |_, _| {},
                parking_lot_core::DEFAULT_PARK_TOKEN,
                deadline,
            )
        };
        result != parking_lot_core::ParkResult::TimedOut
    }

    /// # Safety
    ///
    /// As for [`wake`].
    unsafe fn wake(cell: NonNull<ParkCell>) {
        // SAFETY: the cell is alive until `woken` is seen; after that only its
        // address is used, as the key of this kind of parking.
        unsafe {
            if cell.as_ref().woken() {
                parking_lot_core::unpark_one(cell.as_ptr().addr(), |_| {
                    parking_lot_core::DEFAULT_UNPARK_TOKEN
                });
            }
        }
    }
}

#[cfg(gorge_loom)]
#[repr(C)]
struct Sleeper {
    cell: ParkCell,
    /// Not loom's `unpark`, which would also wake a thread that waits for a lock.
    wake_up: loom::sync::Arc<loom::sync::Notify>,
}

#[cfg(gorge_loom)]
impl Sleeper {
    fn new() -> Sleeper {
        Sleeper {
            cell: ParkCell::new(Owner::Thread),
            wake_up: loom::sync::Arc::new(loom::sync::Notify::new()),
        }
    }

    /// Loom has no clock: a wait with a deadline may time out at any moment.
    fn sleep(&self, wait: &Wait, ticket: u32) {
        if wait.deadline.is_some() {
            loom::thread::yield_now();
            if self.cell.claim(ticket, TOKEN_TIMED_OUT) {
                return;
            }
        }
        while !self.cell.load().has(WOKEN) {
            self.wake_up.wait();
        }
    }

    /// # Safety
    ///
    /// As for [`wake`].
    unsafe fn wake(cell: NonNull<ParkCell>) {
        // SAFETY: the cell is the first field of a sleeper, which is alive
        // until `woken` is seen; the notification is shared before.
        unsafe {
            let wake_up = cell.cast::<Sleeper>().as_ref().wake_up.clone();
            cell.as_ref().woken();
            wake_up.notify();
        }
    }
}
