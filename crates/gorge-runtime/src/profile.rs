//! How long whoever waits has waited: a hook for profiles of blocked time.
//!
//! The layers above time a wait only while a hook is set ([`wait_begins`], one relaxed
//! load), and tell of it when the operation is complete ([`wait_ended`]), because the
//! hook is the program's code.

use crate::park::WaitReason;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[cfg(not(gorge_loom))]
mod hook {
    use super::Blocked;
    use crate::primitive::atomic::{AtomicPtr, Ordering};
    use std::ptr;

    /// The hook's address; null for none.
    static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

    pub(super) fn get() -> Option<fn(&Blocked)> {
        // Relaxed: code is there before the program runs.
        let hook = HOOK.load(Ordering::Relaxed);
        // SAFETY: what is not null was put there by `set`, from this type.
        (!hook.is_null()).then(|| unsafe { std::mem::transmute::<*mut (), fn(&Blocked)>(hook) })
    }

    pub(super) fn set(hook: Option<fn(&Blocked)>) -> Option<fn(&Blocked)> {
        let before = get();
        let address = hook.map_or(ptr::null_mut(), |hook| hook as *mut ());
        HOOK.store(address, Ordering::Relaxed);
        before
    }
}

#[cfg(gorge_loom)]
mod hook {
    use super::Blocked;

    pub(super) fn get() -> Option<fn(&Blocked)> {
        None
    }

    pub(super) fn set(_hook: Option<fn(&Blocked)>) -> Option<fn(&Blocked)> {
        None
    }
}

/// A wait that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Blocked {
    /// What was waited for.
    pub reason: WaitReason,
    /// The address of what was waited for, which tells two locks apart.
    pub object: usize,
    /// How long it took, by the clock that the waiter sees.
    pub waited: Duration,
}

impl Blocked {
    /// The calls that the waiter is in, innermost first; none of an OS thread. Finding
    /// them takes some microseconds, their names more.
    #[cfg(not(gorge_loom))]
    pub fn calls(&self) -> std::sync::Arc<[crate::Frame]> {
        crate::dump::own_calls()
    }
}

/// From now on, `hook` is called after every wait for a lock, a wait group, a
/// semaphore, a condition variable, a barrier or an initialiser; `None` ends that.
/// Returns the hook that was there before.
///
/// It runs on the goroutine or the thread that waited,
/// ([`goroutine::current`](crate::goroutine::current) says which one), when that has
/// what it waited for: so it must not wait for the same thing, and be quick. If it
/// panics, that goes no further.
///
/// # Examples
///
/// ```
/// use gorge_runtime::profile::{Blocked, set_block_hook};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// static WAITED_NS: AtomicU64 = AtomicU64::new(0);
///
/// fn add_up(blocked: &Blocked) {
///     WAITED_NS.fetch_add(blocked.waited.as_nanos() as u64, Ordering::Relaxed);
/// }
///
/// assert!(set_block_hook(Some(add_up)).is_none());
/// // The program runs.
/// set_block_hook(None);
/// ```
pub fn set_block_hook(hook: Option<fn(&Blocked)>) -> Option<fn(&Blocked)> {
    hook::set(hook)
}

/// When a wait begins, if anybody wants to know.
#[inline]
pub fn wait_begins() -> Option<Instant> {
    hook::get().map(|_| crate::time::now())
}

/// The operation that waited since `began` is complete.
#[inline]
pub fn wait_ended(began: Option<Instant>, reason: WaitReason, object: usize) {
    if let Some(began) = began {
        tell(began, reason, object);
    }
}

#[cold]
fn tell(began: Instant, reason: WaitReason, object: usize) {
    let Some(hook) = hook::get() else {
        return;
    };
    let blocked = Blocked {
        reason,
        object,
        waited: crate::time::now().saturating_duration_since(began),
    };
    // A panic would lose what the operation has acquired. So would one of the payload's
    // destructor.
    let told = catch_unwind(|| hook(&blocked));
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(told))) {
        std::mem::forget(payload);
    }
}
