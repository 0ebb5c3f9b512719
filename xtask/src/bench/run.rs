//! Runs the contestants, row by row, round by round, all taking turns.

use super::flags::Flags;
use super::peers::Contestant;
use super::programs::Programs;
use super::rows::{Part, Row};
use super::statistics::Spread;
use super::suite::Section;
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
    /// Values, round by round: nanoseconds per operation, if nothing else is said.
    Times(Vec<f64>),
    /// The peer does not do this row, and why.
    Unsupported(String),
    /// A run failed, and how. What it had done before is worth nothing.
    Failed(String),
    /// There is no program to run.
    Missing,
}

/// What came of one part of a row.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) row: Row,
    pub(crate) part: &'static Part,
    /// How often it was done, by those that can do it as often as is wanted.
    pub(crate) count: u64,
    /// One per contestant.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Outcome {
    pub(crate) fn times(&self) -> &[f64] {
        match self {
            Outcome::Times(times) => times,
            _ => &[],
        }
    }

    /// The values' spread, if there are any.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.times().iter().copied())
    }

    /// This one's times as multiples of `ours`, if both have any.
    pub(crate) fn ratio_to(&self, ours: &Outcome) -> Option<Spread> {
        Spread::of_ratios(self.times(), ours.times())
    }
}

/// Runs all rows of a section, and prints a line for each.
#[allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]
pub(crate) fn run(
    runner: &Runner,
    programs: &Programs,
    section: &Section,
    flags: &Flags,
) -> Result<Vec<Figures>, Failure> {
    let mut all = Vec::new();
    for row in &section.rows {
        print!("{}", line::dotted(&row.name, WIDTH));
        io::stdout().flush()?;
        let start = Instant::now();
        let figures = run_row(runner, programs, &section.contestants, row, flags);
        let figures = figures.inspect_err(|_| println!())?;
        if let Some(first) = figures.first() {
            println!("{}", first.line(&section.contestants, start.elapsed()));
        }
        all.extend(figures);
    }
    Ok(all)
}

/// Runs a row; returns a figure for each of its parts.
fn run_row(
    runner: &Runner,
    programs: &Programs,
    contestants: &[Contestant],
    row: &Row,
    flags: &Flags,
) -> Result<Vec<Figures>, Failure> {
    let nothing = || vec![Outcome::Times(Vec::new()); contestants.len()];
    let empty = |part| Figures {
        row: row.clone(),
        part,
        count: row.count.argument(flags.scale),
        outcomes: nothing(),
    };
    let mut all: Vec<_> = row.parts.iter().map(empty).collect();
    for _ in 0..flags.rounds {
        for (at, contestant) in contestants.iter().enumerate() {
            // Who has failed once would fail again, maybe after a minute.
            if !matches!(all[0].outcomes[at], Outcome::Times(_)) {
                continue;
            }
            let outcome = match programs.path(contestant.peer) {
                Some(path) => Attempt {
                    path,
                    contestant,
                    row,
                    argument: row.argument(contestant.peer, flags.scale),
                    limit: flags.time_limit,
                }
                .run(runner, programs.pinned_to())?,
                None => Err(Outcome::Missing),
            };
            record(&mut all, at, outcome);
        }
    }
    Ok(all)
}

/// Adds what came of a run of the contestant at `at`.
fn record(all: &mut [Figures], at: usize, outcome: Result<Vec<f64>, Outcome>) {
    match outcome {
        Ok(values) => {
            for (figures, value) in all.iter_mut().zip(values) {
                if let Outcome::Times(times) = &mut figures.outcomes[at] {
                    times.push(value);
                }
            }
        }
        Err(other) => {
            for figures in all {
                figures.outcomes[at] = other.clone();
            }
        }
    }
}

impl Figures {
    /// The row's name, and which part of it this is.
    pub(crate) fn name(&self) -> String {
        match self.part.label {
            "" => self.row.name.clone(),
            label => format!("{}, {label}", self.row.name),
        }
    }

    /// What our output says of the row: the time it took, what failed, and gorge's first figure.
    fn line(&self, contestants: &[Contestant], time: Duration) -> String {
        let both = || contestants.iter().zip(&self.outcomes);
        let failed = both().filter(|(_, it)| matches!(it, Outcome::Failed(_)));
        let failed: Vec<_> = failed.map(|(who, _)| who.to_string()).collect();
        let ours = both().find_map(|(who, it)| Some((who, it.spread()?)));
        let mut note = ours.map_or(String::new(), |(who, spread)| {
            format!("{who}: {:.0}", spread.median)
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
    row: &'a Row,
    /// What the program is told behind the row's name.
    argument: u64,
    limit: Duration,
}

impl Attempt<'_> {
    /// A value for each of the row's parts, or what came instead.
    fn run(
        &self,
        runner: &Runner,
        pinned_to: Result<&str, &str>,
    ) -> Result<Result<Vec<f64>, Outcome>, Failure> {
        let mut command = match (self.contestant.pinned, pinned_to) {
            (false, _) => Command::new(self.path),
            (true, Ok(processor)) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processor]).arg(self.path);
                command
            }
            (true, Err(reason)) => return Ok(Err(Outcome::Unsupported(reason.to_owned()))),
        };
        command.args([&self.row.name, &self.argument.to_string()]);
        command.envs(self.contestant.environment());
        let (ending, output) = runner.run_within(command, self.limit)?;
        match ending {
            Ending::Interrupted => Err(Failure::Interrupted),
            ending => Ok(self.judge(ending, &output)),
        }
    }

    fn judge(&self, ending: Ending, output: &str) -> Result<Vec<f64>, Outcome> {
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
            _ => {
                let parts = self.row.parts.iter();
                let values: Result<_, _> = parts.map(|part| self.read(output, part)).collect();
                values.map_err(Outcome::Failed)
            }
        }
    }

    /// The value of a part, from the lines that a program prints.
    fn read(&self, output: &str, part: &Part) -> Result<f64, String> {
        let procs = self.contestant.setting.procs();
        let dot = if part.name.is_empty() { "" } else { "." };
        let name = format!("{}{dot}{}", self.row.name, part.name);
        let asked = format!("{name} {procs} {}", self.argument);
        let said = || output.lines().filter_map(|line| line.split_once(" -> "));
        let found = said().find(|(done, _)| *done == asked);
        let Some((_, value)) = found else {
            return Err(match said().next() {
                None => "it did not print a time".to_owned(),
                Some((done, _)) => format!("it did `{done}`, not `{asked}`"),
            });
        };
        let value: u64 = value.parse().map_err(|_| format!("`{value}` is no time"))?;
        let operations = match part.is_sum {
            true => self.row.count.operations(self.argument),
            false => 1,
        };
        Ok(value as f64 / operations as f64)
    }
}

#[cfg(test)]
mod tests;
