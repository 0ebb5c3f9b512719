//! What a runtime counts about itself.

mod common;
#[path = "common/latch.rs"]
mod latch;

use common::{Setting, in_each_placement, in_each_setting, wait_for};
use gorge_runtime::{RuntimeMetrics, blocking, go, goroutine, time, yield_now};
use latch::{Latch, latch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn goroutines_are_counted_by_what_they_do() {
    in_each_placement(1, |runtime| {
        let created = runtime.metrics().goroutines_created;
        let (release, blocked) = latch();
        let blocked = go_blocking(runtime, blocked);
        for _ in 0..1000 {
            drop(runtime.go(|| goroutine::park_forever()));
        }
        wait_for(|| runtime.metrics().waiting >= 1000 && runtime.metrics().blocking == 1);
        let stop = Arc::new(AtomicBool::new(false));
        let spinning: Vec<_> = (0..10)
            .map(|_| {
                let stop = stop.clone();
                runtime.go(move || {
                    while !stop.load(Ordering::Relaxed) {
                        gorge_runtime::checkpoint();
                    }
                })
            })
            .collect();
        let is_expected = |metrics: &RuntimeMetrics| {
            metrics.running == 1 && metrics.runnable == 9 && metrics.waiting == 1000
        };
        wait_for(|| is_expected(&runtime.metrics()));
        let metrics = runtime.metrics();
        assert_eq!(metrics.max_procs, 1);
        assert_eq!(metrics.goroutines, 1011);
        assert_eq!(metrics.goroutines_created - created, 1011);
        assert!(metrics.threads >= 1);
        assert!(metrics.workers.iter().any(|worker| worker.runs > 0));
        stop.store(true, Ordering::Relaxed);
        spinning
            .into_iter()
            .for_each(|it| it.join().expect("it ends"));
        drop(release);
        blocked.join().expect("it ends");
    });
}

fn go_blocking(runtime: &gorge_runtime::Runtime, blocked: Latch) -> gorge_runtime::JoinHandle<()> {
    runtime.go(move || blocking(move || blocked.wait()))
}

/// What never decreases.
fn totals(metrics: &RuntimeMetrics) -> [u64; 8] {
    let workers = metrics.workers.iter();
    let busy: Duration = workers.clone().map(|it| it.busy_duration).sum();
    [
        metrics.goroutines_created,
        metrics.slices_ended,
        metrics.hogs,
        metrics.blocked_unannounced + metrics.blocked_announced,
        metrics.scheduling_latencies.count(),
        workers.clone().map(|it| it.park_count).sum(),
        workers.map(|it| it.steals).sum(),
        u64::try_from(busy.as_nanos()).expect("not that long"),
    ]
}

#[test]
fn totals_never_decrease_and_latencies_are_sampled() {
    in_each_setting(|runtime| {
        let mut last = totals(&runtime.metrics());
        while last[4] < 20 || last[5] == 0 {
            runtime.run(|| {
                let all: Vec<_> = (0..100)
                    .map(|_| {
                        go(|| {
                            yield_now();
                            time::sleep(Duration::from_micros(50));
                        })
                    })
                    .collect();
                all.into_iter().for_each(|it| it.join().expect("it ends"));
            });
            let now = totals(&runtime.metrics());
            for (now, last) in now.iter().zip(last) {
                assert!(*now >= last, "{now:?} after {last:?}");
            }
            last = now;
        }
        let latencies = runtime.metrics().scheduling_latencies;
        assert!(latencies.quantile(0.5) <= latencies.quantile(1.0));
        assert_eq!(
            latencies.buckets().map(|(_, count)| count).sum::<u64>(),
            latencies.count()
        );
    });
}

#[test]
fn processors_and_threads_are_counted_as_they_change() {
    // Two that were homed to one thread by chance could not run at once.
    let setting = Setting {
        migrating: true,
        procs: 1,
    };
    let runtime = setting.runtime();
    assert_eq!(runtime.set_max_procs(14), 1);
    assert_eq!(runtime.metrics().max_procs, 14);
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..10 {
        let stop = stop.clone();
        drop(runtime.go(move || {
            while !stop.load(Ordering::Relaxed) {
                gorge_runtime::checkpoint();
            }
        }));
    }
    wait_for(|| runtime.metrics().running == 10);
    assert!(runtime.metrics().threads >= 10);
    assert_eq!(runtime.set_max_procs(1), 14);
    wait_for(|| runtime.metrics().running == 1 && runtime.metrics().runnable == 9);
    stop.store(true, Ordering::Relaxed);
    wait_for(|| runtime.num_goroutines() == 0);
}
