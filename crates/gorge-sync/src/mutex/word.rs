//! The one word of a mutex: its bits, and every transition.
//!
//! ```text
//!  63                                          4   3      2      1      0
//!  +---------------------------------------------+-----+------+------+------+
//!  |  first node of the queue (null when empty)  |WOKEN|SLEEP-|QUEUE_|LOCKED|
//!  |                                             |     |ERS   |LOCKED|      |
//!  +---------------------------------------------+-----+------+------+------+
//! ```
//!
//! * LOCKED: somebody holds the mutex.
//! * QUEUE_LOCKED: somebody holds the queue, for a few dozen instructions. Only
//!   that party changes the pointer.
//! * SLEEPERS: an OS thread sleeps until the queue is unlocked. It happens when
//!   the kernel takes the processor from whoever holds the queue.
//! * WOKEN: a waiter was taken out of the queue and woken to compete for the
//!   mutex. Nobody else is woken until it has had its look.
//!
//! | transition | from → to | by |
//! | --- | --- | --- |
//! | [`release_plain`](Word::release_plain) | LOCKED → 0 | holder |
//! | [`try_acquire`](Word::try_acquire) | … → …+LOCKED | newcomer |
//! | [`acquire_or_queue`](Word::acquire_or_queue) | … → …+LOCKED | newcomer, woken waiter |
//! |  | LOCKED… → LOCKED…+QUEUE_LOCKED | the same, to wait |
//! | [`release_or_queue`](Word::release_or_queue) | LOCKED… → … | holder |
//! |  | LOCKED… → LOCKED…+QUEUE_LOCKED | holder, to wake somebody |
//! | [`lock_queue`](Word::lock_queue) | … → …+QUEUE_LOCKED | waiter that timed out |
//! | [`lock_queue_to_append`](Word::lock_queue_to_append) | … → …+QUEUE_LOCKED | notifier of a condition variable |
//! | [`HeldQueue`]'s ends | …+QUEUE_LOCKED → …, with a new queue | holder of the queue |
//!
//! The module above argues why no wake-up is lost.

#![allow(
    clippy::disallowed_types,
    reason = "the seam's atomics are std's, but under loom"
)]

use crate::bit_lock::Looks;
use crate::queue::{Node, Queue};
use gorge_runtime::primitive::atomic::{AtomicPtr, Ordering};
use gorge_runtime::primitive::sleep;
use std::cell::Cell;
use std::ptr;

const LOCKED: usize = 1;
const QUEUE_LOCKED: usize = 1 << 1;
const SLEEPERS: usize = 1 << 2;
const WOKEN: usize = 1 << 3;
const FLAGS: usize = LOCKED | QUEUE_LOCKED | SLEEPERS | WOKEN;

const _: () = assert!(
    align_of::<Node>() > FLAGS,
    "a node's address leaves room for the flags"
);

const ONLY_LOCKED: *mut Node = ptr::without_provenance_mut(LOCKED);

/// The state word.
pub(super) struct Word(AtomicPtr<Node>);

/// What the word said at one moment.
#[derive(Clone, Copy)]
struct Snapshot(*mut Node);

impl Snapshot {
    fn has(self, flag: usize) -> bool {
        self.0.addr() & flag != 0
    }
    fn with(self, flags: usize) -> Snapshot {
        Snapshot(self.0.map_addr(|address| address | flags))
    }
    fn without(self, flags: usize) -> Snapshot {
        Snapshot(self.0.map_addr(|address| address & !flags))
    }
    fn head(self) -> *mut Node {
        self.without(FLAGS).0
    }
}

impl Word {
    /// Free, with an empty queue.
    #[cfg(not(gorge_loom))]
    pub(super) const fn new() -> Word {
        Word(AtomicPtr::new(ptr::null_mut()))
    }

    /// Free, with an empty queue.
    #[cfg(gorge_loom)]
    pub(super) fn new() -> Word {
        Word(AtomicPtr::new(ptr::null_mut()))
    }

    /// Lets go of a mutex for which nobody waits.
    #[inline]
    pub(super) fn release_plain(&self) -> bool {
        // Release: pairs with the Acquire by which the next holder takes it.
        self.0
            .compare_exchange(
                ONLY_LOCKED,
                ptr::null_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Takes the mutex if it is free, whoever waits for it.
    ///
    /// A look before the one read-modify-write: where somebody waits to run who was woken,
    /// the word is not zero, and to find that out by a failure would cost as much again.
    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        let mut word = self.load();
        while !word.has(LOCKED) {
            // Acquire: pairs with the Release by which the last holder let go, so
            // that what it wrote under the mutex is seen. A chain of read-modify-writes
            // leads from there to here.
            match self.replace(word, word.with(LOCKED), Ordering::Acquire) {
                Ok(()) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    #[inline]
    pub(super) fn is_locked(&self) -> bool {
        self.load().has(LOCKED)
    }

    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        !self.load().head().is_null()
    }

    /// Takes the mutex if it is free, else locks its queue, to wait in it.
    ///
    /// With `woken`, the caller is the one that WOKEN speaks of, and the same
    /// step takes the flag back.
    pub(super) fn acquire_or_queue(&self, woken: bool) -> Option<HeldQueue<'_>> {
        let mine = if woken { WOKEN } else { 0 };
        self.lock_queue_unless(mine, |word| {
            (!word.has(LOCKED)).then(|| word.with(LOCKED).without(mine))
        })
    }

    /// Lets go of the mutex if nobody has to be woken, else locks its queue.
    ///
    /// With `hand_over`, somebody has to be woken whenever somebody is queued.
    pub(super) fn release_or_queue(&self, hand_over: bool) -> Option<HeldQueue<'_>> {
        self.lock_queue_unless(0, |word| {
            assert!(word.has(LOCKED), "Mutex: unlocked more often than locked");
            let nobody_queued = word.head().is_null() && !word.has(QUEUE_LOCKED);
            let one_on_the_way = word.has(WOKEN) && !hand_over;
            (nobody_queued || one_on_the_way).then(|| word.without(LOCKED))
        })
    }

    /// Locks the queue, in order to pass waiters on to it. The flag says whether,
    /// in that step, somebody had the duty to look after those who are queued: the
    /// holder of the mutex, or a waiter that was woken.
    pub(super) fn lock_queue_to_append(&self) -> (HeldQueue<'_>, bool) {
        let attended = Cell::new(false);
        let held = self.lock_queue_unless(0, |word| {
            attended.set(word.has(LOCKED | WOKEN));
            None
        });
        (held.expect("there is no other way"), attended.get())
    }

    /// Locks the queue.
    pub(super) fn lock_queue(&self) -> HeldQueue<'_> {
        self.lock_queue_unless(0, |_| None)
            .expect("there is no other way")
    }

