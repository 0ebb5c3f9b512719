//! What the tasks of a group share: who may start, what happens when one fails.
//!
//! * [`Control::admit`], [`Control::try_admit`]: a [`Ticket`], the right to be a task;
//! * [`Ticket::run`]: a task's life;
//! * [`collect`]: what came of all of them.
//!
//! A ticket is counted from before its task starts until it is dropped, also with a task
//! that never ran or was unwound. So when the count is zero, each task has done what it
//! does to the group. A failure is noted before the ticket goes: whoever waits for its
//! place at the limit finds the group cancelled.

use super::error::{Failure, GroupError, TaskError};
use super::{OnError, OnPanic};
use crate::groups::caught::{CaughtPanic, catch};
use gorge_channel::context::{CancelGuard, Context};
use gorge_channel::{Receiver, Sender, bounded, select_biased};
use gorge_runtime::goroutine::ScopedJoinHandle;
use gorge_runtime::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use gorge_runtime::{JoinError, JoinHandle, shield};
use gorge_sync::{Mutex, WaitGroup};
use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::process;
use std::sync::Arc;
use std::time::Duration;

/// How a group behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) on_error: OnError,
    pub(super) on_panic: OnPanic,
    pub(super) interrupt: bool,
    /// Whether the first wait ends its context, so that it serves once.
    pub(super) serves_once: bool,
}

/// Where the places of a limit are kept while nobody has them.
type Places = (Sender<()>, Receiver<()>);

pub(super) struct Control {
    context: Context,
    guard: CancelGuard,
    rules: Rules,
    /// The places of a group with a limit: a task holds one that it took from there.
    places: Mutex<Option<Places>>,
    /// Spares groups without a limit the lock.
    has_limit: AtomicBool,
    alive: WaitGroup,
    submitted: AtomicUsize,
    /// The index of the task that failed first, plus one.
    first: AtomicUsize,
    /// The names of those who have one, by index.
    names: Mutex<BTreeMap<usize, String>>,
}

/// Nobody is admitted any more.
pub(super) struct Cancelled;

/// Why nobody is admitted now.
pub(super) enum NotAdmitted {
    Full,
    Cancelled,
}

impl Control {
    pub(super) fn new(
        (context, guard): (Context, CancelGuard),
        limit: Option<usize>,
        rules: Rules,
    ) -> Arc<Control> {
        Arc::new(Control {
            context,
            guard,
            rules,
            places: Mutex::new(limit.map(places)),
            has_limit: AtomicBool::new(limit.is_some()),
            alive: WaitGroup::new(),
            submitted: AtomicUsize::new(0),
            first: AtomicUsize::new(0),
            names: Mutex::new(BTreeMap::new()),
        })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn cancel(&self, cause: Option<Box<dyn Error + Send + Sync>>) {
        match cause {
            Some(cause) => self.guard.cancel_with(cause),
            None => self.guard.cancel(),
        }
    }

    /// Another limit, or none, for a group of which no task runs.
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        assert!(
            self.alive.wait_timeout(Duration::ZERO),
            "Group::set_limit while tasks run: set it before the first, or after a wait"
        );
        *self.places.lock() = limit.map(places);
        // Relaxed: who sees it finds the places behind their lock.
        self.has_limit.store(limit.is_some(), Ordering::Relaxed);
    }

    #[inline]
    fn places(&self) -> Option<Places> {
        match self.has_limit.load(Ordering::Relaxed) {
            true => self.places.lock().clone(),
            false => None,
        }
    }

    /// Waits for a place at the limit.
    #[inline]
    pub(super) fn admit(self: &Arc<Control>) -> Result<Ticket, Cancelled> {
        if self.context.err().is_some() {
            return Err(Cancelled);
        }
        let place = match self.places() {
            None => None,
            Some((place, free)) => select_biased! {
                recv(self.context.done()) -> _ => return Err(Cancelled),
                recv(free) -> _ => Some(place),
            },
        };
        Ok(self.ticket(place))
    }

    pub(super) fn try_admit(self: &Arc<Control>) -> Result<Ticket, NotAdmitted> {
        if self.context.err().is_some() {
            return Err(NotAdmitted::Cancelled);
        }
        match self.places() {
            Some((_, free)) if free.try_recv().is_err() => Err(NotAdmitted::Full),
            places => Ok(self.ticket(places.map(|(place, _)| place))),
        }
    }

