//! Deadlocks in runtimes that look for them whatever other threads there are, as
//! those of a test harness. The default mode has processes of its own: `alone.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is tested is real time, threads that wait, and a lock of their own"
)]

mod common;

use common::Setting;
use gorge_runtime::netpoll::{Direction, Pollable};
use gorge_runtime::park::WaitReason;
use gorge_runtime::{
    DeadlockDetection, DeadlockReport, GoroutineState, JoinHandle, RunError, Runtime, blocking, go,
    goroutine, time,
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const HEADLINE: &str = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine ";

/// Calls `body` with a fresh runtime of each placement, with one processor and two.
fn in_each_setting(body: impl Fn(&Runtime)) {
    for procs in [1, 2] {
        for migrating in [false, true] {
            let setting = Setting { migrating, procs };
            eprintln!("{setting:?}");
            let runtime =
                setting.runtime_with(|it| it.deadlock_detection(DeadlockDetection::Always));
            body(&runtime);
        }
    }
}

/// The report of the deadlock that `result` must be.
#[track_caller]
fn report_of<T>(result: Result<T, RunError>) -> DeadlockReport {
    match result {
        Err(RunError::Deadlock(report)) => report,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it returned"),
    }
}

/// Counts when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_main_that_waits_for_nobody_is_unwound_and_reported() {
    in_each_setting(|runtime| {
        for _ in 0..3 {
            let drops = Arc::new(AtomicUsize::new(0));
            let report = report_of(runtime.try_run(|| {
                let _counted = Counted(drops.clone());
                goroutine::park_forever();
            }));
            assert_eq!(drops.load(Ordering::SeqCst), 1, "unwound before it returns");
            let goroutines = report.dump().goroutines();
            assert_eq!(goroutines.len(), 1);
            let state = GoroutineState::Waiting(WaitReason::Forever);
            assert_eq!(goroutines[0].state, state);
            let text = report.to_string();
            assert!(text.starts_with(HEADLINE), "{text}");
            assert!(text.contains(" [select (no cases)]:\n"), "{text}");
            assert!(text.contains("park_forever"), "the call that waits: {text}");
            assert!(text.contains("deadlock.rs:"), "{text}");
        }
        assert_eq!(runtime.run(|| 42), 42);
    });
}

#[test]
fn run_panics_with_the_report() {
    in_each_setting(|runtime| {
        let run = || runtime.run(goroutine::park);
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a deadlock");
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.starts_with(HEADLINE), "{text}");
        assert!(text.contains(" [park]:"), "{text}");
    });
}

#[test]
fn a_panic_is_no_deadlock() {
    in_each_setting(|runtime| {
        let error = runtime.try_run(|| panic!("on purpose"));
        match error {
            Err(RunError::Panicked(error)) => assert!(error.is_panic()),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_scopes_children_are_unwound_before_its_owner() {
    in_each_setting(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let report = report_of(runtime.try_run(|| {
            goroutine::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let _counted = Counted(drops.clone());
                        goroutine::park_forever();
                    });
                }
            });
        }));
        assert_eq!(drops.load(Ordering::SeqCst), 3);
        assert_eq!(runtime.num_goroutines(), 0);
        let main = report.dump().goroutines()[0].id;
        assert_eq!(report.waits_for(main).len(), 3);
        let text = report.to_string();
        let expected = format!("goroutine {main} [scope]:\n");
        assert!(text.contains(&expected), "{text}");
        assert!(
            text.contains("\nwaits for the end of goroutines "),
            "{text}"
        );
    });
}

