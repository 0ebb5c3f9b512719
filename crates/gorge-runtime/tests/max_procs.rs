//! How many goroutines run at once: where the number comes from, and what becomes
//! of goroutines and deadlines when it changes.
//!
//! What is adopted of Go's tests has the Go test's name above it.

mod common;

use common::{in_each_placement, wait_for};
use gorge_runtime::netpoll::Pollable;
use gorge_runtime::{JoinHandle, Runtime, go, goroutine, time, yield_now};
use std::env;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const CASE: &str = "GORGE_MAX_PROCS_CASE";
const VARIABLE: &str = "GORGE_MAXPROCS";

/// Runs this binary again with a case, and the variable with a value.
fn child(case: &str, variable: Option<&str>) {
    let output = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .env_remove(VARIABLE)
        .envs(variable.map(|value| (VARIABLE, value)))
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("it went well"), "{errors}");
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    match env::var(CASE).as_deref() {
        Ok("most") => on_the_most_processors(),
        Ok("affinity") => on_one_processor_of_the_machine(),
        _ => return,
    }
    eprintln!("it went well");
}

fn on_the_most_processors() {
    assert_eq!(gorge_runtime::max_procs(), 1024);
    gorge_runtime::run(|| {
        assert_eq!(gorge_runtime::max_procs(), 1024);
        let all: Vec<_> = (0..5000_u64)
            .map(|i| {
                go(move || {
                    yield_now();
                    time::sleep(Duration::from_micros(i % 50));
                    i
                })
            })
            .collect();
        let sum: u64 = all.into_iter().map(|it| it.join().expect("a value")).sum();
        assert_eq!(sum, 4999 * 5000 / 2);
    });
}

// TestBigGOMAXPROCS
#[test]
fn the_variable_may_ask_for_the_most() {
    child("most", Some("1024"));
}

/// Leaves the process one of the processors that it may use.
fn use_one_processor() {
    // SAFETY: an all-zero set is an empty one; the kernel writes and reads within
    // the size that it is told.
    unsafe {
        let size = size_of::<libc::cpu_set_t>();
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size, &raw mut set), 0);
        let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| libc::CPU_ISSET(cpu, &set));
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(first.expect("it runs somewhere"), &mut set);
        assert_eq!(libc::sched_setaffinity(0, size, &raw const set), 0);
    }
}

fn on_one_processor_of_the_machine() {
    use_one_processor();
    let expected = env::var(VARIABLE).map_or(1, |value| value.parse().expect("a number"));
    let runtime = Runtime::new().expect("a runtime");
    assert_eq!(runtime.max_procs(), expected);
    assert_eq!(runtime.run(|| go(|| 7).join().expect("a value")), 7);
}

#[test]
fn the_default_is_what_the_process_may_use() {
    child("affinity", None);
}

#[test]
fn the_variable_wins_over_what_the_process_may_use() {
    child("affinity", Some("3"));
}

fn start_anew(stop: Arc<AtomicBool>, lives: Arc<AtomicUsize>) {
    lives.fetch_add(1, Ordering::Relaxed);
    if !stop.load(Ordering::Relaxed) {
        go(move || start_anew(stop, lives));
    }
}

// TestStopTheWorldDeadlock
#[test]
fn the_number_changes_while_a_goroutine_starts_itself_anew_for_ever() {
    in_each_placement(2, |runtime| {
        let (stop, lives) = (Arc::default(), Arc::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&lives));
        runtime.go(move || start_anew(stopped, counted));
        for i in 0..1000 {
            runtime.set_max_procs(1 + i % 3);
            if i % 100 == 0 {
                let before = lives.load(Ordering::Relaxed);
                wait_for(|| lives.load(Ordering::Relaxed) > before);
            }
        }
        stop.store(true, Ordering::Relaxed);
        wait_for(|| runtime.num_goroutines() == 0);
    });
}

/// Goroutines that are queued, asleep, and waiting for a descriptor, all of which
/// are to end; and the other ends of the descriptors.
fn some_of_each(runtime: &Runtime) -> (Vec<JoinHandle<()>>, Vec<UnixStream>) {
    let mut all = Vec::new();
    let mut others = Vec::new();
    for i in 0..100_u64 {
        all.push(runtime.go(move || (0..i).for_each(|_| yield_now())));
        all.push(runtime.go(move || {
            let length = Duration::from_micros(i * 100);
            let start = time::now();
            time::sleep(length);
            assert!(time::now() - start >= length);
        }));
        if i % 10 == 0 {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            others.push(theirs);
            all.push(runtime.go(move || {
                let ours = Pollable::new(ours).expect("registered");
                ours.wait_readable(None).expect("readable");
            }));
        }
    }
    (all, others)
}

#[test]
fn goroutines_of_processors_that_go_are_kept_in_every_state() {
    in_each_placement(8, |runtime| {
        for i in 0..20 {
            runtime.set_max_procs(8);
            let (all, others) = some_of_each(runtime);
            assert_eq!(runtime.set_max_procs(1 + i % 2), 8);
            for mut other in others {
                other.write_all(b"x").expect("written");
            }
            all.into_iter().for_each(|it| it.join().expect("it ended"));
        }
    });
}

// TestPreemptionGC
#[test]
fn goroutines_that_never_give_way_delay_no_change_and_no_look() {
    const HOGS: usize = 5;
    in_each_placement(HOGS + 1, |runtime| {
        let (stop, begun) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let hogs: Vec<_> = (0..HOGS)
            .map(|_| {
                let (stop, begun) = (stop.clone(), Arc::<AtomicUsize>::clone(&begun));
                runtime.go(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        wait_for(|| begun.load(Ordering::SeqCst) == HOGS);
        let mut former = HOGS + 1;
        for i in 0..10 {
            let procs = HOGS + i % 2;
            assert_eq!(runtime.set_max_procs(procs), former);
            former = procs;
            assert!(runtime.dump().goroutines().len() >= HOGS);
            assert!(runtime.metrics().running >= HOGS);
            runtime.run(|| go(goroutine::yield_now).join().expect("it ran"));
        }
        stop.store(true, Ordering::Relaxed);
        hogs.into_iter().for_each(|it| it.join().expect("it ended"));
    });
}

#[test]
#[should_panic(expected = "from 1 to 1024")]
fn more_processors_than_there_may_be_are_refused() {
    gorge_runtime::set_max_procs(1025);
}
