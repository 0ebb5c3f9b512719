//! Deadlocks in processes that have no threads but those of one runtime, where the
//! default mode finds them. So this has no harness: it runs itself once for each
//! case.

#![allow(
    clippy::disallowed_methods,
    reason = "threads and real time are tested"
)]

mod common;

use common::Setting;
use gorge_runtime::netpoll::{Direction, Pollable};
use gorge_runtime::{RunError, Runtime, block_on, blocking, go, goroutine};
use std::env;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::process::{Command, Output};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

const CASE: &str = "GORGE_ALONE_CASE";
const HEADLINE: &str = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 ";

const TESTS: &[(&str, fn())] = &[
    ("a_main_alone_panics_with_the_report", a_main_alone),
    (
        "a_main_that_cannot_be_unwound_ends_the_process",
        cannot_unwind,
    ),
    ("the_runtime_goes_at_once_after_a_deadlock", goes_at_once),
    ("what_comes_from_outside_is_waited_for", from_outside),
    ("what_foreign_threads_do_is_waited_for", from_threads),
    ("a_deadlock_that_a_thread_leaves_is_found", left_by_a_thread),
    ("every_deadlock_is_found", every_deadlock),
    ("the_default_runtime_is_foreign", default_runtime),
];

fn main() {
    if let Ok(case) = env::var(CASE) {
        return run_case(&case);
    }
    let wanted: Vec<_> = env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| name.contains(it));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| is_wanted(name)) {
        let is_ok = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        *(if is_ok { &mut passed } else { &mut failed }) += 1;
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured");
    assert_eq!(failed, 0);
}

fn run_case(case: &str) {
    let (case, placement) = case.split_once(' ').expect("a case and a placement");
    let setting = Setting {
        migrating: placement == "migrating",
        procs: 2,
    };
    // A short slice makes the monitor look often.
    let often =
        |round: usize| Duration::from_micros(if round.is_multiple_of(2) { 100 } else { 10_000 });
    let watchful = |round| setting.runtime_with(|it| it.time_slice(often(round)));
    match case {
        "park" => setting.runtime().run(|| goroutine::park_forever()),
        "sigquit" => setting
            .runtime_with(|it| it.dump_on_sigquit(true))
            .run(|| goroutine::park_forever()),
        "scope" => setting.runtime().run(|| {
            goroutine::scope(|scope| drop(scope.spawn(|| goroutine::park_forever())));
        }),
        "pinned" => setting
            .runtime()
            .run(|| goroutine::pin(|| goroutine::park_forever())),
        "destructor" => setting.runtime().run(|| {
            let _stuck = Stuck;
            goroutine::park_forever();
        }),
        "drop" => {
            let runtime = setting.runtime();
            expect_deadlock(&runtime);
            let start = Instant::now();
            drop(runtime);
            assert!(start.elapsed() < Duration::from_secs(5));
        }
        "outside" => {
            for round in 0..10 {
                let runtime = watchful(round);
                (0..100).for_each(|round| runtime.run(|| wait_for_outside(round)));
                expect_deadlock(&runtime);
            }
        }
        "threads" => {
            for round in 0..10 {
                let runtime = watchful(round);
                (0..50).for_each(|round| wait_for_thread(&runtime, round));
                expect_deadlock(&runtime);
            }
        }
        "left" => left_alone(&setting.runtime()),
        "every" => {
            for round in 0..20 {
                let runtime = watchful(round);
                (0..10).for_each(|_| expect_deadlock(&runtime));
            }
        }
        "default" => {
            assert_eq!(go(|| 1).join().expect("a value"), 1);
            let runtime = watchful(0);
            let (sender, receiver) = std::sync::mpsc::channel();
            go(move || {
                let main: goroutine::Goroutine = receiver.recv().expect("it is sent");
                blocking(|| thread::sleep(Duration::from_millis(200)));
                main.unpark();
            });
            runtime.run(|| {
                sender.send(goroutine::current()).expect("it listens");
                goroutine::park();
            });
        }
        _ => unreachable!("cases are named above"),
    }
}

/// Its destructor never returns.
struct Stuck;

