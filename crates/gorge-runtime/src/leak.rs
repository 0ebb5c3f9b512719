//! Leaks: goroutines that are still there when they should have ended, and those
//! of them that never will.
//!
//! Which goroutines a piece of code has started, directly or through others, its
//! *brood* knows: children inherit their parent's.
//!
//! That a goroutine never ends is proved by ownership. What ends a wait of these
//! kinds is a handle to the goroutine, and nothing else: `park`, an empty select,
//! a receive from a channel that never has a value. So when nobody has a handle,
//! nobody ends it. A handle that is lent to a `join` serves only that; so with
//! the goroutine that joins, the one that it waits for is lost. For channels,
//! locks and wait groups no such proof is at hand, because their ends may be
//! borrowed.

use crate::dump::{GoroutineDump, GoroutineSnapshot};
use crate::goroutine::{G, GRef, GoroutineId, with_runtime};
use crate::park::{PARKED, WANTS_UNPARK, WaitReason};
use crate::primitive::atomic::Ordering;
use crate::scheduler::{Shared, current};
use crate::time;
use crate::timer::NEVER;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Goroutines that have not ended; see [`Runtime::leak_check`](crate::Runtime::leak_check).
#[derive(Clone, Debug)]
pub struct LeakReport {
    left: GoroutineDump,
    lost: HashSet<GoroutineId>,
}

impl LeakReport {
    /// Looks at the goroutines that `counts` says count.
    pub(crate) fn take(shared: &Shared, counts: impl Fn(&G) -> bool) -> LeakReport {
        let lost = find_lost(shared);
        let mut counted = HashSet::new();
        shared.store.for_each(|g| {
            // One whose result is there is only about to leave.
            if counts(g) && !g.life.is_done() {
                counted.insert(g.id());
            }
        });
        let mut left = GoroutineDump::take(shared, true);
        left.retain(|goroutine| counted.contains(&goroutine.id));
        LeakReport { left, lost }
    }

    /// Whether all goroutines have ended.
    pub fn is_empty(&self) -> bool {
        self.goroutines().is_empty()
    }

    /// The goroutines that have not ended, by number.
    pub fn goroutines(&self) -> &[GoroutineSnapshot] {
        self.left.goroutines()
    }

    /// Those of them that certainly never will: nobody has what would end their
    /// wait.
    pub fn lost(&self) -> impl Iterator<Item = &GoroutineSnapshot> {
        let goroutines = self.goroutines().iter();
        goroutines.filter(|goroutine| self.lost.contains(&goroutine.id))
    }
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} goroutines have not ended", self.goroutines().len())?;
        let lost = self.lost().count();
        if lost != 0 {
            write!(f, ", {lost} of them for ever (leaked)")?;
        }
        for goroutine in self.goroutines() {
            write!(f, "\n\n{goroutine}")?;
            if self.lost.contains(&goroutine.id) {
                write!(f, "leaked: nobody has a handle that could end its wait")?;
            }
        }
        Ok(())
    }
}

/// A parked goroutine that only a handle could wake.
struct Suspect {
    id: GoroutineId,
    ticket: u32,
    handles: u64,
    /// The address of the G that it joins.
    joins: Option<usize>,
}

/// The goroutines that nobody can wake.
///
/// They are looked at one after the other while others run: a suspect's handle
/// might wake it, or be cloned, and then be lent to a join that is looked at later.
/// So all are looked at again: who is in the same wait then has been in it all the
/// time, and the handles that it has by then are those that count. Whoever had one
/// besides a joiner of the first look has it still, or nobody has.
fn find_lost(shared: &Shared) -> HashSet<GoroutineId> {
    let mut suspects = HashMap::new();
    shared.store.for_each(|g| {
        if let Some(suspect) = suspect(g) {
            suspects.insert(std::ptr::from_ref(g).addr(), suspect);
        }
    });
    shared.store.for_each(|g| {
        let address = std::ptr::from_ref(g).addr();
        if let Some(then) = suspects.remove(&address)
            && let Some(now) = suspect(g)
            && (now.id, now.ticket) == (then.id, then.ticket)
        {
            suspects.insert(address, now);
        }
    });
    loop {
        let lent: HashSet<usize> = suspects.values().filter_map(|it| it.joins).collect();
        let can_be_woken: Vec<usize> = suspects
            .iter()
            .filter(|(address, it)| {
                it.handles > u64::from(lent.contains(address))
                    || it
                        .joins
                        .is_some_and(|joined| !suspects.contains_key(&joined))
            })
            .map(|(address, _)| *address)
            .collect();
        if can_be_woken.is_empty() {
            return suspects.into_values().map(|it| it.id).collect();
        }
        for address in can_be_woken {
            suspects.remove(&address);
        }
    }
}

