//! `cargo xtask bench criterion`: the criterion benches with and without link-time optimisation.
//!
//! A function that is only fast because the linker saw through a crate's boundary is slow for whoever builds
//! without that, which is the default. So each bench runs in both profiles, and one that is much faster with
//! optimisation at link time is flagged: something on its path wants `#[inline]`.

use super::host::Host;
use super::programs::Programs;
use super::statistics::Spread;
use super::work_folder;
use crate::Failure;
use crate::line;
use crate::step::{Ending, Runner};
use crate::workspace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many times slower a bench may be without link-time optimisation.
const MOST: f64 = 1.3;

/// How long building all benches of a profile, or running those of a file, may take.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// The profiles: cargo's name for each, and ours. That of cargo's `bench` is the default without it.
const PROFILES: [(&str, &str); 2] = [("bench", "plain"), ("bench-lto", "fat")];

/// What a run was asked to do.
#[derive(Debug, PartialEq)]
struct Flags {
    /// Bench files; all if empty.
    only: Vec<String>,
    /// How often every bench runs in each profile, by turns.
    rounds: usize,
    /// How long each bench is measured; criterion's choice if nothing.
    seconds: Option<f64>,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            only: Vec::new(),
            rounds: 3,
            seconds: None,
        }
    }
}

impl Flags {
    fn parse(arguments: &[String]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(flag) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            match flag {
                "--only" if !value.is_empty() => {
                    flags.only.extend(value.split(',').map(str::to_owned));
                }
                "--only" => return Err("--only: name a file of benches/benches".to_owned()),
                "--rounds" => {
                    let rounds = value.parse().ok().filter(|it: &usize| *it > 0);
                    let message = || "--rounds: give a number, 1 or more".to_owned();
                    flags.rounds = rounds.ok_or_else(message)?;
                }
                "--seconds" => {
                    let seconds = value
                        .parse()
                        .ok()
                        .filter(|it: &f64| *it > 0.0 && it.is_finite());
                    let message = || "--seconds: give a number above 0, such as 0.5".to_owned();
                    flags.seconds = Some(seconds.ok_or_else(message)?);
                }
                _ => {
                    return Err(format!(
                        "bench criterion has no flag `{flag}`; see `cargo xtask help`"
                    ));
                }
            }
        }
        Ok(flags)
    }

    fn check_names(&self, root: &Path) -> Result<(), String> {
        let names = bench_names(root).map_err(|error| error.to_string())?;
        match self.only.iter().find(|name| !names.contains(name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "--only: there is no bench `{name}`; name some of {}, with commas between",
                names.join(", ")
            )),
        }
    }
}

fn bench_names(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("benches/benches"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Runs the benches in both profiles, and prints the ratios.
pub(super) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments).map_err(Failure::Usage)?;
    flags.check_names(root).map_err(Failure::Usage)?;
    let runner = Runner::new(LIMIT, false)?;
    print!("{}", Host::look(root, &Programs::default()));
    let bench = Bench {
        root,
        runner: &runner,
        flags: &flags,
    };
    let files = match flags.only.is_empty() {
        true => bench_names(root)?,
        false => flags.only.clone(),
    };
    // All is built before anything is measured, so that the two of a pair follow each other.
    for profile in PROFILES {
        bench.cargo(profile, "build", &files, &["--no-run"])?;
    }
    let table = table(&bench.measure_all(&files)?);
    print!("\n{table}");
    let path = work_folder(root).join("criterion.md");
    fs::write(&path, format!("# Criterion benches\n\n{table}"))?;
    println!("the report: {}", path.display());
    Ok(())
}

/// The times of each bench, by its full name.
type Rows = BTreeMap<String, Row>;

/// A bench of a file: its nanoseconds in each profile, round by round.
#[derive(Debug, Default, PartialEq)]
struct Row {
    file: String,
    plain: Vec<f64>,
    fat: Vec<f64>,
}

impl Row {
    /// How much longer it takes without LTO, pair by pair.
    fn ratio(&self) -> Option<Spread> {
        Spread::of_ratios(&self.plain, &self.fat)
    }

