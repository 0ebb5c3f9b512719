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
//! **Who closes what.** Each goroutine owns a share of `rx`, which disconnects for the step
//! before with the last of them, and closes its own output when it ends. If `f` panics, all
//! outputs are closed with that. **Cancelled** by the context, all together, while they wait;
//! a call of `f` is not interrupted.

use super::stage::{self, Outputs, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Sender, SharedPanic, bounded};
use std::sync::Arc;

/// Applies `f` to each value in one of `n` goroutines: whichever asks first. The
/// outputs are rendezvous, one per goroutine; [`fan_in`](crate::fan_in()) joins
/// them.
///
/// Each goroutine ends after the last value, when the context is done, and when
/// its own receiver is gone; of the latter it learns when it has a value to
/// send, which is lost then.
///
/// # Panics
///
/// If `n` is zero: nobody would take the values.
///
/// A panic of `f` ends all outputs, and goes on in whoever receives: the first one of any of
/// them unwinds with its payload, those of the others with a message.
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
    assert!(
        n > 0,
        "fan_out to 0 goroutines: nobody would take the values; give at least 1"
    );
    let f = Arc::new(f);
    let (shares, receivers) = shares(n);
    let bodies = shares.into_iter().map(|share| {
        let (rx, f) = (rx.clone(), Arc::clone(&f));
        let body = move |stage: &Stage, share: &Share<U>| {
            while let Some(value) = stage.receive(&rx) {
                if !stage.send(share.output(), f(value)) {
                    break;
                }
            }
        };
        (share, body)
    });
    stage::start_all(ctx, bodies);
    receivers
}

/// The output of one of several goroutines, which closes it at its end, and all if it fails.
pub(super) struct Share<U> {
    all: Arc<[Sender<U>]>,
    own: usize,
}

/// One for each of `n` goroutines.
pub(super) fn shares<U>(n: usize) -> (Vec<Share<U>>, Vec<Receiver<U>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| bounded(0)).unzip();
    let all: Arc<[_]> = senders.into();
    let shares = (0..n).map(|own| Share {
        all: Arc::clone(&all),
        own,
    });
    (shares.collect(), receivers)
}

impl<U> Share<U> {
    pub(super) fn output(&self) -> &Sender<U> {
        &self.all[self.own]
    }
}

impl<U: Send + 'static> Outputs for Share<U> {
    fn fail(&self, panic: &SharedPanic) {
        self.all.iter().for_each(|output| output.fail(panic));
    }
}

impl<U> Drop for Share<U> {
    fn drop(&mut self) {
        self.output().close();
    }
}
