//! What all programs have in common: the command line, the environment, the line they print.
//!
//! | variable | says |
//! | --- | --- |
//! | `BENCH_PROCS` | how many workers to run on; one per processor if it is not set |
//! | `BENCH_PLACEMENT` | gorge's only: `homed` (if it is not set), `migrating` or `threads` |
//!
//! | exit code | means |
//! | --- | --- |
//! | 0 | the time is on standard output |
//! | 2 | the command line or the environment is wrong; standard error says how |
//! | 3 | the peer does not do this row; standard error says why |

use super::{Row, Unsupported};
use std::env;
use std::process::ExitCode;
use std::time::Duration;

/// A program for a peer that runs on threads.
pub fn on_threads(run: impl FnOnce(&Row) -> Result<Duration, Unsupported>) -> ExitCode {
    main(|row| Ok((0, run(row))))
}

/// A program for a peer that runs on a number of workers.
pub fn on_workers(run: impl FnOnce(&Row, usize) -> Result<Duration, Unsupported>) -> ExitCode {
    main(|row| {
        let procs = procs()?;
        Ok((procs, run(row, procs)))
    })
}

/// A program that finds out on what it runs: it returns the number of its workers, and the time.
pub fn main(
    run: impl FnOnce(&Row) -> Result<(usize, Result<Duration, Unsupported>), String>,
) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let outcome = parse(&arguments).and_then(|row| Ok((run(&row)?, row)));
    match outcome {
        Ok(((procs, Ok(time)), row)) => {
            let (name, count) = (&arguments[0], row.count);
            println!("{name} {procs} {count} -> {}", time.as_nanos());
            ExitCode::SUCCESS
        }
        Ok(((_, Err(Unsupported(reason))), _)) => {
            eprintln!("{reason}");
            ExitCode::from(3)
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The row that a command line names.
pub(super) fn parse(arguments: &[String]) -> Result<Row, String> {
    let [name, count] = arguments else {
        return Err("give a row and a number of messages".to_owned());
    };
    let count = count.parse().ok().filter(|count| count % 4 == 0);
    let count = count.ok_or("give a number of messages that is a multiple of four")?;
    Row::parse(name, count).ok_or_else(|| format!("there is no row `{name}`"))
}

/// How many workers to run on.
pub fn procs() -> Result<usize, String> {
    match env::var("BENCH_PROCS") {
        Err(_) => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Ok(text) => match text.parse() {
            Ok(procs) if procs > 0 => Ok(procs),
            _ => Err("BENCH_PROCS: give a number of workers".to_owned()),
        },
    }
}
