//! gorge.

use super::blocking::{self, Ending, Peer};
use super::{Job, latency};
use crate::Setting;
use crate::channels::Message;
use crate::channels::blocking::Crew;
use crate::channels::peers::gorge::{Gorge, Goroutines, Place};
use crate::program::{Figures, Refusal};
use crate::time;
use gorge::channel::{Select, bounded};
use gorge::sync::{Mutex, WaitGroup};
use gorge::{JoinHandle, go, goroutine};
use std::hint::black_box;
use std::time::Duration;

impl Ending for Gorge {
    fn wait_for_end<M: Message>(receiver: &Self::Receiver<M>) {
        assert!(receiver.recv().is_err(), "nobody sends");
    }
}

/// gorge with goroutines that stay at home, or that change threads.
#[derive(Debug)]
pub struct Placed<const MIGRATING: bool>;

impl<const MIGRATING: bool> Crew for Placed<MIGRATING> {
    type Party = JoinHandle<()>;

    fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        Goroutines::spawn(body)
    }

    fn join(party: JoinHandle<()>) {
        Goroutines::join(party);
    }
}

impl<const MIGRATING: bool> Peer for Placed<MIGRATING> {
    type Channels = Gorge;
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Lock = Mutex<usize>;

    fn go<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        go(body)
    }

    fn wait<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("it ends")
    }

    fn batch(size: usize) {
        let group = WaitGroup::new();
        group.add(size);
        for _ in 0..size {
            let group = group.clone();
            drop(go(move || group.done()));
        }
        group.wait();
    }

    #[inline]
    fn yield_now() {
        gorge::yield_now();
    }

    fn sleep(duration: Duration) {
        goroutine::sleep(duration);
    }

    fn lock() -> Mutex<usize> {
        Mutex::new(0)
    }

    #[inline]
    fn add_one(lock: &Mutex<usize>) {
        *lock.lock() += 1;
    }

    fn block(pooled: bool) -> Result<fn(), Refusal> {
        // A homed goroutine leaves its thread to the others that are at home there.
        match pooled == MIGRATING {
            true => Err(blocking::only(pooled)),
            false => Ok(|| gorge::blocking(|| black_box(()))),
        }
    }
}

/// Does a job on a runtime of such a setting.
///
/// # Errors
///
/// If there is no such job, or the setting does not do it.
pub fn run(job: Job<'_>, setting: Setting) -> Result<Figures, Refusal> {
    if let Some(row) = job.as_channel_row() {
        return Ok(Figures::of_time(Place::Goroutines(setting).run(&row)));
    }
    let reserve = (job.name == "memory" && job.size > 0).then_some(job.size * 1024);
    let runtime = setting.runtime_with(|builder| match reserve {
        Some(bytes) => builder.stack_reserve(bytes),
        None => builder,
    });
    runtime.run(|| match job.name {
        "select" => Ok(select(job.size, job.count)),
        "wake" | "timer" | "poll" => latency::run(job, setting.procs),
        _ if setting.migrating => blocking::run::<Placed<true>>(job),
        _ => blocking::run::<Placed<false>>(job),
    })
}

/// Receives from whichever of `size` channels has a value. One goroutine sends to all of them, by turns.
fn select(size: usize, count: usize) -> Figures {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..size).map(|_| bounded::<usize>(0)).unzip();
    let taken = time(|| {
        let sender = go(move || {
            for number in 0..count {
                senders[number % size].send(number).expect("a receiver");
            }
            senders
        });
        for _ in 0..count {
            let mut select = Select::new();
            for receiver in &receivers {
                select.recv(receiver);
            }
            let chosen = select.select();
            let index = chosen.index();
            black_box(chosen.recv(&receivers[index]).expect("a sender"));
        }
        drop(sender.join());
    });
    Figures::of_time(taken)
}
