//! `debounce`: one value per burst.
//!
//! **Problem.** Values come in bursts (keystrokes, changes of a file), and each burst is to
//! be answered once, when it is over.
//!
//! ```text
//!   a b c ────────── d ───────────         with a quiet time of ──── :
//!   Trailing:   ──────── c ───── d
//!   Leading:    a ────── d ───────
//!   Both:       a ────── c d ─────
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output. At the end of its
//! input it sends the value that it holds back, if there is one, also if that ended with a
//! panic, which follows. **Cancelled** by the context while it waits.

use super::edge::Edge;
use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use gorge_runtime::time;
use std::time::Duration;

/// Passes on the first or last value, or both, of each burst: of values that follow each other
/// within less than `quiet`. The output is a rendezvous.
///
/// A burst is over when nothing was received for `quiet`, as with `debounce` of lodash; one
/// that never pauses is never over, and [`throttle`](crate::throttle()) is for that. With
/// [`Edge::Both`], a burst of one value is passed on once. What counts is when the
/// stage receives a value: while it waits for somebody to take one it receives none.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic that comes with the input goes on in whoever receives, behind the last value.
///
/// # Examples
///
/// ```
/// use gorge_channel::{context, unbounded};
/// use gorge_patterns::{Edge, debounce};
/// use std::time::Duration;
///
/// let ctx = context::background();
/// let (keys, typed) = unbounded();
/// let searches = debounce(&ctx, typed, Duration::from_millis(20), Edge::Trailing);
/// keys.send_many(["g", "go", "gor"]).unwrap();
/// assert_eq!(searches.recv(), Ok("gor"));
/// ```
#[track_caller]
pub fn debounce<T>(ctx: &Context, rx: Receiver<T>, quiet: Duration, edge: Edge) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(first) = stage.receive(&rx) {
            let mut held = Some(first);
            if edge.leads() && !held.take().is_none_or(|first| stage.send(output, first)) {
                return;
            }
            while let Some(Some(value)) = stage.receive_until(&rx, time::deadline(quiet)) {
                held = edge.trails().then_some(value);
            }
            if !held.is_none_or(|last| stage.send(output, last)) {
                return;
            }
        }
    });
    receiver
}
