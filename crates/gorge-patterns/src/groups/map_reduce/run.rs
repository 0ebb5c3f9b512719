//! The phases: map, shuffle, reduce.

use super::emitter::{Emitter, Part, Seeded, add};
use super::{Combine, MapReduce, MapReduceError};
use crate::groups::group::{GroupError, TaskError, group_scope};
use gorge_channel::context::{Context, ContextError};
use gorge_channel::{Receiver, Sender, bounded, select_biased};
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;

/// How a mapper or reducer ends early. Its text is never read: the context of the group has
/// it as its cause, and nobody looks at that.
enum Ended<E> {
    Failed(E),
    Cancelled,
}

impl<E> fmt::Display for Ended<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map and reduce ended early")
    }
}

impl<V: Send> MapReduce<'_, V> {
    /// Does the work; see [`map_reduce`](super::map_reduce()).
    ///
    /// # Errors
    ///
    /// The first error of `map` or `reduce`, or that the context is done.
    ///
    /// # Panics
    ///
    /// With a panic of one of the functions, when all goroutines have ended.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the others are cancelled, too.
    pub fn run<S, K, R, E>(
        self,
        ctx: &Context,
        splits: impl IntoIterator<Item = S>,
        map: impl Fn(S, &mut Emitter<'_, K, V>) -> Result<(), E> + Sync,
        reduce: impl Fn(&K, Vec<V>) -> Result<R, E> + Sync,
    ) -> Result<BTreeMap<K, R>, MapReduceError<E>>
    where
        S: Send,
        K: Hash + Ord + Send,
        R: Send,
        E: Send + 'static,
    {
        let ended = |error| why(ctx, error);
        let mapped = self.map_all(ctx, splits, &map).map_err(ended)?;
        let shuffled = shuffle(mapped, self.reducers);
        let reduced = reduce_all(ctx, shuffled, self.combine, &reduce).map_err(ended)?;
        if let Some(reason) = ctx.err() {
            return Err(MapReduceError::Cancelled(reason));
        }
        Ok(reduced.into_iter().flatten().collect())
    }

    /// What each mapper has emitted.
    fn map_all<S, K, E>(
        &self,
        ctx: &Context,
        splits: impl IntoIterator<Item = S>,
        map: &(impl Fn(S, &mut Emitter<'_, K, V>) -> Result<(), E> + Sync),
    ) -> Result<Vec<Parts<K, V>>, GroupError<Ended<E>>>
    where
        S: Send,
        K: Hash + Ord + Send,
        E: Send + 'static,
    {
        let (seed, reducers, combine) = (Seeded::new(), self.reducers, self.combine);
        group_scope(ctx, |group| {
            let (hand_out, handed) = bounded(self.mappers);
            for _ in 0..self.mappers {
                let handed = handed.clone();
                let context = group.context().clone();
                let started = group.go(move || {
                    let mut emitter = Emitter::new(reducers, seed, combine);
                    while let Some(split) = receive(&context, &handed)? {
                        map(split, &mut emitter).map_err(Ended::Failed)?;
                    }
                    Ok(emitter.parts)
                });
                if started.is_err() {
                    break;
                }
            }
            // From here on, the mappers alone can receive.
            drop(handed);
            deal(group.context(), &hand_out, splits);
        })
    }
}

/// Hands the splits out, until nobody wants more.
fn deal<S>(context: &Context, hand_out: &Sender<S>, splits: impl IntoIterator<Item = S>) {
    for split in splits {
        let sent = select_biased! {
            recv(context.done()) -> _ => false,
            send(hand_out, split) -> sent => sent.is_ok(),
        };
        if !sent {
            break;
        }
    }
}

fn receive<S, E>(context: &Context, handed: &Receiver<S>) -> Result<Option<S>, Ended<E>> {
    select_biased! {
        recv(context.done()) -> _ => Err(Ended::Cancelled),
        recv(handed) -> split => Ok(split.ok()),
    }
}

/// For each reducer, what the mappers have for it.
fn shuffle<P>(mapped: Vec<Vec<P>>, reducers: usize) -> Vec<Vec<P>> {
    let mut shuffled: Vec<Vec<P>> = (0..reducers).map(|_| Vec::new()).collect();
    for parts in mapped {
        for (for_one, part) in shuffled.iter_mut().zip(parts) {
            for_one.push(part);
        }
    }
    shuffled
}

/// What one mapper has emitted, for each reducer.
type Parts<K, V> = Vec<Part<K, V>>;
type Reduced<K, R> = Vec<(K, R)>;

fn reduce_all<K, V, R, E>(
    ctx: &Context,
    shuffled: Vec<Vec<Part<K, V>>>,
    combine: Option<Combine<'_, V>>,
    reduce: &(impl Fn(&K, Vec<V>) -> Result<R, E> + Sync),
) -> Result<Vec<Reduced<K, R>>, GroupError<Ended<E>>>
where
    K: Hash + Ord + Send,
    V: Send,
    R: Send,
    E: Send + 'static,
{
    group_scope(ctx, |group| {
        for parts in shuffled {
            let context = group.context().clone();
            let started = group.go(move || {
                let mut reduced = Vec::new();
                for (key, values) in merge(parts, combine) {
                    if context.err().is_some() {
                        return Err(Ended::Cancelled);
                    }
                    let result = reduce(&key, values).map_err(Ended::Failed)?;
                    reduced.push((key, result));
                }
                Ok(reduced)
            });
            if started.is_err() {
                break;
            }
        }
    })
}

/// Puts together what several mappers have said of the same keys.
fn merge<K: Hash + Eq, V>(
    parts: Vec<Part<K, V>>,
    combine: Option<Combine<'_, V>>,
) -> impl Iterator<Item = (K, Vec<V>)> {
    let merged = parts.into_iter().reduce(|mut merged, part| {
        for (key, values) in part {
            match merged.entry(key) {
                Entry::Vacant(entry) => _ = entry.insert(values),
                Entry::Occupied(mut entry) => {
                    let have = entry.get_mut();
                    values
                        .into_iter()
                        .for_each(|value| add(have, value, combine));
                }
            }
        }
        merged
    });
    merged.into_iter().flatten()
}

/// What to tell the caller.
fn why<E>(ctx: &Context, error: GroupError<Ended<E>>) -> MapReduceError<E> {
    match error.into_first() {
        TaskError::Failed(Ended::Failed(error)) => MapReduceError::Failed(error),
        TaskError::NotStarted(error) => panic!("{error}"),
        _ => MapReduceError::Cancelled(ctx.err().unwrap_or(ContextError::Canceled)),
    }
}
