//! What does a deadline cost: one that is not reached, one that is, and a
//! hundred thousand sleeps, beside timers that wait for their time?
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use benches::{SETTINGS, Setting, time};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use criterion::{SamplingMode, measurement::WallTime};
use gorge::{Runtime, go, goroutine, yield_now};
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many other timers are pending.
const PENDING: [usize; 3] = [0, 100_000, 1_000_000];

/// One that does not migrate and one that does, on one processor and on two.
const CHOSEN: [Setting; 2] = [SETTINGS[0], SETTINGS[3]];

/// Round trips of two goroutines that park and unpark each other; one of them
/// with a deadline that is always earlier than those pending.
fn woken(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer/woken");
    beside_pending(&mut group, |operations| {
        round_trips(operations, || {
            goroutine::park_timeout(Duration::from_secs(60))
        });
    });
}

/// As `woken`, with no deadline: what the rest of the round trip costs.
fn without(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer/without");
    for setting in CHOSEN {
        let runtime = setting.runtime();
        group.bench_function(setting.name(), |bencher| {
            bencher.iter_custom(|operations| {
                runtime.run(|| time(|| round_trips(operations, goroutine::park)))
            });
        });
    }
}

/// Sleeps that are over when the goroutine has left its stack.
fn reached(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer/reached");
    beside_pending(&mut group, |operations| {
        (0..operations).for_each(|_| goroutine::sleep(Duration::from_nanos(1)));
    });
}

/// The processor time of a sleep of 1 to 100 ms among a hundred thousand.
fn crowd(criterion: &mut Criterion) {
    const SLEEPERS: u64 = 100_000;
    let mut group = criterion.benchmark_group("timer/crowd");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for setting in SETTINGS {
        let runtime = setting.runtime();
        group.bench_function(setting.name(), |bencher| {
            bencher.iter_custom(|operations| {
                let used = runtime.run(|| {
                    let before = processor_time();
                    (0..operations.div_ceil(SLEEPERS)).for_each(|_| sleepers(SLEEPERS));
                    processor_time() - before
                });
                used.mul_f64(operations as f64 / operations.next_multiple_of(SLEEPERS) as f64)
            });
        });
    }
}

criterion_group!(benches, without, woken, reached, crowd);
criterion_main!(benches);

fn round_trips(operations: u64, park: fn()) {
    let turn = Arc::new(AtomicUsize::new(0));
    let (me, its) = (goroutine::current(), turn.clone());
    let partner = go(move || {
        for _ in 0..operations {
            while its.load(Ordering::Acquire) == 0 {
                goroutine::park();
            }
            its.store(0, Ordering::Release);
            me.unpark();
        }
    });
    for _ in 0..operations {
        turn.store(1, Ordering::Release);
        partner.goroutine().unpark();
        while turn.load(Ordering::Acquire) == 1 {
            park();
        }
    }
    partner.join().expect("it ends");
}

fn sleepers(count: u64) {
    let sleep = |i: u64| goroutine::sleep(Duration::from_micros(1000 + i * 7919 % 99_000));
    let handles: Vec<_> = (0..count).map(|i| go(move || sleep(i))).collect();
    handles
        .into_iter()
        .for_each(|handle| handle.join().expect("it woke up"));
}

/// Benches `work` beside sleepers whose time is far.
fn beside_pending(group: &mut BenchmarkGroup<'_, WallTime>, work: fn(u64)) {
    for setting in CHOSEN {
        for pending in PENDING {
            // Not filled for a benchmark that is filtered out.
            let runtime = OnceCell::new();
            let id = BenchmarkId::new(setting.name(), pending);
            group.bench_function(id, |bencher| {
                let runtime = runtime.get_or_init(|| filled(setting, pending));
                bencher.iter_custom(|operations| runtime.run(|| time(|| work(operations))));
            });
        }
    }
}

/// A runtime with goroutines that sleep for one to two hours.
fn filled(setting: Setting, count: usize) -> Runtime {
    let runtime = setting.runtime();
    let started = Arc::new(AtomicUsize::new(0));
    runtime.run(|| {
        for i in 0..count as u64 {
            let started = started.clone();
            drop(go(move || {
                started.fetch_add(1, Ordering::Relaxed);
                goroutine::sleep(Duration::from_millis(3_600_000 + i * 7919 % 3_600_000));
            }));
            if i % 1024 == 0 {
                yield_now();
            }
        }
        while started.load(Ordering::Relaxed) < count {
            yield_now();
        }
    });
    runtime
}

/// What all threads of this process have used.
fn processor_time() -> Duration {
    let mut spent = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the given place.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut spent) };
    assert_eq!(result, 0, "every process has this clock");
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}
