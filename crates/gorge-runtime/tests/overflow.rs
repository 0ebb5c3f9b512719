//! Stack overflows and other faults, each in a child process.

use gorge_runtime::{Runtime, go, goroutine, stack};
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const CASE: &str = "GORGE_OVERFLOW_CASE";

/// Runs this binary again, as the process that faults.
fn child(case: &str) -> Output {
    Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it starts")
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(case) = env::var(CASE) else { return };
    let builder = Runtime::builder().max_procs(2);
    let builder = match &*case {
        "small" => builder.stack_reserve(16 * 1024),
        _ => builder,
    };
    let runtime = builder.build().expect("a runtime");
    match &*case {
        "recursion" | "small" => drop(runtime.run(|| {
            let named = goroutine::Builder::new().name("deep one");
            named.spawn(|| recurse(1)).expect("spawned").join()
        })),
        "frame" => drop(runtime.run(|| go(|| huge_frame(7)).join())),
        "segment" => {
            drop(runtime.run(|| go(|| stack::grow(usize::MAX, 512 * 1024, || recurse(1))).join()))
        }
        "thread" => drop(std::hint::black_box(recurse(1))),
        "thread segment" => drop(std::hint::black_box(stack::grow(
            usize::MAX,
            512 * 1024,
            || recurse(1),
        ))),
        "null" => runtime.run(|| {
            // SAFETY: none: the fault is the point.
            unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) }
        }),
        _ => unreachable!("cases are named above"),
    }
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "the overflow is the point")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    recurse(depth + 1) + frame[depth as usize % 32]
}

#[inline(never)]
fn huge_frame(seed: u8) -> usize {
    let frame = std::hint::black_box([seed; 1 << 20]);
    frame.iter().map(|&byte| usize::from(byte)).sum()
}

fn assert_overflow(case: &str, expected: &[&str]) {
    let output = child(case);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    for part in expected {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn deep_recursion_is_reported_with_number_name_and_reserve() {
    let parts = [
        "fatal: stack overflow in goroutine ",
        "\"deep one\": 256 KiB reserve exceeded",
        "[running]:",
        "  0: 0x",
        "frames elided",
    ];
    assert_overflow("recursion", &parts);
}

#[test]
fn a_small_stack_is_reported_with_its_own_reserve() {
    assert_overflow("small", &["\"deep one\": 16 KiB reserve exceeded"]);
}

#[test]
fn a_frame_larger_than_the_stack_is_an_overflow() {
    assert_overflow(
        "frame",
        &["fatal: stack overflow in goroutine ", "256 KiB reserve"],
    );
}

#[test]
fn an_overflow_of_a_grown_segment_is_reported_with_the_segments_reserve() {
    assert_overflow("segment", &["in goroutine ", "512 KiB reserve exceeded"]);
    let parts = ["in a stack segment of a thread: 512 KiB reserve exceeded"];
    assert_overflow("thread segment", &parts);
}

#[test]
fn an_overflow_of_a_thread_is_still_stds_to_report() {
    assert_overflow("thread", &["has overflowed its stack"]);
}

#[test]
fn a_fault_elsewhere_kills_the_process_as_ever() {
    let output = child("null");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{text}");
    assert!(!text.contains("overflow"), "{text}");
}
