//! The sizes and policies of a pool.

use super::WorkerPool;
use super::crew::{Crew, Size};
use super::queue::Queue;
use gorge_channel::context::Context;
use std::time::Duration;

/// What happens to a job for which there is no room in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Its submitter waits.
    #[default]
    Block,
    /// Its submitter gets it back.
    Reject,
    /// The job that has waited longest is dropped; its handle says so.
    DropOldest,
    /// Its submitter does it, before `submit` returns: so whoever makes too much work slows
    /// down.
    CallerRuns,
}

/// Where jobs wait. Both are first in, first out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feed {
    /// In a channel: waiting submitters get in, and waiting workers get jobs, in the order
    /// in which they came.
    #[default]
    Channel,
    /// In a list under a mutex with two condition variables: a worker that comes for the
    /// next job takes it before one that has slept for longer, so that few workers are awake.
    Lock,
}

/// Options of a [`WorkerPool`] to be; made by [`WorkerPool::builder`].
///
/// # Examples
///
/// ```
/// use gorge_channel::context;
/// use gorge_patterns::{WhenFull, WorkerPool};
/// use std::time::Duration;
///
/// let pool = WorkerPool::builder()
///     .elastic(1, 16, Duration::from_secs(10))
///     .queue(64)
///     .when_full(WhenFull::CallerRuns)
///     .build(&context::background());
/// assert_eq!(pool.submit(|| 6 * 7).unwrap().join().unwrap(), 42);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct WorkerPoolBuilder {
    size: Size,
    capacity: Option<usize>,
    when_full: WhenFull,
    feed: Feed,
    name: String,
}

impl WorkerPool {
    /// Options: one worker, a queue without end, until something else is chosen.
    pub fn builder() -> WorkerPoolBuilder {
        WorkerPoolBuilder {
            size: Size {
                min: 1,
                max: 1,
                patience: None,
            },
            capacity: None,
            when_full: WhenFull::default(),
            feed: Feed::default(),
            name: "worker".to_owned(),
        }
    }
}

impl WorkerPoolBuilder {
    /// So many workers, always.
    ///
    /// # Panics
    ///
    /// If `workers` is zero.
    pub fn workers(mut self, workers: usize) -> WorkerPoolBuilder {
        assert!(workers > 0, "a pool of workers has at least one");
        self.size = Size {
            min: workers,
            max: workers,
            patience: None,
        };
        self
    }

    /// From `min` to `max` workers: one more is started when a job finds none idle, and one
    /// that finds no job for `patience` leaves. `min` may be zero.
    ///
    /// # Panics
    ///
    /// If `max` is zero, or below `min`.
    pub fn elastic(mut self, min: usize, max: usize, patience: Duration) -> WorkerPoolBuilder {
        assert!(max > 0, "a pool of workers has room for at least one");
        assert!(
            min <= max,
            "a pool's least number of workers is not above its largest"
        );
        self.size = Size {
            min,
            max,
            patience: Some(patience),
        };
        self
    }

    /// How many jobs may wait.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn queue(mut self, capacity: usize) -> WorkerPoolBuilder {
        assert!(capacity > 0, "a pool's queue has room for at least one job");
        self.capacity = Some(capacity);
        self
    }

    /// What happens when so many jobs wait.
    pub fn when_full(mut self, when_full: WhenFull) -> WorkerPoolBuilder {
        self.when_full = when_full;
        self
    }

    /// Where jobs wait.
    pub fn feed(mut self, feed: Feed) -> WorkerPoolBuilder {
        self.feed = feed;
        self
    }

    /// What the workers are called in dumps and panics; a number is added.
    pub fn name(mut self, name: impl Into<String>) -> WorkerPoolBuilder {
        self.name = name.into();
        self
    }

    /// The pool, whose first workers are started.
    #[must_use]
    pub fn build(self, ctx: &Context) -> WorkerPool {
        let queue = match self.feed {
            Feed::Channel => Queue::channel(self.capacity),
            Feed::Lock => Queue::lock(self.capacity),
        };
        WorkerPool::of(ctx, Crew::new(queue, self.size, self.name), self.when_full)
    }
}
