//! How to build for a sanitizer, where its runtime library is, and with which options it runs.
//!
//! `-Zsanitizer` is not stable, and `RUSTC_BOOTSTRAP=1` is how a stable compiler takes it. An explicit
//! `--target` keeps the flags away from build scripts and procedural macros.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What looks over the tests' shoulder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sanitizer {
    Thread,
    Address,
}

impl Sanitizer {
    pub(crate) const ALL: [Sanitizer; 2] = [Sanitizer::Thread, Sanitizer::Address];

    /// Its command, which also names its target folder and its runtime library.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Sanitizer::Thread => "tsan",
            Sanitizer::Address => "asan",
        }
    }

    fn rustflags(self) -> &'static str {
        match self {
            // The standard library has the same calling conventions without the sanitizer, whatever
            // the compiler fears.
            Sanitizer::Thread => {
                "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg gorge_tsan"
            }
            Sanitizer::Address => "-Zsanitizer=address --cfg gorge_asan",
        }
    }

    /// Its options, as environment variables.
    pub(crate) fn options(self, root: &Path) -> Vec<(&'static str, String)> {
        let suppressions = |file| format!("suppressions=\"{}\"", root.join(file).display());
        match self {
            // A run goes on after a report, to find the others too, and exits with a code of its own.
            Sanitizer::Thread => {
                let options = ":halt_on_error=0:exitcode=66:second_deadlock_stack=1";
                vec![("TSAN_OPTIONS", suppressions("tsan.supp") + options)]
            }
            // The leaks' options come after, so their path of reports counts, which is the same.
            Sanitizer::Address => vec![
                (
                    "ASAN_OPTIONS",
                    "detect_leaks=1:detect_stack_use_after_return=1".to_owned(),
                ),
                (
                    "LSAN_OPTIONS",
                    suppressions("asan.supp") + ":print_suppressions=0",
                ),
            ],
        }
    }

    pub(crate) fn target_folder(self, root: &Path) -> PathBuf {
        root.join("target").join(self.command())
    }

    /// Has `cargo` build for this sanitizer.
    ///
    /// # Errors
    ///
    /// If the toolchain has no runtime library for it, or reports could not name functions, which
    /// suppressions need.
    pub(crate) fn set_up(self, root: &Path, cargo: &mut Command) -> io::Result<()> {
        let version = rustc(&["-vV"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.ok_or_else(|| io::Error::other("`rustc -vV` names no host"))?;
        self.expect_host_is_target(host, env::var("CARGO_BUILD_TARGET").ok().as_deref())?;
        let sysroot = rustc(&["--print", "sysroot"])?;
        let libraries = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/lib"));
        self.expect_runtime_library(&libraries)?;
        expect_symbolizer(env::var_os("PATH").unwrap_or_default().as_ref())?;
        let mut rustflags = self.rustflags().to_owned();
        if let Ok(inherited) = env::var("RUSTFLAGS") {
            rustflags = format!("{inherited} {rustflags}");
        }
        cargo
            .args(["--target", host, "--target-dir"])
            .arg(self.target_folder(root))
            .env("RUSTC_BOOTSTRAP", "1")
            // Line tables alone give inlined functions short names, which no suppression matches.
            .env("CARGO_PROFILE_RELEASE_DEBUG", "full")
            .env("RUSTFLAGS", rustflags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        Ok(())
    }

    fn expect_host_is_target(self, host: &str, target: Option<&str>) -> io::Result<()> {
        match target {
            Some(target) if target != host => Err(io::Error::other(format!(
                "CARGO_BUILD_TARGET is {target}, but {} runs its tests here, on {host}; unset it",
                self.command()
            ))),
            _ => Ok(()),
        }
    }

    fn expect_runtime_library(self, folder: &Path) -> io::Result<()> {
        let ending = format!("_rt.{}.", self.command());
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        if entries.any(|entry| entry.file_name().to_string_lossy().contains(&ending)) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "the runtime library of {0} is missing: there is no librustc-*{ending}* in {1}; \
             rustup's toolchains have it for x86_64 and aarch64, Linux and macOS",
            self.command(),
            folder.display()
        )))
    }
}

/// Suppressions go by function names, so without these everything suppressed would be reported.
fn expect_symbolizer(path: &Path) -> io::Result<()> {
    const NAME: &str = "llvm-symbolizer";
    if env::split_paths(path).any(|folder| folder.join(NAME).is_file()) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{NAME} is missing: it is not in PATH, and suppressions need it; it comes with LLVM"
    )))
}

/// What the compiler that cargo uses prints.
fn rustc(arguments: &[&str]) -> io::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(arguments).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("rustc: {}", reason.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn the_suppressions_are_there_and_each_has_a_comment() {
        for file in ["tsan.supp", "asan.supp"] {
            let text = fs::read_to_string(workspace::root().join(file)).unwrap();
            let mut is_explained = false;
            for line in text.lines().filter(|line| !line.is_empty()) {
                let is_comment = line.starts_with('#');
                assert!(is_comment || is_explained, "{file}: {line}");
                // One comment may explain several lines below it.
                is_explained = is_comment || is_explained;
            }
        }
    }

    #[test]
    fn options_name_the_suppressions() {
        let options = |sanitizer: Sanitizer| {
            let options = sanitizer.options(Path::new("/w")).into_iter();
            let options: Vec<_> = options
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            options.join(" ")
        };
        let tsan = options(Sanitizer::Thread);
        assert!(
            tsan.starts_with("TSAN_OPTIONS=suppressions=\"/w/tsan.supp\":"),
            "{tsan}"
        );
        let asan = options(Sanitizer::Address);
        assert!(
            asan.contains("LSAN_OPTIONS=suppressions=\"/w/asan.supp\":"),
            "{asan}"
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let nowhere = Path::new("/nowhere");
        let missing = Sanitizer::Thread
            .expect_runtime_library(nowhere)
            .unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the runtime library of tsan is missing: there is no librustc-*_rt.tsan.* in /nowhere; \
             rustup's toolchains have it for x86_64 and aarch64, Linux and macOS"
        );
        let missing = expect_symbolizer(nowhere).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("llvm-symbolizer is missing")
        );
        let foreign = Sanitizer::Address.expect_host_is_target("here", Some("there"));
        assert_eq!(
            foreign.unwrap_err().to_string(),
            "CARGO_BUILD_TARGET is there, but asan runs its tests here, on here; unset it"
        );
        assert!(
            Sanitizer::Address
                .expect_host_is_target("here", Some("here"))
                .is_ok()
        );
        assert!(
            Sanitizer::Address
                .expect_host_is_target("here", None)
                .is_ok()
        );
    }
}
