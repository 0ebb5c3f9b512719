//! `cargo xtask instructions`: how many instructions the core operations take, against a checked-in file.
//!
//! A machine that is busy with something else finds the same as one that is not: valgrind counts. Each
//! operation is done N times and 2 N times, and the difference divided by N, which leaves out what it takes to
//! start and end the program. The counts repeat to well below a per cent; a change beyond [`BAND`] is a finding,
//! in either direction: what became cheaper is written down too, so that it stays so.
//!
//! A compiler or a C library of another version makes other instructions. So both are in the file, and where
//! they differ nothing is compared, which is said. The same goes for a machine without valgrind.

use crate::Failure;
use crate::finding::{Finding, Verdict};
use crate::step::{Ending, Runner};
use crate::workspace;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The file with the counts, from the root.
const FILE: &str = "benches/instructions/counts.toml";

/// What `--update` writes above the counts.
const HEADER: &str = "\
# Instructions per operation, on one worker; `cargo xtask instructions --update` writes them. Those of another
# compiler, C library or processor architecture are not compared with these.
";

/// The operations of benches/instructions, and how often each is done.
const OPERATIONS: &[(&str, u64)] = &[
    ("yield", 20_000),
    ("spawn_join", 10_000),
    ("park_unpark", 20_000),
    ("rendezvous", 20_000),
    ("buffered", 20_000),
    ("select_3", 10_000),
    ("mutex", 50_000),
    ("sleep", 10_000),
    ("blocking", 20_000),
    ("try_recv", 50_000),
    ("batch", 10_000),
    ("batch_group", 10_000),
];

/// By how much a count may differ, as a part of it.
const BAND: f64 = 0.05;

/// And by how many instructions: one more is much of a mutex.
const SLACK: f64 = 2.0;

/// How often an operation is counted that seems to have changed: what the monitor does to a worker that valgrind
/// holds up can show in a run, once in some ten.
const TRIES: usize = 3;

/// How long building the program, and counting once, may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What counts are valid for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    rustc: String,
    libc: String,
    architecture: String,
}

/// What the file holds.
#[derive(Debug, PartialEq)]
struct Counts {
    origin: Origin,
    /// Instructions by operation.
    operations: BTreeMap<String, f64>,
}

/// The command: checks, or with `--update` writes the file anew.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => crate::report(&check(root)?),
        ["--update"] => update(root),
        [first, ..] => Err(Failure::Usage(format!(
            "instructions takes nothing but `--update`, so leave out `{first}`"
        ))),
    }
}

/// Compares the counts with those of the file.
pub(crate) fn check(root: &Path) -> io::Result<Verdict> {
    let kept = Counts::read(&fs::read_to_string(root.join(FILE))?)?;
    let left_out = |why: &str| Verdict::new(format!("LEFT OUT: {why}"), Vec::new());
    if !has_valgrind() {
        return Ok(left_out("there is no valgrind on the PATH"));
    }
    let origin = Origin::of_this_machine();
    if origin != kept.origin {
        let Origin {
            rustc,
            libc,
            architecture,
        } = &kept.origin;
        return Ok(left_out(&format!(
            "{FILE} is for {rustc}, {libc}, {architecture}"
        )));
    }
    let counter = Counter::build(root)?;
    let mut found = BTreeMap::new();
    for &(name, times) in OPERATIONS {
        let expected = kept.operations.get(name).copied();
        let is_fine = |count| expected.is_none_or(|expected| is_near(expected, count));
        let count = counter.count(name, times, is_fine)?;
        found.insert(name.to_owned(), count);
    }
    let findings = findings(&kept.operations, &found);
    Ok(Verdict::new(
        format!("{} operations", found.len()),
        findings,
    ))
}

fn update(root: &Path) -> Result<(), Failure> {
    if !has_valgrind() {
        let message = "instructions: there is no valgrind on the PATH".to_owned();
        return Err(Failure::Usage(message));
    }
    let counter = Counter::build(root)?;
    let mut operations = BTreeMap::new();
    for &(name, times) in OPERATIONS {
        let count = counter.count(name, times, |_| false)?;
        operations.insert(name.to_owned(), count);
    }
    let counts = Counts {
        origin: Origin::of_this_machine(),
        operations,
    };
    let text = counts.write();
    fs::write(root.join(FILE), &text)?;
    print!("{text}");
    Ok(())
}

fn has_valgrind() -> bool {
    let output = Command::new("valgrind").arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

impl Origin {
    fn of_this_machine() -> Origin {
        let printed = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output().ok();
            let output = output.filter(|output| output.status.success());
            let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
            text.unwrap_or_else(|| "unknown".to_owned())
        };
        Origin {
            rustc: printed("rustc", "--version"),
            libc: printed("getconf", "GNU_LIBC_VERSION"),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }
}

impl Counts {
    /// Reads the text of the file: lines of `name = value`, values of text in quotes.
    fn read(text: &str) -> io::Result<Counts> {
        let lines = text.lines().filter(|line| !line.starts_with(['#', '[']));
        let pairs: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, value)| (name, value.trim_matches('"')))
            .collect();
        let field = |name: &str| match pairs.get(name) {
            Some(value) => Ok((*value).to_owned()),
            None => Err(io::Error::other(format!("{FILE} has no `{name}`"))),
        };
        let known = |name: &str| OPERATIONS.iter().any(|(known, _)| *known == name);
        let operations = pairs.iter().filter(|(name, _)| known(name));
        let operations =
            operations.filter_map(|(name, it)| Some(((*name).to_owned(), it.parse().ok()?)));
        Ok(Counts {
            origin: Origin {
                rustc: field("rustc")?,
                libc: field("libc")?,
                architecture: field("architecture")?,
            },
            operations: operations.collect(),
        })
    }

    fn write(&self) -> String {
        let Origin {
            rustc,
            libc,
            architecture,
        } = &self.origin;
        let mut text = format!(
            "{HEADER}rustc = \"{rustc}\"\nlibc = \"{libc}\"\narchitecture = \"{architecture}\"\n\n[instructions]\n"
        );
        for (name, _) in OPERATIONS {
            if let Some(count) = self.operations.get(*name) {
                let _ = writeln!(text, "{name} = {count:.1}");
            }
        }
        text
    }
}

