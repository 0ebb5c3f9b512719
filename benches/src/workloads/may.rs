//! may. It has no channels with limited room, so its rows about those run on such without a limit.
//!
//! Its coroutines share the one scheduler of the process.

use super::Job;
use super::blocking::{self, Ending, Peer};
use crate::channels::Message;
use crate::channels::blocking::{self as channels, Blocking, Crew};
use crate::program::{Figures, Refusal, Unsupported};
use may::coroutine::{self, JoinHandle};
use may::sync::mpmc::{self, Receiver, Sender};
use may::sync::{Mutex, WaitGroup};
use std::time::Duration;

/// Its coroutines, and its channels for several receivers.
#[derive(Debug)]
pub struct May;

impl Blocking for May {
    type Sender<M: Message> = Sender<M>;
    type Receiver<M: Message> = Receiver<M>;

    fn channel<M: Message>(_room: Option<usize>) -> (Sender<M>, Receiver<M>) {
        mpmc::channel()
    }

    #[inline]
    fn send<M: Message>(sender: &Sender<M>, message: M) {
        sender.send(message).expect("a receiver");
    }

    #[inline]
    fn recv<M: Message>(receiver: &Receiver<M>) -> M {
        receiver.recv().expect("a sender")
    }
}

impl Ending for May {
    fn wait_for_end<M: Message>(receiver: &Receiver<M>) {
        assert!(receiver.recv().is_err(), "nobody sends");
    }
}

impl Crew for May {
    type Party = JoinHandle<()>;

    fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        Self::go(body)
    }

    fn join(party: JoinHandle<()>) {
        Self::wait(party);
    }
}

impl Peer for May {
    type Channels = May;
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Lock = Mutex<usize>;

    fn go<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        // SAFETY: the programs' coroutines use no thread-locals across a wait, and little stack.
        unsafe { coroutine::spawn(body) }
    }

    fn wait<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("it ends")
    }

    fn batch(size: usize) {
        let group = WaitGroup::new();
        for _ in 0..size {
            let group = group.clone();
            drop(Self::spawn(move || drop(group)));
        }
        group.wait();
    }

    #[inline]
    fn yield_now() {
        coroutine::yield_now();
    }

    fn sleep(duration: Duration) {
        coroutine::sleep(duration);
    }

    fn lock() -> Mutex<usize> {
        Mutex::new(0)
    }

    #[inline]
    fn add_one(lock: &Mutex<usize>) {
        *lock.lock().expect("nobody panics") += 1;
    }

    fn block(_pooled: bool) -> Result<fn(), Refusal> {
        Err(super::unsupported("there are no blocking regions"))
    }
}

/// Does a job on so many workers.
///
/// # Errors
///
/// If there is no such job, or may does not do it.
pub fn run(job: Job<'_>, workers: usize) -> Result<Figures, Refusal> {
    let reason = match (job.name, job.size) {
        ("mpmc", _) => "a channel with limited room is missing",
        ("select", _) => "a select that is lost to another case loses its message",
        ("wake" | "timer" | "poll", _) => "it is not asked for latencies",
        ("memory", 1..) => "the size of stacks is not reserved but used",
        _ => {
            may::config().set_workers(workers);
            let body = move |job: Job<'_>| match job.as_channel_row() {
                Some(row) => Ok(Figures::of_time(channels::run_plain::<May, May>(&row)?)),
                None => blocking::run::<May>(job),
            };
            let (name, size, count) = (job.name.to_owned(), job.size, job.count);
            return May::wait(May::go(move || {
                let name = &*name;
                body(Job { name, size, count })
            }));
        }
    };
    Err(Unsupported(reason).into())
}
