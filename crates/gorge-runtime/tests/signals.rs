//! Signals that interrupt system calls all the time: no wait becomes shorter or
//! longer, or fails. In a child process, all of whose threads they hit.

#![allow(
    clippy::disallowed_methods,
    reason = "a child process with plain threads"
)]

mod common;

use common::{in_each_setting, wait_for};
use gorge_runtime::netpoll::{Direction, Pollable};
use gorge_runtime::{JoinHandle, Runtime, blocking, go, goroutine, time};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, ptr, thread};

const CASE: &str = "GORGE_SIGNALS_CASE";

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Has a function called at `SIGUSR1`, and system calls fail with `EINTR` then.
fn handle_signals() {
    // SAFETY: an all-zero action is one without flags, whose handler is set here
    // and does nothing but count.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()),
            0
        );
    }
}

/// Sends the signal to every other thread of the process, again and again, until
/// it is told to stop.
fn interrupt_everybody(stop: &AtomicBool) {
    // SAFETY: has no preconditions.
    let (process, own) = unsafe { (libc::getpid(), libc::gettid()) };
    while !stop.load(Ordering::Relaxed) {
        for task in std::fs::read_dir("/proc/self/task")
            .expect("procfs")
            .flatten()
        {
            let name = task.file_name();
            let thread: libc::pid_t = name.to_string_lossy().parse().expect("a number");
            if thread != own {
                // SAFETY: sends a signal that is handled; a thread that has ended
                // since is refused.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
            }
        }
        thread::yield_now();
    }
}

/// Calls `body` with a runtime of each setting while signals interrupt everybody.
fn while_interrupted(body: fn(&Runtime)) {
    handle_signals();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| interrupt_everybody(&stop));
        in_each_setting(|runtime| {
            let before = HANDLED.load(Ordering::Relaxed);
            body(runtime);
            wait_for(|| HANDLED.load(Ordering::Relaxed) > before);
        });
        stop.store(true, Ordering::Relaxed);
    });
}

/// Sleeps on a goroutine or a thread, and checks for how long.
fn sleep(length: Duration) {
    let start = time::now();
    goroutine::sleep(length);
    assert!(time::now() - start >= length);
    let deadline = time::now() + length;
    while time::now() < deadline {
        goroutine::park_timeout(deadline - time::now());
    }
}

fn sleeps(runtime: &Runtime) {
    let sleepers: Vec<_> = (0..50)
        .map(|i| runtime.go(move || sleep(Duration::from_micros(200 * i))))
        .collect();
    sleep(Duration::from_millis(5));
    join_all(sleepers);
}

fn join_all(handles: Vec<JoinHandle<()>>) {
    handles
        .into_iter()
        .for_each(|handle| handle.join().expect("it ended"));
}

fn read_one(stream: &Pollable<UnixStream>) -> std::io::Result<u8> {
    let mut byte = [0];
    let read = stream.io(Direction::Read, None, |mut stream| stream.read(&mut byte));
    read.map(|_| byte[0])
}

fn reads(runtime: &Runtime) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let register = |stream| runtime.run(|| Arc::new(Pollable::new(stream).expect("registered")));
    let (ours, theirs) = (register(ours), register(theirs));
    let echo = runtime.go(move || {
        while let Ok(byte @ 1..) = read_one(&theirs) {
            theirs.get_ref().write_all(&[byte]).expect("there is room");
        }
    });
    // On a goroutine, and on this thread.
    let party = ours.clone();
    let play = move || {
        for i in 1..=100 {
            party.get_ref().write_all(&[i]).expect("there is room");
            assert_eq!(read_one(&party).expect("an echo"), i);
        }
        let deadline = time::now() + Duration::from_millis(2);
        let error = party
            .wait_readable(Some(deadline))
            .expect_err("nothing comes");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(time::now() >= deadline);
    };
    runtime.run(&play);
    play();
    ours.get_ref().write_all(&[0]).expect("there is room");
    echo.join().expect("it ended");
}

fn everything_else(runtime: &Runtime) {
    let all = (0..50).map(|i| {
        runtime.go(move || {
            blocking(thread::yield_now);
            assert_eq!(go(move || i).join().expect("a value"), i);
            goroutine::pin(|| sleep(Duration::from_micros(i)));
        })
    });
    join_all(all.collect());
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    match env::var(CASE).as_deref() {
        Ok("sleeps") => while_interrupted(sleeps),
        Ok("reads") => while_interrupted(reads),
        Ok("else") => while_interrupted(everything_else),
        _ => return,
    }
    eprintln!("it went well");
}

/// Runs this binary again with a case.
fn child(case: &str) {
    let output = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("it went well"), "{errors}");
}

// TestSleep, semasleep
#[test]
fn no_sleep_is_shortened_by_signals() {
    child("sleeps");
}

#[test]
fn waits_for_descriptors_go_on_after_signals() {
    child("reads");
}

#[test]
fn joins_pins_and_blocking_calls_survive_signals() {
    child("else");
}
