//! A runtime with nothing to do costs nothing: no context switches, no
//! processor time, and of parked stacks only what they use. Each in a child
//! process, whose figures are its own.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

mod common;

use common::Setting;
use gorge_runtime::{Runtime, blocking, go, goroutine, stack, time, yield_now};
use std::env;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const CASE: &str = "GORGE_QUIET_CASE";

/// Runs this binary again with a case; returns what it wrote to standard error.
fn child(case: &str) -> String {
    let output = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .env_remove("GORGEDEBUG")
        .envs((case == "traced").then_some(("GORGEDEBUG", "schedtrace=20,scheddetail=1")))
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    errors
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    match env::var(CASE).as_deref() {
        Ok("parked") => stays_quiet(false, |runtime| park_many(runtime, 10_000)),
        Ok("parked, migrating") => stays_quiet(true, |runtime| park_many(runtime, 10_000)),
        Ok("timers") => stays_quiet(false, |runtime| sleep_many(runtime, 100_000)),
        Ok("timers, migrating") => stays_quiet(true, |runtime| sleep_many(runtime, 100_000)),
        Ok("used") => stays_quiet(false, use_heavily),
        Ok("used, migrating") => stays_quiet(true, use_heavily),
        Ok("deep") => gives_memory_back(),
        Ok("warning") => hogs_beside_a_sibling(),
        Ok("traced") => is_traced(),
        _ => {}
    }
}

fn runtime() -> Runtime {
    let builder = Runtime::builder().max_procs(2);
    builder.build().expect("a runtime")
}

fn park_many(runtime: &Runtime, count: usize) {
    for _ in 0..count {
        drop(runtime.go(|| goroutine::park_forever()));
    }
}

fn sleep_many(runtime: &Runtime, count: usize) {
    for _ in 0..count {
        drop(runtime.go(|| time::sleep(Duration::from_secs(3600))));
    }
}

/// Does all that wakes somebody, as many as there are and more; then leaves parked
/// goroutines and far timers behind.
fn use_heavily(runtime: &Runtime) {
    runtime.run(|| {
        let workers: Vec<_> = (0..1000)
            .map(|number| {
                go(move || {
                    for turn in 0..20 {
                        yield_now();
                        time::sleep(Duration::from_micros((number * 7 + turn) % 300));
                    }
                    blocking(move || number) + go(move || number).join().expect("it ends")
                })
            })
            .collect();
        let sum: u64 = workers
            .into_iter()
            .map(|it| it.join().expect("it ends"))
            .sum();
        assert_eq!(sum, 999 * 1000);
    });
    park_many(runtime, 10_000);
    sleep_many(runtime, 10_000);
}

/// Context switches, voluntary and not, of all threads but the calling one, and
/// the clock ticks of processor time that they used.
fn activity() -> (u64, u64) {
    let own = thread_id();
    let mut sum = (0, 0);
    for task in fs::read_dir("/proc/self/task").expect("a list of threads") {
        let task = task.expect("a thread").path();
        if task.file_name().is_some_and(|name| name == own.as_str()) {
            continue;
        }
        let status = fs::read_to_string(task.join("status")).unwrap_or_default();
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts =
            switches.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        sum.0 += counts.sum::<u64>();
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        let fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        sum.1 += fields
            .skip(11)
            .take(2)
            .filter_map(|it| it.parse::<u64>().ok())
            .sum::<u64>();
    }
    sum
}

fn thread_id() -> String {
    let link = fs::read_link("/proc/thread-self").expect("this thread");
    link.file_name()
        .expect("a number")
        .to_string_lossy()
        .into_owned()
}

/// Waits until nothing happens for a whole second. Hangs if that never comes.
fn stays_quiet(migrating: bool, load: impl FnOnce(&Runtime)) {
    let procs = 2;
    let runtime = Setting { migrating, procs }.runtime();
    load(&runtime);
    loop {
        let before = activity();
        thread::sleep(Duration::from_secs(1));
        if activity() == before {
            break;
        }
    }
    assert!(runtime.num_goroutines() >= 10_000);
    // Still alive: it wakes from its sleep.
    assert_eq!(runtime.run(|| go(|| 7).join().expect("it ran")), 7);
    std::process::exit(0);
}

