//! Functions that run later, and functions that are cut short.

use crate::common::{self, LONG, Random, everywhere, in_virtual_time};
use gorge_channel::time::{self, Elapsed, FuncTimer, after_func, timeout};
use gorge_channel::{RecvTimeoutError, TryRecvError, bounded, unbounded};
use gorge_runtime::{Runtime, catch_panic, go, goroutine, num_goroutines, shield};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

// TestAfter for functions; TestAfterStop
#[test]
fn a_function_runs_when_its_time_has_come_unless_it_is_stopped() {
    in_virtual_time(|| {
        let start = time::now();
        let (sender, ran) = unbounded();
        let note = move || _ = sender.send(time::now());
        let timer = after_func(50 * MS, note.clone());
        assert_eq!(ran.recv(), Ok(start + 50 * MS));
        assert!(!timer.stop());
        drop(timer);
        let timer = after_func(50 * MS, note);
        time::sleep(49 * MS);
        assert!(timer.stop());
        assert!(!timer.stop());
        assert_eq!(ran.recv_timeout(100 * MS), Err(RecvTimeoutError::Timeout));
        drop(timer);
        assert_eq!(ran.recv_timeout(MS), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_function_whose_timer_was_dropped_runs_all_the_same() {
    in_virtual_time(|| {
        let start = time::now();
        let (sender, ran) = unbounded();
        drop(after_func(50 * MS, move || _ = sender.send(time::now())));
        assert_eq!(ran.recv(), Ok(start + 50 * MS));
        assert_eq!(ran.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    });
}

// TestReset for functions
#[test]
fn a_function_that_is_set_anew_runs_then_and_may_run_again() {
    in_virtual_time(|| {
        let start = time::now();
        let (sender, ran) = unbounded();
        let timer = after_func(50 * MS, move || _ = sender.send(time::now() - start));
        time::sleep(20 * MS);
        assert!(timer.reset(90 * MS));
        assert_eq!(ran.recv(), Ok(110 * MS));
        assert!(!timer.reset(10 * MS));
        assert!(timer.reset(5 * MS));
        assert_eq!(ran.recv(), Ok(115 * MS));
        assert!(!timer.reset(Duration::MAX));
        assert_eq!(
            ran.recv_timeout(3_600_000 * MS),
            Err(RecvTimeoutError::Timeout)
        );
        assert!(timer.stop());
        assert!(!timer.reset(Duration::ZERO));
        assert!(ran.recv().is_ok());
    });
}

// TestAfterFunc
#[test]
fn functions_set_functions() {
    fn chain(left: usize, sender: gorge_channel::Sender<()>) {
        match left {
            0 => sender.send(()).expect("it is waited for"),
            _ => drop(after_func(Duration::ZERO, move || {
                chain(left - 1, sender.clone());
            })),
        }
    }
    everywhere(|_| {
        let (sender, ends) = bounded(1);
        chain(10, sender);
        assert_eq!(ends.recv_timeout(LONG), Ok(()));
    });
}

// TestAfterFuncStarvation
#[test]
fn two_who_never_stop_do_not_starve_a_function() {
    for migrating in [false, true] {
        let runtime = common::build(Runtime::builder().max_procs(1), migrating);
        runtime.run(|| {
            let (sender, receiver) = bounded(1);
            let stop = Arc::new(AtomicUsize::new(0));
            let stopped = stop.clone();
            let sending = go(move || {
                while stopped.load(Ordering::SeqCst) == 0 {
                    sender.send(()).expect("it is received");
                }
            });
            let receiving = go(move || receiver.iter().count());
            let _timer = after_func(Duration::from_micros(1), move || {
                stop.store(1, Ordering::SeqCst)
            });
            sending.join().expect("no panic");
            receiving.join().expect("no panic");
        });
    }
}

// TestTimerStopStress
#[test]
fn of_many_that_are_stopped_in_time_none_runs() {
    in_virtual_time(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let timers: Vec<_> = (0..100)
            .map(|_| {
                let ran = ran.clone();
                after_func(2000 * MS, move || _ = ran.fetch_add(1, Ordering::SeqCst))
            })
            .collect();
        time::sleep(1000 * MS);
        assert!(timers.iter().all(FuncTimer::stop));
        time::sleep(2000 * MS);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        assert_eq!(num_goroutines(), 1, "nobody waits any more");
    });
}

#[test]
fn of_a_function_and_its_stop_one_wins() {
    everywhere(|parties| {
        let mut random = Random(3);
        for _ in 0..200 {
            let (sender, ran) = bounded(1);
            let micros = random.below(60) as u64;
            let timer = after_func(Duration::from_micros(micros), move || {
                sender.send(()).expect("there is room");
            });
            (0..random.below(4)).for_each(|_| parties.pause());
            match timer.stop() {
                true => assert_eq!(ran.try_recv(), Err(TryRecvError::Empty)),
                false => assert_eq!(ran.recv_timeout(LONG), Ok(())),
            }
        }
    });
}

// Synctest: what is pending when main ends never runs.
#[test]
fn a_function_of_a_runtime_that_has_ended_does_not_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    let its = ran.clone();
    let timer = Runtime::builder()
        .build()
        .expect("a runtime")
        .run(move || after_func(MS, move || _ = its.fetch_add(1, Ordering::SeqCst)));
    let has_run = ran.load(Ordering::SeqCst);
    assert_eq!(timer.stop(), has_run == 0);
    drop(timer);
    assert!(has_run <= 1);
}

#[test]
fn a_function_ends_in_time_or_is_cut_short() {
    everywhere(|_| {
        let words = ["one", "two"];
        assert_eq!(timeout(LONG, || words.concat()), Ok("onetwo".to_owned()));
        assert_eq!(timeout(Duration::MAX, || 7), Ok(7));
        assert_eq!(timeout(MS, || time::sleep(LONG)), Err(Elapsed));
        assert_eq!(
            timeout(MS, || goroutine::park_forever()),
            Err::<(), _>(Elapsed)
        );
    });
    in_virtual_time(|| {
        let start = time::now();
        let sleep = |duration| move || time::sleep(duration);
        assert_eq!(timeout(50 * MS, sleep(49 * MS)), Ok(()));
        assert_eq!(timeout(50 * MS, sleep(51 * MS)), Err(Elapsed));
        assert_eq!(time::now() - start, 99 * MS);
        // Within each other, the outer one first.
        let inner = timeout(20 * MS, || timeout(30 * MS, sleep(LONG)));
        assert_eq!(inner, Err(Elapsed));
        let outer = timeout(30 * MS, || timeout(20 * MS, sleep(LONG)));
        assert_eq!(outer, Ok(Err(Elapsed)));
        assert_eq!(time::now() - start, 139 * MS);
    });
}

#[test]
fn a_function_that_is_cut_short_is_unwound_before_the_timeout_returns() {
    everywhere(|_| {
        let lent = Arc::new(());
        let cut = timeout(MS, || {
            let _held = lent.clone();
            let (_sender, receiver) = bounded::<()>(0);
            receiver.recv()
        });
        assert_eq!(cut, Err(Elapsed));
        assert_eq!(Arc::strong_count(&lent), 1);
    });
}

#[test]
fn what_comes_too_late_is_dropped() {
    in_virtual_time(|| {
        let late = timeout(10 * MS, || {
            shield(|| time::sleep(20 * MS));
            "late"
        });
        assert_eq!(late, Err(Elapsed));
    });
}

#[test]
fn a_panic_goes_on_to_the_caller_in_time_or_late() {
    in_virtual_time(|| {
        for duration in [LONG, 10 * MS] {
            let panics = || {
                shield(|| time::sleep(20 * MS));
                panic!("of the function")
            };
            let panic = catch_panic(AssertUnwindSafe(|| timeout(duration, panics)));
            let panic = panic.map(drop).expect_err("it panics");
            assert_eq!(panic.downcast_ref(), Some(&"of the function"));
        }
    });
}

#[test]
fn a_cancel_of_the_caller_reaches_the_function() {
    for migrating in [false, true] {
        common::build(Runtime::builder().max_procs(2), migrating).run(|| {
            let (began, begins) = bounded(0);
            let (ended, ends) = bounded::<()>(0);
            let caller = go(move || {
                timeout(LONG, || {
                    let _ended = ended;
                    began.send(()).expect("it is waited for");
                    goroutine::park_forever()
                })
            });
            begins.recv().expect("it begins");
            caller.cancel();
            assert!(caller.join().expect_err("cancelled").is_cancelled());
            assert_eq!(ends.try_recv(), Err(TryRecvError::Disconnected));
        });
    }
}

#[test]
fn elapsed_is_a_timeout_of_io() {
    let error = std::io::Error::from(Elapsed);
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time is over");
}

/// Runs a function with a limit when it is dropped.
struct Flush(Arc<AtomicUsize>);

impl Drop for Flush {
    fn drop(&mut self) {
        let ended = time::timeout(LONG, || self.0.fetch_add(1, Ordering::SeqCst));
        assert!(ended.is_err(), "nothing starts in a runtime that ends");
    }
}

#[test]
fn a_timeout_in_a_destructor_while_the_runtime_ends_is_cut_short() {
    for migrating in [false, true] {
        let runtime = common::build(Runtime::builder().max_procs(2), migrating);
        let (ready, started) = bounded(0);
        let flushed = Arc::new(AtomicUsize::new(0));
        let flush = Flush(flushed.clone());
        drop(runtime.go(move || {
            let _flush = flush;
            ready.send(()).expect("it is waited for");
            goroutine::park_forever();
        }));
        started.recv().expect("it has started");
        runtime.shutdown(LONG).expect("all unwound");
        assert_eq!(flushed.load(Ordering::SeqCst), 0);
    }
}
