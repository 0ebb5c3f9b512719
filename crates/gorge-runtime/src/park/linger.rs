//! Looking around before a wait, where that keeps nobody from running.
//!
//! A party that waits is handed what it waits for, one by one: its counterpart has to win
//! and to wake it each time. Where both run, on threads of their own, the faster one would
//! always wait. One that stays away for a moment instead lets the other one go on
//! undisturbed, and finds more than one thing when it comes back.
//!
//! Only for a moment: the system may have put both on one processor, where the other one
//! runs when this one sleeps, and not before.

use crate::primitive::{may_spin, spin_hint};

/// The pauses are one, two, four and so on of the processor's, up to this.
const LONGEST_PAUSE: u32 = 128;

/// How often a party looks: for some six microseconds.
const LOOKS: u32 = 12;

/// The pauses of who waits for one thing: an eighth of a microsecond. Each look takes the
/// line away from the party that works on it, and each pause is half lost when it has come:
/// with a third of this both are a third slower, with twice as much twice as slow.
const SHORT_PAUSE: u32 = 12;

/// How often that one looks: for some nine microseconds. With half of that threads mostly
/// sleep, and are four times slower.
const SHORT_LOOKS: usize = 64;

/// Whether the caller is an OS thread, and others can run while it looks around.
pub fn may_linger() -> bool {
    !crate::scheduler::current::machine().is_some_and(crate::scheduler::Machine::is_running)
        && may_spin()
}

/// Looks until `has_come` for some microseconds, with ever longer pauses, if the caller
/// [may](may_linger). True if it has; otherwise the thread's next wait does not look again
/// for as long, but sleeps.
pub fn linger(has_come: impl Fn() -> bool) -> bool {
    let pauses = (0..LOOKS).map(|look| (1 << look).min(LONGEST_PAUSE));
    look(pauses, has_come)
}

/// As [`linger`], but looks again and again after the same short pause.
///
/// For what comes one thing at a time, from a party that waits for this one in its turn: if
/// both paused for as long as they have waited already, each would add that to what the other
/// one waits.
pub fn linger_for_one(has_come: impl Fn() -> bool) -> bool {
    look(std::iter::repeat_n(SHORT_PAUSE, SHORT_LOOKS), has_come)
}

fn look(pauses: impl Iterator<Item = u32>, has_come: impl Fn() -> bool) -> bool {
    if !may_linger() {
        return false;
    }
    for pause in pauses {
        (0..pause).for_each(|_| spin_hint());
        if has_come() {
            return true;
        }
    }
    super::thread::has_lingered();
    false
}
