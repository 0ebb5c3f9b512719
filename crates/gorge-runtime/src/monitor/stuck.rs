//! Machines that are stuck in one goroutine: since when, and why.
//!
//! A machine counts the goroutines that it runs. While the count stands still,
//! it is in one of three states:
//!
//! * In a closure that was announced to block: its permit goes to another machine
//!   at the second look, if work waits for one.
//! * Blocked without a word: the thread has used little processor time between
//!   two looks and sleeps in the kernel. The same. None at all would not do: one
//!   that sleeps a hundred microseconds again and again blocks, however far apart
//!   the looks are.
//! * Computing: after a time slice the goroutine is asked to give way. If it has
//!   not after another millisecond on the processor, and work waits, its permit
//!   goes to another machine; of such hogs at most as many compute beside the
//!   permits as there are permits.
//!
//! A machine that blocks loses its permit after ten milliseconds even if nothing
//! waits: what comes later then finds a free one at once.

use super::warning::Warnings;
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use crate::scheduler::permits::{ACTIVE, LOST};
use crate::scheduler::{Crew, Shared, Slot, ThreadClock};
use std::time::Duration;

/// How much processor time a hog may use before it answers. Not real time: its
/// thread may have to wait for its turn.
const GRACE: Duration = Duration::from_millis(1);

/// A thread that uses less than this part of the time between two looks, and is asleep
/// at the second one, blocks. One that computes is awake, whether it has its turn on a
/// processor or waits for it.
const BLOCKED_PART: u128 = 4;

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
    /// The machine had a permit at the last look.
    is_known: bool,
    /// How many goroutines it had run, and since when no other.
    tick: u32,
    since: u64,
    /// How many slices had begun, and since when no other: goroutines that wake
    /// each other share one, however short each of them runs.
    turns: u32,
    turn_since: u64,
    /// How many steps it had taken into and out of blocking closures, and since
    /// when no other.
    steps: u32,
    steps_since: u64,
    /// The thread's processor time at the last look at it, and when that was.
    used: Option<Duration>,
    used_at: u64,
    /// The thread slept in the kernel then, and had used little before.
    rests: bool,
    /// The thread's processor time when the goroutine was asked to give way.
    asked: Option<Duration>,
    /// The permit was taken from a hog. It counts as one while it does not rest.
    is_hog: bool,
    /// The permit was taken, and nobody has been told why yet.
    untold: Option<Cause>,
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
        // New ones come at the next look.
        let count = shared.slots.len();
        self.seen.resize(count, Seen::default());
        let mut acted = false;
        for (index, slot) in shared.slots.iter().take(count).enumerate() {
            let standing = slot.standing.load(Ordering::Acquire);
            let seen = &mut self.seen[index];
            if standing != LOST {
                seen.is_hog = false;
            }
            if standing == LOST {
                seen.tell(shared, slot, now, &mut self.warnings);
                if seen.is_hog {
                    seen.examine(slot, now);
                }
                leave_queues_to_others(shared, slot);
            }
            if standing != ACTIVE {
                if standing != LOST {
                    // What it runs next begins when it is seen again.
                    *seen = Seen::default();
                }
                continue;
            }
            let is_over = seen.outlasts_slice(slot, now, slice_ns);
            if !seen.stands_still(slot, now) {
                if is_over {
                    seen.turn_since = now;
                    end_slice(shared, slot);
                }
                continue;
            }
            let Some(cause) = seen.cause(slot, now, slice_ns, &mut acted, shared) else {
                continue;
            };
            let blocks_for_long = cause != Cause::Hog && now - seen.begun(cause) >= BLOCKED_MAX_NS;
            if !blocks_for_long && !is_work_waiting(shared, now) {
                continue;
            }
            acted |= self.take(shared, slot, cause, now);
        }
        acted
    }

    /// Gives the machine's permit, and what it has queued, to others.
    fn take(&mut self, shared: &Shared, slot: &Slot, cause: Cause, now: u64) -> bool {
        let computes = |seen: &&Seen| seen.is_hog && !seen.rests;
        let hogs = self.seen.iter().filter(computes).count();
        if cause == Cause::Hog && hogs >= shared.permits.limit() {
            leave_queues_to_others(shared, slot);
            return false;
        }
        let seen = &mut self.seen[slot.number() as usize - 1];
        let Some(handed) = shared.permits.take_away(slot.number(), &shared.slots, || {
            // Pairs with the light barrier of `uncover`.
            barrier::heavy();
            seen.is_true_of(slot)
        }) else {
            return false;
        };
        seen.is_hog = cause == Cause::Hog;
        seen.untold = (cause != Cause::Announced).then_some(cause);
        slot.lose_permit();
        shared.unpark(handed);
        shared.take_queues_of(slot);
        count(shared, cause);
        // A hog has had its time.
        seen.tell(shared, slot, now, &mut self.warnings);
        true
    }
}

