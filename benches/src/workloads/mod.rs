//! The programs of `cargo xtask bench peers`, `scaling`, `latency` and `memory`: one per peer, the same work
//! for all.
//!
//! `PROGRAM ROW N` does the work that [`Job`] names `N` times; see [`crate::program`] for the command line,
//! the environment and the exit codes. `benches/go` holds Go's program, which keeps to the same rules.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`blocking`] | the work in terms of what [`blocking::Peer`] offers: gorge, may |
//! | [`gorge`], [`may`] | those two peers, and what only gorge does |
//! | [`tokio`] | the same work on tokio's tasks |
//! | [`latency`] | how soon somebody wakes, for gorge; tokio's is in [`tokio`] |
//! | [`usage`] | processor time, memory, percentiles |
//!
//! `pingpong`, `prodcons`, `mpmc` and `select` are rows of [`crate::channels`] too, and their code is there.
//! The clock starts before goroutines are started, except where a row is about those that are there already,
//! and stops when all have ended.

pub mod blocking;
pub mod gorge;
pub mod latency;
pub mod may;
pub mod tokio;
pub mod usage;

use crate::program::{Figures, Refusal, Unsupported, main, procs};
use std::process::ExitCode;
use std::time::Duration;

/// How many goroutines take turns at `yield`.
pub const YIELDERS: usize = 4;

/// How many goroutines contend for the lock of `mutex`.
pub const LOCKERS: usize = 8;

/// How many goroutines are started before they are awaited, in `spawn_batch`.
pub const BATCH: usize = 1000;

/// How many children a node of `skynet` has.
pub const FAN_OUT: u64 = 10;

/// What a command line asks for: `pairs_1000 N` is the work `pairs` of the size 1000, N times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// The work.
    pub name: &'a str,
    /// How many there are of what the work is about; 0 if the name does not say.
    pub size: usize,
    /// How often it is done. For `fib`, of which number.
    pub count: usize,
}

impl<'a> Job<'a> {
    /// The job called `row`.
    pub fn parse(row: &'a str, count: usize) -> Job<'a> {
        let parts = row.rsplit_once('_');
        let sized = parts.and_then(|(name, size)| Some((name, size.parse().ok()?)));
        let (name, size) = sized.unwrap_or((row, 0));
        Job { name, size, count }
    }

    /// That there is no such job.
    pub fn unknown(&self) -> Refusal {
        Refusal::Wrong(format!("there is no row `{}`", self.name))
    }

    /// The row of [`crate::channels`] that has this name.
    pub fn as_channel_row(&self) -> Option<crate::channels::Row> {
        let names = ["pingpong", "prodcons", "mpmc", "select"];
        let row = (self.size == 0 && names.contains(&self.name)).then_some(self.name)?;
        crate::channels::Row::parse(row, self.count)
    }
}

/// A program for a peer that runs on a number of workers.
pub fn on_workers(run: impl FnOnce(Job<'_>, usize) -> Result<Figures, Refusal>) -> ExitCode {
    main(|name, count| {
        let procs = procs()?;
        Ok((procs, run(Job::parse(name, count), procs)?))
    })
}

/// How long the sleeper of this number sleeps: 1 to 100 ms.
pub fn nap(number: usize) -> Duration {
    Duration::from_micros(1000 + number as u64 * 7919 % 99_000)
}

fn unsupported(reason: &'static str) -> Refusal {
    Unsupported(reason).into()
}

#[cfg(test)]
mod tests;