#[test]
fn goroutines_that_join_each_other_are_named_as_a_ring() {
    in_each_setting(|runtime| {
        type Place = Arc<Mutex<Option<JoinHandle<()>>>>;
        let report = report_of(runtime.try_run(|| {
            let places: [Place; 3] = Default::default();
            let handles = [0, 1, 2].map(|index| {
                let next = places[(index + 1) % 3].clone();
                go(move || {
                    goroutine::park();
                    let next = next.lock().expect("not poisoned").take();
                    next.expect("put there").join().expect("it ends");
                })
            });
            let ring = handles.each_ref().map(|handle| handle.goroutine().clone());
            for (place, handle) in places.iter().zip(handles) {
                *place.lock().expect("not poisoned") = Some(handle);
            }
            ring.iter().for_each(goroutine::Goroutine::unpark);
            goroutine::park_forever();
        }));
        assert_eq!(report.cycles().len(), 1);
        let ring = &report.cycles()[0];
        assert_eq!(ring.len(), 3);
        for (at, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            assert_eq!(report.waits_for(*at), [*next]);
        }
        let text = report.to_string();
        let chain = format!("which waits for goroutine {}\n", ring[0]);
        assert!(text.ends_with(&chain), "{text}");
    });
}

#[test]
fn a_goroutine_that_joins_one_that_waits_for_main() {
    in_each_setting(|runtime| {
        let report = report_of(runtime.try_run(|| {
            let main = goroutine::current();
            let waits = go(goroutine::park);
            let joins = go(move || {
                waits.join().expect("it ends");
                main.unpark();
            });
            joins.join().expect("it ends");
        }));
        let ids: Vec<_> = report.dump().goroutines().iter().map(|it| it.id).collect();
        assert_eq!(report.waits_for(ids[0]), [ids[2]]);
        assert_eq!(report.waits_for(ids[2]), [ids[1]]);
        assert!(report.waits_for(ids[1]).is_empty());
        assert!(report.cycles().is_empty());
        // What nobody lent to stays, and goes with the runtime.
        assert_eq!(runtime.num_goroutines(), 2);
    });
}

// TestLockedDeadlock
#[test]
fn pinned_goroutines_that_are_stuck() {
    in_each_setting(|runtime| {
        let report = report_of(runtime.try_run(|| goroutine::pin(|| goroutine::park_forever())));
        assert_eq!(report.dump().goroutines().len(), 1);
        let report = report_of(runtime.try_run(|| {
            let child = go(|| goroutine::pin(|| goroutine::park_forever()));
            goroutine::pin(|| child.join().expect("it ends"));
        }));
        assert_eq!(report.dump().goroutines().len(), 2);
    });
}

#[test]
fn all_mains_get_the_report() {
    in_each_setting(|runtime| {
        let is_awake = &AtomicUsize::new(0);
        let reports: Vec<_> = thread::scope(|scope| {
            // Held awake from before the others come until all are there.
            let keeper = scope.spawn(move || {
                runtime.try_run(|| {
                    is_awake.store(1, Ordering::SeqCst);
                    while runtime.num_goroutines() < 4 {
                        goroutine::sleep(Duration::from_micros(100));
                    }
                    goroutine::park_forever();
                })
            });
            common::wait_for(|| is_awake.load(Ordering::SeqCst) == 1);
            let run = || report_of(runtime.try_run(|| goroutine::park_forever()));
            let threads = [(); 3].map(|()| scope.spawn(run));
            let reports = threads.map(|it| it.join().expect("a report"));
            let kept = report_of(keeper.join().expect("a result"));
            reports.into_iter().chain([kept]).collect()
        });
        for report in reports {
            assert_eq!(report.dump().goroutines().len(), 4);
        }
    });
}

#[test]
fn a_run_inside_of_a_goroutine_gets_the_report_too() {
    in_each_setting(|runtime| {
        let outer = runtime.try_run(|| {
            let child = || report_of(runtime.try_run(|| goroutine::park_forever()));
            goroutine::scope(|scope| drop(scope.spawn(child).join()));
        });
        assert_eq!(report_of(outer).dump().goroutines().len(), 3);
        // Nested directly, the outer one is unwound.
        let outer = runtime.try_run(|| runtime.try_run(|| goroutine::park_forever()).is_err());
        assert_eq!(report_of(outer).dump().goroutines().len(), 2);
    });
}

