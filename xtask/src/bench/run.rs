//! Runs the contestants, row by row, round by round, all taking turns.

use super::flags::Flags;
use super::peers::Contestant;
use super::programs::Programs;
use super::rows::Row;
use super::statistics::Spread;
use crate::Failure;
use crate::line;
use crate::step::{Ending, Runner};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How wide the names of rows are in our output.
const WIDTH: usize = 28;

/// The exit code that says that a peer does not do a row.
const UNSUPPORTED: i32 = 3;

/// What came of one contestant's runs of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Nanoseconds per message, round by round.
    Times(Vec<f64>),
    /// The peer does not do this row, and why.
    Unsupported(String),
    /// A run failed, and how. What it had done before is worth nothing.
    Failed(String),
    /// There is no program to run.
    Missing,
}

/// What came of a row.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) row: Row,
    /// How many messages it sent, or round trips it made.
    pub(crate) count: u64,
    /// One per contestant.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Outcome {
    fn times(&self) -> &[f64] {
        match self {
            Outcome::Times(times) => times,
            _ => &[],
        }
    }

    /// The times per message, if there are any.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.times().iter().copied())
    }

    /// This one's times as multiples of `ours`, if both have any.
    pub(crate) fn ratio_to(&self, ours: &Outcome) -> Option<Spread> {
        Spread::of_ratios(self.times(), ours.times())
    }
}

/// Runs all `rows`, and prints a line for each.
#[allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]
pub(crate) fn run(
    runner: &Runner,
    programs: &Programs,
    contestants: &[Contestant],
    rows: &[Row],
    flags: &Flags,
) -> Result<Vec<Figures>, Failure> {
    let mut all = Vec::new();
    for row in rows {
        print!("{}", line::dotted(&row.name, WIDTH));
        io::stdout().flush()?;
        let start = Instant::now();
        let figures = run_row(runner, programs, contestants, row, flags);
        let figures = figures.inspect_err(|_| println!())?;
        println!("{}", figures.line(contestants, start.elapsed()));
        all.push(figures);
    }
    Ok(all)
}

fn run_row(
    runner: &Runner,
    programs: &Programs,
    contestants: &[Contestant],
    row: &Row,
    flags: &Flags,
) -> Result<Figures, Failure> {
    let mut figures = Figures {
        row: row.clone(),
        count: row.scaled(flags.scale),
        outcomes: vec![Outcome::Times(Vec::new()); contestants.len()],
    };
    for _ in 0..flags.rounds {
        for (contestant, outcome) in contestants.iter().zip(&mut figures.outcomes) {
            // Who has failed once would fail again, maybe after a minute.
            let Outcome::Times(times) = outcome else {
                continue;
            };
            let attempt = match programs.path(contestant.peer) {
                Some(path) => Attempt {
                    path,
                    contestant,
                    row: &row.name,
                    count: figures.count,
                    limit: flags.time_limit,
                },
                None => {
                    *outcome = Outcome::Missing;
                    continue;
                }
            };
            match attempt.run(runner)? {
                Ok(time) => times.push(time),
                Err(other) => *outcome = other,
            }
        }
    }
    Ok(figures)
}

impl Figures {
    /// What our output says of the row: the time it took, what failed, and gorge's first figure.
    fn line(&self, contestants: &[Contestant], time: Duration) -> String {
        let both = || contestants.iter().zip(&self.outcomes);
        let failed = both().filter(|(_, it)| matches!(it, Outcome::Failed(_)));
        let failed: Vec<_> = failed.map(|(who, _)| who.to_string()).collect();
        let ours = both().find_map(|(who, it)| Some((who, it.spread()?)));
        let mut note = ours.map_or(String::new(), |(who, spread)| {
            format!("{who}: {:.0} ns", spread.median)
        });
        if !failed.is_empty() {
            note += &format!("; failed: {}", failed.join("; "));
        }
        let label = if failed.is_empty() { "ok" } else { "FAILED" };
        line::result(label, time, &note)
    }
}

/// One run of one program.
struct Attempt<'a> {
    path: &'a Path,
    contestant: &'a Contestant,
    row: &'a str,
    count: u64,
    limit: Duration,
}

impl Attempt<'_> {
    /// Nanoseconds per message, or what came instead.
    fn run(&self, runner: &Runner) -> Result<Result<f64, Outcome>, Failure> {
        let mut command = Command::new(self.path);
        command.args([self.row, &self.count.to_string()]);
        command.envs(self.contestant.environment());
        let (ending, output) = runner.run_within(command, self.limit)?;
        match ending {
            Ending::Interrupted => Err(Failure::Interrupted),
            ending => Ok(self.judge(ending, &output)),
        }
    }

    fn judge(&self, ending: Ending, output: &str) -> Result<f64, Outcome> {
        let reason = || output.lines().next().unwrap_or_default().trim().to_owned();
        match ending {
            Ending::Exited(status) if status.code() == Some(UNSUPPORTED) => {
                Err(Outcome::Unsupported(reason()))
            }
            Ending::TimedOut => {
                let limit = self.limit.as_secs();
                Err(Outcome::Failed(format!("did not end within {limit} s")))
            }
            ending if !ending.passed() => Err(Outcome::Failed(format!("{ending}: {}", reason()))),
            _ => self.read(output).map_err(Outcome::Failed),
        }
    }

    /// Nanoseconds per message, from the line that a program prints.
    fn read(&self, output: &str) -> Result<f64, String> {
        let asked = format!(
            "{} {} {}",
            self.row,
            self.contestant.setting.procs(),
            self.count
        );
        let said = output.lines().find_map(|line| line.split_once(" -> "));
        let (done, time) = said.ok_or("it did not print a time")?;
        if done != asked {
            return Err(format!("it did `{done}`, not `{asked}`"));
        }
        let time: u64 = time.parse().map_err(|_| format!("`{time}` is no time"))?;
        Ok(time as f64 / self.count as f64)
    }
}

#[cfg(test)]
mod tests;