#[test]
fn parked_goroutines_cost_no_context_switch() {
    child("parked");
    child("parked, migrating");
}

#[test]
fn pending_timers_cost_no_context_switch() {
    child("timers");
    child("timers, migrating");
}

#[test]
fn what_was_busy_and_has_come_to_rest_costs_no_context_switch() {
    child("used");
    child("used, migrating");
}

/// Resident memory of the process.
fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("memory figures");
    let pages: usize = text
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .expect("a number");
    pages * 4096
}

/// Goroutines that are deep, and whether they may come back.
static DEEP: AtomicUsize = AtomicUsize::new(0);
static MAY_RETURN: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn use_stack(floor: usize) -> u64 {
    let frame = std::hint::black_box([1u8; 1024]);
    let rest = if stack::remaining() > floor {
        use_stack(floor)
    } else {
        DEEP.fetch_add(1, Ordering::SeqCst);
        while !MAY_RETURN.load(Ordering::SeqCst) {
            time::sleep(Duration::from_millis(100));
        }
        0
    };
    rest + u64::from(frame[floor % 1024])
}

fn gives_memory_back() {
    const COUNT: usize = 10_000;
    let shallow = runtime();
    park_many(&shallow, COUNT);
    while shallow.metrics().waiting < COUNT {
        thread::yield_now();
    }
    let each = resident_bytes() / COUNT;
    let runtime = runtime();
    for _ in 0..COUNT {
        drop(runtime.go(|| {
            let floor = stack::remaining() - 128 * 1024;
            std::hint::black_box(use_stack(floor));
            goroutine::park_forever()
        }));
    }
    while DEEP.load(Ordering::SeqCst) < COUNT {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(resident_bytes() > 8 * each * COUNT, "they are deep");
    MAY_RETURN.store(true, Ordering::SeqCst);
    // As many again, so twice as much, within a quarter. Hangs otherwise.
    while resident_bytes() > 2 * each * COUNT * 5 / 4 {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(runtime.metrics().stacks_shrunk > 0);
    std::process::exit(0);
}

#[test]
fn parked_stacks_give_back_what_they_do_not_use() {
    child("deep");
}

fn hogs_beside_a_sibling() {
    let runtime = Runtime::builder().max_procs(1).build().expect("a runtime");
    runtime.run(|| {
        go(|| goroutine::park_forever());
        let (tell, hear) = std::sync::mpsc::channel();
        goroutine::Builder::new()
            .name("the observer")
            .spawn(move || tell.send(()).expect("somebody listens"))
            .expect("spawned");
        let hog = goroutine::Builder::new()
            .name("the culprit")
            .spawn(move || {
                // Neither a park nor a checkpoint, until somebody else has run.
                while hear.try_recv().is_err() {
                    std::hint::spin_loop();
                }
            });
        hog.expect("spawned").join().expect("it was stopped");
    });
    std::process::exit(0);
}

#[test]
fn a_hog_that_keeps_siblings_waiting_is_named() {
    let errors = child("warning");
    let line = errors
        .lines()
        .find(|line| line.starts_with("gorge: goroutine"));
    let line = line.unwrap_or_else(|| panic!("no warning in {errors:?}"));
    for part in ["\"the culprit\"", "quiet.rs:", "checkpoint", "wait for it"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

fn is_traced() {
    let runtime = runtime();
    park_many(&runtime, 3);
    thread::sleep(Duration::from_millis(200));
    std::process::exit(0);
}

#[test]
fn the_scheduler_is_traced_in_gos_words() {
    let errors = child("traced");
    let line = errors
        .lines()
        .rfind(|line| line.starts_with("SCHED "))
        .expect("a trace");
    for part in [
        "ms: gomaxprocs=2 idleprocs=",
        " threads=",
        " spinningthreads=",
        " needspinning=",
        " idlethreads=",
        " runqueue=0 [ ",
        " schedticks=[ ",
        " gcwaiting=false",
    ] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
    assert!(errors.contains("\n  P0: status="));
    assert!(errors.contains("\n  M0: p=0 curg="));
    assert!(errors.contains("status=select (no cases) m=nil"));
}
