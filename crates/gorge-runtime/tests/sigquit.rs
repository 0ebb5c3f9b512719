//! SIGQUIT, each time in a child process: it ends the process.

#![allow(
    clippy::disallowed_methods,
    reason = "a child process with plain threads"
)]

use gorge_runtime::{Runtime, go, goroutine, yield_now};
use std::env;
use std::hint::black_box;
use std::io::{PipeWriter, Read as _};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

const CASE: &str = "GORGE_SIGQUIT_CASE";

/// So many goroutines that a pipe does not hold what is said of them.
const MANY: usize = 3000;

/// This binary again, as the process that gets the signal.
fn command(case: &str, traceback: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .env("GORGE_TRACEBACK", traceback);
    command
}

fn child(case: &str, traceback: &str) -> (Output, String) {
    let output = command(case, traceback).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

/// Not a test of its own: the body of the child process.
#[test]
fn the_child() {
    let Ok(case) = env::var(CASE) else { return };
    leave_no_core();
    heed_the_signal();
    let build = |name: &str, on| {
        let builder = Runtime::builder().max_procs(2).thread_name(name);
        builder.dump_on_sigquit(on).build().expect("a runtime")
    };
    match &*case {
        "two" => {
            let runtimes = [
                build("left", true),
                build("right", true),
                build("not", false),
            ];
            runtimes.iter().for_each(start_and_wait);
            quit()
        }
        "many" => {
            let runtime = build("many", true);
            for _ in 0..MANY {
                drop(runtime.go(goroutine::park));
            }
            while !all_wait(&runtime, MANY) {
                yield_now();
            }
            quit()
        }
        "gone" => {
            let runtime = build("gone", true);
            runtime.run(yield_now);
            drop(runtime);
            while is_served() {
                thread::yield_now();
            }
            quit()
        }
        "back" => {
            drop(build("gone", true));
            let runtime = build("back", true);
            start_and_wait(&runtime);
            quit()
        }
        "off" => {
            let _runtime = build("off", false);
            assert!(!is_served());
            quit()
        }
        "fork" => {
            let _runtime = build("parent", true);
            let status = quit_in_a_fork();
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGQUIT);
            eprintln!("the parent lives");
        }
        _ => unreachable!("cases are named above"),
    }
}

/// Keeps a process that the signal kills from writing its memory to a file.
fn leave_no_core() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a system call that reads the limits.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Whoever started the tests may have had the signal ignored, as shells do in the background.
fn heed_the_signal() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGQUIT, libc::SIG_DFL) };
}

/// Sends the signal to this process, which it ends: but any of its threads may get it, and at
/// its leisure.
fn quit() -> ! {
    // SAFETY: a system call.
    unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
    thread::sleep(Duration::from_secs(60));
    panic!("the process should have ended")
}

fn quit_in_a_fork() -> libc::c_int {
    let mut status = 0;
    // SAFETY: the child makes async-signal-safe calls only.
    unsafe {
        match libc::fork() {
            0 => {
                libc::raise(libc::SIGQUIT);
                libc::_exit(0)
            }
            child => assert_eq!(libc::waitpid(child, &mut status, 0), child),
        }
    }
    status
}

/// Whether the thread exists that waits for the signal.
fn is_served() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it is there");
    tasks
        .flatten()
        .flat_map(|task| std::fs::read_to_string(task.path().join("comm")))
        .any(|name| name.trim() == "gorge-sigquit")
}

fn start_and_wait(runtime: &Runtime) {
    #[inline(never)]
    fn waits_for_ever() {
        goroutine::park();
        black_box(());
    }
    let named = goroutine::Builder::new().name("patient");
    drop(runtime.run(|| (named.spawn(waits_for_ever), go(goroutine::park_forever))));
    while !all_wait(runtime, 2) {
        yield_now();
    }
}

