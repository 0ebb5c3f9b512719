//! The workers of a pool: how many there are, what each does, how they end.
//!
//! The stall to fear: a job lies in the queue, fewer workers run than may, and nobody
//! starts one. Whoever queues a job counts afterwards whether an idle worker is left for
//! it, and a worker that has taken a job counts again, because it is not idle any more.
//! One that leaves for want of work looks at the queue under the lock of the count: a job
//! that came before keeps it, one that comes after finds it gone.

use super::job::Job;
use super::queue::{Next, Queue};
use crate::groups::caught::catch;
use gorge_runtime::{GoroutineId, JoinHandle, goroutine};
use gorge_sync::{Mutex, WaitGroup};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// How many workers there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) min: usize,
    pub(super) max: usize,
    /// How long one beyond the least number waits for work before it leaves.
    pub(super) patience: Option<Duration>,
}

pub(super) struct Crew {
    pub(super) queue: Queue,
    size: Size,
    name: String,
    count: Mutex<Count>,
    alive: WaitGroup,
}

#[derive(Default)]
struct Count {
    workers: usize,
    idle: usize,
    /// How many were started in all; their names are numbered.
    started: usize,
    /// They are to end at once.
    stopped: bool,
    /// To cancel them with.
    handles: Vec<JoinHandle<()>>,
    /// Those who are at work, or wait for it.
    members: Vec<GoroutineId>,
}

impl Crew {
    pub(super) fn new(queue: Queue, size: Size, name: String) -> Arc<Crew> {
        Arc::new(Crew {
            queue,
            size,
            name,
            count: Mutex::default(),
            alive: WaitGroup::new(),
        })
    }

    /// Starts the workers that are always there.
    pub(super) fn begin(self: &Arc<Crew>) {
        for _ in 0..self.size.min {
            let number = self.count.lock().enlist();
            self.start(number);
        }
    }

    /// Starts a worker if the jobs in the queue, and so many to come, are more than the idle
    /// workers.
    pub(super) fn grow(self: &Arc<Crew>, to_come: usize) {
        if self.size.min == self.size.max {
            return;
        }
        let number = {
            let mut count = self.count.lock();
            let is_wanted = self.queue.len() + to_come > count.idle;
            if count.stopped || count.workers >= self.size.max || !is_wanted {
                return;
            }
            count.enlist()
        };
        self.start(number);
    }

    /// Starts a worker that is counted already.
    fn start(self: &Arc<Crew>, number: usize) {
        self.alive.add(1);
        let enlisted = Enlisted {
            crew: Arc::clone(self),
            is_idle: true,
            has_left: false,
        };
        let builder = goroutine::Builder::new().name(format!("{}-{number}", self.name));
        let spawned = builder.spawn(move || enlisted.work());
        let handle = spawned.unwrap_or_else(|error| panic!("{error}"));
        let mut count = self.count.lock();
        if count.stopped {
            drop(count);
            return handle.cancel();
        }
        let ended = count.handles.extract_if(.., |handle| handle.is_finished());
        let ended: Vec<_> = ended.collect();
        count.handles.push(handle);
        drop(count);
        drop(ended);
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.count.lock().workers
    }

    /// Whether the caller is one of the workers.
    pub(super) fn has(&self, goroutine: &goroutine::Goroutine) -> bool {
        self.count.lock().members.contains(&goroutine.id())
    }

    /// Ends everybody at once: no more jobs, those in the queue are dropped, and those that
    /// run are unwound at what they wait for. Returns how many were dropped.
    pub(super) fn stop(&self) -> usize {
        self.queue.close();
        let handles = {
            let mut count = self.count.lock();
            count.stopped = true;
            mem::take(&mut count.handles)
        };
        handles.iter().for_each(JoinHandle::cancel);
        let mut dropped = 0;
        while let Some(job) = self.queue.try_pop() {
            // A panic of its destructor is nobody's.
            let _ = catch(|| drop(job));
            dropped += 1;
        }
        dropped
    }

    /// Waits until the queue, which is closed, is empty, and all have ended.
    pub(super) fn wait(self: &Arc<Crew>) {
        self.alive.wait();
        if self.queue.len() > 0 {
            // Queued as the last worker left: its submitter is about to start one for it,
            // as this does.
            self.grow(0);
            self.alive.wait();
        }
        // Only where workers cannot run any more, because their runtime ends.
        while self.queue.try_pop().is_some() {}
    }
}

impl Count {
    fn enlist(&mut self) -> usize {
        self.workers += 1;
        self.idle += 1;
        self.started += 1;
        self.started
    }
}

/// A worker, from when it is counted until it ends, however that happens.
struct Enlisted {
    crew: Arc<Crew>,
    /// It is counted among those who are idle: from the beginning, since it has been started
    /// for a job.
    is_idle: bool,
    /// It is not counted any more.
    has_left: bool,
}

impl Enlisted {
    fn work(mut self) {
        let id = goroutine::current().id();
        self.crew.count.lock().members.push(id);
        while let Some(job) = self.next_job() {
            job.run();
        }
    }

    fn next_job(&mut self) -> Option<Box<dyn Job>> {
        let size = self.crew.size;
        let patience = size.patience.filter(|_| size.min < size.max);
        loop {
            self.set_idle(true);
            let next = self.crew.queue.pop(patience);
            match next {
                Next::Job(job) => {
                    self.set_idle(false);
                    self.crew.grow(0);
                    return Some(job);
                }
                Next::Closed => return None,
                Next::Nothing if self.leave_unless_needed() => return None,
                Next::Nothing => {}
            }
        }
    }

    fn set_idle(&mut self, is_idle: bool) {
        if self.is_idle == is_idle {
            return;
        }
        self.is_idle = is_idle;
        let mut count = self.crew.count.lock();
        match is_idle {
            true => count.idle += 1,
            false => count.idle -= 1,
        }
    }

    fn leave_unless_needed(&mut self) -> bool {
        let mut count = self.crew.count.lock();
        if count.workers > self.crew.size.min && self.crew.queue.len() == 0 {
            count.workers -= 1;
            count.idle -= 1;
            self.is_idle = false;
            self.has_left = true;
        }
        self.has_left
    }
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        let id = goroutine::current().id();
        self.set_idle(false);
        {
            let mut count = self.crew.count.lock();
            count.members.retain(|member| *member != id);
            if !self.has_left {
                count.workers -= 1;
            }
        }
        self.crew.alive.done();
    }
}
