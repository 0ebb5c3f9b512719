//! `cargo xtask loom`: the models, which go through every interleaving of a few operations.
//!
//! Models are built with `--cfg gorge_loom`, which puts loom's atomics, cells and threads in the place
//! of the system's, and in release, since they take long. How many interleavings there are depends on
//! how often loom may take the processor from a thread that could go on: two times find almost all that
//! more would, in a fraction of the time.

#![allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]

use crate::Failure;
use crate::flags::Grammar;
use crate::line;
use crate::step::{Ending, Runner};
use crate::tally::{self, Tally};
use crate::workspace;
use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// How wide the names of crates are in our output.
const WIDTH: usize = 20;

const PREEMPTIONS: u64 = 2;
const RUSTFLAGS: &str = "--cfg gorge_loom";

/// Every crate with models, and where they are: the arguments of `cargo test` that choose them.
const MODELS: &[(&str, &str)] = &[
    ("gorge-channel", "--test loom"),
    ("gorge-runtime", "--lib loom::"),
    ("gorge-sync", "--lib loom::"),
];

/// Runs the models of the crates that `arguments` ask for.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let names: Vec<_> = MODELS.iter().map(|(name, _)| *name).collect();
    let grammar = Grammar {
        command: "loom",
        flags: &["--only", "--preemptions", "--time-limit"],
        noun: "crate with models",
        names: &names,
    };
    let flags = grammar.parse(arguments).map_err(Failure::Usage)?;
    let preemptions = flags.preemptions.unwrap_or(PREEMPTIONS);
    let runner = Runner::new(flags.time_limit, false)?;
    let mut all_passed = true;
    for (name, choice) in MODELS.iter().filter(|(name, _)| flags.wants(name)) {
        all_passed &= run_crate(root, &runner, preemptions, name, choice)?;
    }
    if all_passed {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

/// Builds and runs the models of one crate; whether they passed.
fn run_crate(
    root: &Path,
    runner: &Runner,
    preemptions: u64,
    name: &str,
    choice: &str,
) -> Result<bool, Failure> {
    print!("{}", line::dotted(name, WIDTH));
    io::stdout().flush()?;
    let build = cargo(root, preemptions, name, &format!("{choice} --no-run"));
    let (mut ending, mut output) = runner.run(build).inspect_err(|_| println!())?;
    // The line tells the time of the models alone.
    let start = Instant::now();
    if ending.passed() {
        let models = cargo(root, preemptions, name, choice);
        (ending, output) = runner.run(models).inspect_err(|_| println!())?;
    }
    let tests = Tally::of(&output);
    let found_none = ending.passed() && tests.passed == 0;
    let (label, note) = match (ending.passed(), found_none) {
        (_, true) => ("FAILED".to_owned(), "there are no models".to_owned()),
        (true, _) => ("ok".to_owned(), format!("{} models", tests.passed)),
        (false, _) => (ending.to_string(), tests.to_string()),
    };
    println!("{}", line::result(&label, start.elapsed(), &note));
    if ending == Ending::Interrupted {
        return Err(Failure::Interrupted);
    }
    let passed = ending.passed() && !found_none;
    if !passed {
        println!("\n{}\n", tally::without_passed_tests(&output).trim_end());
        println!("repeat it with: {}\n", repeat(preemptions, name, choice));
    }
    Ok(passed)
}

fn arguments(name: &str, choice: &str) -> String {
    format!("test --release --locked --target-dir target/loom -p {name} {choice}")
}

fn repeat(preemptions: u64, name: &str, choice: &str) -> String {
    let arguments = arguments(name, choice);
    format!("LOOM_MAX_PREEMPTIONS={preemptions} RUSTFLAGS=\"{RUSTFLAGS}\" cargo {arguments}")
}

fn cargo(root: &Path, preemptions: u64, name: &str, choice: &str) -> Command {
    let rustflags = match env::var("RUSTFLAGS") {
        Ok(inherited) => format!("{inherited} {RUSTFLAGS}"),
        Err(_) => RUSTFLAGS.to_owned(),
    };
    let mut cargo = workspace::cargo(root);
    cargo
        .args(arguments(name, choice).split(' '))
        .env("LOOM_MAX_PREEMPTIONS", preemptions.to_string())
        .env("RUSTFLAGS", rustflags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whether there is a `loom.rs` in or below `folder`.
    fn has_models(folder: &Path) -> bool {
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| {
            let path = entry.path();
            path.is_dir() && has_models(&path) || path.ends_with("loom.rs")
        })
    }

    #[test]
    fn the_table_has_every_crate_with_models() {
        let mut found = Vec::new();
        for library in crate::suite::libraries(&workspace::root()).unwrap() {
            let folder = workspace::root().join(&library.folder);
            if has_models(&folder.join("tests")) {
                found.push((library.name.clone(), "--test loom"));
            }
            if has_models(&folder.join("src")) {
                found.push((library.name, "--lib loom::"));
            }
        }
        found.sort();
        let table: Vec<_> = MODELS
            .iter()
            .map(|&(name, choice)| (name.to_owned(), choice))
            .collect();
        assert_eq!(table, found, "mend MODELS in xtask/src/loom.rs");
    }

    #[test]
    fn the_command_to_repeat_a_crate_has_its_settings() {
        assert_eq!(
            repeat(3, "gorge-sync", "--lib loom::"),
            "LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS=\"--cfg gorge_loom\" cargo test --release --locked \
             --target-dir target/loom -p gorge-sync --lib loom::"
        );
    }
}
