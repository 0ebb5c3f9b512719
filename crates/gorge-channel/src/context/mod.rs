//! Contexts: a signal that says when to stop, passed down a tree of calls and
//! goroutines, with deadlines and values.
//!
//! A [`Context`] is done once it, or one that it was derived from, is cancelled, or its
//! deadline has passed. Functions that may take long accept one and give up when
//! [`done`](Context::done) is closed. Whoever starts the work derives a context
//! with [`with_cancel`](Context::with_cancel) or [`with_timeout`](Context::with_timeout)
//! and keeps the [`CancelGuard`].
//!
//! | | |
//! | --- | --- |
//! | begin | [`background`], [`todo`](fn@todo), [`Context::from_done`] |
//! | derive | `with_cancel`, `with_timeout`, `with_deadline`, `with_value`, `without_cancel`, `with_signals` |
//! | ask | `err`, `cause`, `deadline`, `value` |
//! | wait | `done`, `cancelled`, `sleep`, `run`, `after_func` |
//!
//! It works alike on goroutines, on OS threads and in futures. Nothing runs for a context:
//! a deadline is found to have passed by those who ask and wait, on the clock of theirs.
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

mod after;
mod display;
mod error;
#[cfg(not(gorge_loom))]
mod foreign;
mod guard;
mod node;
#[cfg(not(gorge_loom))]
mod signals;
mod status;
mod tree;
mod wait;

pub use after::AfterFunc;
pub use error::ContextError;
pub use guard::CancelGuard;
#[cfg(not(gorge_loom))]
pub use signals::{SignalError, SignalGuard};
pub use wait::Cancelled;

