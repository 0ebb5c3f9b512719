//! What a goroutine does, in the words of Go's dumps.

use crate::goroutine::G;
use crate::park::{ENDED, PARKED, WaitReason};
use crate::primitive::atomic::Ordering;
use std::fmt;

/// What a goroutine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GoroutineState {
    /// Waits for its turn.
    Runnable,
    /// Runs on a worker thread.
    Running,
    /// Is parked.
    Waiting(WaitReason),
}

impl GoroutineState {
    /// `None` when the G is between two lives.
    pub(super) fn of(g: &G) -> Option<GoroutineState> {
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
