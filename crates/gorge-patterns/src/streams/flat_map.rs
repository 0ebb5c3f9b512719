//! `flat_map`: each value becomes any number of values.
//!
//! **Problem.** A step finds several results for a value, or none: the lines of a file, the
//! options that are there.
//!
//! ```text
//!   "a b" "c" ──► [ flat_map: words ] ──► "a" "b" "c"
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output, and drops both when
//! it ends, with an iterator that it is in the midst of. **Cancelled** by the context while it
//! waits for either neighbour; a call of `f`, or of `next`, is not interrupted.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Sends all items of what `f` makes of each value, in order. The output is a rendezvous.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has an item to send.
///
/// # Panics
///
/// A panic of `f`, or of what it returned, goes on in whoever receives, behind the items
/// before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{flat_map, generate};
///
/// let ctx = context::background();
/// let lines = generate(&ctx, ["to be or", "not to be"]);
/// let words = flat_map(&ctx, lines, |line| line.split(' '));
/// assert_eq!(words.iter().count(), 6);
/// ```
#[track_caller]
pub fn flat_map<T, I, F>(ctx: &Context, rx: Receiver<T>, mut f: F) -> Receiver<I::Item>
where
    T: Send + 'static,
    I: IntoIterator,
    I::Item: Send + 'static,
    F: FnMut(T) -> I + Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(value) = stage.receive(&rx) {
            for item in f(value) {
                if !stage.send(output, item) {
                    return;
                }
            }
        }
    });
    receiver
}
