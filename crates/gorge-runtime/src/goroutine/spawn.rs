//! Spawning: a closure becomes a G in a queue.

use super::scope::Family;
use super::task::Task;
use super::{GRef, JoinHandle, NO_HOME};
use crate::default_runtime;
use crate::leak;
use crate::primitive::atomic::Ordering;
use crate::primitive::barrier;
use crate::scheduler::{Machine, Shared, current};
use crate::sim;
use std::panic::Location;
use std::sync::Arc;

/// How to spawn. Nothing in it has to be dropped, so that it can be moved in registers.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'a> {
    pub(crate) name: Option<&'a Arc<String>>,
    /// `None`: as the runtime is configured.
    pub(crate) migrating: Option<bool>,
    pub(crate) family: Option<&'a Arc<Family>>,
    /// `None`: as the runtime is configured.
    pub(crate) stack_reserve: Option<usize>,
    /// What the goroutine weighs in a run queue beyond one.
    pub(crate) extra_weight: u32,
    /// The child runs before the rest of its parent.
    pub(crate) child_first: bool,
    pub(crate) site: &'static Location<'static>,
}

impl Spec<'_> {
    #[track_caller]
    #[inline]
    pub(crate) fn plain() -> Spec<'static> {
        Spec {
            name: None,
            migrating: None,
            family: None,
            stack_reserve: None,
            extra_weight: 0,
            child_first: false,
            site: Location::caller(),
        }
    }
}

/// Starts a goroutine that runs `f`.
///
/// The goroutine waits in the spawner's processor to be run next. Outside of a
/// runtime it starts on the process-wide default runtime, which is created at
/// first use.
///
/// # Panics
///
/// If the default runtime is needed and cannot be created; the message says
/// why.
///
/// # Examples
///
/// ```
/// let handle = gorge_runtime::go(|| 6 * 7);
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
#[track_caller]
#[inline]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let spec = Spec::plain();
    match current::machine() {
        // SAFETY: `f` and `T` are `'static`.
        Some(machine) => unsafe { spawn_here(machine, machine.shared(), spec, f) },
        // SAFETY: as above.
        None => with_runtime(move |shared| unsafe { spawn_on(shared, spec, f) }),
    }
}

/// Calls `f` with the runtime that a spawn on this thread belongs to.
#[track_caller]
#[inline]
pub(crate) fn with_runtime<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> R {
    match current::machine() {
        Some(machine) => f(machine.shared()),
        None => match current::runtime() {
            Some(shared) => f(&shared),
            None => f(default_runtime::get()),
        },
    }
}

/// Starts a goroutine of the given runtime.
///
/// # Safety
///
/// What `f` and `T` borrow outlives the goroutine: they are `'static`, or the
/// caller waits for its end, whatever happens.
pub(crate) unsafe fn spawn_on<F, T>(shared: &Arc<Shared>, spec: Spec<'_>, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    // What does not depend on the closure is compiled once, and not once for each.
    let (g, machine) = take(shared, spec);
    // SAFETY: the G is exclusively ours until it is queued, and has no task yet; the rest is
    // the caller's contract. `put` switches no stacks, so the machine is still this thread's.
    unsafe {
        put::<F, T>(g, f);
        queue(g, machine, shared, spec.child_first);
    }
    // SAFETY: `prepare` counted a reference for this handle, and the task ends with a `T`.
    unsafe { JoinHandle::new(g) }
}

/// As [`spawn_on`], from one of the runtime's own threads.
///
/// # Safety
///
/// As for [`spawn_on`]; the machine is the calling thread's, and serves `shared`.
#[inline(always)]
unsafe fn spawn_here<F, T>(
    machine: &Machine,
    shared: &Shared,
    spec: Spec<'_>,
    f: F,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let g = machine.take_g();
    // SAFETY: a free G, which has its id, is exclusively ours until it is queued. Its parent is
    // what runs on the machine, which is this thread's; the rest is the caller's contract.
    unsafe {
        prepare(g, shared, machine.running_or_none(), spec);
        put::<F, T>(g, f);
        announce(g, shared);
        start(g, machine, spec.child_first);
    }
    // Made last: a handle that is kept meanwhile is moved in parts that are larger than the
    // stores that wrote them, for which a processor has to wait.
    // SAFETY: `prepare` counted a reference for this handle, and the task ends with a `T`.
    unsafe { JoinHandle::new(g) }
}

