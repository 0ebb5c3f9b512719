//! The poller of a runtime: asks the kernel what has become ready, and claims
//! those who wait for it.
//!
//! One thread polls at a time: whoever gets the [`Turn`]. It may look or block;
//! [`Poller::wake`] ends a poll that blocks. The poller has no thread of its
//! own: machines that have nothing to run take turns, as long as anybody waits
//! ([`Poller::waiters`]).

use super::alarm::Alarm;
use super::slot::{Edges, Slot, Waited};
use super::table::{self, ALARM, Table, WAKER};
use super::waiters::Claimed;
use super::{Direction, PollError};
use crate::cancel;
use crate::deadlock::Outside;
use crate::park::Claim;
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::report::report;
use crate::scheduler::{Shared, current};
use crossbeam_utils::CachePadded;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many events one system call may bring: more take another one.
const EVENTS: usize = 256;

/// Timeouts of at least this go by `epoll_wait`'s own count of milliseconds,
/// which saves a system call: an error of a hundredth at most.
const COARSE: Duration = Duration::from_millis(100);

/// See the module's description.
pub(crate) struct Poller {
    table: Table,
    registry: Registry,
    waker: Waker,
    polling: Mutex<Polling>,
    /// The one whose turn it is blocks, or is about to.
    blocked: AtomicBool,
    /// Somebody wants a blocking poll to end, and none has noticed.
    wanted: AtomicBool,
    /// Parties that wait and have not been claimed.
    waiters: CachePadded<AtomicUsize>,
    /// Nobody will poll again.
    ended: AtomicBool,
    runtime: Weak<Shared>,
}

struct Polling {
    poll: Poll,
    events: Events,
    alarm: Alarm,
}

impl Poller {
    pub(super) fn new(runtime: Weak<Shared>) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        Ok(Poller {
            table: Table::new(),
            waker: Waker::new(&registry, WAKER)?,
            polling: Mutex::new(Polling {
                alarm: Alarm::new(&registry)?,
                events: Events::with_capacity(EVENTS),
                poll,
            }),
            registry,
            blocked: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            waiters: CachePadded::new(AtomicUsize::new(0)),
            ended: AtomicBool::new(false),
            runtime,
        })
    }

    /// How many parties wait. While it is zero, nobody needs to poll.
    #[inline]
    pub(crate) fn waiters(&self) -> usize {
        self.waiters.load(Ordering::Relaxed)
    }

    /// Whether a thread blocks in this poller, or is about to.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// The right to poll, unless another thread has it.
    pub(crate) fn try_turn(&self) -> Option<Turn<'_>> {
        let polling = self.polling.try_lock()?;
        Some(Turn {
            poller: self,
            polling,
        })
    }

    /// Ends the poll that blocks now. If none does, the next one that would
    /// returns at once.
    pub(crate) fn wake(&self) {
        // AcqRel: the poll that clears the flag sees what we did before. If it
        // is set already, either an event is on its way or the next blocking
        // poll sees the flag: one event does for any number of calls.
        if !self.wanted.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            fail("wake", &error);
        }
    }

    /// Nobody will poll again: ends every wait with an error, also those that
    /// are yet to come.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // Relaxed is enough: see `Slot::wait`.
        self.table.end(|slot| self.wake_claimed(slot.release_all()));
    }

    /// Registers a descriptor, for both directions. The slot is the caller's
    /// until it [deregisters](Poller::deregister) it.
    pub(super) fn register(&self, fd: BorrowedFd<'_>) -> io::Result<u32> {
        let index = self.table.take()?;
        let token = table::token(index, self.slot(index).generation());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .registry
            .register(&mut SourceFd(&fd.as_raw_fd()), token, interest);
        registered.map(|()| index).map_err(|error| {
            self.table.give_back(index);
            explain(error)
        })
    }

    /// Ends a registration that nobody uses any more: with its descriptor, if
    /// that is still to be had.
    pub(super) fn deregister(&self, fd: Option<BorrowedFd<'_>>, index: u32) {
        if let Some(fd) = fd {
            // The kernel may know nothing of it: its number may be another file's.
            drop(self.registry.deregister(&mut SourceFd(&fd.as_raw_fd())));
        }
        // What comes for a descriptor that was exchanged has the old generation.
        self.table.give_back(index);
    }

    pub(super) fn slot(&self, index: u32) -> &Slot {
        match self.table.get(index) {
            Some(slot) => slot,
            None => unreachable!("a registration's slot was given out"),
        }
    }

    /// Wakes those whose waits a change of their slot has ended.
    pub(super) fn wake_claimed(&self, claimed: Claimed) {
        self.count_off(claimed.len());
        claimed.for_each(Claim::wake);
    }

    fn count_off(&self, count: usize) {
        if count != 0 {
            self.waiters.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// Waits until it is worth to look again.
    pub(super) fn wait(
        &self,
        slot: &Slot,
        direction: Direction,
        seen: Edges,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        if slot.edges(direction) != seen {
            return Ok(());
        }
        // Counted before the waiter can be claimed, and so before it can be
        // counted off.
        self.waiters.fetch_add(1, Ordering::Relaxed);
        let _outside = self.summon();
        let waited = slot.wait(direction, seen, deadline, &self.ended);
        if waited == Waited::Woken {
            return Ok(());
        }
        self.count_off(1);
        match waited {
            Waited::NotBegun | Waited::Woken => Ok(()),
            Waited::TimedOut => Err(io::ErrorKind::TimedOut.into()),
            Waited::PollerEnded => Err(PollError::RuntimeEnded.into()),
            Waited::Cancelled => cancel::deliver(),
        }
    }

    /// Sees to it that a machine polls for a caller that is none of this
    /// runtime's goroutines, or a pinned one. For the others, the machine that they
    /// leave looks around, and sees before it sleeps that somebody polls. Who is
    /// none of them may wake some: that is to be held while it waits.
    fn summon(&self) -> Option<Outside> {
        let is_at_home =
            |runtime: &Arc<Shared>| Weak::as_ptr(&self.runtime) == Arc::as_ptr(runtime);
        if current::machine_in_goroutine()
            .is_some_and(|machine| !machine.is_special() && is_at_home(machine.shared()))
        {
            return None;
        }
        // If the runtime has gone, so has the poller, as the wait will find.
        let runtime = self.runtime.upgrade()?;
        runtime.summon_to_poll(self);
        Some(runtime.expect_from_outside())
    }
}

/// The right to poll, of one thread at a time.
pub(crate) struct Turn<'a> {
    poller: &'a Poller,
    polling: MutexGuard<'a, Polling>,
}

