//! Groups whose tasks borrow from the frame that waits for them.

use super::control::{self, Control, NotAdmitted, Task, TaskResult, Tasks, collect, values};
use super::{GoError, Group, GroupError, TryGoError};
use gorge_channel::context::Context;
use gorge_runtime::goroutine::{self, Scope, ScopedJoinHandle};
use gorge_sync::Mutex;
use std::fmt;
use std::sync::Arc;

/// As [`Group`], for tasks that borrow. Lent by [`group_scope`].
pub struct ScopedGroup<'scope, 'env, T, E> {
    scope: &'scope Scope<'scope, 'env>,
    control: Arc<Control>,
    tasks: Tasks<ScopedJoinHandle<'scope, TaskResult<T, E>>>,
}

/// Runs `body` with a group whose tasks may borrow what outlives this call, waits for the
/// tasks, and returns their values in order of submission.
///
/// # Errors
///
/// As for [`Group::wait`].
///
/// # Panics
///
/// With the panic of `body`, after the group was cancelled and its tasks have ended, or that
/// of a task.
///
/// # Cancellation
///
/// A cancel of the calling goroutine cancels the group's context and the tasks' goroutines;
/// it is delivered when they have ended.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::group_scope;
///
/// let words = ["lent", "to", "all"];
/// let lengths = group_scope(&context::background(), |group| {
///     for word in &words {
///         group.go(|| Ok::<_, String>(word.len())).unwrap();
///     }
/// });
/// assert_eq!(lengths.unwrap(), [4, 2, 3]);
/// ```
pub fn group_scope<'env, T, E, F>(ctx: &Context, body: F) -> Result<Vec<T>, GroupError<E>>
where
    T: Send + 'env,
    E: fmt::Display + Send + 'static,
    F: for<'scope> FnOnce(&ScopedGroup<'scope, 'env, T, E>),
{
    Group::builder().scope(ctx, body)
}

pub(super) fn run_scoped<'env, T, E, F>(
    control: &Arc<Control>,
    body: F,
) -> Result<Vec<T>, GroupError<E>>
where
    T: Send + 'env,
    E: fmt::Display + Send + 'static,
    F: for<'scope> FnOnce(&ScopedGroup<'scope, 'env, T, E>),
{
    goroutine::scope(|scope| {
        let group = ScopedGroup {
            scope,
            control: Arc::clone(control),
            tasks: Mutex::new(Vec::new()),
        };
        // If `body` or the wait unwinds, the tasks hear of it before they are waited for.
        let unwinding = CancelOnDrop(control);
        body(&group);
        control.wait();
        std::mem::forget(unwinding);
        let ended = collect(control, &group.tasks);
        values(control, ended)
    })
}

struct CancelOnDrop<'a>(&'a Control);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel(None);
    }
}

impl<'scope, T, E> ScopedGroup<'scope, '_, T, E>
where
    T: Send + 'scope,
    E: fmt::Display + Send + 'static,
{
    /// As [`Group::context`].
    pub fn context(&self) -> &Context {
        self.control.context()
    }

    /// As [`Group::go`].
    ///
    /// # Errors
    ///
    /// As for [`Group::go`].
    #[track_caller]
    pub fn go<F>(&self, f: F) -> Result<(), GoError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        match self.control.admit() {
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
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let Ok(ticket) = self.control.admit() else {
            return Err(GoError(f));
        };
        let (index, name) = (ticket.index, name.into());
        self.control.name(index, name.clone());
        let builder = goroutine::Builder::new().name(name);
        let spawned = builder.spawn_scoped(self.scope, move || ticket.run(f));
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
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        match self.control.try_admit() {
            Ok(ticket) => self.start(ticket, f),
            Err(NotAdmitted::Full) => return Err(TryGoError::Full(f)),
            Err(NotAdmitted::Cancelled) => return Err(TryGoError::Cancelled(f)),
        }
        Ok(())
    }

    /// As [`Group::cancel`].
    pub fn cancel(&self) {
        self.control.cancel(None);
    }

    #[track_caller]
    fn start<F>(&self, ticket: control::Ticket, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let index = ticket.index;
        let handle = self.scope.spawn(move || ticket.run(f));
        self.keep(index, handle);
    }

    fn keep(&self, index: usize, handle: ScopedJoinHandle<'scope, TaskResult<T, E>>) {
        self.tasks.lock().push(Task { index, handle });
    }
}

impl<T, E> fmt::Debug for ScopedGroup<'_, '_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("ScopedGroup { .. }")
    }
}
