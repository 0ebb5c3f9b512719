//! The command line: [`parse`] makes [`Options`] of it, or says what is wrong.

use std::ffi::{OsStr, OsString};
use std::fmt;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Usage: checksum [--jobs N] [--migrating] [--] PATH...
Prints the SHA-256 of every regular file at or below the PATHs, in the order of
their paths, in the format of sha256sum. Symbolic links are not followed.

  --jobs N     digest in N goroutines, 1 to 1024 (default: as many as run at once)
  --migrating  let goroutines move between threads
  --help       print this
  --           what follows are PATHs

GORGE_MAXPROCS sets how many goroutines run at once.
Exit status: 0 if all went well, 1 if something could not be read or written,
2 if nothing was tried because of a mistake in the command line.
";

const JOBS_MAX: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// How many goroutines digest; `None`: as many as run at once.
    pub(crate) jobs: Option<usize>,
    pub(crate) migrating: bool,
    pub(crate) paths: Vec<OsString>,
}

/// A mistake in the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    UnknownFlag(OsString),
    Jobs(OsString),
    JobsWithoutNumber,
    NoPath,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::UnknownFlag(flag) => write!(f, "there is no flag {flag:?}"),
            Misuse::Jobs(value) => {
                write!(
                    f,
                    "--jobs takes a number from 1 to {JOBS_MAX}, not {value:?}"
                )
            }
            Misuse::JobsWithoutNumber => f.write_str("--jobs takes a number"),
            Misuse::NoPath => f.write_str("no PATH is given"),
        }
    }
}

/// Reads the arguments, without the program's name. Flags may stand between
/// paths.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    let mut arguments = arguments.into_iter();
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_encoded_bytes() {
            b"--" => options.paths.extend(arguments.by_ref()),
            b"--help" | b"-h" => return Ok(Command::Help),
            b"--migrating" => options.migrating = true,
            b"--jobs" => {
                let value = arguments.next().ok_or(Misuse::JobsWithoutNumber)?;
                options.jobs = Some(jobs(&value)?);
            }
            [b'-', _, ..] => match argument
                .to_str()
                .and_then(|flag| flag.strip_prefix("--jobs="))
            {
                Some(value) => options.jobs = Some(jobs(OsStr::new(value))?),
                None => return Err(Misuse::UnknownFlag(argument)),
            },
            _ => options.paths.push(argument),
        }
    }
    if options.paths.is_empty() {
        return Err(Misuse::NoPath);
    }
    Ok(Command::Run(options))
}

fn jobs(value: &OsStr) -> Result<usize, Misuse> {
    match value.to_str().map(str::parse) {
        Some(Ok(jobs @ 1..=JOBS_MAX)) => Ok(jobs),
        _ => Err(Misuse::Jobs(value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Misuse> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn options(jobs: Option<usize>, migrating: bool, paths: &[&str]) -> Result<Command, Misuse> {
        let paths = paths.iter().map(OsString::from).collect();
        Ok(Command::Run(Options {
            jobs,
            migrating,
            paths,
        }))
    }

    #[test]
    fn flags_and_paths_come_in_any_order() {
        assert_eq!(parsed("a b"), options(None, false, &["a", "b"]));
        assert_eq!(
            parsed("a --jobs 3 b --migrating"),
            options(Some(3), true, &["a", "b"])
        );
        assert_eq!(parsed("--jobs=16 -"), options(Some(16), false, &["-"]));
        assert_eq!(parsed("a --help"), Ok(Command::Help));
    }

    #[test]
    fn a_double_dash_ends_the_flags() {
        assert_eq!(
            parsed("-- --jobs -- -x"),
            options(None, false, &["--jobs", "--", "-x"])
        );
        assert_eq!(parsed("--"), Err(Misuse::NoPath));
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(parsed(""), Err(Misuse::NoPath));
        assert_eq!(parsed("--jobs"), Err(Misuse::JobsWithoutNumber));
        for bad in ["0", "-1", "many", "1025", "1.5"] {
            assert_eq!(
                parsed(&format!("--jobs {bad} a")),
                Err(Misuse::Jobs(bad.into()))
            );
            assert_eq!(
                parsed(&format!("--jobs={bad} a")),
                Err(Misuse::Jobs(bad.into()))
            );
        }
        for bad in ["-x", "--job", "--jobsx", "--migrating=1"] {
            assert_eq!(parsed(bad), Err(Misuse::UnknownFlag(bad.into())));
        }
    }
}
