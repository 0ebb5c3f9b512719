//! One call that several wait for: who makes it leads, the others follow.
//!
//! The leader owns the sending end of a channel that carries nothing. Whatever happens to
//! it, that end goes, and every follower wakes: to find the outcome, or none, if the leader
//! was cancelled. A follower waits under its own context, and leaves no trace when it goes.

use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, bounded, select_biased};
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_sync::OnceLock;
use std::convert::Infallible;
use std::sync::Arc;

/// A call under way.
pub(super) struct Flight<V> {
    has_ended: Receiver<Infallible>,
    outcome: OnceLock<Outcome<V>>,
    followers: AtomicUsize,
}

/// What a call came to, for those who follow.
pub(super) enum Outcome<V> {
    Value(V),
    /// The text of the leader's panic.
    Panicked(Arc<str>),
}

/// The leader's end. Drop it last.
pub(super) struct Landing(
    #[allow(dead_code, reason = "it is there to be dropped")] Sender<Infallible>,
);

impl<V> Flight<V> {
    pub(super) fn new() -> (Arc<Flight<V>>, Landing) {
        let (landing, has_ended) = bounded(0);
        let flight = Flight {
            has_ended,
            outcome: OnceLock::new(),
            followers: AtomicUsize::new(0),
        };
        (Arc::new(flight), Landing(landing))
    }

    /// Somebody will wait for it. Called under the lock under which the call was found.
    pub(super) fn join(&self) {
        // Relaxed: changed and read by the leader under that lock.
        self.followers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn has_followers(&self) -> bool {
        self.followers.load(Ordering::Relaxed) > 0
    }

    /// Leader: the outcome, once.
    pub(super) fn set(&self, outcome: Outcome<V>) {
        let set = self.outcome.set(outcome);
        debug_assert!(set.is_ok(), "a call has one leader");
    }

    /// Waits for the end; `None` if there was no outcome.
    pub(super) fn wait(&self, ctx: &Context) -> Result<Option<&Outcome<V>>, ContextError> {
        select_biased! {
            recv(self.has_ended) -> _ => Ok(self.outcome.get()),
            recv(ctx.done()) -> _ => Err(ctx.err().unwrap_or(ContextError::Canceled)),
        }
    }
}