/// A G that begins its life, to be given a task and queued; and the machine of this thread, if
/// that serves the runtime. The reference is good until the next switch of stacks.
#[inline(never)]
fn take<'m>(shared: &Arc<Shared>, spec: Spec<'_>) -> (GRef, Option<&'m Machine>) {
    let machine = current::machine().filter(|machine| machine.serves(shared));
    let (g, parent) = match machine {
        Some(machine) => (machine.take_g(), machine.running_or_none()),
        None => (shared.take_g(), current::goroutine()),
    };
    // SAFETY: a free G, which has its id, is exclusively ours; the parent is the goroutine that
    // runs on this thread, if there is one.
    unsafe { prepare(g, shared, parent, spec) };
    (g, machine)
}

/// Queues a G that [`take`] has prepared.
///
/// # Safety
///
/// It has its task, and is the caller's. The machine is as [`take`] returned it for the same
/// runtime, and no stacks were switched since.
#[inline(never)]
unsafe fn queue(g: GRef, machine: Option<&Machine>, shared: &Arc<Shared>, child_first: bool) {
    // SAFETY: the caller's contract.
    unsafe {
        announce(g, shared);
        match machine {
            Some(machine) => start(g, machine, child_first),
            None => shared.submit(g),
        }
    }
}

/// Gives a G what it is to run. It ends with a `T`.
///
/// # Safety
///
/// `g` has no task, and is the caller's. The rest is as for [`spawn_on`].
#[inline(always)]
unsafe fn put<F, T>(g: GRef, f: F)
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    // SAFETY: the caller's contract.
    unsafe {
        let task: *mut Task = &raw mut (*g.as_ref().run.get()).task;
        (*task).put::<F, T>(f);
    }
}

/// Sees to it that a shutdown that has begun finds this life.
///
/// # Safety
///
/// `g` has its task, and is the caller's.
#[inline(always)]
unsafe fn announce(g: GRef, shared: &Shared) {
    // Pairs with the heavy barrier of `begin_shutdown`: either that side finds
    // this life and cancels it, or we see its flag.
    barrier::light();
    if shared.is_shutting_down() {
        // SAFETY: the caller's contract. It will not start.
        unsafe { g.as_ref() }.cell.request_cancel_later();
    }
}

/// Queues a new goroutine on the machine of this thread, or lets it run at once.
///
/// # Safety
///
/// `g` has its task, and is the caller's; the machine is the calling thread's.
#[inline(always)]
unsafe fn start(g: GRef, machine: &Machine, child_first: bool) {
    if child_first && machine.can_run_child_first() {
        if machine.records {
            sim::started(machine, g, true);
        }
        // SAFETY: a goroutine runs here, this is its stack, and the child is ready.
        unsafe { machine.run_first(g) };
    } else if machine.records {
        sim::started(machine, g, false);
        machine.start(g);
        sim::after_start();
    } else {
        machine.start(g);
    }
}

/// Begins a G's life. There is a reference for a join handle.
///
/// # Safety
///
/// `g` is free and the caller's, with its id set; `parent` is the goroutine that calls.
#[inline(always)]
unsafe fn prepare(g: GRef, shared: &Shared, parent: Option<GRef>, spec: Spec<'_>) {
    // SAFETY: the caller's contract.
    let (g, run) = unsafe { (g.as_ref(), &mut *g.as_ref().run.get()) };
    if spec.name.is_some() || run.is_named {
        run.is_named = spec.name.is_some();
        // SAFETY: the caller's contract.
        unsafe { g.change_name(spec.name.cloned()) };
    }
    g.life.restart();
    g.set_home(NO_HOME);
    g.cell.unpark_token.store(0, Ordering::Relaxed);
    run.family = spec.family.cloned();
    if spec.extra_weight != 0 {
        run.extras.get_or_insert_default().weight = spec.extra_weight;
    }
    let kib = spec
        .stack_reserve
        .map_or(0, |bytes| bytes.div_ceil(1024).max(1));
    run.reserve_kib = u32::try_from(kib).unwrap_or(u32::MAX);
    run.migrating = spec.migrating.unwrap_or(shared.config.migrating);
    let parent_id = parent.map_or(0, |g| {
        // SAFETY: the current goroutine runs on this thread.
        unsafe { g.as_ref() }.id().as_u64()
    });
    g.origin.parent.store(parent_id, Ordering::Relaxed);
    if let Some(membership) = leak::inherit(parent, shared, g.id()) {
        run.extras.get_or_insert_default().membership = Some(membership);
    }
    g.origin
        .site
        .store(std::ptr::from_ref(spec.site).cast_mut(), Ordering::Relaxed);
    // Last: from here on, dumps show it, with the labels of this life.
    g.cell.restart();
}
