//! Acquiring and releasing: the fast paths, and what happens when they fail.

use super::line::Line;
use super::word::{Change, HeldQueue, Look, State, Want, Word};
use super::word::{DRAINING, NO_SLEEPER, STARVING, UPGRADABLE, WOKEN, WRITER};
use crate::queue::{Claimed, Node};
use gorge_runtime::cancel;
use gorge_runtime::park::{self, CancelMode, Outcome, Wait, WaitReason};
use gorge_runtime::primitive::{may_spin, spin_hint};
use gorge_runtime::profile;
use gorge_runtime::time;
use std::time::{Duration, Instant};

/// A scout that loses the lock to somebody else after having waited this long
/// makes the next party that gives up its token hand over.
#[cfg(not(gorge_loom))]
const STARVING_AFTER: Duration = Duration::from_millis(1);
/// No time passes under loom: there, a waiter starves when it first loses.
#[cfg(gorge_loom)]
const STARVING_AFTER: Duration = Duration::ZERO;

/// Before it queues, a party looks this often, pausing twice as long each time:
/// 63 pauses, one or two microseconds in all, which is what a park costs.
const SPIN_ROUNDS: u32 = 6;

/// What a waiter is told: be the scout, go and compete.
const MAY_COMPETE: Outcome = Outcome::Woken(0);
/// What a waiter is told: it is yours. To a reader: you are counted. To one who
/// wants a token: you have WRITER. To one who drains: no reader is left.
const GRANTED: Outcome = Outcome::Woken(1);

/// What the lock is once a [`Change`] is made, as far as it decides who may come
/// in: nobody has WRITER.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nobody has a token, and whether anybody reads is not known.
    Free,
    /// Nobody has a token; somebody reads.
    Read,
    /// Somebody has UPGRADABLE.
    Upgradable,
}

/// The lock below [`RwLock`](super::RwLock): two words, without data.
///
/// For `lock_api`, and for locks built on it.
pub struct RawRwLock {
    pub(super) word: Word,
}

impl RawRwLock {
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> RawRwLock {
        RawRwLock { word: Word::new() }
    }

    #[cfg(gorge_loom)]
    pub(super) fn new() -> RawRwLock {
        RawRwLock { word: Word::new() }
    }

    /// Reads, waiting until it may.
    #[inline]
    pub(super) fn acquire_read(&self, want: Want) {
        if !self.word.read_free() {
            let acquired = self.acquire_slow(want, None);
            debug_assert!(acquired, "without a deadline there is no timing out");
        }
    }

    /// Writes, waiting until it may.
    #[inline]
    pub(super) fn acquire_write(&self) {
        if !self.word.write_free() {
            let acquired = self.acquire_slow(Want::Write, None);
            debug_assert!(acquired, "without a deadline there is no timing out");
        }
    }

