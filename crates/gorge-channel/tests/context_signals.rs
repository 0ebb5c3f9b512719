//! Contexts that signals cancel. What ends a process runs in a child of its own; so does all
//! else here, since signals are the process's.
#![cfg(not(gorge_loom))]

#[path = "../../gorge-runtime/tests/common/child.rs"]
mod child;
mod common;

use child::{Child, case};
use common::{LONG, everywhere};
use gorge_channel::RecvTimeoutError;
use gorge_channel::context::{self, Context, ContextError, SignalError};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

const SIGNAL: i32 = libc::SIGUSR1;

/// Sends this process a signal, on this thread: it has been handled when this returns.
fn raise(signal: i32) {
    // SAFETY: sends a signal to this thread.
    let result = unsafe { libc::raise(signal) };
    assert_eq!(result, 0);
}

fn ignore(signal: i32) {
    // SAFETY: sets what the process does with a signal.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

#[track_caller]
fn assert_ends(context: &Context, signal: i32) {
    let waited = context.done().recv_timeout(LONG);
    assert_eq!(waited, Err(RecvTimeoutError::Disconnected));
    assert_eq!(context.err(), Some(ContextError::Canceled));
    let cause = context.cause().expect("it has ended");
    let cause = cause.downcast_ref::<SignalError>().expect("a signal");
    assert_eq!(cause.signal(), signal);
}

/// What a child does, by name.
fn run(case: &str) {
    match case {
        "one" => one_signal_cancels(),
        "several" => several_want_the_same(),
        "default" => the_last_restores_the_default(),
        "again" => a_signal_may_be_wanted_again(),
        "ignored" => what_was_ignored_is_ignored_again(),
        "handler" => a_handler_from_before_is_called(),
        "forget" => who_forgets_keeps_the_signal(),
        "parent" => the_parent_and_the_guard_cancel_too(),
        "goroutine" => everywhere(|_| one_signal_cancels()),
        "forked" => a_forked_process_has_signals_of_its_own(),
        "stale" => a_signal_is_not_for_who_comes_after_it(),
        "refused" => some_signals_cannot_be_had(),
        other => unreachable!("no case {other}"),
    }
}

#[test]
fn the_child() {
    if let Some(case) = case() {
        run(&case);
    }
}

// TestNotifyContextNotifications, TestNotifyContextSimultaneousNotifications
fn one_signal_cancels() {
    let signals = [SIGNAL, libc::SIGTERM];
    for signal in signals {
        let (context, guard) = context::background()
            .with_signals(signals)
            .expect("signals");
        let (child, _child_guard) = context.with_cancel();
        assert_eq!(child.err(), None);
        raise(signal);
        assert_ends(&child, signal);
        assert_ends(&context, signal);
        guard.stop();
    }
    let (context, _guard) = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    (0..10).for_each(|_| raise(SIGNAL));
    assert_ends(&context, SIGNAL);
    let text = context.cause().expect("it has ended").to_string();
    assert_eq!(text, "user defined signal 1 signal received");
}

fn several_want_the_same() {
    let wanted: Vec<_> = (0..5)
        .map(|_| context::todo().with_signals([SIGNAL]).expect("signals"))
        .collect();
    let (stopped, guard) = context::todo().with_signals([SIGNAL]).expect("signals");
    guard.stop();
    raise(SIGNAL);
    for (context, _guard) in &wanted {
        assert_ends(context, SIGNAL);
    }
    let cause = stopped.cause().expect("it has ended");
    assert!(cause.downcast_ref::<SignalError>().is_none(), "{cause}");
}

fn the_last_restores_the_default() {
    let first = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    let second = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    drop(first);
    raise(SIGNAL);
    assert_ends(&second.0, SIGNAL);
    drop(second);
    raise(SIGNAL);
    unreachable!("the signal ends the process");
}

fn a_signal_may_be_wanted_again() {
    for _ in 0..50 {
        let (context, guard) = context::background()
            .with_signals([SIGNAL])
            .expect("signals");
        raise(SIGNAL);
        assert_ends(&context, SIGNAL);
        drop(guard);
    }
    // No thread is left that waits.
    let names = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.filter_map(|task| name(task.ok()?).ok());
        names
            .filter(|name| name.starts_with("gorge-signal"))
            .count()
    };
    while names() > 0 {
        gorge_runtime::goroutine::sleep(Duration::from_millis(1));
    }
}

