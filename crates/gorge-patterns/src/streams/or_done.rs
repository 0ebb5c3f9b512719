//! `or_done`: a receiver that ends with a context.
//!
//! **Problem.** A loop over a channel of somebody else's waits for ever when that forgets to
//! close it. It should end when the context is done, without a select in each such loop.
//!
//! ```text
//!   rx ─────────┐
//!               ├──► [ or_done ] ──► receiver, which ends with either
//!   context ────┘
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output, and drops both when
//! it ends. **Cancelled** by the context: that is what it is for.

use super::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Sender, bounded};

/// Passes the values on, until the input ends or the context is done. The output is a
/// rendezvous.
///
/// The stage also ends when its receiver is gone; of that it learns when it has a value to
/// send, which is lost.
///
/// # Panics
///
/// A panic that comes with the input goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::{context, unbounded};
/// use gorge_patterns::or_done;
///
/// let (ctx, stop) = context::background().with_cancel();
/// let (letters, inbox) = unbounded();
/// letters.send("the only one")?;
/// let inbox = or_done(&ctx, inbox);
/// for letter in &inbox {
///     println!("{letter}");
///     stop.cancel();
/// }
/// # Ok::<_, gorge_channel::SendError<&str>>(())
/// ```
#[track_caller]
pub fn or_done<T>(ctx: &Context, rx: Receiver<T>) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        forward(stage, &rx, output)
    });
    receiver
}

/// Passes values on until it is time to end.
pub(super) fn forward<T>(stage: &Stage, rx: &Receiver<T>, output: &Sender<T>) {
    while let Some(value) = stage.receive(rx) {
        if !stage.send(output, value) {
            break;
        }
    }
}
