//! `ordered_parallel_map`: one step, done by several goroutines, in order.
//!
//! **Problem.** A step takes long and its values do not depend on each other, but the steps
//! after it want the results in the order of the input.
//!
//! ```text
//!                     ┌──► [ f ] ──┐
//!   rx ──► [ number ]─┼──► [ f ] ──┼──► [ put in order ] ──► receiver
//!              ▲      └──► [ f ] ──┘            │
//!              └────────── places ◄─────────────┘
//! ```
//!
//! A value needs one of a number of places before it is received, and gives it back when its
//! result is passed on: so a value that takes very long has the others wait, and does not let
//! their results pile up.
//!
//! **Who closes what.** The one that numbers owns `rx`, the one that puts in order the sender
//! of the output, and between them everything ends with its input. **Cancelled** by the
//! context while they wait; a call of `f` is not interrupted.

use super::stage::{self, Outputs, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Sender, SharedPanic, bounded};
use gorge_runtime::catch_panic;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Sends `f` of each value, in the order of the input, as [`map`](crate::map()) does, but calls
/// it in `n` goroutines at once. The output is a rendezvous.
///
/// At most twice as many values as there are goroutines are under way; with
/// [`ordered_parallel_map_ahead`], any number. There are two goroutines more: one that numbers
/// the values, and one that puts the results in order.
///
/// All end with the input, when the context is done, and when the receiver is gone; of the
/// latter they learn when there is a result to send.
///
/// # Panics
///
/// If `n` is zero: nobody would take the values.
///
/// A panic of `f` goes on in whoever receives, behind the results of the values before it, as
/// if they had been mapped one after the other.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, ordered_parallel_map};
///
/// let ctx = context::background();
/// let texts = generate(&ctx, ["3", "1", "2"]);
/// let numbers = ordered_parallel_map(&ctx, texts, 4, |text| text.parse::<u32>().unwrap());
/// assert_eq!(numbers.iter().collect::<Vec<_>>(), [3, 1, 2]);
/// ```
#[track_caller]
pub fn ordered_parallel_map<T, U, F>(ctx: &Context, rx: Receiver<T>, n: usize, f: F) -> Receiver<U>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    ordered_parallel_map_ahead(ctx, rx, n, n.saturating_mul(2).max(1), f)
}

/// As [`ordered_parallel_map`], with at most `ahead` values under way: received, and their
/// results not passed on.
///
/// # Panics
///
/// If `n` or `ahead` is zero. Else as [`ordered_parallel_map`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, ordered_parallel_map_ahead};
///
/// let ctx = context::background();
/// let squares = ordered_parallel_map_ahead(&ctx, generate(&ctx, 1..=3), 2, 100, |n| n * n);
/// assert_eq!(squares.iter().collect::<Vec<_>>(), [1, 4, 9]);
/// ```
#[track_caller]
pub fn ordered_parallel_map_ahead<T, U, F>(
    ctx: &Context,
    rx: Receiver<T>,
    n: usize,
    ahead: usize,
    f: F,
) -> Receiver<U>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    assert!(
        n > 0,
        "a map by 0 goroutines: nobody would take the values; give at least 1"
    );
    assert!(
        ahead > 0,
        "a look-ahead of 0 values: none would be received; give at least 1"
    );
    let (taken, places) = bounded(ahead);
    let (results, in_any_order) = bounded(ahead);
    let (numbered, jobs) = bounded(0);
    let outputs = Numbered {
        jobs: numbered,
        results: results.clone(),
    };
    let mut number = 0;
    stage::start(ctx, outputs, move |stage, outputs: &Numbered<T, U>| {
        while stage.send(&taken, ())
            && let Some(value) = stage.receive(&rx)
            && stage.send(&outputs.jobs, (number, value))
        {
            number += 1;
        }
        if let Some(panic) = stage.take_inherited() {
            stage.send(&outputs.results, (number, Err(panic)));
        }
    });

    let f = Arc::new(f);
    let bodies = (0..n).map(|_| {
        let (jobs, f) = (jobs.clone(), Arc::clone(&f));
        let body = move |stage: &Stage, results: &Sender<Numbering<U>>| {
            while let Some((number, value)) = stage.receive(&jobs) {
                let result = catch_panic(AssertUnwindSafe(|| f(value))).map_err(SharedPanic::new);
                let ends = result.is_err();
                if !stage.send(results, (number, result)) || ends {
                    break;
                }
            }
        };
        (results.clone(), body)
    });
    stage::start_all(ctx, bodies);
    drop((jobs, results));

    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        put_in_order(stage, &in_any_order, &places, output);
    });
    receiver
}

/// A result and its place in the input.
type Numbering<U> = (usize, Result<U, SharedPanic>);

/// Outputs of the one that numbers.
struct Numbered<T, U> {
    jobs: Sender<(usize, T)>,
    results: Sender<Numbering<U>>,
}

impl<T: Send + 'static, U: Send + 'static> Outputs for Numbered<T, U> {
    fn fail(&self, panic: &SharedPanic) {
        self.results.fail(panic);
    }
}

fn put_in_order<U>(
    stage: &Stage,
    results: &Receiver<Numbering<U>>,
    places: &Receiver<()>,
    output: &Sender<U>,
) {
    // Those from the next one on, which is missing.
    let mut early = VecDeque::new();
    let mut next = 0;
    while let Some((number, result)) = stage.receive(results) {
        let place: usize = number - next;
        if early.len() <= place {
            early.resize_with(place + 1, || None);
        }
        early[place] = Some(result);
        while let Some(Some(_)) = early.front() {
            match early.pop_front().flatten() {
                Some(Ok(value)) => {
                    next += 1;
                    if !stage.send(output, value) {
                        return;
                    }
                    _ = places.try_recv();
                }
                Some(Err(panic)) => {
                    stage.fail_with(panic);
                    return;
                }
                None => {}
            }
        }
    }
}
