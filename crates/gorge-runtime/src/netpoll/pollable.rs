//! What is registered with the poller: owner of its source, from registration
//! until it is deregistered.

use super::registration::Registration;
use super::{Direction, RegisterError};
use crate::cancel;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

/// A source of readiness, registered with a runtime's poller.
///
/// It owns the source, and every operation borrows it. So the descriptor stays
/// open, and its number is not given to another file, while it is registered or
/// an operation is in flight. To share one, put it into an [`Arc`](std::sync::Arc),
/// or register a reference: `Pollable<&UnixStream>` leaves the stream to its owner.
///
/// Operations work on goroutines and on plain OS threads. Any number of them may
/// wait in the same direction: when something changes, all of them look again.
///
/// It stays with the poller of the runtime where it was made; goroutines of
/// other runtimes and OS threads may use it. Made on a plain OS thread, it
/// belongs to the process-wide default runtime.
///
/// If a `Pollable` is leaked, its place in the poller is, too, and a source that
/// was only borrowed cannot be registered there again.
///
/// # Examples
///
/// ```
/// use gorge_runtime::netpoll::{Direction, Pollable};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// gorge_runtime::run(|| {
///     let (ours, mut theirs) = UnixStream::pair().unwrap();
///     let ours = Pollable::new(ours).unwrap();
///     let reader = gorge_runtime::go(move || {
///         let mut buffer = [0; 5];
///         let read = |mut stream: &UnixStream| stream.read(&mut buffer);
///         let count = ours.io(Direction::Read, None, read).unwrap();
///         String::from_utf8_lossy(&buffer[..count]).into_owned()
///     });
///     theirs.write_all(b"hello").unwrap();
///     assert_eq!(reader.join().unwrap(), "hello");
/// });
/// ```
pub struct Pollable<T: AsFd> {
    /// Taken by `into_inner` only.
    source: Option<T>,
    registration: Registration,
}

impl<T: AsFd> Pollable<T> {
    /// Registers `source` with the poller of the calling goroutine's runtime, and
    /// sets its `O_NONBLOCK`. That flag belongs to the open file, so duplicates
    /// of the descriptor see it too; who clears it makes the operations block
    /// their threads.
    ///
    /// The source must have the same descriptor for as long as it is registered.
    /// One that exchanges it gets no events for the new one; nobody else is
    /// harmed.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] hands the source back. Its error carries
    /// [`PollError::NotPollable`](super::PollError::NotPollable) for files that
    /// have no readiness, such as regular ones (use [`blocking`](crate::blocking)
    /// for them), and
    /// [`PollError::AlreadyRegistered`](super::PollError::AlreadyRegistered) for
    /// a descriptor that this poller has already.
    pub fn new(source: T) -> Result<Pollable<T>, RegisterError<T>> {
        let registration = match Registration::new(source.as_fd()) {
            Ok(registration) => registration,
            Err(error) => return Err(RegisterError::new(source, error)),
        };
        // From here on, a drop ends the registration.
        let this = Pollable {
            source: Some(source),
            registration,
        };
        match set_nonblocking(this.get_ref().as_fd()) {
            Ok(()) => Ok(this),
            Err(error) => Err(RegisterError::new(this.into_inner(), error)),
        }
    }

    /// The source.
    pub fn get_ref(&self) -> &T {
        match &self.source {
            Some(source) => source,
            None => unreachable!("only `into_inner` takes it, and consumes this"),
        }
    }

    /// Ends the registration and returns the source, which is still set to
    /// `O_NONBLOCK`.
    pub fn into_inner(mut self) -> T {
        self.registration.end(self.get_ref().as_fd());
        match self.source.take() {
            Some(source) => source,
            None => unreachable!("only `into_inner` takes it, and consumes this"),
        }
    }

    /// Performs a non-blocking `operation` on the source, and waits for
    /// readiness as often as it says [`WouldBlock`](io::ErrorKind::WouldBlock).
    /// The operation is tried first: who finds data does not wait. One that was
    /// interrupted by a signal is tried again.
    ///
    /// # Errors
    ///
    /// Those of the operation, and:
    ///
    /// * [`TimedOut`](io::ErrorKind::TimedOut) when `deadline`, or the one of
    ///   [`set_deadline`](Pollable::set_deadline), has passed: also when the
    ///   operation would succeed.
    /// * [`PollError::Closed`](super::PollError::Closed) after a
    ///   [`close`](Pollable::close).
    /// * [`PollError::RuntimeEnded`](super::PollError::RuntimeEnded) when it
    ///   would have to wait, and the runtime that polls has ended.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel, before the first attempt or while it waits: never
    /// after an attempt that did something.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_runtime::netpoll::{Direction, Pollable};
    /// use gorge_runtime::time;
    /// use std::io::{ErrorKind, Read};
    /// use std::time::Duration;
    ///
    /// let (reader, _writer) = std::io::pipe().unwrap();
    /// let reader = Pollable::new(reader).unwrap();
    /// let deadline = time::deadline(Duration::from_millis(1));
    /// let read = reader.io(Direction::Read, deadline, |mut pipe| pipe.read(&mut [0; 8]));
    /// assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
    /// ```
    pub fn io<R>(
        &self,
        direction: Direction,
        deadline: Option<Instant>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        if cancel::is_pending() {
            cancel::deliver();
        }
        loop {
            // Before the attempt, so that no edge is lost: see the module's
            // description.
            let seen = self.registration.begin(direction, deadline)?;
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.wait(direction, seen, deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Waits until there is something to read or to accept, or the end of it.
    /// Somebody else may take it before the caller does.
    ///
    /// # Errors
    ///
    /// As [`io`](Pollable::io).
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel.
    pub fn wait_readable(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.io(Direction::Read, deadline, |source| {
            is_ready(source.as_fd(), libc::POLLIN | libc::POLLRDHUP)
        })
    }

    /// Waits until a write would not block, or fail at once.
    ///
    /// # Errors
    ///
    /// As [`io`](Pollable::io).
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel.
    pub fn wait_writable(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.io(Direction::Write, deadline, |source| {
            is_ready(source.as_fd(), libc::POLLOUT)
        })
    }

    /// Sets the deadline of all operations in this direction: it stays until it
    /// is changed, and `None` clears it. An operation that waits goes by the new
    /// deadline from now on; one that has passed ends it, and fails later ones
    /// although there may be data.
    pub fn set_deadline(&self, direction: Direction, deadline: Option<Instant>) {
        self.registration.set_deadline(direction, deadline);
    }

    /// Ends every operation, waiting or yet to come, in both directions, with
    /// [`PollError::Closed`](super::PollError::Closed). The source itself, and
    /// with it the descriptor, is closed when the `Pollable` is dropped: an
    /// operation may be in the middle of its system call.
    pub fn close(&self) {
        self.registration.close();
    }
}

impl<T: AsFd> Drop for Pollable<T> {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            // Before the source closes its descriptor, whose number another
            // thread may get at once.
            self.registration.end(source.as_fd());
        }
    }
}

impl<T: AsFd> AsFd for Pollable<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Pollable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pollable").field(self.get_ref()).finish()
    }
}

fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call, and open.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: as above.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether one of `events`, or an error, is there now; otherwise says that
/// it would block.
fn is_ready(fd: BorrowedFd<'_>, events: libc::c_short) -> io::Result<()> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one valid entry; a timeout of zero does not block.
    match unsafe { libc::poll(&raw mut poll, 1, 0) } {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        1 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
