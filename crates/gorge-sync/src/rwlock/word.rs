//! The state word of a read-write lock: its bits, and every transition.
//!
//! ```text
//!  63       9    8       7        6        5       4       3       2       1       0
//!  +---------+-------+--------+--------+-------+-------+-------+-------+-------+--------+
//!  | readers |NO     |STARVING|DRAINING| WOKEN |WAITING|SLEEP- |QUEUE_ |UPGRAD-| WRITER |
//!  |         |SLEEPER|        |        |       |       |ERS    |LOCKED |ABLE   |        |
//!  +---------+-------+--------+--------+-------+-------+-------+-------+-------+--------+
//! ```
//!
//! * WRITER, UPGRADABLE: the two *tokens*, of which one party has one. Who has
//!   WRITER writes as soon as no reader is left, and no reader comes in meanwhile.
//!   Who has UPGRADABLE reads, and is the only one who may change it for WRITER.
//! * QUEUE_LOCKED: somebody holds the queues, for a few dozen instructions.
//! * SLEEPERS: an OS thread sleeps until the queues are unlocked. It happens when
//!   the kernel takes the processor from whoever holds them.
//! * WAITING: somebody is queued.
//! * WOKEN: a waiter, the *scout*, was taken out of its queue and woken to
//!   compete. Nobody else is until it has had its look.
//! * DRAINING: the party with WRITER sleeps until no reader is left. The last one
//!   takes it back when it has locked the queues.
//! * NO_SLEEPER: it has given that up, and is not queued any more, but the last reader
//!   is on its way to the queues.
//! * STARVING: the scout lost after having waited for long. The next party to
//!   give up its token hands over instead of letting go.
//!
//! | transition | from → to | by |
//! | --- | --- | --- |
//! | [`read_free`](Word::read_free) | no WRITER → reader + 1 | newcomer |
//! | [`write_free`](Word::write_free) | 0 → WRITER | newcomer |
//! | [`unread`](Word::unread) | reader − 1 | reader |
//! | [`undrain`](Word::undrain) | readers+DRAINING → readers | who has WRITER |
//! | [`unwrite_plain`](Word::unwrite_plain) | WRITER → 0 | writer |
//! | [`try_take`](Word::try_take) | a reader more, or a token | newcomer |
//! | [`take_or_queue`](Word::take_or_queue) | the same, or QUEUE_LOCKED to wait | newcomer, scout |
//! | [`drained_or_queue`](Word::drained_or_queue) | … → …+QUEUE_LOCKED+DRAINING | who has WRITER |
//! | [`change_or_queue`](Word::change_or_queue) | a [`Change`], or QUEUE_LOCKED | who has a token |
//! | [`lock_queue`](Word::lock_queue) | … → …+QUEUE_LOCKED | waiter that timed out, last reader |
//! | [`HeldQueue::end`] | …+QUEUE_LOCKED → …, with a [`Change`] | holder of the queues |
//!
//! The module above argues why no wake-up is lost.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use super::line::{Line, Packed};
use crate::bit_lock::Looks;
use gorge_runtime::primitive::atomic::{AtomicUsize, Ordering};
use gorge_runtime::primitive::{UnsafeCell, sleep};
use std::cell::Cell;

pub(super) const WRITER: usize = 1;
pub(super) const UPGRADABLE: usize = 1 << 1;
const QUEUE_LOCKED: usize = 1 << 2;
const SLEEPERS: usize = 1 << 3;
pub(super) const WAITING: usize = 1 << 4;
pub(super) const WOKEN: usize = 1 << 5;
pub(super) const DRAINING: usize = 1 << 6;
pub(super) const STARVING: usize = 1 << 7;
pub(super) const NO_SLEEPER: usize = 1 << 8;
const ONE_READER: usize = 1 << 9;

/// What somebody wants of the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// To read, while nobody has WRITER.
    Read,
    /// To read, while nobody has WRITER, or others read.
    ReadRecursive,
    /// The token UPGRADABLE.
    Upgradable,
    /// The token WRITER. Who gets it drains next.
    Write,
}

/// What a party does to the state in one step.
#[derive(Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) clear: usize,
    pub(super) set: usize,
    pub(super) more_readers: usize,
}

impl Change {
    fn of(self, state: State) -> State {
        State(((state.0 & !self.clear) | self.set) + self.more_readers * ONE_READER)
    }
}

