//! Who holds which lock, and in which order locks are taken: known where
//! [`Builder::track_locks`](crate::Builder::track_locks) asked for it.
//!
//! The runtime has no locks for users. The layers above tell it of theirs:
//! [`wants`] before a lock is waited for, [`has`] when it was acquired,
//! [`lets_go`] before it is released, [`is_gone`] when it is dropped, and [`tries`] before a
//! lock is tried; all of that only if [`are_told`], which is one relaxed load: because locks
//! are tracked, or because a simulation lets others run there. It answers with the holder of a lock
//! in dumps and deadlock reports, and tells of rings in the order in which locks are
//! taken as soon as it sees one: [`rings`].
//!
//! Everything is under one lock, and nothing of a user's runs under that.

mod order;
mod report;

pub use report::{LockRing, LockWish, Party};

use crate::dump;
use crate::preempt;
use crate::primitive::atomic::{AtomicU32, Ordering};
use crate::report::report;
use order::Order;
use parking_lot::Mutex;
use report::Evidence;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one party alone.
    Exclusive,
    /// Together with others that hold it so.
    Shared,
}

/// So many rings are kept and told of.
const RINGS_MAX: usize = 100;

/// [`TRACKED`], and how many simulations listen, in units of [`LISTENER`].
static TOLD: AtomicU32 = AtomicU32::new(0);
const TRACKED: u32 = 1;
const LISTENER: u32 = 2;

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Registry {
    holds: HashMap<usize, Vec<Hold>>,
    /// The locks of each party, in the order in which it took them.
    held_by: HashMap<Party, Vec<usize>>,
    order: Order<Evidence>,
    /// The first and the last lock of the rings that were told of.
    told: HashSet<(usize, usize)>,
    rings: Vec<LockRing>,
}

struct Hold {
    party: Party,
    mode: Mode,
}

/// Whether it is kept in mind who holds which lock.
#[inline]
pub fn are_tracked() -> bool {
    // Relaxed: whoever sees it late tracks one lock less.
    TOLD.load(Ordering::Relaxed) & TRACKED != 0
}

/// Whether locks tell of themselves.
#[inline]
pub fn are_told() -> bool {
    TOLD.load(Ordering::Relaxed) != 0
}

/// From now on they are tracked, in the whole process and for good.
pub(crate) fn track() {
    TOLD.fetch_or(TRACKED, Ordering::Relaxed);
}

/// A simulation wants to be told of locks.
pub(crate) struct Listening(());

/// As long as this is there, locks tell of themselves.
pub(crate) fn listen() -> Listening {
    TOLD.fetch_add(LISTENER, Ordering::Relaxed);
    Listening(())
}

impl Drop for Listening {
    fn drop(&mut self) {
        TOLD.fetch_sub(LISTENER, Ordering::Relaxed);
    }
}

/// The caller is about to try a lock.
#[cold]
pub fn tries() {
    preempt::point_at_without_cancel("try to lock");
}

/// The caller is about to acquire a lock, and to wait for it if need be. `lock` is
/// the lock's address, `kind` what it is called.
#[cold]
pub fn wants(lock: usize, kind: &'static str, mode: Mode) {
    if !are_tracked() {
        return;
    }
    let party = Party::current();
    let mut registry = REGISTRY.lock();
    let held: Vec<usize> = registry.new_edges(&party, lock, mode);
    if held.is_empty() {
        return;
    }
    // Not under the lock: it takes a while.
    drop(registry);
    let calls = dump::own_calls();
    registry = REGISTRY.lock();
    let mut found = Vec::new();
    for held in held {
        let evidence = Evidence {
            party: party.clone(),
            kind,
            calls: calls.clone(),
        };
        if let Some(way) = registry.order.add(held, lock, evidence) {
            found.extend(registry.note_ring(&way));
        }
    }
    drop(registry);
    for ring in found {
        report(format_args!("{ring}"));
    }
}

