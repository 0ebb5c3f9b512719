//! Greedy and polite workers (Cox-Buday, Concurrency in Go, 2017): both need a lock for
//! the same work. The greedy one keeps it for three steps, the polite one takes it anew
//! for each.
//!
//! A lock that anybody who runs may take lets the greedy one do almost everything. A
//! lock that is only ever handed over in order costs a switch of goroutines each time.
//! gorge's mutex is of the first kind until somebody has waited for a millisecond, who
//! then gets it handed over; `unlock_fair` asks for that at once.

use gorge::sync::{Mutex, MutexGuard, WaitGroup};
use gorge::{Runtime, checkpoint};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often each worker did its three steps in `time`.
pub(crate) struct Shares {
    pub(crate) greedy: u64,
    pub(crate) polite: u64,
}

impl Shares {
    /// The polite one's part of all.
    pub(crate) fn polite_percent(&self) -> u64 {
        self.polite * 100 / (self.greedy + self.polite).max(1)
    }
}

fn step() {
    let start = now();
    while now() - start < Duration::from_micros(1) {
        std::hint::spin_loop();
    }
}

#[allow(clippy::disallowed_methods, reason = "a worker that uses real time")]
fn now() -> Instant {
    Instant::now()
}

/// Lets both work until `enough` says so, given what they have done.
pub(crate) fn compete(
    is_fair: bool,
    enough: impl Fn(&Shares) -> bool + Send + Sync + 'static,
) -> Shares {
    let runtime = Runtime::builder().max_procs(2).build().expect("a runtime");
    let mutex = Arc::new(Mutex::new(()));
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let enough = Arc::new(enough);
    let release = move |guard: MutexGuard<'_, ()>| match is_fair {
        true => MutexGuard::unlock_fair(guard),
        false => drop(guard),
    };
    let begin = WaitGroup::new();
    begin.add(1);
    let workers = [0, 1].map(|worker| {
        let (mutex, counts, stop) = (mutex.clone(), counts.clone(), stop.clone());
        let (begin, enough) = (begin.clone(), enough.clone());
        runtime.go(move || {
            begin.wait();
            while !stop.load(Ordering::Relaxed) {
                if worker == 0 {
                    let guard = mutex.lock();
                    (0..3).for_each(|_| step());
                    release(guard);
                } else {
                    for _ in 0..3 {
                        let guard = mutex.lock();
                        step();
                        release(guard);
                    }
                }
                counts[worker].fetch_add(1, Ordering::Relaxed);
                let [greedy, polite] = counts.each_ref().map(|it| it.load(Ordering::Relaxed));
                if enough(&Shares { greedy, polite }) {
                    stop.store(true, Ordering::Relaxed);
                }
                checkpoint();
            }
        })
    });
    begin.done();
    for worker in workers {
        worker.join().expect("it ends");
    }
    let [greedy, polite] = counts.each_ref().map(|it| it.load(Ordering::Relaxed));
    Shares { greedy, polite }
}

pub(crate) fn tell() {
    for (name, is_fair) in [("dropped", false), ("handed over", true)] {
        let start = now();
        let shares = compete(is_fair, move |_| now() - start > Duration::from_millis(300));
        println!(
            "  guards {name}: the greedy one {} times, the polite one {} ({} %)",
            shares.greedy,
            shares.polite,
            shares.polite_percent()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polite_one_gets_its_work_done() {
        for is_fair in [false, true] {
            let shares = compete(is_fair, |shares| {
                shares.polite >= 100 && shares.greedy >= 100
            });
            assert!(shares.polite >= 100 && shares.greedy >= 100);
        }
    }
}
