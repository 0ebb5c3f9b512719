//! `quorum`, `first_success`: several try, and so many have to succeed.
//!
//! **Problem.** Several replicas can answer, or several ways lead to an answer. The first one
//! will do, or a majority; the others need not go on.
//!
//! ```text
//!   [ try 0 ] ── Ok ──┐
//!   [ try 1 ] ── Err ─┼──► k of n have succeeded ──► their values
//!   [ try 2 ] ── Ok ──┘          │
//!       ▲                        │
//!       └── cancel ◄─────────────┘  those who still try
//! ```
//!
//! **Who closes what.** Each try sends its result to the caller, who leaves when it has
//! enough, or cannot get enough any more. **Cancelled** by the context, and as soon as it is
//! decided: the context of the tries is done then, and their goroutines are cancelled, which
//! unwinds them at whatever they wait for. The caller does not wait for that.

use super::caught::{CaughtPanic, catch};
use gorge_channel::context::{CancelGuard, Context, ContextError};
use gorge_channel::{Receiver, Sender, select_biased, unbounded};
use gorge_runtime::{JoinHandle, go};
use std::mem;
use thiserror::Error;

/// Why a race was not won.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RaceError<E> {
    /// Too many tries failed. These are their errors, in the order in which they came.
    #[error("not enough tries succeeded: {} failed", .0.len())]
    Failed(Vec<E>),
    /// The context was done before it was decided.
    #[error("the race was not decided before the end: {0}")]
    Cancelled(ContextError),
}

impl<E> RaceError<E> {
    /// The errors of the tries that failed.
    pub fn errors(&self) -> &[E] {
        match self {
            RaceError::Failed(errors) => errors,
            RaceError::Cancelled(_) => &[],
        }
    }
}

/// Runs all tries at once until `k` of them have succeeded, and returns their values with
/// their places among the tries, in the order in which they came.
///
/// Each try gets a context, which is done when the race is decided. For `k` = 0 it is
/// decided before it begins.
///
/// # Errors
///
/// As soon as so many tries have failed that `k` cannot succeed any more, or the context is
/// done.
///
/// # Panics
///
/// With the panic of a try, if it comes before the race is decided. Later, it is printed.
///
/// # Cancellation
///
/// Delivers a cancel of the calling goroutine; the tries are cancelled.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::quorum;
///
/// let replicas = [Ok(7), Err("unreachable"), Ok(7)];
/// let tries = replicas.map(|answer| move |_: &context::Context| answer);
/// let votes = quorum(&context::background(), 2, tries).unwrap();
/// assert!(votes.iter().all(|(_, vote)| *vote == 7));
/// ```
#[track_caller]
pub fn quorum<T, E, F>(
    ctx: &Context,
    k: usize,
    tries: impl IntoIterator<Item = F>,
) -> Result<Vec<(usize, T)>, RaceError<E>>
where
    F: FnOnce(&Context) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let mut race = Race::new(ctx);
    if k > 0 {
        tries.into_iter().for_each(|it| race.start(it));
    }
    let mut succeeded = Vec::new();
    while succeeded.len() < k {
        if succeeded.len() + race.running < k {
            return Err(RaceError::Failed(race.take_errors()));
        }
        match race.next(ctx.done()) {
            Some(Some(success)) => succeeded.push(success),
            Some(None) => {}
            None => return Err(RaceError::Cancelled(reason(ctx))),
        }
    }
    Ok(succeeded)
}

/// Runs all tries at once, and returns the value of the first one that succeeds.
///
/// # Errors
///
/// If all fail, or the context is done. None at all have failed, too.
///
/// # Panics
///
/// As for [`quorum`].
///
/// # Cancellation
///
/// As for [`quorum`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context::{self, Context};
/// use gorge_patterns::first_success;
/// use std::time::Duration;
///
/// let answer = first_success(&context::background(), [1000, 1].map(|ms| {
///     move |ctx: &Context| ctx.sleep(Duration::from_millis(ms)).map(|()| ms)
/// }));
/// assert_eq!(answer.unwrap(), 1);
/// ```
#[track_caller]
pub fn first_success<T, E, F>(
    ctx: &Context,
    tries: impl IntoIterator<Item = F>,
) -> Result<T, RaceError<E>>
where
    F: FnOnce(&Context) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let mut won = quorum(ctx, 1, tries)?;
    let (_, value) = won.pop().expect("one of one");
    Ok(value)
}