/// `None` when something other than a handle may wake it, or it is not parked.
fn suspect(g: &G) -> Option<Suspect> {
    if !g.cell.look() {
        return None;
    }
    // Held: it stays in this wait until it is released.
    let reason = g.cell.reason();
    let only_by_handle = match reason {
        // Whoever builds on the park seam may call its waits so, too.
        WaitReason::Park => g.cell.load().has(WANTS_UNPARK),
        WaitReason::Forever | WaitReason::ChannelReceiveNever | WaitReason::Join => true,
        _ => false,
    };
    // On its machine until its timer is armed.
    let is_off = g.on_machine.load(Ordering::Acquire) == 0;
    let suspect = (only_by_handle && is_off && g.timer.when() == NEVER).then(|| Suspect {
        id: g.id(),
        ticket: g.cell.ticket(),
        handles: g.life.handles(),
        joins: (reason == WaitReason::Join).then(|| g.cell.object()),
    });
    // Whoever has dropped a handle before they were counted may have woken it just
    // before that: then it is not parked any more, though it stays where it is.
    let is_parked = g.cell.load().has(PARKED);
    g.cell.release();
    suspect.filter(|_| is_parked)
}

/// The goroutines that a call of [`assert_no_leaks`] answers for, by their runtimes
/// too: each of those counts for itself.
#[derive(Default)]
struct Brood(Mutex<HashSet<(usize, GoroutineId)>>);

impl Brood {
    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Those that belong to this runtime.
    fn left_of(&self, shared: &Arc<Shared>) -> HashSet<GoroutineId> {
        let own = Arc::as_ptr(shared).addr();
        let all = self.0.lock();
        let left = all.iter().filter(|(runtime, _)| *runtime == own);
        left.map(|(_, id)| *id).collect()
    }
}

/// A goroutine's place in a brood; its children get one, too.
pub(crate) struct Membership {
    brood: Arc<Brood>,
    /// `None` for who only passes it on.
    member: Option<(usize, GoroutineId)>,
}

