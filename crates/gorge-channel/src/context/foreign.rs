//! Contexts of what is not one: a channel that says when to stop.
//!
//! ```text
//!   the goroutine ── guard ──► context ◄── keeper ◄── contexts that are handed out
//!         ▲                                  │
//!         └────────── gone with it ──────────┘
//! ```
//!
//! A goroutine waits for the channel, and has the guard. What is handed out lies below a
//! node that keeps the sender of a second channel: when that is gone, because nobody has the
//! context any more, the goroutine ends.

use super::node::{Kind, NodeRef};
use super::{Context, background};
use crate::{Receiver, Select, bounded};
use std::convert::Infallible;

impl Context {
    /// A context that is done when `done` is closed, or has a value: for code that says so
    /// by a channel, and not by a context.
    ///
    /// The value is not taken. A goroutine waits for the channel, as long as there is
    /// somebody who has the context or one that was derived from it; so the context may be
    /// done a moment later than the channel. If the runtime of that goroutine, the caller's,
    /// ends before, the context is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::{bounded, context::Context};
    ///
    /// let (stop, done) = bounded(0);
    /// let context = Context::from_done(done);
    /// assert_eq!(context.err(), None);
    /// drop(stop);
    /// assert!(context.done().recv().is_err());
    /// assert!(context.err().is_some());
    /// ```
    pub fn from_done(done: Receiver<()>) -> Context {
        if done.chan().is_none() {
            return background();
        }
        let (inner, guard) = background().with_cancel();
        let (kept, is_gone) = bounded::<Infallible>(0);
        if is_over(&done) {
            guard.cancel();
        } else {
            drop(gorge_runtime::go(move || {
                let _guard = guard;
                let mut select = Select::new();
                select.recv(&done);
                select.recv(&is_gone);
                // Both are over when they are ready.
                select.ready();
            }));
        }
        Context {
            node: NodeRef::below(&inner.node, Kind::Keeper(Box::new(kept))),
        }
    }
}

fn is_over(done: &Receiver<()>) -> bool {
    let mut select = Select::new();
    select.recv(done);
    select.try_ready().is_ok()
}
