//! The atoms that the layers above are built from, with loom's twins.
//!
//! Under `--cfg gorge_loom` the atomics, cells and threads are loom's, so that
//! everything written against this module can be model-checked. Not part of
//! the stable interface: for the crates of this workspace.

pub mod barrier;
mod bias;
#[cfg(not(gorge_loom))]
mod biased;
mod cell;
#[cfg(not(gorge_loom))]
pub mod clock;
#[cfg_attr(gorge_loom, path = "lock_loom.rs")]
mod lock;
#[cfg(not(gorge_loom))]
mod place;
mod random;
pub mod sleep;

#[cfg(not(gorge_loom))]
pub use biased::BiasedLock;
pub use cell::UnsafeCell;
pub use lock::RawLock;
#[cfg(gorge_loom)]
pub use lock::RawLock as BiasedLock;
#[cfg(not(gorge_loom))]
pub use place::place;
pub use random::random_below;

#[cfg(not(gorge_loom))]
#[allow(
    clippy::disallowed_types,
    reason = "this module is the seam that replaces them"
)]
pub mod atomic {
    //! Atomic types: std's.
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

#[cfg(gorge_loom)]
pub mod atomic {
    //! Atomic types: loom's.
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// One step of a bounded spin: tells the processor, or loom, that this thread
/// waits for another.
#[inline]
pub fn spin_hint() {
    #[cfg(not(gorge_loom))]
    std::hint::spin_loop();
    #[cfg(gorge_loom)]
    loom::thread::yield_now();
}

/// Whether a short spin, for something that another thread is about to do, can
/// help at all: not where nobody else can run meanwhile.
#[cfg(not(gorge_loom))]
pub fn may_spin() -> bool {
    let known = parallelism();
    let procs = crate::scheduler::current::machine().map_or(known, |machine| machine.procs());
    known.min(procs) > 1
}

/// How many threads the system runs at once.
#[cfg(not(gorge_loom))]
pub(crate) fn parallelism() -> usize {
    use atomic::{AtomicUsize, Ordering};
    /// What this process found out about its machine; zero until it has looked.
    static PARALLELISM: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the answer never changes, and no data hangs on it.
    let mut known = PARALLELISM.load(Ordering::Relaxed);
    if known == 0 {
        known = std::thread::available_parallelism().map_or(1, usize::from);
        PARALLELISM.store(known, Ordering::Relaxed);
    }
    known
}

/// What this thread is called by those that only compare: no two threads that are there
/// at the same time have the same one. It is a multiple of eight, and not zero.
///
/// A new thread may have that of one that has ended. All that this one did comes before, by the
/// locks of the system's library under which its memory is handed on.
#[cfg(not(any(gorge_loom, gorge_tsan)))]
#[inline(always)]
fn thread_number() -> usize {
    let number;
    // The thread pointer, which is the address of the thread's control block. Read by a
    // block of assembler, since it must not be kept across a switch of stacks, as the
    // address of a thread-local would be.
    // SAFETY: both only read what every thread has.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) number, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) number, options(nostack, preserves_flags, nomem));
    }
    number
}

/// As above, but no two threads have the same one ever: ThreadSanitizer does not see the locks
/// of the system's library.
#[cfg(all(gorge_tsan, not(gorge_loom)))]
#[inline(never)]
fn thread_number() -> usize {
    use atomic::{AtomicUsize, Ordering};
    use std::cell::Cell;
    static LAST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(0) };
    }
    if OWN.get() == 0 {
        OWN.set(LAST.fetch_add(8, Ordering::Relaxed) + 8);
    }
    OWN.get()
}

/// Loom explores every order anyway.
#[cfg(gorge_loom)]
pub fn may_spin() -> bool {
    false
}

/// Asks the processor for the cache line at `address`, to be written soon. Several lines that
/// other processors have come at the same time, where each store would wait for its own. It is
/// a hint: nothing is read, and no address is wrong.
#[inline(always)]
pub fn prefetch_to_write(address: usize) {
    // SAFETY: a prefetch neither faults nor changes anything that a program sees.
    #[cfg(all(target_arch = "x86_64", not(gorge_loom)))]
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: as above.
    #[cfg(all(target_arch = "aarch64", not(gorge_loom)))]
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(gorge_loom)]
    let _ = address;
}

#[cfg(not(gorge_loom))]
#[allow(
    clippy::disallowed_methods,
    reason = "this module is the seam that replaces them"
)]
pub(crate) mod thread {
    //! What the runtime asks of a plain OS thread.
    pub(crate) use std::thread::current;
    use std::time::Duration;

    pub(crate) fn yield_now() {
        std::thread::yield_now();
    }

    pub(crate) fn park() {
        std::thread::park();
    }

    pub(crate) fn park_timeout(duration: Duration) {
        std::thread::park_timeout(duration);
    }
}
