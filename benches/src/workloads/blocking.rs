//! The work on peers whose operations block whoever calls them.

use super::{BATCH, FAN_OUT, Job, LOCKERS, YIELDERS, nap, unsupported, usage};
use crate::channels::Message;
use crate::channels::blocking::{Blocking, Crew};
use crate::program::{Figures, Refusal, nanoseconds};
use crate::time;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Channels that tell when there is no sender any more.
pub trait Ending: Blocking {
    /// Waits until then.
    fn wait_for_end<M: Message>(receiver: &Self::Receiver<M>);
}

/// What a peer offers beside channels. All of it is called on one of its goroutines.
pub trait Peer: Crew {
    /// Its channels; if it has none without room, those that it has.
    type Channels: Ending;
    /// A goroutine that returns a value.
    type Handle<T: Send + 'static>;
    /// A lock around a number.
    type Lock: Send + Sync + 'static;

    /// Starts a goroutine.
    fn go<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Self::Handle<T>;
    /// Waits for its value.
    fn wait<T: Send + 'static>(handle: Self::Handle<T>) -> T;
    /// Starts so many goroutines that do nothing but end, and waits for all of them.
    fn batch(size: usize);
    /// Lets others run.
    fn yield_now();
    /// Sleeps.
    fn sleep(duration: Duration);
    /// A lock.
    fn lock() -> Self::Lock;
    /// Adds one under the lock.
    fn add_one(lock: &Self::Lock);
    /// Does nothing where blocking the thread would harm nobody.
    ///
    /// # Errors
    ///
    /// If that row is not about what this peer does.
    fn block(pooled: bool) -> Result<fn(), Refusal>;
}

/// Does a job that is no row about channels.
///
/// # Errors
///
/// If there is no such job, or the peer does not do it.
pub fn run<P: Peer>(job: Job<'_>) -> Result<Figures, Refusal> {
    let count = job.count;
    let work: fn(usize) = match job.name {
        "yield" => yields::<P>,
        "spawn_seq" => spawn_seq::<P>,
        "spawn_batch" => spawn_batch::<P>,
        "skynet" => skynet::<P>,
        "fib" => |n| assert_eq!(fib::<P>(n as u64), fibonacci(n)),
        "mutex" => mutex::<P>,
        "sleep" => return Ok(sleep::<P>(count)),
        "memory" => return Ok(memory::<P>(count)),
        "syscall" | "syscall_pool" => {
            let block = P::block(job.name == "syscall_pool")?;
            return Ok(Figures::of_time(time(|| (0..count).for_each(|_| block()))));
        }
        "pairs" => return Ok(pairs::<P>(job.size.div_ceil(2), count)),
        "spawn" => return Ok(spawn_beside::<P>(job.size, count)),
        "sleepers" => return Ok(sleepers::<P>(job.size, count)),
        "close" => return Ok(close::<P>(count)),
        _ => return Err(job.unknown()),
    };
    Ok(Figures::of_time(time(|| work(count))))
}

fn start_all<P: Peer>(count: usize, body: impl Fn(usize) + Clone + Send + 'static) {
    let start = |number| {
        let body = body.clone();
        P::spawn(move || body(number))
    };
    let parties: Vec<_> = (0..count).map(start).collect();
    parties.into_iter().for_each(P::join);
}

fn yields<P: Peer>(count: usize) {
    start_all::<P>(YIELDERS, move |_| {
        (0..count / YIELDERS).for_each(|_| P::yield_now());
    });
}

fn spawn_seq<P: Peer>(count: usize) {
    let (sender, receiver) = P::Channels::channel::<usize>(Some(0));
    for _ in 0..count {
        let sender = sender.clone();
        drop(P::spawn(move || P::Channels::send(&sender, 1)));
        black_box(P::Channels::recv(&receiver));
    }
}

fn spawn_batch<P: Peer>(count: usize) {
    (0..count / BATCH).for_each(|_| P::batch(BATCH));
}

/// The sum of the numbers of so many leaves.
fn skynet<P: Peer>(leaves: usize) {
    let (sender, receiver) = P::Channels::channel::<usize>(Some(0));
    drop(P::spawn(move || {
        skynet_node::<P>(&sender, 0, leaves as u64);
    }));
    let sum = P::Channels::recv(&receiver) as u64;
    assert_eq!(sum, leaves as u64 * (leaves as u64 - 1) / 2);
}

type Sums<P> = <<P as Peer>::Channels as Blocking>::Sender<usize>;

fn skynet_node<P: Peer>(parent: &Sums<P>, number: u64, leaves: u64) {
    if leaves == 1 {
        return P::Channels::send(parent, number as usize);
    }
    let (sender, receiver) = P::Channels::channel::<usize>(Some(0));
    let below = leaves / FAN_OUT;
    for child in 0..FAN_OUT {
        let sender = sender.clone();
        drop(P::spawn(move || {
            skynet_node::<P>(&sender, number + child * below, below);
        }));
    }
    let sum = (0..FAN_OUT).map(|_| P::Channels::recv(&receiver)).sum();
    P::Channels::send(parent, sum);
}

fn fib<P: Peer>(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let first = P::go(move || fib::<P>(n - 1));
    let second = fib::<P>(n - 2);
    P::wait(first) + second
}

/// The number itself.
pub(super) fn fibonacci(n: usize) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn mutex<P: Peer>(count: usize) {
    let lock = Arc::new(P::lock());
    start_all::<P>(LOCKERS, move |_| {
        (0..count / LOCKERS).for_each(|_| P::add_one(&lock));
    });
}

