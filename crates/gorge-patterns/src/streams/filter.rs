//! `filter`: only some of the values.
//!
//! **Problem.** The steps after this one want the values for which a condition holds.
//!
//! ```text
//!   1 2 3 4 ──► [ filter: is it even? ] ──► 2 4
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output, and drops both when
//! it ends. **Cancelled** by the context while it waits for either neighbour; a call of the
//! condition is not interrupted.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Passes the values on for which `keeps` returns true, and drops the others. The output is a
/// rendezvous.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic of `keeps` goes on in whoever receives, behind the values before it.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{filter, generate};
///
/// let ctx = context::background();
/// let even = filter(&ctx, generate(&ctx, 1..=6), |number| number % 2 == 0);
/// assert_eq!(even.iter().collect::<Vec<_>>(), [2, 4, 6]);
/// ```
#[track_caller]
pub fn filter<T, F>(ctx: &Context, rx: Receiver<T>, mut keeps: F) -> Receiver<T>
where
    T: Send + 'static,
    F: FnMut(&T) -> bool + Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(value) = stage.receive(&rx) {
            if keeps(&value) && !stage.send(output, value) {
                break;
            }
        }
    });
    receiver
}
