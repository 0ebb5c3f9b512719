//! How tasks and groups of them fail.

use crate::groups::caught::CaughtPanic;
use gorge_runtime::JoinError;
use std::error::Error;
use std::fmt;

/// Why a task of a [`Group`](super::Group) has no value.
#[non_exhaustive]
pub enum TaskError<E> {
    /// It returned this error.
    Failed(E),
    /// It panicked, and the group was told not to continue the panic.
    Panicked(CaughtPanic),
    /// It was unwound: by its group, if that [interrupts](super::GroupBuilder::interrupt), or
    /// with its runtime.
    Cancelled,
    /// There was no stack for it.
    NotStarted(JoinError),
}

impl<E> TaskError<E> {
    /// The error that the task returned, if it did.
    pub fn into_failed(self) -> Option<E> {
        match self {
            TaskError::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, TaskError::Panicked(_))
    }

    /// Whether the task was unwound by a cancel.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, TaskError::Cancelled)
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Failed(error) => error.fmt(f),
            TaskError::Panicked(panic) => panic.fmt(f),
            TaskError::Cancelled => f.write_str("was cancelled"),
            TaskError::NotStarted(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Debug for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError({self})")
    }
}

impl<E: fmt::Display> Error for TaskError<E> {}

/// One task's failure, and which task it was.
pub struct Failure<E> {
    pub(super) index: usize,
    pub(super) name: Option<String>,
    pub(super) error: TaskError<E>,
}

impl<E> Failure<E> {
    /// The task's place in the order of submission.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What went wrong.
    pub fn error(&self) -> &TaskError<E> {
        &self.error
    }

    /// What went wrong, by value.
    pub fn into_error(self) -> TaskError<E> {
        self.error
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.index)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ": {}", self.error)
    }
}

impl<E: fmt::Display> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({self})")
    }
}

/// Why [`wait`](super::Group::wait) has no values: at least one task failed.
pub struct GroupError<E> {
    /// Not empty; the first one in time comes first.
    pub(super) failures: Vec<Failure<E>>,
}

impl<E> GroupError<E> {
    /// The failure that came first in time.
    pub fn first(&self) -> &Failure<E> {
        &self.failures[0]
    }

    /// What the first task to fail returned, if it returned an error and neither panicked nor
    /// was cancelled: Go's error of `Wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gorge_channel::context;
    /// use gorge_patterns::Group;
    ///
    /// let group = Group::<(), String>::new(&context::background());
    /// group.go(|| Err("no route".to_owned())).unwrap();
    /// let error = group.wait().unwrap_err();
    /// assert_eq!(error.to_string(), "task 0: no route");
    /// assert_eq!(error.error().unwrap(), "no route");
    /// assert_eq!(error.into_error().unwrap(), "no route");
    /// ```
    pub fn error(&self) -> Option<&E> {
        match &self.first().error {
            TaskError::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// As [`error`](GroupError::error), by value.
    pub fn into_error(self) -> Option<E> {
        self.into_first().into_failed()
    }

    /// What went wrong first.
    pub fn into_first(mut self) -> TaskError<E> {
        self.failures.swap_remove(0).error
    }

    /// All failures that the group reports: the first in time, and with
    /// [`OnError::CollectAll`](super::OnError::CollectAll) the others in order of
    /// submission.
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// As [`failures`](GroupError::failures), by value.
    pub fn into_failures(self) -> Vec<Failure<E>> {
        self.failures
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first().fmt(f)?;
        match self.failures.len() - 1 {
            0 => Ok(()),
            others => write!(f, " (and {others} more)"),
        }
    }
}

impl<E: fmt::Display> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.failures).finish()
    }
}

impl<E: fmt::Display> Error for GroupError<E> {}

/// The group is cancelled, so it starts nothing any more: here is the function back.
pub struct GoError<F>(pub F);

/// Why [`try_go`](super::Group::try_go) started nothing; the function is handed back.
pub enum TryGoError<F> {
    /// As many tasks run as the group allows: try again later.
    Full(F),
    /// The group is cancelled.
    Cancelled(F),
}

impl<F> GoError<F> {
    /// The function that was not started.
    pub fn into_inner(self) -> F {
        self.0
    }
}

impl<F> TryGoError<F> {
    /// The function that was not started.
    pub fn into_inner(self) -> F {
        match self {
            TryGoError::Full(f) | TryGoError::Cancelled(f) => f,
        }
    }

    /// Whether the group was at its limit.
    pub fn is_full(&self) -> bool {
        matches!(self, TryGoError::Full(_))
    }
}

const CANCELLED: &str = "the group is cancelled and starts no more tasks";
const FULL: &str = "the group runs as many tasks as it may";

impl<F> fmt::Display for GoError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(CANCELLED)
    }
}

impl<F> fmt::Debug for GoError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("GoError(..)")
    }
}

impl<F> Error for GoError<F> {}

impl<F> fmt::Display for TryGoError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.is_full() { FULL } else { CANCELLED })
    }
}

impl<F> fmt::Debug for TryGoError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.is_full() {
            "Full(..)"
        } else {
            "Cancelled(..)"
        })
    }
}

impl<F> Error for TryGoError<F> {}
