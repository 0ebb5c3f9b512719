//! Where details go: a function of the program's.

use super::Traced;
use gorge_sync::RwLock;
use std::sync::Arc;

type Sink = Arc<dyn Fn(&Traced) + Send + Sync>;

/// The last one of these counts.
static SINKS: RwLock<Vec<(u64, Sink)>> = RwLock::new(Vec::new());

/// Details go to `sink` from now on, until what this returns is dropped: then to the one that was
/// set before. Without any they go to standard error.
///
/// The sink may be called by many at once.
pub fn set_log_sink(sink: impl Fn(&Traced) + Send + Sync + 'static) -> LogSinkGuard {
    let mut sinks = SINKS.write();
    let id = sinks.last().map_or(0, |(id, _)| id + 1);
    sinks.push((id, Arc::new(sink)));
    LogSinkGuard { id }
}

/// Dropped, it takes back a sink. Made by [`set_log_sink`].
#[derive(Debug)]
#[must_use = "the sink is taken back when this is dropped"]
pub struct LogSinkGuard {
    id: u64,
}

impl LogSinkGuard {
    /// Leaves the sink for good.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for LogSinkGuard {
    fn drop(&mut self) {
        let taken = {
            let mut sinks = SINKS.write();
            let at = sinks.iter().position(|(id, _)| *id == self.id);
            at.map(|at| sinks.remove(at))
        };
        // Without the lock: what it owns is the user's.
        drop(taken);
    }
}

pub(super) fn write(error: &Traced) {
    let sink = SINKS.read().last().map(|(_, sink)| Arc::clone(sink));
    match sink {
        Some(sink) => sink(error),
        None => eprintln!("{}", error.detail()),
    }
}
