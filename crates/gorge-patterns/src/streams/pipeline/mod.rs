//! `Pipeline`: stages in a row, joined to a result.
//!
//! **Problem.** To chain stages by hand takes a context and a channel per step, and a convention
//! for errors; and whoever collects has to find out whether the values ended, the context was
//! done, or something went wrong.
//!
//! ```text
//!   source ──► [ step ] ──► [ step that may fail ] ──► join
//!                                   │ first error       ▲
//!                                   └──► context ───────┘ why it ended
//! ```
//!
//! * `segment`: which errors count when a step has had enough; `error`: why it ended.
//!
//! **Who closes what.** All stages run under one context, derived from the one that is given:
//! it is done when a step fails, and when the pipeline is joined or dropped. So none is left
//! over. **Cancelled** by the context that is given, or by being dropped.

mod error;
mod segment;

pub use error::PipelineError;

use super::stage;
use super::{
    Edge, batch, buffer, debounce, fan_in, fan_out, filter, flat_map, generate, map,
    ordered_parallel_map, skip, throttle, window,
};
use super::{take::take_until, zip::zip_until};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, bounded};
use segment::{Control, Gate, Segment};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Stages in a row: made from a source, extended step by step, and joined.
///
/// The steps begin at once, each in goroutines of its own, with a rendezvous between. The
/// steps that may fail, [`try_map`](Pipeline::try_map) and its kin, take a function that returns a
/// `Result`: the first error cancels the pipeline, with that as the cause, and is what joining
/// it returns.
///
/// **What nobody asked for** does not count: once [`take`](Pipeline::take) has its values, or
/// the other side of a [`zip`](Pipeline::zip) has ended, a step before it may fail, and joining
/// is well all the same. If it fails before that, however close, joining it fails. Neither
/// depends on who is faster.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Pipeline;
///
/// let ctx = context::background();
/// let sum = Pipeline::generate(&ctx, ["1", "2", "x", "4"])
///     .try_map(str::parse::<u32>)
///     .parallel_map(4, |number| number * 10)
///     .fold(0, |sum, number| sum + number);
/// assert_eq!(sum.unwrap_err().to_string(), "a step of the pipeline failed: invalid digit found in string");
/// ```
#[must_use = "a pipeline that is dropped is cancelled"]
pub struct Pipeline<T> {
    owner: Owner,
    rx: Receiver<T>,
}

/// Cancels the pipeline when it is dropped.
struct Owner {
    context: Context,
    control: Arc<Control>,
    /// The latest one.
    segment: Arc<Segment>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.control.guard.cancel();
    }
}

impl Owner {
    fn new(ctx: &Context) -> Owner {
        let (context, guard) = ctx.with_cancel();
        let control = Arc::new(Control {
            context: context.clone(),
            guard,
        });
        Owner {
            context,
            segment: Segment::new(&control),
            control,
        }
    }

    /// Begins a segment, behind a step that may have enough.
    fn divide(&mut self) -> Gate {
        let next = Segment::new(&self.control);
        Gate::new(
            std::mem::replace(&mut self.segment, Arc::clone(&next)),
            next,
        )
    }
}

