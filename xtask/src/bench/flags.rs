//! The flags of `cargo xtask bench`.

use super::peers::{self, Contestant, Setting};
use super::rows::{self, Row};
use std::time::Duration;

/// What a run was asked to do.
#[derive(Debug, PartialEq)]
pub(crate) struct Flags {
    /// How often every contestant does every row.
    pub(crate) rounds: usize,
    /// Names of rows, or parts of names; all rows if empty.
    rows: Vec<String>,
    /// The peers to run beside gorge; all if empty.
    peers: Vec<String>,
    /// What counts are multiplied with.
    pub(crate) scale: f64,
    /// Leave out what runs on goroutines or tasks.
    threads_only: bool,
    /// How long one run of one program may take.
    pub(crate) time_limit: Duration,
}

const ROUNDS: usize = 5;

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            rounds: ROUNDS,
            rows: Vec::new(),
            peers: Vec::new(),
            scale: 1.0,
            threads_only: false,
            time_limit: Duration::from_secs(60),
        }
    }
}

impl Flags {
    /// Reads `arguments`.
    ///
    /// # Errors
    ///
    /// One line that says which argument is wrong and what to write instead.
    pub(crate) fn parse(arguments: &[String]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_default();
            match flag {
                "--rounds" => flags.rounds = number(flag, value())?,
                "--rows" => flags.rows.extend(list(value())),
                "--peers" => flags.peers.extend(list(value())),
                "--scale" => flags.scale = scale(value())?,
                "--threads-only" => flags.threads_only = true,
                "--time-limit" => flags.time_limit = Duration::from_secs(number(flag, value())?),
                _ => {
                    return Err(format!(
                        "bench has no flag `{flag}`; see `cargo xtask help`"
                    ));
                }
            }
        }
        flags.check_peers()?;
        Ok(flags)
    }

    fn check_peers(&self) -> Result<(), String> {
        let names = peers::names();
        match self.peers.iter().find(|it| !names.contains(&it.as_str())) {
            None => Ok(()),
            Some(name) => Err(format!(
                "--peers: there is no peer `{name}`; name some of {}, with commas between",
                names.join(", ")
            )),
        }
    }

    /// Whether a run with these flags does all rows with all peers, often enough.
    pub(crate) fn leaves_out_nothing(&self) -> bool {
        self.rows.is_empty() && self.peers.is_empty() && !self.threads_only && self.rounds >= ROUNDS
    }

    /// The rows that a run does: a whole name means that row alone, a part of names all with it.
    pub(crate) fn wanted_rows(&self) -> Result<Vec<Row>, String> {
        let mut rows = rows::all();
        let is_name = |wanted: &String| rows.iter().any(|row| row.name == *wanted);
        let (names, parts): (Vec<_>, Vec<_>) = self.rows.iter().partition(|it| is_name(it));
        let unknown = parts
            .iter()
            .find(|part| !rows.iter().any(|row| row.name.contains(&***part)));
        if let Some(part) = unknown {
            return Err(format!(
                "--rows: there is no row with `{part}` in its name; see benches/src/channels/row.rs"
            ));
        }
        if !self.rows.is_empty() {
            rows.retain(|row| {
                names.contains(&&row.name) || parts.iter().any(|part| row.name.contains(&***part))
            });
        }
        Ok(rows)
    }

    /// Who takes part in a run: gorge in the settings in which it meets a peer.
    pub(crate) fn wanted_contestants(&self) -> Result<Vec<Contestant>, String> {
        let mut contestants = peers::all();
        contestants.retain(|it| {
            let is_named = self.peers.is_empty() || self.peers.iter().any(|name| name == it.peer);
            (it.is_gorge() || is_named) && (it.setting == Setting::Threads || !self.threads_only)
        });
        let named = contestants.clone();
        contestants.retain(|it| !it.is_gorge() || named.iter().any(|peer| it.meets(peer)));
        match contestants.is_empty() {
            false => Ok(contestants),
            true => Err("--threads-only: name a peer that runs on threads".to_owned()),
        }
    }
}

fn list(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(str::to_owned)
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(
    flag: &str,
    text: &str,
) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| format!("{flag}: give a number, 1 or more"))
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok();
    scale
        .filter(|scale: &f64| *scale > 0.0 && scale.is_finite())
        .ok_or_else(|| "--scale: give a number above 0, such as 0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&arguments)
    }

    fn row_names(line: &str) -> Vec<String> {
        let rows = parse(line).unwrap().wanted_rows().unwrap();
        rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn no_flags_mean_everything() {
        let flags = parse("").unwrap();
        assert_eq!(flags, Flags::default());
        assert!(flags.leaves_out_nothing());
        assert_eq!(flags.wanted_rows().unwrap(), rows::all());
        assert_eq!(flags.wanted_contestants().unwrap(), peers::all());
    }

    #[test]
    fn what_leaves_something_out_is_not_published() {
        for line in ["--rounds 4", "--rows mpmc", "--peers go", "--threads-only"] {
            assert!(!parse(line).unwrap().leaves_out_nothing(), "{line}");
        }
        assert!(
            parse("--rounds 9 --scale 0.2")
                .unwrap()
                .leaves_out_nothing()
        );
    }

    #[test]
    fn rows_are_picked_by_name_or_by_part_of_a_name() {
        assert_eq!(row_names("--rows mpmc,select"), ["mpmc", "select"]);
        assert_eq!(
            row_names("--rows unbounded_seq_"),
            [
                "unbounded_seq_empty",
                "unbounded_seq_usize",
                "unbounded_seq_big"
            ]
        );
        assert_eq!(
            row_names("--rows pong,bounded0_select"),
            ["pingpong", "bounded0_select_both", "bounded0_select_rx"]
        );
    }

    #[test]
    fn gorge_takes_part_where_it_meets_a_peer() {
        let names = |line| {
            let contestants = parse(line).unwrap().wanted_contestants()?;
            let names: Vec<_> = contestants.iter().map(Contestant::to_string).collect();
            Ok::<_, String>(names.join("; "))
        };
        assert_eq!(
            names("--threads-only --peers kanal,go").unwrap(),
            "gorge, threads; kanal, threads"
        );
        assert_eq!(
            names("--peers go").unwrap(),
            "gorge, homed, P=1; gorge, migrating, P=1; gorge, homed, P=2; gorge, migrating, P=2; \
             go, P=1; go, P=2"
        );
        assert_eq!(
            names("--threads-only --peers go").unwrap_err(),
            "--threads-only: name a peer that runs on threads"
        );
    }

    #[test]
    fn what_is_not_understood_is_named_with_a_way_out() {
        for (line, expected) in [
            (
                "--quick",
                "bench has no flag `--quick`; see `cargo xtask help`",
            ),
            ("--rounds 0", "--rounds: give a number, 1 or more"),
            ("--time-limit", "--time-limit: give a number, 1 or more"),
            ("--scale 0", "--scale: give a number above 0, such as 0.1"),
            ("--scale inf", "--scale: give a number above 0, such as 0.1"),
            (
                "--peers go,may",
                "--peers: there is no peer `may`; name some of go, tokio, flume-async, kanal-async, crossbeam, \
                 flume, kanal, with commas between",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), expected);
        }
        let error = parse("--rows pingpong,bing").unwrap().wanted_rows();
        assert!(error.unwrap_err().contains("`bing`"));
    }
}
