//! `cargo xtask layers`: the crates depend on each other only downwards, and are set up alike.
//!
//! [`LAYERS`] is the rule; dependencies of every kind keep to it, those of tests too, since a test that
//! reaches upwards ties the layers together just the same. [`read`] gathers what the rules look at,
//! [`check_workspace`] judges it without touching the disk.

use crate::finding::{Finding, Verdict};
use crate::workspace::{self, Package};
use std::fs;
use std::io;
use std::path::Path;

/// Every crate with those it stands on, from the bottom up.
///
/// A crate may depend on those it stands on, on those they stand on, and so forth; crates of which
/// neither stands on the other are neighbours and know nothing of each other. Xtask has a row because it
/// stands on nothing; other packages outside `crates/` may use what they like.
const LAYERS: &[(&str, &[&str])] = &[
    ("gorge-coroutine", &[]),
    ("gorge-runtime", &["gorge-coroutine"]),
    ("gorge-sync", &["gorge-runtime"]),
    ("gorge-channel", &["gorge-sync"]),
    ("gorge-patterns", &["gorge-channel"]),
    ("gorge-net", &["gorge-sync"]),
    ("gorge-hyper", &["gorge-channel", "gorge-net"]),
    ("gorge-pprof", &["gorge-channel", "gorge-net"]),
    ("gorge-debug", &["gorge-channel", "gorge-net"]),
    (
        "gorge",
        &[
            "gorge-patterns",
            "gorge-hyper",
            "gorge-pprof",
            "gorge-debug",
        ],
    ),
    ("xtask", &[]),
];

/// Everything the rules look at.
#[derive(Debug, Default)]
struct Workspace {
    packages: Vec<Package>,
    /// The names of the folders in `crates/`.
    crate_folders: Vec<String>,
    /// The text of `ARCHITECTURE.md`, if there is one.
    architecture: Option<String>,
    /// The text of the root module of gorge-patterns, if there is one.
    patterns: Option<String>,
}

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const PATTERNS: &str = "crates/gorge-patterns/src/lib.rs";

/// Checks the workspace at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Verdict> {
    let workspace = read(root)?;
    let scope = format!("{} crates", workspace.crate_folders.len());
    Ok(Verdict::new(scope, check_workspace(&workspace)))
}

fn read(root: &Path) -> io::Result<Workspace> {
    let mut crate_folders = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            crate_folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(Workspace {
        packages: workspace::packages(root)?,
        crate_folders,
        architecture: read_if_there(&root.join(ARCHITECTURE))?,
        patterns: read_if_there(&root.join(PATTERNS))?,
    })
}

fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    path.exists().then(|| fs::read_to_string(path)).transpose()
}

fn check_workspace(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members: Vec<_> = workspace.packages.iter().map(|it| &*it.name).collect();
    for package in &workspace.packages {
        findings.extend(check_dependencies(package, &members));
        findings.extend(check_name(package));
        findings.extend(check_inheritance(package));
    }
    findings.extend(check_architecture(workspace));
    findings.extend(check_patterns(workspace));
    findings
}

/// A crate has a row in the table and depends only on crates below it.
fn check_dependencies(package: &Package, members: &[&str]) -> Vec<Finding> {
    if !LAYERS.iter().any(|(name, _)| *name == package.name) {
        return check_is_outside(package).into_iter().collect();
    }
    let is_ours = |name| members.contains(&name) || name.starts_with("gorge");
    let dependencies = package.dependencies.iter();
    dependencies
        .filter(|it| is_ours(&it.name) && !stands_on(&package.name, &it.name))
        .map(|it| {
            let problem = format!("{} has the {} {}", package.name, it.kind, it.name);
            let below = listed_below(&package.name);
            let remedy = format!("it may depend only on layers below it: {below}");
            let line = line_of_dependency(&package.manifest, &it.name);
            at(package, line, problem, remedy)
        })
        .collect()
}

/// A package without a row in the table is not one of the crates.
fn check_is_outside(package: &Package) -> Option<Finding> {
    let problem = format!("{} is in no layer", package.name);
    let remedy = "add it to the layer table in xtask/src/layers.rs";
    let line = line_of(&package.manifest, "name");
    let is_crate = package.folder.starts_with("crates/");
    is_crate.then(|| at(package, line, problem, remedy))
}

/// Whether `lower` is below `upper`, by any number of layers.
fn stands_on(upper: &str, lower: &str) -> bool {
    let row = LAYERS.iter().find(|(name, _)| *name == upper);
    row.is_some_and(|(_, direct)| {
        let mut direct = direct.iter();
        direct.any(|name| *name == lower || stands_on(name, lower))
    })
}