/// A source.
impl<T: Send + 'static> Pipeline<T> {
    /// Of the values of a receiver.
    pub fn new(ctx: &Context, rx: Receiver<T>) -> Pipeline<T> {
        Pipeline::from_source(ctx, |_| rx)
    }

    /// Of what an iterator yields, as [`generate`](crate::generate()).
    #[track_caller]
    pub fn generate<I>(ctx: &Context, iter: I) -> Pipeline<T>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let owner = Owner::new(ctx);
        let rx = generate(&owner.context, iter);
        Pipeline { owner, rx }
    }

    /// Of the receiver that a function returns, which gets the pipeline's context for the
    /// stages that it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::{Pipeline, repeat};
    ///
    /// let ctx = context::background();
    /// let ones = Pipeline::from_source(&ctx, |ctx| repeat(ctx, [1]));
    /// assert_eq!(ones.take(3).collect::<Vec<_>>().unwrap(), [1, 1, 1]);
    /// ```
    pub fn from_source(ctx: &Context, source: impl FnOnce(&Context) -> Receiver<T>) -> Pipeline<T> {
        let owner = Owner::new(ctx);
        let rx = source(&owner.context);
        Pipeline { owner, rx }
    }

    /// Any stage: a function of context and input that returns its output.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::{Pipeline, or_done};
    ///
    /// let ctx = context::background();
    /// let same = Pipeline::generate(&ctx, 0..3).then(|ctx, rx| or_done(ctx, rx));
    /// assert_eq!(same.collect::<Vec<_>>().unwrap(), [0, 1, 2]);
    /// ```
    pub fn then<U>(self, stage: impl FnOnce(&Context, Receiver<T>) -> Receiver<U>) -> Pipeline<U> {
        let rx = stage(&self.owner.context, self.rx);
        Pipeline {
            owner: self.owner,
            rx,
        }
    }

    /// [`map`](crate::map()).
    #[track_caller]
    pub fn map<U, F>(self, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        F: FnMut(T) -> U + Send + 'static,
    {
        let Pipeline { owner, rx } = self;
        let rx = map(&owner.context, rx, f);
        Pipeline { owner, rx }
    }

    /// [`filter`](crate::filter()).
    #[track_caller]
    pub fn filter<F>(self, keeps: F) -> Pipeline<T>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        let Pipeline { owner, rx } = self;
        let rx = filter(&owner.context, rx, keeps);
        Pipeline { owner, rx }
    }

    /// [`flat_map`](crate::flat_map()).
    #[track_caller]
    pub fn flat_map<I, F>(self, f: F) -> Pipeline<I::Item>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: FnMut(T) -> I + Send + 'static,
    {
        let Pipeline { owner, rx } = self;
        let rx = flat_map(&owner.context, rx, f);
        Pipeline { owner, rx }
    }

    /// [`take`](crate::take()). Steps before it may fail when it has its values: that is nobody's
    /// concern.
    #[track_caller]
    pub fn take(self, n: usize) -> Pipeline<T> {
        let Pipeline { mut owner, rx } = self;
        let mut gate = owner.divide();
        let rx = take_until(&owner.context, rx, n, move || gate.close());
        Pipeline { owner, rx }
    }

    /// [`skip`](crate::skip()).
    #[track_caller]
    pub fn skip(self, n: usize) -> Pipeline<T> {
        let Pipeline { owner, rx } = self;
        let rx = skip(&owner.context, rx, n);
        Pipeline { owner, rx }
    }

    /// [`batch`](crate::batch()).
    ///
    /// # Panics
    ///
    /// If `n` is zero.
    #[track_caller]
    pub fn batch(self, n: usize, d: Duration) -> Pipeline<Vec<T>> {
        let Pipeline { owner, rx } = self;
        let rx = batch(&owner.context, rx, n, d);
        Pipeline { owner, rx }
    }

    /// [`window`](crate::window()).
    ///
    /// # Panics
    ///
    /// If `size` or `step` is zero.
    #[track_caller]
    pub fn window(self, size: usize, step: usize) -> Pipeline<Vec<T>>
    where
        T: Clone,
    {
        let Pipeline { owner, rx } = self;
        let rx = window(&owner.context, rx, size, step);
        Pipeline { owner, rx }
    }

    /// [`debounce`](crate::debounce()).
    #[track_caller]
    pub fn debounce(self, quiet: Duration, edge: Edge) -> Pipeline<T> {
        let Pipeline { owner, rx } = self;
        let rx = debounce(&owner.context, rx, quiet, edge);
        Pipeline { owner, rx }
    }

    /// [`throttle`](crate::throttle()).
    #[track_caller]
    pub fn throttle(self, period: Duration, edge: Edge) -> Pipeline<T> {
        let Pipeline { owner, rx } = self;
        let rx = throttle(&owner.context, rx, period, edge);
        Pipeline { owner, rx }
    }

    /// [`buffer`](crate::buffer()).
    #[track_caller]
    pub fn buffer(self, n: usize) -> Pipeline<T> {
        let Pipeline { owner, rx } = self;
        let rx = buffer(&owner.context, rx, n);
        Pipeline { owner, rx }
    }

    /// [`zip`](crate::zip()) with the values of another receiver. Steps before it may fail when
    /// that has ended.
    #[track_caller]
    pub fn zip<U: Send + 'static>(self, other: Receiver<U>) -> Pipeline<(T, U)> {
        let Pipeline { mut owner, rx } = self;
        let mut gate = owner.divide();
        let rx = zip_until(&owner.context, rx, other, move || gate.close());
        Pipeline { owner, rx }
    }

    /// [`fan_out`](crate::fan_out()) and [`fan_in`](crate::fan_in()): `f` in `n` goroutines, in
    /// any order.
    ///
    /// # Panics
    ///
    /// If `n` is zero.
    #[track_caller]
    pub fn fan_out<U, F>(self, n: usize, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let Pipeline { owner, rx } = self;
        let rx = fan_in(&owner.context, fan_out(&owner.context, rx, n, f));
        Pipeline { owner, rx }
    }

    /// [`ordered_parallel_map`](crate::ordered_parallel_map()): `f` in `n` goroutines, in order.
    ///
    /// # Panics
    ///
    /// If `n` is zero.
    #[track_caller]
    pub fn parallel_map<U, F>(self, n: usize, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let Pipeline { owner, rx } = self;
        let rx = ordered_parallel_map(&owner.context, rx, n, f);
        Pipeline { owner, rx }
    }
}

