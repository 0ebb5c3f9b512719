//! Machines that are stuck in one goroutine: since when, and why.
//!
//! A machine counts the goroutines that it runs. While the count stands still,
//! it is in one of three states:
//!
//! * In a closure that was announced to block: its permit goes to another machine
//!   at the second look, if work waits for one.
//! * Blocked without a word: the thread has used no processor time between
//!   two looks and sleeps in the kernel. The same.
//! * Computing: after a time slice the goroutine is asked to give way. If it has
//!   not a millisecond later, and work waits, its permit goes to another
//!   machine; of such hogs at most as many run beside the permits as there
//!   are permits.
//!
//! A machine that blocks loses its permit after ten milliseconds even if nothing
//! waits: what comes later then finds a free one at once.

use super::warning::Warnings;
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use crate::scheduler::permits::{ACTIVE, LOST};
use crate::scheduler::{Crew, Shared, Slot};
use std::time::Duration;

/// How long a hog may take to answer.
const GRACE_NS: u64 = 1_000_000;

/// How long a machine may block and keep its permit, when nothing waits for it.
const BLOCKED_MAX_NS: u64 = 10_000_000;

/// What was seen of every machine.
#[derive(Default)]
pub(super) struct Watch {
    seen: Vec<Seen>,
    warnings: Warnings,
}

/// What was seen of one machine.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// What stands still: goroutines run, steps into and out of blocking code.
    progress: (u32, u32),
    /// Since when, on the runtime's clock.
    since: u64,
    /// The thread's processor time at the last look.
    used: Option<Duration>,
    /// When the goroutine was asked to give way.
    asked: Option<u64>,
    /// The permit was taken from a hog.
    is_hog: bool,
}

/// Why a machine does not come back to its loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Hog,
    Blocked,
    Announced,
}

impl Watch {
    /// One look at every machine. True when that changed something, so that
    /// another look soon is worth its while.
    pub(super) fn look(&mut self, shared: &Shared, now: u64, slice: Duration) -> bool {
        let slice_ns = u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX);
        self.seen.resize(shared.slots.len(), Seen::default());
        let mut acted = false;
        for (index, slot) in shared.slots.iter().enumerate() {
            let standing = slot.standing.load(Ordering::Acquire);
            let seen = &mut self.seen[index];
            if standing != LOST {
                seen.is_hog = false;
            }
            if standing != ACTIVE {
                // What it runs next begins when it is seen again.
                seen.progress = Seen::NOTHING;
                continue;
            }
            if !seen.stands_still(slot, now) {
                continue;
            }
            let Some(cause) = seen.cause(slot, now, slice_ns, &mut acted, shared) else {
                continue;
            };
            let blocks_for_long = cause != Cause::Hog && now - seen.since >= BLOCKED_MAX_NS;
            if !blocks_for_long && !is_work_waiting(shared, now) {
                continue;
            }
            acted |= self.take(shared, slot, cause);
        }
        acted
    }

    /// Gives the machine's permit, and what it has queued, to others.
    fn take(&mut self, shared: &Shared, slot: &Slot, cause: Cause) -> bool {
        let hogs = self.seen.iter().filter(|seen| seen.is_hog).count();
        if cause == Cause::Hog && hogs >= shared.permits.limit() {
            return false;
        }
        let seen = &mut self.seen[slot.number() as usize - 1];
        let Some(handed) = shared.permits.take_away(slot.number(), &shared.slots, || {
            // Pairs with the light barrier of `uncover`.
            barrier::heavy();
            progress(slot) == seen.progress
        }) else {
            return false;
        };
        seen.is_hog = cause == Cause::Hog;
        slot.lose_permit();
        shared.unpark(handed);
        shared.take_queues_of(slot);
        self.warnings.count(shared, slot, cause);
        true
    }
}

impl Seen {
    /// The progress of a machine that has not been seen with a permit since it
    /// lost or left one: like no other, but once in four billion runs.
    const NOTHING: (u32, u32) = (u32::MAX, u32::MAX);

    /// Compares with the last look.
    fn stands_still(&mut self, slot: &Slot, now: u64) -> bool {
        let progress = progress(slot);
        if slot.running().is_some() && progress == self.progress {
            return true;
        }
        *self = Seen {
            progress,
            since: now,
            ..Seen::default()
        };
        false
    }

    /// Why the machine stands still; `None` when that is not clear yet, or its
    /// goroutine's slice is not over.
    fn cause(
        &mut self,
        slot: &Slot,
        now: u64,
        slice_ns: u64,
        acted: &mut bool,
        shared: &Shared,
    ) -> Option<Cause> {
        if self.progress.1 % 2 == 1 {
            return Some(Cause::Announced);
        }
        let thread = slot.thread.lock();
        let used = thread.as_ref()?.used();
        let has_rested = self.used.is_some() && self.used == used;
        self.used = used;
        if has_rested && thread.as_ref()?.is_asleep() {
            return Some(Cause::Blocked);
        }
        drop(thread);
        match self.asked {
            None if now - self.since >= slice_ns => {
                self.asked = Some(now);
                slot.end_slice();
                shared
                    .monitor
                    .counts
                    .slices_ended
                    .fetch_add(1, Ordering::Relaxed);
                *acted = true;
                None
            }
            Some(asked) if now - asked >= GRACE_NS => Some(Cause::Hog),
            _ => None,
        }
    }
}

fn progress(slot: &Slot) -> (u32, u32) {
    (slot.processor.tick(), slot.blocking_steps())
}

/// Whether a machine would find something to do.
fn is_work_waiting(shared: &Shared, now: u64) -> bool {
    shared.permits.wanting() != 0 || shared.has_work() || shared.earliest_timer() <= now
}