fn listed_below(upper: &str) -> String {
    let names = LAYERS.iter().map(|(name, _)| *name);
    let below: Vec<_> = names.filter(|lower| stands_on(upper, lower)).collect();
    if below.is_empty() {
        return "there are none".to_owned();
    }
    below.join(", ")
}

/// A folder is named like the package in it.
fn check_name(package: &Package) -> Option<Finding> {
    let folder = package.folder.rsplit('/').next().unwrap_or_default();
    let problem = format!("the folder is {folder}, the package {}", package.name);
    let remedy = "give both the same name";
    let line = line_of(&package.manifest, "name");
    (folder != package.name).then(|| at(package, line, problem, remedy))
}

/// Edition, licence and lints come from the workspace.
fn check_inheritance(package: &Package) -> Vec<Finding> {
    let settings = [
        ("package", "edition.workspace = true"),
        ("package", "license.workspace = true"),
        ("lints", "workspace = true"),
    ];
    settings
        .iter()
        .filter(|(section, setting)| !section_holds(&package.manifest, section, setting))
        .map(|(section, setting)| {
            let problem = format!("[{section}] does not inherit from the workspace");
            let remedy = format!("write `{setting}` in it");
            let line = line_of(&package.manifest, &format!("[{section}]"));
            at(package, line, problem, remedy)
        })
        .collect()
}

/// Whether the section `[name]` of a manifest holds the line `wanted`.
fn section_holds(manifest: &str, name: &str, wanted: &str) -> bool {
    let header = format!("[{name}]");
    let lines = manifest.lines().map(str::trim);
    let section = lines.skip_while(|line| *line != header).skip(1);
    let mut section = section.take_while(|line| !line.starts_with('['));
    section.any(|line| line == wanted)
}

/// A finding in the manifest of `package`.
fn at(package: &Package, line: usize, problem: String, remedy: impl Into<String>) -> Finding {
    let path = format!("{}/Cargo.toml", package.folder);
    Finding::new(&path, line, problem, remedy)
}

/// The first line of a manifest that starts with `start`, or the first of all.
fn line_of(manifest: &str, start: &str) -> usize {
    let index = manifest.lines().position(|line| line.starts_with(start));
    index.map_or(1, |index| index + 1)
}

/// The first line of a manifest that mentions `name` among the dependencies.
fn line_of_dependency(manifest: &str, name: &str) -> usize {
    let is_header = |line: &str| line.starts_with('[') && line.contains("dependencies");
    let mut lines = (1..)
        .zip(manifest.lines())
        .skip_while(|(_, line)| !is_header(line));
    let found = lines.find(|(_, line)| mentions(line, name));
    found.map_or(1, |(number, _)| number)
}

/// The crate table of `ARCHITECTURE.md` has a row for every folder of `crates/`.
fn check_architecture(workspace: &Workspace) -> Vec<Finding> {
    let Some(text) = &workspace.architecture else {
        let remedy = "write it, with a table of the crates";
        return vec![Finding::new(
            ARCHITECTURE,
            1,
            "there is no such file",
            remedy,
        )];
    };
    let in_table = |name: &str| {
        text.lines()
            .filter_map(first_cell)
            .any(|cell| mentions(cell, name))
    };
    let folders = workspace.crate_folders.iter();
    folders
        .filter(|folder| !in_table(folder))
        .map(|folder| {
            let problem = format!("the crate table does not mention {folder}");
            Finding::new(ARCHITECTURE, 1, problem, "add a row that starts with it")
        })
        .collect()
}

/// The first cell of a line that is a table row.
fn first_cell(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('|')?.split('|').next()
}

/// Whether `name` stands in `text` as a name of its own: `gorge-sync` does not mention `gorge`.
fn mentions(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    text.split(|c| !is_name(c)).any(|word| word == name)
}

/// The patterns show that the layers below suffice: they contain no `unsafe`.
fn check_patterns(workspace: &Workspace) -> Option<Finding> {
    if !workspace
        .crate_folders
        .iter()
        .any(|name| name == "gorge-patterns")
    {
        return None;
    }
    let attribute = "#![forbid(unsafe_code)]";
    let text = workspace.patterns.as_deref().unwrap_or_default();
    let forbidden = text.lines().any(|line| line.trim() == attribute);
    let remedy = format!("add `{attribute}`");
    (!forbidden).then(|| Finding::new(PATTERNS, 1, "`unsafe` is not forbidden", remedy))
}

#[cfg(test)]
mod tests;