impl Turn<'_> {
    /// Collects what has become ready and claims those who wait for it, for the
    /// caller to wake. If there is nothing, waits for `timeout`, or for ever:
    /// until an event comes, or a [`wake`](Poller::wake). May return early.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, claims: &mut Vec<Claim>) {
        let blocks = timeout != Some(Duration::ZERO);
        if blocks {
            self.poller.blocked.store(true, Ordering::Relaxed);
        }
        // Acquire, by AcqRel: pairs with `wake`. A poll that only looks leaves
        // the flag: it is meant for one that blocks.
        let timeout = if blocks && self.poller.wanted.swap(false, Ordering::AcqRel) {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        let result = self.polling.wait(timeout);
        if blocks {
            self.poller.blocked.store(false, Ordering::Relaxed);
        }
        match result {
            Ok(()) => self.collect(blocks, claims),
            // A signal: there may be events, and the next poll brings them.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => fail("poll", &error),
        }
    }

    fn collect(&self, blocked: bool, claims: &mut Vec<Claim>) {
        let before = claims.len();
        for event in &self.polling.events {
            match event.token() {
                WAKER if blocked => {
                    self.poller.wanted.swap(false, Ordering::AcqRel);
                }
                WAKER | ALARM => {}
                token => claims.extend(self.poller.claim(token, event)),
            }
        }
        self.poller.count_off(claims.len() - before);
    }
}

impl Polling {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let fine = timeout.is_some_and(|timeout| !timeout.is_zero() && timeout < COARSE);
        let timeout = match timeout {
            Some(after) if fine && self.alarm.set(after) => None,
            other => other,
        };
        self.poll.poll(&mut self.events, timeout)
    }
}

impl Poller {
    fn claim(&self, token: mio::Token, event: &Event) -> Claimed {
        let (index, generation) = table::parts(token);
        let failed = event.is_error();
        let readable = failed || event.is_readable() || event.is_read_closed();
        let writable = failed || event.is_writable() || event.is_write_closed();
        self.slot(index).event(generation, readable, writable)
    }
}

/// What the kernel's refusal to register means.
fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EPERM) => PollError::NotPollable.into(),
        Some(libc::EEXIST) => PollError::AlreadyRegistered.into(),
        Some(libc::ENOSPC) => io::Error::new(
            error.kind(),
            "too many registered descriptors: raise /proc/sys/fs/epoll/max_user_watches",
        ),
        _ => error,
    }
}

/// The descriptors that the poller works with are its own: if they fail,
/// somebody has closed them, and goroutines would wait for ever.
#[cold]
fn fail(what: &str, error: &io::Error) -> ! {
    report(format_args!(
        "gorge: the network poller cannot {what}: {error}; aborting"
    ));
    std::process::abort();
}
