//! Pinning: a goroutine on an OS thread of its own.
//!
//! A started goroutine's frames must not change threads, so [`pin`](fn@pin) leaves them
//! where they are and runs its closure on a second stack, at home on a fresh
//! machine that takes no other work. It is still the same goroutine: while it is
//! pinned, its G's fiber and home are those of the second stack.
//!
//! ```text
//!   on the old thread             on the new one
//!     pin(f): leaves
//!     machine: swaps fiber, home
//!                                   f, parking and waking as usual
//!                                   its body ends
//!                                   machine: swaps back, and ends
//!     pin returns
//! ```

use super::no_park::check_may_park;
use super::{G, GRef, Run};
use crate::cancel;
use crate::panics;
use crate::park::MID_PANIC;
use crate::primitive::atomic::Ordering;
use crate::scheduler::{self, Machine, current};
use crate::stack::Extent;
use gorge_coroutine::fiber::{Fiber, Suspender};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::thread;

/// The word with which the second stack's body ends.
pub(crate) const PINNED_BODY_ENDED: usize = 1;

/// What is exchanged when a goroutine changes to its second stack and back.
pub(crate) struct Pinned {
    fiber: Fiber,
    home: u32,
    /// Of the stack that is not in use: first the second one's, then the other's.
    segments: Vec<Extent>,
    run: unsafe fn(NonNull<()>),
    errand: NonNull<()>,
}

impl Pinned {
    /// Where the pinned goroutine left its own stack, and the segments that it had
    /// then; while its closure runs.
    pub(crate) fn left(&self) -> (&Fiber, &[Extent]) {
        (&self.fiber, &self.segments)
    }
}

/// A closure and the place for its result.
struct Errand<F, T> {
    f: Option<F>,
    result: Option<thread::Result<T>>,
}

/// Runs `f` on an OS thread that the goroutine has to itself meanwhile: Go's
/// `LockOSThread`, as a scope. The thread ends with `f`.
///
/// For code that depends on its thread's identity (a graphics context, the
/// thread's namespaces or priority), and for one kernel thread per activity:
/// blocking it harms nobody. `f` may wait for other goroutines as ever; each
/// wake-up is a switch of threads, some microseconds. Thread-locals of the
/// caller's thread are not seen inside, and no thread of the runtime inherits
/// what `f` changes of its own. On an OS thread, `f` is simply called;
/// so it is where the goroutine is pinned already, and in a simulation.
///
/// # Panics
///
/// If the system refuses a thread or a stack. A panic of `f` continues here.
///
/// # Cancellation
///
/// Delivers a cancel before `f` begins; `f` is cancelled as any code is.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, goroutine};
/// use std::thread;
///
/// let threads = go(|| {
///     let own = goroutine::pin(|| thread::current().id());
///     (thread::current().id(), own)
/// });
/// let (shared, own) = threads.join().unwrap();
/// assert_ne!(shared, own);
/// ```
pub fn pin<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let machine = match current::machine_in_goroutine() {
        Some(machine) if machine.can_pin() => machine,
        _ => return f(),
    };
    check_may_park();
    if cancel::is_pending() {
        cancel::deliver();
    }
    let g = machine.running();
    let shared = machine.shared().clone();
    // SAFETY: the goroutine's own code reads its run part.
    let reserve_kib = unsafe { (*g.as_ref().run.get()).reserve_kib };
    let stack = match reserve_kib {
        0 => shared.stacks.take(),
        kib => shared.segments.take(kib as usize * 1024),
    };
    let stack = stack.unwrap_or_else(|error| panic!("pin: no stack: {error}"));
    let home = shared
        .start_dedicated()
        .unwrap_or_else(|error| panic!("pin: no thread: {error}"));
    drop(shared);
    let mut errand = Errand {
        f: Some(f),
        result: None,
    };
    let mut pinned = Pinned {
        // SAFETY: the stack is this frame's, and kept until the body has ended.
        fiber: unsafe { Fiber::new(&stack, body) },
        home,
        segments: vec![Extent::of(&stack)],
        run: run::<F, T>,
        errand: NonNull::from(&mut errand).cast(),
    };
    // Before its placement changes: while it panics it comes back to this thread.
    // SAFETY: the running goroutine is alive, and stays so: this is its code.
    let shared_g = unsafe { g.as_ref() };
    let panicking = panics::before_leaving(shared_g, machine);
    // On its own thread it does not panic.
    shared_g.cell.set_flag(MID_PANIC, false);
    // SAFETY: this is the goroutine's own code, on its stack, whose frame stays
    // until the body has ended and the goroutine is back here.
    unsafe {
        let run = g.as_ref().run.get();
        (*run).extras.get_or_insert_default().pinned = Some(NonNull::from(&mut pinned));
        scheduler::leave_to_move(g);
    }
    if panicking {
        panics::is_back_mid_panic(shared_g);
    }
    match errand.result {
        Some(Ok(value)) => value,
        Some(Err(panic)) => panics::resume(panic),
        None => unreachable!("a pinned goroutine comes back when its body has ended"),
    }
}

