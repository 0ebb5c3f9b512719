//! Permits: which machines have the right to run goroutines, and which sleep.
//!
//! As many permits exist as the runtime has processors (`max_procs`). A machine
//! runs goroutines while it is [`ACTIVE`]; a free permit is one that no machine
//! holds. The invariant, whenever the lock is free:
//!
//! > limit = free permits + active machines + called ones, and no permit is free
//! > while a machine is wanting.
//!
//! ```text
//!            lie_down          grant             stand_up
//!   ACTIVE ───────────► IDLE ────────► CALLED ───────────────► ACTIVE
//!     │                 │  │ ◄──────────┘ set_limit           ▲   ▲
//!     │                 │  │ stand_up, one is free            │   │
//!     │                 │  └──────────────────────────────────┘   │ handed on
//!     │ take_away,      └────────────► WANTING ───────────────────┘
//!     │ pass_on,          stand_up, none free ▲
//!     │ set_limit                             │
//!     └───────► LOST ── stand_up ── ACTIVE or WANTING; or lie_down
//! ```
//!
//! [`CALLED`]: a waker gave the sleeping machine a permit and counted it as
//! searching. It is a standing of its own because the permit may be gone again
//! before the machine has woken, and then that search must not stay counted.
//!
//! [`LOST`]: the machine is stuck in a goroutine that will not give way, and its
//! permit was given to another one. It goes on with what it does, and asks for
//! a permit when it comes back to its loop.
//!
//! Transitions happen under a lock, and say what the caller must do next. Some
//! numbers are also readable without it: free permits, wanting machines, the
//! poller and its time, and how many machines search for work. The argument that no wake-up is lost stands in
//! `README.md`, "Sleeping and waking".

mod answer;
mod state;

use crate::primitive::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::primitive::{RawLock, UnsafeCell};
pub(crate) use answer::{Grant, Rest, Rise};
use state::{Public, State};

/// Without a permit, asleep or about to be.
pub(crate) const IDLE: u32 = 0;
/// Holds a permit.
pub(crate) const ACTIVE: u32 = 1;
/// Its permit was taken away; it has not noticed, or not come back yet.
pub(crate) const LOST: u32 = 2;
/// Has goroutines that only it can run, and waits for a permit.
pub(crate) const WANTING: u32 = 3;
/// Holds a permit, and is to wake up and search.
pub(crate) const CALLED: u32 = 4;

/// How many machines there may be at least, with so many permits.
pub(crate) fn machines_min(limit: usize) -> u32 {
    /// Beside one for each permit.
    const SPARE: u32 = 8;
    u32::try_from(limit)
        .unwrap_or(u32::MAX)
        .saturating_add(SPARE)
}

/// Where the permits find a machine's standing.
pub(crate) trait Standings {
    /// The standing of the machine with this number, from 1.
    fn of(&self, number: u32) -> &AtomicU32;
}

/// See the module's description.
pub(crate) struct Permits {
    free: AtomicUsize,
    wanting: AtomicUsize,
    searching: AtomicUsize,
    limit: AtomicUsize,
    /// The number of the poller; zero when there is none.
    poller: AtomicU32,
    /// Until when it sleeps; zero when it does not.
    poll_until: AtomicU64,
    lock: RawLock,
    state: UnsafeCell<State>,
}

// SAFETY: `state` is used under `lock` only.
unsafe impl Send for Permits {}
// SAFETY: as above.
unsafe impl Sync for Permits {}

impl Permits {
    /// With `limit` permits, all free, for at most `machines_max` machines, or
    /// [`machines_min`] if that is more.
    pub(crate) fn new(limit: usize, machines_max: u32) -> Permits {
        Permits {
            free: AtomicUsize::new(limit),
            wanting: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            poller: AtomicU32::new(0),
            poll_until: AtomicU64::new(0),
            lock: RawLock::new(),
            state: UnsafeCell::new(State::new(limit, machines_max)),
        }
    }

