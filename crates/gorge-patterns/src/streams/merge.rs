//! `merge`: several receivers become one, by one goroutine.
//!
//! **Problem.** As that of [`fan_in`](crate::fan_in()), with many inputs that are mostly
//! silent.
//!
//! ```text
//!   rx ──┐
//!   rx ──┼──► [ merge ] ──► receiver
//!   rx ──┘
//! ```
//!
//! **Who closes what.** The stage owns all inputs, and the sender of its output, which it
//! drops after the last of them has ended. **Cancelled** by the context while it waits.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Select, bounded};

/// Passes the values of all inputs on, each input's in its order; if several inputs have
/// values, one of them is chosen at random. The output is a rendezvous.
///
/// One goroutine selects among all inputs, where [`fan_in`](crate::fan_in()) has one for each:
/// that is smaller, and slower with many inputs that are busy.
///
/// The stage ends with the last of its inputs, when the context is done, and when its receiver
/// is gone; of the latter it learns when it has a value to send, which is lost.
///
/// # Panics
///
/// A panic that comes with an input ends the output, and goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, merge};
///
/// let ctx = context::background();
/// let inputs = [1..4, 4..7].map(|range| generate(&ctx, range));
/// assert_eq!(merge(&ctx, inputs).iter().sum::<i32>(), 21);
/// ```
#[track_caller]
pub fn merge<T>(ctx: &Context, rxs: impl IntoIterator<Item = Receiver<T>>) -> Receiver<T>
where
    T: Send + 'static,
{
    let inputs: Vec<Receiver<T>> = rxs.into_iter().collect();
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        let mut select = Select::new();
        for input in &inputs {
            select.recv(input);
        }
        let mut open = inputs.len();
        while open > 0 {
            let received = stage.wait(|| {
                let operation = select.select();
                let index = operation.index();
                (index, operation.__recv_quietly(&inputs[index]))
            });
            match received {
                Some((_, Ok(value))) => {
                    if !stage.send(output, value) {
                        return;
                    }
                }
                Some((index, Err(_))) => {
                    stage.inherit(&inputs[index]);
                    if stage.has_failed() {
                        return;
                    }
                    select.remove(index);
                    open -= 1;
                }
                None => return,
            }
        }
    });
    receiver
}
