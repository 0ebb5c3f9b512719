//! `take` and `skip`: the first values of a stream, and what follows them.
//!
//! **Problem.** A source has more values than are wanted, or begins with some that are not.
//!
//! ```text
//!   a b c d … ──► [ take 2 ] ──► a b, and the end
//!   a b c d … ──► [ skip 2 ] ──► c d …
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output. `take` drops both
//! behind its last value, without waiting for another one, so the steps before it end.
//! **Cancelled** by the context while it waits for either neighbour.

use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};

/// Passes the first `n` values on, and ends. The output is a rendezvous.
///
/// The stage also ends with its input, when the context is done, and when its receiver is
/// gone. For `n` = 0 it takes nothing.
///
/// # Panics
///
/// A panic that comes with the input goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, take};
///
/// let ctx = context::background();
/// let numbers = take(&ctx, generate(&ctx, 1..), 3);
/// assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// ```
#[track_caller]
pub fn take<T>(ctx: &Context, rx: Receiver<T>, n: usize) -> Receiver<T>
where
    T: Send + 'static,
{
    take_until(ctx, rx, n, || ())
}

/// As [`take`]; calls a function when it wants no more, and drops that before its output.
#[track_caller]
pub(super) fn take_until<T, F>(
    ctx: &Context,
    rx: Receiver<T>,
    n: usize,
    mut has_enough: F,
) -> Receiver<T>
where
    T: Send + 'static,
    F: FnMut() + Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        for missing in (0..n).rev() {
            let Some(value) = stage.receive(&rx) else {
                return;
            };
            if missing == 0 {
                has_enough();
            }
            if !stage.send(output, value) {
                return;
            }
        }
        if n == 0 {
            has_enough();
        }
    });
    receiver
}

/// Drops the first `n` values, and passes all others on. The output is a rendezvous.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic that comes with the input goes on in whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, skip};
///
/// let ctx = context::background();
/// let lines = generate(&ctx, ["name,age", "ada,36", "alan,41"]);
/// assert_eq!(skip(&ctx, lines, 1).iter().collect::<Vec<_>>(), ["ada,36", "alan,41"]);
/// ```
#[track_caller]
pub fn skip<T>(ctx: &Context, rx: Receiver<T>, n: usize) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        for _ in 0..n {
            if stage.receive(&rx).is_none() {
                return;
            }
        }
        while let Some(value) = stage.receive(&rx) {
            if !stage.send(output, value) {
                break;
            }
        }
    });
    receiver
}
