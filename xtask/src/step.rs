//! Runs a child process to its end, to its time limit, or until we are interrupted.
//!
//! The child leads a process group of its own, so that a limit ends what it started too. Both its
//! outputs go into one pipe, in the order they are written. A thread reads the pipe; we wait for lines
//! and look at the child, the clock and the interrupt flag between them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "xtask runs outside the runtime, on plain threads and the real clock"
)]

use std::fmt;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often we look at the child while it prints nothing.
const POLL: Duration = Duration::from_millis(20);

/// How long we wait for the rest of the output of a child that has ended.
const GRACE: Duration = Duration::from_secs(2);

/// How a child came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Exited(ExitStatus),
    TimedOut,
    Interrupted,
}

impl Ending {
    pub(crate) fn passed(self) -> bool {
        matches!(self, Ending::Exited(status) if status.success())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(status) if status.success() => f.write_str("ok"),
            Ending::Exited(status) => write!(f, "FAILED ({status})"),
            Ending::TimedOut => f.write_str("HUNG"),
            Ending::Interrupted => f.write_str("INTERRUPTED"),
        }
    }
}

/// Runs children under one set of rules.
#[derive(Debug)]
pub(crate) struct Runner {
    time_limit: Duration,
    /// Whether output is shown as it comes.
    verbose: bool,
    interrupted: Arc<AtomicBool>,
}

impl Runner {
    /// A runner that ends its child when we are asked to end.
    pub(crate) fn new(time_limit: Duration, verbose: bool) -> io::Result<Runner> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Runner {
            time_limit,
            verbose,
            interrupted,
        })
    }

    /// Runs `command`; returns how it ended and all it printed.
    pub(crate) fn run(&self, command: Command) -> io::Result<(Ending, String)> {
        self.run_within(command, self.time_limit)
    }

    /// Runs `command` with a time limit of its own.
    pub(crate) fn run_within(
        &self,
        mut command: Command,
        time_limit: Duration,
    ) -> io::Result<(Ending, String)> {
        let deadline = Instant::now() + time_limit;
        let (reader, writer) = io::pipe()?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let mut child = command.spawn()?;
        // Our copies of the pipe's writing end: reading must end when the child's copies are closed.
        drop(command);

        let lines = spawn_reader(reader);
        let mut output = String::new();
        let ending = self.watch(&mut child, deadline, &lines, &mut output)?;
        let closed = matches!(ending, Ending::Exited(_)) && self.drain(&lines, &mut output);
        if !closed {
            // The group holds a child that hangs, or what an ended child left running.
            kill_group(&child)?;
            child.wait()?;
            self.drain(&lines, &mut output);
        }
        Ok((ending, output))
    }

    fn watch(
        &self,
        child: &mut Child,
        deadline: Instant,
        lines: &Receiver<String>,
        output: &mut String,
    ) -> io::Result<Ending> {
        loop {
            match lines.recv_timeout(POLL) {
                Ok(line) => self.keep(&line, output),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(POLL),
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Ending::Exited(status));
            }
            // The flag guards no other data.
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(Ending::Interrupted);
            }
            if Instant::now() >= deadline {
                return Ok(Ending::TimedOut);
            }
        }
    }

    /// Takes the rest of the output; whether the pipe was closed within the grace period.
    fn drain(&self, lines: &Receiver<String>, output: &mut String) -> bool {
        let deadline = Instant::now() + GRACE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => self.keep(&line, output),
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    fn keep(&self, line: &str, output: &mut String) {
        if self.verbose {
            print!("{line}");
        }
        output.push_str(line);
    }
}

/// Reads lines, newline included, until the pipe is closed or nobody wants them.
fn spawn_reader(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
            line.clear();
        }
    });
    lines
}

/// Kills the child's process group. The shell does it, since the system call would need `unsafe`.
fn kill_group(child: &Child) -> io::Result<()> {
    let group = child.id();
    Command::new("sh")
        .args(["-c", &format!("kill -s KILL -- -{group}")])
        .stderr(Stdio::null())
        .status()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn run(time_limit: Duration, script: &str) -> (Ending, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let runner = Runner {
            time_limit,
            verbose: false,
            interrupted: Arc::default(),
        };
        runner.run(command).unwrap()
    }

    /// Waits until the process `id` is dead, which takes moments after a kill. A zombie is dead enough:
    /// whether anyone reaps it is not for us to say.
    fn assert_dies(id: &str) {
        let id: u32 = id.trim().parse().expect("the script prints a process id");
        let alive = format!("kill -0 {id} && ! grep -q '^State:.Z' /proc/{id}/status");
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            let mut probe = Command::new("sh");
            let probe = probe.args(["-c", &alive]).stderr(Stdio::null());
            if !probe.status().unwrap().success() {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("process {id} is still there");
    }

    #[test]
    fn both_outputs_are_captured_in_order() {
        let (ending, output) = run(LONG, "echo one; echo two >&2; printf three");
        assert!(ending.passed());
        assert_eq!(output, "one\ntwo\nthree");
    }

    #[test]
    fn a_failure_is_told_with_its_status() {
        let (ending, output) = run(LONG, "echo why; exit 3");
        assert!(!ending.passed());
        assert_eq!(ending.to_string(), "FAILED (exit status: 3)");
        assert_eq!(output, "why\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let runner = Runner::new(LONG, false).unwrap();
        assert!(runner.run(Command::new("/nowhere/to/be/found")).is_err());
    }

    #[test]
    fn a_child_that_hangs_is_killed_with_all_it_started() {
        let limit = Duration::from_secs(2);
        let start = Instant::now();
        let (ending, output) = run(limit, "sleep 600 & echo $!; sleep 600");
        assert_eq!(ending, Ending::TimedOut);
        assert!(start.elapsed() >= limit && start.elapsed() < LONG);
        assert_dies(&output);
    }

    #[test]
    fn what_a_child_leaves_running_does_not_hold_us_up() {
        let (ending, output) = run(LONG, "sleep 600 & echo $!");
        assert!(ending.passed());
        assert_dies(&output);
    }

    #[test]
    fn a_child_that_closes_its_output_is_waited_for() {
        let (ending, output) = run(LONG, "exec >&- 2>&-; sleep 0.1; exit 4");
        assert_eq!(ending.to_string(), "FAILED (exit status: 4)");
        assert_eq!(output, "");
    }

    #[test]
    fn an_interrupt_ends_the_child() {
        let runner = Runner {
            time_limit: LONG,
            verbose: false,
            interrupted: Arc::new(AtomicBool::new(true)),
        };
        let mut command = Command::new("sleep");
        command.arg("600");
        let (ending, _) = runner.run(command).unwrap();
        assert_eq!(ending, Ending::Interrupted);
    }
}
