//! A full barrier whose cost lies on one side only.
//!
//! Several protocols here are Dekker-shaped: each side stores its own flag,
//! then loads the other's, and at least one must see the other.
//!
//! ```text
//!   frequent side            rare side
//!     store A                  store B
//!     light()                  heavy()
//!     load B                   load A
//! ```
//!
//! With two ordinary fences the frequent side pays for a full barrier every
//! time, about as much as an atomic read-modify-write. Here the rare side runs
//! `membarrier(2)`, which makes every running thread of the process execute a
//! full barrier: the frequent side need only keep the compiler from reordering.
//! Where the system call is missing, both are `fence(SeqCst)`.
//!
//! Why it is enough: when `heavy` returns, each other thread has passed a full
//! barrier at some point of its program between the call's start and end. If
//! that point lies before the thread's `store A`, then its `load B` comes after
//! the barrier and sees `B`. Otherwise `store A` came before the barrier, and
//! `load A` after `heavy` sees it.

#[cfg(gorge_loom)]
pub use loom_twin::{heavy, is_asymmetric, light, light_where_asymmetric};
#[cfg(not(gorge_loom))]
pub use system::{heavy, is_asymmetric, light, light_where_asymmetric};

#[cfg(gorge_loom)]
mod loom_twin {
    //! Under loom both sides are the fence that the pair stands for.
    use crate::primitive::atomic::{Ordering, fence};

    /// The frequent side's barrier.
    pub fn light() {
        fence(Ordering::SeqCst);
    }

    /// As [`light`].
    pub fn light_where_asymmetric() {
        light();
    }

    /// Loom's barriers cost nothing.
    pub fn is_asymmetric() -> bool {
        true
    }

    /// The rare side's barrier.
    pub fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(gorge_loom))]
mod system {
    use crate::primitive::atomic::{AtomicU8, Ordering, fence};
    use crate::report::report;
    use std::sync::atomic::compiler_fence;

    const UNKNOWN: u8 = 0;
    const ASYMMETRIC: u8 = 1;
    const SYMMETRIC: u8 = 2;

    /// What this process found out about its kernel. Not state: every thread
    /// that looks finds the same answer.
    static KIND: AtomicU8 = AtomicU8::new(UNKNOWN);

    const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;
    const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;

    /// The frequent side's barrier.
    #[inline(always)]
    pub fn light() {
        // Relaxed: the answer never changes, and no data hangs on it.
        if KIND.load(Ordering::Relaxed) == ASYMMETRIC {
            compiler_fence(Ordering::SeqCst);
        } else {
            light_slow();
        }
    }

    /// The frequent side's barrier in code that is reached only after
    /// [`is_asymmetric`] has said so: it need not ask again.
    #[inline(always)]
    pub fn light_where_asymmetric() {
        compiler_fence(Ordering::SeqCst);
    }

    /// Whether the frequent side costs nothing. Once it does, it does for ever.
    #[inline]
    pub fn is_asymmetric() -> bool {
        kind() == ASYMMETRIC
    }

    #[cold]
    fn light_slow() {
        if kind() == ASYMMETRIC {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The rare side's barrier: a system call of about a microsecond.
    pub fn heavy() {
        fence(Ordering::SeqCst);
        while kind() == ASYMMETRIC && membarrier(PRIVATE_EXPEDITED) != 0 {
            let error = std::io::Error::last_os_error();
            // The kernel accepted the registration. It may be out of memory for
            // a moment; a filter on system calls that came later is for ever,
            // and there is no way to go on without the barrier.
            if error.raw_os_error() != Some(libc::ENOMEM) {
                report(format_args!(
                    "gorge: membarrier was withdrawn from this process: {error}"
                ));
                std::process::abort();
            }
        }
        fence(Ordering::SeqCst);
    }

    /// Asks before `main`, while the process has one thread. Later the kernel would let
    /// whoever asks wait until every processor has changed threads, which takes ten
    /// milliseconds or more.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static ASK_EARLY: extern "C" fn() = {
        extern "C" fn ask() {
            kind();
        }
        ask
    };

    fn kind() -> u8 {
        let known = KIND.load(Ordering::Relaxed);
        if known != UNKNOWN {
            return known;
        }
        let found = if membarrier(REGISTER_PRIVATE_EXPEDITED) == 0 {
            ASYMMETRIC
        } else {
            SYMMETRIC
        };
        // The first answer counts, should a filter make a second one differ.
        let first = KIND.compare_exchange(UNKNOWN, found, Ordering::Relaxed, Ordering::Relaxed);
        first.err().unwrap_or(found)
    }

    fn membarrier(command: libc::c_long) -> libc::c_long {
        // SAFETY: takes no pointers; an unknown command fails with an error.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }
}
