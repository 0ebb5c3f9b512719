//! `merge_sorted`: several sorted receivers become one sorted receiver.
//!
//! **Problem.** Each source is in order (of time, of a name), and so is to be the whole: logs
//! of several machines, runs of an external sort.
//!
//! ```text
//!   1 4 6 ──┐
//!   2 3 ────┼──► [ merge_sorted ] ──► 1 2 3 4 5 6
//!   5 ──────┘
//! ```
//!
//! **Who closes what.** The stage owns all inputs, and the sender of its output, which it
//! drops after the last of them has ended. **Cancelled** by the context while it waits.

use super::stage::{self, Stage};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Merges inputs that are sorted, smallest first. The output is a rendezvous.
///
/// The next value is known when each input has one or has ended: so the slowest input sets
/// the pace. Of equal values, those of earlier inputs come first. What is not sorted in its
/// input is not sorted in the output either.
///
/// The stage ends with the last of its inputs, when the context is done, and when its receiver
/// is gone; of the latter it learns when it has a value to send. It holds one value of each
/// input, which are dropped then.
///
/// # Panics
///
/// A panic of the comparison, or one that comes with an input, ends the output, and goes on in
/// whoever receives.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, merge_sorted};
///
/// let ctx = context::background();
/// let runs = [vec![1, 4, 6], vec![2, 3], vec![5]].map(|run| generate(&ctx, run));
/// assert_eq!(merge_sorted(&ctx, runs).iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
/// ```
#[track_caller]
pub fn merge_sorted<T>(ctx: &Context, rxs: impl IntoIterator<Item = Receiver<T>>) -> Receiver<T>
where
    T: Ord + Send + 'static,
{
    merge_heads(ctx, rxs, |value| (value, ()), |key, ()| key)
}

/// As [`merge_sorted`], of inputs that are sorted by a key.
///
/// # Panics
///
/// As [`merge_sorted`]; also those of `key`.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{generate, merge_sorted_by_key};
///
/// let ctx = context::background();
/// let east = generate(&ctx, [(1, "dawn"), (5, "noon")]);
/// let west = generate(&ctx, [(3, "dawn")]);
/// let all = merge_sorted_by_key(&ctx, [east, west], |(hour, _)| *hour);
/// assert_eq!(all.iter().map(|(hour, _)| hour).collect::<Vec<_>>(), [1, 3, 5]);
/// ```
#[track_caller]
pub fn merge_sorted_by_key<T, K, F>(
    ctx: &Context,
    rxs: impl IntoIterator<Item = Receiver<T>>,
    mut key: F,
) -> Receiver<T>
where
    T: Send + 'static,
    K: Ord + 'static,
    F: FnMut(&T) -> K + Send + 'static,
{
    merge_heads(
        ctx,
        rxs,
        move |value| (key(&value), value),
        |_, value| value,
    )
}

/// The first value that an input has left.
struct Head<K, V> {
    key: K,
    input: usize,
    rest: V,
}

impl<K: Ord, V> Ord for Head<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.key.cmp(&other.key);
        by_key.then(self.input.cmp(&other.input))
    }
}

impl<K: Ord, V> PartialOrd for Head<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> PartialEq for Head<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord, V> Eq for Head<K, V> {}

#[track_caller]
fn merge_heads<T, K, V, F>(
    ctx: &Context,
    rxs: impl IntoIterator<Item = Receiver<T>>,
    mut split: F,
    join: fn(K, V) -> T,
) -> Receiver<T>
where
    T: Send + 'static,
    K: Ord + 'static,
    V: 'static,
    F: FnMut(T) -> (K, V) + Send + 'static,
{
    let inputs: Vec<Receiver<T>> = rxs.into_iter().collect();
    let (output, receiver) = bounded(0);
    stage::start(ctx, output, move |stage, output| {
        let mut heads = BinaryHeap::new();
        let mut refill = |stage: &Stage, heads: &mut BinaryHeap<_>, input: usize| {
            if let Some(value) = stage.receive(&inputs[input]) {
                let (key, rest) = split(value);
                heads.push(Reverse(Head { key, input, rest }));
            }
        };
        for input in 0..inputs.len() {
            refill(stage, &mut heads, input);
        }
        while !stage.has_failed()
            && let Some(Reverse(Head { key, input, rest })) = heads.pop()
            && stage.send(output, join(key, rest))
        {
            refill(stage, &mut heads, input);
        }
    });
    receiver
}
