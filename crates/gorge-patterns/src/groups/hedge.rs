//! `Hedge`: a request that is sent again before the first answer is there.
//!
//! **Problem.** One request in a hundred takes ten times as long as the others, because it
//! met a busy server. A second one, sent when the first is late, is likely to be faster.
//!
//! ```text
//!   copy 0 ├──────────────────────────────── cancelled
//!          ├─ delay ─┤
//!   copy 1           ├────── Ok ──► the answer
//!                    ├─ delay ─┤
//!   copy 2                     ├─ cancelled
//! ```
//!
//! **Who closes what.** As in a race: each copy sends its result to the caller, who leaves
//! with the first success. **Cancelled** by the context, and once there is an answer: the
//! context of the copies is done then, and their goroutines are cancelled.

use super::race::{Race, RaceError, reason};
use gorge_channel::context::Context;
use gorge_channel::{Receiver, at, never, select_biased};
use gorge_runtime::time;
use std::sync::Arc;
use std::time::Duration;

/// When to send copies of a request that has no answer yet, and how many.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Hedge;
/// use std::time::Duration;
///
/// let hedge = Hedge::new(Duration::from_millis(1)).max_copies(3);
/// let answer = hedge.run(&context::background(), |ctx, copy| match copy {
///     0 => ctx.sleep(Duration::from_secs(3600)).map(|()| "late").map_err(|e| e.to_string()),
///     _ => Ok("soon"),
/// });
/// assert_eq!(answer.unwrap(), "soon");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing happens before `run`"]
pub struct Hedge {
    delay: Duration,
    max_copies: usize,
}

impl Hedge {
    /// One copy more, when there is no answer after `delay`.
    pub fn new(delay: Duration) -> Hedge {
        Hedge {
            delay,
            max_copies: 2,
        }
    }

    /// How many there may be in all, the first one included: each `delay` after the one
    /// before.
    ///
    /// # Panics
    ///
    /// If that is none.
    pub fn max_copies(mut self, copies: usize) -> Hedge {
        assert!(copies > 0, "a hedged request is sent at least once");
        self.max_copies = copies;
        self
    }

    /// Calls `f` on a goroutine, with a context and the number of the copy, from 0 on; again
    /// whenever there is no answer in time; and at once when a copy fails. Returns the first
    /// success.
    ///
    /// The calls overlap, so `f` has to be something that may be done twice.
    ///
    /// # Errors
    ///
    /// If all copies fail, or the context is done.
    ///
    /// # Panics
    ///
    /// With the panic of a copy, if it comes before the answer.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the copies are cancelled.
    #[track_caller]
    pub fn run<T, E, F>(&self, ctx: &Context, f: F) -> Result<T, RaceError<E>>
    where
        F: Fn(&Context, usize) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        if let Some(reason) = ctx.err() {
            return Err(RaceError::Cancelled(reason));
        }
        let (mut race, f) = (Race::new(ctx), Arc::new(f));
        for copy in 0..self.max_copies {
            let f = Arc::clone(&f);
            race.start(move |ctx: &Context| f(ctx, copy));
            let next = self.time_of_next(copy);
            select_biased! {
                recv(race.ends) -> end => {
                    let (place, end) = end.expect("the race has a sender, too");
                    if let Some((_, value)) = race.judge(place, end) {
                        return Ok(value);
                    }
                }
                recv(ctx.done()) -> _ => return Err(RaceError::Cancelled(reason(ctx))),
                recv(next) -> _ => {}
            }
        }
        while race.running > 0 {
            select_biased! {
                recv(race.ends) -> end => {
                    let (place, end) = end.expect("the race has a sender, too");
                    if let Some((_, value)) = race.judge(place, end) {
                        return Ok(value);
                    }
                }
                recv(ctx.done()) -> _ => return Err(RaceError::Cancelled(reason(ctx))),
            }
        }
        Err(RaceError::Failed(race.take_errors()))
    }

    fn time_of_next(&self, copy: usize) -> Receiver<std::time::Instant> {
        match time::deadline(self.delay) {
            Some(instant) if copy + 1 < self.max_copies => at(instant),
            _ => never(),
        }
    }
}
