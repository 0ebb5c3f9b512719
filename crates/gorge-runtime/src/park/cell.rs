//! The state word of whoever can park: its bits, and every transition.
//!
//! ```text
//!  63        32 31    16 15        0
//!  +-----------+--------+-----------+
//!  |  ticket   | token  |   flags   |
//!  +-----------+--------+-----------+
//! ```
//!
//! * `ticket`: the generation, counts the waits. A waker that holds an older
//!   ticket finds its wait over and does nothing.
//! * `token`: how the last wait ended; zero while it lasts.
//! * `flags`: PARKED (else active: runnable or running), ENDED, and what the
//!   constants below say.
//!
//! | transition | from → to | by | how |
//! | --- | --- | --- | --- |
//! | `begin` | active → PARKED, next ticket | owner | store |
//! | `claim` | PARKED → active with a token | a waker, timer, canceller | compare-and-swap |
//! | `look`, `release` | PARKED → PARKED+CLAIMED → … | dump, shrink | compare-and-swap, and |
//! | `falls_asleep` | … → …+ASLEEP | owner (OS threads) | or |
//! | `woken` | active → active+WOKEN | the claimer (OS threads) | or |
//! | `end` | active → ENDED | owner | store |
//!
//! Invariant: an active cell's word is written by its owner and, once claimed,
//! by its claimer only. That is why `begin` may be a plain store, and why the
//! request to cancel, which anybody may set at any time, has a word of its own
//! instead of a bit here: one read-modify-write less for every park.
//!
//! The lost cancel to fear: the owner parks while the canceller sees it active
//! and leaves. The owner stores PARKED, passes the light barrier and looks at
//! the request; the canceller stores the request, passes the heavy barrier and
//! looks at the word. One of them sees the other and claims.

use super::WaitReason;
use crate::primitive::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::primitive::barrier;

/// The owner waits, or is about to leave its stack.
pub(crate) const PARKED: u64 = 1;
/// The owner has ended.
pub(crate) const ENDED: u64 = 1 << 1;
/// A cancel may end this wait.
pub(crate) const CANCELLABLE: u64 = 1 << 2;
/// An unpark token ends this wait.
pub(crate) const WANTS_UNPARK: u64 = 1 << 3;
/// Somebody looks into the parked owner's stack: a resume waits for it.
pub(crate) const CLAIMED: u64 = 1 << 4;
/// The owner must resume on the thread it parked on.
pub(crate) const PINNED: u64 = 1 << 5;
/// No cancel is delivered now.
pub(crate) const SHIELD: u64 = 1 << 6;
/// A park here is a mistake: it panics.
pub(crate) const NO_PARK: u64 = 1 << 8;
/// The claimer has done its part (OS threads wait for this).
pub(crate) const WOKEN: u64 = 1 << 7;
/// The owner left its stack in the middle of a panic.
pub(crate) const MID_PANIC: u64 = 1 << 9;
/// The owner has begun to unwind, and was not seen to have ended that since.
pub(crate) const PANICKED: u64 = 1 << 10;

/// The owner, an OS thread, sleeps or is about to.
pub(crate) const ASLEEP: u64 = 1 << 11;

/// What outlives a transition.
const KEPT: u64 = CLAIMED | PINNED | SHIELD | NO_PARK | MID_PANIC | PANICKED | ASLEEP;

const TOKEN_SHIFT: u32 = 16;
const TICKET_SHIFT: u32 = 32;

/// Who owns a cell, and so how it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A goroutine: the cell is the first field of its G.
    Goroutine,
    /// An OS thread: the cell is a thread-local.
    Thread,
    /// A future: the cell is the first field of its [`Task`](super::Task).
    Task,
}

/// State word, cancel request, and what a dump shows of the wait.
pub(crate) struct ParkCell {
    word: AtomicU64,
    /// Zero when no cancel was requested; else one more than how often it was
    /// delivered.
    cancel: AtomicU8,
    /// An unpark that came before the park.
    pub(crate) unpark_token: AtomicU8,
    reason: AtomicU8,
    owner: Owner,
    /// When the wait began, on the monitor's coarse clock.
    since: AtomicU32,
    object: AtomicUsize,
}

/// A snapshot of a cell's state word.
#[derive(Clone, Copy)]
pub(crate) struct Word(u64);