/// Steps that may fail.
impl<T: Send + 'static> Pipeline<T> {
    /// [`map`](crate::map()) with a function that may fail: its first error ends it, and
    /// cancels the pipeline unless a step behind it [has enough](Pipeline::take) without it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Pipeline;
    ///
    /// let ctx = context::background();
    /// let numbers = |wanted| {
    ///     Pipeline::generate(&ctx, ["1", "2", "x"]).try_map(str::parse::<u32>).take(wanted)
    /// };
    /// assert_eq!(numbers(2).collect::<Vec<_>>().unwrap(), [1, 2]);
    /// assert!(numbers(3).collect::<Vec<_>>().is_err());
    /// ```
    #[track_caller]
    pub fn try_map<U, E, F>(self, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
        F: FnMut(T) -> Result<U, E> + Send + 'static,
    {
        let Pipeline { owner, rx } = self;
        let (mut f, segment) = (f, Arc::clone(&owner.segment));
        let (output, receiver) = bounded(0);
        stage::start(&owner.context, output, move |stage, output| {
            while let Some(value) = stage.receive(&rx) {
                let is_sent = match f(value) {
                    Ok(value) => stage.send(output, value),
                    Err(error) => return segment.fail(Arc::from(error.into())),
                };
                if !is_sent {
                    return;
                }
            }
        });
        Pipeline {
            owner,
            rx: receiver,
        }
    }

    /// [`fan_out`](Pipeline::fan_out) with a function that may fail: the first error cancels the
    /// pipeline.
    ///
    /// # Panics
    ///
    /// If `n` is zero.
    #[track_caller]
    pub fn try_fan_out<U, E, F>(self, n: usize, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
        F: Fn(T) -> Result<U, E> + Send + Sync + 'static,
    {
        self.fan_out(n, f).try_values()
    }

    /// [`parallel_map`](Pipeline::parallel_map) with a function that may fail: the first error
    /// in the order of the input cancels the pipeline.
    ///
    /// # Panics
    ///
    /// If `n` is zero.
    #[track_caller]
    pub fn try_parallel_map<U, E, F>(self, n: usize, f: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
        F: Fn(T) -> Result<U, E> + Send + Sync + 'static,
    {
        self.parallel_map(n, f).try_values()
    }
}

/// Results.
impl<T, E> Pipeline<Result<T, E>>
where
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    /// Goes on with the values of results; the first error cancels the pipeline.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Pipeline;
    ///
    /// let ctx = context::background();
    /// let results = [Ok(1), Err("the second is broken"), Ok(3)];
    /// let joined = Pipeline::generate(&ctx, results).try_values().join();
    /// assert!(joined.unwrap_err().to_string().ends_with("the second is broken"));
    /// ```
    #[track_caller]
    pub fn try_values(self) -> Pipeline<T> {
        self.try_map(|result| result)
    }
}

/// The end.
impl<T: Send + 'static> Pipeline<T> {
    /// Waits until the pipeline has run to its end; drops the values that come out.
    ///
    /// # Errors
    ///
    /// Why it did not run to its end: whichever came first of an error, a panic of a
    /// step, and the end of the context. A context that is done when the last value has come
    /// counts, too. What a stage then still does, in a function of the user's, is not waited
    /// for.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine, which cancels the pipeline.
    pub fn join(self) -> Result<(), PipelineError> {
        self.for_each(drop)
    }

    /// Calls a function with each value that comes out, here.
    ///
    /// # Errors
    ///
    /// As [`join`](Pipeline::join). The values before have come out.
    ///
    /// # Panics
    ///
    /// As the function does, which cancels the pipeline.
    pub fn for_each(self, mut f: impl FnMut(T)) -> Result<(), PipelineError> {
        let Owner {
            context, segment, ..
        } = &self.owner;
        segment.is_joined();
        while let Ok(value) = self.rx.__recv_quietly(None) {
            f(value);
        }
        if let Some(panic) = self.rx.__panic() {
            return Err(PipelineError::Panicked(panic));
        }
        if let Some(error) = segment.error() {
            return Err(PipelineError::Failed(error));
        }
        match context.cause() {
            None => Ok(()),
            Some(cause) => Err(PipelineError::Cancelled(cause)),
        }
    }

    /// The values that come out, in a collection.
    ///
    /// # Errors
    ///
    /// As [`join`](Pipeline::join); the values are dropped then.
    pub fn collect<C: FromIterator<T>>(self) -> Result<C, PipelineError> {
        let mut values = Vec::new();
        self.for_each(|value| values.push(value))?;
        Ok(values.into_iter().collect())
    }

    /// Combines the values that come out, one after the other, with what came of those before.
    ///
    /// # Errors
    ///
    /// As [`join`](Pipeline::join).
    pub fn fold<A>(self, start: A, mut f: impl FnMut(A, T) -> A) -> Result<A, PipelineError> {
        let mut folded = Some(start);
        self.for_each(|value| folded = folded.take().map(|before| f(before, value)))?;
        match folded {
            Some(folded) => Ok(folded),
            None => unreachable!("a panic of the function goes on"),
        }
    }
}

impl<T> fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Pipeline { .. }")
    }
}
