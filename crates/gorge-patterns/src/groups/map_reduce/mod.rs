//! `map_reduce`: one answer per key from many pieces of input.
//!
//! **Problem.** Each piece of a large input says something about many keys, such as the words
//! of a file; wanted is one answer per key, of all pieces.
//!
//! ```text
//!   splits ─► map ─► (k, v) ─► combine ─┐  shuffle   ┌─► reduce ─► (k, r) ─┐
//!          ─► map ─► (k, v) ─► combine ─┼─ by key ───┼─► reduce ─► (k, r) ─┼─► all, by key
//!          ─► map ─► (k, v) ─► combine ─┘            └─► reduce ─► (k, r) ─┘
//! ```
//!
//! **Who closes what.** The caller hands the splits out through a channel and closes it after
//! the last one; mappers end with it. Reducers start when all mappers have ended: before that
//! no key is complete. **Cancelled** by the context, and by the first error or panic: no
//! further split is handed out, and no further key reduced.
//!
//! * `emitter`: what a mapper says, sorted by who will reduce it; `run`: the phases.

mod emitter;
mod run;

pub use emitter::Emitter;

use gorge_channel::context::{Context, ContextError};
use gorge_runtime::max_procs;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use thiserror::Error;

/// Why a [`MapReduce`] has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapReduceError<E> {
    /// A call of `map` or `reduce` failed with this error.
    #[error("{0}")]
    Failed(E),
    /// The context was done before the end.
    #[error("the work was not done before the end: {0}")]
    Cancelled(ContextError),
}

/// Maps splits to keys and values, and reduces the values of each key to one result.
///
/// `map` is called for each split and says what it finds by [`Emitter::emit`]; `reduce` is
/// called for each key with all its values. Both run in several goroutines, may borrow from
/// the caller, and have ended when this returns. The values of a key come in no particular
/// order. With a combiner, errors or other numbers of goroutines: see [`MapReduce`].
///
/// # Errors
///
/// If the context is done before the end.
///
/// # Panics
///
/// With a panic of `map` or `reduce`, when all goroutines have ended.
///
/// # Cancellation
///
/// Delivers a cancel of the calling goroutine; the others are cancelled, too.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::map_reduce;
///
/// let lines = ["a rose is a rose", "is a rose"];
/// let count = map_reduce(
///     &context::background(),
///     lines,
///     |line, emitter| line.split(' ').for_each(|word| emitter.emit(word, 1)),
///     |_word, counts| counts.into_iter().sum::<u32>(),
/// );
/// let count = count.unwrap();
/// assert_eq!(count["rose"], 3);
/// assert!(count.into_iter().eq([("a", 3), ("is", 2), ("rose", 3)]));
/// ```
pub fn map_reduce<S, K, V, R>(
    ctx: &Context,
    splits: impl IntoIterator<Item = S>,
    map: impl Fn(S, &mut Emitter<'_, K, V>) + Sync,
    reduce: impl Fn(&K, Vec<V>) -> R + Sync,
) -> Result<BTreeMap<K, R>, MapReduceError<Infallible>>
where
    S: Send,
    K: Hash + Ord + Send,
    V: Send,
    R: Send,
{
    MapReduce::new().run(
        ctx,
        splits,
        |split, emitter| {
            map(split, emitter);
            Ok(())
        },
        |key, values| Ok(reduce(key, values)),
    )
}

/// Two values of a key become one.
type Combine<'a, V> = &'a (dyn Fn(V, V) -> V + Sync);

/// As [`map_reduce`], with options, and functions that may fail.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::MapReduce;
///
/// let files = ["1 2 3", "4 five", "6"];
/// let parse = |file: &str, emitter: &mut gorge_patterns::Emitter<'_, bool, u64>| {
///     for word in file.split(' ') {
///         let number: u64 = word.parse()?;
///         emitter.emit(number % 2 == 0, number);
///     }
///     Ok::<_, std::num::ParseIntError>(())
/// };
/// let sums = MapReduce::new()
///     .mappers(2)
///     .reducers(2)
///     .combine(&|a, b| a + b)
///     .run(&context::background(), files, parse, |_even, sums| Ok(sums.into_iter().sum::<u64>()));
/// assert_eq!(sums.unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[must_use = "nothing happens before `run`"]
pub struct MapReduce<'a, V> {
    mappers: usize,
    reducers: usize,
    combine: Option<Combine<'a, V>>,
}

impl<'a, V> MapReduce<'a, V> {
    /// As many mappers and reducers as there are processors, and no combiner.
    pub fn new() -> MapReduce<'a, V> {
        MapReduce {
            mappers: max_procs(),
            reducers: max_procs(),
            combine: None,
        }
    }

    /// How many goroutines map.
    ///
    /// # Panics
    ///
    /// If that is none.
    pub fn mappers(mut self, mappers: usize) -> MapReduce<'a, V> {
        assert!(mappers > 0, "somebody has to map: at least one mapper");
        self.mappers = mappers;
        self
    }

    /// How many goroutines reduce. The keys are spread among them.
    ///
    /// # Panics
    ///
    /// If that is none.
    pub fn reducers(mut self, reducers: usize) -> MapReduce<'a, V> {
        assert!(reducers > 0, "somebody has to reduce: at least one reducer");
        self.reducers = reducers;
        self
    }

    /// Makes one value of two of the same key, already where they are emitted: so a mapper
    /// keeps one value per key, and few travel. It is applied in any order and any number of
    /// times, so it has to be associative and commutative, such as a sum.
    pub fn combine(mut self, combine: Combine<'a, V>) -> MapReduce<'a, V> {
        self.combine = Some(combine);
        self
    }
}

impl<V> Default for MapReduce<'_, V> {
    fn default() -> Self {
        MapReduce::new()
    }
}

impl<V> fmt::Debug for MapReduce<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapReduce")
            .field("mappers", &self.mappers)
            .field("reducers", &self.reducers)
            .field("combines", &self.combine.is_some())
            .finish()
    }
}
