//! Goroutine dumps: who exists, in which state, started where, and in which calls.
//!
//! Nobody is stopped: each goroutine's part is true of some moment during the dump.
//! First every goroutine is read (`snapshot`): labels, state word, and, if it is
//! parked, the return addresses on its stack (`walk`, by the unwind tables that
//! `modules` finds). Then the addresses are named (`symbols`), and what only the
//! runtime's authors want to see is left out (`hide`). `text` and `group` print.

mod addresses;
mod frame;
mod group;
mod hide;
mod modules;
mod own;
pub(crate) mod sigquit;
mod snapshot;
mod state;
mod symbols;
mod text;
mod walk;

pub(crate) use addresses::Addresses;
pub use frame::Frame;
pub use group::GroupedDump;
pub(crate) use own::{capture_current, own_calls};
pub use state::GoroutineState;

use crate::goroutine::GoroutineId;
use crate::locks::{self, Party};
use crate::primitive::atomic::Ordering;
use crate::scheduler::{Shared, current};
use crate::stack;
use snapshot::Reading;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use symbols::{Symbols, Trace};
use walk::Walker;

/// How many goroutines are read before spawners may add new ones.
const BATCH: usize = 256;

/// All goroutines of a runtime at some moment.
///
/// `Display` prints them as Go does, with an empty line between two:
///
/// ```text
/// goroutine 7 [chan receive, 3 minutes] "reader":
/// gorge_channel::receiver::Receiver<T>::recv
///         /home/me/gorge-channel/src/receiver.rs:58
/// server::read_all
///         /home/me/server/src/main.rs:12
/// created by goroutine 1
///         src/main.rs:40:5
/// ```
///
/// [`grouped`](GoroutineDump::grouped) prints equal stacks once.
#[derive(Clone, Debug)]
pub struct GoroutineDump {
    goroutines: Vec<GoroutineSnapshot>,
}

/// One goroutine of a [`GoroutineDump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GoroutineSnapshot {
    /// Its number.
    pub id: GoroutineId,
    /// Its name, if it was given one.
    pub name: Option<Arc<str>>,
    /// What it does.
    pub state: GoroutineState,
    /// The address of what it waits for; zero when there is none.
    pub object: usize,
    /// Who holds the lock that it waits for, if it is one and locks are
    /// [tracked](crate::Builder::track_locks).
    pub holders: Vec<Party>,
    /// How long it has waited, to a few tenths of a second.
    pub waited: Duration,
    /// Where it was started.
    pub site: Option<&'static Location<'static>>,
    /// The goroutine that started it; zero for none.
    pub parent: GoroutineId,
    /// The calls it is in, innermost first; goroutines with the same ones share
    /// them. The first is the call that blocks. Of a deep stack, the middle is
    /// missing: there are at most the fifty innermost and the fifty outermost
    /// calls, and those that were inlined into them. Empty for a goroutine that is
    /// not parked, but for the one that takes the dump.
    pub frames: Arc<[Frame]>,
    /// How many frames are missing in the middle.
    pub frames_elided: usize,
    /// The index in `frames` before which they are missing.
    gap: usize,
    /// More of them are missing at the outermost end.
    is_cut: bool,
    /// The dump was to show frames, and those of this goroutine could be read.
    is_walked: Option<bool>,
}

impl GoroutineDump {
    /// Reads all goroutines, their frames too if `frames`.
    pub(crate) fn take(shared: &Shared, frames: bool) -> GoroutineDump {
        if frames {
            let own = OwnFrames::capture();
            with_room(|| GoroutineDump::read(shared, true, own))
        } else {
            GoroutineDump::read(shared, false, None)
        }
    }

    fn read(shared: &Shared, frames: bool, own: Option<OwnFrames>) -> GoroutineDump {
        let mut walker = frames.then(Walker::new);
        let mut readings = Vec::new();
        let epoch = (shared.clock.now() >> crate::monitor::EPOCH_SHIFT) as u32;
        let mut position = Some(0);
        while let Some(start) = position {
            position = shared.store.for_some(start, BATCH, |g| {
                readings.extend(snapshot::read(g, epoch, walker.as_mut()));
            });
        }
        drop(walker);
        if let Some(own) = own {
            own.put_into(&mut readings);
        }
        readings.sort_by_key(|reading| reading.id);
        let mut symbols = Symbols::default();
        let goroutines = readings
            .into_iter()
            .map(|mut reading| {
                let is_walked = frames.then_some(reading.addresses.is_some());
                let trace = symbols.trace(reading.addresses.take().unwrap_or_default());
                GoroutineSnapshot::new(reading, is_walked, trace)
            })
            .collect();
        GoroutineDump { goroutines }
    }

    /// Of no goroutine.
    pub(crate) fn empty() -> GoroutineDump {
        GoroutineDump {
            goroutines: Vec::new(),
        }
    }

    /// Calls `f` with the state of each goroutine.
    pub(crate) fn for_each_state(shared: &Shared, mut f: impl FnMut(GoroutineState)) {
        shared.store.for_each(|g| {
            if let Some(state) = GoroutineState::of(g) {
                f(state);
            }
        });
    }

    /// Keeps those that `f` says so of.
    pub(crate) fn retain(&mut self, f: impl FnMut(&GoroutineSnapshot) -> bool) {
        self.goroutines.retain(f);
    }

    /// The goroutines, by number.
    pub fn goroutines(&self) -> &[GoroutineSnapshot] {
        &self.goroutines
    }

    /// Prints goroutines that wait for the same reason in the same calls as one,
    /// the most numerous first:
    ///
    /// ```text
    /// 37 goroutines: 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, ... [chan receive, 3 minutes]:
    /// gorge_channel::receiver::Receiver<T>::recv
    ///         /home/me/gorge-channel/src/receiver.rs:58
    /// ```
    ///
    /// The minutes are those of the one that has waited longest.
    pub fn grouped(&self) -> GroupedDump<'_> {
        GroupedDump::new(&self.goroutines)
    }
}

impl GoroutineSnapshot {
    fn new(reading: Reading, is_walked: Option<bool>, trace: Trace) -> GoroutineSnapshot {
        let Trace {
            frames,
            elided,
            gap,
            is_cut,
        } = trace;
        GoroutineSnapshot {
            id: reading.id,
            name: reading.name,
            state: reading.state,
            object: reading.object,
            holders: locks::holders(reading.object),
            waited: reading.waited,
            site: reading.site,
            parent: reading.parent,
            frames,
            frames_elided: elided,
            gap,
            is_cut,
            is_walked,
        }
    }
}

/// Calls `f` with stack enough for looking names up, also on a small goroutine.
fn with_room<R>(f: impl FnOnce() -> R) -> R {
    stack::grow(96 * 1024, 256 * 1024, f)
}

/// The frames of the goroutine that takes the dump.
struct OwnFrames {
    id: GoroutineId,
    addresses: Addresses,
}

impl OwnFrames {
    /// `None` on an OS thread.
    fn capture() -> Option<OwnFrames> {
        let g = current::goroutine()?;
        Some(OwnFrames {
            // SAFETY: the current goroutine is alive while it runs this.
            id: GoroutineId::new(unsafe { g.as_ref() }.id.load(Ordering::Relaxed)),
            addresses: capture_current(),
        })
    }

    fn put_into(self, readings: &mut [Reading]) {
        let mut running = readings
            .iter_mut()
            .filter(|it| it.id == self.id && it.state == GoroutineState::Running);
        if let Some(reading) = running.next() {
            reading.addresses = Some(self.addresses);
        }
    }
}
