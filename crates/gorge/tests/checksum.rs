//! The checksum example as a program: its output is compared with that of
//! `find`, `sort` and `sha256sum`, and it is tried with what goes wrong.

use sha2::{Digest, Sha256};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::OnceLock;

/// The user that may do nothing in particular, on every Unix.
const NOBODY: u32 = 65534;

/// The program, which is beside the folder of this test's own.
///
/// Cargo builds examples as tests only when it is asked for these, so this asks
/// for the program: that costs little when it is there and up to date.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("this test is a file");
        let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/test");
        let target = profile.parent().expect("target/PROFILE");
        let profile_name = match profile.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "checksum"])
            .args(["--profile", profile_name, "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(cargo.expect("cargo runs").success(), "it builds");
        profile.join("examples/checksum")
    })
}

/// The program with these arguments, in this folder.
fn checksum<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder).args(arguments);
    command.env_remove("GORGE_MAXPROCS");
    command
}

/// How a command ended, and what it printed.
#[derive(Debug, PartialEq)]
struct Ended {
    status: Option<i32>,
    lines: String,
    complaints: String,
}

fn end(mut command: Command) -> Ended {
    let output = loop {
        match command.output() {
            // Another test forked while a copied program was open for writing.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => break output.expect("the command starts"),
        }
    };
    Ended {
        status: output.status.code(),
        lines: printable(&output.stdout),
        complaints: printable(&output.stderr),
    }
}

/// Bytes as text that shows differences and hides none.
fn printable(bytes: &[u8]) -> String {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines
        .map(|line| format!("{}\n", line.escape_ascii()))
        .collect()
}

/// What a program prints that found nothing wrong.
fn all_well(lines: &[u8]) -> Ended {
    Ended {
        status: Some(0),
        lines: printable(lines),
        complaints: String::new(),
    }
}

/// Asserts that the program prints one complaint that holds `text`.
fn assert_complains(ended: &Ended, status: i32, text: &str) {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    assert_eq!(ended.complaints.lines().count(), 1, "{ended:?}");
    assert!(ended.complaints.starts_with("checksum: "), "{ended:?}");
    assert!(ended.complaints.contains(text), "{ended:?}");
}

/// A folder of one test's own, removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("checksum-{name}-{}", process::id()));
        fs::create_dir(&path).expect("a new folder");
        Folder(path)
    }

    fn write(&self, path: impl AsRef<Path>, contents: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        fs::write(path, contents).expect("a new file");
    }

    /// A file of zeros that take no room.
    fn write_zeros(&self, path: &str, bytes: u64) {
        let file = File::create(self.0.join(path)).expect("a new file");
        file.set_len(bytes).expect("a sparse file");
    }

    /// More lines than the program and a pipe keep: at least 400 kB of them.
    fn write_many(&self, folder: &str) {
        for number in 0..1500 {
            self.write(format!("{folder}/{number:0200}"), b"");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder is there");
    }
}

/// The digests of the files below a path, from other programs.
fn expected(folder: &Path, path: &str) -> Vec<u8> {
    let found = Command::new("find")
        .args([path, "-type", "f", "-print0"])
        .current_dir(folder)
        .output()
        .expect("find is installed");
    let mut paths: Vec<_> = found.stdout.split(|&byte| byte == 0).collect();
    paths.retain(|path| !path.is_empty());
    paths.sort();
    let mut lines = Vec::new();
    for some in paths.chunks(500) {
        let some = some.iter().map(|path| OsStr::from_bytes(path));
        let sums = Command::new("sha256sum")
            .arg("--")
            .args(some.clone())
            .current_dir(folder)
            .output();
        match sums {
            Ok(sums) => lines.extend(sums.stdout),
            Err(_) => some.for_each(|path| lines.extend(line(folder, path))),
        }
    }
    lines
}

/// What `sha256sum` prints of a file, where it is not installed.
fn line(folder: &Path, path: &OsStr) -> Vec<u8> {
    let mut line = Vec::new();
    for byte in Sha256::digest(fs::read(folder.join(path)).expect("a file")) {
        line.extend(format!("{byte:02x}").bytes());
    }
    line.extend(b"  ");
    for &byte in path.as_bytes() {
        match byte {
            b'\\' => line.extend(br"\\"),
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            _ => line.push(byte),
        }
    }
    if line[66..] != *path.as_bytes() {
        line.insert(0, b'\\');
    }
    line.push(b'\n');
    line
}