/// # Safety
///
/// `errand` points to an `Errand<F, T>` that nobody else uses meanwhile.
unsafe fn run<F: FnOnce() -> T, T>(errand: NonNull<()>) {
    // SAFETY: the caller's contract.
    let errand = unsafe { errand.cast::<Errand<F, T>>().as_mut() };
    let Some(f) = errand.f.take() else {
        unreachable!("an errand is run once")
    };
    errand.result = Some(catch_unwind(AssertUnwindSafe(f)));
}

/// What runs on the second stack.
///
/// # Safety
///
/// `word` is the address of the G that is pinned.
unsafe fn body(word: usize, _: Suspender) -> usize {
    // SAFETY: the G is alive while it runs this; `pinned` lies in the frame of
    // `pin`, which waits, and closure and result are `Send`.
    unsafe {
        let run = (*(word as *const G)).run.get();
        let pinned = (*run).extras.as_ref().and_then(|extras| extras.pinned);
        let Some(pinned) = pinned else {
            unreachable!("a second stack belongs to a pinned goroutine")
        };
        let (run, errand) = (pinned.as_ref().run, pinned.as_ref().errand);
        run(errand);
    }
    PINNED_BODY_ENDED
}

/// Machine: exchanges the goroutine's stack and home for the others. Returns the
/// fiber that was in use.
///
/// # Safety
///
/// The goroutine has left its stack, and is the caller's; it is pinned.
pub(crate) unsafe fn exchange(g: GRef) {
    // SAFETY: the caller's contract; `pinned` lies in a frame of the goroutine.
    unsafe {
        let run = g.as_ref().run.get();
        let Some(extras) = &mut (*run).extras else {
            unreachable!("a pinned goroutine has extras")
        };
        let Some(mut pinned) = extras.pinned else {
            unreachable!("called for a pinned goroutine")
        };
        let pinned = pinned.as_mut();
        mem::swap((*run).fiber.assume_init_mut(), &mut pinned.fiber);
        mem::swap(&mut extras.grown.segments, &mut pinned.segments);
        let home = g.as_ref().home();
        g.as_ref().set_home(mem::replace(&mut pinned.home, home));
    }
}

/// Machine: the body on the second stack has ended.
///
/// # Safety
///
/// `g` was running on `machine` and has finished its second stack; `run` is its
/// run part.
pub(crate) unsafe fn unpin(machine: &Machine, g: GRef, run: *mut Run) {
    // SAFETY: the caller's contract. No frame is live on the second stack.
    unsafe {
        exchange(g);
        if let Some(extras) = &mut (*run).extras
            && let Some(pinned) = extras.pinned.take()
        {
            std::ptr::read(&raw const (*pinned.as_ptr()).fiber).retire();
        }
        machine.discharge();
        let shared = machine.shared();
        g.as_ref().on_machine.store(0, Ordering::Release);
        shared.ready(g);
    }
}
