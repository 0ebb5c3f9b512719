//! The machine, and the versions of what ran on it.

use super::programs::Programs;
use crate::workspace;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The crates whose versions matter to the figures.
const CRATES: &[&str] = &["crossbeam-channel", "flume", "kanal", "may", "tokio"];

/// What a reader must know to judge the figures.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) kernel: String,
    /// How busy the machine was when we began.
    pub(crate) load: String,
    pub(crate) versions: Vec<String>,
    /// What gorge was built from.
    pub(crate) commit: String,
}

impl Host {
    /// Looks at this machine. What cannot be found out is called unknown.
    pub(crate) fn look(root: &Path, programs: &Programs) -> Host {
        let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
        let mut versions = vec![printed(Command::new("rustc").arg("--version"))];
        versions.extend(programs.go_version.clone());
        versions.extend(CRATES.iter().map(|name| {
            let version = locked_version(&lock, name).unwrap_or("of unknown version");
            format!("{name} {version}")
        }));
        Host {
            processor: processor(&read("/proc/cpuinfo")).to_owned(),
            processors: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: first_word(&read("/proc/loadavg")).to_owned(),
            versions,
            commit: commit(root),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (processor, processors) = (&self.processor, self.processors);
        writeln!(f, "machine: {processors} x {processor}, load {}", self.load)?;
        writeln!(f, "kernel: {}", self.kernel)?;
        writeln!(f, "versions: {}", self.versions.join(", "))?;
        writeln!(f, "commit: {}", self.commit)
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| "unknown".to_owned())
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("unknown")
}

/// What `command` prints, or that it is unknown.
fn printed(command: &mut Command) -> String {
    let output = command.output().ok().filter(|it| it.status.success());
    output.map_or("unknown".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

/// The processor's name, from the text of /proc/cpuinfo.
fn processor(text: &str) -> &str {
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or("unknown", |(_, name)| name.trim())
}

/// The version of the package `name` in the text of a Cargo.lock.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{name}\""))?;
    let version = lines.next()?.strip_prefix("version = \"")?;
    version.strip_suffix('"')
}

/// The commit of the working tree, and whether it differs from that.
fn commit(root: &Path) -> String {
    let commit = printed(workspace::git(root).args(["rev-parse", "--short=12", "HEAD"]));
    let changes = printed(workspace::git(root).args(["status", "--porcelain"]));
    match changes.is_empty() {
        true => commit,
        false => format!("{commit}, with changes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_by_its_name() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n";
        assert_eq!(processor(text), "AMD EPYC");
        assert_eq!(processor(""), "unknown");
    }

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"flume\"\nversion = \"0.12.0\"\n\n[[package]]\nname = \"kanal\"\n";
        assert_eq!(locked_version(lock, "flume"), Some("0.12.0"));
        assert_eq!(locked_version(lock, "kanal"), None);
        assert_eq!(locked_version(lock, "tokio"), None);
    }

    #[test]
    fn all_of_this_machine_is_known() {
        let host = Host::look(&workspace::root(), &Programs::default()).to_string();
        assert!(!host.contains("unknown version"), "{host}");
        for word in ["kernel: ", "rustc 1.", "flume 0.", "commit: "] {
            assert!(host.contains(word), "{host}");
        }
    }
}