    /// Runs `f` on the state, and publishes what may be read without the lock.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.lock.lock();
        let result = self.state.with_mut(|state| {
            // SAFETY: under the lock.
            let state = unsafe { &mut *state };
            let before = state.public();
            let result = f(state);
            self.publish(before, state.public());
            result
        });
        // SAFETY: locked above.
        unsafe { self.lock.unlock() };
        result
    }

    /// Only what has changed: those who read it without the lock keep their
    /// copies.
    fn publish(&self, before: Public, now: Public) {
        if now.free != before.free {
            self.free.store(now.free, Ordering::Release);
        }
        if now.wanting != before.wanting {
            self.wanting.store(now.wanting, Ordering::Release);
        }
        if now.limit != before.limit {
            self.limit.store(now.limit, Ordering::Release);
        }
        if now.poller != before.poller {
            self.poller.store(now.poller, Ordering::Release);
        }
        if now.poll_until != before.poll_until {
            self.poll_until.store(now.poll_until, Ordering::Release);
        }
    }

    /// How many machines may run at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// How many permits nobody holds.
    #[inline]
    pub(crate) fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    /// How many machines wait for a permit.
    #[inline]
    pub(crate) fn wanting(&self) -> usize {
        self.wanting.load(Ordering::Relaxed)
    }

    /// The machine that waits for timers and readiness.
    pub(crate) fn poller(&self) -> Option<u32> {
        match self.poller.load(Ordering::Acquire) {
            0 => None,
            number => Some(number),
        }
    }

    /// Until when the poller sleeps; zero when it does not.
    #[inline]
    pub(crate) fn poll_until(&self) -> u64 {
        self.poll_until.load(Ordering::Relaxed)
    }

    /// Poller: is about to sleep until then, or (zero) is awake. False for a
    /// machine that is not the poller any more, and then nothing is changed: a
    /// new poller's time must not be overwritten by an old one's.
    pub(crate) fn poll(&self, number: u32, until: u64) -> bool {
        self.with(|state| {
            let polls = state.poller == Some(number);
            if polls {
                state.poll_until = until;
            }
            polls
        })
    }

    /// Whether no machine holds a permit.
    pub(crate) fn all_free(&self) -> bool {
        // Under the lock, as the two numbers change together; but not if a look
        // without it says no.
        self.free() == self.limit() && self.with(|state| state.free == state.limit)
    }

    /// Whether every machine rests, none in line for a permit or gone on without
    /// one: then, how many permits were given out so far. While that number stays,
    /// no goroutine has run.
    #[cfg(not(gorge_loom))]
    pub(crate) fn at_rest(&self, standings: &impl Standings) -> Option<u64> {
        if self.free() != self.limit() {
            return None;
        }
        self.with(|state| {
            let rests = |number| standings.of(number).load(Ordering::Acquire) == IDLE;
            let all_rest = state.free == state.limit && (1..=state.numbers).all(rests);
            all_rest.then_some(state.given)
        })
    }

    /// Whether a machine sleeps that could be woken to search.
    pub(crate) fn has_idle(&self) -> bool {
        self.with(|state| !state.idle.is_empty())
    }

    /// How many machines there are.
    pub(crate) fn machines(&self) -> usize {
        self.with(|state| state.numbers as usize - state.vacant.len())
    }

    /// How many machines search.
    pub(crate) fn searching(&self) -> usize {
        self.searching.load(Ordering::Relaxed)
    }

    /// Poster of work, after a light barrier: whether somebody has to be woken.
    #[inline]
    pub(crate) fn should_wake(&self) -> bool {
        self.free() != 0 && self.searching() == 0
    }

    /// Becomes the only searcher, on behalf of a machine to be woken. After
    /// success comes [`grant`](Permits::grant).
    pub(crate) fn begin_wake(&self) -> bool {
        self.searching
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives a free permit to a sleeping machine, or, if it `may_start` one, to
    /// one yet to be started. On failure, and after a failed start, the caller
    /// ends the search that it counted.
    pub(crate) fn grant(&self, standings: &impl Standings, may_start: bool) -> Grant {
        self.with(|state| {
            if state.free == 0 {
                return Grant::NoPermit;
            }
            let (grant, number, standing) = match state.take_idle() {
                Some(number) => (Grant::Wake(number), number, CALLED),
                None if !may_start => return Grant::NoThread,
                None => match state.take_number() {
                    Some(number) => (Grant::Start(number), number, ACTIVE),
                    None => return Grant::NoThread,
                },
            };
            state.take_free();
            standings.of(number).store(standing, Ordering::Release);
            grant
        })
    }

    /// A number for a machine that starts without a permit.
    pub(crate) fn admit(&self, standings: &impl Standings) -> Option<u32> {
        self.with(|state| {
            let number = state.take_number()?;
            state.given += 1;
            standings.of(number).store(LOST, Ordering::Release);
            Some(number)
        })
    }

    /// The thread of a machine could not be started, or ends for good: its
    /// number is free, and its permit, if it has one, goes on. Returns the
    /// machine that got it, to be unparked.
    pub(crate) fn vacate(&self, number: u32, standings: &impl Standings) -> Option<u32> {
        self.with(|state| {
            let standing = standings.of(number).swap(IDLE, Ordering::AcqRel);
            state.forget(number);
            state.vacant.push(number);
            if standing == CALLED {
                self.searching.fetch_sub(1, Ordering::AcqRel);
            }
            if standing == ACTIVE || standing == CALLED {
                state.release(standings)
            } else {
                None
            }
        })
    }

    /// An idle machine that nobody needs ends: false when it is needed after
    /// all, or was just woken.
    pub(crate) fn leave(&self, number: u32, standings: &impl Standings) -> bool {
        self.with(|state| {
            let alive = state.numbers as usize - state.vacant.len();
            if standings.of(number).load(Ordering::Acquire) != IDLE
                || state.poller == Some(number)
                || alive <= state.limit
            {
                return false;
            }
            state.forget(number);
            state.vacant.push(number);
            true
        })
    }

    /// Machine: gives its permit up, if it still has one, and goes to sleep.
    /// Without a poller, the caller is it now.
    pub(crate) fn lie_down(&self, number: u32, standings: &impl Standings) -> Rest {
        self.with(|state| {
            state.add_idle(number);
            state.rest(number, standings)
        })
    }

    /// As [`lie_down`](Permits::lie_down), for a machine that no search may wake
    /// and that does not poll. If there is work that `anybody_may` run, a sleeping
    /// machine gets the permit to search for it, before those that wait for one:
    /// these may all be such machines, which never look for it.
    pub(crate) fn lie_down_apart(
        &self,
        number: u32,
        standings: &impl Standings,
        anybody_may: bool,
    ) -> Rest {
        self.with(|state| {
            let standing = standings.of(number).swap(IDLE, Ordering::AcqRel);
            if standing != ACTIVE {
                return Rest {
                    handed: None,
                    was_lost: standing == LOST,
                };
            }
            let searcher = if anybody_may { state.take_idle() } else { None };
            let handed = match searcher {
                Some(idle) => {
                    self.begin_search();
                    standings.of(idle).store(CALLED, Ordering::Release);
                    Some(idle)
                }
                None => state.release(standings),
            };
            Rest {
                handed,
                was_lost: false,
            }
        })
    }

    /// Machine without a permit: takes a free one if it wants one. If there is
    /// none and it `must` have one, it waits in line.
    pub(crate) fn stand_up(
        &self,
        number: u32,
        wants: bool,
        must: bool,
        standings: &impl Standings,
    ) -> Rise {
        self.with(|state| {
            let standing = standings.of(number);
            match standing.load(Ordering::Acquire) {
                ACTIVE => Rise::Active,
                CALLED => {
                    standing.store(ACTIVE, Ordering::Release);
                    Rise::Granted
                }
                _ if wants && state.free > 0 => {
                    state.take_free();
                    state.forget(number);
                    standing.store(ACTIVE, Ordering::Release);
                    Rise::Active
                }
                _ if must => {
                    state.forget(number);
                    state.wanting.push_back(number);
                    standing.store(WANTING, Ordering::Release);
                    Rise::Wanting
                }
                _ => Rise::Idle,
            }
        })
    }

    /// Takes the permit of a machine that is stuck, if `is_stuck` still holds
    /// once the machine can see that it was taken. `None` when it was not;
    /// otherwise the machine that got it, if one did.
    #[expect(clippy::option_option, reason = "taken or not, and then to whom")]
    pub(crate) fn take_away(
        &self,
        number: u32,
        standings: &impl Standings,
        is_stuck: impl FnOnce() -> bool,
    ) -> Option<Option<u32>> {
        self.with(|state| {
            let standing = standings.of(number);
            standing
                .compare_exchange(ACTIVE, LOST, Ordering::AcqRel, Ordering::Relaxed)
                .ok()?;
            if is_stuck() {
                return Some(state.release(standings));
            }
            standing.store(ACTIVE, Ordering::Release);
            None
        })
    }

    /// Active machine: passes its permit on to the first one that is wanting,
    /// and is LOST then.
    pub(crate) fn pass_on(&self, number: u32, standings: &impl Standings) -> Option<u32> {
        self.with(|state| {
            if state.wanting.is_empty() {
                return None;
            }
            standings
                .of(number)
                .compare_exchange(ACTIVE, LOST, Ordering::AcqRel, Ordering::Relaxed)
                .ok()?;
            state.release(standings)
        })
    }

    /// Changes how many permits there are. Of the machines that lose theirs,
    /// `lost` is told; those that got one are in the returned list, to be
    /// unparked. Returns the former limit with it.
    pub(crate) fn set_limit(
        &self,
        limit: usize,
        standings: &impl Standings,
        mut lost: impl FnMut(u32),
    ) -> (usize, Vec<u32>) {
        self.with(|state| {
            let former = std::mem::replace(&mut state.limit, limit);
            let mut woken = Vec::new();
            for _ in former..limit {
                woken.extend(state.release(standings));
            }
            let mut surplus = former.saturating_sub(limit);
            let unheld = surplus.min(state.free);
            state.free -= unheld;
            surplus -= unheld;
            // First those that have not woken yet: they sleep on, and nobody
            // counts on their search any more.
            for number in 1..=state.numbers {
                let standing = standings.of(number);
                if surplus > 0 && standing.load(Ordering::Acquire) == CALLED {
                    standing.store(IDLE, Ordering::Release);
                    state.add_idle(number);
                    self.searching.fetch_sub(1, Ordering::AcqRel);
                    surplus -= 1;
                }
            }
            for number in (1..=state.numbers).rev() {
                if surplus == 0 {
                    break;
                }
                let standing = standings.of(number);
                if standing
                    .compare_exchange(ACTIVE, LOST, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    surplus -= 1;
                    lost(number);
                }
            }
            (former, woken)
        })
    }

    /// A machine wants to search: at most half of the busy ones may.
    pub(crate) fn try_search(&self) -> bool {
        let busy = self.limit().saturating_sub(self.free());
        if 2 * self.searching() >= busy {
            return false;
        }
        self.searching.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// A machine searches for work that it has seen, however many do.
    pub(crate) fn begin_search(&self) {
        self.searching.fetch_add(1, Ordering::AcqRel);
    }

    /// A machine stops searching. True when it was the last one.
    pub(crate) fn stop_search(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Calls `f` with every idle machine, which stays idle meanwhile.
    pub(crate) fn for_each_idle(&self, f: impl FnMut(u32)) {
        self.with(|state| state.idle.iter().copied().for_each(f));
    }
}
