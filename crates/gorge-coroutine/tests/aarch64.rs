//! The AArch64 context switch, cross-compiled and run under emulation.
//!
//! Rust's AArch64 standard library need not be there: `src/arch/` is compiled
//! as it stands, by this toolchain's rustc, against the stand-in for `std` in
//! `aarch64/std.rs`. A C program, `aarch64/driver.c`, calls it from both sides.
//! Needed are `aarch64-linux-gnu-gcc` and `qemu-aarch64`; where they are
//! missing the tests print "not run" and the reason.

#![cfg(target_os = "linux")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aarch64");
const GCC: &str = "aarch64-linux-gnu-gcc";
const QEMU: &str = "qemu-aarch64";

/// The oldest rustc that has the lang items `aarch64/std.rs` defines.
const RUSTC_MINOR_MIN: u32 = 90;

/// One way to build and run the switch.
struct Build {
    name: &'static str,
    rustc: &'static [&'static str],
    gcc: &'static [&'static str],
    qemu: &'static [&'static str],
    driver: &'static [&'static str],
}

#[test]
fn optimised_code_switches_and_can_be_traced() {
    run(&Build {
        name: "optimised",
        rustc: &["-Copt-level=3"],
        gcc: &[],
        qemu: &["-cpu", "cortex-a57"],
        driver: &[],
    });
}

#[test]
fn unoptimised_code_switches_and_can_be_traced() {
    run(&Build {
        name: "unoptimised",
        rustc: &["-Copt-level=0", "--cfg=feature=\"valgrind\""],
        gcc: &[],
        qemu: &["-cpu", "cortex-a57"],
        driver: &[],
    });
}

#[test]
fn signed_return_addresses_and_guarded_pages_are_respected() {
    run(&Build {
        name: "hardened",
        rustc: &["-Copt-level=3", "-Zbranch-protection=bti,pac-ret"],
        gcc: &["-mbranch-protection=standard"],
        // The architecture's own signing algorithm takes qemu ten times longer.
        qemu: &["-cpu", "max,pauth-impdef=on"],
        driver: &["guarded"],
    });
}

fn run(build: &Build) {
    if let Some(reason) = missing() {
        eprintln!("not run: {reason}");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("aarch64")
        .join(build.name);
    fs::create_dir_all(&folder).expect("a folder for the build's products");
    let switch = compile_switch(build, &folder);
    let driver = folder.join("driver");
    succeed(
        Command::new(GCC)
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2"])
            .args(["-funwind-tables", "-static"])
            .args(build.gcc)
            .arg(Path::new(SOURCES).join("driver.c"))
            .arg(switch)
            .arg("-o")
            .arg(&driver),
    );
    let output = succeed(
        Command::new(QEMU)
            .args(build.qemu)
            .arg(driver)
            .args(build.driver),
    );
    assert_eq!(output, "all checks passed\n");
}

/// Compiles `src/arch/` with its probe; its code comes to lie in pages of its own.
fn compile_switch(build: &Build, folder: &Path) -> PathBuf {
    let sources = Path::new(SOURCES);
    succeed(
        rustc(build)
            .args(["--crate-name=std", "--crate-type=rlib", "--out-dir"])
            .arg(folder)
            .arg(sources.join("std.rs")),
    );
    let probe = folder.join("probe.o");
    succeed(
        rustc(build)
            .args(["--crate-name=probe", "--crate-type=lib", "--emit=obj"])
            .arg("--extern")
            .arg(format!("std={}", folder.join("libstd.rlib").display()))
            .arg(sources.join("probe.rs"))
            .arg("-o")
            .arg(&probe),
    );
    let switch = folder.join("switch.o");
    succeed(
        Command::new(GCC)
            .args(["-r", "-nostdlib", "-T"])
            .arg(sources.join("guarded.ld"))
            .arg(probe)
            .arg("-o")
            .arg(&switch),
    );
    switch
}

/// A rustc that compiles for AArch64, and crates that stand in for `std`.
fn rustc(build: &Build) -> Command {
    let mut command = Command::new(rustc_path());
    command
        .args(["--target=aarch64-unknown-linux-gnu", "--edition=2024"])
        .args(["-Dwarnings", "-Cpanic=abort", "-Cforce-unwind-tables=yes"])
        // The stand-in has no panic to call on overflow.
        .args(["-Ccodegen-units=1", "-Coverflow-checks=off"])
        .args(build.rustc)
        // To be `std`, a crate needs features of the compiler that are not stable.
        .env("RUSTC_BOOTSTRAP", "1");
    command
}

fn rustc_path() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Which tool is missing, if one is.
fn missing() -> Option<String> {
    for tool in [GCC, QEMU] {
        if Command::new(tool).arg("--version").output().is_err() {
            return Some(format!("{tool} is not on the PATH"));
        }
    }
    let version = succeed(Command::new(rustc_path()).arg("--version"));
    let minor = version.split('.').nth(1).and_then(|text| text.parse().ok());
    match minor {
        Some(RUSTC_MINOR_MIN..) => None,
        _ => Some(format!("{version} is older than 1.{RUSTC_MINOR_MIN}")),
    }
}

/// Runs a command that must succeed; returns what it wrote.
fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
