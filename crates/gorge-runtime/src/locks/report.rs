//! What is told of a ring of locks, and of who holds one.

use crate::dump::Frame;
use crate::goroutine::{self, GoroutineId};
use crate::scheduler::current;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// So many calls of each party are printed.
const CALLS_MAX: usize = 12;

/// A goroutine, or an OS thread: whoever can hold a lock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Party {
    /// A goroutine.
    #[non_exhaustive]
    Goroutine {
        /// Its number.
        id: GoroutineId,
        /// Its name, if it was given one.
        name: Option<Arc<str>>,
        /// Its runtime, among those of the process: each numbers its own goroutines.
        runtime: u64,
    },
    /// An OS thread, outside of goroutines.
    #[non_exhaustive]
    Thread {
        /// Its number.
        id: ThreadId,
        /// Its name, if it has one.
        name: Option<Arc<str>>,
    },
}

impl Party {
    /// The caller.
    pub(super) fn current() -> Party {
        if current::goroutine().is_some() {
            let own = goroutine::current();
            return Party::Goroutine {
                id: own.id(),
                name: own.name().map(Arc::from),
                runtime: current::runtime().map_or(0, |runtime| runtime.number),
            };
        }
        let own = thread::current();
        let name = own.name().map(Arc::from);
        Party::Thread { id: own.id(), name }
    }
}

impl PartialEq for Party {
    fn eq(&self, other: &Party) -> bool {
        match (self, other) {
            (
                Party::Goroutine { id: a, runtime, .. },
                Party::Goroutine {
                    id: b,
                    runtime: other,
                    ..
                },
            ) => (a, runtime) == (b, other),
            (Party::Thread { id: a, .. }, Party::Thread { id: b, .. }) => a == b,
            _ => false,
        }
    }
}

impl Eq for Party {}

impl Hash for Party {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Party::Goroutine { id, runtime, .. } => (id, runtime).hash(state),
            Party::Thread { id, .. } => id.hash(state),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Party::Goroutine { id, name, .. } => {
                write!(f, "goroutine {id}")?;
                name
            }
            Party::Thread { name, .. } => {
                f.write_str("an OS thread")?;
                name
            }
        };
        name.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

/// How an edge of the order came to be known.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) party: Party,
    pub(super) kind: &'static str,
    pub(super) calls: Arc<[Frame]>,
}

impl Evidence {
    pub(super) fn wish(&self, held: usize, wanted: usize) -> LockWish {
        LockWish {
            party: self.party.clone(),
            kind: self.kind,
            held,
            wanted,
            calls: self.calls.clone(),
        }
    }
}

/// Somebody who held a lock and took another one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LockWish {
    /// Who it was.
    pub party: Party,
    /// What the lock that it took is called.
    pub kind: &'static str,
    /// The address of the lock that it held.
    pub held: usize,
    /// The address of the lock that it took.
    pub wanted: usize,
    /// The calls it was in, innermost first. None are known of an OS thread.
    pub calls: Arc<[Frame]>,
}

/// Locks that were taken in such orders that parties which do so at the same time can
/// wait for each other for ever. With one wish alone, a party takes a lock that it
/// holds.
///
/// `Display` prints who held which and took which, in which calls.
#[derive(Clone, Debug)]
pub struct LockRing(Arc<[LockWish]>);

impl LockRing {
    pub(super) fn new(wishes: Vec<LockWish>) -> LockRing {
        LockRing(wishes.into())
    }

    /// Each takes the lock that the next one holds, and the last one that of the first.
    pub fn wishes(&self) -> &[LockWish] {
        &self.0
    }
}

impl fmt::Display for LockRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [_] => {
                f.write_str("gorge: a party takes a lock that it holds, and waits for itself")?
            }
            _ => f.write_str(
                "gorge: locks are taken in different orders: parties that do so at the same \
                 time wait for each other for ever; take them in one order everywhere",
            )?,
        }
        for wish in &*self.0 {
            let LockWish {
                party, kind, held, ..
            } = wish;
            write!(f, "\n\n{party} takes the {kind} at {:#x}", wish.wanted)?;
            write!(f, ", and holds the one at {held:#x}:")?;
            for call in wish.calls.iter().take(CALLS_MAX) {
                write!(f, "\n{}", call.to_string().trim_end())?;
            }
        }
        writeln!(f)
    }
}
