//! Many goroutines, many values: nothing is lost, nothing hangs.

use gorge::channel::{bounded, unbounded};
use gorge::{GoroutineState, Runtime, go, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Runs `body` in both placements.
fn in_each_placement(body: impl Fn(&Runtime)) {
    for migrating in [false, true] {
        let builder = Runtime::builder().max_procs(2);
        let builder = if migrating {
            // SAFETY: the tests' goroutines hold no reference into a
            // thread-local and no thread-bound value across a park point.
            unsafe { builder.migrating() }
        } else {
            builder
        };
        body(&builder.build().expect("a runtime"));
    }
}

#[test]
fn a_hundred_thousand_goroutines_park_at_once_and_all_finish() {
    const GOROUTINES: usize = 100_000;
    in_each_placement(|runtime| {
        let (gate, arrivals) = bounded::<()>(0);
        let (report, reports) = unbounded();
        runtime.run(|| {
            for number in 0..GOROUTINES {
                let (arrivals, report) = (arrivals.clone(), report.clone());
                go(move || {
                    arrivals.recv().expect_err("the gate only closes");
                    report.send(number).expect("somebody counts");
                });
            }
        });
        while parked(runtime) < GOROUTINES {
            yield_now();
        }
        gate.close();
        drop(report);
        let mut numbers: Vec<_> = reports.iter().collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..GOROUTINES));
    });
}

fn parked(runtime: &Runtime) -> usize {
    let dump = runtime.dump_states();
    let is_parked = |state| matches!(state, GoroutineState::Waiting(_));
    dump.goroutines()
        .iter()
        .filter(|g| is_parked(g.state))
        .count()
}

#[test]
fn four_producers_and_four_consumers_deliver_a_million_values_exactly_once() {
    const EACH: usize = 250_000;
    in_each_placement(|runtime| {
        let seen: Arc<[AtomicU8]> = (0..4 * EACH).map(|_| AtomicU8::new(0)).collect();
        runtime.run(|| {
            let (sender, receiver) = bounded(64);
            for producer in 0..4 {
                let sender = sender.clone();
                go(move || {
                    for i in producer * EACH..(producer + 1) * EACH {
                        sender.send(i).expect("consumers stay");
                    }
                });
            }
            drop(sender);
            let consumers = [(); 4].map(|()| {
                let (receiver, seen) = (receiver.clone(), seen.clone());
                go(move || {
                    for value in receiver {
                        seen[value].fetch_add(1, Ordering::Relaxed);
                    }
                })
            });
            for consumer in consumers {
                consumer.join().expect("it saw the end");
            }
        });
        assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    });
}
