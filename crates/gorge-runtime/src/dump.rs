//! Goroutine dumps: who exists, in which state, started where.
//!
//! The header lines are Go's. A dump reads labels and state words without
//! stopping anybody: each line is true of some moment during the dump.

use crate::goroutine::{G, GoroutineId};
use crate::monitor::span;
use crate::park::{ENDED, PARKED, WaitReason};
use crate::primitive::atomic::Ordering;
use crate::scheduler::Shared;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// All goroutines of a runtime at some moment. `Display` prints them as Go does.
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
    /// How long it has waited, to a few tenths of a second.
    pub waited: Duration,
    /// Where it was started.
    pub site: Option<&'static Location<'static>>,
    /// The goroutine that started it; zero for none.
    pub parent: GoroutineId,
}

/// What a goroutine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoroutineState {
    /// Waits for its turn.
    Runnable,
    /// Runs on a worker thread.
    Running,
    /// Is parked.
    Waiting(WaitReason),
}

impl GoroutineDump {
    pub(crate) fn take(shared: &Shared) -> GoroutineDump {
        let mut goroutines = Vec::new();
        let epoch = (shared.clock.now() >> crate::monitor::EPOCH_SHIFT) as u32;
        shared
            .store
            .for_each(|g| goroutines.extend(snapshot(g, epoch)));
        goroutines.sort_by_key(|goroutine| goroutine.id);
        GoroutineDump { goroutines }
    }

    /// Calls `f` with the state of each goroutine.
    pub(crate) fn for_each_state(shared: &Shared, mut f: impl FnMut(GoroutineState)) {
        shared.store.for_each(|g| {
            if let Some(state) = state(g) {
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
}

/// `None` when the G is between two lives.
fn snapshot(g: &G, epoch: u32) -> Option<GoroutineSnapshot> {
    // A parked goroutine stays as it is while it is looked at.
    let held = g.cell.look();
    let snapshot = read(g, epoch);
    if held {
        g.cell.release();
    }
    snapshot
}

fn read(g: &G, epoch: u32) -> Option<GoroutineSnapshot> {
    let state = state(g)?;
    let parked = span(g.cell.since(), epoch);
    Some(GoroutineSnapshot {
        id: g.id(),
        name: g.name_now().map(|name| Arc::from(name.as_str())),
        state,
        object: if state.is_waiting() {
            g.cell.object()
        } else {
            0
        },
        waited: if state.is_waiting() {
            parked
        } else {
            Duration::ZERO
        },
        site: g.site(),
        parent: GoroutineId::new(g.label.parent.load(Ordering::Relaxed)),
    })
}

/// `None` when the G is between two lives.
fn state(g: &G) -> Option<GoroutineState> {
    let word = g.cell.load();
    if word.has(ENDED) || g.id().as_u64() == 0 {
        return None;
    }
    Some(if word.has(PARKED) {
        GoroutineState::Waiting(g.cell.reason())
    } else if g.on_machine.load(Ordering::Relaxed) != 0 {
        GoroutineState::Running
    } else {
        GoroutineState::Runnable
    })
}

impl GoroutineState {
    /// Whether the goroutine is parked, for whatever reason.
    pub fn is_waiting(self) -> bool {
        matches!(self, GoroutineState::Waiting(_))
    }
}

impl fmt::Display for GoroutineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoroutineState::Runnable => f.write_str("runnable"),
            GoroutineState::Running => f.write_str("running"),
            GoroutineState::Waiting(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for GoroutineSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {} [{}", self.id, self.state)?;
        match self.waited.as_secs() / 60 {
            0 => {}
            minutes => write!(f, ", {minutes} minutes")?,
        }
        write!(f, "]")?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        writeln!(f, ":")?;
        if let Some(site) = self.site {
            write!(f, "created at {site}")?;
            if self.parent.as_u64() != 0 {
                write!(f, " in goroutine {}", self.parent)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for GoroutineDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, goroutine) in self.goroutines.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{goroutine}")?;
        }
        Ok(())
    }
}
