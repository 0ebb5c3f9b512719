//! What the kernel says of a machine's thread: the processor time that it has
//! used, and whether it sleeps in the kernel.
//!
//! The monitor tells a goroutine that computes from one that blocks its thread
//! by these. Both are asked for only about a thread that has not come back to
//! its loop for a while.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

/// A thread, as others may ask about it. Valid until the thread has ended.
pub(crate) struct ThreadClock {
    clock: libc::clockid_t,
    id: libc::c_long,
}

impl ThreadClock {
    /// That of the calling thread.
    pub(crate) fn of_this_thread() -> ThreadClock {
        let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: the calling thread exists, and `clock` is writable. On
        // failure the clock stays one that always can be read.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        // SAFETY: no precondition.
        let id = unsafe { libc::syscall(libc::SYS_gettid) };
        ThreadClock { clock, id }
    }

    /// The processor time that the thread has used.
    pub(crate) fn used(&self) -> Option<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is writable; a clock that is gone is an error.
        if unsafe { libc::clock_gettime(self.clock, &raw mut time) } != 0 {
            return None;
        }
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?,
        ))
    }

    /// Whether the thread waits in the kernel, rather than for its turn on a
    /// processor. Says yes when it cannot tell. Allocates nothing: the monitor asks
    /// often when the machine is busy.
    pub(crate) fn is_asleep(&self) -> bool {
        let mut text = [0; 128];
        let Some(length) = self.read_stat(&mut text) else {
            return true;
        };
        // "number (name) state ...", where the name may hold anything.
        let text = &text[..length];
        match text.iter().rposition(|&byte| byte == b')') {
            Some(end) => text.get(end + 2) != Some(&b'R'),
            None => true,
        }
    }

    /// Reads the beginning of what the kernel says of the thread; returns its length.
    fn read_stat(&self, text: &mut [u8]) -> Option<usize> {
        let mut path = [0u8; 48];
        // What is not written stays zero, and ends the path.
        let mut rest = &mut path[..47];
        write!(rest, "/proc/self/task/{}/stat", self.id).ok()?;
        let path = CStr::from_bytes_until_nul(&path).ok()?;
        // SAFETY: the path ends with a zero.
        let file = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if file < 0 {
            return None;
        }
        // SAFETY: just opened, and nobody else's.
        let mut file = File::from(unsafe { OwnedFd::from_raw_fd(file) });
        file.read(text).ok()
    }
}

/// Lets the calling thread's timed sleeps end on time: the kernel may otherwise
/// let them overrun by 50 microseconds.
pub(crate) fn sleep_precisely() {
    const SLACK_NS: libc::c_ulong = 1000;
    // SAFETY: takes a number; a kernel that does not know it refuses.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_asks_is_awake_and_uses_time() {
        let clock = ThreadClock::of_this_thread();
        assert!(!clock.is_asleep());
        let before = clock.used().expect("a clock");
        while clock.used().expect("a clock") == before {
            std::hint::black_box(0);
        }
    }
}