/// What the word said at one moment.
#[derive(Clone, Copy)]
pub(super) struct State(usize);

impl State {
    pub(super) fn has(self, flags: usize) -> bool {
        self.0 & flags != 0
    }
    pub(super) fn readers(self) -> usize {
        self.0 / ONE_READER
    }
    /// Whether somebody waits, or is about to.
    pub(super) fn is_contended(self) -> bool {
        self.has(WAITING | QUEUE_LOCKED)
    }
    fn without(self, flags: usize) -> State {
        State(self.0 & !flags)
    }
    /// The state after `want` was granted; `None` if it cannot be now.
    fn granted(self, want: Want) -> Option<State> {
        let free = match want {
            Want::Read => !self.has(WRITER),
            Want::ReadRecursive => !self.has(WRITER) || self.readers() > 0,
            Want::Upgradable | Want::Write => !self.has(WRITER | UPGRADABLE),
        };
        free.then(|| match want {
            Want::Read | Want::ReadRecursive => State(
                self.0
                    .checked_add(ONE_READER)
                    .expect("RwLock: more readers than it can count"),
            ),
            Want::Upgradable => State(self.0 | UPGRADABLE),
            Want::Write => State(self.0 | WRITER),
        })
    }
}

/// What came of a look at the word.
pub(super) enum Look<'a> {
    /// The step was taken, from this state.
    Done(State),
    /// It was not possible: the queues are locked instead.
    Queue(HeldQueue<'a>),
}

/// The state, and the queues in one word.
pub(super) struct Word {
    state: AtomicUsize,
    /// Under QUEUE_LOCKED.
    line: UnsafeCell<Packed>,
}

// SAFETY: the queues are touched under QUEUE_LOCKED only, and may be sent.
unsafe impl Sync for Word {}

impl Word {
    /// Free, with empty queues.
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> Word {
        Word {
            state: AtomicUsize::new(0),
            line: UnsafeCell::new(Packed::new()),
        }
    }

    /// Free, with empty queues.
    #[cfg(gorge_loom)]
    pub(super) fn new() -> Word {
        Word {
            state: AtomicUsize::new(0),
            line: UnsafeCell::new(Packed::new()),
        }
    }

    /// Lets a reader in while nobody has WRITER. Cheapest for the only one, whom it
    /// costs one instruction that waits for no load.
    #[inline]
    pub(super) fn read_free(&self) -> bool {
        // Acquire, here and below: pairs with the Release by which the last writer
        // let go, so that what it wrote is seen.
        let acquire = Ordering::Acquire;
        let Err(state) = (self.state).compare_exchange(0, ONE_READER, acquire, Ordering::Relaxed)
        else {
            return true;
        };
        // A count that is full is the slow path's to report.
        let more = state.checked_add(ONE_READER);
        more.is_some_and(|next| {
            state & WRITER == 0 && self.replace(State(state), State(next), acquire).is_ok()
        })
    }

    /// Lets a reader leave, in one step that cannot fail. Err with what was there
    /// before if that is not all: see [`was_awaited`](Word::was_awaited).
    #[inline]
    pub(super) fn unread(&self) -> Result<(), State> {
        // Release: pairs with the Acquire of the next writer, whose writes must not
        // be seen by the reads that come before this.
        let before = self.state.fetch_sub(ONE_READER, Ordering::Release);
        match before < ONE_READER || before & DRAINING != 0 {
            true => Err(State(before)),
            false => Ok(()),
        }
    }

    /// After [`unread`](Word::unread): whether the caller was the last reader, and
    /// somebody sleeps until it has left. That party keeps the lock until the caller
    /// has locked the queues and taken DRAINING back.
    pub(super) fn was_awaited(&self, before: State) -> bool {
        if before.readers() == 0 {
            // Relaxed: undoes a step that nobody was to see, and orders nothing.
            self.state.fetch_add(ONE_READER, Ordering::Relaxed);
            panic!("RwLock: unlocked by readers more often than locked");
        }
        before.readers() == 1
    }

