//! `tee`: every value to all of several receivers.
//!
//! **Problem.** Several steps want the same values: one to act on them, one to log them.
//!
//! ```text
//!                 ┌──► receiver
//!   rx ──► [ tee ]┤              each value goes to all
//!                 └──► receiver
//! ```
//!
//! **Who closes what.** The stage owns `rx` and the senders of all outputs, and drops them
//! when it ends. An output whose receiver is gone is left out from there on. **Cancelled** by
//! the context while it waits for any neighbour.

use super::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, Select, SendError, Sender, bounded};

/// Sends each value to both receivers, in whichever order they ask. The outputs are
/// rendezvous.
///
/// The next value is received when both have this one, so the slower one sets the pace: a
/// [`buffer`](crate::buffer()) behind it gives it time. When one of them is gone, the other
/// one still gets everything.
///
/// The stage ends with its input, when the context is done, and when both receivers are gone;
/// of the latter it learns when it has a value to send.
///
/// # Panics
///
/// A panic while a value is cloned, or that comes with the input, goes on in whoever receives:
/// the first unwinds with its payload, that of the other output with a message.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, tee};
/// use gorge_runtime::go;
///
/// let ctx = context::background();
/// let (left, right) = tee(&ctx, generate(&ctx, 1..=4));
/// let sum = go(move || left.iter().sum::<i32>());
/// assert_eq!(right.iter().product::<i32>(), 24);
/// assert_eq!(sum.join().unwrap(), 10);
/// ```
#[track_caller]
pub fn tee<T>(ctx: &Context, rx: Receiver<T>) -> (Receiver<T>, Receiver<T>)
where
    T: Clone + Send + 'static,
{
    let mut both = tee_n(ctx, rx, 2).into_iter();
    match (both.next(), both.next()) {
        (Some(left), Some(right)) => (left, right),
        _ => unreachable!("there are two"),
    }
}

/// As [`tee`], to `n` receivers.
///
/// # Panics
///
/// If `n` is zero: nobody would take the values. Else as [`tee`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{fan_in, generate, tee_n};
///
/// let ctx = context::background();
/// let copies = tee_n(&ctx, generate(&ctx, 1..=4), 3);
/// assert_eq!(fan_in(&ctx, copies).iter().sum::<i32>(), 30);
/// ```
#[track_caller]
pub fn tee_n<T>(ctx: &Context, rx: Receiver<T>, n: usize) -> Vec<Receiver<T>>
where
    T: Clone + Send + 'static,
{
    assert!(
        n > 0,
        "a tee with 0 outputs: nobody would take the values; give at least 1"
    );
    let (outputs, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| bounded(0)).unzip();
    stage::start(ctx, outputs, move |stage, outputs: &Vec<Sender<T>>| {
        let mut present: Vec<&Sender<T>> = outputs.iter().collect();
        while let Some(value) = stage.receive(&rx) {
            if !send_to_all(stage, &mut present, value) || present.is_empty() {
                break;
            }
        }
    });
    receivers
}

/// Leaves out those whose receivers are gone. False when it is time to end.
fn send_to_all<T: Clone>(stage: &Stage, present: &mut Vec<&Sender<T>>, value: T) -> bool {
    let mut waiting = present.clone();
    // One is made before it is known who gets it, as cloning is the user's code.
    let mut copy = None;
    while waiting.len() > 1 {
        let ready = copy.take().unwrap_or_else(|| value.clone());
        let Some((index, sent)) = stage.wait(|| send_to_any(&waiting, ready)) else {
            return false;
        };
        let output = waiting.swap_remove(index);
        if let Err(SendError(unsent)) = sent {
            present.retain(|it| !it.same_channel(output));
            copy = Some(unsent);
        }
    }
    let Some(last) = waiting.pop() else {
        return true;
    };
    let Some(sent) = stage.wait(|| last.send(value)) else {
        return false;
    };
    if sent.is_err() {
        present.retain(|it| !it.same_channel(last));
    }
    true
}

/// Sends to whichever asks first.
fn send_to_any<T>(outputs: &[&Sender<T>], value: T) -> (usize, Result<(), SendError<T>>) {
    let mut select = Select::new();
    for output in outputs {
        select.send(output);
    }
    let operation = select.select();
    let index = operation.index();
    (index, operation.send(outputs[index], value))
}
