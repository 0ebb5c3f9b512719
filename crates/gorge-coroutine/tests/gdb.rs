//! A debugger walks from a coroutine into its resumer.
//!
//! The test runs its own executable under gdb, stops inside a coroutine, and
//! reads the backtrace. Without gdb it prints "not run" and the reason.

#![cfg(target_os = "linux")]

use gorge_coroutine::Coroutine;
use std::env;
use std::hint::black_box;
use std::process::{Command, Output};

/// Set for the process that gdb runs.
const DEBUGGED: &str = "GORGE_TEST_DEBUGGED";

/// The frames gdb must name, from the breakpoint outwards. It calls the first
/// frame of a coroutine's stack a signal handler's, which is how it is marked.
/// The last is where the thread starts: the test harness runs no test on the
/// main one, so there is no `main` to end at.
const EXPECTED: [&str; 8] = [
    "gorge_test_breakpoint",
    "called_by_the_inner_coroutine",
    "<signal handler called>",
    "resume_the_inner_coroutine",
    "<signal handler called>",
    "resume_the_outer_coroutine",
    "gdb_walks_from_a_coroutine_into_its_resumer",
    "thread_start",
];

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gorge_test_breakpoint() {
    black_box(());
}

#[inline(never)]
fn called_by_the_inner_coroutine() {
    gorge_test_breakpoint();
    black_box(());
}

#[inline(never)]
fn resume_the_inner_coroutine() {
    let mut inner = Coroutine::<(), (), ()>::new(|_, ()| called_by_the_inner_coroutine());
    inner.resume(());
    black_box(());
}

#[inline(never)]
fn resume_the_outer_coroutine() {
    let mut outer = Coroutine::<(), (), ()>::new(|_, ()| resume_the_inner_coroutine());
    outer.resume(());
    black_box(());
}

#[test]
fn gdb_walks_from_a_coroutine_into_its_resumer() {
    if env::var_os(DEBUGGED).is_some() {
        resume_the_outer_coroutine();
        black_box(());
        return;
    }
    match run_under_gdb() {
        Err(reason) => eprintln!("not run: {reason}"),
        Ok(text) => assert_frames(&text),
    }
}

/// What gdb writes, or why it cannot be used here.
fn run_under_gdb() -> Result<String, String> {
    let executable = env::current_exe().expect("this process has an executable");
    let Output { stdout, stderr, .. } = Command::new("gdb")
        .args(["-nx", "-batch", "-iex", "set debuginfod enabled off"])
        .args(["-ex", "break gorge_test_breakpoint", "-ex", "run"])
        .args(["-ex", "backtrace", "-ex", "kill", "--args"])
        .arg(executable)
        .arg("--exact")
        .arg("gdb_walks_from_a_coroutine_into_its_resumer")
        .env(DEBUGGED, "1")
        .output()
        .map_err(|error| format!("gdb: {error}"))?;
    let errors = String::from_utf8_lossy(&stderr);
    if errors.contains("ptrace: Operation not permitted") {
        return Err("gdb may not trace processes here".into());
    }
    Ok(format!("{}\n{errors}", String::from_utf8_lossy(&stdout)))
}

/// Asserts that the expected frames are there, in their order and to the end;
/// others may be between them.
fn assert_frames(text: &str) {
    assert!(!text.contains("Backtrace stopped"), "{text}");
    let mut lines = text.lines().filter(|line| line.starts_with('#'));
    for frame in EXPECTED {
        assert!(
            lines.any(|line| line.contains(frame)),
            "`{frame}` is missing or out of place in\n{text}"
        );
    }
}
