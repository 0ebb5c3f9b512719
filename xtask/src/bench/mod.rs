//! `cargo xtask bench SUITE`: the peers' programs and ours, interleaved, and what comes of it.
//!
//! The data goes one way: [`flags`] say which of the [`rows`] to run and on which of the [`peers`];
//! [`programs`] builds what is to be run; [`run`](mod@run) runs it, with all contestants taking turns, so that
//! what the machine does besides hits all of them; [`statistics`] makes ratios of times; [`report`] writes
//! them down, with what [`host`] knows of the machine and the versions.
//!
//! There is one suite so far, the channels. Another one is another list of rows and another set of
//! programs that keep to the same command line: `PROGRAM ROW N` prints `ROW P N -> NANOSECONDS`.

mod flags;
mod host;
mod peers;
mod programs;
mod report;
mod rows;
mod run;
mod statistics;

use crate::Failure;
use crate::step::Runner;
use flags::Flags;
use host::Host;
use programs::Programs;
use report::Report;
use std::fs;
use std::path::{Path, PathBuf};

/// What a full run writes, for everybody to read.
const PUBLISHED: &str = "docs/benchmarks.md";

/// Where everything else goes: Go's program, and the report of a run that left something out.
fn work_folder(root: &Path) -> PathBuf {
    root.join("target/bench")
}

/// Runs the suite that `arguments` name.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [suite, arguments @ ..] if suite == "channels" => channels(root, arguments),
        _ => Err(Failure::Usage(
            "bench: name a suite, such as `cargo xtask bench channels`".to_owned(),
        )),
    }
}

fn channels(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments).map_err(Failure::Usage)?;
    let rows = flags.wanted_rows().map_err(Failure::Usage)?;
    let contestants = flags.wanted_contestants().map_err(Failure::Usage)?;
    let runner = Runner::new(flags.time_limit, false)?;
    fs::create_dir_all(work_folder(root))?;
    let programs = Programs::build(root, &runner, &contestants)?;
    let host = Host::look(root, &programs);
    print!("{host}");

    let figures = run::run(&runner, &programs, &contestants, &rows, &flags)?;
    let report = Report {
        host: &host,
        flags: &flags,
        programs: &programs,
        contestants: &contestants,
        figures: &figures,
    };
    let path = match flags.leaves_out_nothing() {
        true => root.join(PUBLISHED),
        false => work_folder(root).join("benchmarks.md"),
    };
    fs::write(&path, report.to_string())?;
    print!("\n{}", report.summary());
    println!("the report: {}", path.display());
    Ok(())
}
