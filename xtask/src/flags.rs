//! The flags of the commands that run things.
//!
//! All commands share one [`Flags`]; which of them a command takes, and what `--only` may name, is its
//! [`Grammar`].

use crate::sanitizer::Sanitizer;
use std::time::Duration;

/// What a command was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The steps or crates to run; all if empty.
    pub(crate) only: Vec<String>,
    /// Name the steps instead of running them.
    pub(crate) list: bool,
    /// Show the output of steps as it comes.
    pub(crate) verbose: bool,
    /// How long one step, or one test binary, may take.
    pub(crate) time_limit: Duration,
    /// How long stress goes on.
    pub(crate) seconds: Option<u64>,
    /// How often loom takes the processor from a thread that could go on.
    pub(crate) preemptions: Option<u64>,
    /// What to build the tests with.
    pub(crate) sanitizer: Option<Sanitizer>,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            only: Vec::new(),
            list: false,
            verbose: false,
            time_limit: Duration::from_secs(900),
            seconds: None,
            preemptions: None,
            sanitizer: None,
        }
    }
}

/// What may stand behind a command.
#[derive(Debug)]
pub(crate) struct Grammar<'a> {
    pub(crate) command: &'a str,
    /// The flags it takes.
    pub(crate) flags: &'a [&'a str],
    /// What `--only` names, such as `step`.
    pub(crate) noun: &'a str,
    /// The names `--only` may give.
    pub(crate) names: &'a [&'a str],
}

impl Grammar<'_> {
    /// Reads `arguments`.
    ///
    /// # Errors
    ///
    /// One line that says which argument is wrong and what to write instead.
    pub(crate) fn parse(&self, arguments: &[String]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let flag = flag.as_str();
            if !self.flags.contains(&flag) {
                let command = self.command;
                return Err(format!(
                    "{command} has no flag `{flag}`; see `cargo xtask help`"
                ));
            }
            let mut number = |least| parse_number(flag, arguments.next(), least);
            match flag {
                "--list" => flags.list = true,
                "--verbose" => flags.verbose = true,
                "--time-limit" => flags.time_limit = Duration::from_secs(number(1)?),
                "--seconds" => flags.seconds = Some(number(1)?),
                "--preemptions" => flags.preemptions = Some(number(0)?),
                "--sanitizer" => flags.sanitizer = Some(parse_sanitizer(arguments.next())?),
                _ => flags.only.extend(self.parse_names(arguments.next())?),
            }
        }
        Ok(flags)
    }

    fn parse_names(&self, value: Option<&String>) -> Result<Vec<String>, String> {
        let value = value.map_or("", |value| value);
        let names: Vec<_> = value.split(',').map(str::to_owned).collect();
        match names
            .iter()
            .find(|name| !self.names.contains(&name.as_str()))
        {
            None => Ok(names),
            Some(name) => Err(format!(
                "--only: there is no {} `{name}`; name some of {}, with commas between",
                self.noun,
                self.names.join(", ")
            )),
        }
    }
}

impl Flags {
    /// Whether `--only` lets this step or crate through.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}

fn parse_number(flag: &str, value: Option<&String>, least: u64) -> Result<u64, String> {
    let number = value.and_then(|value| value.parse().ok());
    number.filter(|number| *number >= least).ok_or_else(|| {
        let unit = match flag {
            "--preemptions" => "",
            _ => " of seconds",
        };
        format!("{flag}: give a number{unit}, {least} or more")
    })
}

fn parse_sanitizer(value: Option<&String>) -> Result<Sanitizer, String> {
    let found = Sanitizer::ALL
        .into_iter()
        .find(|it| Some(it.command()) == value.map(|it| &**it));
    found.ok_or_else(|| "--sanitizer: give tsan or asan".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[&str] = &[
        "--only",
        "--list",
        "--verbose",
        "--time-limit",
        "--seconds",
        "--preemptions",
        "--sanitizer",
    ];

    fn parse_with(flags: &[&str], line: &str) -> Result<Flags, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let grammar = Grammar {
            command: "ci",
            flags,
            noun: "step",
            names: &["fmt", "tidy", "docs"],
        };
        grammar.parse(&arguments)
    }

    fn parse(line: &str) -> Result<Flags, String> {
        parse_with(ALL, line)
    }

    #[test]
    fn no_flags_mean_all_steps_quietly() {
        let flags = parse("").unwrap();
        assert_eq!(flags, Flags::default());
        assert!(flags.wants("fmt") && !flags.list && !flags.verbose);
    }

    #[test]
    fn flags_are_read_in_any_order() {
        let flags = parse("--verbose --only docs,fmt --list --time-limit 5 --only tidy").unwrap();
        assert_eq!(flags.only, ["docs", "fmt", "tidy"]);
        assert!(flags.list && flags.verbose);
        assert_eq!(flags.time_limit, Duration::from_secs(5));
        let flags = parse("--sanitizer asan --seconds 7 --preemptions 0").unwrap();
        assert_eq!(flags.sanitizer, Some(Sanitizer::Address));
        assert_eq!((flags.seconds, flags.preemptions), (Some(7), Some(0)));
    }

    #[test]
    fn only_lets_through_what_it_names() {
        let flags = parse("--only tidy,docs").unwrap();
        assert!(flags.wants("tidy") && flags.wants("docs") && !flags.wants("fmt"));
    }

    #[test]
    fn a_command_takes_no_flags_of_another() {
        assert_eq!(
            parse_with(&["--only"], "--seconds 5").unwrap_err(),
            "ci has no flag `--seconds`; see `cargo xtask help`"
        );
    }

    #[test]
    fn what_is_not_understood_is_named_with_a_way_out() {
        let no_step = |name| {
            format!(
                "--only: there is no step `{name}`; name some of fmt, tidy, docs, with commas between"
            )
        };
        let no_seconds = |flag| format!("{flag}: give a number of seconds, 1 or more");
        for (line, expected) in [
            (
                "--quick",
                "ci has no flag `--quick`; see `cargo xtask help`".to_owned(),
            ),
            ("--only fmt,lint", no_step("lint")),
            ("--only", no_step("")),
            ("--time-limit 0", no_seconds("--time-limit")),
            ("--time-limit x", no_seconds("--time-limit")),
            ("--time-limit", no_seconds("--time-limit")),
            ("--seconds 0", no_seconds("--seconds")),
            (
                "--preemptions -1",
                "--preemptions: give a number, 0 or more".to_owned(),
            ),
            (
                "--sanitizer msan",
                "--sanitizer: give tsan or asan".to_owned(),
            ),
            ("--sanitizer", "--sanitizer: give tsan or asan".to_owned()),
        ] {
            assert_eq!(parse(line).unwrap_err(), expected);
        }
    }
}
