//! `cargo xtask bench SUITE`: the peers' programs and ours, interleaved, and what comes of it.
//!
//! The data goes one way: a [`suite`] has sections of [`rows`] and of the [`peers`] that do them; [`flags`]
//! take out of it what is not wanted; [`programs`] builds what is to be run; [`run`](mod@run) runs it, with all
//! contestants taking turns, so that what the machine does besides hits all of them; [`statistics`] makes
//! ratios of times, and [`targets`] says which of them are enough; [`report`], [`charts`] and [`figures`] write
//! them down, with what [`host`] knows of the machine and the versions.
//!
//! The suites are in [`suites`]. Their programs keep to the same command line, that of benches/src/program.rs.
//! [`criterion`] is no suite: it runs the criterion benches, with and without link-time optimisation.

mod charts;
mod criterion;
mod figures;
mod flags;
mod host;
mod peers;
mod programs;
mod report;
mod rows;
mod run;
mod statistics;
mod suite;
mod suites;
mod targets;

use crate::Failure;
use crate::step::Runner;
use flags::Flags;
use host::Host;
use programs::Programs;
use report::Report;
use std::fs;
use std::path::{Path, PathBuf};
use suite::Suite;

/// Where everything goes that is not for everybody to read: Go's program, and the report of a run that left
/// something out.
fn work_folder(root: &Path) -> PathBuf {
    root.join("target/bench")
}

/// Runs the suite that `arguments` name.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let (name, arguments) = match arguments {
        [name, arguments @ ..] => (name.as_str(), arguments),
        [] => ("", arguments),
    };
    if name == "criterion" {
        return criterion::run(root, arguments);
    }
    match suites::named(name) {
        Some(suite) => run_suite(root, suite, arguments),
        None => Err(Failure::Usage(format!(
            "bench: name a suite, one of {}, criterion, such as `cargo xtask bench peers`",
            suites::NAMES.join(", ")
        ))),
    }
}

fn run_suite(root: &Path, mut suite: Suite, arguments: &[String]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments).map_err(Failure::Usage)?;
    flags.narrow(&mut suite).map_err(Failure::Usage)?;
    let runner = Runner::new(flags.time_limit, false)?;
    fs::create_dir_all(work_folder(root))?;
    let programs = Programs::build(root, &runner, suite.programs, &suite.contestants())?;
    let host = Host::look(root, &programs);
    print!("{host}");

    let sections = suite.sections.iter();
    let figures: Result<Vec<_>, _> = sections
        .map(|section| run::run(&runner, &programs, section, &flags))
        .collect();
    let figures = figures?;
    let page = match flags.leaves_out_nothing() {
        true => root.join(suite.page),
        false => work_folder(root).join(format!("{}.md", suite.name)),
    };
    let charts: Result<Vec<_>, _> = suite
        .sections
        .iter()
        .zip(&figures)
        .map(|(section, figures)| charts::draw(&suite, section, figures, &page))
        .collect();
    let report = Report {
        host: &host,
        flags: &flags,
        programs: &programs,
        suite: &suite,
        figures: &figures,
        charts: &charts?,
        others: &others(&suite, &page),
    };
    fs::write(&page, report.to_string())?;
    if let Some(path) = &flags.json {
        fs::write(path, format!("{:#}\n", figures::json(&report)))?;
    }
    print!("\n{}", report.summary());
    println!("the report: {}", page.display());
    Ok(())
}

/// The reports of the other suites that lie beside `page`, by title.
fn others(suite: &Suite, page: &Path) -> Vec<(&'static str, String)> {
    let others = suites::NAMES.iter().filter(|name| **name != suite.name);
    let found = others.filter_map(|name| {
        let other = suites::named(name)?;
        let file = Path::new(other.page).file_name()?;
        let is_there = page.with_file_name(file).exists();
        is_there.then(|| (other.title, file.to_string_lossy().into_owned()))
    });
    found.collect()
}
