//! What a panic that reaches its goroutine's root means for the process.

use crate::dump::GoroutineDump;
use crate::error::{Failure, panic_message};
use crate::goroutine::{G, Run};
use crate::park::PANICKED;
use crate::report::report;
use crate::scheduler::Shared;
use std::fmt;

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
pub(super) fn announce(g: &G, _shared: &Shared) {
    report(format_args!("gorge: {} panics:", Identity(g)));
}

/// Goroutine, at its root, with a panic as its result.
///
/// # Safety
///
/// The caller is the goroutine, and its task holds the result.
#[cold]
pub(crate) unsafe fn judge(g: &G, run: *mut Run, shared: &Shared) {
    if shared.config.panic_policy == PanicPolicy::Abort {
        // SAFETY: the caller's contract.
        abort(shared, unsafe { Run::failure(run) });
    }
    // SAFETY: the caller's contract: the goroutine's own run part.
    unsafe { (*run).unreported = !g.cell.load().has(PANICKED) };
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
        abort(&shared, failure);
    }
    if let Some(failure) = failure {
        report(format_args!("gorge: {} {failure}", Identity(g)));
    }
}

fn abort(shared: &Shared, failure: Option<&Failure>) -> ! {
    let dump = GoroutineDump::take(shared, true);
    match failure {
        Some(Failure::Panic(payload)) => {
            report(format_args!(
                "panic: {}\n\n{dump}",
                panic_message(&**payload)
            ));
        }
        Some(failure) => report(format_args!("fatal error: a goroutine {failure}\n\n{dump}")),
        None => report(format_args!("{dump}")),
    }
    // SAFETY: no destructor and no exit handler runs: they could wait for
    // goroutines that run on.
    unsafe { libc::_exit(STATUS) }
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