/// Whether so many goroutines are there, and all of them wait.
fn all_wait(runtime: &Runtime, count: usize) -> bool {
    let dump = runtime.dump_states();
    let mut goroutines = dump.goroutines().iter();
    goroutines.len() == count && goroutines.all(|it| it.state.is_waiting())
}

#[test]
fn all_goroutines_of_all_runtimes_that_want_it_are_printed() {
    let (output, text) = child("two", "single");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("SIGQUIT: quit\n\nruntime \"left\", 2 goroutines:\n\n"),
        "{text}"
    );
    assert!(
        text.contains("\n\nruntime \"right\", 2 goroutines:\n\ngoroutine "),
        "{text}"
    );
    assert!(!text.contains("runtime \"not\""), "{text}");
    assert_eq!(text.matches(" [park] \"patient\":\n").count(), 2, "{text}");
    assert_eq!(text.matches("waits_for_ever\n\t").count(), 2, "{text}");
    assert_eq!(text.matches(" [select (no cases)]:\n").count(), 2, "{text}");
    assert_eq!(text.matches("created by goroutine ").count(), 4, "{text}");
    assert!(!text.contains("GORGE_TRACEBACK"), "{text}");
}

#[test]
fn frames_are_left_out_on_request() {
    let (output, text) = child("two", "none");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.matches(" [park] \"patient\":\n").count(), 2, "{text}");
    assert!(!text.contains("waits_for_ever\n"), "{text}");
}

/// Whether a write would find room in the pipe.
fn has_room(writer: &PipeWriter) -> bool {
    let mut writer = libc::pollfd {
        fd: writer.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one descriptor, which is open, for the time of the call.
    let ready = unsafe { libc::poll(&raw mut writer, 1, 0) };
    assert!(ready >= 0);
    ready > 0
}

/// Whether the process has a thread of this name that sleeps.
fn sleeps(process: u32, thread: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it is there");
    tasks
        .flatten()
        .flat_map(|task| std::fs::read_to_string(task.path().join("stat")))
        .any(|stat| stat.contains(&format!("({thread}) S ")))
}

#[test]
fn a_dump_is_complete_where_standard_error_does_not_block() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    // SAFETY: a system call on a descriptor that is there.
    let changed = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(changed, 0);
    let mut child = {
        let mut command = command("many", "none");
        let theirs = writer.try_clone().expect("a descriptor");
        command.stdout(Stdio::null()).stderr(theirs);
        command.spawn().expect("it starts")
    };
    // The pipe gets full before anybody reads, and the writer waits for room.
    while has_room(&writer) || !sleeps(child.id(), "gorge-sigquit") {
        assert!(child.try_wait().expect("it is ours").is_none());
        thread::yield_now();
    }
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    assert_eq!(text.matches(" [park]:\n").count(), MANY);
}

#[test]
fn a_level_that_is_none_is_told_of_once() {
    let (output, text) = child("two", "plenty");
    assert_eq!(output.status.code(), Some(2), "{text}");
    let told = "GORGE_TRACEBACK is \"plenty\", but must be none, single or all; single is used\n";
    assert_eq!(text.matches(told).count(), 1, "{text}");
    assert!(text.contains("waits_for_ever\n\t"), "{text}");
}

#[test]
fn a_runtime_that_is_gone_leaves_the_signal_as_it_was() {
    for case in ["gone", "off"] {
        let (output, text) = child(case, "single");
        assert_eq!(
            output.status.signal(),
            Some(libc::SIGQUIT),
            "{case}: {text}"
        );
        assert!(!text.contains("SIGQUIT: quit"), "{case}: {text}");
    }
}

#[test]
fn the_next_runtime_gets_it_back() {
    let (output, text) = child("back", "all");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("runtime \"back\", 2 goroutines:\n"), "{text}");
}

#[test]
fn a_fork_quits_as_processes_do_and_leaves_its_parent_alone() {
    let (output, text) = child("fork", "single");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("the parent lives"), "{text}");
}