    /// Takes a lock that is free, and for which nobody waits, for writing.
    #[inline]
    pub(super) fn write_free(&self) -> bool {
        // Acquire: pairs with the Release by which the last party let go.
        self.state
            .compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Lets go of a lock for which nobody waits.
    #[inline]
    pub(super) fn unwrite_plain(&self) -> bool {
        // Release: pairs with the Acquire of whoever takes it next.
        self.state
            .compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes what is wanted if it is free, whoever waits for it.
    #[inline]
    pub(super) fn try_take(&self, want: Want) -> bool {
        self.step(|state| state.granted(want)).is_ok()
    }

    /// Takes the lock for writing if nobody reads or writes, whoever waits.
    #[inline]
    pub(super) fn try_write(&self) -> bool {
        self.step(|state| {
            (state.readers() == 0)
                .then(|| state.granted(Want::Write))
                .flatten()
        })
        .is_ok()
    }

    /// Changes UPGRADABLE for WRITER, at once or only `if_alone`.
    #[inline]
    pub(super) fn upgrade(&self, if_alone: bool) -> bool {
        self.step(|state| {
            assert!(
                state.has(UPGRADABLE),
                "RwLock: upgraded by a party that does not hold it upgradably"
            );
            let may = !if_alone || state.readers() == 0;
            may.then(|| State(state.without(UPGRADABLE).0 | WRITER))
        })
        .is_ok()
    }

    /// Takes what is wanted if it is free, else locks the queues, to wait there.
    ///
    /// With `scout`, the caller is the one that WOKEN speaks of, and the same
    /// step takes the flag back.
    pub(super) fn take_or_queue(&self, want: Want, scout: bool) -> Look<'_> {
        let mine = if scout { WOKEN } else { 0 };
        self.lock_queue_unless(
            |state| state.granted(want).map(|next| next.without(mine)),
            |state| state.without(mine),
        )
    }

    /// Whether anybody is queued.
    pub(super) fn has_waiters(&self) -> bool {
        self.load().has(WAITING)
    }

    /// Who has WRITER: whether no reader is left.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        // Acquire: pairs with the Release of each reader that left.
        State(self.state.load(Ordering::Acquire)).readers() == 0
    }

    /// Who has WRITER: finds that no reader is left, or locks the queues and
    /// says in the same step that it is going to sleep.
    pub(super) fn drained_or_queue(&self) -> Look<'_> {
        self.lock_queue_unless(
            |state| (state.readers() == 0).then_some(state),
            |state| State(state.0 | DRAINING),
        )
    }

    /// Who has WRITER and has set DRAINING, with the queues locked: takes that back,
    /// unless the last reader has left, who is on its way to the queues.
    pub(super) fn undrain(&self) -> bool {
        let undrained = |state: State| state.without(DRAINING);
        self.step(|state| (state.readers() > 0).then(|| undrained(state)))
            .is_ok()
    }

    /// Whether the last reader has been at the queues, after it left.
    pub(super) fn has_left(&self) -> bool {
        // Acquire: pairs with the Release by which it unlocked them.
        self.state.load(Ordering::Acquire) & DRAINING == 0
    }

    /// Who has `token`: makes the change if nobody has to be told of it, else
    /// locks the queues. With `fair`, whoever is queued has to be told.
    pub(super) fn change_or_queue(&self, token: usize, change: Change, fair: bool) -> Look<'_> {
        self.lock_queue_unless(
            |state| {
                state.check_token(token);
                let scout_will_see = state.has(WOKEN) && !state.has(STARVING) && !fair;
                (!state.is_contended() || scout_will_see).then(|| change.of(state))
            },
            |state| state,
        )
    }

    /// Locks the queues.
    pub(super) fn lock_queue(&self) -> HeldQueue<'_> {
        match self.lock_queue_unless(|_| None, |state| state) {
            Look::Queue(held) => held,
            Look::Done(_) => unreachable!("there is no other way"),
        }
    }

    pub(super) fn load(&self) -> State {
        State(self.state.load(Ordering::Relaxed))
    }

    /// Goes to the state that `next` knows, or returns if it knows none.
    #[inline]
    fn step(&self, next: impl Fn(State) -> Option<State>) -> Result<State, State> {
        let mut state = self.load();
        loop {
            let Some(next) = next(state) else {
                return Err(state);
            };
            // Acquire: pairs with the Release of whoever let go before.
            match self.replace(state, next, Ordering::Acquire) {
                Ok(()) => return Ok(state),
                Err(changed) => state = changed,
            }
        }
    }

    /// Goes to the state that `shortcut` knows; if it knows none, locks the
    /// queues, and changes the state by `and` in the same step.
    fn lock_queue_unless(
        &self,
        shortcut: impl Fn(State) -> Option<State>,
        and: impl Fn(State) -> State,
    ) -> Look<'_> {
        let mut looks = Looks::default();
        let mut state = self.load();
        loop {
            let short = shortcut(state);
            if short.is_none() && state.has(QUEUE_LOCKED) {
                self.await_queue(&mut looks);
                state = self.load();
                continue;
            }
            let next = short.unwrap_or_else(|| State(and(state).0 | QUEUE_LOCKED));
            // Acquire: pairs with the Release of whoever let go of the lock, or
            // of the queues (its nodes). Release: pairs with the Acquire of the
            // next party, if this is how the lock is let go.
            match self.replace(state, next, Ordering::AcqRel) {
                Ok(()) if short.is_some() => return Look::Done(state),
                Ok(()) => return Look::Queue(HeldQueue::new(self, state)),
                Err(changed) => state = changed,
            }
        }
    }

    /// Waits a bit for the queues: first looking, then asleep.
    #[cold]
    fn await_queue(&self, looks: &mut Looks) {
        let announce = || {
            let state = self.load();
            // Relaxed: the flag carries no data.
            state.has(QUEUE_LOCKED)
                && self
                    .replace(state, State(state.0 | SLEEPERS), Ordering::Relaxed)
                    .is_ok()
        };
        let is_announced = || {
            let state = self.load();
            state.has(QUEUE_LOCKED) && state.has(SLEEPERS)
        };
        looks.wait(self.address(), announce, is_announced);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn replace(&self, old: State, new: State, order: Ordering) -> Result<(), State> {
        match self
            .state
            .compare_exchange_weak(old.0, new.0, order, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            Err(changed) => Err(State(changed)),
        }
    }
}

