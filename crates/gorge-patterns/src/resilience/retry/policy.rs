//! `Retry`: attempts until one succeeds, or there is a reason to stop.

use super::{Attempt, Backoff, Budget, Failure, GaveUp, RetryError};
use gorge_channel::context::{Context, ContextError};
use gorge_runtime::time;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

type When<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;
type Adjust<E> = Box<dyn Fn(&E, Duration) -> Option<Duration> + Send + Sync>;
type Notify<E> = Box<dyn Fn(&Attempt<E>, Duration) + Send + Sync>;

/// Makes attempts until one succeeds, with the [default](Backoff::default) back-off: five at
/// most. [`Retry`] is for all else.
///
/// # Errors
///
/// As of [`Retry::run`].
///
/// # Panics
///
/// As of that.
///
/// # Cancellation
///
/// As of that.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::retry;
///
/// let mut failures = 1;
/// let answer = retry::retry(&context::background(), |_ctx| {
///     match failures {
///         0 => Ok(42),
///         _ => { failures -= 1; Err("not yet") }
///     }
/// });
/// assert_eq!(answer.unwrap(), 42);
/// ```
pub fn retry<T, E>(
    context: &Context,
    attempt: impl FnMut(&Context) -> Result<T, E>,
) -> Result<T, RetryError<E>> {
    Retry::default().run(context, attempt)
}

/// Makes attempts until one succeeds. It may be kept, and used by many at once.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::retry::{Backoff, Budget, Failure, Retry};
/// use std::time::Duration;
///
/// let policy = Retry::new(Backoff::exponential(Duration::from_millis(1)).max_attempts(4))
///     .attempt_timeout(Duration::from_secs(1))
///     .deadline(Duration::from_secs(10))
///     .budget(Budget::new(0.1, 10.0));
///
/// let error = policy.run_marked(&context::background(), |ctx| {
///     assert!(ctx.deadline().is_some());
///     Err::<(), _>(Failure::Permanent("no such file"))
/// });
/// assert_eq!(error.unwrap_err().attempts(), 1);
/// ```
#[must_use]
pub struct Retry<E> {
    backoff: Backoff,
    attempt_timeout: Option<Duration>,
    deadline: Option<Duration>,
    budget: Option<Budget>,
    when: Option<When<E>>,
    adjust: Option<Adjust<E>>,
    notify: Option<Notify<E>>,
    keep: usize,
}

impl<E> Retry<E> {
    /// One that waits as `backoff` says, and makes as many attempts.
    pub fn new(backoff: Backoff) -> Retry<E> {
        Retry {
            backoff,
            attempt_timeout: None,
            deadline: None,
            budget: None,
            when: None,
            adjust: None,
            notify: None,
            keep: 16,
        }
    }

    /// Each attempt's context has a deadline after so long. Attempts that do not wait with it
    /// take as long as they do.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Retry<E> {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// All attempts and waits together take so long at most, as far as attempts go by their
    /// context. An attempt that would begin later is not made, and not waited for.
    pub fn deadline(mut self, deadline: Duration) -> Retry<E> {
        self.deadline = Some(deadline);
        self
    }

    /// Further attempts are made only within a budget, which others may share.
    pub fn budget(mut self, budget: Budget) -> Retry<E> {
        self.budget = Some(budget);
        self
    }

    /// Only errors of which this is true are worth another attempt.
    pub fn when(mut self, when: impl Fn(&E) -> bool + Send + Sync + 'static) -> Retry<E> {
        self.when = Some(Box::new(when));
        self
    }

    /// What the error says about the wait: given the one that would be, another one, or `None`
    /// to give up.
    pub fn adjust(
        mut self,
        adjust: impl Fn(&E, Duration) -> Option<Duration> + Send + Sync + 'static,
    ) -> Retry<E> {
        self.adjust = Some(Box::new(adjust));
        self
    }

    /// Called before each wait, with the attempt that failed and how long the wait is.
    pub fn notify(
        mut self,
        notify: impl Fn(&Attempt<E>, Duration) + Send + Sync + 'static,
    ) -> Retry<E> {
        self.notify = Some(Box::new(notify));
        self
    }

    /// How many failed attempts the error remembers: the first one and the latest ones. Sixteen
    /// if nothing else is said, and always one.
    pub fn keep(mut self, attempts: usize) -> Retry<E> {
        self.keep = attempts.max(1);
        self
    }

    /// Makes attempts until one succeeds. Each gets a context of its own.
    ///
    /// # Errors
    ///
    /// Why it was given up, and what the attempts failed with.
    ///
    /// # Panics
    ///
    /// If an attempt does: that is no failure to try again for.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine while it waits for the next attempt.
    pub fn run<T>(
        &self,
        context: &Context,
        mut attempt: impl FnMut(&Context) -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        self.run_marked(context, |context| {
            attempt(context).map_err(Failure::Transient)
        })
    }

