//! The test binaries of the library crates, built by cargo and run by us.
//!
//! `cargo test` would run them too, but one after the other to the first that fails, and with the same
//! limits and options for all. So cargo only builds: it tells where each binary lies, and [`build`]
//! reads that.

#![allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]

use crate::Failure;
use crate::flags::Flags;
use crate::line;
use crate::sanitizer::Sanitizer;
use crate::step::{Ending, Runner};
use crate::workspace::{self, Package};
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// How wide the names of test binaries are in our output.
pub(crate) const WIDTH: usize = 34;

/// One test binary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) package: String,
    /// The file in `tests/` without its ending, or `lib`.
    pub(crate) target: String,
    pub(crate) executable: PathBuf,
    /// The folder of its package, where cargo runs it.
    pub(crate) folder: PathBuf,
}

impl Binary {
    /// What we call it: `gorge-runtime stress`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.package, self.target)
    }

    /// What its files are called: `gorge-runtime-stress`.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}", self.package, self.target)
    }
}

/// The packages in `crates/`: the libraries, without our own tools.
pub(crate) fn libraries(root: &Path) -> io::Result<Vec<Package>> {
    let mut packages = workspace::packages(root)?;
    packages.retain(|package| Path::new(&package.folder).starts_with("crates"));
    Ok(packages)
}

/// How to build a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) release: bool,
    pub(crate) sanitizer: Option<Sanitizer>,
}

/// Builds the test binaries of the libraries that `flags` want, and prints a line.
pub(crate) fn build(
    root: &Path,
    runner: &Runner,
    flags: &Flags,
    profile: Profile,
) -> Result<Vec<Binary>, Failure> {
    let mut packages = libraries(root)?;
    packages.retain(|package| flags.wants(&package.name));
    let command = command(root, &packages, profile)?;
    print!("{}", line::dotted("build", WIDTH));
    io::stdout().flush()?;
    let start = Instant::now();
    let (ending, output) = runner.run(command).inspect_err(|_| println!())?;
    let binaries = binaries(&packages, &output);
    let note = match ending.passed() {
        true => format!("{} test binaries", binaries.len()),
        false => String::new(),
    };
    println!(
        "{}",
        line::result(&ending.to_string(), start.elapsed(), &note)
    );
    match ending {
        Ending::Interrupted => Err(Failure::Interrupted),
        ending if ending.passed() => Ok(binaries),
        _ => {
            println!("\n{}", without_messages(&output).trim_end());
            Err(Failure::Reported)
        }
    }
}

fn command(root: &Path, packages: &[Package], profile: Profile) -> io::Result<Command> {
    let mut cargo = workspace::cargo(root);
    cargo.args(["test", "--no-run", "--lib", "--tests", "--locked"]);
    cargo.arg("--message-format=json-render-diagnostics");
    if profile.release {
        cargo.arg("--release");
    }
    for package in packages {
        cargo.args(["-p", &package.name]);
    }
    if let Some(sanitizer) = profile.sanitizer {
        sanitizer.set_up(root, &mut cargo)?;
    }
    Ok(cargo)
}

/// The test binaries that cargo's messages in `output` tell of, by name.
fn binaries(packages: &[Package], output: &str) -> Vec<Binary> {
    let messages = output.lines().filter(|line| line.starts_with('{'));
    let messages = messages.filter_map(|line| serde_json::from_str(line).ok());
    let mut binaries: Vec<_> = messages
        .filter_map(|message: Value| binary(packages, &message))
        .collect();
    binaries.sort_by_key(Binary::name);
    binaries
}

fn binary(packages: &[Package], message: &Value) -> Option<Binary> {
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = packages
        .iter()
        .find(|package| folder.ends_with(&package.folder))?;
    let target = &message["target"];
    let target = match target["kind"][0].as_str()? {
        "test" => target["name"].as_str()?,
        kind => kind,
    };
    Some(Binary {
        package: package.name.clone(),
        target: target.to_owned(),
        executable,
        folder: folder.to_owned(),
    })
}

/// Cargo's output without its messages, which are for us.
fn without_messages(output: &str) -> String {
    let lines = output.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("{\"")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            ..Package::default()
        }
    }

    fn message(test: bool, kind: &str, name: &str) -> String {
        let message = json!({
            "reason": "compiler-artifact",
            "manifest_path": "/w/crates/gorge/Cargo.toml",
            "target": {"kind": [kind], "name": name},
            "profile": {"test": test},
            "executable": format!("/t/{name}-1"),
        });
        message.to_string()
    }

    #[test]
    fn test_binaries_are_found_among_cargos_messages() {
        let lines = [
            "   Compiling gorge v0.1.0".to_owned(),
            message(true, "test", "scale"),
            message(true, "lib", "gorge"),
            message(false, "lib", "gorge"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = binaries(&[package("gorge-net"), package("gorge")], &lines.join("\n"));
        let names: Vec<_> = found.iter().map(Binary::name).collect();
        assert_eq!(names, ["gorge lib", "gorge scale"]);
        assert_eq!(found[1].executable, Path::new("/t/scale-1"));
        assert_eq!(found[1].folder, Path::new("/w/crates/gorge"));
        assert_eq!(found[1].file_name(), "gorge-scale");
    }

    #[test]
    fn binaries_of_other_packages_are_left_out() {
        assert_eq!(
            binaries(&[package("other")], &message(true, "lib", "gorge")),
            []
        );
    }

    #[test]
    fn a_failed_build_is_shown_without_messages() {
        let output = "error: no\n{\"reason\":\"x\"}\n{ not one\n";
        assert_eq!(without_messages(output), "error: no\n{ not one\n");
    }

    #[test]
    fn libraries_are_what_lies_in_crates() {
        let libraries = libraries(&workspace::root()).unwrap();
        assert!(libraries.iter().any(|it| it.name == "gorge"));
        assert!(
            !libraries
                .iter()
                .any(|it| it.name == "xtask" || it.name == "benches")
        );
    }
}
