//! `Group`: goroutines that work on one thing, and fail as one.
//!
//! **Problem.** A piece of work is split among goroutines. Somebody has to wait for all of
//! them, stop the others when one fails, and say what failed.
//!
//! ```text
//!              ┌── go ──► [ task ] ──┐ Ok(value)
//!   Group ─────┼── go ──► [ task ] ──┼───────────► wait() ──► Ok(values, in order)
//!     │        └── go ──► [ task ] ──┘                  └───► Err(first error)
//!     │                      │ Err, panic
//!     └── context ◄── cancel ┘  with that error as the cause
//! ```
//!
//! **Who closes what.** The group owns a context that the tasks look at; it is done when the
//! group is dropped, which also waits for the tasks. **Cancelled** by the outer context, by
//! the first failure, by a deadline, and by [`Group::cancel`].
//!
//! * `control`: what tasks share; `builder`: the rules; `error`: how they fail; `scoped`:
//!   tasks that borrow.

mod builder;
mod control;
mod error;
mod scoped;

pub use builder::{GroupBuilder, OnError, OnPanic};
pub use error::{Failure, GoError, GroupError, TaskError, TryGoError};
pub use scoped::{ScopedGroup, group_scope};

use control::{
    Control, NotAdmitted, Task, TaskResult, Tasks, Ticket, collect, finish, results, values,
};
use gorge_channel::context::Context;
use gorge_runtime::{JoinHandle, cancel, go, goroutine};
use gorge_sync::Mutex;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Starts goroutines that belong together, and waits for them: Go's `errgroup`.
///
/// The first task that returns an error cancels the group's [context](Group::context), with
/// this error as the cause, and [`wait`](Group::wait) returns it when all have ended. That
/// is [`OnError::CancelAll`]; the [builder](Group::builder) has other rules, a limit of
/// how many run at once, a deadline, and what happens after a panic.
///
/// **Panics.** Unless something else is chosen, the panic of a task cancels the group, and
/// continues in whoever waits when all have ended, with its payload.
///
/// **Order.** Values come in the order of submission, whichever task ended first, and none
/// is lost because another task failed: see [`wait_all`](Group::wait_all).
///
/// **Use again.** `wait` takes the results of what was submitted before. A group that was
/// not cancelled may then be used again. One that was, by whatever, starts nothing more. One
/// that came [with its context](Group::with_context) is cancelled when `wait` returns.
///
/// **Dropping** a group cancels its context and waits for the tasks, so nobody is left
/// behind. If a task panicked, and nobody has waited, the panic continues then. A task that
/// has to start others gets a [`Spawner`], not the group: the group would wait for itself.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::Group;
///
/// let group = Group::new(&context::background());
/// for host in ["one", "two", "three"] {
///     group.go(move || match host.len() {
///         5.. => Err(format!("{host} does not answer")),
///         length => Ok(length),
///     }).unwrap();
/// }
/// let error = group.wait().unwrap_err();
/// assert_eq!(error.to_string(), "task 2: three does not answer");
/// assert_eq!(group.context().cause().unwrap().to_string(), "three does not answer");
/// ```
///
/// # Cancellation
///
/// A task sees the group's context done, and returns when it pleases. With
/// [`interrupt`](GroupBuilder::interrupt) it is unwound at whatever it waits for.
pub struct Group<T = (), E = Box<dyn Error + Send + Sync>> {
    spawner: Spawner<T, E>,
}

/// Starts tasks of a [`Group`], from within its tasks, say. Made by [`Group::spawner`].
pub struct Spawner<T, E> {
    core: Arc<Core<T, E>>,
}

type Handle<T, E> = JoinHandle<TaskResult<T, E>>;

struct Core<T, E> {
    control: Arc<Control>,
    tasks: Tasks<Handle<T, E>>,
}

