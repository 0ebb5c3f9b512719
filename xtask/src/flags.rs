//! The flags of `cargo xtask ci`.

use std::time::Duration;

/// What `cargo xtask ci` was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The steps to run; all if empty.
    pub(crate) only: Vec<String>,
    /// Name the steps instead of running them.
    pub(crate) list: bool,
    /// Show the output of steps as it comes.
    pub(crate) verbose: bool,
    /// How long one step may take.
    pub(crate) time_limit: Duration,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            only: Vec::new(),
            list: false,
            verbose: false,
            time_limit: Duration::from_secs(600),
        }
    }
}

impl Flags {
    /// Reads `arguments`; `steps` are the names `--only` may give.
    ///
    /// # Errors
    ///
    /// One line that says which argument is wrong and what to write instead.
    pub(crate) fn parse(arguments: &[String], steps: &[&str]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            match flag.as_str() {
                "--list" => flags.list = true,
                "--verbose" => flags.verbose = true,
                "--only" => flags.only.extend(parse_steps(arguments.next(), steps)?),
                "--time-limit" => flags.time_limit = parse_seconds(arguments.next())?,
                _ => return Err(format!("ci has no flag `{flag}`; see `cargo xtask help`")),
            }
        }
        Ok(flags)
    }
}

fn parse_steps(value: Option<&String>, steps: &[&str]) -> Result<Vec<String>, String> {
    let value = value.map_or("", |value| value);
    let names: Vec<_> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !steps.contains(&name.as_str())) {
        None => Ok(names),
        Some(name) => Err(format!(
            "--only: there is no step `{name}`; name some of {}, with commas between",
            steps.join(", ")
        )),
    }
}

fn parse_seconds(value: Option<&String>) -> Result<Duration, String> {
    let seconds = value.and_then(|value| value.parse().ok());
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "--time-limit: give a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&arguments, &["fmt", "tidy", "docs"])
    }

    #[test]
    fn no_flags_mean_all_steps_quietly() {
        let flags = parse("").unwrap();
        assert_eq!(flags, Flags::default());
        assert!(flags.only.is_empty() && !flags.list && !flags.verbose);
    }

    #[test]
    fn flags_are_read_in_any_order() {
        let flags = parse("--verbose --only docs,fmt --list --time-limit 5 --only tidy").unwrap();
        assert_eq!(flags.only, ["docs", "fmt", "tidy"]);
        assert!(flags.list && flags.verbose);
        assert_eq!(flags.time_limit, Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_understood_is_named_with_a_way_out() {
        for (line, expected) in [
            (
                "--quick",
                "ci has no flag `--quick`; see `cargo xtask help`",
            ),
            (
                "--only fmt,lint",
                "--only: there is no step `lint`; name some of fmt, tidy, docs, with commas between",
            ),
            (
                "--only",
                "--only: there is no step ``; name some of fmt, tidy, docs, with commas between",
            ),
            (
                "--time-limit 0",
                "--time-limit: give a number of seconds above 0",
            ),
            (
                "--time-limit x",
                "--time-limit: give a number of seconds above 0",
            ),
            (
                "--time-limit",
                "--time-limit: give a number of seconds above 0",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), expected);
        }
    }
}