pub(super) fn reason(ctx: &Context) -> ContextError {
    ctx.err().unwrap_or(ContextError::Canceled)
}

/// What became of a try.
pub(super) enum End<T, E> {
    Returned(Result<T, E>),
    Panicked(CaughtPanic),
    /// It was unwound with its runtime, or there was no stack for it.
    Gone,
}

/// Tries that are under way. Dropping it cancels them.
pub(super) struct Race<T, E> {
    context: Context,
    _guard: CancelGuard,
    goroutines: Vec<JoinHandle<()>>,
    report: Sender<(usize, End<T, E>)>,
    pub(super) ends: Receiver<(usize, End<T, E>)>,
    pub(super) running: usize,
    errors: Vec<E>,
}

impl<T: Send + 'static, E: Send + 'static> Race<T, E> {
    pub(super) fn new(ctx: &Context) -> Race<T, E> {
        let (context, guard) = ctx.with_cancel();
        let (report, ends) = unbounded();
        Race {
            context,
            _guard: guard,
            goroutines: Vec::new(),
            report,
            ends,
            running: 0,
            errors: Vec::new(),
        }
    }

    /// Starts one more.
    #[track_caller]
    pub(super) fn start<F>(&mut self, f: F)
    where
        F: FnOnce(&Context) -> Result<T, E> + Send + 'static,
    {
        let context = self.context.clone();
        let reporter = Reporter {
            report: self.report.clone(),
            place: self.goroutines.len(),
            end: End::Gone,
        };
        self.goroutines.push(go(move || {
            reporter.report(match catch(|| f(&context)) {
                Ok(returned) => End::Returned(returned),
                Err(panic) => End::Panicked(panic),
            });
        }));
        self.running += 1;
    }

    /// Waits for the next end: see [`judge`](Race::judge). `None` if `over` is closed before.
    fn next(&mut self, over: &Receiver<()>) -> Option<Option<(usize, T)>> {
        let (place, end) = select_biased! {
            recv(self.ends) -> end => end.expect("this has a sender, too"),
            recv(over) -> _ => return None,
        };
        Some(self.judge(place, end))
    }

    /// What an end means: a success with its place, or `None`, a failure, whose error is
    /// kept. A panic continues here.
    pub(super) fn judge(&mut self, place: usize, end: End<T, E>) -> Option<(usize, T)> {
        self.running -= 1;
        match end {
            End::Returned(Ok(value)) => Some((place, value)),
            End::Returned(Err(error)) => {
                self.errors.push(error);
                None
            }
            End::Panicked(panic) => panic.resume(),
            End::Gone => None,
        }
    }

    pub(super) fn take_errors(&mut self) -> Vec<E> {
        mem::take(&mut self.errors)
    }
}

/// Sends the end of a try to the caller, whatever it is.
struct Reporter<T, E> {
    report: Sender<(usize, End<T, E>)>,
    place: usize,
    end: End<T, E>,
}

impl<T, E> Reporter<T, E> {
    fn report(mut self, end: End<T, E>) {
        self.end = end;
    }
}

impl<T, E> Drop for Reporter<T, E> {
    fn drop(&mut self) {
        let end = mem::replace(&mut self.end, End::Gone);
        // There is always room. Nobody may want it any more. A form that delivers no cancel,
        // since this may be a goroutine that was cancelled before it started.
        drop(self.report.try_send((self.place, end)));
    }
}

impl<T, E> Drop for Race<T, E> {
    fn drop(&mut self) {
        self.goroutines.iter().for_each(JoinHandle::cancel);
    }
}