    /// Locks the queue and clears the flags `mine`, unless `shortcut` knows a
    /// word to go to instead.
    fn lock_queue_unless(
        &self,
        mine: usize,
        shortcut: impl Fn(Snapshot) -> Option<Snapshot>,
    ) -> Option<HeldQueue<'_>> {
        let mut looks = Looks::default();
        let mut word = self.load();
        loop {
            let short = shortcut(word);
            if short.is_none() && word.has(QUEUE_LOCKED) {
                self.await_queue(&mut looks);
                word = self.load();
                continue;
            }
            let next = short.unwrap_or_else(|| word.with(QUEUE_LOCKED).without(mine));
            // Acquire: pairs with the Release of the last holder of the mutex
            // (shortcut to LOCKED) or of the queue (its nodes). Release: pairs
            // with the Acquire of the next holder of the mutex (shortcut from
            // LOCKED).
            match self.replace(word, next, Ordering::AcqRel) {
                Ok(()) if short.is_some() => return None,
                Ok(()) => return Some(HeldQueue::new(self, word)),
                Err(changed) => word = changed,
            }
        }
    }

    /// Waits a bit for the queue: first looking, then asleep.
    #[cold]
    fn await_queue(&self, looks: &mut Looks) {
        let announce = || {
            let word = self.load();
            // Relaxed: the flag carries no data.
            word.has(QUEUE_LOCKED)
                && self
                    .replace(word, word.with(SLEEPERS), Ordering::Relaxed)
                    .is_ok()
        };
        let is_announced = || {
            let word = self.load();
            word.has(QUEUE_LOCKED) && word.has(SLEEPERS)
        };
        looks.wait(self.address(), announce, is_announced);
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    #[inline]
    fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    fn replace(&self, old: Snapshot, new: Snapshot, order: Ordering) -> Result<(), Snapshot> {
        match self
            .0
            .compare_exchange_weak(old.0, new.0, order, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            Err(changed) => Err(Snapshot(changed)),
        }
    }
}

/// The right to change the queue. Dropping it unlocks the queue.
///
/// A party that parks unlocks it from the commit callback, which runs while the
/// party is off its stack: hence the shared references.
pub(super) struct HeldQueue<'a> {
    word: &'a Word,
    queue: Cell<Queue>,
    ended: Cell<bool>,
}

impl<'a> HeldQueue<'a> {
    /// `before` is the word that the caller replaced to lock the queue.
    fn new(word: &'a Word, before: Snapshot) -> HeldQueue<'a> {
        // SAFETY: the pointer was put there by `end`, from `into_head`, and is
        // read by whoever locks the queue only, once each time.
        let queue = unsafe { Queue::from_head(before.head()) };
        HeldQueue {
            word,
            queue: Cell::new(queue),
            ended: Cell::new(false),
        }
    }

    /// Changes the queue.
    pub(super) fn edit<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.queue.take();
        let result = f(&mut queue);
        self.queue.set(queue);
        result
    }

    /// Unlocks the queue.
    pub(super) fn unlock(&self) {
        self.end(0, 0);
    }

    /// Unlocks the queue and lets go of the mutex, with nobody to be woken.
    ///
    /// The mutex may be gone when this returns.
    pub(super) fn release(self) {
        self.end(LOCKED, 0);
    }

    /// Unlocks the queue and lets go of the mutex. The caller has claimed a
    /// waiter and wakes it next.
    pub(super) fn release_to_woken(self) {
        self.end(LOCKED, WOKEN);
    }

    /// Unlocks the queue. The caller has claimed a waiter, while nobody held the
    /// mutex, and wakes it next.
    ///
    /// The mutex may be gone when this returns.
    pub(super) fn unlock_to_woken(self) {
        self.end(0, WOKEN);
    }

    fn end(&self, clear: usize, set: usize) {
        self.ended.set(true);
        let address = self.word.address();
        let head = self.queue.take().into_head();
        let mut word = self.word.load();
        loop {
            let flags = (word.0.addr() & (LOCKED | WOKEN) & !clear) | set;
            // Release: pairs with the Acquire of the next holder of the queue,
            // and of the mutex if it was let go.
            match self
                .word
                .replace(word, Snapshot(head).with(flags), Ordering::Release)
            {
                Ok(()) => break,
                Err(changed) => word = changed,
            }
        }
        if word.has(SLEEPERS) {
            // SAFETY: the address is, or was, that of a word.
            unsafe { sleep::wake_all(address) };
        }
    }
}

impl Drop for HeldQueue<'_> {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.unlock();
        }
    }
}
