//! One life of a child: what its function sees, and how its supervisor learns of its end.

use super::child::Child;
use super::exit::{BoxError, PanicReport};
use super::handle::Handle;
use super::manager::Message;
use gorge_channel::Sender;
use gorge_channel::context::{CancelGuard, Context};
use gorge_runtime::primitive::atomic::{AtomicU64, Ordering};
use gorge_runtime::{JoinHandle, catch_panic, goroutine, shield};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What a child's function is given: its context, and the ways to speak to its supervisor.
///
/// As a context it has the values of the supervisor's. It is done when the child is to stop,
/// which comes in turn: not when the supervisor's context is.
pub struct Life {
    context: Context,
    incarnation: u64,
    restarts: u64,
    name: Arc<str>,
    beats: Arc<AtomicU64>,
    supervisor: Handle,
}

impl Life {
    /// Says that others may count on this child; see [`Child::says_ready`]. Never waits.
    pub fn ready(&self) {
        self.supervisor.tell(Message::Ready(self.incarnation));
    }

    /// Says that this child is alive; see [`Child::heartbeat`]. Never waits: it adds one to a
    /// number.
    pub fn beat(&self) {
        // Relaxed: the supervisor looks whether it has changed, no data hangs on it.
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The child's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often this child was started before.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// The child's supervisor. Do not wait in here for something that has to wait for this
    /// child, such as its own end.
    pub fn supervisor(&self) -> &Handle {
        &self.supervisor
    }
}

impl Deref for Life {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("name", &self.name)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}

/// How a function ended, before it is known whether it was told to.
pub(super) enum Ended {
    Returned(Result<(), BoxError>),
    Panicked(PanicReport),
    Unwound,
}

/// Tells of the end of a goroutine, also if that is unwound, or never runs.
struct Farewell {
    inbox: Sender<Message>,
    incarnation: u64,
    ended: Option<Ended>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let ended = self.ended.take().unwrap_or(Ended::Unwound);
        let farewell = Message::Ended(self.incarnation, ended);
        // The inbox has no bound, so this waits for nobody; if it is gone, nobody asks. One
        // that was cancelled before it began must not be told of it in here.
        shield(|| {
            let _ = self.inbox.send(farewell);
        });
    }
}

/// A child that runs, as its supervisor has it.
pub(super) struct Running {
    pub(super) guard: CancelGuard,
    pub(super) goroutine: JoinHandle<()>,
    pub(super) beats: Arc<AtomicU64>,
}

/// Starts a life.
pub(super) fn start(
    child: &Child,
    parent: &Context,
    incarnation: u64,
    restarts: u64,
    supervisor: &Handle,
) -> io::Result<Running> {
    let (context, guard) = parent.with_cancel();
    let beats = Arc::new(AtomicU64::new(0));
    let life = Life {
        context,
        incarnation,
        restarts,
        name: Arc::clone(&child.name),
        beats: Arc::clone(&beats),
        supervisor: supervisor.clone(),
    };
    let mut farewell = Farewell {
        inbox: supervisor.inbox().clone(),
        incarnation,
        ended: None,
    };
    let body = Arc::clone(&child.body);
    let goroutine = goroutine::Builder::new()
        .name(&*child.name)
        .spawn(move || {
            let ended = match catch_panic(AssertUnwindSafe(|| body(&life))) {
                Ok(result) => Ended::Returned(result),
                Err(payload) => Ended::Panicked(PanicReport::new(payload)),
            };
            farewell.ended = Some(ended);
            // What the function has captured goes before its end is known.
            drop((body, life));
            drop(farewell);
        })?;
    Ok(Running {
        guard,
        goroutine,
        beats,
    })
}
