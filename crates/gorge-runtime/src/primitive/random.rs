//! Random choices of the layers above: which of several ready things comes first.

/// A number below `bound`, which is not zero. On a goroutine it comes from the
/// scheduler's own numbers, so that a seed decides it.
#[cfg(not(gorge_loom))]
#[inline]
pub fn random_below(bound: usize) -> usize {
    use crate::scheduler::{Random, current};
    use std::cell::Cell;
    thread_local! {
        /// A thread's own numbers, where there is no scheduler's.
        static OWN: Cell<u64> = const { Cell::new(0) };
    }
    if let Some(machine) = current::machine() {
        return machine.random_below(bound);
    }
    let mut state = OWN.get();
    if state == 0 {
        // Addresses differ from thread to thread, and from run to run.
        state = OWN.with(|own| std::ptr::from_ref(own).addr() as u64);
    }
    let mut random = Random::new(state, 0);
    OWN.set(state.wrapping_add(1));
    random.below(bound)
}

/// Loom explores orders, and must be able to repeat one.
#[cfg(gorge_loom)]
pub fn random_below(_bound: usize) -> usize {
    0
}
