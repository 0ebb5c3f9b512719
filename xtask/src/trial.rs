//! One run of one test binary, and what is shown of it.
//!
//! A sanitizer writes its reports to files of their own: a test that starts children and keeps their
//! output to itself could swallow them otherwise. Any such file makes the run a failure, whatever its
//! exit code.

#![allow(
    clippy::disallowed_methods,
    reason = "xtask runs outside the runtime, on the real clock"
)]

use crate::Failure;
use crate::sanitizer::Sanitizer;
use crate::step::{Ending, Runner};
use crate::suite::Binary;
use crate::tally::{self, Tally};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The variable that tells stress tests how long to go on.
const STRESS_SECONDS: &str = "GORGE_STRESS_SECONDS";

/// How much of the reports is shown; the files hold the rest. Names of functions are long.
const SHOWN_REPORT_LINES: usize = 60;
const SHOWN_REPORT_COLUMNS: usize = 200;

/// How to run test binaries.
#[derive(Debug, Clone)]
pub(crate) struct Plan<'a> {
    pub(crate) root: &'a Path,
    pub(crate) sanitizer: Option<Sanitizer>,
    /// How long stress tests go on; their own choice if nothing.
    pub(crate) stress_seconds: Option<u64>,
    /// How many tests run at a time; the harness's choice if nothing.
    pub(crate) test_threads: Option<usize>,
    /// How long one binary may take.
    pub(crate) limit: Duration,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Trial {
    ending: Ending,
    output: String,
    /// The sanitizer's reports, and where they lie.
    reports: String,
    report_files: Vec<PathBuf>,
    pub(crate) time: Duration,
    pub(crate) tests: Tally,
}

impl Plan<'_> {
    /// Runs `binary` to its end.
    pub(crate) fn run(&self, runner: &Runner, binary: &Binary) -> Result<Trial, Failure> {
        let prefix = self.report_prefix(binary);
        for file in prefix.as_deref().map_or(Ok(Vec::new()), report_files)? {
            fs::remove_file(file)?;
        }
        let mut command = Command::new(&binary.executable);
        command
            .current_dir(&binary.folder)
            .args(self.arguments(binary));
        for (variable, mut value) in self.environment() {
            if let Some(prefix) = &prefix {
                let _ = write!(value, ":log_path=\"{}\"", prefix.display());
            }
            command.env(variable, value);
        }
        // A panic's backtrace is made under locks of the standard library, which no
        // sanitizer sees.
        command.env("RUST_BACKTRACE", "0");
        if let Some(seconds) = self.stress_seconds {
            command.env(STRESS_SECONDS, seconds.to_string());
        }
        let start = Instant::now();
        let (ending, output) = runner.run_within(command, self.limit)?;
        if ending == Ending::Interrupted {
            return Err(Failure::Interrupted);
        }
        let report_files = prefix.as_deref().map_or(Ok(Vec::new()), report_files)?;
        let mut reports = String::new();
        for file in &report_files {
            reports += &String::from_utf8_lossy(&fs::read(file)?);
        }
        Ok(Trial {
            ending,
            tests: Tally::of(&output),
            output,
            reports,
            report_files,
            time: start.elapsed(),
        })
    }

    /// What to type to run `binary` again. Reports go to the terminal then.
    pub(crate) fn repeat(&self, binary: &Binary) -> String {
        let mut line = format!("cd {} &&", quoted(&binary.folder.display().to_string()));
        for (variable, value) in self.environment() {
            let _ = write!(line, " {variable}={}", quoted(&value));
        }
        if let Some(seconds) = self.stress_seconds {
            let _ = write!(line, " {STRESS_SECONDS}={seconds}");
        }
        let _ = write!(
            line,
            " {}",
            quoted(&binary.executable.display().to_string())
        );
        for argument in self.arguments(binary) {
            let _ = write!(line, " {}", quoted(&argument));
        }
        line
    }

    /// The sanitizer's options.
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.sanitizer
            .map_or(Vec::new(), |sanitizer| sanitizer.options(self.root))
    }

    fn arguments(&self, binary: &Binary) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(sanitizer) = self.sanitizer {
            // The harness collects what tests print under a lock of the standard
            // library, which is not instrumented.
            arguments.push("--nocapture".to_owned());
            for test in sanitizer.skipped_tests(binary) {
                arguments.extend(["--skip".to_owned(), test.to_owned()]);
            }
        }
        arguments.extend(
            self.test_threads
                .map(|threads| format!("--test-threads={threads}")),
        );
        arguments
    }

    /// How the paths of the reports on `binary` begin; the sanitizer adds a process id.
    fn report_prefix(&self, binary: &Binary) -> Option<PathBuf> {
        let folder = self.sanitizer?.target_folder(self.root);
        Some(folder.join(format!("report-{}", binary.file_name())))
    }
}

