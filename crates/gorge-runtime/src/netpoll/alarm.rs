//! An alarm that ends a poll in time: a `timerfd` among the poller's descriptors.
//!
//! `epoll_wait` counts in milliseconds, and timeouts of system calls have the
//! thread's slack, fifty microseconds, on top. A timer's expiry has neither.

use super::table::ALARM;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null_mut;
use std::time::Duration;

/// See the module's description.
pub(super) struct Alarm {
    timer: OwnedFd,
}

impl Alarm {
    /// An alarm that rings in `registry`'s poll, edge-triggered: nobody has to
    /// read the timer, because setting it anew forgets what it counted.
    pub(super) fn new(registry: &Registry) -> io::Result<Alarm> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let timer = unsafe { OwnedFd::from_raw_fd(fd) };
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Alarm { timer })
    }

    /// Rings once, when `after`, which is not zero, has passed. Replaces an
    /// earlier setting that has not rung. False when the timer refused, as it
    /// does when the time is beyond what it can count.
    pub(super) fn set(&self, after: Duration) -> bool {
        let Ok(seconds) = after.as_secs().try_into() else {
            return false;
        };
        let setting = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: seconds,
                tv_nsec: after.subsec_nanos().into(),
            },
        };
        // SAFETY: the setting is valid for the call; no old one is asked for.
        unsafe {
            libc::timerfd_settime(self.timer.as_raw_fd(), 0, &raw const setting, null_mut()) == 0
        }
    }
}
