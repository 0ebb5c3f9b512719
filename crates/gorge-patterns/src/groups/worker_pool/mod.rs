//! `WorkerPool`: a number of goroutines that do jobs from a queue.
//!
//! **Problem.** Jobs come faster than they may run at once, because each takes memory, a
//! connection, a processor. What is too much has to wait, or to be refused.
//!
//! ```text
//!   submit ──► [ queue ▪▪▪ ] ──► worker ──► worker's job ──► JobHandle::join
//!      full?        │       └──► worker         │
//!      block        │       └──► worker         └── a panic goes to the handle, too,
//!      reject       └── closed by shutdown          and the worker takes the next job
//!      drop the oldest
//!      the caller runs it
//! ```
//!
//! **Who closes what.** The pool owns the queue and closes it when it is shut down or
//! dropped: the workers do what is in it, and end. **Cancelled** by the context: then at
//! once, as by [`WorkerPool::shutdown_now`].
//!
//! * `builder`: sizes and policies; `queue`: where jobs wait; `job`: what a job is; `crew`:
//!   the workers.

mod builder;
mod crew;
mod error;
mod job;
mod queue;

pub use builder::{Feed, WhenFull, WorkerPoolBuilder};
pub use error::SubmitError;
pub use job::{JobError, JobHandle};

use crew::Crew;
use gorge_channel::context::{AfterFunc, Context};
use gorge_runtime::{cancel, goroutine, shield};
use job::{job, take_apart};
use queue::{BoxedJob, NotQueued};
use std::fmt;
use std::sync::Arc;

/// A number of goroutines that do jobs from a queue. Share it by reference, or in an `Arc`.
///
/// Its size is fixed, or grows with the queue ([`elastic`](WorkerPoolBuilder::elastic));
/// jobs wait in a channel or in a list under a lock ([`Feed`]); what happens when too many
/// wait is up to [`WhenFull`].
///
/// A job that panics ends neither its worker nor the pool: whoever joins its [`JobHandle`]
/// gets the panic.
///
/// **Dropping** the pool waits until the jobs in the queue have been done; while the
/// dropping goroutine panics, it stops them instead. A job of the pool that drops the last
/// reference to it does not wait.
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::WorkerPool;
///
/// let pool = WorkerPool::new(&context::background(), 4);
/// let jobs: Vec<_> = (0..100u64).map(|n| pool.submit(move || n * n).unwrap()).collect();
/// let squares = jobs.into_iter().map(|job| job.join().unwrap());
/// assert_eq!(squares.sum::<u64>(), 328_350);
/// ```
pub struct WorkerPool {
    crew: Arc<Crew>,
    when_full: WhenFull,
    end: AfterFunc,
}

impl WorkerPool {
    /// A pool of so many workers, whose queue takes any number of jobs.
    ///
    /// # Panics
    ///
    /// If `workers` is zero.
    #[must_use]
    pub fn new(ctx: &Context, workers: usize) -> WorkerPool {
        WorkerPool::builder().workers(workers).build(ctx)
    }

    fn of(ctx: &Context, crew: Arc<Crew>, when_full: WhenFull) -> WorkerPool {
        crew.begin();
        let weak = Arc::downgrade(&crew);
        let end = ctx.after_func(move || {
            if let Some(crew) = weak.upgrade() {
                crew.stop();
            }
        });
        WorkerPool {
            crew,
            when_full,
            end,
        }
    }

    /// Gives the pool a job. What happens when the queue is full is the pool's
    /// [`WhenFull`]; by default, this waits.
    ///
    /// # Errors
    ///
    /// If the pool is shut down, or the queue is full and the pool rejects jobs then. The
    /// function is handed back.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine while it waits.
    pub fn submit<F, T>(&self, f: F) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_as(None, f)
    }

    /// As [`submit`](WorkerPool::submit), but waits until the context is done at most.
    ///
    /// # Errors
    ///
    /// As for [`submit`](WorkerPool::submit), and if the context is done.
    ///
    /// # Cancellation
    ///
    /// As for [`submit`](WorkerPool::submit).
    pub fn submit_with<F, T>(&self, ctx: &Context, f: F) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit_as(Some(ctx), f)
    }

    fn submit_as<F, T>(&self, ctx: Option<&Context>, f: F) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (job, handle) = job(f);
        match self.queue_up(ctx, job) {
            Ok(()) => Ok(handle),
            Err(NotQueued::Full(job)) => Err(SubmitError::Full(take_apart::<F, T>(job))),
            Err(NotQueued::Closed(job)) => Err(SubmitError::Closed(take_apart::<F, T>(job))),
            Err(NotQueued::Cancelled(job)) => Err(SubmitError::Cancelled(take_apart::<F, T>(job))),
        }
    }

    fn queue_up(&self, ctx: Option<&Context>, job: BoxedJob) -> Result<(), NotQueued> {
        self.crew.grow(1);
        let queue = &self.crew.queue;
        match self.when_full {
            WhenFull::Block => queue.push(ctx, job)?,
            WhenFull::Reject => queue.try_push(job)?,
            WhenFull::DropOldest => {
                let mut job = job;
                while let Err(error) = queue.try_push(job) {
                    let NotQueued::Full(back) = error else {
                        return Err(error);
                    };
                    drop(queue.try_pop());
                    job = back;
                }
            }
            WhenFull::CallerRuns => match queue.try_push(job) {
                Err(NotQueued::Full(job)) => job.run(),
                done => done?,
            },
        }
        self.crew.grow(0);
        Ok(())
    }

    /// Takes no more jobs, and waits until those in the queue have been done and the workers
    /// have ended. In a job of this pool, it does not wait.
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine; the pool goes on ending.
    pub fn shutdown(&self) {
        self.crew.queue.close();
        self.wait();
    }

    /// Takes no more jobs, drops those in the queue, cancels the goroutines of those that
    /// run, which unwinds them at whatever they wait for, and waits until they have ended.
    /// Returns how many were dropped. In a job of this pool, it does not wait.
    ///
    /// # Cancellation
    ///
    /// As for [`shutdown`](WorkerPool::shutdown).
    pub fn shutdown_now(&self) -> usize {
        let is_worker = self.is_called_by_a_worker();
        let dropped = self.crew.stop();
        if !is_worker {
            self.crew.wait();
        }
        dropped
    }

    fn wait(&self) {
        if !self.is_called_by_a_worker() {
            self.crew.wait();
        }
    }

    fn is_called_by_a_worker(&self) -> bool {
        self.crew.has(&goroutine::current())
    }

    /// How many workers there are now.
    pub fn workers(&self) -> usize {
        self.crew.workers()
    }

    /// How many jobs wait in the queue.
    pub fn queued(&self) -> usize {
        self.crew.queue.len()
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        shield(|| match cancel::is_unwinding() {
            true => _ = self.shutdown_now(),
            false => self.shutdown(),
        });
        self.end.stop();
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("workers", &self.workers())
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}
