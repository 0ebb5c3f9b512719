//! The flags of `cargo xtask bench`.

use super::peers::Contestant;
use super::suite::{Section, Suite};
use std::path::PathBuf;
use std::time::Duration;

/// What a run was asked to do.
#[derive(Debug, PartialEq)]
pub(crate) struct Flags {
    /// How often every contestant does every row.
    pub(crate) rounds: usize,
    /// Names of rows, or parts of names; all rows if empty.
    pub(crate) rows: Vec<String>,
    /// The peers to run beside gorge; all if empty.
    peers: Vec<String>,
    /// What counts are multiplied with.
    pub(crate) scale: f64,
    /// Leave out what runs on goroutines or tasks.
    threads_only: bool,
    /// How long one run of one program may take.
    pub(crate) time_limit: Duration,
    /// Where to write the figures for machines, if anywhere.
    pub(crate) json: Option<PathBuf>,
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
            json: None,
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
                "--only" | "--rows" => flags.rows.extend(list(value())),
                "--peers" => flags.peers.extend(list(value())),
                "--scale" => flags.scale = scale(value())?,
                "--threads-only" => flags.threads_only = true,
                "--time-limit" => flags.time_limit = Duration::from_secs(number(flag, value())?),
                "--json" => flags.json = Some(file(flag, value())?),
                _ => {
                    return Err(format!(
                        "bench has no flag `{flag}`; see `cargo xtask help`"
                    ));
                }
            }
        }
        Ok(flags)
    }

    /// Whether a run with these flags does all rows with all peers, often enough.
    pub(crate) fn leaves_out_nothing(&self) -> bool {
        self.rows.is_empty() && self.peers.is_empty() && !self.threads_only && self.rounds >= ROUNDS
    }

    /// Takes out of `suite` what is not wanted.
    ///
    /// # Errors
    ///
    /// If a flag names what is not there, or leaves nothing over.
    pub(crate) fn narrow(&self, suite: &mut Suite) -> Result<(), String> {
        self.check_peers(suite)?;
        self.narrow_rows(suite)?;
        for section in &mut suite.sections {
            self.narrow_contestants(section);
        }
        suite
            .sections
            .retain(|section| !section.rows.is_empty() && !section.contestants.is_empty());
        match suite.sections.is_empty() {
            false => Ok(()),
            true => Err("--threads-only: name a peer that runs on threads".to_owned()),
        }
    }

    fn check_peers(&self, suite: &Suite) -> Result<(), String> {
        let contestants = suite.contestants();
        let mut names: Vec<_> = contestants.iter().map(|it| it.peer).collect();
        names.dedup();
        names.retain(|name| *name != super::peers::GORGE);
        match self.peers.iter().find(|it| !names.contains(&it.as_str())) {
            None => Ok(()),
            Some(name) => Err(format!(
                "--peers: there is no peer `{name}`; name some of {}, with commas between",
                names.join(", ")
            )),
        }
    }

    /// Keeps the wanted rows: a whole name means that row alone, a part of names all with it.
    fn narrow_rows(&self, suite: &mut Suite) -> Result<(), String> {
        let is_name = |wanted: &&String| suite.rows().any(|row| row.name == **wanted);
        let (names, parts): (Vec<_>, Vec<_>) = self.rows.iter().partition(is_name);
        let is_in = |part: &String| suite.rows().any(|row| row.name.contains(&**part));
        if let Some(part) = parts.iter().find(|part| !is_in(part)) {
            return Err(format!(
                "--only: there is no row with `{part}` in its name; see xtask/src/bench/suites"
            ));
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        for section in &mut suite.sections {
            section.rows.retain(|row| {
                names.contains(&&row.name) || parts.iter().any(|part| row.name.contains(&***part))
            });
        }
        Ok(())
    }

    /// Keeps those who take part: gorge in the settings in which it meets a peer.
    fn narrow_contestants(&self, section: &mut Section) {
        section.contestants.retain(|it| {
            let is_named = self.peers.is_empty() || self.peers.iter().any(|name| name == it.peer);
            (it.is_gorge() || is_named) && (it.setting.procs() == 0 || !self.threads_only)
        });
        let named: Vec<Contestant> = section.contestants.clone();
        section
            .contestants
            .retain(|it| !it.is_gorge() || named.iter().any(|peer| it.meets(peer)));
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

fn file(flag: &str, text: &str) -> Result<PathBuf, String> {
    match text.is_empty() {
        false => Ok(PathBuf::from(text)),
        true => Err(format!("{flag}: name a file")),
    }
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
    use crate::bench::suites;

    fn parse(line: &str) -> Result<Flags, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&arguments)
    }

    fn narrowed(line: &str) -> Result<Suite, String> {
        let mut suite = suites::named("channels").unwrap();
        parse(line)?.narrow(&mut suite)?;
        Ok(suite)
    }

    fn row_names(line: &str) -> Vec<String> {
        let suite = narrowed(line).unwrap();
        suite.rows().map(|row| row.name.clone()).collect()
    }

    #[test]
    fn no_flags_mean_everything() {
        let flags = parse("").unwrap();
        assert_eq!(flags, Flags::default());
        assert!(flags.leaves_out_nothing());
        let whole = suites::named("channels").unwrap();
        assert_eq!(narrowed("").unwrap().sections, whole.sections);
    }

    #[test]
    fn what_leaves_something_out_is_not_published() {
        for line in ["--rounds 4", "--only mpmc", "--peers go", "--threads-only"] {
            assert!(!parse(line).unwrap().leaves_out_nothing(), "{line}");
        }
        let line = "--rounds 9 --scale 0.2 --json figures.json";
        assert!(parse(line).unwrap().leaves_out_nothing());
    }

    #[test]
    fn rows_are_picked_by_name_or_by_part_of_a_name() {
        assert_eq!(row_names("--only mpmc,select"), ["mpmc", "select"]);
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
            let contestants = narrowed(line)?.contestants();
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
            ("--json", "--json: name a file"),
            (
                "--peers go,may",
                "--peers: there is no peer `may`; name some of go, tokio, flume-async, kanal-async, crossbeam, \
                 flume, kanal, with commas between",
            ),
        ] {
            assert_eq!(narrowed(line).unwrap_err(), expected);
        }
        let error = narrowed("--only pingpong,bing").unwrap_err();
        assert!(error.contains("`bing`"));
    }
}