    fn is_above(&self) -> bool {
        self.ratio().is_some_and(|ratio| ratio.median > MOST)
    }
}

/// How to run the benches.
struct Bench<'a> {
    root: &'a Path,
    runner: &'a Runner,
    flags: &'a Flags,
}

impl Bench<'_> {
    /// Runs all benches, the two of a pair one after the other; then twice as often again those that are
    /// above the limit: a machine that slows down for seconds makes some seem so.
    fn measure_all(&self, files: &[String]) -> Result<Rows, Failure> {
        let mut rows = Rows::new();
        for file in files {
            for _ in 0..self.flags.rounds {
                self.measure(file, None, &mut rows)?;
            }
        }
        for file in files {
            let above = rows
                .iter()
                .filter(|(_, row)| row.file == *file && row.is_above());
            let names: Vec<_> = above.map(|(name, _)| regex_of(name)).collect();
            if names.is_empty() {
                continue;
            }
            let filter = format!("^({})$", names.join("|"));
            for _ in 0..2 * self.flags.rounds {
                self.measure(file, Some(&filter), &mut rows)?;
            }
        }
        Ok(rows)
    }

    /// Runs the benches of a file in both profiles, and adds their times.
    fn measure(&self, file: &str, filter: Option<&str>, rows: &mut Rows) -> Result<(), Failure> {
        for profile in PROFILES {
            // Results of a run before would be taken for those of this one.
            let home = home(self.root, profile);
            if home.exists() {
                fs::remove_dir_all(&home)?;
            }
            fs::create_dir_all(&home)?;
            let seconds = self.flags.seconds;
            let seconds = seconds.map(|it| [it.to_string(), (it / 2.0).to_string()]);
            let mut arguments = vec!["--", "--noplot"];
            if let Some([measurement, warm_up]) = &seconds {
                arguments.extend(["--measurement-time", measurement]);
                arguments.extend(["--warm-up-time", warm_up, "--sample-size", "10"]);
            }
            arguments.extend(filter);
            self.cargo(
                profile,
                &format!("run {file}"),
                &[file.to_owned()],
                &arguments,
            )?;
            for (name, time) in times(&home)? {
                let row = rows.entry(name).or_default();
                file.clone_into(&mut row.file);
                match profile == PROFILES[0] {
                    true => row.plain.push(time),
                    false => row.fat.push(time),
                }
            }
        }
        Ok(())
    }

    /// Runs `cargo bench` for files in one profile, with further arguments, and prints a line.
    fn cargo(
        &self,
        profile: (&str, &str),
        step: &str,
        files: &[String],
        arguments: &[&str],
    ) -> Result<(), Failure> {
        let mut cargo = workspace::cargo(self.root);
        cargo.args(["bench", "--locked", "--package", "benches"]);
        cargo.args(["--no-default-features", "--profile", profile.0]);
        for file in files {
            cargo.args(["--bench", file]);
        }
        cargo.args(arguments);
        cargo.env("CRITERION_HOME", home(self.root, profile));
        let name = format!("{step}, {}", profile.1);
        print!("{}", line::dotted(&name, 28));
        io::Write::flush(&mut io::stdout())?;
        let (ending, output) = self.runner.run(cargo).inspect_err(|_| println!())?;
        println!(" {ending}");
        match ending {
            Ending::Interrupted => Err(Failure::Interrupted),
            ending if ending.passed() => Ok(()),
            _ => {
                println!("\n{}", output.trim_end());
                Err(Failure::Reported)
            }
        }
    }
}

/// Where criterion keeps the results of a profile.
fn home(root: &Path, profile: (&str, &str)) -> PathBuf {
    work_folder(root).join("criterion").join(profile.1)
}

/// The medians of all benches whose results lie below `folder`.
fn times(folder: &Path) -> io::Result<BTreeMap<String, f64>> {
    let mut times = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") {
            let read = |name: &str| -> io::Result<Value> {
                Ok(serde_json::from_str(&fs::read_to_string(path.join(name))?)?)
            };
            let (benchmark, estimates) = (read("benchmark.json")?, read("estimates.json")?);
            let median = estimates["median"]["point_estimate"].as_f64();
            if let (Some(name), Some(median)) = (benchmark["full_id"].as_str(), median) {
                times.insert(name.to_owned(), median);
            }
        } else {
            times.extend(self::times(&path)?);
        }
    }
    Ok(times)
}

