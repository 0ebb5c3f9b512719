//! Whether the runtime is asleep for good, and what comes of it.
//!
//! [`check`] argues in three steps, which `README.md` explains: note that all
//! machines rest, and how many permits were given out; look at everything that may
//! wake somebody; see that no permit was given out meanwhile.

use super::mains::{Main, Parties, Told};
use super::report::DeadlockReport;
use super::{DeadlockDetection, Deadlocks};
use crate::fault;
use crate::goroutine::{G, GRef};
use crate::park::{Claim, ENDED, Outcome, Owner, PARKED, WaitReason};
use crate::primitive::atomic::Ordering;
use crate::scheduler::Shared;
use crate::timer::NEVER;
use std::fmt::Write as _;
use std::ptr::NonNull;

/// What a look has shown.
pub(super) enum Verdict {
    /// Nothing to report as long as no permit is given out.
    Alive,
    /// All are asleep, but there are other threads.
    Watched,
    /// Something happened meanwhile.
    Changed,
    /// All are asleep for good.
    Asleep(Parties),
}

/// Looks at a runtime that rested when `given` permits had been given out.
/// `witness` is the goroutine that was the reason last time not to worry.
pub(super) fn check(shared: &Shared, given: u64, witness: &mut Option<GRef>) -> Verdict {
    let deadlocks = &shared.deadlocks;
    let Some(parties) = deadlocks.mains.parties() else {
        // Who starts that main says so.
        return Verdict::Alive;
    };
    let is_end_awaited = parties.is_end_awaited && shared.is_shutting_down();
    if parties.mains.is_empty() && !is_end_awaited {
        return Verdict::Alive;
    }
    // Acquire: pairs with the Release with which something from outside ended, so
    // that the goroutines that it claimed are seen below.
    if deadlocks.outside.load(Ordering::Acquire) != 0 {
        return Verdict::Alive;
    }
    // SAFETY: Gs stay allocated as long as their runtime.
    let has_hope = |g: GRef| has_hope(unsafe { g.as_ref() });
    if witness.is_some_and(has_hope) {
        return Verdict::Alive;
    }
    if !is_alone(deadlocks, &parties) {
        return Verdict::Watched;
    }
    *witness = shared.store.find(has_hope);
    if witness.is_some() {
        return Verdict::Alive;
    }
    match shared.permits.at_rest(&shared.slots) {
        Some(now) if now == given => Verdict::Asleep(parties),
        _ => Verdict::Changed,
    }
}

fn is_alone(deadlocks: &Deadlocks, parties: &Parties) -> bool {
    deadlocks.mode == DeadlockDetection::Always
        || deadlocks.threads.are_alone_with(&parties.waiting)
}

/// Whether the goroutine may run again although all others are asleep: it is not
/// parked, or what it waits for comes from outside.
fn has_hope(g: &G) -> bool {
    let word = g.cell.load();
    if word.has(ENDED) || g.id().as_u64() == 0 {
        return false;
    }
    // One without a deadline sleeps until the end of time, which is a time.
    let comes_from_outside = || {
        matches!(
            g.cell.reason(),
            WaitReason::Io | WaitReason::Blocking | WaitReason::Sleep
        )
    };
    !word.has(PARKED) || g.timer.when() != NEVER || comes_from_outside()
}

/// Tells those who wait, and lets the mains unwind. The runtime rested when `given`
/// permits had been given out; `wake` makes a goroutine runnable that was claimed.
pub(super) fn tell(shared: &Shared, parties: &Parties, given: u64, wake: impl FnMut(Claim)) {
    if parties.mains.is_empty() {
        return shared.give_up_end();
    }
    let report = DeadlockReport::take(shared);
    let claims = shared.deadlocks.mains.with(&parties.mains, |mains| {
        if let Some(told) = mains.iter().find_map(|main| main.told.clone()) {
            // Asleep again: some of them wait where no cancel reaches.
            // A machine may have looked around meanwhile, and changed nothing.
            let has_changed =
                told.given != given && report.dump().to_string() != told.report.dump().to_string();
            let now = has_changed.then_some(&report);
            end_process(&told.report, now, &mains);
        }
        let claims = mains.into_iter().filter_map(|main| {
            main.told = Some(Told {
                report: report.clone(),
                given,
            });
            cancel(main)
        });
        claims.collect::<Vec<_>>()
    });
    // Without the lock, which a goroutine that wakes may need at once. If there is
    // none, the next look finds all asleep as they are.
    claims.into_iter().for_each(wake);
}

/// The right to wake the main, if its wait ends by a cancel.
fn cancel(main: &Main) -> Option<Claim> {
    let g = main.g()?;
    let claimed = g.cell.request_cancel(Outcome::Cancelled.to_token());
    claimed.then(|| Claim::new(NonNull::from(&g.cell), Owner::Goroutine))
}

/// Ends the process as Go does: somebody waits in `run` for ever, and may not return
/// before what it lent is given back.
#[cold]
fn end_process(report: &DeadlockReport, now: Option<&DeadlockReport>, mains: &[&mut Main]) -> ! {
    let mut text = format!("{report}\n");
    for g in mains.iter().filter_map(|main| main.g()) {
        let _ = writeln!(
            text,
            "goroutine {} cannot be unwound: it, or a goroutine that it waits for, waits where no \
             cancel is delivered",
            g.id()
        );
    }
    if let Some(now) = now {
        let _ = write!(text, "\nafter the cancel:\n\n{}", now.dump());
    }
    // Not through std's handle: a goroutine that is asleep may have that locked.
    fault::print(text.as_bytes());
    // SAFETY: ends the process here and now. Exit handlers could wait for
    // goroutines that never run again.
    unsafe { libc::_exit(2) }
}