    /// Takes what is wanted, waiting until `deadline` at most; `None` is one
    /// beyond the end of time. False if it passed.
    #[inline]
    pub(super) fn acquire_until(
        &self,
        want: Want,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> bool {
        let free = match want {
            Want::Read | Want::ReadRecursive => self.word.read_free(),
            Want::Upgradable => self.word.try_take(want),
            Want::Write => self.word.write_free(),
        };
        free || self.acquire_slow(want, deadline())
    }

    /// A reader leaves.
    #[inline]
    pub(super) fn release_read(&self) {
        if let Err(before) = self.word.unread() {
            self.release_read_slow(before);
        }
    }

    /// The writer leaves. With `fair`, those who wait go first.
    #[inline]
    pub(super) fn release_write(&self, fair: bool) {
        if !self.word.unwrite_plain() {
            self.release_write_slow(fair);
        }
    }

    /// The party with UPGRADABLE leaves. With `fair`, those who wait go first.
    #[inline]
    pub(super) fn release_upgradable(&self, fair: bool) {
        self.give_up(UPGRADABLE, Change::default(), Left::Free, fair);
    }

    /// The party with `token` becomes a plain reader.
    #[inline]
    pub(super) fn downgrade(&self, token: usize) {
        let change = Change {
            more_readers: 1,
            ..Change::default()
        };
        self.give_up(token, change, Left::Read, false);
    }

    /// The writer becomes the party with UPGRADABLE.
    #[inline]
    pub(super) fn downgrade_to_upgradable(&self) {
        self.give_up(WRITER, TO_UPGRADABLE, Left::Upgradable, false);
    }

    /// The party with UPGRADABLE becomes the writer, when the others that read
    /// have left. False, and it still has UPGRADABLE, if the deadline was first.
    #[inline]
    pub(super) fn upgrade_until(&self, deadline: impl FnOnce() -> Option<Instant>) -> bool {
        self.word.upgrade(false);
        let drain = || self.drain(deadline(), TO_UPGRADABLE, Left::Upgradable);
        self.word.is_drained() || self.timed(Want::Write, drain)
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, want: Want, deadline: Option<Instant>) -> bool {
        self.timed(want, || self.acquire_queueing(want, deadline))
    }

    /// Does what waits for this, and tells the profile's hook.
    fn timed(&self, want: Want, wait: impl FnOnce() -> bool) -> bool {
        let began = profile::wait_begins();
        let acquired = wait();
        let Wait { reason, object, .. } = self.wait(want, None);
        profile::wait_ended(began, reason, object);
        acquired
    }

    fn acquire_queueing(&self, want: Want, deadline: Option<Instant>) -> bool {
        if self.spin(|| self.word.try_take(want), || self.word.has_waiters()) {
            return self.complete(want, deadline);
        }
        let wait = self.wait(want, deadline);
        let node = Node::new();
        let since = time::now();
        let (mut scout, mut first, mut starving) = (false, false, false);
        loop {
            let held = match self.word.take_or_queue(want, scout) {
                Look::Done(before) => {
                    if scout && want != Want::Write && before.is_contended() {
                        self.let_in_others();
                    }
                    return self.complete(want, deadline);
                }
                Look::Queue(held) => held,
            };
            if scout && held.before().has(UPGRADABLE) && has_readers(&held) {
                make_reader_scout(held);
                scout = false;
                continue;
            }
            let publish = |waiter| {
                // SAFETY: each wait ends with the node out of the queue: it was
                // claimed, or `leave` takes it back. So it is in none before the
                // next one, and until then this frame stays.
                held.edit(|line| unsafe {
                    match (want, first) {
                        (Want::Read | Want::ReadRecursive, _) => {
                            line.readers.push_back(&node, waiter);
                        }
                        (_, false) => line.others.push_back(&node, waiter),
                        (_, true) => line.others.push_front(&node, waiter, starving),
                    }
                });
            };
            let set = if starving { STARVING } else { 0 };
            let commit = || {
                held.end(Change {
                    set,
                    ..Change::default()
                });
            };
            // SAFETY: the waiter is taken back as said above. `commit` unlocks
            // the queues, the only lock held, and neither panics nor parks.
            let outcome = unsafe { park::park(wait, publish, commit) };
            match outcome {
                Ok(GRANTED) => return self.complete_granted(want, deadline),
                Ok(Outcome::Woken(_)) => (scout, first) = (true, true),
                Ok(Outcome::TimedOut) => {
                    self.leave(&node, want);
                    return false;
                }
                Err(park::Refused) => {
                    // Where it must not wait, a goroutine is refused at its
                    // first attempt: it is not queued, and is no scout.
                    drop(held);
                    cancel::deliver();
                }
                Ok(Outcome::Cancelled | Outcome::Closed) => {
                    unreachable!("a lock withholds cancels and is never closed")
                }
            }
            starving = time::now().saturating_duration_since(since) >= STARVING_AFTER;
        }
    }

    fn wait(&self, want: Want, deadline: Option<Instant>) -> Wait {
        Wait {
            reason: match want {
                Want::Write => WaitReason::RwLockWrite,
                _ => WaitReason::RwLockRead,
            },
            object: std::ptr::from_ref(self).addr(),
            deadline,
            cancel: CancelMode::Withhold,
        }
    }

    /// The caller has taken what is wanted: whoever wants to write waits for the
    /// readers. False if the deadline passed, and then it has nothing.
    fn complete(&self, want: Want, deadline: Option<Instant>) -> bool {
        want != Want::Write || self.drain(deadline, Change::default(), Left::Read)
    }

    /// The caller was granted what is wanted, by being counted or by WRITER.
    #[cold]
    fn complete_granted(&self, want: Want, deadline: Option<Instant>) -> bool {
        if want == Want::Upgradable {
            let held = self.word.lock_queue();
            let hand_over = false;
            let_in(
                held,
                giving(WRITER, TO_UPGRADABLE),
                Left::Upgradable,
                hand_over,
            );
        }
        self.complete(want, deadline)
    }

    /// Looks for a moment whether those who are in the way are about to leave, unless there
    /// is a reason to give up.
    fn spin(&self, look: impl Fn() -> bool, gives_up: impl Fn() -> bool) -> bool {
        if !may_spin() {
            return false;
        }
        for round in 0..SPIN_ROUNDS {
            if look() {
                return true;
            }
            // Others wait already. One party that has the lock again and again is faster
            // than two that take it from each other.
            if gives_up() {
                return false;
            }
            for _ in 0..1 << round {
                spin_hint();
            }
        }
        false
    }

    /// A waiter that timed out takes itself back.
    ///
    /// If a waker took it out first, that waker failed to claim it, because the
    /// deadline had, and went on to the next: no wake-up is lost here.
    #[cold]
    fn leave(&self, node: &Node, want: Want) {
        let held = self.word.lock_queue();
        held.edit(|line| {
            let queue = match want {
                Want::Read | Want::ReadRecursive => &mut line.readers,
                Want::Upgradable | Want::Write => &mut line.others,
            };
            // SAFETY: the node was queued there, and its wait is over.
            unsafe { queue.remove(node) };
        });
    }

    /// Who has WRITER waits until no reader is left. If the deadline is first, it
    /// gives WRITER up by the change `back`, which leaves the lock as `left`.
    fn drain(&self, deadline: Option<Instant>, back: Change, left: Left) -> bool {
        self.word.is_drained()
            || self.spin(|| self.word.is_drained(), || false)
            || self.drain_slow(deadline, back, left)
    }

    #[cold]
    #[inline(never)]
    fn drain_slow(&self, deadline: Option<Instant>, back: Change, left: Left) -> bool {
        let Look::Queue(held) = self.word.drained_or_queue() else {
            return true;
        };
        let wait = self.wait(Want::Write, deadline);
        let node = Node::new();
        let publish = |waiter| {
            // SAFETY: the node is new, and stays in this frame until it was
            // claimed, or taken back below.
            held.edit(|line| unsafe { line.readers.push_front(&node, waiter, false) });
        };
        // SAFETY: the waiter is taken back as said above. `commit` unlocks the
        // queues, the only lock held, and neither panics nor parks.
        let outcome = unsafe { park::park(wait, publish, || held.end(Change::default())) };
        match outcome {
            Ok(Outcome::Woken(_)) => true,
            Ok(Outcome::TimedOut) => {
                let held = self.word.lock_queue();
                // SAFETY: the node was queued there, and its wait is over.
                if !held.edit(|line| unsafe { line.readers.remove(&node) }) {
                    // The last reader took it out when it left.
                    return true;
                }
                let starving = held.before().has(STARVING);
                self.stop_draining(held, back, left, starving)
            }
            Err(park::Refused) => {
                if !self.stop_draining(held, back, left, false) {
                    cancel::deliver();
                }
                true
            }
            Ok(Outcome::Cancelled | Outcome::Closed) => {
                unreachable!("a lock withholds cancels and is never closed")
            }
        }
    }

    /// Who has set DRAINING, and is not queued, gives WRITER up. False if it did; true
    /// if the last reader has left after all: then it has the lock.
    fn stop_draining(&self, held: HeldQueue<'_>, back: Change, left: Left, fair: bool) -> bool {
        if self.word.undrain() {
            let_in(held, giving(WRITER, back), left, fair);
            return false;
        }
        // The reader, who will be there in a moment, must not find that the lock is gone.
        held.end(Change {
            set: NO_SLEEPER,
            ..Change::default()
        });
        while !self.word.has_left() {
            spin_hint();
        }
        true
    }

    /// A reader has left, and that was not all: somebody sleeps until the last one has.
    #[cold]
    #[inline(never)]
    fn release_read_slow(&self, before: State) {
        if !self.word.was_awaited(before) {
            return;
        }
        let held = self.word.lock_queue();
        // The first in the queue is whoever sleeps. If its deadline was faster, it
        // is on its way to the queue, finds that it was taken out, and writes. It
        // cannot have left: it has WRITER until DRAINING is taken back.
        let claimed = match held.before().has(NO_SLEEPER) {
            true => None,
            false => held.edit(|line| line.readers.claim_only_first(GRANTED)),
        };
        held.end(Change {
            clear: DRAINING | NO_SLEEPER,
            ..Change::default()
        });
        // From here on the lock may be gone.
        if let Some(claim) = claimed {
            claim.wake();
        }
    }

    /// The writer leaves while somebody waits, or is about to.
    #[cold]
    #[inline(never)]
    fn release_write_slow(&self, fair: bool) {
        self.give_up(WRITER, Change::default(), Left::Free, fair);
    }

    /// Gives up `token` by a change, which leaves the lock as `left`.
    #[inline]
    fn give_up(&self, token: usize, change: Change, left: Left, fair: bool) {
        let change = giving(token, change);
        if let Look::Queue(held) = self.word.change_or_queue(token, change, fair) {
            let hand_over = fair || held.before().has(STARVING);
            let_in(held, change, left, hand_over);
        }
    }

    /// A scout that came in, as a reader or with UPGRADABLE, lets in whoever may
    /// come with it.
    #[cold]
    fn let_in_others(&self) {
        let held = self.word.lock_queue();
        // Who has WRITER, which drains if the caller reads, sees to the others.
        if held.before().has(WRITER) {
            return;
        }
        let left = match held.before().has(UPGRADABLE) {
            true => Left::Upgradable,
            false => Left::Read,
        };
        // The caller reads, so WRITER may be taken meanwhile, but not be used.
        // A token may, too, so that none must be handed over.
        let_in(held, Change::default(), left, false);
    }

    /// How many are queued, for tests that must know that somebody is.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        let held = self.word.lock_queue();
        held.edit(|line| line.readers.len() + line.others.len())
    }
}