    /// As [`run`](Retry::run), where attempts say whether to try again makes sense, and when.
    ///
    /// # Errors
    ///
    /// Why it was given up, and what the attempts failed with.
    ///
    /// # Panics
    ///
    /// If an attempt does.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the goroutine while it waits for the next attempt.
    pub fn run_marked<T>(
        &self,
        context: &Context,
        mut attempt: impl FnMut(&Context) -> Result<T, Failure<E>>,
    ) -> Result<T, RetryError<E>> {
        let (context, _guard) = match self.deadline {
            Some(deadline) => context.with_timeout(deadline),
            None => context.with_cancel(),
        };
        let mut run = Run {
            policy: self,
            start: time::now(),
            attempts: 0,
            history: Vec::new(),
            backoff: self.backoff.clone(),
        };
        if let Some(reason) = context.err() {
            return Err(run.give_up(of_context(&context, reason)));
        }
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        loop {
            run.attempts += 1;
            let failure = match self.try_once(&context, &mut attempt) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            match run.next_wait(&context, failure) {
                Ok(wait) => {
                    if let Err(reason) = context.sleep(wait) {
                        return Err(run.give_up(of_context(&context, reason)));
                    }
                }
                Err(why) => return Err(run.give_up(why)),
            }
        }
    }

    fn try_once<T>(
        &self,
        context: &Context,
        attempt: &mut impl FnMut(&Context) -> Result<T, Failure<E>>,
    ) -> Result<T, Failure<E>> {
        let (context, _guard) = match self.attempt_timeout {
            Some(timeout) => context.with_timeout(timeout),
            None => context.with_cancel(),
        };
        attempt(&context)
    }
}

impl<E> Default for Retry<E> {
    fn default() -> Retry<E> {
        Retry::new(Backoff::default())
    }
}

fn of_context(context: &Context, reason: ContextError) -> GaveUp {
    match reason {
        ContextError::DeadlineExceeded => GaveUp::Deadline,
        ContextError::Canceled => {
            GaveUp::Cancelled(context.cause().unwrap_or_else(|| Arc::new(reason)))
        }
    }
}

/// Attempts under way.
struct Run<'a, E> {
    policy: &'a Retry<E>,
    start: Instant,
    attempts: u32,
    history: Vec<Attempt<E>>,
    backoff: Backoff,
}

impl<E> Run<'_, E> {
    /// How long to wait for the next attempt after this failure.
    fn next_wait(&mut self, context: &Context, failure: Failure<E>) -> Result<Duration, GaveUp> {
        let policy = self.policy;
        let (error, at_least, is_permanent) = match failure {
            Failure::Transient(error) => (error, Duration::ZERO, false),
            Failure::RetryAfter(error, wait) => (error, wait, false),
            Failure::Permanent(error) => (error, Duration::ZERO, true),
        };
        let is_worth_it = !is_permanent && policy.when.as_ref().is_none_or(|when| when(&error));
        let after = time::now().saturating_duration_since(self.start);
        let attempt = Attempt {
            number: self.attempts,
            after,
            error,
        };
        let attempt = self.remember(attempt);
        if let Some(reason) = context.err() {
            return Err(of_context(context, reason));
        }
        if !is_worth_it {
            return Err(GaveUp::Permanent);
        }
        let wait = self.backoff.next().ok_or(GaveUp::Attempts)?.max(at_least);
        let attempt = &self.history[attempt];
        let wait = match &policy.adjust {
            Some(adjust) => adjust(&attempt.error, wait).ok_or(GaveUp::Permanent)?,
            None => wait,
        };
        let begins = time::now().checked_add(wait);
        let is_late = context
            .deadline()
            .is_some_and(|deadline| begins.is_none_or(|at| at >= deadline));
        if is_late {
            return Err(GaveUp::Deadline);
        }
        if policy
            .budget
            .as_ref()
            .is_some_and(|budget| !budget.withdraw())
        {
            return Err(GaveUp::Budget);
        }
        if let Some(notify) = &policy.notify {
            notify(attempt, wait);
        }
        Ok(wait)
    }

    /// Keeps an attempt, and drops the oldest one but the first if they are too many. Returns
    /// where it is.
    fn remember(&mut self, attempt: Attempt<E>) -> usize {
        self.history.push(attempt);
        if self.history.len() > self.policy.keep {
            self.history.remove(usize::from(self.policy.keep > 1));
        }
        self.history.len() - 1
    }

    fn give_up(&mut self, gave_up: GaveUp) -> RetryError<E> {
        let history = std::mem::take(&mut self.history);
        RetryError {
            gave_up,
            attempts: self.attempts,
            history,
        }
    }
}

impl<E> fmt::Debug for Retry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("deadline", &self.deadline)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
