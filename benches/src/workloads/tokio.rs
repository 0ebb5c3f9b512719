//! tokio: the same work on its tasks, with its own channels and locks.

use super::latency::{self, Clock, INTERVAL, STINT};
use super::{BATCH, FAN_OUT, Job, LOCKERS, YIELDERS, blocking, nap, unsupported, usage};
use crate::channels::{peers, tasks};
use crate::program::{Figures, Refusal, nanoseconds};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{spawn, spawn_blocking, yield_now};
use tokio::time::sleep;

/// Does a job on so many workers.
///
/// # Errors
///
/// If there is no such job, or tokio does not do it.
pub fn run(job: Job<'_>, workers: usize) -> Result<Figures, Refusal> {
    if let Some(row) = job.as_channel_row() {
        // A channel of tokio's has one receiver.
        let time = match job.name {
            "mpmc" => peers::flume::run_async(row, workers),
            _ => peers::tokio::run(row, workers),
        };
        return Ok(Figures::of_time(time?));
    }
    let Job { size, count, .. } = job;
    match job.name {
        "yield" => timed(workers, yields(count)),
        "spawn_seq" => timed(workers, spawn_seq(count)),
        "spawn_batch" => timed(workers, spawn_batch(count)),
        "skynet" => timed(workers, skynet(count)),
        "fib" => timed(workers, async move {
            assert_eq!(fib(count as u64).await, blocking::fibonacci(count));
        }),
        "mutex" => timed(workers, mutex(count)),
        "syscall_pool" => timed(workers, async move {
            for _ in 0..count {
                spawn_blocking(|| black_box(())).await.expect("it ends");
            }
        }),
        "syscall" => Err(blocking::only(false)),
        "sleep" => Ok(on_workers(workers, sleeps(count))),
        "memory" if size > 0 => Err(unsupported("tasks have no stacks")),
        "memory" => Ok(on_workers(workers, memory(count))),
        "pairs" => Ok(on_workers(workers, pairs(size.div_ceil(2), count))),
        "spawn" => Ok(on_workers(workers, spawn_beside(size, count))),
        "sleepers" => Ok(on_workers(workers, sleepers(size, count))),
        "close" => Ok(on_workers(workers, close(count))),
        "select" => Err(unsupported(
            "there is no select over a number of channels that the program does not name",
        )),
        "wake" | "timer" | "poll" => {
            let name = job.name.to_owned();
            Ok(on_workers(workers, latencies(name, size, count, workers)))
        }
        _ => Err(job.unknown()),
    }
}

/// Runs `work` in a task, as the workers are not woken across threads for what runs in `block_on`.
fn on_workers<T: Send + 'static>(
    workers: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { spawn(work).await.expect("it ends") })
}

fn timed(
    workers: usize,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<Figures, Refusal> {
    Ok(Figures::of_time(on_workers(workers, tasks::time(work))))
}

async fn yields(count: usize) {
    let tasks = (0..YIELDERS).map(|_| {
        spawn(async move {
            for _ in 0..count / YIELDERS {
                yield_now().await;
            }
        })
    });
    tasks::join_all(tasks.collect()).await;
}

async fn spawn_seq(count: usize) {
    for _ in 0..count {
        spawn(async { black_box(()) }).await.expect("it ends");
    }
}

async fn spawn_batch(count: usize) {
    for _ in 0..count / BATCH {
        let tasks = (0..BATCH).map(|_| spawn(async { black_box(()) }));
        tasks::join_all(tasks.collect()).await;
    }
}

async fn skynet(leaves: usize) {
    let (sender, mut receiver) = mpsc::channel(1);
    spawn(skynet_node(sender, 0, leaves as u64));
    let sum: u64 = receiver.recv().await.expect("a sum");
    assert_eq!(sum, leaves as u64 * (leaves as u64 - 1) / 2);
}

/// Boxed, because it starts itself.
fn skynet_node(
    parent: mpsc::Sender<u64>,
    number: u64,
    leaves: u64,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut sum = number;
        if leaves > 1 {
            let (sender, mut receiver) = mpsc::channel(1);
            let below = leaves / FAN_OUT;
            for child in 0..FAN_OUT {
                spawn(skynet_node(sender.clone(), number + child * below, below));
            }
            sum = 0;
            for _ in 0..FAN_OUT {
                sum += receiver.recv().await.expect("a sum");
            }
        }
        parent.send(sum).await.expect("a receiver");
    })
}

