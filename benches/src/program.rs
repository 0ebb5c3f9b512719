//! What all programs of `cargo xtask bench` have in common: the command line, the environment, what
//! they print.
//!
//! `PROGRAM ROW N` does the work that `ROW` names `N` times, and prints a line for each figure:
//! `ROW P N -> NANOSECONDS` for the time that it took, `ROW.NAME P N -> VALUE` for another one. `P` is
//! the number of workers, 0 for plain threads.
//!
//! | variable | says |
//! | --- | --- |
//! | `BENCH_PROCS` | how many workers to run on; one per processor if it is not set |
//! | `BENCH_PLACEMENT` | gorge's only: `homed` (if it is not set), `migrating` or `threads` |
//!
//! | exit code | means |
//! | --- | --- |
//! | 0 | the figures are on standard output |
//! | 2 | the command line or the environment is wrong; standard error says how |
//! | 3 | the peer does not do this row; standard error says why |

use std::env;
use std::process::ExitCode;
use std::time::Duration;

/// Why a peer does not do a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported(pub &'static str);

/// Why there are no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The command line or the environment is wrong.
    Wrong(String),
    /// The peer does not do this row.
    Unsupported(Unsupported),
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal::Wrong(message)
    }
}

impl From<Unsupported> for Refusal {
    fn from(unsupported: Unsupported) -> Refusal {
        Refusal::Unsupported(unsupported)
    }
}

/// What was measured: names that stand behind the row's, with a dot, and values. The time it took has
/// no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(pub Vec<(&'static str, u64)>);

impl Figures {
    /// The time alone.
    pub fn of_time(time: Duration) -> Figures {
        Figures::default().and("", nanoseconds(time))
    }

    /// With one more.
    pub fn and(mut self, name: &'static str, value: u64) -> Figures {
        self.0.push((name, value));
        self
    }
}

/// A duration in nanoseconds.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("less than centuries")
}

/// A program. `run` gets the row's name and the count; it returns the number of its workers and the figures.
pub fn main(run: impl FnOnce(&str, usize) -> Result<(usize, Figures), Refusal>) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let outcome = parse(&arguments)
        .map_err(Refusal::Wrong)
        .and_then(|(name, count)| Ok((name, count, run(name, count)?)));
    match outcome {
        Ok((name, count, (procs, figures))) => {
            for (figure, value) in figures.0 {
                let dot = if figure.is_empty() { "" } else { "." };
                println!("{name}{dot}{figure} {procs} {count} -> {value}");
            }
            ExitCode::SUCCESS
        }
        Err(Refusal::Unsupported(Unsupported(reason))) => {
            eprintln!("{reason}");
            ExitCode::from(3)
        }
        Err(Refusal::Wrong(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The row's name and the count of a command line.
pub(crate) fn parse(arguments: &[String]) -> Result<(&str, usize), String> {
    let [name, count] = arguments else {
        return Err("give a row and a count".to_owned());
    };
    let count = count.parse().ok().filter(|count| *count > 0);
    Ok((name, count.ok_or("give a count that is a number above 0")?))
}

/// How many workers to run on.
///
/// # Errors
///
/// If the environment says something else than a number.
pub fn procs() -> Result<usize, String> {
    match env::var("BENCH_PROCS") {
        Err(_) => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Ok(text) => match text.parse() {
            Ok(procs) if procs > 0 => Ok(procs),
            _ => Err("BENCH_PROCS: give a number of workers".to_owned()),
        },
    }
}
