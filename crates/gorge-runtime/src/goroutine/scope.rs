//! Scopes: goroutines that borrow from their starter's frame.
//!
//! The shape and the rules are those of [`std::thread::scope`]. A scope counts
//! its children; a child is counted off as the last act on its stack, after
//! its result was passed on or dropped, so when the count is zero nobody uses
//! what the children borrowed.
//!
//! The lost wake-up to fear: the last child ends while the owner is about to
//! wait. The owner looks at the count under the lock before it publishes its
//! waiter there; a child that counts to zero takes the lock and looks for a
//! waiter. Whichever takes the lock second sees the other.

use super::spawn::{Spec, spawn_on, with_runtime};
use super::{Goroutine, JoinHandle, check_may_park, park_anyhow};
use crate::cancel;
use crate::error::JoinError;
use crate::panics;
use crate::park::{self, CancelMode, Outcome, Refused, Wait, WaitReason, Waiter};
use crate::primitive::RawLock;
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sim;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where scoped goroutines are started; see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    family: Arc<Family>,
    /// Invariant in both lifetimes, as std's.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What a scope and its children share.
pub(crate) struct Family {
    alive: AtomicUsize,
    a_child_panicked: AtomicBool,
    lock: RawLock,
    owner: UnsafeCell<Option<Waiter>>,
    children: Mutex<Children>,
}

/// Whom to cancel when the owner is.
#[derive(Default)]
struct Children {
    /// Ended ones are swept out as it grows.
    handles: Vec<Goroutine>,
    cancelled: bool,
}

// SAFETY: `owner` is touched under the lock; the rest is synchronised.
unsafe impl Send for Family {}
// SAFETY: as above.
unsafe impl Sync for Family {}

/// Runs `f` with a scope, and returns when `f` and all goroutines that were
/// started in the scope have ended. Those may borrow from outside of it.
///
/// # Panics
///
/// If `f` panics, its panic continues after the children have ended. If a child
/// panicked and was not joined, `scope` panics.
///
/// # Cancellation
///
/// Delivers a cancel before `f` begins. While it waits for the children, a
/// cancel is forwarded to them, and delivered when all have ended.
///
/// # Examples
///
/// ```
/// use gorge_runtime::goroutine;
///
/// let mut words = vec!["to", "be", "sorted"];
/// let longest = goroutine::scope(|s| {
///     let longest = s.spawn(|| words.iter().map(|word| word.len()).max());
///     longest.join().unwrap()
/// });
/// words.sort();
/// assert_eq!((longest, words[0]), (Some(6), "be"));
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    check_may_park();
    sim::check_may_wait(WaitReason::Scope);
    if cancel::is_pending() {
        cancel::deliver();
    }
    let scope = Scope {
        family: Arc::new(Family::new()),
        scope: PhantomData,
        env: PhantomData,
    };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let cancelled = scope.family.wait_for_all();
    match result {
        Err(panic) => panics::resume(panic),
        Ok(_) if cancelled => cancel::deliver(),
        Ok(_) if scope.family.a_child_panicked.load(Ordering::Relaxed) => {
            panic!("a scoped goroutine panicked")
        }
        Ok(value) => value,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a goroutine in the scope, of the caller's runtime.
    ///
    /// # Panics
    ///
    /// If the default runtime is needed and cannot be created.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_as(Spec::plain(), f)
    }

    pub(super) fn spawn_as<F, T>(&'scope self, spec: Spec<'_>, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let spec = Spec {
            family: Some(&self.family),
            ..spec
        };
        let handle = with_runtime(|runtime| {
            // Relaxed: the child's end is released by its count-down.
            self.family.alive.fetch_add(1, Ordering::Relaxed);
            // SAFETY: `scope` returns or unwinds only when the family has
            // ended, and `'scope` outlives `scope`'s body.
            unsafe { spawn_on(runtime, spec, f) }
        });
        self.family.adopt(handle.goroutine());
        ScopedJoinHandle {
            handle: ManuallyDrop::new(handle),
            family: self.family.clone(),
            scope: PhantomData,
        }
    }
}

impl Family {
    fn new() -> Family {
        Family {
            alive: AtomicUsize::new(0),
            a_child_panicked: AtomicBool::new(false),
            lock: RawLock::new(),
            owner: UnsafeCell::new(None),
            children: Mutex::default(),
        }
    }

