//! The netpoller: waiting for file descriptors without blocking a thread.
//!
//! A [`Pollable`] owns a source (a socket, a pipe, anything with a descriptor
//! that `epoll` takes) and is registered with its runtime's poller once, for
//! both directions, edge-triggered. An operation tries its system call first
//! and waits only when that would block: [`Pollable::io`].
//!
//! # The edge that must not be lost
//!
//! An edge-triggered poller says once that something has changed, and never
//! again while nobody drains the source. So the edge to fear is one that comes
//! between a system call that found nothing and the wait that follows. Each
//! direction counts its edges, and an operation notes the count *before* it
//! tries:
//!
//! ```text
//!   operation                              poller
//!     seen = edges                           event: under the lock:
//!     system call: would block                 edges += 1
//!     under the lock:                          claim every waiter
//!       edges != seen: try again             unlock, wake them
//!       otherwise: publish the waiter
//!       unlock, asleep
//! ```
//!
//! An edge that was counted before `seen` was read belongs to a change that the
//! system call, which comes later, has seen. Any other edge makes the counts
//! differ, or finds the waiter published. Had the operation noted the count
//! *after* its system call, an edge between the two would be lost.
//!
//! Go has a flag here, cleared before the system call, and allows one waiter for
//! each direction: a second one would clear the flag on which the first relies.
//! A count needs no clearing, so any number may wait. An edge wakes all of them:
//! it does not say for how many there is something, only their system calls
//! find out. To wake one and have it pass the edge on would save the others'
//! attempts and lose the edge whenever that one ends without passing it on.
//! Who wants one reader at a time puts a lock in front, as Go does.

mod alarm;
mod error;
mod lazy;
mod once;
mod pollable;
mod poller;
mod registration;
mod slot;
mod table;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "plain threads poll")]
mod tests;
mod waiters;

pub use error::{PollError, RegisterError};
pub(crate) use lazy::Netpoll;
pub use pollable::Pollable;
pub(crate) use poller::Poller;

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Something to read or to accept, or the end of it.
    Read,
    /// Room to write, or a connection that is established.
    Write,
}
