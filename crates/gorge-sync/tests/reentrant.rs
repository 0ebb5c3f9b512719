//! Initialisers that use what they initialise: a deadlock, which is told.
#![cfg(not(gorge_loom))]

use gorge_runtime::{DeadlockDetection, Runtime};
use gorge_sync::{LazyLock, OnceLock};
use std::env;
use std::process::Command;

const CASE: &str = "GORGE_REENTRANT_CASE";

static ONCE: OnceLock<u32> = OnceLock::new();
static LAZY: LazyLock<u32> = LazyLock::new(|| *LAZY + 1);

#[test]
fn an_initialiser_that_uses_its_own_lock_is_a_deadlock_that_is_told() {
    for case in ["once", "lazy"] {
        let output = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "the_child", "--nocapture"])
            .env(CASE, case)
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{case}: {text}");
        let headline = "fatal error: all goroutines are asleep - deadlock!\n";
        assert!(text.starts_with(headline), "{case}: {text}");
        assert!(
            text.contains("goroutine 1 [sync.Once]:\n"),
            "{case}: {text}"
        );
    }
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(case) = env::var(CASE) else { return };
    let runtime = Runtime::builder()
        .max_procs(2)
        .deadlock_detection(DeadlockDetection::Always)
        .build()
        .expect("a runtime");
    runtime.run(|| match case.as_str() {
        "once" => *ONCE.get_or_init(|| *ONCE.get_or_init(|| 1)),
        _ => *LAZY,
    });
}
