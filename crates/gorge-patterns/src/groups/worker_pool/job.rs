//! Jobs of a worker pool, and what their submitters hold of them.

use crate::groups::caught::{CaughtPanic, Unwound, catch, catch_all};
use gorge_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::time::Duration;
use thiserror::Error;

/// A job in the queue. As `Any` it can be taken apart again, to hand the function back.
pub(super) trait Job: Any + Send {
    /// Calls the function, and leaves its result for the handle.
    fn run(self: Box<Self>);
}

/// The function, and where its result goes.
struct Called<F, T> {
    f: F,
    result: Sender<Result<T, JobError>>,
}

impl<F, T> Job for Called<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Box<Self>) {
        let Called { f, result } = *self;
        let (ended, payload) = match catch_all(f) {
            Ok(value) => (Ok(value), None),
            Err(Unwound::Panic(panic)) => (Err(JobError::Panicked(panic)), None),
            Err(Unwound::Cancel(payload)) => (Err(JobError::Dropped), Some(payload)),
        };
        // There is room for it. If nobody has the handle any more, it is dropped, and a panic of
        // its destructor is nobody's.
        drop(catch(|| drop(result.try_send(ended))));
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}

/// A job, and the handle to it.
pub(super) fn job<F, T>(f: F) -> (Box<dyn Job>, JobHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, result) = bounded(1);
    let called = Called { f, result: sender };
    (Box::new(called), JobHandle { result })
}

/// The function of a job that was not run.
pub(super) fn take_apart<F, T>(job: Box<dyn Job>) -> F
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let job: Box<dyn Any> = job;
    match job.downcast::<Called<F, T>>() {
        Ok(called) => called.f,
        Err(_) => unreachable!("whoever submits a job gets the same job back"),
    }
}

/// The right to a job's result; made by [`WorkerPool::submit`](super::WorkerPool::submit).
///
/// Dropping it changes nothing for the job.
#[must_use = "the job's result, and its panic, come through the handle"]
pub struct JobHandle<T> {
    result: Receiver<Result<T, JobError>>,
}

/// Why a job has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// It panicked. The pool goes on.
    #[error("the job {0}")]
    Panicked(CaughtPanic),
    /// It was not run, or not to its end: newer jobs pushed it out of the queue, or the
    /// pool was shut down at once.
    #[error("the job was dropped before its end")]
    Dropped,
}

impl JobError {
    /// Whether the job panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JobError::Panicked(_))
    }
}

impl<T> JobHandle<T> {
    /// Waits for the job's end.
    ///
    /// # Errors
    ///
    /// If it panicked, or was dropped.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the job goes on.
    pub fn join(self) -> Result<T, JobError> {
        self.result.recv().unwrap_or(Err(JobError::Dropped))
    }

    /// As [`join`](JobHandle::join), but waits for `timeout` at most.
    ///
    /// # Errors
    ///
    /// The handle, if the job has not ended by then.
    ///
    /// # Cancellation
    ///
    /// As for [`join`](JobHandle::join).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JobError>, JobHandle<T>> {
        match self.result.recv_timeout(timeout) {
            Ok(result) => Ok(result),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(JobError::Dropped)),
            Err(RecvTimeoutError::Timeout) => Err(self),
        }
    }

    /// Whether the job has ended, so that [`join`](JobHandle::join) returns at once.
    pub fn is_finished(&self) -> bool {
        !self.result.is_empty() || self.result.is_closed()
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}
