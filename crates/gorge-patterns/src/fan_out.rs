//! `fan_out`: one step of a pipeline, done by several goroutines.
//!
//! **Problem.** A step takes so long that the others wait for it, and its values
//! do not depend on each other.
//!
//! ```text
//!          ┌──► [ f ] ──► receiver
//!   rx ──► ┼──► [ f ] ──► receiver      each value goes to one of them
//!          └──► [ f ] ──► receiver
//! ```
//!
//! **Who closes what.** Each goroutine owns its output and a share of `rx`. It
//! drops both when it ends; `rx` disconnects for the step before with the last
//! of them. **Cancelled** by the context, all together, while they wait; a call
//! of `f` is not interrupted.

use crate::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use std::sync::Arc;

/// Applies `f` to each value in one of `n` goroutines: whichever asks first. The
/// outputs are rendezvous, one per goroutine; [`fan_in`](crate::fan_in()) joins
/// them. For `n` = 0 there are none, and `rx` is dropped.
///
/// Each goroutine ends after the last value, when the context is done, and when
/// its own receiver is gone; of the latter it learns when it has a value to
/// send, which is lost then. A panic of `f` ends the goroutine that it happens
/// in, and the value is lost; the panic hook prints it, the output's receiver
/// sees the end, and the others go on.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{fan_in, fan_out, generate};
///
/// let ctx = context::background();
/// let numbers = generate(&ctx, 1..=100u64);
/// let squares = fan_out(&ctx, numbers, 4, |number| number * number);
/// assert_eq!(squares.len(), 4);
/// assert_eq!(fan_in(&ctx, squares).iter().sum::<u64>(), 338_350);
/// ```
#[track_caller]
pub fn fan_out<T, U, F>(ctx: &Context, rx: Receiver<T>, n: usize, f: F) -> Vec<Receiver<U>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    let f = Arc::new(f);
    let (outputs, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| bounded(0)).unzip();
    let bodies = outputs.into_iter().map(|output| {
        let (rx, f) = (rx.clone(), Arc::clone(&f));
        move |stage: &Stage| {
            while let Some(value) = stage.receive(&rx) {
                if !stage.send(&output, f(value)) {
                    break;
                }
            }
        }
    });
    stage::start(ctx, bodies);
    receivers
}
