//! The programs for channels: a row of theirs, and its time; see [`crate::program`] for the rest.

use super::{Row, Unsupported};
use crate::program::{self, Figures, Refusal};
use std::process::ExitCode;
use std::time::Duration;

/// A program for a peer that runs on threads.
pub fn on_threads(run: impl FnOnce(&Row) -> Result<Duration, Unsupported>) -> ExitCode {
    main(|row| Ok((0, run(row)?)))
}

/// A program for a peer that runs on a number of workers.
pub fn on_workers(run: impl FnOnce(&Row, usize) -> Result<Duration, Unsupported>) -> ExitCode {
    main(|row| {
        let procs = program::procs()?;
        Ok((procs, run(row, procs)?))
    })
}

/// A program that finds out on what it runs: it returns the number of its workers, and the time.
pub fn main(run: impl FnOnce(&Row) -> Result<(usize, Duration), Refusal>) -> ExitCode {
    program::main(|name, count| {
        let (procs, time) = run(&parse(name, count)?)?;
        Ok((procs, Figures::of_time(time)))
    })
}

/// The row called `name` with so many messages.
pub(super) fn parse(name: &str, count: usize) -> Result<Row, String> {
    if !count.is_multiple_of(4) {
        return Err("give a number of messages that is a multiple of four".to_owned());
    }
    Row::parse(name, count).ok_or_else(|| format!("there is no row `{name}`"))
}