/// Sleeps; returns how many nanoseconds too long.
#[allow(clippy::disallowed_methods, reason = "benches measure real time")]
fn late<P: Peer>(nap: Duration) -> u64 {
    let start = Instant::now();
    P::sleep(nap);
    nanoseconds(start.elapsed().saturating_sub(nap))
}

fn sleep<P: Peer>(count: usize) -> Figures {
    let before = usage::processor_time();
    let mut delays = Vec::new();
    let wall = time(|| {
        let sleepers: Vec<_> = (0..count)
            .map(|number| P::go(move || late::<P>(nap(number))))
            .collect();
        delays.extend(sleepers.into_iter().map(P::wait));
    });
    usage::of_sleeps(wall, usage::processor_time() - before, delays)
}

/// As many sleepers, that sleep for a hundredth of a second on average, as often as it takes.
fn sleepers<P: Peer>(size: usize, count: usize) -> Figures {
    let before = usage::processor_time();
    let wall = time(|| {
        start_all::<P>(size, move |number| {
            for turn in 0..count / size {
                P::sleep(nap(number + turn * size) / 5);
            }
        });
    });
    let processor = usage::processor_time() - before;
    Figures::of_time(wall).and("cpu", nanoseconds(processor))
}

/// Goroutines that wait until a channel closes.
pub(super) struct Waiters<P: Peer> {
    sender: <P::Channels as Blocking>::Sender<()>,
    arrived: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

impl<P: Peer> Waiters<P> {
    /// So many, all of which wait by now, or are about to.
    pub(super) fn new(count: usize) -> Self {
        let (sender, receiver) = P::Channels::channel::<()>(Some(0));
        let counter = || Arc::new(AtomicUsize::new(0));
        let waiters = Waiters {
            sender,
            arrived: counter(),
            gone: counter(),
        };
        for number in 1..=count {
            let receiver = receiver.clone();
            let (arrived, gone) = (waiters.arrived.clone(), waiters.gone.clone());
            drop(P::spawn(move || {
                arrived.fetch_add(1, Ordering::Relaxed);
                P::Channels::wait_for_end(&receiver);
                gone.fetch_add(1, Ordering::Relaxed);
            }));
            if number.is_multiple_of(BATCH) {
                // They run now, so that all of them hold stacks when the last has been started.
                waiters.await_arrivals(number);
            }
        }
        waiters.await_arrivals(count);
        waiters
    }

    fn await_arrivals(&self, count: usize) {
        until::<P>(&self.arrived, count);
    }

    /// Lets all of them go, and waits until they have gone.
    pub(super) fn end(self) {
        let count = self.arrived.load(Ordering::Relaxed);
        drop(self.sender);
        until::<P>(&self.gone, count);
    }
}

/// Waits until so many have been counted.
fn until<P: Peer>(counter: &AtomicUsize, count: usize) {
    let mut yields = 0_u32;
    while counter.load(Ordering::Relaxed) < count {
        P::yield_now();
        yields += 1;
        if yields.is_multiple_of(1024) {
            // may's yields can keep a worker to themselves.
            P::sleep(Duration::from_millis(1));
        }
    }
}

fn memory<P: Peer>(count: usize) -> Figures {
    let before = usage::memory();
    let mut waiters = None;
    let creation = time(|| waiters = Some(Waiters::<P>::new(count)));
    let after = usage::memory();
    // They are let go so that the process ends in order: not all at once by its end.
    waiters.expect("made above").end();
    Figures::of_time(creation).and("bytes", after.saturating_sub(before))
}

fn spawn_beside<P: Peer>(size: usize, count: usize) -> Figures {
    let waiters = Waiters::<P>::new(size);
    let taken = time(|| spawn_batch::<P>(count));
    waiters.end();
    Figures::of_time(taken)
}

fn close<P: Peer>(count: usize) -> Figures {
    let waiters = Waiters::<P>::new(count);
    Figures::of_time(time(|| waiters.end()))
}

/// Round trips of so many pairs, which are all there when the clock starts.
fn pairs<P: Peer>(pairs: usize, count: usize) -> Figures {
    let (go, gate) = P::Channels::channel::<()>(Some(0));
    let (tell, hear) = P::Channels::channel::<()>(Some(0));
    let parties: Vec<_> = (0..pairs)
        .map(|_| {
            let (gate, tell) = (gate.clone(), tell.clone());
            P::spawn(move || pair::<P>(count / pairs, &gate, &tell))
        })
        .collect();
    (0..pairs).for_each(|_| P::Channels::recv(&hear));
    let taken = time(|| {
        drop(go);
        parties.into_iter().for_each(P::join);
    });
    Figures::of_time(taken)
}

type Gate<P> = <<P as Peer>::Channels as Blocking>::Receiver<()>;
type Bell<P> = <<P as Peer>::Channels as Blocking>::Sender<()>;

fn pair<P: Peer>(count: usize, gate: &Gate<P>, tell: &Bell<P>) {
    let (there, arrivals) = P::Channels::channel::<usize>(Some(0));
    let (back, returns) = P::Channels::channel::<usize>(Some(0));
    // One more: by that both have run when the pair is reported ready.
    let echo = P::spawn(move || {
        (0..=count).for_each(|_| P::Channels::send(&back, P::Channels::recv(&arrivals)));
    });
    let trip = |_| {
        P::Channels::send(&there, 1);
        black_box(P::Channels::recv(&returns));
    };
    trip(0);
    P::Channels::send(tell, ());
    P::Channels::wait_for_end(gate);
    (0..count).for_each(trip);
    P::join(echo);
}

/// That a peer has no hand-over to a pool, or nothing else.
pub(super) fn only(pooled: bool) -> Refusal {
    unsupported(match pooled {
        true => "it stays on its thread; see the row `syscall`",
        false => "it hands over to a pool; see the row `syscall_pool`",
    })
}