impl Seen {
    /// Compares with the last look: true if what it runs has had a time slice, in
    /// one goroutine or in several that woke each other.
    fn outlasts_slice(&mut self, slot: &Slot, now: u64, slice_ns: u64) -> bool {
        let turns = slot.processor.turns();
        if turns != self.turns || !self.is_known {
            (self.turns, self.turn_since) = (turns, now);
        }
        now - self.turn_since >= slice_ns
    }

    /// Compares with the last look: true if it is still in the same goroutine.
    fn stands_still(&mut self, slot: &Slot, now: u64) -> bool {
        let (tick, steps) = (slot.processor.tick(), slot.blocking_steps());
        if slot.running().is_none() || tick != self.tick || !self.is_known {
            *self = Seen {
                tick,
                since: now,
                steps,
                steps_since: now,
                is_known: true,
                turns: self.turns,
                turn_since: self.turn_since,
                ..Seen::default()
            };
            return false;
        }
        if steps != self.steps {
            (self.steps, self.steps_since, self.used) = (steps, now, None);
        }
        true
    }

    /// Warns of a goroutine that has been stuck for long, once its permit is gone:
    /// not of one that waits for a page of memory.
    fn tell(&mut self, shared: &Shared, slot: &Slot, now: u64, warnings: &mut Warnings) {
        let is_long = now - self.since >= BLOCKED_MAX_NS;
        if is_long
            && self.is_true_of(slot)
            && let Some(cause) = self.untold.take()
        {
            warnings.warn(shared, slot, cause);
        }
    }

    /// Whether nothing has changed since the last look.
    fn is_true_of(&self, slot: &Slot) -> bool {
        slot.processor.tick() == self.tick && slot.blocking_steps() == self.steps
    }

    /// When it began to do what it does.
    fn begun(&self, cause: Cause) -> u64 {
        match cause {
            Cause::Announced => self.steps_since,
            Cause::Hog | Cause::Blocked => self.since,
        }
    }

    /// Looks at what the thread does in its goroutine.
    fn examine(&mut self, slot: &Slot, now: u64) {
        let thread = slot.thread.lock();
        let used = thread.as_ref().and_then(ThreadClock::used);
        let spent = used
            .zip(self.used)
            .map(|(used, before)| used.saturating_sub(before));
        let has_paused = spent == Some(Duration::ZERO);
        let has_spent_little = spent
            .is_some_and(|spent| spent.as_nanos() * BLOCKED_PART <= u128::from(now - self.used_at));
        let sleeps = || thread.as_ref().is_some_and(ThreadClock::is_asleep);
        self.rests = has_spent_little && (self.rests && has_paused || sleeps());
        (self.used, self.used_at) = (used, now);
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
        if self.steps % 2 == 1 {
            return (self.steps_since != now).then_some(Cause::Announced);
        }
        self.examine(slot, now);
        if self.rests {
            return Some(Cause::Blocked);
        }
        match self.asked {
            None if now - self.since >= slice_ns => {
                self.asked = self.used;
                end_slice(shared, slot);
                *acted = true;
                None
            }
            Some(asked) if self.used? - asked >= GRACE => Some(Cause::Hog),
            _ => None,
        }
    }
}

/// What a stuck goroutine has made runnable since its machine's queues were taken:
/// machines that always have work of their own do not come for it.
fn leave_queues_to_others(shared: &Shared, slot: &Slot) {
    if slot.processor.has_work() {
        shared.take_queues_of(slot);
    }
}

/// Asks what runs there to give way.
fn end_slice(shared: &Shared, slot: &Slot) {
    slot.end_slice();
    let slices = &shared.monitor.counts.slices_ended;
    slices.fetch_add(1, Ordering::Relaxed);
}

/// Counts a permit that was taken.
fn count(shared: &Shared, cause: Cause) {
    let counts = &shared.monitor.counts;
    let count = match cause {
        Cause::Hog => &counts.hogs,
        Cause::Blocked => &counts.blocked,
        Cause::Announced => &counts.announced,
    };
    count.fetch_add(1, Ordering::Relaxed);
}

/// Whether a machine would find something to do.
fn is_work_waiting(shared: &Shared, now: u64) -> bool {
    shared.permits.wanting() != 0 || shared.has_work() || shared.earliest_timer() <= now
}