fn is_near(kept: f64, found: f64) -> bool {
    (found - kept).abs() <= (kept * BAND).max(SLACK)
}

/// What differs by more than it may, or is in one place only.
fn findings(kept: &BTreeMap<String, f64>, found: &BTreeMap<String, f64>) -> Vec<Finding> {
    let remedy = "mend it, or write it down with `cargo xtask instructions --update` and say why in the commit";
    let mut findings = Vec::new();
    for (name, found) in found {
        let problem = match kept.get(name) {
            None => format!("{name} is not in the file; it takes {found:.1} instructions"),
            Some(kept) if is_near(*kept, *found) => continue,
            Some(kept) => {
                let per_cent = (found / kept - 1.0) * 100.0;
                format!("{name} takes {found:.1} instructions, not {kept:.1} ({per_cent:+.1} %)")
            }
        };
        findings.push(Finding::new(FILE, 1, problem, remedy));
    }
    findings
}

/// The program, and what runs it.
struct Counter {
    runner: Runner,
    program: PathBuf,
}

impl Counter {
    fn build(root: &Path) -> io::Result<Counter> {
        let runner = Runner::new(LIMIT, false)?;
        let mut cargo = workspace::cargo(root);
        cargo.args(["build", "--release", "--locked"]);
        cargo.args(["--package", "instructions"]);
        cargo.arg("--message-format=json-render-diagnostics");
        let output = output_of(&runner, cargo)?;
        let program = workspace::executable(&output, "instructions");
        let unknown = || io::Error::other("cargo does not say where `instructions` is");
        Ok(Counter {
            program: program.ok_or_else(unknown)?,
            runner,
        })
    }

    /// Instructions of an operation, from runs that do it so many times and runs with twice as many: the least
    /// of each, because what comes in between only adds. It is tried again unless `is_fine`.
    fn count(&self, name: &str, times: u64, is_fine: impl Fn(f64) -> bool) -> io::Result<f64> {
        let (mut once, mut twice) = (u64::MAX, u64::MAX);
        let mut count = 0.0;
        for _ in 0..TRIES {
            once = once.min(self.count_run(name, times)?);
            twice = twice.min(self.count_run(name, 2 * times)?);
            count = (twice as f64 - once as f64) / times as f64;
            if is_fine(count) {
                break;
            }
        }
        Ok(count)
    }

    /// How many instructions the program executes that does the operation so many times.
    fn count_run(&self, name: &str, times: u64) -> io::Result<u64> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(&self.program).args([name, &times.to_string()]);
        let output = output_of(&self.runner, valgrind)?;
        collected(&output).ok_or_else(|| {
            let reason = format!("valgrind did not count:\n{}", output.trim_end());
            io::Error::other(reason)
        })
    }
}

/// The number behind `Collected :`, in what callgrind prints.
fn collected(output: &str) -> Option<u64> {
    let (_, rest) = output.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What `command` prints, if it ends well.
fn output_of(runner: &Runner, command: Command) -> io::Result<String> {
    let (ending, output) = runner.run(command)?;
    match ending {
        ending if ending.passed() => Ok(output),
        Ending::Interrupted => Err(io::Error::other("interrupted")),
        ending => Err(io::Error::other(format!("{ending}\n{}", output.trim_end()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let counts = Counts {
            origin: Origin {
                rustc: "rustc 1.95.0 (59807616e 2026-04-14)".to_owned(),
                libc: "glibc 2.36".to_owned(),
                architecture: "x86_64".to_owned(),
            },
            operations: counts(&[("yield", 80.5), ("mutex", 9.0)]),
        };
        assert_eq!(Counts::read(&counts.write()).unwrap(), counts);
        assert!(Counts::read("rustc = \"1\"\n").is_err());
    }

    #[test]
    fn every_operation_is_in_the_file_of_this_repository() {
        let text = fs::read_to_string(workspace::root().join(FILE)).unwrap();
        let counts = Counts::read(&text).unwrap();
        assert!(text.starts_with(HEADER));
        assert_eq!(counts.operations.len(), OPERATIONS.len());
    }

    #[test]
    fn what_differs_by_more_than_the_band_is_found() {
        let kept = counts(&[("yield", 100.0), ("mutex", 10.0), ("sleep", 100.0)]);
        let found = counts(&[("yield", 104.9), ("mutex", 12.0), ("sleep", 95.1)]);
        assert_eq!(findings(&kept, &found), []);
        let found = counts(&[("yield", 105.5), ("sleep", 94.0), ("try_recv", 3.0)]);
        let findings = findings(&kept, &found);
        let problems: Vec<_> = findings.iter().map(|it| &*it.problem).collect();
        assert_eq!(
            problems,
            [
                "sleep takes 94.0 instructions, not 100.0 (-6.0 %)",
                "try_recv is not in the file; it takes 3.0 instructions",
                "yield takes 105.5 instructions, not 100.0 (+5.5 %)",
            ]
        );
    }

    #[test]
    fn the_count_is_read_from_what_callgrind_prints() {
        let output = "==7== Events    : Ir\n==7== Collected : 2864241\n==7==\n";
        assert_eq!(collected(output), Some(2_864_241));
        assert_eq!(collected("==7== nothing"), None);
    }
}
