//! A slot: what the poller knows of one registered descriptor.
//!
//! Slots are recycled, never freed before the poller is, and carry the
//! generation of their registration: an event that was fetched for an earlier
//! one finds another generation and does nothing.

use super::Direction;
use super::waiters::{Claimed, Node, Waiters};
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason};
use crate::primitive::RawLock;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use std::cell::UnsafeCell;
use std::time::Instant;

/// How many edges had come when an operation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edges(u64);

/// How a wait ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It did not begin: there is something to look at already.
    NotBegun,
    /// Somebody claimed it, and has counted the waiter off.
    Woken,
    /// The deadline passed.
    TimedOut,
    /// The goroutine was cancelled.
    Cancelled,
    /// It did not begin: the poller has ended.
    PollerEnded,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Slot {
    /// Written under the lock.
    edges: [AtomicU64; 2],
    /// Closed, or a deadline is set: what an operation looks up under the lock
    /// before it tries. Written under the lock.
    restricted: AtomicBool,
    lock: RawLock,
    state: UnsafeCell<State>,
}

#[derive(Default)]
struct State {
    generation: u32,
    closed: bool,
    deadlines: [Option<Instant>; 2],
    waiters: [Waiters; 2],
}

// SAFETY: `state` is touched under the lock only, and what it points to is
// good for any thread that holds it (see `Waiters`).
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// `f` neither panics, parks, allocates nor wakes.
    fn locked<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.lock.lock();
        // SAFETY: under the lock, and `f` does not come back here.
        let result = f(unsafe { &mut *self.state.get() });
        // SAFETY: taken above.
        unsafe { self.lock.unlock() };
        result
    }

    /// The generation of the registration that owns the slot.
    pub(super) fn generation(&self) -> u32 {
        self.locked(|state| state.generation)
    }

    /// Ends the registration: nothing of it reaches the next one.
    pub(super) fn recycle(&self) {
        self.locked(|state| {
            debug_assert!(state.waiters.iter().all(Waiters::is_empty));
            state.generation = state.generation.wrapping_add(1);
            state.closed = false;
            state.deadlines = [None; 2];
            self.restricted.store(false, Ordering::Relaxed);
        });
    }

    /// What to note before a system call.
    #[inline]
    pub(super) fn edges(&self, direction: Direction) -> Edges {
        // Acquire: the system call that follows looks at the source after this
        // load; see the module's description of `netpoll`.
        Edges(self.edges[direction as usize].load(Ordering::Acquire))
    }

    /// Whether the slot was closed, and the direction's own deadline.
    #[inline]
    pub(super) fn restrictions(&self, direction: Direction) -> (bool, Option<Instant>) {
        // Relaxed: who must see a change was told of it, or finds it under the
        // lock when it waits.
        if !self.restricted.load(Ordering::Relaxed) {
            return (false, None);
        }
        self.locked(|state| (state.closed, state.deadlines[direction as usize]))
    }

    /// Poller: something has changed in these directions.
    pub(super) fn event(&self, generation: u32, readable: bool, writable: bool) -> Claimed {
        let mut claimed = Claimed::default();
        self.locked(|state| {
            if state.generation != generation {
                return;
            }
            for (side, changed) in [readable, writable].into_iter().enumerate() {
                if changed {
                    let count = self.edges[side].load(Ordering::Relaxed);
                    // Release: pairs with the Acquire in `edges`.
                    self.edges[side].store(count + 1, Ordering::Release);
                    state.waiters[side].claim_all(Outcome::Woken(0), &mut claimed);
                }
            }
        });
        claimed
    }

    /// Ends every operation, waiting or yet to come.
    pub(super) fn close(&self) -> Claimed {
        let mut claimed = Claimed::default();
        self.locked(|state| {
            state.closed = true;
            self.restricted.store(true, Ordering::Relaxed);
            for waiters in &mut state.waiters {
                waiters.claim_all(Outcome::Closed, &mut claimed);
            }
        });
        claimed
    }

    /// Sets the direction's own deadline. Those who wait look again, and find
    /// it passed or wait for the new one: a timer that is taken out of its heap
    /// needs no sequence number.
    pub(super) fn set_deadline(&self, direction: Direction, deadline: Option<Instant>) -> Claimed {
        let mut claimed = Claimed::default();
        self.locked(|state| {
            state.deadlines[direction as usize] = deadline;
            let restricted = state.closed || state.deadlines.iter().any(Option::is_some);
            self.restricted.store(restricted, Ordering::Relaxed);
            state.waiters[direction as usize].claim_all(Outcome::Woken(0), &mut claimed);
        });
        claimed
    }

    /// The poller ends: nobody waits any more.
    pub(super) fn release_all(&self) -> Claimed {
        let mut claimed = Claimed::default();
        self.locked(|state| {
            for waiters in &mut state.waiters {
                waiters.claim_all(Outcome::Closed, &mut claimed);
            }
        });
        claimed
    }

    /// Waits for an edge beyond those that were `seen`, or whatever else makes
    /// it worth to look again. `ended` says that the poller has.
    pub(super) fn wait(
        &self,
        direction: Direction,
        seen: Edges,
        deadline: Option<Instant>,
        ended: &AtomicBool,
    ) -> Waited {
        let side = direction as usize;
        let node = Node::new();
        self.lock.lock();
        // Relaxed: the sweep that ends the poller takes every slot's lock after
        // it has set the flag. If it had this one before us, we see the flag;
        // otherwise it will find our waiter.
        let has_ended = ended.load(Ordering::Relaxed);
        // SAFETY: under the lock.
        let (closed, own_deadline) = unsafe {
            let state = &*self.state.get();
            (state.closed, state.deadlines[side])
        };
        if has_ended || closed || self.edges(direction) != seen {
            // SAFETY: taken above.
            unsafe { self.lock.unlock() };
            return if has_ended && !closed {
                Waited::PollerEnded
            } else {
                Waited::NotBegun
            };
        }
        let wait = Wait {
            reason: WaitReason::Io,
            object: std::ptr::from_ref(self).addr(),
            deadline: earlier(deadline, own_deadline),
            cancel: CancelMode::Deliver,
        };
        // SAFETY: under the lock; the node stays in this frame, which is left
        // after it was unlinked: by whoever woke us, or below.
        let publish = |waiter| unsafe { (*self.state.get()).waiters[side].push(&node, waiter) };
        // SAFETY: the waiter is taken back below, or was by its claimer;
        // `commit` releases the one lock that is held.
        let parked = unsafe { park::park(wait, publish, || self.lock.unlock()) };
        let (waited, is_linked) = match parked {
            Ok(Outcome::Woken(_) | Outcome::Closed) => return Waited::Woken,
            Ok(Outcome::TimedOut) => (Waited::TimedOut, true),
            Ok(Outcome::Cancelled) => (Waited::Cancelled, true),
            Err(Refused) => (Waited::Cancelled, false),
        };
        if is_linked {
            self.lock.lock();
        }
        // SAFETY: the lock is held: taken here, or kept by a wait that was
        // refused. A node whose waiter was claimed by nobody here is linked.
        unsafe {
            if is_linked {
                (*self.state.get()).waiters[side].remove(&node);
            }
            self.lock.unlock();
        }
        waited
    }
}

/// The earlier one of two deadlines that may be none.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