fn what_was_ignored_is_ignored_again() {
    ignore(libc::SIGHUP);
    let (context, guard) = context::background()
        .with_signals([libc::SIGHUP])
        .expect("signals");
    raise(libc::SIGHUP);
    assert_ends(&context, libc::SIGHUP);
    drop(guard);
    raise(libc::SIGHUP);
}

fn a_handler_from_before_is_called() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handle(_: i32) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    // SAFETY: the handler is async-signal-safe.
    unsafe { libc::signal(SIGNAL, handle as *const () as usize) };
    let (context, guard) = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    raise(SIGNAL);
    assert_ends(&context, SIGNAL);
    drop(guard);
    raise(SIGNAL);
    while CALLS.load(Ordering::SeqCst) < 2 {
        gorge_runtime::goroutine::sleep(Duration::from_millis(1));
    }
}

/// What was the default is the default there, and the parent hears nothing of it.
fn a_forked_process_has_signals_of_its_own() {
    let (context, guard) = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    // SAFETY: the child does what a process with one thread left may.
    let child = unsafe { libc::fork() };
    if child == 0 {
        raise(SIGNAL);
        // SAFETY: ends the process at once, if that has not been done.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made, and writes to the place.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status), "status {status}");
    assert_eq!(libc::WTERMSIG(status), SIGNAL);
    let waited = context.done().recv_timeout(common::SHORT);
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    raise(SIGNAL);
    assert_ends(&context, SIGNAL);
    drop(guard);
}

fn a_signal_is_not_for_who_comes_after_it() {
    // What comes when nobody wants it must not end the process.
    ignore(SIGNAL);
    for _ in 0..500 {
        let (_, guard) = context::background()
            .with_signals([SIGNAL])
            .expect("signals");
        raise(SIGNAL);
        guard.stop();
        let (later, guard) = context::background()
            .with_signals([SIGNAL])
            .expect("signals");
        let waited = later.done().recv_timeout(Duration::from_micros(200));
        assert_eq!(waited, Err(RecvTimeoutError::Timeout));
        drop(guard);
    }
}

fn who_forgets_keeps_the_signal() {
    let (context, guard) = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    guard.forget();
    assert_eq!(context.err(), None);
    raise(SIGNAL);
    assert_ends(&context, SIGNAL);
    raise(SIGNAL);
}

// TestNotifyContextStop, TestNotifyContextCancelParent, TestNotifyContextPrematureCancelParent
fn the_parent_and_the_guard_cancel_too() {
    let (parent, parent_guard) = context::background().with_cancel();
    let (context, guard) = parent.with_signals([SIGNAL]).expect("signals");
    parent_guard.cancel_with("the parent");
    assert_eq!(
        context.cause().expect("it has ended").to_string(),
        "the parent"
    );
    raise(SIGNAL);
    drop(guard);
    let (late, _guard) = parent.with_signals([SIGNAL]).expect("signals");
    assert_eq!(
        late.cause().expect("it has ended").to_string(),
        "the parent"
    );
    let (own, guard) = context::background()
        .with_signals([SIGNAL])
        .expect("signals");
    guard.cancel_with("the guard");
    guard.cancel();
    assert_eq!(own.cause().expect("it has ended").to_string(), "the guard");
    let shown = own.to_string();
    assert_eq!(shown, "context.Background.WithCancel");
}

fn some_signals_cannot_be_had() {
    for signal in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, 10_000, -1] {
        let refused = context::background().with_signals([SIGNAL, signal]);
        let error = refused.map(drop).expect_err("it cannot be had");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{signal}: {error}");
    }
}

#[test]
fn signals_cancel_contexts() {
    for case in ["one", "several", "again", "goroutine"] {
        Child::new(case).end().expect(0, &[]);
    }
}

#[test]
fn guards_give_signals_up_and_cancel() {
    for case in [
        "ignored", "handler", "forget", "parent", "refused", "forked", "stale",
    ] {
        // ThreadSanitizer hands signals over later, when the forked child has gone.
        if cfg!(gorge_tsan) && case == "forked" {
            continue;
        }
        Child::new(case).end().expect(0, &[]);
    }
}

#[test]
fn without_a_guard_the_signal_does_what_it_did() {
    let ended = Child::new("default").end();
    let signal = ended.output.status.signal();
    assert_eq!(signal, Some(SIGNAL), "{}", ended.stderr);
}
