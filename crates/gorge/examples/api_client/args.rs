//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: api_client [OPTION..] CALL..
  CALL              HOST:PORT, to be resolved, or a file, to be read
  --per-second N    calls of any kind per second (default 10)
  --per-minute N    calls of any kind per minute (default 300)
  --disk N          files per second (default 100)
  --network N       addresses per second (default 100)
  --at-once N       calls at the same time (default 8)
  --timeout S       seconds for all of them (default: no end)";

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Read(PathBuf),
    Resolve(String),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) per_second: u32,
    pub(crate) per_minute: u32,
    pub(crate) disk: u32,
    pub(crate) network: u32,
    pub(crate) at_once: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) calls: Vec<Call>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            per_second: 10,
            per_minute: 300,
            disk: 100,
            network: 100,
            at_once: 8,
            timeout: None,
            calls: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--per-second" => options.per_second = positive(&value()?)?,
                "--per-minute" => options.per_minute = positive(&value()?)?,
                "--disk" => options.disk = positive(&value()?)?,
                "--network" => options.network = positive(&value()?)?,
                "--at-once" => options.at_once = positive(&value()?)?,
                "--timeout" => {
                    let seconds = number::<f64>(&value()?)?;
                    let timeout = Duration::try_from_secs_f64(seconds);
                    options.timeout = Some(timeout.map_err(|error| error.to_string())?);
                }
                option if option.starts_with("--") => return Err(format!("no option {option}")),
                _ => options.calls.push(Call::of(argument)),
            }
        }
        if options.calls.is_empty() {
            return Err("no calls".to_owned());
        }
        Ok(options)
    }
}

impl Call {
    fn of(argument: String) -> Call {
        let port = argument
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(_)) => Call::Resolve(argument),
            _ => Call::Read(argument.into()),
        }
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is no such number"))
}

fn positive(text: &str) -> Result<u32, String> {
    match number(text)? {
        0 => Err("a limit of zero admits nothing".to_owned()),
        number => Ok(number),
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Read(path) => write!(f, "read {}", path.display()),
            Call::Resolve(address) => write!(f, "resolve {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_calls_may_be_mixed() {
        let options = parse("a.txt --disk 3 localhost:80 --timeout 0.5 b:c").expect("it is fine");
        assert_eq!(
            (options.disk, options.timeout),
            (3, Some(Duration::from_millis(500)))
        );
        let calls: Vec<_> = options.calls.iter().map(Call::to_string).collect();
        assert_eq!(calls, ["read a.txt", "resolve localhost:80", "read b:c"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, problem) in [
            ("", "no calls"),
            ("--disk", "--disk needs a value"),
            ("--disk x a", "x is no such number"),
            ("--disk 0 a", "a limit of zero admits nothing"),
            ("--bogus a", "no option --bogus"),
        ] {
            assert_eq!(parse(line).unwrap_err(), problem);
        }
        assert!(parse("--timeout -1 a").is_err());
    }
}
