//! The rules of a group, and how it comes to have them.

use super::control::{Control, Rules};
use super::scoped::{ScopedGroup, run_scoped};
use super::{Group, GroupError};
use gorge_channel::context::{CancelGuard, Context};
use gorge_runtime::time;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the error of a task does to its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The first one cancels the context of all, and is reported. What the others return
    /// after that is mostly that they were cancelled, and is not.
    #[default]
    CancelAll,
    /// The others go on, and all errors are reported.
    CollectAll,
    /// The others go on, and the first error in time is reported.
    FirstOnly,
}

/// What the panic of a task does to its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPanic {
    /// It cancels the others, and when all have ended it continues, with its payload, in
    /// whoever waits for the group.
    #[default]
    Propagate,
    /// It is an error like one that the task returned.
    ToError,
    /// It ends the process.
    Abort,
    /// The panic hook has printed it, and that is all: [`wait`](Group::wait) leaves the task
    /// out.
    Ignore,
}

/// Options of a [`Group`] to be; made by [`Group::builder`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Group;
/// use std::time::Duration;
///
/// let group = Group::builder()
///     .limit(4)
///     .timeout(Duration::from_secs(60))
///     .build(&context::background());
/// for number in 0..100 {
///     group.go(move || Ok::<_, String>(number)).unwrap();
/// }
/// assert!(group.wait().unwrap().into_iter().eq(0..100));
/// ```
#[must_use = "a builder does nothing until `build` or `scope`"]
pub struct GroupBuilder<T, E> {
    limit: Option<usize>,
    deadline: Option<Instant>,
    rules: Rules,
    tasks: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E> Group<T, E> {
    /// Options, none of them chosen yet.
    pub fn builder() -> GroupBuilder<T, E> {
        GroupBuilder {
            limit: None,
            deadline: None,
            rules: Rules {
                on_error: OnError::default(),
                on_panic: OnPanic::default(),
                interrupt: false,
                serves_once: false,
            },
            tasks: PhantomData,
        }
    }
}

impl<T, E: fmt::Display + Send + 'static> GroupBuilder<T, E> {
    /// How many tasks may run at once; [`Group::go`] waits at that.
    ///
    /// # Panics
    ///
    /// If `limit` is zero: then no task could ever start.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> GroupBuilder<T, E> {
        check(Some(limit));
        self.limit = Some(limit);
        self
    }

    /// What an error does.
    pub fn on_error(mut self, on_error: OnError) -> GroupBuilder<T, E> {
        self.rules.on_error = on_error;
        self
    }

    /// What a panic does.
    pub fn on_panic(mut self, on_panic: OnPanic) -> GroupBuilder<T, E> {
        self.rules.on_panic = on_panic;
        self
    }

    /// The group's context is done when this much time has passed from now.
    pub fn timeout(mut self, timeout: Duration) -> GroupBuilder<T, E> {
        self.deadline = time::deadline(timeout);
        self
    }

    /// The group's context is done at this instant.
    pub fn deadline(mut self, deadline: Instant) -> GroupBuilder<T, E> {
        self.deadline = Some(deadline);
        self
    }

    /// Whether tasks are unwound when the context is done, at whatever they wait for, as by
    /// [`Context::run`]. Otherwise, the default, they look at the context themselves. Costs
    /// a second goroutine per task.
    pub fn interrupt(mut self, interrupt: bool) -> GroupBuilder<T, E> {
        self.rules.interrupt = interrupt;
        self
    }

    /// The first wait ends the group's context.
    pub(super) fn serves_once(mut self) -> GroupBuilder<T, E> {
        self.rules.serves_once = true;
        self
    }

    /// The group.
    #[must_use]
    pub fn build(self, ctx: &Context) -> Group<T, E>
    where
        T: Send + 'static,
    {
        Group::of(self.control(ctx))
    }

    /// Runs `body` with a group whose tasks may borrow, as [`group_scope`](super::group_scope)
    /// does.
    ///
    /// # Errors
    ///
    /// As for [`Group::wait`].
    ///
    /// # Panics
    ///
    /// As for [`group_scope`](super::group_scope).
    pub fn scope<'env, F>(self, ctx: &Context, body: F) -> Result<Vec<T>, GroupError<E>>
    where
        T: Send + 'env,
        F: for<'scope> FnOnce(&ScopedGroup<'scope, 'env, T, E>),
    {
        run_scoped(&self.control(ctx), body)
    }

    fn control(self, ctx: &Context) -> Arc<Control> {
        Control::new(self.context(ctx), self.limit, self.rules)
    }

    fn context(&self, ctx: &Context) -> (Context, CancelGuard) {
        match self.deadline {
            Some(deadline) => ctx.with_deadline(deadline),
            None => ctx.with_cancel(),
        }
    }
}

#[track_caller]
pub(super) fn check(limit: Option<usize>) {
    assert!(
        limit != Some(0),
        "a group's limit is at least 1; leave it out for none"
    );
}

impl<T, E> fmt::Debug for GroupBuilder<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder")
            .field("limit", &self.limit)
            .field("deadline", &self.deadline)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