/// The caller has acquired a lock.
#[cold]
pub fn has(lock: usize, mode: Mode) {
    if !are_tracked() {
        return;
    }
    let party = Party::current();
    let registry = &mut *REGISTRY.lock();
    let hold = Hold {
        party: party.clone(),
        mode,
    };
    registry.holds.entry(lock).or_default().push(hold);
    registry.held_by.entry(party).or_default().push(lock);
}

/// The caller is about to release a lock, which another party may have acquired.
#[cold]
pub fn lets_go(lock: usize) {
    preempt::point_at_without_cancel("unlock");
    if !are_tracked() {
        return;
    }
    let party = Party::current();
    REGISTRY.lock().end_hold(lock, &party);
}

/// A lock is dropped: its address may become another one's.
#[cold]
pub fn is_gone(lock: usize) {
    if !are_tracked() {
        return;
    }
    let registry = &mut *REGISTRY.lock();
    for hold in registry.holds.remove(&lock).into_iter().flatten() {
        registry.take_from(&hold.party, lock);
    }
    registry.order.forget(lock);
    registry
        .told
        .retain(|&(first, last)| first != lock && last != lock);
}

/// Who holds the lock at this address, as far as is known.
pub fn holders(lock: usize) -> Vec<Party> {
    if !are_tracked() || lock == 0 {
        return Vec::new();
    }
    let registry = REGISTRY.lock();
    let holds = registry.holds.get(&lock).into_iter().flatten();
    holds.map(|hold| hold.party.clone()).collect()
}

/// The rings in the order of locks that were seen so far, a hundred at most. Each was
/// printed to standard error when it was seen.
pub fn rings() -> Vec<LockRing> {
    if !are_tracked() {
        return Vec::new();
    }
    REGISTRY.lock().rings.clone()
}

impl Registry {
    /// The locks that the party holds, if it was not yet known that they are held
    /// when `lock` is waited for.
    fn new_edges(&self, party: &Party, lock: usize, mode: Mode) -> Vec<usize> {
        let held = self.held_by.get(party).into_iter().flatten().copied();
        let is_shared_twice = |held: usize| {
            let is_own_and_shared = |hold: &Hold| hold.party == *party && hold.mode == Mode::Shared;
            let mut holds = self.holds.get(&held).into_iter().flatten();
            held == lock && mode == Mode::Shared && holds.any(is_own_and_shared)
        };
        held.filter(|&held| !self.order.has(held, lock) && !is_shared_twice(held))
            .collect()
    }

    fn note_ring(&mut self, way: &[usize]) -> Option<LockRing> {
        let (&first, &last) = (way.first()?, way.last()?);
        if self.rings.len() >= RINGS_MAX || !self.told.insert((first, last)) {
            return None;
        }
        let held = std::iter::once(last).chain(way.iter().copied());
        let wishes = held.zip(way).filter_map(|(held, &taken)| {
            let evidence = self.order.edge(held, taken)?;
            Some(evidence.wish(held, taken))
        });
        let ring = LockRing::new(wishes.collect());
        self.rings.push(ring.clone());
        Some(ring)
    }

    fn end_hold(&mut self, lock: usize, caller: &Party) {
        let Some(holds) = self.holds.get_mut(&lock) else {
            // It was acquired before anybody asked.
            return;
        };
        let own = holds.iter().rposition(|hold| hold.party == *caller);
        let Some(hold) = own.or_else(|| holds.len().checked_sub(1)) else {
            return;
        };
        let hold = holds.swap_remove(hold);
        if holds.is_empty() {
            self.holds.remove(&lock);
        }
        self.take_from(&hold.party, lock);
    }

    fn take_from(&mut self, party: &Party, lock: usize) {
        let Some(locks) = self.held_by.get_mut(party) else {
            return;
        };
        if let Some(position) = locks.iter().rposition(|held| *held == lock) {
            locks.remove(position);
        }
        if locks.is_empty() {
            self.held_by.remove(party);
        }
    }
}