/// A tree of files whose names ask for trouble. Those of files begin as those of
/// the folders beside them.
fn nasty_tree(name: &str, files: usize) -> Folder {
    const PARTS: &[&[u8]] = &[
        b"-",
        b".",
        b" ",
        b"\n",
        b"\r",
        b"\\",
        b"\xff",
        b"\xc3\xa9",
        b"\"",
        b"'",
        b"*",
        b"0",
        b"a",
        b"$(x)",
        b"\t",
        b"--jobs",
        b"\x1b[1m",
        b"\\n",
    ];
    let folder = Folder::new(name);
    let part = |number: usize| PARTS[number % PARTS.len()];
    for number in 0..files {
        let mut path = PathBuf::from("tree");
        for level in 0..number % 5 {
            let name = [part(number % (7 + level)), b"n"].concat();
            path.push(OsStr::from_bytes(&name));
        }
        let tail = number.to_string();
        let name = [
            part(number),
            b"n",
            part(number / 7),
            tail.as_bytes(),
            part(number / 31),
        ];
        path.push(OsStr::from_bytes(&name.concat()));
        let size = if number % 400 == 0 { 700_000 } else { number };
        folder.write(path, &vec![number as u8; size]);
    }
    folder
}

fn assert_as_expected(folder: &Path, path: &str, flags: &[&str], procs: Option<&str>) {
    let mut command = checksum(folder, flags);
    command.arg(path);
    if let Some(procs) = procs {
        command.env("GORGE_MAXPROCS", procs);
    }
    let wanted = all_well(&expected(folder, path));
    assert!(end(command) == wanted, "{path} {flags:?} {procs:?} differs");
}

#[test]
fn the_crates_of_this_workspace_get_their_sums() {
    let folder = Folder::new("crates");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("crates");
    let copied = Command::new("cp")
        .arg("-R")
        .arg(crates)
        .arg(&folder.0)
        .status();
    assert!(copied.expect("cp is installed").success());
    for path in ["crates", "crates/", ".", "./", "crates/gorge/Cargo.toml"] {
        assert_as_expected(&folder.0, path, &[], None);
        assert_as_expected(&folder.0, path, &["--migrating"], None);
    }
    let absolute = folder.0.join("crates");
    assert_as_expected(Path::new("/"), absolute.to_str().expect("UTF-8"), &[], None);
}

#[test]
fn names_that_ask_for_trouble_get_none() {
    let folder = nasty_tree("nasty", 2000);
    let wanted = all_well(&expected(&folder.0, "tree"));
    assert_eq!(wanted.lines.lines().count(), 2000);
    for placement in ["--jobs=2", "--migrating"] {
        for procs in ["1", "2", "8"] {
            for jobs in ["1", "3", "16"] {
                let mut command = checksum(&folder.0, [placement, "--jobs", jobs, "tree"]);
                command.env("GORGE_MAXPROCS", procs);
                let ended = end(command);
                assert!(ended == wanted, "{placement} {procs} {jobs} differs");
            }
        }
    }
}

#[test]
fn sha256sum_checks_the_output() {
    let folder = nasty_tree("check", 200);
    let output = checksum(&folder.0, ["tree"]).output().expect("it starts");
    fs::write(folder.0.join("sums"), output.stdout).expect("a new file");
    let check = Command::new("sha256sum")
        .args(["--check", "--quiet", "--strict", "sums"])
        .current_dir(&folder.0)
        .output();
    match check {
        Ok(check) => assert!(check.status.success(), "{}", printable(&check.stdout)),
        Err(error) => eprintln!("not checked: sha256sum: {error}"),
    }
}

#[test]
fn paths_that_overlap_are_merged_in_order() {
    let folder = Folder::new("overlap");
    for path in ["a/x", "a/y/z", "a-b", "a.b", "b"] {
        folder.write(path, path.as_bytes());
    }
    let ended = end(checksum(&folder.0, ["b", "a", "a.b", "a/y", "a-b"]));
    let paths: Vec<_> = ended.lines.lines().map(|line| &line[66..]).collect();
    assert_eq!(
        paths,
        ["a-b\\n", "a.b\\n", "a/x\\n", "a/y/z\\n", "a/y/z\\n", "b\\n"]
    );
}

