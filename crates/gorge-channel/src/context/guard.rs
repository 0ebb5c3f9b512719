//! Who may cancel a context.

use super::error::{self, ContextError, Ending};
use super::node::NodeRef;
use gorge_runtime::preempt;
use std::error::Error;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Cancels a [`Context`](super::Context) when it is dropped. Made with it, by
/// [`with_cancel`](super::Context::with_cancel) and its kin.
#[must_use = "dropping the guard cancels the context at once"]
pub struct CancelGuard {
    node: NodeRef,
}

impl CancelGuard {
    pub(super) fn of(node: NodeRef) -> CancelGuard {
        CancelGuard { node }
    }

    /// Cancels the context and all derived from it. Does nothing if it is done.
    ///
    /// When this returns, the contexts that it cancelled are done. Contexts
    /// below one that another thread is just cancelling are done when that
    /// call returns. What [`after_func`](super::Context::after_func) registered has been
    /// started, on goroutines of its own.
    pub fn cancel(&self) {
        self.cancel_for(None);
    }

    /// As [`cancel`](CancelGuard::cancel), with what [`cause`](super::Context::cause) says
    /// from then on: an error, or a text.
    ///
    /// # Examples
    ///
    /// ```
    /// let (context, guard) = gorge_channel::context::background().with_cancel();
    /// guard.cancel_with("the user closed the window");
    /// guard.cancel_with("too late: the first cause counts");
    /// assert_eq!(context.cause().unwrap().to_string(), "the user closed the window");
    /// ```
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.cancel_for(Some(error::cause(cause.into())));
    }

    fn cancel_for(&self, cause: Option<error::Cause>) {
        preempt::point_at_without_cancel("cancel a context");
        self.node.cancel_by_hand(Ending {
            reason: ContextError::Canceled,
            cause,
        });
    }

    /// Gives up the means to cancel the context, without cancelling it. It is
    /// done when the one it was derived from is, or its deadline passes.
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
        let node = unsafe { std::ptr::read(&guard.node) };
        node.loses_source();
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

// As contexts.
impl UnwindSafe for CancelGuard {}
impl RefUnwindSafe for CancelGuard {}
