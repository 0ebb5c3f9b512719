//! `bridge`: a channel of channels becomes one channel.
//!
//! **Problem.** A source hands out one stream after the other (pages of results, the streams
//! of a worker that is started anew), and whoever uses the values wants a single loop.
//!
//! ```text
//!   [a b] [c] [d e] ──► [ bridge ] ──► a b c d e
//! ```
//!
//! **Who closes what.** The stage owns the outer receiver, each inner one until it ends, and
//! the sender of its output. **Cancelled** by the context while it waits for any of them.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Passes on the values of the first receiver until it ends, then those of the second, and so
/// on. The output is a rendezvous.
///
/// The stage ends after the last one, when the context is done, and when its receiver is gone;
/// of the latter it learns when it has a value to send, which is lost.
///
/// # Panics
///
/// A panic that comes with any of them goes on in whoever receives, behind the values before
/// it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{bridge, generate};
///
/// let ctx = context::background();
/// let pages = {
///     let ctx = ctx.clone();
///     (0..3).map(move |page| generate(&ctx, page * 10..page * 10 + 2))
/// };
/// let results = bridge(&ctx, generate(&ctx, pages));
/// assert_eq!(results.iter().collect::<Vec<_>>(), [0, 1, 10, 11, 20, 21]);
/// ```
#[track_caller]
pub fn bridge<T>(ctx: &Context, rxs: Receiver<Receiver<T>>) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while !stage.has_failed()
            && let Some(rx) = stage.receive(&rxs)
        {
            while let Some(value) = stage.receive(&rx) {
                if !stage.send(output, value) {
                    return;
                }
            }
        }
    });
    receiver
}