impl<T, E> Group<T, E>
where
    T: Send + 'static,
    E: fmt::Display + Send + 'static,
{
    /// A group whose context is below `ctx`, without a limit.
    #[must_use]
    pub fn new(ctx: &Context) -> Group<T, E> {
        Group::builder().build(ctx)
    }

    /// A group and its context: what Go's `errgroup.WithContext` returns. The context is done
    /// when a task fails, or when the first [`wait`](Group::wait) or
    /// [`wait_all`](Group::wait_all) returns; the group starts nothing after that.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Group;
    ///
    /// let (group, ctx) = Group::with_context(&context::background());
    /// group.go(|| Ok::<_, String>(1)).unwrap();
    /// let helper = gorge_runtime::go(move || ctx.done().recv());
    /// assert_eq!(group.wait().unwrap(), [1]);
    /// assert!(helper.join().unwrap().is_err(), "it hears of the end");
    /// ```
    #[must_use]
    pub fn with_context(ctx: &Context) -> (Group<T, E>, Context) {
        let group = Group::builder().serves_once().build(ctx);
        let context = group.context().clone();
        (group, context)
    }

    fn of(control: Arc<Control>) -> Group<T, E> {
        let tasks = Mutex::new(Vec::new());
        let core = Arc::new(Core { control, tasks });
        Group {
            spawner: Spawner { core },
        }
    }

    /// The context that ends when a task fails, and with the group.
    pub fn context(&self) -> &Context {
        self.spawner.context()
    }

    /// What starts tasks, to be given away.
    pub fn spawner(&self) -> Spawner<T, E> {
        self.spawner.clone()
    }

    /// Another limit of how many tasks may run at once, or none, as x/sync's `SetLimit`: from
    /// now on. For a group that is not shared yet, the [builder](GroupBuilder::limit) does the
    /// same.
    ///
    /// # Panics
    ///
    /// If the limit is zero. While tasks run.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Group;
    ///
    /// let group = Group::<(), String>::new(&context::background());
    /// group.set_limit(1);
    /// let (end, ends) = gorge_channel::bounded::<()>(0);
    /// group.go(move || Ok(_ = ends.recv())).unwrap();
    /// assert!(group.try_go(|| Ok(())).is_err_and(|error| error.is_full()));
    /// drop(end);
    /// group.wait().unwrap();
    /// group.set_limit(None);
    /// ```
    #[track_caller]
    pub fn set_limit(&self, limit: impl Into<Option<usize>>) {
        let limit = limit.into();
        builder::check(limit);
        self.spawner.core.control.set_limit(limit);
    }

    /// Starts a task. At the limit, waits until another one has ended.
    ///
    /// # Errors
    ///
    /// If the group is cancelled, before or while this waits. The function is handed back.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits.
    #[track_caller]
    pub fn go<F>(&self, f: F) -> Result<(), GoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.spawner.go(f)
    }

    /// As [`go`](Group::go), with a name for dumps, panics and errors.
    ///
    /// # Errors
    ///
    /// As for [`go`](Group::go).
    #[track_caller]
    pub fn go_named<F>(&self, name: impl Into<String>, f: F) -> Result<(), GoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.spawner.go_named(name, f)
    }

    /// Starts a task unless the group is at its limit.
    ///
    /// # Errors
    ///
    /// If it is, or is cancelled. The function is handed back.
    #[track_caller]
    pub fn try_go<F>(&self, f: F) -> Result<(), TryGoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.spawner.try_go(f)
    }

    /// Cancels the group's context. Tasks that look at it end; none starts any more.
    pub fn cancel(&self) {
        self.spawner.core.control.cancel(None);
    }

    /// As [`cancel`](Group::cancel), with a cause.
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.spawner.core.control.cancel(Some(cause.into()));
    }

    /// Waits for all tasks, and returns their values in order of submission.
    ///
    /// # Errors
    ///
    /// What failed; see [`OnError`]. The values of the others are dropped:
    /// [`wait_all`](Group::wait_all) keeps them.
    ///
    /// # Panics
    ///
    /// With the panic of a task, unless the group has another [`OnPanic`].
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; results stay in the group.
    pub fn wait(&self) -> Result<Vec<T>, GroupError<E>> {
        let core = &self.spawner.core;
        values(&core.control, finish(&core.control, &core.tasks))
    }

    /// Waits for all tasks, and returns what each of them has come to, in order of
    /// submission.
    ///
    /// # Panics
    ///
    /// As for [`wait`](Group::wait).
    ///
    /// # Cancellation
    ///
    /// As for [`wait`](Group::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::{Group, OnError};
    ///
    /// let group = Group::builder().on_error(OnError::CollectAll).build(&context::background());
    /// for text in ["1", "x", "3"] {
    ///     group.go(move || text.parse::<u32>()).unwrap();
    /// }
    /// let results = group.wait_all();
    /// assert_eq!(results[0].as_ref().ok(), Some(&1));
    /// assert!(results[1].is_err());
    /// assert_eq!(results[2].as_ref().ok(), Some(&3));
    /// ```
    pub fn wait_all(&self) -> Vec<Result<T, TaskError<E>>> {
        let core = &self.spawner.core;
        results(&core.control, finish(&core.control, &core.tasks))
    }
}