impl Word {
    #[inline]
    pub(crate) fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
    #[inline]
    pub(crate) fn ticket(self) -> u32 {
        (self.0 >> TICKET_SHIFT) as u32
    }
    #[inline]
    pub(crate) fn token(self) -> u16 {
        (self.0 >> TOKEN_SHIFT) as u16
    }
}

impl ParkCell {
    #[cfg(not(gorge_loom))]
    pub(crate) const fn new(owner: Owner) -> ParkCell {
        ParkCell {
            word: AtomicU64::new(0),
            cancel: AtomicU8::new(0),
            unpark_token: AtomicU8::new(0),
            reason: AtomicU8::new(0),
            owner,
            since: AtomicU32::new(0),
            object: AtomicUsize::new(0),
        }
    }

    #[cfg(gorge_loom)]
    pub(crate) fn new(owner: Owner) -> ParkCell {
        ParkCell {
            word: AtomicU64::new(0),
            cancel: AtomicU8::new(0),
            unpark_token: AtomicU8::new(0),
            reason: AtomicU8::new(0),
            owner,
            since: AtomicU32::new(0),
            object: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    #[inline]
    pub(crate) fn load(&self) -> Word {
        // Acquire: pairs with the Release of the transition that it sees, so
        // that what was written before it (a value, a result) is visible.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Owner: starts a wait. Wakers may claim it as soon as they get the
    /// ticket; a canceller even before.
    #[inline]
    pub(crate) fn begin(&self, reason: WaitReason, object: usize, flags: u64) -> u32 {
        self.reason.store(reason as u8, Ordering::Relaxed);
        self.object.store(object, Ordering::Relaxed);
        let old = self.word.load(Ordering::Relaxed);
        debug_assert_eq!(old & (PARKED | ENDED), 0, "only an active owner parks");
        let ticket = ((old >> TICKET_SHIFT) as u32).wrapping_add(1);
        let new = (u64::from(ticket) << TICKET_SHIFT) | PARKED | flags | (old & KEPT);
        // Release: whoever claims this wait sees all that came before it.
        self.word.store(new, Ordering::Release);
        ticket
    }

    /// Ends the wait with this ticket: true for exactly one caller, who must
    /// then wake the owner.
    #[inline]
    pub(crate) fn claim(&self, ticket: u32, token: u16) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if (word >> TICKET_SHIFT) as u32 != ticket || word & PARKED == 0 {
                return false;
            }
            match self.try_claim(word, token) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    /// Whether nobody has ended the wait with this ticket yet.
    pub(crate) fn waits(&self, ticket: u32) -> bool {
        // Relaxed: an answer for this moment, with which nothing is read.
        let word = self.word.load(Ordering::Relaxed);
        (word >> TICKET_SHIFT) as u32 == ticket && word & PARKED != 0
    }

    /// Ends whatever wait goes on, if it has all of `flags`.
    pub(crate) fn claim_if(&self, flags: u64, token: u16) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (PARKED | flags) != PARKED | flags {
                return false;
            }
            match self.try_claim(word, token) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    /// Ends the wait for this object, if its owner waits for that.
    #[inline]
    pub(crate) fn claim_wait_for(&self, object: usize, token: u16) -> bool {
        // Acquire: pairs with the Release of `begin`, so that the object is that of this wait,
        // or of a later one. Then the swap fails.
        let mut word = self.word.load(Ordering::Acquire);
        while word & PARKED != 0 && self.object.load(Ordering::Relaxed) == object {
            match self.try_claim(word, token) {
                Ok(_) => return true,
                Err(_) => word = self.word.load(Ordering::Acquire),
            }
        }
        false
    }

    #[inline]
    fn try_claim(&self, word: u64, token: u16) -> Result<u64, u64> {
        debug_assert_ne!(token, 0);
        let ticket = word & (u64::MAX << TICKET_SHIFT);
        let new = ticket | (u64::from(token) << TOKEN_SHIFT) | (word & KEPT);
        // AcqRel: acquires what the owner wrote before `begin` (its slot), and
        // releases the claimer's writes to whoever sees the token.
        self.word
            .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
    }

    /// Claimer: announces that it is done with an OS thread's cell, which may
    /// be gone right after. Says whether the thread sleeps.
    pub(crate) fn woken(&self) -> bool {
        // Release: the owner returns when it sees this, with the value that
        // the claimer wrote. AcqRel with `falls_asleep`: one of them sees the other.
        self.word.fetch_or(WOKEN, Ordering::AcqRel) & ASLEEP != 0
    }

    /// Owner, an OS thread: from now on it has to be woken; false if it was already.
    pub(crate) fn falls_asleep(&self) -> bool {
        self.word.fetch_or(ASLEEP, Ordering::AcqRel) & WOKEN == 0
    }

    /// Owner: sets or clears one of its own flags while active.
    pub(crate) fn set_flag(&self, flag: u64, on: bool) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        debug_assert_eq!(word & PARKED, 0, "flags change while active only");
        let new = if on { word | flag } else { word & !flag };
        self.word.store(new, Ordering::Relaxed);
        word & flag != 0
    }

    /// Owner: no wait, cancel or unpark reaches this generation any more.
    #[inline]
    pub(crate) fn end(&self) {
        let ticket = self.word.load(Ordering::Relaxed) & (u64::MAX << TICKET_SHIFT);
        self.word.store(ticket | ENDED, Ordering::Release);
    }

    /// Owner-to-be: a recycled cell starts its next life, with a new ticket.
    #[inline]
    pub(crate) fn restart(&self) {
        let ticket = (self.word.load(Ordering::Relaxed) >> TICKET_SHIFT).wrapping_add(1);
        self.cancel.store(0, Ordering::Relaxed);
        self.word.store(ticket << TICKET_SHIFT, Ordering::Release);
    }

    /// Claims a parked owner's stack for looking into it: until the
    /// [`release`](ParkCell::release), nobody resumes the owner.
    pub(crate) fn look(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        // Acquire: pairs with the owner's Release in `begin`. Failure means
        // that the owner is active, claimed already, or just woken.
        word & (PARKED | CLAIMED) == PARKED
            && self
                .word
                .compare_exchange(word, word | CLAIMED, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Ends a [`look`](ParkCell::look).
    pub(crate) fn release(&self) {
        // Release: the resume that waits for it comes after the looking.
        self.word.fetch_and(!CLAIMED, Ordering::Release);
    }

    /// Canceller: makes the request stick. Returns whether the caller has
    /// claimed the current wait and must wake the owner.
    pub(crate) fn request_cancel(&self, token: u16) -> bool {
        self.request_cancel_later();
        // Pairs with the light barrier of `cancel_pending_after_begin`.
        barrier::heavy();
        self.claim_if(CANCELLABLE, token)
    }

    /// Makes the request stick, for a caller that runs one heavy barrier for
    /// many cells and then calls [`claim_if`](ParkCell::claim_if) on each.
    pub(crate) fn request_cancel_later(&self) {
        // An earlier request stands, with its count.
        let _ = self
            .cancel
            .compare_exchange(0, 1, Ordering::Release, Ordering::Relaxed);
    }

    /// Owner: delivers the cancel. Returns how often it did so before.
    #[cfg(not(gorge_loom))]
    pub(crate) fn count_delivery(&self) -> u8 {
        // Relaxed: once there is a request, the owner alone writes.
        let count = self.cancel.load(Ordering::Relaxed);
        self.cancel
            .store(count.saturating_add(1), Ordering::Relaxed);
        count.saturating_sub(1)
    }

    /// Whether a cancel was requested.
    #[inline]
    pub(crate) fn cancel_requested(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) != 0
    }

    /// Owner, after [`begin`](ParkCell::begin): whether a cancel has to be
    /// delivered that the canceller may have missed to deliver.
    #[inline]
    pub(crate) fn cancel_requested_after_begin(&self) -> bool {
        barrier::light();
        self.cancel_requested()
    }

    /// Owner, before [`begin`](ParkCell::begin): the time, for a dump.
    #[inline]
    pub(crate) fn set_since(&self, epoch: u32) {
        self.since.store(epoch, Ordering::Relaxed);
    }

    /// When the wait began, on the monitor's coarse clock.
    pub(crate) fn since(&self) -> u32 {
        self.since.load(Ordering::Relaxed)
    }

    /// Whether the owner waits, or is about to.
    pub(crate) fn is_parked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & PARKED != 0
    }

    /// The number of the current wait, or of the last one.
    pub(crate) fn ticket(&self) -> u32 {
        (self.word.load(Ordering::Relaxed) >> TICKET_SHIFT) as u32
    }

    pub(crate) fn reason(&self) -> WaitReason {
        WaitReason::from_byte(self.reason.load(Ordering::Relaxed))
    }

    pub(crate) fn object(&self) -> usize {
        self.object.load(Ordering::Relaxed)
    }
}