/// Boxed, because it starts itself.
fn fib(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let first = spawn(fib(n - 1));
        let second = fib(n - 2).await;
        first.await.expect("it ends") + second
    })
}

async fn mutex(count: usize) {
    let lock = Arc::new(Mutex::new(0_usize));
    let tasks = (0..LOCKERS).map(|_| {
        let lock = lock.clone();
        spawn(async move {
            for _ in 0..count / LOCKERS {
                *lock.lock().await += 1;
            }
        })
    });
    tasks::join_all(tasks.collect()).await;
}

/// Sleeps; returns how many nanoseconds too long.
#[allow(clippy::disallowed_methods, reason = "benches measure real time")]
async fn late(nap: Duration) -> u64 {
    let start = Instant::now();
    sleep(nap).await;
    nanoseconds(start.elapsed().saturating_sub(nap))
}

async fn sleeps(count: usize) -> Figures {
    let before = usage::processor_time();
    let mut delays = Vec::new();
    let wall = tasks::time(async {
        let sleepers: Vec<_> = (0..count).map(|it| spawn(late(nap(it)))).collect();
        for sleeper in sleepers {
            delays.push(sleeper.await.expect("it ends"));
        }
    })
    .await;
    usage::of_sleeps(wall, usage::processor_time() - before, delays)
}

async fn sleepers(size: usize, count: usize) -> Figures {
    let before = usage::processor_time();
    let wall = tasks::time(async {
        let sleepers = (0..size).map(|number| {
            spawn(async move {
                for turn in 0..count / size {
                    sleep(nap(number + turn * size) / 5).await;
                }
            })
        });
        tasks::join_all(sleepers.collect()).await;
    })
    .await;
    let processor = usage::processor_time() - before;
    Figures::of_time(wall).and("cpu", nanoseconds(processor))
}

/// Tasks that wait until a channel closes. It is a `watch`, which may have many receivers.
struct Waiters {
    sender: watch::Sender<()>,
    arrived: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

impl Waiters {
    /// So many, all of which wait by now, or are about to.
    async fn new(count: usize) -> Waiters {
        let (sender, receiver) = watch::channel(());
        let counter = || Arc::new(AtomicUsize::new(0));
        let (arrived, gone) = (counter(), counter());
        for number in 1..=count {
            let mut receiver = receiver.clone();
            let (comes, goes) = (arrived.clone(), gone.clone());
            spawn(async move {
                comes.fetch_add(1, Ordering::Relaxed);
                receiver.changed().await.expect_err("nobody sends");
                goes.fetch_add(1, Ordering::Relaxed);
            });
            if number.is_multiple_of(BATCH) || number == count {
                until(&arrived, number).await;
            }
        }
        Waiters {
            sender,
            arrived,
            gone,
        }
    }