impl State {
    /// Whoever lets go of a token has it; and who writes is alone.
    fn check_token(self, token: usize) {
        match token {
            WRITER => assert!(
                self.has(WRITER) && self.readers() == 0,
                "RwLock: unlocked by writers more often than locked"
            ),
            _ => assert!(
                self.has(token),
                "RwLock: unlocked by upgradable readers more often than locked"
            ),
        }
    }
}

/// The right to change the queues. Dropping it unlocks them.
///
/// A party that parks unlocks them from the commit callback, which runs while
/// the party is off its stack: hence the shared references.
pub(super) struct HeldQueue<'a> {
    word: &'a Word,
    line: Cell<Line>,
    /// The state before the queues were locked.
    before: State,
    ended: Cell<bool>,
}

impl<'a> HeldQueue<'a> {
    fn new(word: &'a Word, before: State) -> HeldQueue<'a> {
        // SAFETY: the queues are locked, by this party.
        let line = word.line.with_mut(|line| unsafe { (*line).unpack() });
        HeldQueue {
            word,
            line: Cell::new(line),
            before,
            ended: Cell::new(false),
        }
    }

    /// The state before the queues were locked. Readers and tokens may have come
    /// and gone since, but for what the caller itself holds.
    pub(super) fn before(&self) -> State {
        self.before
    }

    /// Changes the queues.
    pub(super) fn edit<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        let mut line = self.line.take();
        let result = f(&mut line);
        self.line.set(line);
        result
    }

    /// Unlocks the queues, and changes the state in the same step.
    ///
    /// If the change lets go of the lock, it may be gone when this returns.
    pub(super) fn end(&self, change: Change) {
        self.ended.set(true);
        let address = self.word.address();
        let line = self.line.take();
        let (over, waiting) = match line.is_empty() {
            true => (QUEUE_LOCKED | SLEEPERS | WAITING | STARVING, 0),
            false => (QUEUE_LOCKED | SLEEPERS, WAITING),
        };
        // SAFETY: the queues are locked, by this party.
        self.word
            .line
            .with_mut(|packed| unsafe { *packed = line.pack() });
        let mut state = self.word.load();
        loop {
            let next = State(change.of(state).without(over).0 | waiting);
            // Release: pairs with the Acquire of the next holder of the queues,
            // and of the lock if it was let go.
            match self.word.replace(state, next, Ordering::Release) {
                Ok(()) => break,
                Err(changed) => state = changed,
            }
        }
        if state.has(SLEEPERS) {
            // SAFETY: the address is, or was, that of a word.
            unsafe { sleep::wake_all(address) };
        }
    }
}

impl Drop for HeldQueue<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.end(Change::default());
        }
    }
}
