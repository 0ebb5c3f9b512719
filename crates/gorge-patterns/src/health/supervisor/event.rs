//! What a supervisor tells of what it sees and does.

use super::exit::Exit;
use gorge_channel::Sender;
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_runtime::time;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Something that happened under a supervisor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it happened.
    pub at: Instant,
    /// The supervisor's name.
    pub supervisor: Arc<str>,
    /// The child that it is about; of the supervisor itself, none.
    pub child: Option<Arc<str>>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The child was started, and is ready if it says so.
    Started,
    /// The child could not be started, or ended before it was ready.
    StartFailed(Exit),
    /// The child ended, by itself or because it was told to.
    Ended(Exit),
    /// The child will be started anew after this delay.
    Restarting(Duration),
    /// The child has missed so many pulses in a row.
    MissedPulse(u32),
    /// The child did not stop, not even when it was killed. It goes on unsupervised: it
    /// computes, or blocks its thread, and will end where it waits next.
    Abandoned,
    /// The supervisor gives up: this child was one restart too much.
    GivingUp,
    /// The end of this significant child ends the supervisor.
    AutoShutdown,
    /// All children have stopped, and so does the supervisor.
    Stopped,
}

/// Where events go. Never waits.
#[derive(Clone)]
pub(super) struct Events {
    pub(super) sender: Sender<Event>,
    pub(super) lost: Arc<AtomicU64>,
    pub(super) supervisor: Arc<str>,
}

impl Events {
    pub(super) fn tell(&self, child: Option<&Arc<str>>, kind: EventKind) {
        let event = Event {
            at: time::now(),
            supervisor: Arc::clone(&self.supervisor),
            child: child.cloned(),
            kind,
        };
        if self.sender.try_send(event).is_err() {
            // Relaxed: a count that nothing else hangs on.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