#[test]
fn a_run_on_another_runtime_counts_as_something_from_outside() {
    in_each_setting(|runtime| {
        let other = Runtime::new().expect("a runtime");
        let slow = || {
            // Longer than a look at the waiting runtime takes.
            other.run(|| goroutine::sleep(Duration::from_millis(30)));
            other.run(|| blocking(|| thread::sleep(Duration::from_millis(30))));
            7
        };
        assert_eq!(runtime.run(slow), 7);
        let strict = Runtime::builder().deadlock_detection(DeadlockDetection::Always);
        let strict = strict.build().expect("a runtime");
        let found = runtime.run(|| report_of(strict.try_run(|| goroutine::park_forever())));
        assert_eq!(found.dump().goroutines().len(), 1);
        report_of(runtime.try_run(|| {
            other.run(|| goroutine::sleep(Duration::from_millis(5)));
            goroutine::park_forever();
        }));
    });
}

#[test]
fn a_destructor_talks_to_other_goroutines_during_the_unwind() {
    struct Farewell(goroutine::Goroutine, Arc<AtomicUsize>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.unpark();
            while self.1.load(Ordering::SeqCst) == 0 {
                goroutine::park();
            }
            goroutine::sleep(Duration::from_millis(1));
            assert_eq!(blocking(|| 5), 5);
        }
    }
    in_each_setting(|runtime| {
        let answered = Arc::new(AtomicUsize::new(0));
        let report = report_of(runtime.try_run(|| {
            let main = goroutine::current();
            let answer = answered.clone();
            let helper = go(move || {
                goroutine::park();
                answer.store(1, Ordering::SeqCst);
                main.unpark();
            });
            let _farewell = Farewell(helper.goroutine().clone(), answered.clone());
            goroutine::park_forever();
        }));
        assert_eq!(answered.load(Ordering::SeqCst), 1);
        assert_eq!(report.dump().goroutines().len(), 2);
    });
}

#[test]
fn a_main_that_returns_after_all_still_was_in_a_deadlock() {
    in_each_setting(|runtime| {
        let returned = Arc::new(AtomicUsize::new(0));
        let value = Counted(returned.clone());
        let result = runtime.try_run(|| {
            let cancelled = catch_unwind(|| goroutine::park_forever());
            assert!(cancelled.is_err());
            value
        });
        report_of(result.map(|_| ()));
        assert_eq!(returned.load(Ordering::SeqCst), 1, "the value is dropped");
    });
}

#[test]
fn off_never_looks() {
    let builder = Runtime::builder().deadlock_detection(DeadlockDetection::Off);
    let runtime = builder.build().expect("a runtime");
    let runtime = &runtime;
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        scope.spawn(move || {
            runtime.run(|| {
                send.send(goroutine::current()).expect("it listens");
                goroutine::park();
            })
        });
        let main = receive.recv().expect("it runs");
        thread::sleep(Duration::from_millis(300));
        main.unpark();
    });
}

#[test]
fn auto_never_fires_beside_foreign_threads() {
    let runtime = Runtime::new().expect("a runtime");
    let runtime = &runtime;
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        scope.spawn(move || {
            runtime.run(|| {
                send.send(goroutine::current()).expect("it listens");
                goroutine::park();
            })
        });
        let main = receive.recv().expect("it runs");
        thread::sleep(Duration::from_millis(600));
        main.unpark();
    });
}

#[test]
fn a_simulation_finds_deadlocks_too() {
    for seed in 0..20 {
        let builder = Runtime::builder().simulated(seed);
        let builder = builder.deadlock_detection(DeadlockDetection::Always);
        let runtime = builder.build().expect("a runtime");
        for _ in 0..3 {
            let report = report_of(runtime.try_run(|| {
                goroutine::sleep(Duration::from_secs(3600));
                goroutine::scope(|scope| {
                    scope.spawn(|| goroutine::park_timeout(Duration::from_secs(60)));
                    scope.spawn(|| goroutine::park_forever());
                });
            }));
            assert_eq!(report.dump().goroutines().len(), 2);
        }
        assert_eq!(runtime.run(|| 1), 1);
    }
}