    fn ticket(self: &Arc<Control>, place: Option<Sender<()>>) -> Ticket {
        self.alive.add(1);
        Ticket {
            // Relaxed: a number, nothing else hangs on it.
            index: self.submitted.fetch_add(1, Ordering::Relaxed),
            control: Arc::clone(self),
            place,
        }
    }

    /// Keeps the name of a task, to be told if it fails.
    pub(super) fn name(&self, index: usize, name: String) {
        self.names.lock().insert(index, name);
    }

    /// Waits until all tasks have ended; delivers a cancel.
    pub(super) fn wait(&self) {
        self.alive.wait();
    }

    /// Waits until all tasks have ended, whatever happens.
    pub(super) fn wait_anyhow(&self) {
        shield(|| self.alive.wait());
    }

    /// The names of tasks that have ended.
    fn take_names<T, E>(&self, ended: &[Ended<T, E>]) -> BTreeMap<usize, String> {
        let mut names = self.names.lock();
        match ended.last() {
            Some(last) if !names.is_empty() => {
                let later = names.split_off(&(last.index + 1));
                std::mem::replace(&mut names, later)
            }
            _ => BTreeMap::new(),
        }
    }

    fn note_first(&self, index: usize) {
        // Relaxed: who reads it has waited for the task.
        let _ = self
            .first
            .compare_exchange(0, index + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A task has returned an error.
    fn failed<E: fmt::Display + Any>(&self, index: usize, error: &E) {
        self.note_first(index);
        if self.rules.on_error == OnError::CancelAll {
            self.cancel(Some(cause_of(error)));
        }
    }

    fn panicked(&self, index: usize, panic: &CaughtPanic) {
        match self.rules.on_panic {
            OnPanic::Abort => process::abort(),
            OnPanic::Ignore => return,
            OnPanic::Propagate | OnPanic::ToError => self.note_first(index),
        }
        if self.rules.on_panic == OnPanic::Propagate || self.rules.on_error == OnError::CancelAll {
            self.cancel(Some(format!("a task {panic}").into()));
        }
    }
}

/// The error itself if it can be shared, else its text.
fn cause_of<E: fmt::Display + Any>(error: &E) -> Box<dyn Error + Send + Sync> {
    type Shared = Arc<dyn Error + Send + Sync>;
    match (error as &dyn Any).downcast_ref::<Shared>() {
        Some(shared) => Box::new(Arc::clone(shared)),
        None => error.to_string().into(),
    }
}

/// So many of them.
fn places(limit: usize) -> Places {
    let places = bounded(limit);
    (0..limit).for_each(|_| put_back(&places.0));
    places
}

fn put_back(places: &Sender<()>) {
    let put = places.try_send(());
    debug_assert!(put.is_ok(), "there is room for all places");
}

/// What the goroutine of a task returns: small, so that it finds room beside its stack.
pub(super) type TaskResult<T, E> = Result<T, Box<TaskError<E>>>;

/// The right to be a task.
pub(super) struct Ticket {
    control: Arc<Control>,
    pub(super) index: usize,
    /// Where its place at the limit goes back to.
    place: Option<Sender<()>>,
}

impl Ticket {
    /// What the goroutine of a task does.
    pub(super) fn run<F, T, E>(self, f: F) -> TaskResult<T, E>
    where
        F: FnOnce() -> Result<T, E> + Send,
        T: Send,
        E: fmt::Display + Send + 'static,
    {
        let control = &*self.control;
        let returned = match control.rules.interrupt {
            false => catch(f),
            true => match catch(|| control.context.run(f)) {
                Ok(Ok(returned)) => Ok(returned),
                Ok(Err(_)) => return Err(Box::new(TaskError::Cancelled)),
                Err(panic) => Err(panic),
            },
        };
        match returned {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                control.failed(self.index, &error);
                Err(Box::new(TaskError::Failed(error)))
            }
            Err(panic) => {
                control.panicked(self.index, &panic);
                Err(Box::new(TaskError::Panicked(panic)))
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            put_back(place);
        }
        self.control.alive.done();
    }
}

/// A started task.
pub(super) struct Task<H> {
    pub(super) index: usize,
    pub(super) handle: H,
}

/// The tasks that were started and not collected.
pub(super) type Tasks<H> = Mutex<Vec<Task<H>>>;

/// Handles of plain and of scoped goroutines.
pub(super) trait Join {
    type Value;

    fn join(self) -> Result<Self::Value, JoinError>;
}

impl<R> Join for JoinHandle<R> {
    type Value = R;

    fn join(self) -> Result<R, JoinError> {
        JoinHandle::join(self)
    }
}

impl<R> Join for ScopedJoinHandle<'_, R> {
    type Value = R;

    fn join(self) -> Result<R, JoinError> {
        ScopedJoinHandle::join(self)
    }
}

/// A task that has ended.
pub(super) struct Ended<T, E> {
    index: usize,
    result: TaskResult<T, E>,
}

/// Waits for all tasks, and collects them; ends the context of a group that serves once.
pub(super) fn finish<H, T, E>(control: &Control, tasks: &Tasks<H>) -> Vec<Ended<T, E>>
where
    H: Join<Value = TaskResult<T, E>>,
{
    control.wait();
    // If a panic goes on here, that has cancelled the group.
    let ended = collect(control, tasks);
    if control.rules.serves_once {
        control.cancel(None);
    }
    ended
}

/// The tasks that were submitted until now, which have ended, in order of submission.
///
/// # Panics
///
/// With the panic of a task, if those are to be propagated.
pub(super) fn collect<H, T, E>(control: &Control, tasks: &Tasks<H>) -> Vec<Ended<T, E>>
where
    H: Join<Value = TaskResult<T, E>>,
{
    let started = std::mem::take(&mut *tasks.lock());
    // They have ended, but for the last steps of their goroutines.
    let mut ended: Vec<_> = shield(|| started.into_iter().map(join).collect());
    ended.sort_by_key(|task| task.index);
    if ended.iter().all(|task| task.result.is_ok()) {
        return ended;
    }
    for task in &ended {
        if matches!(&task.result, Err(error) if matches!(**error, TaskError::NotStarted(_))) {
            control.note_first(task.index);
            if control.rules.on_error == OnError::CancelAll {
                control.cancel(Some("there is no stack for a task".into()));
            }
        }
    }
    if control.rules.on_panic == OnPanic::Propagate {
        ended = propagate(control, ended);
    }
    ended
}

fn join<H, T, E>(task: Task<H>) -> Ended<T, E>
where
    H: Join<Value = TaskResult<T, E>>,
{
    Ended {
        index: task.index,
        result: task.handle.join().unwrap_or_else(|error| {
            Err(Box::new(match error.is_cancelled() {
                true => TaskError::Cancelled,
                false => TaskError::NotStarted(error),
            }))
        }),
    }
}

/// Continues the first panic, if there was any.
fn propagate<T, E>(control: &Control, mut ended: Vec<Ended<T, E>>) -> Vec<Ended<T, E>> {
    let is_panic = |task: &Ended<T, E>| matches!(&task.result, Err(error) if error.is_panic());
    let first = control.first.load(Ordering::Relaxed);
    let found = ended
        .iter()
        .position(|task| task.index + 1 == first && is_panic(task));
    if let Some(at) = found.or_else(|| ended.iter().position(is_panic))
        && let Err(error) = ended.swap_remove(at).result
        && let TaskError::Panicked(panic) = *error
    {
        drop(ended);
        panic.resume();
    }
    ended
}

/// What each task has come to.
pub(super) fn results<T, E>(
    control: &Control,
    ended: Vec<Ended<T, E>>,
) -> Vec<Result<T, TaskError<E>>> {
    drop(control.take_names(&ended));
    let result = |task: Ended<T, E>| task.result.map_err(|error| *error);
    ended.into_iter().map(result).collect()
}

/// All values, or what the group reports.
pub(super) fn values<T, E>(
    control: &Control,
    ended: Vec<Ended<T, E>>,
) -> Result<Vec<T>, GroupError<E>> {
    // Relaxed: all tasks have been waited for.
    let first = control.first.load(Ordering::Relaxed);
    let ignores_panics = control.rules.on_panic == OnPanic::Ignore;
    let mut names = control.take_names(&ended);
    let (mut values, mut failures) = (Vec::with_capacity(ended.len()), Vec::new());
    for Ended { index, result } in ended {
        match result {
            Ok(value) => values.push(value),
            Err(error) if error.is_panic() && ignores_panics => {}
            Err(error) => failures.push(Failure {
                index,
                name: names.remove(&index),
                error: *error,
            }),
        }
    }
    if failures.is_empty() {
        return Ok(values);
    }
    // An earlier round may have had the first one: then any will do.
    let at = failures
        .iter()
        .position(|failure| failure.index + 1 == first);
    failures[..=at.unwrap_or(0)].rotate_right(1);
    if control.rules.on_error != OnError::CollectAll {
        failures.truncate(1);
    }
    Err(GroupError { failures })
}