/// The files whose names are that of `prefix` and a process id.
fn report_files(prefix: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = prefix.parent().unwrap_or(prefix);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some() && path.with_extension("") == prefix {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `text` as one word of the shell's.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=,+".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

impl Trial {
    pub(crate) fn passed(&self) -> bool {
        self.ending.passed() && self.report_files.is_empty()
    }

    /// `ok` or what happened instead.
    pub(crate) fn label(&self) -> String {
        match self.report_files.is_empty() {
            true => self.ending.to_string(),
            false => "REPORTED".to_owned(),
        }
    }

    /// Everything it printed, its reports included.
    pub(crate) fn full_output(&self) -> String {
        format!("{}\n{}", self.output.trim_end(), self.reports)
    }

    /// What to show of a failure: not the tests that passed, and of the reports the first lines.
    pub(crate) fn excerpt(&self) -> String {
        let mut excerpt = match self.ending {
            Ending::Exited(_) => tally::without_passed_tests(&self.output),
            _ => self.output.clone(),
        };
        for line in self.reports.lines().take(SHOWN_REPORT_LINES) {
            excerpt.extend(line.chars().take(SHOWN_REPORT_COLUMNS));
            excerpt.push('\n');
        }
        for file in &self.report_files {
            let _ = writeln!(excerpt, "the whole report: {}", file.display());
        }
        excerpt.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    const LIMIT: Duration = Duration::from_secs(60);

    fn plan(root: &Path) -> Plan<'_> {
        Plan {
            root,
            sanitizer: None,
            stress_seconds: None,
            test_threads: None,
            limit: LIMIT,
        }
    }

    fn binary(executable: &str) -> Binary {
        Binary {
            package: "gorge".to_owned(),
            target: "scale".to_owned(),
            executable: executable.into(),
            folder: "/tmp".into(),
        }
    }

    #[test]
    fn a_run_is_judged_by_its_exit_code() {
        let runner = Runner::new(LIMIT, false).unwrap();
        let root = workspace::root();
        let trial = plan(&root).run(&runner, &binary("true")).ok().unwrap();
        assert!(trial.passed() && trial.label() == "ok");
        let trial = plan(&root).run(&runner, &binary("false")).ok().unwrap();
        assert!(!trial.passed() && trial.label().starts_with("FAILED"));
    }

    #[test]
    fn a_report_fails_a_run_that_exits_well() {
        let runner = Runner::new(LIMIT, false).unwrap();
        let mut trial = plan(&workspace::root())
            .run(&runner, &binary("true"))
            .ok()
            .unwrap();
        trial.report_files.push("/t/report-gorge-scale.17".into());
        trial.reports = "WARNING: a race\n".repeat(SHOWN_REPORT_LINES + 20);
        assert!(!trial.passed());
        assert_eq!(trial.label(), "REPORTED");
        let excerpt = trial.excerpt();
        assert_eq!(excerpt.lines().count(), SHOWN_REPORT_LINES + 1);
        assert!(excerpt.ends_with("the whole report: /t/report-gorge-scale.17"));
    }

    #[test]
    fn the_command_to_repeat_a_run_has_its_settings() {
        let root = PathBuf::from("/w");
        let mut plan = plan(&root);
        assert_eq!(plan.repeat(&binary("/t/scale-1")), "cd /tmp && /t/scale-1");
        plan.stress_seconds = Some(9);
        plan.test_threads = Some(16);
        let line = plan.repeat(&binary("/t t/scale-1"));
        assert_eq!(
            line,
            "cd /tmp && GORGE_STRESS_SECONDS=9 '/t t/scale-1' --test-threads=16"
        );
        plan.sanitizer = Some(Sanitizer::Thread);
        let line = plan.repeat(&binary("/t/scale-1"));
        assert!(
            line.contains(" TSAN_OPTIONS='suppressions=\"/w/tsan.supp\""),
            "{line}"
        );
        assert!(line.contains(" --skip a_hundred_thousand"), "{line}");
        assert!(!line.contains("log_path"), "{line}");
    }

    #[test]
    fn reports_are_found_by_their_prefix() {
        let folder = std::env::temp_dir().join(format!("xtask-reports-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in [
            "report-a-b.12",
            "report-a-b.3",
            "report-a-bc.4",
            "report-a-b",
        ] {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = report_files(&folder.join("report-a-b")).unwrap();
        let expected = ["report-a-b.12", "report-a-b.3"].map(|name| folder.join(name));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, expected);
    }
}
