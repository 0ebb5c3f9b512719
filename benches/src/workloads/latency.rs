//! How soon somebody wakes: `wake_50 N` is N wake-ups from another thread while the workers are busy half of
//! the time, `timer_50 N` so many sleeps, `poll_50 N` so many messages through a pipe.
//!
//! What wakes is a plain thread, for every peer: so the wake-up comes from outside the worker that is to run
//! the goroutine, and the load does not hold up what is to wake.

use super::{Job, usage};
use crate::program::{Figures, Refusal, nanoseconds};
use gorge::channel::bounded;
use gorge::netpoll::{Direction, Pollable};
use gorge::{go, goroutine};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a busy goroutine computes before it lets others run.
pub(super) const STINT: Duration = Duration::from_micros(10);

/// After how long a busy goroutine repeats itself: a part of it is work, the rest sleep.
const PERIOD: Duration = Duration::from_millis(1);

/// How long a wake-up, and a sleep, is away.
pub(super) const INTERVAL: Duration = Duration::from_micros(500);

/// The time since some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

#[allow(clippy::disallowed_methods, reason = "benches measure real time")]
impl Clock {
    pub(super) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        nanoseconds(self.0.elapsed())
    }

    /// Computes for so long.
    pub(super) fn compute(self, duration: Duration) {
        let end = self.now() + nanoseconds(duration);
        while self.now() < end {
            black_box(self);
        }
    }

    /// Starts a thread that calls `tell` with the time of the call, `count` times.
    pub(super) fn prompt(
        self,
        count: usize,
        mut tell: impl FnMut(u64) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            for _ in 0..count {
                thread::sleep(INTERVAL);
                tell(self.now());
            }
        })
    }
}

/// How many stints of a period are work, and how long the sleep is behind them, at so many per cent.
pub(super) fn shifts(percent: usize) -> (u32, Duration) {
    let work = PERIOD * percent as u32 / 100;
    let stints = work.as_nanos().div_ceil(STINT.as_nanos()) as u32;
    (stints, PERIOD.saturating_sub(work))
}

/// Does a job about latency beside as many busy goroutines as there are workers.
///
/// # Errors
///
/// If there is no such job.
pub(super) fn run(job: Job<'_>, workers: usize) -> Result<Figures, Refusal> {
    let measure = match job.name {
        "wake" => wake,
        "timer" => timer,
        "poll" => poll,
        _ => return Err(job.unknown()),
    };
    let ends = Arc::new(AtomicBool::new(false));
    let busy = if job.size == 0 { 0 } else { workers };
    let busy: Vec<_> = (0..busy)
        .map(|_| {
            let ends = ends.clone();
            go(move || load(job.size, &ends))
        })
        .collect();
    let delays = go(move || measure(job.count)).join().expect("delays");
    ends.store(true, Ordering::Relaxed);
    busy.into_iter()
        .for_each(|busy| busy.join().expect("it ends"));
    Ok(usage::with_percentiles(Figures::default(), delays))
}

/// Is busy so many per cent of the time.
fn load(percent: usize, ends: &AtomicBool) {
    let clock = Clock::start();
    let (stints, rest) = shifts(percent);
    while !ends.load(Ordering::Relaxed) {
        for _ in 0..stints {
            clock.compute(STINT);
            gorge::yield_now();
        }
        goroutine::sleep(rest);
    }
}

fn wake(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let (sender, receiver) = bounded::<u64>(1);
    let thread = clock.prompt(count, move |now| sender.send(now).expect("a receiver"));
    let delay = |_| {
        let sent = receiver.recv().expect("a sender");
        clock.now() - sent
    };
    let delays = (0..count).map(delay).collect();
    thread.join().expect("it ends");
    delays
}

fn timer(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let delay = |_| {
        let due = clock.now() + nanoseconds(INTERVAL);
        goroutine::sleep(INTERVAL);
        clock.now().saturating_sub(due)
    };
    (0..count).map(delay).collect()
}

fn poll(count: usize) -> Vec<u64> {
    let clock = Clock::start();
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let reader = Pollable::new(reader).expect("a pipe can be polled");
    let thread = clock.prompt(count, move |now| {
        writer.write_all(&now.to_ne_bytes()).expect("a reader");
    });
    let delay = |_| {
        let mut sent = [0; 8];
        let read = |mut pipe: &io::PipeReader| pipe.read(&mut sent);
        let length = reader.io(Direction::Read, None, read).expect("a writer");
        assert_eq!(length, 8, "a message is written as a whole");
        clock.now() - u64::from_ne_bytes(sent)
    };
    let delays = (0..count).map(delay).collect();
    thread.join().expect("it ends");
    delays
}
