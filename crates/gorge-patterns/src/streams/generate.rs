//! `generate`: the head of a pipeline.
//!
//! **Problem.** Values come from an iterator, and the stages that use them run
//! concurrently with it.
//!
//! ```text
//!   iterator ──► [ generate ] ──► receiver
//! ```
//!
//! **Who closes what.** The stage owns the sender: it goes when the iterator is
//! exhausted, and the receiver disconnects. **Cancelled** by the context, or by
//! dropping the receiver, while it waits for a receiver; a call of `next` is not
//! interrupted.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Sends the items of an iterator, which runs in a goroutine, one rendezvous
/// after the other: at most one item is ready before it is asked for.
///
/// The stage ends, and drops the iterator, after the last item, when the context
/// is done, and when the receiver is gone.
///
/// # Panics
///
/// A panic of the iterator goes on in whoever receives, behind the items before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::generate;
///
/// let (ctx, stop) = context::background().with_cancel();
/// let numbers = generate(&ctx, 1..);
/// assert_eq!(numbers.iter().take(4).collect::<Vec<_>>(), [1, 2, 3, 4]);
///
/// stop.cancel();
/// // The item that was ready may still come.
/// assert!(numbers.iter().count() <= 1);
/// ```
#[track_caller]
pub fn generate<I>(ctx: &Context, iter: I) -> Receiver<I::Item>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    I::Item: Send + 'static,
{
    let (output, receiver) = bounded(0);
    let mut iter = iter.into_iter();
    stage::start(ctx, output, move |stage, output| {
        for item in iter.by_ref() {
            if !stage.send(output, item) {
                break;
            }
        }
    });
    receiver
}