    /// Lets all of them go, and waits until they have gone.
    async fn end(self) {
        let count = self.arrived.load(Ordering::Relaxed);
        drop(self.sender);
        until(&self.gone, count).await;
    }
}

async fn until(counter: &AtomicUsize, count: usize) {
    while counter.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
}

async fn memory(count: usize) -> Figures {
    let before = usage::memory();
    let mut waiters = None;
    let creation = tasks::time(async { waiters = Some(Waiters::new(count).await) }).await;
    let after = usage::memory();
    waiters.expect("made above").end().await;
    Figures::of_time(creation).and("bytes", after.saturating_sub(before))
}

async fn spawn_beside(size: usize, count: usize) -> Figures {
    let waiters = Waiters::new(size).await;
    let time = tasks::time(spawn_batch(count)).await;
    waiters.end().await;
    Figures::of_time(time)
}

async fn close(count: usize) -> Figures {
    let waiters = Waiters::new(count).await;
    Figures::of_time(tasks::time(waiters.end()).await)
}

/// Round trips of so many pairs, which are all there when the clock starts.
async fn pairs(pairs: usize, count: usize) -> Figures {
    let (go, gate) = watch::channel(());
    let (tell, mut hear) = mpsc::channel(BATCH);
    let tasks = (0..pairs).map(|_| spawn(pair(count / pairs, gate.clone(), tell.clone())));
    let tasks = tasks.collect();
    drop(tell);
    while hear.recv().await.is_some() {}
    let time = tasks::time(async {
        drop(go);
        tasks::join_all(tasks).await;
    });
    Figures::of_time(time.await)
}

async fn pair(count: usize, mut gate: watch::Receiver<()>, tell: mpsc::Sender<()>) {
    let (there, mut arrivals) = mpsc::channel(1);
    let (back, mut returns) = mpsc::channel(1);
    let echo = spawn(async move {
        for _ in 0..=count {
            let message: usize = arrivals.recv().await.expect("a sender");
            back.send(message).await.expect("a receiver");
        }
    });
    let mut trip = async || {
        there.send(1).await.expect("a receiver");
        black_box(returns.recv().await);
    };
    trip().await;
    tell.send(()).await.expect("a receiver");
    // The last of these ends the wait for all of them.
    drop(tell);
    gate.changed().await.expect_err("nobody sends");
    for _ in 0..count {
        trip().await;
    }
    echo.await.expect("it ends");
}

async fn latencies(name: String, percent: usize, count: usize, workers: usize) -> Figures {
    let ends = Arc::new(AtomicBool::new(false));
    let busy = if percent == 0 { 0 } else { workers };
    let busy = (0..busy).map(|_| spawn(load(percent, ends.clone())));
    let busy = busy.collect();
    let delays = match &*name {
        "wake" => spawn(wake(count)),
        "timer" => spawn(timer(count)),
        _ => spawn(poll(count)),
    };
    let delays = delays.await.expect("delays");
    ends.store(true, Ordering::Relaxed);
    tasks::join_all(busy).await;
    usage::with_percentiles(Figures::default(), delays)
}

/// Is busy so many per cent of the time.
async fn load(percent: usize, ends: Arc<AtomicBool>) {
    let clock = Clock::start();
    let (stints, rest) = latency::shifts(percent);
    while !ends.load(Ordering::Relaxed) {
        for _ in 0..stints {
            clock.compute(STINT);
            yield_now().await;
        }
        if !rest.is_zero() {
            sleep(rest).await;
        }
    }
}

async fn wake(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let (sender, mut receiver) = mpsc::channel(1);
    let thread = clock.prompt(count, move |now| {
        sender.blocking_send(now).expect("a receiver");
    });
    let mut delays = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = receiver.recv().await.expect("a sender");
        delays.push(clock.now() - sent);
    }
    thread.join().expect("it ends");
    delays
}

async fn timer(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let mut delays = Vec::with_capacity(count);
    for _ in 0..count {
        let due = clock.now() + nanoseconds(INTERVAL);
        sleep(INTERVAL).await;
        delays.push(clock.now().saturating_sub(due));
    }
    delays
}

async fn poll(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let (writer, mut reader) = tokio::net::unix::pipe::pipe().expect("a pipe");
    // The thread that prompts writes it as a plain file.
    let mut writer = std::fs::File::from(writer.into_blocking_fd().expect("a file"));
    let thread = clock.prompt(count, move |now| {
        std::io::Write::write_all(&mut writer, &now.to_ne_bytes()).expect("a reader");
    });
    let mut delays = Vec::with_capacity(count);
    for _ in 0..count {
        let mut sent = [0; 8];
        reader.read_exact(&mut sent).await.expect("a writer");
        delays.push(clock.now() - u64::from_ne_bytes(sent));
    }
    thread.join().expect("it ends");
    delays
}
