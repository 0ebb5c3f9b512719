//! `zip`: two streams side by side.
//!
//! **Problem.** What belongs together comes from two sources, in the same order.
//!
//! ```text
//!   a b c ──┐
//!           ├──► [ zip ] ──► (a 1) (b 2), and the end
//!   1 2 ────┘
//! ```
//!
//! **Who closes what.** The stage owns both inputs and the sender of its output, and drops
//! them when it ends. **Cancelled** by the context while it waits for any neighbour.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Sends the first values of both inputs as a pair, then the second ones, and so on. The
/// output is a rendezvous.
///
/// The stage ends when it wants a value of an input that has ended: if that is the right one,
/// a value of the left one is dropped. It also ends when the context is done, and when its
/// receiver is gone; of the latter it learns when it has a pair to send.
///
/// # Panics
///
/// A panic that comes with either input goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, zip};
///
/// let ctx = context::background();
/// let names = generate(&ctx, ["ada", "alan"]);
/// let numbered = zip(&ctx, generate(&ctx, 1..), names);
/// assert_eq!(numbered.iter().collect::<Vec<_>>(), [(1, "ada"), (2, "alan")]);
/// ```
#[track_caller]
pub fn zip<A, B>(ctx: &Context, left: Receiver<A>, right: Receiver<B>) -> Receiver<(A, B)>
where
    A: Send + 'static,
    B: Send + 'static,
{
    zip_until(ctx, left, right, || ())
}

/// As [`zip`]; calls a function when it wants no more of the left one, and drops that before
/// its output.
#[track_caller]
pub(super) fn zip_until<A, B, F>(
    ctx: &Context,
    left: Receiver<A>,
    right: Receiver<B>,
    mut has_enough: F,
) -> Receiver<(A, B)>
where
    A: Send + 'static,
    B: Send + 'static,
    F: FnMut() + Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(first) = stage.receive(&left) {
            let Some(second) = stage.receive(&right) else {
                return has_enough();
            };
            if !stage.send(output, (first, second)) {
                break;
            }
        }
    });
    receiver
}
