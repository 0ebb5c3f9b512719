//! `throttle`: at most one value per period.
//!
//! **Problem.** Values come faster than it makes sense to deal with them (a mouse that moves,
//! progress), and only the latest is of interest.
//!
//! ```text
//!   a b c d e ────────── f ──────────      with a period of ──── :
//!   Both:     a ─── c ── e ─── f ────
//!   Leading:  a ─── d ─────── f ─────
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the sender of its output. At the end of its
//! input it sends the value that it holds back, if there is one, without waiting for the
//! period's end; also if the input ended with a panic, which follows. **Cancelled** by the
//! context while it waits.

use super::edge::Edge;
use super::stage;
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use gorge_runtime::time;
use std::time::Duration;

/// Passes one value per period on, or none, and drops the others. The output is a rendezvous.
///
/// A period begins with a value that was passed on; with [`Edge::Trailing`], also with the
/// first one after a period without any. With [`Edge::Leading`] the next value after
/// its end is passed on at once. With [`Edge::Trailing`] the last value that came in a period
/// is passed on at its end. With [`Edge::Both`], the default of lodash's `throttle`, both: what
/// was passed on at the end of a period begins the next one.
///
/// What counts is when the stage receives a value: while it waits for somebody to take one it
/// receives none. A rate limiter is for values of which none may be dropped.
///
/// The stage ends with its input, when the context is done, and when its receiver is gone; of
/// the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic that comes with the input goes on in whoever receives, behind the last value.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{Edge, generate, throttle};
/// use std::time::Duration;
///
/// let ctx = context::background();
/// let percents = generate(&ctx, 0..=100);
/// let shown = throttle(&ctx, percents, Duration::from_secs(3600), Edge::Both);
/// assert_eq!(shown.iter().collect::<Vec<_>>(), [0, 100]);
/// ```
#[track_caller]
pub fn throttle<T>(ctx: &Context, rx: Receiver<T>, period: Duration, edge: Edge) -> Receiver<T>
where
    T: Send + 'static,
{
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        while let Some(first) = stage.receive(&rx) {
            let mut held = Some(first);
            if edge.leads() && !held.take().is_none_or(|first| stage.send(output, first)) {
                return;
            }
            loop {
                let end = time::deadline(period);
                while let Some(Some(value)) = stage.receive_until(&rx, end) {
                    held = edge.trails().then_some(value);
                }
                let Some(last) = held.take() else {
                    break;
                };
                if !stage.send(output, last) {
                    return;
                }
            }
        }
    });
    receiver
}