    fn adopt(&self, child: &Goroutine) {
        let mut children = self.children.lock();
        if children.cancelled {
            drop(children);
            // Started, by another child, after the cancel was forwarded.
            return child.cancel();
        }
        if children.handles.len() == children.handles.capacity() {
            children.handles.retain(|child| !child.has_ended());
            // As much room again, so that each sweep is paid for by as many children.
            let left = children.handles.len();
            children.handles.reserve(left);
        }
        children.handles.push(child.clone());
    }

    /// A child panicked, and nobody will join it.
    pub(crate) fn note_panic(&self) {
        self.a_child_panicked.store(true, Ordering::Relaxed);
    }

    /// Child, as its last act: counts itself off.
    pub(crate) fn child_ended(&self) {
        // AcqRel: all that the children did comes before the owner's return.
        if self.alive.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.lock.lock();
        // SAFETY: under the lock; a waiter found there was not taken back.
        let claim = unsafe {
            let owner = (*self.owner.get()).take();
            let claim = owner.and_then(|waiter| waiter.claim(Outcome::Woken(0)));
            self.lock.unlock();
            claim
        };
        if let Some(claim) = claim {
            claim.wake();
        }
    }

    /// Owner: waits for the children. True when a cancel came meanwhile, which
    /// is then to be delivered.
    fn wait_for_all(&self) -> bool {
        if self.wait(CancelMode::Deliver) {
            return false;
        }
        let children = {
            let mut children = self.children.lock();
            children.cancelled = true;
            std::mem::take(&mut children.handles)
        };
        children.iter().for_each(Goroutine::cancel);
        park_anyhow(|| while !self.wait(CancelMode::Withhold) {});
        true
    }

    /// False when a cancel came first.
    fn wait(&self, cancel: CancelMode) -> bool {
        loop {
            self.lock.lock();
            // Acquire: pairs with the children's count-down.
            if self.alive.load(Ordering::Acquire) == 0 {
                // SAFETY: locked above.
                unsafe { self.lock.unlock() };
                return true;
            }
            let wait = Wait {
                reason: WaitReason::Scope,
                object: std::ptr::from_ref(self).addr(),
                deadline: None,
                cancel,
            };
            let publish = |waiter| {
                // SAFETY: under the lock.
                unsafe { *self.owner.get() = Some(waiter) }
            };
            // SAFETY: the waiter is taken back below; `commit` releases the
            // one lock that is held.
            let parked = unsafe { park::park(wait, publish, || self.lock.unlock()) };
            let cancelled = match parked {
                Ok(Outcome::Cancelled) => {
                    self.lock.lock();
                    true
                }
                Err(Refused) => true,
                Ok(_) => false,
            };
            if cancelled {
                // SAFETY: the lock is held in both cases that come here.
                unsafe {
                    *self.owner.get() = None;
                    self.lock.unlock();
                }
                return false;
            }
        }
    }
}

/// Owns the right to a scoped goroutine's result. As a future, it is as
/// [`JoinHandle`] is; a panic that it was ready with counts as joined.
///
/// # Panics
///
/// As a future, if it is polled again after it was ready.
pub struct ScopedJoinHandle<'scope, T> {
    /// Taken by `join` and by drop.
    handle: ManuallyDrop<JoinHandle<T>>,
    family: Arc<Family>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the goroutine to end, and returns its value.
    ///
    /// # Errors
    ///
    /// As for [`JoinHandle::join`].
    ///
    /// # Panics
    ///
    /// As for [`JoinHandle::join`].
    ///
    /// # Cancellation
    ///
    /// Delivers a cancel of the calling goroutine.
    pub fn join(mut self) -> Result<T, JoinError> {
        // SAFETY: taken once: what is left of `self` is not dropped as a whole.
        let (handle, family) = unsafe {
            (
                ManuallyDrop::take(&mut self.handle),
                std::ptr::read(&self.family),
            )
        };
        std::mem::forget(self);
        drop(family);
        handle.join()
    }

    /// Whether the goroutine has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// As [`JoinHandle::cancel`].
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// The goroutine's identity, and the right to unpark it.
    pub fn goroutine(&self) -> &Goroutine {
        self.handle.goroutine()
    }
}

impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.handle).poll(context)
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        // SAFETY: taken once; `join` forgets `self`.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        handle.detach(|panicked| {
            if panicked {
                self.family.note_panic();
            }
        });
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("goroutine", self.goroutine())
            .field("finished", &self.handle.has_ended())
            .finish()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("alive", &self.family.alive.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