impl<T, E> Spawner<T, E>
where
    T: Send + 'static,
    E: fmt::Display + Send + 'static,
{
    /// As [`Group::context`].
    pub fn context(&self) -> &Context {
        self.core.control.context()
    }

    /// As [`Group::go`]. A task that waits here for its own group's limit keeps a place
    /// meanwhile: with a limit, prefer [`try_go`](Spawner::try_go) in tasks.
    ///
    /// # Errors
    ///
    /// As for [`Group::go`].
    #[track_caller]
    pub fn go<F>(&self, f: F) -> Result<(), GoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        match self.core.control.admit() {
            Ok(ticket) => self.start(ticket, f),
            Err(control::Cancelled) => return Err(GoError(f)),
        }
        Ok(())
    }

    /// As [`Group::go_named`].
    ///
    /// # Errors
    ///
    /// As for [`Group::go`].
    #[track_caller]
    pub fn go_named<F>(&self, name: impl Into<String>, f: F) -> Result<(), GoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let Ok(ticket) = self.core.control.admit() else {
            return Err(GoError(f));
        };
        let (index, name) = (ticket.index, name.into());
        self.core.control.name(index, name.clone());
        let builder = goroutine::Builder::new().name(name);
        let spawned = builder.spawn(move || ticket.run(f));
        let handle = spawned.unwrap_or_else(|error| panic!("{error}"));
        self.keep(index, handle);
        Ok(())
    }

    /// As [`Group::try_go`].
    ///
    /// # Errors
    ///
    /// As for [`Group::try_go`].
    #[track_caller]
    pub fn try_go<F>(&self, f: F) -> Result<(), TryGoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        match self.core.control.try_admit() {
            Ok(ticket) => self.start(ticket, f),
            Err(NotAdmitted::Full) => return Err(TryGoError::Full(f)),
            Err(NotAdmitted::Cancelled) => return Err(TryGoError::Cancelled(f)),
        }
        Ok(())
    }

    #[track_caller]
    #[inline]
    fn start<F>(&self, ticket: Ticket, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let index = ticket.index;
        let handle = go(move || ticket.run(f));
        self.keep(index, handle);
    }

    fn keep(&self, index: usize, handle: Handle<T, E>) {
        self.core.tasks.lock().push(Task { index, handle });
    }
}

impl<T, E> Clone for Spawner<T, E> {
    fn clone(&self) -> Spawner<T, E> {
        Spawner {
            core: Arc::clone(&self.core),
        }
    }
}

impl<T, E> Drop for Group<T, E> {
    fn drop(&mut self) {
        let Core { control, tasks } = &*self.spawner.core;
        control.cancel(None);
        control.wait_anyhow();
        match cancel::is_unwinding() {
            true => drop(std::mem::take(&mut *tasks.lock())),
            false => drop(collect(control, tasks)),
        }
    }
}

impl<T, E> fmt::Debug for Group<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Group { .. }")
    }
}

impl<T, E> fmt::Debug for Spawner<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Spawner { .. }")
    }
}