#[test]
fn a_timer_that_was_not_needed_hides_nothing() {
    in_each_setting(|runtime| {
        let start = Instant::now();
        report_of(runtime.try_run(|| {
            let waits = go(|| goroutine::park_timeout(Duration::from_secs(3600)));
            goroutine::yield_now();
            waits.goroutine().unpark();
            waits.join().expect("it was woken");
            goroutine::park_forever();
        }));
        assert!(start.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn an_os_thread_that_waits_for_readiness_is_waited_for() {
    in_each_setting(|runtime| {
        let (mut near, far) = UnixStream::pair().expect("a pair of sockets");
        thread::scope(|scope| {
            let (send, receive) = std::sync::mpsc::channel();
            let (go_on, told) = std::sync::mpsc::channel();
            scope.spawn(move || {
                let far: Pollable<UnixStream> = receive.recv().expect("it is sent");
                let main: goroutine::Goroutine = told.recv().expect("it is sent");
                let mut byte = [0];
                far.io(Direction::Read, None, |mut far| far.read(&mut byte))
                    .expect("a byte");
                main.unpark();
            });
            runtime.run(|| {
                let far = Pollable::new(far).expect("a socket");
                send.send(far).expect("it listens");
                go_on.send(goroutine::current()).expect("it listens");
                // Meanwhile the thread begins to wait.
                goroutine::sleep(Duration::from_millis(50));
                go(move || {
                    goroutine::sleep(Duration::from_millis(50));
                    near.write_all(b"x").expect("it is read");
                });
                goroutine::park();
            });
        });
    });
}

#[test]
fn each_hope_alone_is_enough() {
    const ROUNDS: usize = 1000;
    let rounds = if cfg!(debug_assertions) {
        ROUNDS / 4
    } else {
        ROUNDS
    };
    in_each_setting(|runtime| {
        for round in 0..rounds {
            let pause = Duration::from_micros(round as u64 % 1000);
            runtime.run(|| match round % 4 {
                0 => goroutine::sleep(pause),
                1 => blocking(|| thread::sleep(pause)),
                2 => {
                    let (near, far) = UnixStream::pair().expect("a pair of sockets");
                    let far = Pollable::new(far).expect("a socket");
                    let writer = go(move || {
                        blocking(|| {
                            thread::sleep(pause);
                            (&near).write_all(b"x").expect("it is read");
                        });
                    });
                    far.io(Direction::Read, None, |mut far| far.read(&mut [0]))
                        .expect("a byte");
                    writer.join().expect("it wrote");
                }
                _ => {
                    let main = goroutine::current();
                    go(move || {
                        time::sleep(pause);
                        main.unpark();
                    });
                    goroutine::park();
                }
            });
        }
    });
}

#[test]
fn a_deadlock_at_the_end_of_random_waits_is_found_every_time() {
    let runs = if cfg!(debug_assertions) { 25 } else { 100 };
    in_each_setting(|runtime| {
        for run in 0..runs {
            let report = report_of(runtime.try_run(|| {
                goroutine::scope(|scope| {
                    for index in 0..8usize {
                        scope.spawn(move || {
                            let mut state = (run * 31 + index * 7 + 1) as u64;
                            for _ in 0..20 {
                                state ^= state << 13;
                                state ^= state >> 7;
                                state ^= state << 17;
                                wait_somehow(state);
                            }
                            goroutine::park_forever();
                        });
                    }
                });
            }));
            assert_eq!(report.dump().goroutines().len(), 9);
        }
    });
}

fn wait_somehow(random: u64) {
    let pause = Duration::from_micros(random >> 8 & 127);
    match random % 6 {
        0 => goroutine::sleep(pause),
        1 => goroutine::yield_now(),
        2 => blocking(|| thread::sleep(pause)),
        3 => drop(go(move || goroutine::park_timeout(pause)).join()),
        4 => {
            let waits = go(|| goroutine::park_timeout(Duration::from_secs(600)));
            waits.goroutine().unpark();
            waits.join().expect("it was woken");
        }
        _ => goroutine::pin(|| goroutine::sleep(pause)),
    }
}
