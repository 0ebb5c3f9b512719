//! `buffer`: room between two steps.
//!
//! **Problem.** A step is fast on average and slow at times, and the steps before it need not
//! wait for it each time.
//!
//! ```text
//!   rx ──► [ buffer ] ──► □ □ □ ■ ■ ──► receiver
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output. What is in the buffer
//! can be received after the stage has ended. **Cancelled** by the context while it waits for
//! either neighbour.

use super::or_done::forward;
use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Passes the values on into a channel with room for `n`.
///
/// A buffer evens out bursts. It does not make a step faster that is too slow: then it is
/// full. With `n` = 0 the output is a rendezvous, as that of the other stages.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a value to send.
///
/// # Panics
///
/// If `n` values would take more than `isize::MAX` bytes.
///
/// A panic that comes with the input goes on in whoever receives, behind what is in the buffer.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{buffer, generate};
///
/// let ctx = context::background();
/// let ready = buffer(&ctx, generate(&ctx, 0..1000), 64);
/// assert_eq!(ready.capacity(), Some(64));
/// assert_eq!(ready.iter().count(), 1000);
/// ```
#[track_caller]
pub fn buffer<T>(ctx: &Context, rx: Receiver<T>, n: usize) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(n);
    stage::start(ctx, output, move |stage, output| {
        forward(stage, &rx, output)
    });
    receiver
}