impl Drop for Stuck {
    fn drop(&mut self) {
        goroutine::park_forever();
    }
}

fn expect_deadlock(runtime: &Runtime) {
    let result = runtime.try_run(|| {
        let helper = go(|| blocking(goroutine::current));
        drop(helper.join());
        goroutine::pin(|| go(|| ()).join().expect("a value"));
        goroutine::park_forever();
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))), "{result:?}");
}

fn wait_for_outside(round: u64) {
    let pause = Duration::from_micros(round * 37 % 1500);
    match round % 4 {
        0 => goroutine::sleep(pause),
        1 => drop(go(move || goroutine::park_timeout(pause)).join()),
        2 => blocking(|| thread::sleep(pause)),
        _ => {
            let (near, far) = UnixStream::pair().expect("a pair of sockets");
            let far = Pollable::new(far).expect("a socket");
            let writer = go(move || {
                blocking(|| {
                    thread::sleep(pause);
                    (&near).write_all(b"x").expect("it is read");
                });
            });
            let read = far.io(Direction::Read, None, |mut far| far.read(&mut [0]));
            assert_eq!(read.expect("a byte"), 1);
            writer.join().expect("it wrote");
        }
    }
}

fn wait_for_thread(runtime: &Runtime, round: u64) {
    let pause = Duration::from_micros(round * 101 % 5000);
    runtime.run(|| match round % 3 {
        0 => {
            let main = goroutine::current();
            thread::spawn(move || {
                thread::sleep(pause);
                main.unpark();
            });
            goroutine::park();
        }
        1 => {
            let mut thread = None;
            block_on(std::future::poll_fn(|context| {
                if thread.is_some() {
                    return Poll::Ready(());
                }
                let waker = context.waker().clone();
                thread = Some(thread::spawn(move || {
                    thread::sleep(pause);
                    waker.wake();
                }));
                Poll::Pending
            }));
        }
        _ => {
            let child = go(goroutine::park);
            let target = child.goroutine().clone();
            let thread = thread::spawn(move || {
                thread::sleep(pause);
                target.unpark();
            });
            child.join().expect("it was woken");
            thread.join().expect("it ends");
        }
    });
}

/// A thread that ends while everybody is asleep, but soon.
fn left_alone(runtime: &Runtime) {
    let result = runtime.try_run(|| {
        thread::spawn(|| thread::sleep(Duration::from_millis(50)));
        goroutine::park_forever();
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))), "{result:?}");
}

fn child(case: &str, placement: &str) -> Output {
    Command::new(env::current_exe().expect("this test"))
        .env(CASE, format!("{case} {placement}"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it starts")
}

/// Runs a case in both placements; `check` gets the exit code and what was written.
fn run_both(case: &str, check: impl Fn(Option<i32>, &str)) {
    for placement in ["homed", "migrating"] {
        let output = child(case, placement);
        let text = String::from_utf8_lossy(&output.stderr);
        check(output.status.code(), &text);
    }
}

fn succeeds(case: &str) {
    run_both(case, |code, text| {
        assert_eq!(code, Some(0), "{case}: {text}")
    });
}

fn a_main_alone() {
    for case in ["park", "sigquit", "scope", "pinned"] {
        run_both(case, |code, text| {
            assert_eq!(code, Some(101), "{text}");
            assert!(text.contains(&format!("\n{HEADLINE}")), "{text}");
        });
    }
}

fn cannot_unwind() {
    run_both("destructor", |code, text| {
        assert_eq!(code, Some(2), "{text}");
        assert!(text.starts_with(HEADLINE), "{text}");
        assert!(text.contains("\ngoroutine 1 cannot be unwound: "), "{text}");
        assert!(
            text.contains("\nafter the cancel:\n\ngoroutine 1 "),
            "{text}"
        );
    });
}

fn goes_at_once() {
    succeeds("drop");
}

fn from_outside() {
    succeeds("outside");
}

fn from_threads() {
    succeeds("threads");
}

fn left_by_a_thread() {
    succeeds("left");
}

fn every_deadlock() {
    succeeds("every");
}

fn default_runtime() {
    succeeds("default");
}
