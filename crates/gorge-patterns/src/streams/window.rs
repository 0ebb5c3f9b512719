//! `window`: each value with those before it.
//!
//! **Problem.** A step looks at several neighbours at once: an average of the last ten, a
//! change from one value to the next.
//!
//! ```text
//!   1 2 3 4 5 ──► [ window of 3, step 1 ] ──► [1 2 3] [2 3 4] [3 4 5]
//!   1 2 3 4 5 ──► [ window of 2, step 2 ] ──► [1 2] [3 4]
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output, and drops both when
//! it ends. **Cancelled** by the context while it waits for either neighbour.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use std::collections::VecDeque;

/// Sends each group of `size` values that follow each other; the next one begins `step`
/// values later. The output is a rendezvous.
///
/// With a step of one the windows slide, with a step of `size` they tile the stream, and with
/// a larger one they leave values out. An unfinished window at the end is dropped.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a window to send.
///
/// # Panics
///
/// If `size` or `step` is zero.
///
/// A panic while a value is cloned, or that comes with the input, goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, map, window};
///
/// let ctx = context::background();
/// let heights = generate(&ctx, [3, 5, 4, 9]);
/// let steps = map(&ctx, window(&ctx, heights, 2, 1), |pair| pair[1] - pair[0]);
/// assert_eq!(steps.iter().collect::<Vec<_>>(), [2, -1, 5]);
/// ```
#[track_caller]
pub fn window<T>(ctx: &Context, rx: Receiver<T>, size: usize, step: usize) -> Receiver<Vec<T>>
where
    T: Clone + Send + 'static,
{
    assert!(
        size > 0,
        "a window of 0 values shows nothing: give at least 1"
    );
    assert!(
        step > 0,
        "a window that moves by 0 values stays where it is: give at least 1"
    );
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        let mut values = VecDeque::new();
        loop {
            while values.len() < size {
                let Some(value) = stage.receive(&rx) else {
                    return;
                };
                values.push_back(value);
            }
            if !stage.send(output, values.iter().cloned().collect()) {
                return;
            }
            values.drain(..step.min(size));
            for _ in size..step {
                if stage.receive(&rx).is_none() {
                    return;
                }
            }
        }
    });
    receiver
}
