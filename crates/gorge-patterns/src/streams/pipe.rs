//! `pipe`: a function that writes becomes a stream.
//!
//! **Problem.** A function finds values in the midst of its work (of a recursion, of loops
//! within loops), where an iterator would have to remember where it is. It runs as a
//! coroutine: it goes on each time that somebody wants a value.
//!
//! ```text
//!   [ function ── send ]──► receiver
//! ```
//!
//! **Who closes what.** The goroutine owns the sender: the receiver disconnects when the
//! function has returned. **Cancelled** by the context, or by dropping the receiver: `send`
//! then fails, with the value, and the function returns by itself.
//!
//! Two that both send and receive are [`duplex`](super::duplex).

use super::stage;
use gorge_channel::context::{Context, background};
use gorge_channel::{Receiver, SendError, Sender, bounded, select_biased};
use std::fmt;

/// The writing end of a [`pipe`], in the hands of its function.
pub struct Outlet<'a, T> {
    context: &'a Context,
    sender: &'a Sender<T>,
}

impl<T> Outlet<'_, T> {
    /// Sends a value: waits until it is received.
    ///
    /// # Errors
    ///
    /// If nobody will receive it, because the receiver is gone or the context is done; with the
    /// value. It is time to return then.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine, which comes when its runtime ends.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        send(self.context, self.sender, value)
    }
}

/// Runs a function in a goroutine, and returns the receiver of what it sends. The pipe is a
/// rendezvous: the function is ahead of the receiver by one value at most.
///
/// # Panics
///
/// A panic of `f` goes on in whoever receives, behind the values before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::{SendError, context};
/// use gorge_patterns::{Outlet, pipe};
///
/// enum Tree {
///     Leaf,
///     Node(Box<Tree>, u32, Box<Tree>),
/// }
///
/// fn walk(tree: &Tree, out: &Outlet<u32>) -> Result<(), SendError<u32>> {
///     if let Tree::Node(left, value, right) = tree {
///         walk(left, out)?;
///         out.send(*value)?;
///         walk(right, out)?;
///     }
///     Ok(())
/// }
///
/// let node = |left, value, right| Box::new(Tree::Node(left, value, right));
/// let leaf = || Box::new(Tree::Leaf);
/// let tree = node(node(leaf(), 1, leaf()), 2, node(leaf(), 3, leaf()));
///
/// let ctx = context::background();
/// let values = pipe(&ctx, move |out| walk(&tree, out));
/// assert_eq!(values.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// ```
#[track_caller]
pub fn pipe<T, F, R>(ctx: &Context, f: F) -> Receiver<T>
where
    T: Send + 'static,
    F: FnOnce(&Outlet<'_, T>) -> R + Send + 'static,
{
    let (output, receiver) = bounded(0);
    let (context, mut function) = (ctx.clone(), Some(f));
    // The function waits where it likes to, so nothing but its own operations ends them.
    stage::start(&background(), output, move |_, sender| {
        if let Some(function) = function.take() {
            drop(function(&Outlet {
                context: &context,
                sender,
            }));
        }
    });
    receiver
}

/// Sends until the context is done.
pub(super) fn send<T>(ctx: &Context, sender: &Sender<T>, value: T) -> Result<(), SendError<T>> {
    if !ctx.is_cancellable() {
        return sender.send(value);
    }
    let mut value = Some(value);
    select_biased! {
        recv(ctx.done()) -> _ => {}
        send(sender, value.take().expect("it is sent once")) -> sent => return sent,
    }
    Err(SendError(value.expect("it was not sent")))
}

impl<T> fmt::Debug for Outlet<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Outlet { .. }")
    }
}
