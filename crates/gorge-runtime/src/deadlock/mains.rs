//! Who is told of a deadlock: the main goroutines, and who waits for them.

use super::threads::{ThreadId, this_thread};
use super::{DeadlockReport, Outside};
use crate::goroutine::{G, Goroutine};
use crate::scheduler::{Shared, current};
use parking_lot::Mutex;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub(super) struct Mains(Mutex<State>);

#[derive(Default)]
struct State {
    mains: Vec<Main>,
    next_key: u64,
    /// The threads that wait for the end of a shutdown.
    ending: Vec<ThreadId>,
}

/// A goroutine that was started by `run`, and whose caller is still there.
pub(super) struct Main {
    key: u64,
    /// The thread that waits for it, if a thread does.
    lender: Option<ThreadId>,
    /// `None` before it is started.
    goroutine: Option<Goroutine>,
    pub(super) told: Option<Told>,
}

/// What a main was told.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) report: DeadlockReport,
    /// How many permits had been given out by then.
    pub(super) given: u64,
}

/// What is known of those who could be told, when all goroutines are parked.
pub(super) struct Parties {
    /// The mains that are parked, by their keys.
    pub(super) mains: Vec<u64>,
    /// Threads that can do nothing before somebody here ends.
    pub(super) waiting: Vec<ThreadId>,
    /// Somebody waits for the end of a shutdown.
    pub(super) is_end_awaited: bool,
}

impl Main {
    pub(super) fn g(&self) -> Option<&G> {
        let g = self.goroutine.as_ref()?.reference()?;
        // SAFETY: the handle's reference keeps the G.
        Some(unsafe { g.as_ref() })
    }

    fn is_parked(&self) -> bool {
        self.g().is_some_and(|g| g.cell.is_parked())
    }
}

impl Mains {
    /// `None` while a main is about to be started.
    pub(super) fn parties(&self) -> Option<Parties> {
        let state = self.0.lock();
        if state.mains.iter().any(|main| main.goroutine.is_none()) {
            return None;
        }
        // The thread of one that has ended is about to return: it is not counted as
        // one that can do nothing.
        let parked = || state.mains.iter().filter(|main| main.is_parked());
        let lenders = parked().filter_map(|main| main.lender);
        Some(Parties {
            mains: parked().map(|main| main.key).collect(),
            waiting: lenders.chain(state.ending.iter().copied()).collect(),
            is_end_awaited: !state.ending.is_empty(),
        })
    }

    /// Calls `f` with those of the mains with these keys that are still there.
    pub(super) fn with<R>(&self, keys: &[u64], f: impl FnOnce(Vec<&mut Main>) -> R) -> R {
        let mut state = self.0.lock();
        let mains = state.mains.iter_mut();
        f(mains.filter(|main| keys.contains(&main.key)).collect())
    }
}

/// The caller of `run`, from before it starts its main goroutine until that has
/// ended.
pub(crate) struct Lending<'a> {
    shared: &'a Shared,
    key: u64,
    /// What the caller's own runtime, if it is another one, has to expect.
    _outside: Option<Outside>,
}

/// The calling thread waits for the end of a shutdown.
pub(crate) struct AwaitingEnd<'a>(&'a Shared);

impl Shared {
    /// The caller is about to start a main goroutine, and to wait for it.
    pub(crate) fn begin_lending(self: &Arc<Self>) -> Lending<'_> {
        let machine = current::machine_in_goroutine();
        let lender = machine.is_none().then(this_thread);
        let elsewhere = machine.filter(|machine| !machine.serves(self));
        let mut state = self.deadlocks.mains.0.lock();
        let key = state.next_key;
        state.next_key += 1;
        state.mains.push(Main {
            key,
            lender,
            goroutine: None,
            told: None,
        });
        Lending {
            shared: self,
            key,
            _outside: elsewhere.map(|machine| machine.shared().expect_from_outside()),
        }
    }

    /// The caller waits for the end of a shutdown.
    pub(crate) fn begin_awaiting_end(&self) -> AwaitingEnd<'_> {
        self.deadlocks.mains.0.lock().ending.push(this_thread());
        self.look_again();
        AwaitingEnd(self)
    }
}

impl Lending<'_> {
    /// The main goroutine was started. Does not panic.
    pub(crate) fn lent_to(&self, goroutine: &Goroutine) {
        let goroutine = goroutine.clone();
        self.with(|main| main.goroutine = Some(goroutine));
        // It may have parked already, and been overlooked.
        self.shared.look_again();
    }

    /// What the main was told of, if it was part of a deadlock.
    pub(crate) fn report(&self) -> Option<DeadlockReport> {
        self.with(|main| main.told.as_ref().map(|told| told.report.clone()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Main) -> R) -> R {
        let mut state = self.shared.deadlocks.mains.0.lock();
        match state.mains.iter_mut().find(|main| main.key == self.key) {
            Some(main) => f(main),
            None => unreachable!("it is in the list until this is dropped"),
        }
    }
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.deadlocks.mains.0.lock();
        let place = state.mains.iter().position(|main| main.key == self.key);
        let main = place.map(|place| state.mains.swap_remove(place));
        drop(state);
        if main.as_ref().is_some_and(|main| main.goroutine.is_none()) {
            // Its start failed: it stood in the way of a look.
            self.shared.look_again();
        }
        // Its handle may be the last one.
        drop(main);
    }
}

impl Drop for AwaitingEnd<'_> {
    fn drop(&mut self) {
        let this = this_thread();
        let mut state = self.0.deadlocks.mains.0.lock();
        if let Some(place) = state.ending.iter().position(|id| *id == this) {
            state.ending.swap_remove(place);
        }
    }
}
