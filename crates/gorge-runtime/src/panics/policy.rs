//! What a panic that reaches its goroutine's root means for the process.

use crate::cancel;
use crate::dump::{Addresses, GoroutineDump, GoroutineSnapshot, capture_current};
use crate::error::{Failure, panic_message};
use crate::goroutine::{G, Run};
use crate::park::PANICKED;
use crate::report::report;
use crate::scheduler::{Shared, current};
use crate::traceback::Traceback;
use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic that nothing in its goroutine catches leads to; see
/// [`Builder::panic_policy`](crate::Builder::panic_policy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PanicPolicy {
    /// The goroutine ends, and whoever joins it gets the panic. The panic hook
    /// has printed it, joined or not.
    #[default]
    Report,
    /// The process ends, as in Go: after the panic hook, `panic: ` with the
    /// message and a dump of all goroutines are printed on standard error, and
    /// the exit status is 2.
    Abort,
}

/// The status with which a process ends whose goroutines went wrong: Go's.
const STATUS: i32 = 2;

/// Says who is about to panic, before the panic hook says why.
pub(super) fn announce(g: &G) {
    report(format_args!("gorge: {} panics:", Identity(g)));
}

/// Goroutine, in the panic hook: prints the calls that `GORGE_TRACEBACK` asks for,
/// or keeps its own for the report that ends the process.
pub(super) fn trace(shared: &Shared) {
    match (shared.config.panic_policy, shared.config.traceback) {
        (PanicPolicy::Abort, level) if level != Some(Traceback::None) => {
            let Some(g) = current::stack_owner() else {
                return;
            };
            let calls = capture_current();
            // SAFETY: the goroutine's own code runs this, so its run part is its own.
            let extras = unsafe { (*g.as_ref().run.get()).extras.get_or_insert_default() };
            extras.panicked_in = Some(calls);
        }
        (PanicPolicy::Report, Some(Traceback::Single | Traceback::All)) => {
            if let Some(g) = current::stack_owner() {
                // SAFETY: the goroutine runs this, so it is alive.
                let calls = calls(unsafe { g.as_ref() }, shared, Some(capture_current()));
                report(format_args!("{}", calls.trim_end()));
            }
        }
        _ => {}
    }
}

/// Goroutine, at its root, with a panic as its result.
///
/// # Safety
///
/// The caller is the goroutine, and its task holds the result.
#[cold]
pub(crate) unsafe fn judge(g: &G, run: *mut Run, shared: &Shared) {
    let is_reported = g.cell.load().has(PANICKED);
    if shared.config.panic_policy == PanicPolicy::Abort {
        // SAFETY: the caller's contract: the goroutine's own run part, and its result.
        let (calls, failure) = unsafe {
            let extras = (*run).extras.as_mut();
            let calls = extras.and_then(|extras| extras.panicked_in.take());
            (calls.filter(|_| is_reported), Run::failure(run))
        };
        abort(g, shared, failure, calls);
    }
    // SAFETY: as above.
    unsafe { (*run).unreported = !is_reported };
}

/// Goroutine, at its root: a destructor of its result, or the waker of who waits for
/// that, has unwound with this. Returns whether it was a panic.
///
/// # Safety
///
/// As for [`judge`], but whose the result is does not matter.
#[cold]
pub(crate) unsafe fn judge_late(g: &G, run: *mut Run, payload: Box<dyn Any + Send>) -> bool {
    let is_panic = !cancel::is_cancel(&*payload);
    if is_panic
        && let Some(machine) = current::machine()
        && machine.shared().config.panic_policy == PanicPolicy::Abort
    {
        // SAFETY: the caller's contract: the goroutine's own run part.
        let extras = unsafe { (*run).extras.as_mut() };
        let calls = extras.and_then(|extras| extras.panicked_in.take());
        abort(g, machine.shared(), Some(&Failure::Panic(payload)), calls);
    }
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload whose own drop panics is not worth another try.
        mem::forget(another);
    }
    is_panic
}

/// Nobody will ask for the result, which is a failure that was not reported: a
/// panic that something resumed, or that there was no stack.
///
/// # Safety
///
/// The result is the caller's to look at and to drop.
#[cold]
pub(crate) unsafe fn report_unasked(g: &G, run: *mut Run) {
    // SAFETY: the caller's contract.
    let failure = unsafe {
        (*run).unreported = false;
        Run::failure(run)
    };
    let policy = g
        .runtime()
        .map(|shared| (shared.config.panic_policy, shared));
    if let Some((PanicPolicy::Abort, shared)) = policy {
        abort(g, &shared, failure, None);
    }
    if let Some(failure) = failure {
        report(format_args!("gorge: {} {failure}", Identity(g)));
    }
}

/// Ends the process with what Go prints: the failure, the goroutine that failed, and
/// the others.
fn abort(g: &G, shared: &Shared, failure: Option<&Failure>, captured: Option<Addresses>) -> ! {
    let mut text = match failure {
        Some(Failure::Panic(payload)) => format!("panic: {}\n", panic_message(&**payload)),
        Some(failure) => format!("fatal error: {} {failure}\n", Identity(g)),
        None => String::new(),
    };
    if shared.config.traceback != Some(Traceback::None) {
        text += &calls(g, shared, captured);
    }
    report(format_args!("{}", text.trim_end()));
    // SAFETY: no destructor and no exit handler runs: they could wait for
    // goroutines that run on.
    unsafe { libc::_exit(STATUS) }
}

/// The goroutine that failed, and, as `GORGE_TRACEBACK` says, the others, with an
/// empty line before each.
fn calls(g: &G, shared: &Shared, captured: Option<Addresses>) -> String {
    let id = g.id();
    let mut dump = GoroutineDump::take(shared, true);
    let failed = captured.and_then(GoroutineSnapshot::of_panic);
    let failed = failed.or_else(|| dump.goroutines().iter().find(|it| it.id == id).cloned());
    let mut text = failed.map_or(String::new(), |failed| format!("\n{failed}"));
    if shared.config.traceback != Some(Traceback::Single) {
        dump.retain(|goroutine| goroutine.id != id);
        text += &format!("\n{dump}");
    }
    text
}

/// `goroutine 7 "name" (started at file:line:column)`.
pub(crate) struct Identity<'a>(pub(crate) &'a G);

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.0.id())?;
        if let Some(name) = self.0.name_now() {
            write!(f, " {name:?}")?;
        }
        match self.0.site() {
            Some(site) => write!(f, " (started at {site})"),
            None => Ok(()),
        }
    }
}
