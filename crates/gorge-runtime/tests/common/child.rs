//! Cases that end their process, in a child process of the same test binary.
//!
//! The binary has a test `the_child` whose body is [`Case::run`]: without the
//! variable it does nothing; in the child it runs the case that is named there.

use std::env;
use std::process::{Command, Output};

const CASE: &str = "GORGE_TEST_CASE";

/// A child process to be.
pub(crate) struct Child(Command);

/// How a child ended, and what it printed on standard error.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) output: Output,
    pub(crate) stderr: String,
}

impl Child {
    /// This binary again, for one case.
    pub(crate) fn new(case: &str) -> Child {
        let mut command = Command::new(env::current_exe().expect("this test"));
        command
            .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
            .env(CASE, case)
            .env("RUST_BACKTRACE", "0")
            .env_remove("GORGE_TRACEBACK");
        Child(command)
    }

    #[allow(dead_code, reason = "each test binary uses a part of this")]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Child {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end.
    pub(crate) fn end(mut self) -> Ended {
        let output = self.0.output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { output, stderr }
    }
}

impl Ended {
    /// Asserts the exit status, and that standard error has these parts, in order.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32, parts: &[&str]) -> &Ended {
        assert_eq!(self.output.status.code(), Some(status), "{}", self.stderr);
        let mut rest = &*self.stderr;
        for part in parts {
            let Some(found) = rest.find(part) else {
                panic!("{part:?} is not there, or out of order:\n{}", self.stderr);
            };
            rest = &rest[found + part.len()..];
        }
        self
    }

    /// How often standard error has this part.
    #[allow(dead_code, reason = "each test binary uses a part of this")]
    pub(crate) fn count(&self, part: &str) -> usize {
        self.stderr.matches(part).count()
    }
}

/// The case that this process is for, if it is a child.
pub(crate) fn case() -> Option<String> {
    env::var(CASE).ok()
}