/// A pattern that matches just this name.
fn regex_of(name: &str) -> String {
    let escape = |c: char| match c.is_ascii_punctuation() {
        true => vec!['\\', c],
        false => vec![c],
    };
    name.chars().flat_map(escape).collect()
}

/// Both times of each bench, and the ratio pair by pair; how many are above the limit is told below the table.
fn table(rows: &Rows) -> String {
    let mut table = "| bench | plain, ns | with LTO, ns | ratio | |\n".to_owned();
    table += "| --- | --: | --: | --: | --- |\n";
    let median = |times: &[f64]| Spread::of(times.iter().copied()).map_or(0.0, |it| it.median);
    let mut above = 0;
    for (name, row) in rows {
        let (ours, theirs) = (median(&row.plain), median(&row.fat));
        let Some(Spread { low, median, high }) = row.ratio() else {
            let _ = writeln!(table, "| {name} | {ours:.1} | – | – | not run with LTO |");
            continue;
        };
        above += usize::from(row.is_above());
        let flag = if row.is_above() { "**above**" } else { "" };
        let _ = writeln!(
            table,
            "| {name} | {ours:.1} | {theirs:.1} | {median:.2} ({low:.2}–{high:.2}) | {flag} |"
        );
    }
    let _ = match above {
        0 => writeln!(
            table,
            "\nNo bench is more than {MOST} times slower without LTO."
        ),
        _ => writeln!(
            table,
            "\n{above} are more than {MOST} times slower without LTO."
        ),
    };
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&arguments)
    }

    #[test]
    fn benches_are_picked_by_the_name_of_their_file() {
        let flags = parse("--only spawn,yielding --seconds 0.5").unwrap();
        assert_eq!(flags.only, ["spawn", "yielding"]);
        assert_eq!(flags.seconds, Some(0.5));
        assert_eq!(flags.check_names(&workspace::root()), Ok(()));
        let unknown = parse("--only swap")
            .unwrap()
            .check_names(&workspace::root());
        assert!(
            unknown
                .unwrap_err()
                .starts_with("--only: there is no bench `swap`; name some of")
        );
        for line in ["--only", "--seconds 0", "--seconds", "--quick"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_much_faster_with_lto_is_flagged() {
        let row = |plain: &[f64], fat: &[f64]| Row {
            file: "letters".to_owned(),
            plain: plain.to_vec(),
            fat: fat.to_vec(),
        };
        let rows = [
            ("a", row(&[12.9, 50.0, 12.9], &[10.0, 10.0, 10.0])),
            ("b", row(&[14.0], &[10.0])),
            ("c", row(&[1.0], &[])),
        ];
        let table = table(&rows.map(|(name, row)| (name.to_owned(), row)).into());
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| a | 12.9 | 10.0 | 1.29 (1.29–5.00) |  |",
                "| b | 14.0 | 10.0 | 1.40 (1.40–1.40) | **above** |",
                "| c | 1.0 | – | – | not run with LTO |",
                "",
                "1 are more than 1.3 times slower without LTO.",
            ]
        );
    }

    #[test]
    fn a_pattern_for_a_name_has_nothing_special_in_it() {
        assert_eq!(regex_of("a/b, 2"), r"a\/b\, 2");
    }

    #[test]
    fn results_are_found_by_the_names_of_benches() {
        let folder = std::env::temp_dir().join(format!("xtask-criterion-{}", std::process::id()));
        let new = folder.join("spawn/homed/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id": "spawn/homed"}"#).unwrap();
        let estimates = r#"{"median": {"point_estimate": 12.5}}"#;
        fs::write(new.join("estimates.json"), estimates).unwrap();
        let found = times(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, BTreeMap::from([("spawn/homed".to_owned(), 12.5)]));
    }
}