use crate::Receiver;
use crate::overdue;
use error::Ending;
use gorge_runtime::{preempt, time};
use node::{Deadline, Kind, NodeRef};
use std::any::Any;
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// A signal to stop, with a deadline and values. Clones share it.
///
/// It works alike on goroutines, on OS threads and in futures. Displayed, it shows how it
/// came about: `context.Background.WithCancel`.
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
        self.derive(Kind::Cancel)
    }

    /// Derives a context that is also done when `timeout` has passed from now; see
    /// [`with_deadline`](Context::with_deadline). One that is beyond what the clock can tell
    /// never passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context::{self, ContextError};
    /// use std::time::Duration;
    ///
    /// let (context, _guard) = context::background().with_timeout(Duration::from_millis(1));
    /// assert!(context.done().recv().is_err());
    /// assert_eq!(context.err(), Some(ContextError::DeadlineExceeded));
    /// ```
    pub fn with_timeout(&self, timeout: Duration) -> (Context, CancelGuard) {
        self.derive_timed(time::deadline(timeout), None)
    }

    /// Derives a context that is also done at `deadline`, with
    /// [`DeadlineExceeded`](ContextError::DeadlineExceeded). If this one's own deadline is
    /// earlier, that one counts. A deadline that has passed counts at once.
    ///
    /// No timer runs for it. Drop the guard when the work is done all the same: what was
    /// derived and registered goes with it.
    pub fn with_deadline(&self, deadline: Instant) -> (Context, CancelGuard) {
        self.derive_timed(Some(deadline), None)
    }

    /// As [`with_timeout`](Context::with_timeout), with the [cause](Context::cause) that
    /// there is if it passes. A cancel does not have it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use std::time::Duration;
    ///
    /// let background = context::background();
    /// let (context, _guard) = background.with_timeout_cause(Duration::ZERO, "the disk is slow");
    /// assert_eq!(context.err().unwrap().to_string(), "context deadline exceeded");
    /// assert_eq!(context.cause().unwrap().to_string(), "the disk is slow");
    /// ```
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelGuard) {
        self.derive_timed(time::deadline(timeout), Some(error::cause(cause.into())))
    }

    /// As [`with_deadline`](Context::with_deadline), with the [cause](Context::cause) that
    /// there is if it passes. A cancel does not have it.
    pub fn with_deadline_cause(
        &self,
        deadline: Instant,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelGuard) {
        self.derive_timed(Some(deadline), Some(error::cause(cause.into())))
    }

    fn derive(&self, kind: Kind) -> (Context, CancelGuard) {
        preempt::point_at_without_cancel("derive a context");
        let (context, guard) = tree::derive(&self.node, kind);
        (Context { node: context }, CancelGuard::of(guard))
    }

    fn derive_timed(
        &self,
        at: Option<Instant>,
        cause: Option<error::Cause>,
    ) -> (Context, CancelGuard) {
        let kind = match at {
            Some(at) if tree::is_first(&self.node, at) => Kind::Deadline(Deadline { at, cause }),
            _ => Kind::Cancel,
        };
        let derived = self.derive(kind);
        // Nobody can cancel it before its deadline if that passes at this very instant.
        if at.is_some_and(overdue::stands_at) {
            _ = derived.0.node.reason();
        }
        derived
    }

    /// Derives a context that carries a value, found by its type: [`value`](Context::value).
    /// It is done when this one is.
    ///
    /// For what belongs to a request and goes through many hands, such as who asks, not for
    /// parameters. A type of one's own keeps it apart from the values of others.
    ///
    /// # Examples
    ///
    /// ```
    /// struct User(&'static str);
    ///
    /// let context = gorge_channel::context::background().with_value(User("ada"));
    /// let name = context.value().map(|User(name)| *name);
    /// assert_eq!(name, Some("ada"));
    /// ```
    pub fn with_value<V: Any + Send + Sync>(&self, value: V) -> Context {
        Context {
            node: NodeRef::below(&self.node, Kind::Value(Box::new(value))),
        }
    }

    /// The value of this type that was added last, here or above.
    pub fn value<V: Any + Send + Sync>(&self) -> Option<&V> {
        self.node.value()
    }

    /// Derives a context that has the values of this one, and is not done when this one is:
    /// for what has to be completed even so. It has no deadline and no cause.
    ///
    /// # Examples
    ///
    /// ```
    /// let (request, guard) = gorge_channel::context::background().with_cancel();
    /// let cleanup = request.with_value("request 7").without_cancel();
    /// guard.cancel();
    /// assert_eq!(cleanup.err(), None);
    /// assert_eq!(cleanup.value(), Some(&"request 7"));
    /// ```
    pub fn without_cancel(&self) -> Context {
        Context {
            node: NodeRef::below(&self.node, Kind::WithoutCancel),
        }
    }

    /// A channel that carries no values and is closed when the context is done.
    /// It is never closed for one that cannot be cancelled.
    ///
    /// A clone of the receiver does not keep the context: if that is dropped
    /// and not cancelled, the channel stays open. Receivers cannot close it. It is made
    /// when it is asked for first.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::{bounded, select};
    ///
    /// let (context, guard) = gorge_channel::context::background().with_cancel();
    /// let (_requests, inbox) = bounded::<String>(1);
    /// drop(guard);
    /// select! {
    ///     recv(inbox) -> _ => unreachable!("nobody sends"),
    ///     recv(context.done()) -> _ => println!("{}", context.err().unwrap()),
    /// }
    /// ```
    #[inline]
    pub fn done(&self) -> &Receiver<()> {
        self.node.done()
    }

    /// Whether the context can ever be done. [`background`] and [`todo`](fn@todo) cannot,
    /// so that whoever runs under one need not watch it.
    pub fn is_cancellable(&self) -> bool {
        self.node.canceller().is_some()
    }

    /// Why the context is done; `None` while it is not. Once it says a reason,
    /// it always says this one, and [`done`](Context::done) is closed.
    #[inline]
    pub fn err(&self) -> Option<ContextError> {
        preempt::point_at_without_cancel("look at a context");
        self.node.canceller()?.reason()
    }

    /// What made the context end, in the words of whoever ended it: what was given to
    /// [`cancel_with`](CancelGuard::cancel_with) or
    /// [`with_timeout_cause`](Context::with_timeout_cause), here or above, whichever was
    /// first. If there was nothing, it is the reason that [`err`](Context::err) says.
    ///
    /// `None` while the context is not done.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    ///
    /// let (context, guard) = gorge_channel::context::background().with_cancel();
    /// guard.cancel_with(io::Error::other("out of paper"));
    /// assert_eq!(context.err().unwrap().to_string(), "context canceled");
    /// let cause = context.cause().unwrap();
    /// assert!(cause.downcast_ref::<io::Error>().is_some());
    /// ```
    pub fn cause(&self) -> Option<Arc<dyn Error + Send + Sync>> {
        preempt::point_at_without_cancel("look at a context");
        let node = self.node.canceller()?;
        let _reason = node.reason()?;
        let Ending { reason, cause } = node.ending()?;
        Some(cause.unwrap_or_else(|| Arc::new(reason)))
    }

    /// When the context will be done at the latest; `None` if it has no deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }
}

// No user code runs while the tree is inconsistent.
impl UnwindSafe for Context {}
impl RefUnwindSafe for Context {}
