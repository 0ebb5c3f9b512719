//! The OS threads of machines: starting them, and waiting for their end.
//!
//! Threads are started when a permit is free, work waits and nobody sleeps who
//! could be woken for it; and for a goroutine that is pinned. They end when they
//! have been idle for a while and are more than the permits, and nobody's home.

use super::crew::Crew;
use super::current;
use super::machine::Machine;
use super::permits::{Grant, machines_min};
use super::shared::Shared;
use super::thread_clock::{ThreadClock, sleep_precisely};
use crate::fault;
use crate::report::report;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::thread;

/// The handles of a runtime's threads.
#[derive(Default)]
pub(crate) struct Threads {
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Threads {
    /// Waits until all have ended. Their runtime is over.
    pub(crate) fn join_all(&self) {
        loop {
            let handles = std::mem::take(&mut *self.handles.lock());
            if handles.is_empty() {
                return;
            }
            for handle in handles {
                // A worker does not panic: user code is caught on its own stack.
                drop(handle.join());
            }
        }
    }

    /// Forgets the calling thread, which is about to end.
    fn forget_this_thread(&self) {
        let this = thread::current().id();
        self.handles
            .lock()
            .retain(|handle| handle.thread().id() != this);
    }
}

impl Shared {
    /// Starts the first thread, which looks for work.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(crate) fn start_first_worker(&self) -> io::Result<()> {
        if !self.permits.begin_wake() {
            return Ok(());
        }
        let Grant::Start(number) = self.permits.grant(&self.slots, true) else {
            unreachable!("a new runtime has permits, and no machines")
        };
        self.start_worker(number).inspect_err(|_| {
            self.permits.vacate(number, &self.slots);
            self.permits.stop_search();
        })
    }

    /// Starts the thread of a machine that was given its permit by a waker, and
    /// counted as searching.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(crate) fn start_worker(&self, number: u32) -> io::Result<()> {
        self.start_machine(number, false)
    }

    /// Monitor: as [`start_worker`](Shared::start_worker), for a waker that must
    /// not start threads itself, and has gone.
    pub(crate) fn start_for_another(&self, number: u32) {
        if self.start_worker(number).is_err() {
            self.unpark(self.permits.vacate(number, &self.slots));
            self.permits.stop_search();
            // Others who notified while this counted as a search rely on it.
            self.look_after_release();
        }
    }

    /// Starts the thread of a machine for one pinned goroutine.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(crate) fn start_dedicated(&self) -> io::Result<u32> {
        let Some(number) = self.permits.admit(&self.slots) else {
            self.exhausted()
        };
        match self.start_machine(number, true) {
            Ok(()) => Ok(number),
            Err(error) => {
                self.unpark(self.permits.vacate(number, &self.slots));
                Err(error)
            }
        }
    }

    fn start_machine(&self, number: u32, is_dedicated: bool) -> io::Result<()> {
        let Some(shared) = self.weak().upgrade() else {
            return Err(io::Error::other("the runtime is gone"));
        };
        // Held until the handle is in the list: the thread takes it out at its end.
        let mut handles = self.threads.handles.lock();
        let name = format!("{}-{}", self.config.thread_name, number - 1);
        let handle = thread::Builder::new()
            .name(name)
            .spawn(move || live(shared, number, is_dedicated))?;
        handles.push(handle);
        Ok(())
    }

    /// Ends the process, as Go does: the runtime cannot go on without a thread.
    #[cold]
    pub(super) fn exhausted(&self) -> ! {
        let max = self.config.max_threads;
        let max = max.max(machines_min(self.permits.limit()));
        report(format_args!(
            "gorge: the runtime exceeds its limit of {max} threads: so many goroutines block \
             their threads at once (call what blocks through gorge::blocking, or raise \
             Builder::max_threads)\nfatal error: thread exhaustion"
        ));
        // SAFETY: ends the process here and now. Exit handlers could wait for
        // threads that are blocked.
        unsafe { libc::_exit(2) }
    }
}

/// A thread's life.
fn live(shared: Arc<Shared>, number: u32, is_dedicated: bool) {
    let _member = shared.deadlocks.threads.enter();
    let _alternate = fault::AlternateStack::install();
    sleep_precisely();
    *shared.slots.get(number).thread.lock() = Some(ThreadClock::of_this_thread());
    let machine = Machine::new(Arc::clone(&shared), number, is_dedicated);
    machine.searching.set(!is_dedicated);
    current::with(&machine, || machine.run());
    drop(machine);
    if !shared.is_shutting_down() {
        shared.threads.forget_this_thread();
    }
}
