//! Functions that run when a context is done.
//!
//! One is registered in the tree as a child of the context, and ended as contexts are: the
//! first to end it, a cancel or a stop, decides whether it runs.
//!
//! A deadline passes without anybody noticing. So where there is one, a goroutine waits for
//! it and asks, which lets the cancel begin. It goes as soon as the function does, by a
//! channel whose other end the function owns.

use super::Context;
use super::error::{ContextError, Ending};
use super::node::{Func, NodeRef};
use super::tree;
use crate::Sender;
use gorge_runtime::preempt;
use std::convert::Infallible;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

impl Context {
    /// Runs a function on a goroutine of its own when the context is done, at once if it is.
    ///
    /// It runs once, unless it is [stopped](AfterFunc::stop) before, and is dropped without
    /// running if the context can never be done. To drop what is returned changes nothing.
    /// The goroutine belongs to the runtime of whoever cancels the context or finds that its
    /// deadline has passed; from outside of any, to the default one.
    ///
    /// For a context with a deadline, a goroutine waits for that, from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::{bounded, context};
    ///
    /// let (context, guard) = context::background().with_cancel();
    /// let (told, tells) = bounded(1);
    /// let stopped = context.after_func(|| unreachable!("it was stopped"));
    /// context.after_func(move || told.send("over").unwrap());
    ///
    /// assert!(stopped.stop());
    /// guard.cancel();
    /// assert_eq!(tells.recv(), Ok("over"));
    /// ```
    pub fn after_func<F>(&self, f: F) -> AfterFunc
    where
        F: FnOnce() + Send + 'static,
    {
        let is_waited_for = self.err().is_none() && self.deadline().is_some();
        let function: Func = match is_waited_for.then(|| self.have_somebody_wait()) {
            Some(lives) => Box::new(move || {
                drop(lives);
                f();
            }),
            None => Box::new(f),
        };
        AfterFunc {
            node: tree::register(&self.node, function),
        }
    }

    /// Starts a goroutine that waits for the deadline, as long as there is what is returned.
    #[cfg(not(gorge_loom))]
    fn have_somebody_wait(&self) -> Sender<Infallible> {
        let (lives, is_over) = crate::bounded(0);
        let context = self.clone();
        drop(gorge_runtime::go(move || {
            crate::select! {
                recv(context.done()) -> _ => {}
                recv(is_over) -> _ => {}
            }
            _ = context.err();
        }));
        lives
    }

    /// Loom's models have no clock.
    #[cfg(gorge_loom)]
    fn have_somebody_wait(&self) -> Sender<Infallible> {
        crate::bounded(0).0
    }
}

/// A function that runs when a context is done; made by [`Context::after_func`]. Dropping
/// this changes nothing.
pub struct AfterFunc {
    node: NodeRef,
}

impl AfterFunc {
    /// Keeps the function from running: true for the one call that does. False if it has
    /// been started, which this does not wait for, or was stopped before.
    ///
    /// The function is dropped before this returns.
    pub fn stop(&self) -> bool {
        preempt::point_at_without_cancel("stop a function");
        self.node.withdraw(Ending {
            reason: ContextError::Canceled,
            cause: None,
        })
    }
}

impl fmt::Debug for AfterFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("AfterFunc { .. }")
    }
}

// It cannot be seen half-way.
impl UnwindSafe for AfterFunc {}
impl RefUnwindSafe for AfterFunc {}
