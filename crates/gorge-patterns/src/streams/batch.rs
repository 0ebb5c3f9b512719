//! `batch`: values in groups, by size or time.
//!
//! **Problem.** A step costs as much for many values as for one (a write to a disk, a call to
//! a server), but must not keep any of them waiting for long.
//!
//! ```text
//!   a b c d ─────── e ──────── ──► [ batch of 3, 1 s ] ──► [a b c] ─ [d] ─── [e] ──
//!                                                           full     time    time
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output. At the end of its
//! input it sends what it has, also if that ended with a panic, which follows. **Cancelled**
//! by the context while it waits: what it has gathered is dropped then.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use gorge_runtime::time;
use std::time::Duration;

/// Gathers the values, and sends them when there are `n`, when the first of them has waited
/// for `d`, and at the end. No batch is empty. The output is a rendezvous.
///
/// The time begins when the first value of a batch is received; a `d` beyond what the clock
/// can tell is for ever. While the stage waits for somebody to take a batch it receives
/// nothing.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a batch to send.
///
/// # Panics
///
/// If `n` is zero.
///
/// A panic that comes with the input goes on in whoever receives, behind the last batch.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{batch, generate};
/// use std::time::Duration;
///
/// let ctx = context::background();
/// let rows = generate(&ctx, 1..=7);
/// let batches = batch(&ctx, rows, 3, Duration::from_secs(60));
/// let batches: Vec<_> = batches.iter().collect();
/// assert_eq!(batches, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
/// ```
#[track_caller]
pub fn batch<T>(ctx: &Context, rx: Receiver<T>, n: usize, d: Duration) -> Receiver<Vec<T>>
where
    T: Send + 'static,
{
    assert!(
        n > 0,
        "batches of 0 values would never be full: give at least 1"
    );
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(first) = stage.receive(&rx) {
            let deadline = time::deadline(d);
            let mut batch = vec![first];
            while batch.len() < n
                && let Some(Some(value)) = stage.receive_until(&rx, deadline)
            {
                batch.push(value);
            }
            // At the end of the input this is the last one; the next receive says so again.
            if !stage.send(output, batch) {
                break;
            }
        }
    });
    receiver
}
