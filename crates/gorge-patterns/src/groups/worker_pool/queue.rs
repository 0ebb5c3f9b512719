//! Where jobs wait for a worker: a channel, or a list under a lock with two conditions.
//!
//! Both do the same. A closed queue takes no more jobs, and is emptied by the workers.

use super::job::Job;
use gorge_channel::context::{AfterFunc, Context};
use gorge_channel::{
    Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select_biased, unbounded,
};
use gorge_runtime::time;
use gorge_sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(super) type BoxedJob = Box<dyn Job>;

/// Why a job was not queued; it is handed back.
pub(super) enum NotQueued {
    Full(BoxedJob),
    Closed(BoxedJob),
    /// The context of its submitter is done.
    Cancelled(BoxedJob),
}

/// What a worker finds.
pub(super) enum Next {
    Job(BoxedJob),
    /// Nothing, for as long as it was willing to wait.
    Nothing,
    /// Nothing, and there will be nothing.
    Closed,
}

/// The two kinds of queue.
pub(super) enum Queue {
    Channel(Sender<BoxedJob>, Receiver<BoxedJob>),
    Lock(Arc<Listed>),
}

impl Queue {
    pub(super) fn channel(capacity: Option<usize>) -> Queue {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        Queue::Channel(sender, receiver)
    }

    pub(super) fn lock(capacity: Option<usize>) -> Queue {
        Queue::Lock(Arc::new(Listed {
            list: Mutex::new(List {
                jobs: VecDeque::new(),
                closed: false,
            }),
            capacity: capacity.unwrap_or(usize::MAX),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }))
    }

    pub(super) fn try_push(&self, job: BoxedJob) -> Result<(), NotQueued> {
        match self {
            Queue::Channel(sender, _) => sender.try_send(job).map_err(|error| match error {
                TrySendError::Full(job) => NotQueued::Full(job),
                TrySendError::Disconnected(job) => NotQueued::Closed(job),
            }),
            Queue::Lock(listed) => listed.try_push(job),
        }
    }

    /// Waits for room.
    pub(super) fn push(&self, ctx: Option<&Context>, job: BoxedJob) -> Result<(), NotQueued> {
        match (self, ctx) {
            (Queue::Channel(sender, _), None) => sender
                .send(job)
                .map_err(|error| NotQueued::Closed(error.into_inner())),
            (Queue::Channel(sender, _), Some(ctx)) => send(ctx, sender, job),
            (Queue::Lock(listed), ctx) => listed.push(ctx, job),
        }
    }

    /// Waits for a job, for `patience` at most if there is one.
    pub(super) fn pop(&self, patience: Option<Duration>) -> Next {
        match self {
            Queue::Channel(_, receiver) => {
                let received = match patience {
                    Some(patience) => receiver.recv_timeout(patience),
                    None => receiver.recv().map_err(Into::into),
                };
                match received {
                    Ok(job) => Next::Job(job),
                    Err(RecvTimeoutError::Timeout) => Next::Nothing,
                    Err(RecvTimeoutError::Disconnected) => Next::Closed,
                }
            }
            Queue::Lock(listed) => listed.pop(patience),
        }
    }

    /// The oldest job, if there is one.
    pub(super) fn try_pop(&self) -> Option<BoxedJob> {
        match self {
            Queue::Channel(_, receiver) => receiver.try_recv().ok(),
            Queue::Lock(listed) => listed.try_pop(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Queue::Channel(_, receiver) => receiver.len(),
            Queue::Lock(listed) => listed.list.lock().jobs.len(),
        }
    }

    pub(super) fn close(&self) {
        match self {
            Queue::Channel(sender, _) => _ = sender.close(),
            Queue::Lock(listed) => listed.close(),
        }
    }
}

fn send(ctx: &Context, sender: &Sender<BoxedJob>, job: BoxedJob) -> Result<(), NotQueued> {
    let mut job = Some(job);
    if ctx.err().is_none() {
        select_biased! {
            recv(ctx.done()) -> _ => {}
            send(sender, job.take().expect("it is sent once")) -> sent => {
                return sent.map_err(|error| NotQueued::Closed(error.into_inner()));
            }
        }
    }
    Err(NotQueued::Cancelled(job.expect("it was not sent")))
}

/// A list under a lock.
pub(super) struct Listed {
    list: Mutex<List>,
    capacity: usize,
    /// A job came, or the end.
    filled: Condvar,
    /// A job was taken, or the end came.
    emptied: Condvar,
}

struct List {
    jobs: VecDeque<BoxedJob>,
    closed: bool,
}

impl Listed {
    fn try_push(&self, job: BoxedJob) -> Result<(), NotQueued> {
        let mut list = self.list.lock();
        if list.closed {
            drop(list);
            return Err(NotQueued::Closed(job));
        }
        if list.jobs.len() >= self.capacity {
            drop(list);
            return Err(NotQueued::Full(job));
        }
        list.jobs.push_back(job);
        drop(list);
        self.filled.notify_one();
        Ok(())
    }

    fn push(self: &Arc<Listed>, ctx: Option<&Context>, job: BoxedJob) -> Result<(), NotQueued> {
        if ctx.is_some_and(|ctx| ctx.err().is_some()) {
            return Err(NotQueued::Cancelled(job));
        }
        let mut job = match self.try_push(job) {
            Err(NotQueued::Full(job)) => job,
            done => return done,
        };
        // Somebody has to wake this one when the context is done.
        let ctx = ctx.filter(|ctx| ctx.is_cancellable());
        let _call = ctx.map(|ctx| self.call_when_done(ctx));
        loop {
            {
                let mut list = self.list.lock();
                while !list.closed && list.jobs.len() >= self.capacity {
                    if ctx.is_some_and(|ctx| ctx.err().is_some()) {
                        drop(list);
                        return Err(NotQueued::Cancelled(job));
                    }
                    self.emptied.wait(&mut list);
                }
            }
            // Room comes first: whoever was notified of it uses it.
            job = match self.try_push(job) {
                Err(NotQueued::Full(job)) => job,
                done => return done,
            };
        }
    }

    fn call_when_done(self: &Arc<Listed>, ctx: &Context) -> StopOnDrop {
        let listed = Arc::clone(self);
        StopOnDrop(ctx.after_func(move || {
            // Under the lock, so that whoever has looked at the context waits by now.
            let list = listed.list.lock();
            listed.emptied.notify_all();
            drop(list);
        }))
    }

    fn pop(&self, patience: Option<Duration>) -> Next {
        let deadline = patience.and_then(time::deadline);
        let mut list = self.list.lock();
        loop {
            if let Some(job) = list.jobs.pop_front() {
                drop(list);
                self.emptied.notify_one();
                return Next::Job(job);
            }
            if list.closed {
                return Next::Closed;
            }
            match deadline {
                None => self.filled.wait(&mut list),
                Some(deadline) => {
                    let timed_out = self.filled.wait_until(&mut list, deadline).timed_out();
                    if timed_out && list.jobs.is_empty() && !list.closed {
                        return Next::Nothing;
                    }
                }
            }
        }
    }

    fn try_pop(&self) -> Option<BoxedJob> {
        let job = self.list.lock().jobs.pop_front()?;
        self.emptied.notify_one();
        Some(job)
    }

    fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        drop(list);
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

/// Keeps a function from running that is not needed any more.
struct StopOnDrop(AfterFunc);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
