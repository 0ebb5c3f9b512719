//! When to look for deadlocks: as soon as a runtime has rested from one look of the
//! monitor to the next, and again when something may have changed.
//!
//! A look that finds a reason not to worry is good until a permit is given out or
//! somebody [nudges](crate::monitor::Monitor::nudge) the monitor: nothing else ends
//! such a reason. Only that other threads exist is looked at several times, because
//! threads that have ended may be listed for a moment longer.

use super::DeadlockDetection;
use super::look::{self, Verdict, check};
use crate::goroutine::GRef;
use crate::park::Claim;
use crate::scheduler::Shared;

/// How many looks see foreign threads before those are taken for lasting: a third
/// of a second.
const WATCHED_LOOKS: u32 = 32;

/// Where the monitor is with it.
#[derive(Default)]
pub(crate) struct Lookout {
    /// How many permits had been given out when the runtime was last seen at rest;
    /// `None` when it was not.
    given: Option<u64>,
    /// How often the monitor had been nudged then.
    nudges: u32,
    /// How many looks found other threads in this rest.
    looks: u32,
    /// There is nothing more to be seen in this rest.
    is_done: bool,
    /// The goroutine that was the latest reason not to worry.
    witness: Option<GRef>,
}

impl Lookout {
    /// Looks, if it is time for it; `is_slow` says that the monitor looks rarely.
    /// True when that changed something.
    pub(crate) fn look(&mut self, shared: &Shared, is_slow: bool) -> bool {
        if shared.deadlocks.mode == DeadlockDetection::Off {
            return false;
        }
        let nudges = shared.monitor.nudges();
        let given = shared.permits.at_rest(&shared.slots);
        if given != self.given || nudges != self.nudges {
            self.is_done = given.is_none();
            (self.given, self.nudges, self.looks) = (given, nudges, 0);
            // A moment's rest is not worth a look.
            return false;
        }
        let Some(given) = given else { return false };
        if self.is_done || (self.looks > 0 && !is_slow) {
            return false;
        }
        match check(shared, given, &mut self.witness) {
            Verdict::Alive => self.is_done = true,
            Verdict::Watched => {
                self.looks += 1;
                self.is_done = self.looks == WATCHED_LOOKS;
            }
            Verdict::Changed => {}
            Verdict::Asleep(parties) => {
                self.is_done = parties.mains.is_empty();
                look::tell(shared, &parties, given, Claim::wake);
                return true;
            }
        }
        false
    }

    /// Whether the runtime is as it was when the last look found that there is
    /// nothing to be seen.
    pub(crate) fn has_seen_all(&self, shared: &Shared) -> bool {
        shared.deadlocks.mode == DeadlockDetection::Off
            || (self.is_done
                && self.nudges == shared.monitor.nudges()
                && self.given == shared.permits.at_rest(&shared.slots))
    }
}

impl Shared {
    /// In a simulation, for its machine, which rests and has nothing to wait for.
    /// `pause` waits for a moment, and says whether the machine is called. True when
    /// there is something to do after all.
    pub(crate) fn look_before_sleep(&self, pause: impl Fn() -> bool) -> bool {
        if self.deadlocks.mode == DeadlockDetection::Off {
            return false;
        }
        for _ in 0..WATCHED_LOOKS {
            let Some(given) = self.permits.at_rest(&self.slots) else {
                return false;
            };
            match check(self, given, &mut None) {
                Verdict::Alive => return false,
                Verdict::Watched | Verdict::Changed if pause() => return true,
                Verdict::Watched | Verdict::Changed => {}
                Verdict::Asleep(parties) => {
                    look::tell(self, &parties, given, Claim::leave);
                    return !parties.mains.is_empty();
                }
            }
        }
        false
    }
}