impl Membership {
    fn new(brood: &Arc<Brood>, member: (usize, GoroutineId)) -> Membership {
        brood.0.lock().insert(member);
        Membership {
            brood: Arc::clone(brood),
            member: Some(member),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(member) = &self.member {
            self.brood.0.lock().remove(member);
        }
    }
}

thread_local! {
    /// What is started on this thread, where no goroutine runs, belongs here. Owned:
    /// on coroutines, calls of `assert_no_leaks` need not end in the order of a stack.
    static BROOD: RefCell<Option<Arc<Brood>>> = const { RefCell::new(None) };
}

/// What a goroutine of `shared` with this number inherits that the caller starts.
#[inline(always)]
pub(crate) fn inherit(
    parent: Option<GRef>,
    shared: &Shared,
    id: GoroutineId,
) -> Option<Membership> {
    let member = (std::ptr::from_ref(shared).addr(), id);
    match parent {
        Some(g) => {
            // SAFETY: the parent's own code asks, so its run part is its own.
            let extras = unsafe { &(*g.as_ref().run.get()).extras };
            let membership = extras.as_ref()?.membership.as_ref()?;
            Some(Membership::new(&membership.brood, member))
        }
        None => inherit_of_thread(member),
    }
}

#[cold]
#[inline(never)]
fn inherit_of_thread(member: (usize, GoroutineId)) -> Option<Membership> {
    // During a thread's last moments nobody checks any more.
    BROOD
        .try_with(|brood| Some(Membership::new(brood.borrow().as_ref()?, member)))
        .ok()?
}

/// The calling thread's brood. Never inlined: a migrating goroutine may be on another thread
/// after each switch, and a compiler takes the address of a thread-local for constant.
#[inline(never)]
fn exchange_of_thread(new: Option<Arc<Brood>>) -> Option<Arc<Brood>> {
    // During a thread's last moments nobody checks any more.
    BROOD.try_with(|brood| brood.replace(new)).ok().flatten()
}

/// Makes what the caller starts belong to `brood` while `f` runs.
fn within<T>(brood: &Arc<Brood>, f: impl FnOnce() -> T) -> T {
    /// Restores what was there, also when `f` unwinds.
    enum Restore {
        Thread(Option<Arc<Brood>>),
        Goroutine(GRef, GoroutineId, Option<Membership>),
    }

    impl Drop for Restore {
        fn drop(&mut self) {
            match self {
                Restore::Thread(outer) => drop(exchange_of_thread(outer.take())),
                // A coroutine that was left in `f` may have been resumed by another
                // goroutine: then it is that one's own that is to be left alone.
                Restore::Goroutine(g, id, outer) if is_current(*g, *id) => {
                    drop(exchange(*g, outer.take()));
                }
                Restore::Goroutine(..) => {}
            }
        }
    }

    fn is_current(g: GRef, id: GoroutineId) -> bool {
        // SAFETY: the goroutine that runs here is alive.
        current::goroutine() == Some(g) && unsafe { g.as_ref() }.id() == id
    }

    /// The calling goroutine's membership.
    fn exchange(g: GRef, new: Option<Membership>) -> Option<Membership> {
        // SAFETY: the goroutine's own code calls this, so its run part is its own.
        let extras = unsafe { (*g.as_ref().run.get()).extras.get_or_insert_default() };
        std::mem::replace(&mut extras.membership, new)
    }

    let brood = Arc::clone(brood);
    let _restore = match current::goroutine() {
        None => Restore::Thread(exchange_of_thread(Some(brood))),
        Some(g) => {
            // SAFETY: the goroutine that runs here is alive.
            let id = unsafe { g.as_ref() }.id();
            let passed_on = Membership {
                brood,
                member: None,
            };
            Restore::Goroutine(g, id, exchange(g, Some(passed_on)))
        }
    };
    f()
}

/// How long goroutines that are about to end are given.
const GRACE: Duration = Duration::from_secs(1);

/// Calls `f`, and panics if a goroutine that it started, directly or through
/// others, is still there a second later.
///
/// For tests. Goroutines that end in time are waited for; those that are left
/// go on. Only goroutines of the caller's runtime count (on an OS thread: of the
/// default runtime), and not those that are started inside of
/// [`blocking`](crate::blocking()).
///
/// # Panics
///
/// The message lists the goroutines with what they wait for and where they were
/// started. A panic of `f` continues here, without a look for leaks.
///
/// # Cancellation
///
/// Delivers a cancel while it waits.
///
/// # Examples
///
/// ```
/// use gorge_runtime::{go, goroutine};
///
/// let sum = goroutine::assert_no_leaks(|| {
///     let handles = [1, 2, 3].map(|n| go(move || n * n));
///     handles.map(|handle| handle.join().unwrap()).iter().sum::<i32>()
/// });
/// assert_eq!(sum, 14);
/// ```
#[track_caller]
pub fn assert_no_leaks<T>(f: impl FnOnce() -> T) -> T {
    let brood = Arc::<Brood>::default();
    let value = within(&brood, f);
    let deadline = time::deadline(GRACE);
    let mut pause = Duration::from_micros(10);
    while !brood.is_empty() {
        // Not borrowed: it is the caller's thread's, which may change.
        let shared = with_runtime(Arc::clone);
        let left = brood.left_of(&shared);
        if left.is_empty() {
            break;
        }
        if deadline.is_none_or(|deadline| time::now() >= deadline) {
            let report = LeakReport::take(&shared, |g| left.contains(&g.id()));
            assert!(report.is_empty(), "assert_no_leaks: {report}");
            break;
        }
        crate::goroutine::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    value
}
