//! Contexts: a signal that says when to stop, passed down a tree of calls and
//! goroutines.
//!
//! A [`Context`] is done once it, or one that it was derived from, is
//! cancelled. Functions that may take long accept one and give up when
//! [`done`](Context::done) is closed. Whoever starts the work derives a context
//! with [`with_cancel`](Context::with_cancel) and keeps the [`CancelGuard`].
//!
//! # Examples
//!
//! ```
//! use gorge_channel::context::{self, ContextError};
//!
//! let (context, guard) = context::background().with_cancel();
//! let worker = std::thread::spawn({
//!     let context = context.clone();
//!     move || {
//!         let _ = context.done().recv(); // until it is closed
//!         context.err()
//!     }
//! });
//! guard.cancel();
//! assert_eq!(worker.join().unwrap(), Some(ContextError::Canceled));
//! ```

mod error;
mod node;
mod status;

pub use error::ContextError;

use crate::Receiver;
use node::{Kind, NodeRef};
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A context that is never done: where the tree begins.
///
/// # Examples
///
/// ```
/// let context = gorge_channel::context::background();
/// assert_eq!(context.err(), None);
/// assert!(context.done().try_recv().is_err_and(|error| error.is_empty()));
/// ```
pub fn background() -> Context {
    Context {
        node: NodeRef::root(Kind::Background),
    }
}

/// Like [`background`], to mark code that does not pass a context yet.
pub fn todo() -> Context {
    Context {
        node: NodeRef::root(Kind::Todo),
    }
}

/// A signal to stop. Clones share it.
///
/// It works alike on goroutines and on OS threads.
#[derive(Clone)]
pub struct Context {
    node: NodeRef,
}

impl Context {
    /// Derives a context that is done when the guard is dropped or
    /// [cancels](CancelGuard::cancel) it, or when this one is done. If this one
    /// is done already, so is the new one.
    ///
    /// This one knows of the new one as long as that is neither done nor
    /// dropped, so it may derive any number of contexts over time.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context::{self, ContextError};
    ///
    /// let (parent, stop_all) = context::background().with_cancel();
    /// let (first, stop_first) = parent.with_cancel();
    /// let (second, _stop_second) = parent.with_cancel();
    ///
    /// stop_first.cancel();
    /// assert_eq!(first.err(), Some(ContextError::Canceled));
    /// assert_eq!(second.err(), None);
    ///
    /// stop_all.cancel();
    /// assert_eq!(second.err(), Some(ContextError::Canceled));
    /// ```
    pub fn with_cancel(&self) -> (Context, CancelGuard) {
        let node = NodeRef::child(&self.node);
        let guard = CancelGuard { node: node.clone() };
        (Context { node }, guard)
    }

    /// A channel that carries no values and is closed when the context is done.
    /// It is never closed for one that cannot be cancelled.
    ///
    /// A clone of the receiver does not keep the context: if that is dropped
    /// and not cancelled, the channel stays open. Receivers cannot close it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (context, guard) = gorge_channel::context::background().with_cancel();
    /// assert!(context.done().try_recv().unwrap_err().is_empty());
    /// drop(guard);
    /// assert!(context.done().try_recv().unwrap_err().is_disconnected());
    /// ```
    pub fn done(&self) -> &Receiver<()> {
        self.node.done()
    }

    /// Whether the context can ever be done. [`background`] and [`todo`](fn@todo) cannot,
    /// so that whoever runs under one need not watch it.
    pub fn is_cancellable(&self) -> bool {
        self.node.kind() == Kind::Cancel
    }

    /// Why the context is done; `None` while it is not. Once it says a reason,
    /// it always says this one, and [`done`](Context::done) is closed.
    pub fn err(&self) -> Option<ContextError> {
        self.node.reason()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("kind", &self.node.kind())
            .field("err", &self.err())
            .finish_non_exhaustive()
    }
}

/// Cancels a [`Context`] when it is dropped. Made by
/// [`Context::with_cancel`].
#[must_use = "dropping the guard cancels the context at once"]
pub struct CancelGuard {
    node: NodeRef,
}

impl CancelGuard {
    /// Cancels the context and all derived from it. Does nothing if it is done.
    ///
    /// When this returns, the contexts that it cancelled are done. Contexts
    /// below one that another thread is just cancelling are done when that
    /// call returns.
    pub fn cancel(&self) {
        self.node.cancel(ContextError::Canceled);
    }

    /// Gives up the means to cancel the context, without cancelling it. It is
    /// done when the one it was derived from is.
    ///
    /// # Examples
    ///
    /// ```
    /// let (parent, guard) = gorge_channel::context::background().with_cancel();
    /// let (child, child_guard) = parent.with_cancel();
    /// child_guard.forget();
    /// assert_eq!(child.err(), None);
    /// guard.cancel();
    /// assert!(child.err().is_some());
    /// ```
    pub fn forget(self) {
        let guard = ManuallyDrop::new(self);
        // SAFETY: read once, from a guard that is not dropped nor used again.
        drop(unsafe { std::ptr::read(&guard.node) });
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("CancelGuard { .. }")
    }
}

// No user code runs while the tree is inconsistent.
impl UnwindSafe for Context {}
impl RefUnwindSafe for Context {}
impl UnwindSafe for CancelGuard {}
impl RefUnwindSafe for CancelGuard {}
