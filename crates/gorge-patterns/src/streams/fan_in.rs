//! `fan_in`: several receivers become one.
//!
//! **Problem.** Values come from many sources, and whoever uses them wants to
//! wait in one place, for whichever comes first.
//!
//! ```text
//!   rx ──► [ forward ] ──┐
//!   rx ──► [ forward ] ──┼──► receiver
//!   rx ──► [ forward ] ──┘
//! ```
//!
//! **Who closes what.** One goroutine per input owns it and a sender of the
//! output: with the last of them the output disconnects. **Cancelled** by the
//! context, all together, whatever they wait for.

use super::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Sender, bounded};

/// Passes the values of all inputs on, each input's in its order; among the
/// inputs it is first come, first served. The output is a rendezvous, and each
/// input has one value ready for it at most.
///
/// An input ends by itself; the output, when all have. All end when the context
/// is done. When the receiver is gone each ends as soon as it has a value to
/// pass on, which is lost.
///
/// # Panics
///
/// A panic that comes with an input goes on in whoever receives, and ends the output.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{fan_in, generate};
///
/// let ctx = context::background();
/// let inputs = [1..4, 4..7, 7..10].map(|range| generate(&ctx, range));
/// let mut all: Vec<_> = fan_in(&ctx, inputs).iter().collect();
/// all.sort();
/// assert_eq!(all, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// ```
#[track_caller]
pub fn fan_in<T>(ctx: &Context, rxs: impl IntoIterator<Item = Receiver<T>>) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    let bodies = rxs.into_iter().map(|rx| {
        let body = move |stage: &Stage, output: &Sender<T>| {
            while let Some(value) = stage.receive(&rx) {
                if !stage.send(output, value) {
                    break;
                }
            }
        };
        (output.clone(), body)
    });
    stage::start_all(ctx, bodies);
    receiver
}