#[test]
fn nothing_but_regular_files_is_listed() {
    let folder = Folder::new("kinds");
    folder.write("tree/file", b"contents");
    fs::create_dir(folder.0.join("tree/empty")).expect("a new folder");
    symlink("file", folder.0.join("tree/link")).expect("a new link");
    symlink("..", folder.0.join("tree/loop")).expect("a new link");
    symlink("nowhere", folder.0.join("tree/dangling")).expect("a new link");
    let fifo = Command::new("mkfifo")
        .arg(folder.0.join("tree/fifo"))
        .status();
    assert!(fifo.expect("mkfifo is installed").success());
    let wanted = all_well(&expected(&folder.0, "tree"));
    assert_eq!(wanted.lines.lines().count(), 1);
    assert_eq!(end(checksum(&folder.0, ["tree"])), wanted);
    for path in [
        "tree/empty",
        "tree/link",
        "tree/loop",
        "tree/dangling",
        "tree/fifo",
        "/dev/null",
    ] {
        assert_eq!(end(checksum(&folder.0, [path])), all_well(b""), "{path}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_reported_and_the_rest_goes_on() {
    let folder = nasty_tree("unreadable", 100);
    let wanted = printable(&expected(&folder.0, "tree"));
    // Its first page is never mapped, so not even root can read it.
    let ended = end(checksum(&folder.0, ["/proc/self/mem", "tree"]));
    assert_complains(&ended, 1, "checksum: /proc/self/mem: ");
    assert_eq!(ended.lines, wanted);
}

#[test]
fn what_permissions_forbid_is_reported_and_the_rest_goes_on() {
    let folder = Folder::new("forbidden");
    for path in ["tree/a", "tree/closed/file", "tree/secret\n", "tree/z"] {
        folder.write(path, path.as_bytes());
    }
    let wanted = [expected(&folder.0, "tree/a"), expected(&folder.0, "tree/z")].concat();
    let set_mode = |path: &str, mode| {
        fs::set_permissions(folder.0.join(path), Permissions::from_mode(mode)).expect("ours");
    };
    set_mode("", 0o755);
    set_mode("tree/closed", 0);
    set_mode("tree/secret\n", 0);
    // Nothing is forbidden to root, and others may not see where the program is.
    let copy = folder.0.join("checksum");
    fs::copy(program(), &copy).expect("a copy of the program");
    let mut command = Command::new(copy);
    command.arg("tree").current_dir(&folder.0);
    if fs::metadata(&folder.0).expect("the folder").uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let ended = end(command);
    set_mode("tree/closed", 0o755);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert_eq!(ended.lines, printable(&wanted));
    let complaints: Vec<_> = ended.complaints.lines().collect();
    assert_eq!(complaints.len(), 2, "{ended:?}");
    assert!(complaints[0].starts_with("checksum: tree/closed: Permission denied"));
    assert!(complaints[1].starts_with(r"checksum: tree/secret\\n: Permission denied"));
}

#[test]
fn mistakes_are_told_before_any_work() {
    let folder = Folder::new("mistakes");
    folder.write("file", b"contents");
    let cases: &[(&[&str], &str)] = &[
        (&[], "no PATH"),
        (&["--"], "no PATH"),
        (&["file", "--frob"], "\"--frob\""),
        (&["-j", "3", "file"], "\"-j\""),
        (&["--jobs", "0", "file"], "from 1 to"),
        (&["--jobs=x", "file"], "from 1 to"),
        (&["file", "--jobs"], "--jobs takes a number"),
        (
            &["file", "missing"],
            "checksum: missing: No such file or directory",
        ),
        (&["file", "file/x"], "checksum: file/x: Not a directory"),
        (
            &["file", "--", "--help"],
            "checksum: --help: No such file or directory",
        ),
    ];
    for (arguments, text) in cases {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let ended = end(checksum(&folder.0, arguments));
        // As escaped by `printable`.
        assert_complains(&ended, 2, &text.escape_default().to_string());
        assert_eq!(ended.lines, "");
    }
    let mut command = checksum(&folder.0, ["file"]);
    command.env("GORGE_MAXPROCS", "abc");
    let ended = end(command);
    assert_complains(&ended, 2, "GORGE_MAXPROCS");
    assert_eq!(ended.lines, "");
}

#[test]
fn help_is_no_mistake() {
    let ended = end(checksum(Path::new("/"), ["--jobs", "3", "--help"]));
    assert_eq!(ended.status, Some(0));
    assert!(ended.lines.starts_with("Usage: checksum [--jobs N] "));
    assert_eq!(ended.complaints, "");
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let folder = Folder::new("closed");
    folder.write_many("many");
    // Comes last, and would take minutes.
    folder.write_zeros("zeros", 64 << 30);
    for placement in ["--jobs=2", "--migrating"] {
        for procs in ["1", "2", "8"] {
            let mut command = checksum(&folder.0, [placement, "."]);
            command.env("GORGE_MAXPROCS", procs);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("it starts");
            let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
            lines.read_line(&mut String::new()).expect("a line");
            drop(lines);
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(output.status.code(), Some(0), "{placement} {procs}");
            assert_eq!(printable(&output.stderr), "");
        }
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let folder = nasty_tree("full", 100);
    let mut command = checksum(&folder.0, ["tree"]);
    command.stdout(File::create("/dev/full").expect("a full device"));
    command.stderr(Stdio::piped());
    let output = command.spawn().and_then(process::Child::wait_with_output);
    let output = output.expect("it starts and ends");
    assert_eq!(output.status.code(), Some(1));
    let complaints = printable(&output.stderr);
    assert!(complaints.starts_with("checksum: cannot write the output: No space left"));
}

#[test]
fn memory_is_bounded_however_large_a_file_is() {
    let folder = Folder::new("memory");
    folder.write_zeros("first", 300 << 20);
    folder.write_many("many");
    let mut child = checksum(&folder.0, ["."])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a line");
    assert!(first.ends_with("  ./first\n"), "{first}");
    // The large file is through. The child is still there, because it cannot get
    // rid of the other lines.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .and_then(|peak| peak.trim().strip_suffix(" kB"))
        .expect("in kB");
    let peak: u64 = peak.parse().expect("a number");
    let mut rest = Vec::new();
    lines.read_to_end(&mut rest).expect("lines");
    assert!(child.wait().expect("it ends").success());
    assert!(peak < 100_000, "{peak} kB");
}
