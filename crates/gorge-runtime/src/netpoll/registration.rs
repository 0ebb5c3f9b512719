//! The bond between a descriptor and its slot in a poller.

use super::poller::Poller;
use super::slot::{Edges, Slot, earlier};
use super::{Direction, PollError};
use crate::default_runtime;
use crate::scheduler::current;
use crate::sim;
use crate::time;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

/// A slot that is in use. Its owner ends it with the descriptor that it began
/// with; if that never happens, the slot is leaked, and nothing else.
pub(super) struct Registration {
    poller: Arc<Poller>,
    index: u32,
    /// The descriptor's number, to tell whether its owner has exchanged it.
    number: RawFd,
}

impl Registration {
    /// Registers with the runtime that a spawn on this thread belongs to.
    pub(super) fn new(fd: BorrowedFd<'_>) -> io::Result<Registration> {
        refuse_simulation()?;
        let poller = match current::runtime() {
            Some(runtime) => Arc::clone(runtime.netpoll.get_or_create(Arc::downgrade(&runtime))?),
            None => {
                let runtime = default_runtime::try_get().map_err(io::Error::other)?;
                Arc::clone(runtime.netpoll.get_or_create(Arc::downgrade(runtime))?)
            }
        };
        let index = poller.register(fd)?;
        Ok(Registration {
            poller,
            index,
            number: fd.as_raw_fd(),
        })
    }

    /// `fd` is what the source says now.
    pub(super) fn end(&self, fd: BorrowedFd<'_>) {
        // Another one may be registered by itself, and goes on.
        let own = Some(fd).filter(|fd| fd.as_raw_fd() == self.number);
        self.poller.deregister(own, self.index);
    }

    fn slot(&self) -> &Slot {
        self.poller.slot(self.index)
    }

    /// Before a system call: whether it may be tried, and what to note.
    #[inline]
    pub(super) fn begin(
        &self,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<Edges> {
        let slot = self.slot();
        let (closed, own_deadline) = slot.restrictions(direction);
        if closed {
            return Err(PollError::Closed.into());
        }
        match earlier(deadline, own_deadline) {
            Some(deadline) if deadline <= time::now() => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(slot.edges(direction)),
        }
    }

    /// After a system call that would block: waits until it is worth to try
    /// again.
    pub(super) fn wait(
        &self,
        direction: Direction,
        seen: Edges,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        refuse_simulation()?;
        self.poller.wait(self.slot(), direction, seen, deadline)
    }

    pub(super) fn close(&self) {
        self.poller.wake_claimed(self.slot().close());
    }

    pub(super) fn set_deadline(&self, direction: Direction, deadline: Option<Instant>) {
        self.poller
            .wake_claimed(self.slot().set_deadline(direction, deadline));
    }
}

/// In a simulation nothing comes from outside.
fn refuse_simulation() -> io::Result<()> {
    match sim::is_simulated() {
        true => Err(PollError::Simulated.into()),
        false => Ok(()),
    }
}
