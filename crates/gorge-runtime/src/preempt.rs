//! Giving the processor up in time: [`checkpoint`], and the points at which
//! operations that return without waiting do the same.

/// Gives the processor up if the goroutine's time slice is over, so that a long
/// computation lets others run. Costs a few nanoseconds otherwise. On an
/// OS thread it does nothing.
///
/// Every operation that may wait, and every channel operation, is such a point
/// already.
///
/// # Cancellation
///
/// Delivers a cancel.
///
/// # Examples
///
/// ```
/// let sum = gorge_runtime::go(|| {
///     let mut sum = 0u64;
///     for i in 0..10_000 {
///         sum += i;
///         gorge_runtime::checkpoint();
///     }
///     sum
/// });
/// assert_eq!(sum.join().unwrap(), 49_995_000);
/// ```
#[cfg(not(gorge_loom))]
#[inline]
pub fn checkpoint() {
    point_at("checkpoint");
    if crate::cancel::is_pending() {
        crate::cancel::deliver();
    }
}

/// For an operation that can wait, at its entry, before it takes a lock: it may
/// turn out not to wait.
///
/// # Cancellation
///
/// May deliver a cancel.
#[inline(always)]
pub fn point() {
    point_at("operation");
}

/// As [`point`], with what a simulation's trace calls the operation.
#[inline(always)]
pub fn point_at(_operation: &'static str) {
    #[cfg(not(gorge_loom))]
    if crate::scheduler::preempt::is_anything_requested() {
        answer(true, _operation);
    }
}

/// As [`point`], for an operation that never delivers a cancel.
#[inline(always)]
pub fn point_without_cancel() {
    point_at_without_cancel("operation");
}

/// As [`point_at`], for an operation that never delivers a cancel.
#[inline(always)]
pub fn point_at_without_cancel(_operation: &'static str) {
    #[cfg(not(gorge_loom))]
    if crate::scheduler::preempt::is_anything_requested() {
        answer(false, _operation);
    }
}

/// As long as it is there, operations come here where a machine is simulated.
#[cfg(not(gorge_loom))]
pub(crate) use crate::scheduler::preempt::listen;

#[cfg(not(gorge_loom))]
#[cold]
fn answer(delivers: bool, operation: &'static str) {
    use crate::scheduler::current;
    let Some(machine) = current::machine_in_goroutine() else {
        return;
    };
    if let Some(world) = machine.closed_world() {
        return crate::sim::point(machine, world, delivers, operation);
    }
    // While it unwinds, and where it must not park, a goroutine goes on.
    if !machine.is_asked() || crate::panics::is_panicking() || crate::goroutine::must_not_park() {
        return;
    }
    let is_cancelled = crate::cancel::is_pending();
    if delivers && is_cancelled {
        crate::cancel::deliver();
    }
    // An operation that may not tell it leaves the request to the next one.
    if machine.answer(!is_cancelled) {
        // SAFETY: the running goroutine calls this, on its stack.
        unsafe { machine.give_way() };
    }
}
