//! `map`: one step of a pipeline.
//!
//! **Problem.** Each value takes some work, which is to overlap with the work of
//! the other steps, and the order is to stay.
//!
//! ```text
//!   rx ──► [ map: f ] ──► receiver
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output, and
//! drops both when it ends: the step before finds nobody to send to, the step
//! after sees the end. **Cancelled** by the context while it waits for either
//! neighbour; a call of `f` is not interrupted.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Sends `f` of each value, in the order of the input. The output is a
/// rendezvous.
///
/// The stage ends after the last value, when the context is done, and when its
/// receiver is gone; of the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic of `f` goes on in whoever receives from the output, behind the values before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, map};
///
/// let ctx = context::background();
/// let words = generate(&ctx, ["one", "step", "after", "another"]);
/// let lengths = map(&ctx, words, str::len);
/// assert_eq!(lengths.iter().collect::<Vec<_>>(), [3, 4, 5, 7]);
/// ```
#[track_caller]
pub fn map<T, U, F>(ctx: &Context, rx: Receiver<T>, mut f: F) -> Receiver<U>
where
    T: Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> U + Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(value) = stage.receive(&rx) {
            if !stage.send(output, f(value)) {
                break;
            }
        }
    });
    receiver
}