const TO_UPGRADABLE: Change = Change {
    clear: 0,
    set: UPGRADABLE,
    more_readers: 0,
};

fn giving(token: usize, change: Change) -> Change {
    Change {
        clear: token,
        ..change
    }
}

fn has_readers(held: &HeldQueue<'_>) -> bool {
    held.edit(|line| !line.readers.is_empty())
}

/// Makes the change, which leaves the lock as `left`, and unlocks the queues.
/// Whoever may come in then is let in, or a scout is on its way: see the module.
///
/// With `hand_over`, the caller has a token, which the change gives up.
fn let_in(held: HeldQueue<'_>, mut change: Change, left: Left, hand_over: bool) {
    let has_scout = held.before().has(WOKEN);
    let (readers, other) = held.edit(|line: &mut Line| {
        let readers = match left == Left::Free && !hand_over {
            true => Claimed::none(),
            false => line.readers.claim_all(GRANTED),
        };
        let other = match left {
            Left::Upgradable => None,
            _ if hand_over => line.others.claim_first(|_| GRANTED),
            _ if has_scout => None,
            _ => (line.readers.claim_first(|_| MAY_COMPETE))
                .or_else(|| line.others.claim_first(|_| MAY_COMPETE)),
        };
        (readers, other)
    });
    change.more_readers += readers.count();
    if hand_over && left != Left::Upgradable {
        change.clear |= STARVING;
    }
    match other {
        Some((_, GRANTED)) => change.set |= WRITER,
        Some(_) => change.set |= WOKEN,
        None => {}
    }
    held.end(change);
    // From here on the lock may be gone.
    readers.wake_all();
    if let Some((claim, _)) = other {
        claim.wake();
    }
}

/// A scout that wants a token, and finds that another party has UPGRADABLE,
/// leaves its office to a reader, who can come in.
#[cold]
fn make_reader_scout(held: HeldQueue<'_>) {
    let claimed = held.edit(|line| line.readers.claim_first(|_| MAY_COMPETE));
    let set = if claimed.is_some() { WOKEN } else { 0 };
    held.end(Change {
        set,
        ..Change::default()
    });
    if let Some((claim, _)) = claimed {
        claim.wake();
    }
}
